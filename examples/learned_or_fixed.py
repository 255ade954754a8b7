"""Is a learned rate worth it? A comparison with fixed rates on four sets of data.

Each network is trained without noise, with each rate of a grid, and with learned rates,
for the same number of steps, on several splits. The best rate of the grid is chosen on
rows that are used neither for training nor for scores, and so is the best length scale
of the learned rates.
"""

import experiment
import keras
import numpy as np
from again import Again, shuffled
from learned_or_fixed_tasks import BATCH, STEPS, TASKS

import keras_dropout as kd

SAMPLES = 50
GRID = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
# Of the prior of the weights, behind learned rates. The first is the default.
LENGTH_SCALES = (0.01, 0.1, 1.0)
CHOICES = ("no noise", "rate 0.5", "best rate", "learned", "learned, best scale")


def predicted(model, x, kind, seed, noisy=True):
    """Samples of the model, or what it says without noise, as a `Prediction`."""
    outputs = "gaussian" if kind == "values" else "probabilities"
    if noisy:
        return kd.mc_predict(
            model,
            x,
            SAMPLES,
            seed=seed,
            outputs=outputs,
            return_samples=kind == "values",
            verbose=0,
        )
    y = model.predict(x, 1000, verbose=0)
    if kind == "classes":
        return kd.Prediction.from_samples(np.stack([y, y]), "probabilities")
    mean, log_variance = np.split(y, 2, axis=-1)
    noise = np.exp(log_variance)
    return kd.Prediction.from_samples(
        np.stack([mean, mean]), "gaussian", noise_variance=np.stack([noise, noise])
    )


def scores(trained, task, args, seed, rate=None):
    """What a network is worth that was trained on one split.

    Args:
        trained: The network, an `Again`.
        task: The data.
        args: The parsed arguments.
        seed: Integer, of the split, the weights and the noise.
        rate: What all rates are; `None` for learned ones.
    """
    (x, y), *others = task.split(args, seed)
    model = trained.begin(seed)
    noises = trained.layers(kd.layers.NoiseLayer)
    for layer in noises if rate is not None else ():
        layer.rate = rate
    epochs = max(int(args.epochs * task.share), 1)
    rows = shuffled(len(x), epochs * STEPS * BATCH, seed)
    options = {"shuffle": False, "verbose": 0}
    if rate is None:
        options |= {"epochs": epochs, "steps_per_epoch": STEPS}
        options["callbacks"] = [kd.callbacks.RateLogger()]
    history = model.fit(x[rows], y[rows], BATCH, **options).history
    found = {}
    for name, (x, y) in zip(("choose", "score"), others, strict=True):
        p = predicted(model, x, task.kind, seed, noisy=rate is None or rate > 0)
        values = kd.evaluate(p, y)
        found[name] = {each: float(values[each]) for each in ("nll", task.calibration)}
    if rate is None:
        found["rates"] = [history[f"rate/{layer.name}"] for layer in noises]
    return found


def compare(name, args, cells):
    """The scores of each split: by rate of the grid, and learned by length scale."""
    found = zip(fixed(name, args, cells), learned(name, args, cells), strict=True)
    return [{"fixed": by_rate, "learned": by_scale} for by_rate, by_scale in found]


def network(task, args):
    """The network of a task, and how many rows it is trained on."""
    (x, _), *_ = task.split(args, 0)
    return keras.Sequential([keras.Input(x.shape[1:]), *task.body()]), len(x)


def fixed(name, args, cells):
    """By split: the scores of each rate of the grid."""
    task = TASKS[name]
    trained = Again(lambda: network(task, args)[0], task.loss, 2e-3)

    def score(seed, rate):
        key = f"{name}, rate {rate}, split {seed}"
        cells.cell(key, lambda: scores(trained, task, args, seed, rate))
        return cells[key]

    grid = GRID[::7] if args.quick else GRID
    return [
        {str(rate): score(seed, rate) for rate in grid} for seed in range(args.repeats)
    ]


def learned(name, args, cells):
    """By split: the scores of learned rates with each length scale."""
    task = TASKS[name]
    trained = Again(lambda: kd.learn_rates(network(task, args)[0]), task.loss, 2e-3)
    _, rows = network(task, args)

    def score(seed, scale):
        strengths = kd.losses.kl_weights(rows, length_scale=scale)
        for layer in trained.layers(kd.layers.ConcreteDropout):
            for each, value in strengths.items():
                setattr(layer, each, value)
        key = f"{name}, length scale {scale}, split {seed}"
        cells.cell(key, lambda: scores(trained, task, args, seed))
        return cells[key]

    scales = LENGTH_SCALES[:1] if args.quick else LENGTH_SCALES
    return [
        {str(scale): score(seed, scale) for scale in scales}
        for seed in range(args.repeats)
    ]


def run(args):
    tasks, cells = {}, experiment.cells_of("learned_or_fixed", args)
    for name in ("digits", "yacht") if args.quick else TASKS:
        tasks[name] = compare(name, args, cells)
        print(" | ".join(row(name, tasks[name])), flush=True)
    return {"tasks": tasks}


def best(by_name):
    """The name of the setting that did best on the rows that choose."""
    return min(by_name, key=lambda name: by_name[name]["choose"]["nll"])


def choices(run):
    """The scores of what is compared on one split, in the order of `CHOICES`."""
    rates, scales = run["fixed"], run["learned"]
    own = scales[str(LENGTH_SCALES[0])]
    five = rates["0.0"], rates["0.5"], rates[best(rates)], own, scales[best(scales)]
    return [each["score"] for each in five]


def row(name, runs):
    """The cells of one set of data, those of each choice in turn."""
    cells = [name]
    for each in zip(*map(choices, runs), strict=True):
        measures = ("nll", TASKS[name].calibration)
        values = [[scores[measure] for scores in each] for measure in measures]
        cells.append("; ".join(experiment.mean_and_spread(v, 3) for v in values))
    return [*cells, *(experiment.mean_and_spread(gain, 3) for gain in gains(runs))]


def gains(runs):
    """How much smaller than of the best rate the nll of both learned ones is."""
    nll = np.array([[each["nll"] for each in choices(run)] for run in runs])
    return nll[:, 2] - nll[:, 3], nll[:, 2] - nll[:, 4]


def report(results):
    header = ["", *CHOICES, "gain, learned", "gain, best scale"]
    tasks = results["tasks"].items()
    measured = experiment.table(header, [row(name, runs) for name, runs in tasks])
    header = ["", "best rates", "best scales", "learned, first layer to last"]
    rates = [
        [name, chosen(runs, "fixed"), chosen(runs, "learned"), ", ".join(ends(runs))]
        for name, runs in tasks
    ]
    return f"{measured}\n\n{experiment.table(header, rates)}"


def chosen(runs, kind):
    """What the splits chose."""
    return ", ".join(sorted(best(run[kind]) for run in runs))


def curves(runs):
    """The learned rates of each split, layer and epoch, with the default scale."""
    return np.array([run["learned"][str(LENGTH_SCALES[0])]["rates"] for run in runs])


def ends(runs):
    """What the rates of each layer were at the end of training."""
    return [experiment.mean_and_spread(each, 3) for each in curves(runs)[:, :, -1].T]


COLOURS = ("#2a9d8f", "#e76f51", "#7b6fb8")
LINES = ("-", "--", "-.")


def draw_training(results):
    """The learned rates of each layer over training, on digits and photographs."""
    import matplotlib.pyplot as plt

    names = [name for name in ("digits", "photographs") if name in results["tasks"]]
    size = (4 * len(names), 3.2)
    figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False)
    axes = axes[0]
    for ax, name in zip(axes, names, strict=True):
        by_layer = np.moveaxis(curves(results["tasks"][name]), 1, 0)
        for place, own in enumerate(by_layer):
            steps = STEPS * np.arange(1, own.shape[1] + 1)
            colour, line = COLOURS[place], LINES[place]
            label = f"learned rate {place + 1}"
            ax.plot(steps, own.mean(axis=0), color=colour, ls=line, label=label)
            ax.fill_between(
                steps, own.min(axis=0), own.max(axis=0), color=colour, alpha=0.2
            )
        ax.set(xlabel="steps", title=name, ylim=(0, None))
        ax.legend()
    axes[0].set_ylabel("rate")
    return figure


def draw_grid(results):
    """The held-out nll over the grid, with that of the learned rates across."""
    import matplotlib.pyplot as plt

    tasks = results["tasks"]
    size = (2.5 * len(tasks), 2.8)
    figure, axes = plt.subplots(1, len(tasks), figsize=size, layout="constrained")
    for ax, (name, runs) in zip(axes, tasks.items(), strict=True):
        rates = [float(rate) for rate in runs[0]["fixed"]]
        nll = [[f["score"]["nll"] for f in run["fixed"].values()] for run in runs]
        own = np.array([choices(run)[3]["nll"] for run in runs])
        ax.plot(rates, np.mean(nll, 0), "o-", ms=4, color=COLOURS[1], label="fixed")
        ax.axhline(own.mean(), color=COLOURS[0], ls="--", label="learned")
        ax.axhspan(own.min(), own.max(), color=COLOURS[0], alpha=0.15, lw=0)
        # Networks without noise may be far off.
        shown = np.array([*np.mean(nll, axis=0)[1:], own.max()])
        pad = 0.1 * np.ptp(shown)
        low = min(shown.min(), own.min()) - pad
        ax.set(xlabel="rate", title=name, ylim=(low, shown.max() + pad))
    axes[0].set_ylabel("held-out nll")
    axes[0].legend()
    return figure


FIGURES = {
    "learned_or_fixed_training": draw_training,
    "learned_or_fixed_grid": draw_grid,
}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(60, 1), repeats=5)
