"""The uncertainty of a regression: carbon dioxide at Mauna Loa, extrapolated.

Deep networks with dropout after each hidden layer are fitted to the record, and predict
years before, in and after it. With ReLU the standard deviation over Monte Carlo samples
grows away from the data; with tanh it cannot. The record of the following years shows
how far the bands can be trusted.
"""

import experiment
import keras
import numpy as np
from datasets import co2

import keras_dropout as kd

WIDTH, DEPTH, RATE, BATCH, SAMPLES = 512, 4, 0.1, 68, 200
STEEPNESS = 3.0


def build(activation):
    """A deep network with first units that bend at points all over the record.

    With Keras's initial biases of zero all of them would bend in its middle.
    """
    spread = {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=STEEPNESS),
        "bias_initializer": keras.initializers.RandomUniform(
            -2 * STEEPNESS, 2 * STEEPNESS
        ),
    }
    model = keras.Sequential([keras.Input((1,))])
    for depth in range(DEPTH):
        model.add(keras.layers.Dense(WIDTH, activation, **({} if depth else spread)))
        model.add(kd.layers.Dropout(RATE))
    model.add(keras.layers.Dense(1))
    return model


def fit(activation, x, y, epochs, seed):
    """Fits one network, with a learning rate that falls to zero."""
    keras.utils.set_random_seed(seed)
    model = build(activation)
    steps = -(-len(x) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)
    at_once = experiment.steps_per_execution(steps)
    model.compile(keras.optimizers.Adam(rate), "mse", steps_per_execution=at_once)
    model.fit(x, y, BATCH, epochs, verbose=0)
    return model


def run(args):
    x, y, beyond, truth = co2(args)
    grid = np.linspace(x.min() - 2, beyond.max(), 400, dtype="float32")[:, None]
    inside = (grid[:, 0] >= x.min()) & (grid[:, 0] <= x.max())
    far = grid[:, 0] > x.max() + 1
    bands, ratios, covered, errors = {}, {}, {}, {}
    for activation in ("relu", "tanh"):
        ratios[activation], covered[activation], errors[activation] = [], [], []
        for seed in range(args.repeats):
            model = fit(activation, x, y, args.epochs, seed)
            prediction = kd.mc_predict(
                model, grid, SAMPLES, batch_size=400, seed=seed, verbose=0
            )
            mean, std = prediction.mean[:, 0], prediction.std[:, 0]
            within, without = float(std[inside].mean()), float(std[far].mean())
            ratios[activation].append([within, without])
            print(f"{activation}, seed {seed}: std {within:.3f} inside, {without:.3f}")
            if seed == 0:
                bands[activation] = {"mean": mean.tolist(), "std": std.tolist()}
            known = np.stack([x[:, 0], y[:, 0]], axis=-1)
            shares = [coverage(each, grid, mean, std) for each in (known, truth)]
            covered[activation].append(shares)
            point = model.predict(grid, verbose=0)[:, 0]
            pair = [rmse(truth, grid, values) for values in (point, mean)]
            errors[activation].append(pair)
    data = {"x": x[:, 0].tolist(), "y": y[:, 0].tolist(), "grid": grid[:, 0].tolist()}
    results = {"data": data, "truth": truth.tolist(), "bands": bands, "std": ratios}
    return {**results, "covered": covered, "rmse": errors}


def coverage(record, grid, mean, std):
    """The share of the months within two standard deviations, in per cent."""
    at, values = np.transpose(record)
    mean, std = (np.interp(at, grid[:, 0], each) for each in (mean, std))
    return 100 * float(np.mean(np.abs(values - mean) <= 2 * std))


def rmse(record, grid, predicted):
    at, values = np.transpose(record)
    off = values - np.interp(at, grid[:, 0], predicted)
    return float(np.sqrt(np.mean(off**2)))


def report(results):
    header = ["activation", "std among the data", "std 1 to 2 units after", "ratio"]
    rows = []
    for activation, pairs in results["std"].items():
        within, without = np.asarray(pairs).T
        columns = within, without, without / within
        cells = map(experiment.mean_and_spread, columns, (3, 3, 1))
        rows.append([activation, *cells])
    return experiment.table(header, rows)


def judged(results):
    """How much of the record is in the bands, and the error with and without masks."""
    header = ["activation", "within 2 std, %: the data", "the years after"]
    header += ["error after, without masks", "mean of the masks"]
    rows = []
    for activation in results["covered"]:
        shares = np.transpose(results["covered"][activation])
        pairs = np.transpose(results["rmse"][activation])
        cells = map(experiment.mean_and_spread, (*shares, *pairs), (0, 0, 2, 2))
        rows.append([activation, *cells])
    return experiment.table(header, rows)


def draw(results):
    import matplotlib.pyplot as plt

    data = results["data"]
    grid = np.asarray(data["grid"])
    figure, axes = plt.subplots(2, 1, figsize=(8, 5.4), sharex=True, sharey=True)
    for ax, (activation, band) in zip(axes, results["bands"].items(), strict=True):
        mean, std = np.asarray(band["mean"]), np.asarray(band["std"])
        for width in (2, 1):
            low, high = mean - width * std, mean + width * std
            label = f"± {width} std"
            ax.fill_between(grid, low, high, color="#2a9d8f", alpha=0.25, label=label)
        ax.plot(grid, mean, color="#2a9d8f", lw=1)
        ax.plot(data["x"], data["y"], ".", ms=2.5, color="#e76f51", label="data")
        truth = np.transpose(results["truth"])
        ax.plot(*truth, color="#7b6fb8", lw=1, ls="--", label="record after")
        ax.set(title=activation, ylabel="CO2, standardised", ylim=(-6, 6))
    axes[0].legend(ncols=5, loc="lower left", fontsize=8)
    axes[1].set_xlabel("time, standardised")
    return figure


FIGURES = {"co2_bands": draw}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(400, 20), repeats=5)
