"""What is learned from data: rates that fall as data grow, and which weights stay.

First, 10 to 10,000 rows of a line with noise, and a network with three layers that
learn their rates, in the same number of steps. Then thirty inputs, where only four
matter, and a layer that learns which weights to prune, at several strengths of its
penalty.
"""

import experiment
import keras
import numpy as np
from again import Again, shuffled

import keras_dropout as kd

UNITS, BATCH, STEPS = 64, 50, 50
SIZES = (10, 30, 100, 300, 1000, 3000, 10_000)
LAYERS = ("first", "second", "third")
CAUSES = {3: 2.0, 11: -1.5, 19: 1.0, 27: 0.8}
ROWS, HELD_OUT, INPUTS, NOISE = 400, 2000, 30, 0.5
STRENGTHS = (1, 2, 3, 4)
# Epochs of the pruning run: where its penalty begins to grow, and where it is whole.
RAMP = (0.1, 0.3)


def line():
    """Two hidden layers and a mean with a log variance, each behind a learned rate."""
    dense = [(UNITS, "relu"), (UNITS, "relu"), (2, None)]
    learned = [
        kd.layers.ConcreteDropout(keras.layers.Dense(*each), 0.1, name=name)
        for name, each in zip(LAYERS, dense, strict=True)
    ]
    return keras.Sequential([keras.Input((1,)), *learned])


def rates(args):
    """By the number of rows: the learned rates of each run, by layer."""
    trained = Again(line, kd.losses.GaussianNLL(), 1e-2)
    layers = trained.layers(kd.layers.ConcreteDropout)
    found = {}
    for size in SIZES[::3] if args.quick else SIZES:
        found[str(size)] = runs = []
        strengths = kd.losses.kl_weights(size, length_scale=1e-2)
        for seed in range(args.repeats):
            rng = np.random.default_rng(seed)
            x = rng.normal(size=(size, 1)).astype("float32")
            y = (2 * x + 8 + rng.normal(size=x.shape)).astype("float32")
            model = trained.begin(seed)
            for layer in layers:
                layer.weight_regularizer = strengths["weight_regularizer"]
                layer.dropout_regularizer = strengths["dropout_regularizer"]
            rows = shuffled(size, args.epochs * STEPS * BATCH, seed)
            model.fit(x[rows], y[rows], BATCH, verbose=0, shuffle=False)
            runs.append([layer.rate for layer in layers])
        print(f"{size} rows: {np.mean(runs, axis=0).round(3)}", flush=True)
    return found


def sparse():
    layer = kd.layers.SparseVariationalDropout(keras.layers.Dense(1), kl_weight=0.0)
    return keras.Sequential([keras.Input((INPUTS,)), layer])


def least_squares(x, y):
    """A function that predicts by least squares, and how many errors each input is."""
    x = np.hstack([x, np.ones((len(x), 1))])
    coefficients, *_ = np.linalg.lstsq(x, y, rcond=None)
    errors = NOISE * np.sqrt(np.diag(np.linalg.inv(x.T @ x)))
    away = np.abs(coefficients[:, 0]) / errors
    return lambda x: x @ coefficients[:-1] + coefficients[-1], away[:-1]


def expected(away, strength, threshold):
    r"""How many inputs that are no causes the smallest loss prunes.

    With an estimate of `t` standard errors and the penalty `c` times the bound's, the
    loss of a weight `u` of the variance `v`, both in standard errors, is nearly
    `(u - t)^2 / 2 + v / 2 + c u^2 / (2 v)` where alpha is large. It is smallest at
    `u = t - sqrt(c)` and `v = sqrt(c) u`, so alpha is `sqrt(c) / (t - sqrt(c))`.
    """
    reach = np.sqrt(strength) * (1 + np.exp(-threshold))
    return int(np.sum(np.delete(away, list(CAUSES)) < reach))


def pruned(args):
    """By the strength of the penalty: what each run kept, and its error."""
    steps = args.epochs * STEPS
    # To small steps in the end: those of a useless weight keep it away from 0.
    decay = keras.optimizers.schedules.CosineDecay(2e-2, steps)
    trained = Again(sparse, "mse", decay)
    (layer,) = trained.layers(kd.layers.SparseVariationalDropout)
    bound = kd.losses.kl_weights(ROWS, loss="mse", precision=NOISE**-2)
    causes = list(CAUSES)
    found = {str(strength): [] for strength in STRENGTHS}
    for seed in range(args.repeats):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(ROWS + HELD_OUT, INPUTS)).astype("float32")
        y = x[:, causes] @ list(CAUSES.values()) + NOISE * rng.normal(size=len(x))
        y = y[:, None].astype("float32")
        known, held_out = (x[:ROWS], y[:ROWS]), (x[ROWS:], y[ROWS:])

        def error(predict, test=held_out):
            return float(np.mean((predict(test[0]) - test[1]) ** 2))

        everything, away = least_squares(*known)
        everything = error(everything)
        oracle, _ = least_squares(known[0][:, causes], known[1])
        oracle = error(lambda x, oracle=oracle: oracle(x[:, causes]))
        for strength in STRENGTHS:
            first, last = (share * args.epochs for share in RAMP)
            full = strength * bound["dropout_regularizer"]
            ramp = kd.schedules.Linear(
                0.0, full, steps=max(int(last - first), 1), begin=int(first)
            )
            model = trained.begin(seed)
            scheduler = kd.callbacks.RateScheduler(
                ramp, unit="epoch", attribute="kl_weight"
            )
            # All rows in every step: the noise of small batches keeps weights alive.
            rows = np.tile(np.arange(ROWS), STEPS)
            model.fit(
                known[0][rows],
                known[1][rows],
                ROWS,
                args.epochs,
                callbacks=[scheduler],
                verbose=0,
            )
            log_alpha = layer.log_alpha[:, 0]
            kept = np.flatnonzero(log_alpha < layer.threshold)
            found[str(strength)].append(
                {
                    "causes": len(set(kept.tolist()) & set(causes)),
                    "pruned": INPUTS - len(CAUSES) - len(set(kept) - set(causes)),
                    "expected": expected(away, strength, layer.threshold),
                    "error": error(lambda x: trained.model.predict(x, 1000, verbose=0)),
                    "everything": everything,
                    "oracle": oracle,
                    "log_alpha": log_alpha.tolist(),
                }
            )
    for strength, runs in found.items():
        print(f"strength {strength}: {[run['pruned'] for run in runs]}", flush=True)
    return found


def run(args):
    return {"rates": rates(args), "sparse": pruned(args)}


def report(results):
    header = ["rows", *(f"rate of the {name} layer" for name in LAYERS)]
    rows = []
    for size, runs in results["rates"].items():
        cells = [experiment.mean_and_spread(each, 3) for each in np.transpose(runs)]
        rows.append([f"{int(size):,}", *cells])
    return f"{experiment.table(header, rows)}\n\n{report_pruned(results)}"


# What a run is told by, and with how many digits.
SHOWN = {
    "causes": 1,
    "pruned": 1,
    "expected": 1,
    "error": 4,
    "everything": 4,
    "oracle": 4,
}


def report_pruned(results):
    useless = INPUTS - len(CAUSES)
    header = [
        "strength",
        "causes kept, of 4",
        f"others pruned, of {useless}",
        "expected",
        "error",
        "least squares, all inputs",
        "least squares, causes alone",
    ]
    rows = []
    for strength, runs in results["sparse"].items():
        cells = [
            experiment.mean_and_spread([run[name] for run in runs], places)
            for name, places in SHOWN.items()
        ]
        rows.append([f"{strength} times", *cells])
    return experiment.table(header, rows)


COLOURS = ("#2a9d8f", "#e76f51", "#7b6fb8")
STYLES = ("o-", "s--", "^-.")


def draw_rates(results):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 3.4))
    sizes = [int(size) for size in results["rates"]]
    runs = np.array(list(results["rates"].values()))
    styles = zip(LAYERS, COLOURS, STYLES, strict=True)
    for place, (name, colour, style) in enumerate(styles):
        own, label = runs[..., place], f"{name} layer"
        ax.plot(sizes, own.mean(axis=1), style, ms=4, color=colour, label=label)
        ax.fill_between(sizes, own.min(1), own.max(1), color=colour, alpha=0.2, lw=0)
    ax.set(xscale="log", ylim=(0, 0.52), xlabel="rows of data", ylabel="learned rate")
    ax.legend()
    return figure


def draw_survivors(results):
    """The learned log alpha of each input, at the bound and at three times it."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
    for ax, strength in zip(axes, ("1", "3"), strict=True):
        log_alpha = np.array(results["sparse"][strength][0]["log_alpha"])
        is_cause = np.isin(np.arange(len(log_alpha)), list(CAUSES))
        for chosen, colour, marker, label in (
            (is_cause, COLOURS[0], "s", "causes"),
            (~is_cause, COLOURS[1], "o", "others"),
        ):
            options = {"s": 18, "color": colour, "marker": marker, "label": label}
            ax.scatter(np.flatnonzero(chosen), log_alpha[chosen], **options)
        ax.axhline(3, ls="--", lw=1, color="#8c8c8c")
        ax.set(xlabel="input", title=f"penalty times {strength}")
    axes[0].set_ylabel("log alpha (pruned from 3 on)")
    axes[1].legend(loc="center right")
    return figure


FIGURES = {"learned_rates_rows": draw_rates, "learned_rates_inputs": draw_survivors}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(40, 2), repeats=5)
