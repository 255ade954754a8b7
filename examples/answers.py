"""The text, the table and the pictures of `when_not_to_answer`."""

import experiment
import numpy as np
from scipy import stats

from keras_dropout import Prediction, plots

METHODS = "plain network", "dropout, asked once", "dropout, 50 masks"
PLAIN, ONCE, MASKS = METHODS
STRANGERS = {
    "letters": "printed letters",
    "patches": "patches of a photograph",
}
OVERALL = (("error",), 2), (("loss",), 3), (("calibration",), 1)
EVERY = 5  # Epochs from one point of a curve to the next.
FRACTIONS = np.arange(0, 51) / 100
ALARMS = np.arange(0, 101) / 100
SHARES = 0, 5, 10, 20
STYLES = {PLAIN: ("#a87b16", ":"), ONCE: ("#7a6fc0", "--"), MASKS: ("#1f9488", "-")}


def error_by_fraction(errors, doubts):
    """The error of the answers, in %, after handing over each of `FRACTIONS`.

    Rows of equal uncertainty count with their mean error.
    """
    _, group, size = np.unique(doubts, return_inverse=True, return_counts=True)
    answered = np.cumsum(np.repeat(np.bincount(group, errors) / size, size))
    kept = np.maximum(1, np.round(len(errors) * (1 - FRACTIONS)).astype(int))
    return (100 * answered[kept - 1] / kept).tolist()


def found_by_alarms(inside, outside):
    """The fraction of outside found, in %, at each of `ALARMS` false alarms."""
    limits = np.quantile(inside, 1 - ALARMS)
    return (100 * (outside[:, None] >= limits).mean(axis=0)).tolist()


def reliability(of, y):
    """By method, confidences and how often they are right, in ten bins."""
    points = {}
    for name, prediction in of.items():
        confidence = prediction.max_probability
        right = prediction.label == y
        bins = np.minimum((confidence * 10).astype(int), 9)
        points[name] = [
            [float(each[bins == b].mean()) for each in (confidence, right)]
            for b in np.unique(bins)
            if (bins == b).sum() >= 5
        ]
    return points


def shown(of, asked, y, k=8):
    """The least certain digits and strangers: images, probabilities and the truth."""
    rows = {}
    for name, x in asked.items():
        places = of[name].most_uncertain(k)
        rows[name] = {
            "images": x[places, ..., 0].tolist(),
            "mean": of[name].mean[places].tolist(),
        }
        if name == "test":
            rows[name]["truth"] = y[places].tolist()
    return rows


def by_seed(results, name, *keys):
    """One score of a method, a number for each seed."""
    values = [run["scores"][name] for run in results["runs"]]
    for key in keys:
        values = [each[key] for each in values]
    return np.asarray(values, float)


def lines(results, columns):
    """A row of text for each method: the mean of each score and its spread."""
    for name in METHODS:
        cells = []
        for keys, digits in columns:
            values = by_seed(results, name, *keys)
            cells.append(f"{experiment.mean_and_spread(values, digits):>14}")
        yield f"  {name:20}" + "".join(cells)


def told(results):
    """All scores, with what they mean."""
    seeds = len(results["runs"])
    spread = f" (mean ± standard deviation, {seeds} seeds)" if seeds > 1 else ""
    head = f"  {'':20}"
    overall = head + f"{'wrong, %':>14}{'loss, nats':>14}{'miscalib., %':>14}"
    parts = [
        f"\n1. What dropout with max-norm buys on test digits{spread}",
        overall,
        *lines(results, [(("test", *key), digits) for key, digits in OVERALL]),
        "  wrong: digits that are misread. loss: minus the logarithm of the",
        "  probability of the right digit, so confident mistakes cost most.",
        "  miscalib.: how much stated probabilities differ from the share of right",
        "  answers.",
        "\n   The same digits from a bad scanner, tilted and noisy",
        overall,
        *lines(results, [(("worn", *key), digits) for key, digits in OVERALL]),
        "  No network was trained on such digits, so it should be less certain.",
        "\n2. Wrong answers, in %, when the least certain digits go to a person",
        head + "".join(f"{f'{share} % handed':>14}" for share in SHARES),
        *lines(results, [(("answered", int(share)), 2) for share in SHARES]),
        "  10 % handed: a person reads one digit in ten. The number is the share of",
        "  wrong answers among the others.",
        "\n3. How well the uncertainty separates strangers from digits (AUROC, %)",
        head + "".join(f"{name:>14}" for name in STRANGERS),
        *percent(results, [("auroc", name) for name in STRANGERS], 100),
        "  The probability that the network is less certain about a stranger than",
        "  about a digit: 50 is guessing, 100 is perfect. letters: printed ones;",
        "  patches: of a photograph.",
        "\n   Stopped by a limit that lets 95 % of digits pass, in %",
        head + "".join(f"{name:>14}" for name in ("digits", *STRANGERS)),
        *percent(results, [("stopped", name) for name in ("test", *STRANGERS)], 1),
        "  5 % of digits are stopped on average. This varies by 1.4 with the digits",
        "  that calibrate the limit. For strangers, more is better.",
        "\n4. Sets of digits that contain the right digit 99 times in 100",
        head + f"{'held, %':>14}{'digits a set':>14}{'single, %':>14}",
        *lines(results, [(("covered",), 1), (("size",), 2), (("single",), 1)]),
        "  held: sets that contain the right digit, 99 on average. This varies by 0.6.",
        "  Smaller sets say more. single: sets with only one digit.",
        f"\n{verdict(results)}",
    ]
    return "\n".join(parts)


def percent(results, keys, factor):
    """Rows of scores, times a factor."""
    for name in METHODS:
        cells = [factor * by_seed(results, name, *key) for key in keys]
        cells = [f"{experiment.mean_and_spread(each, 1):>14}" for each in cells]
        yield f"  {name:20}" + "".join(cells)


# What is compared between one pass and many masks: name, keys, and what is better.
COMPARED = {
    "reading digits": (("test", "error"), -1),
    "loss": (("test", "loss"), -1),
    "calibration": (("test", "calibration"), -1),
    "loss on bad scans": (("worn", "loss"), -1),
    "calibration on bad scans": (("worn", "calibration"), -1),
    "what to hand over (errors left at 10 %)": (("answered", 10), -1),
    **{f"finding {text}": (("auroc", n), 1) for n, text in STRANGERS.items()},
    "small sets": (("size",), -1),
}


def compared(results):
    """By score, whether masks are better (1), worse (-1) or level with one pass.

    Level is what a paired t-test over the seeds cannot tell from chance, at 5 %.
    """
    found = {}
    for name, (keys, sign) in COMPARED.items():
        gain = sign * (by_seed(results, MASKS, *keys) - by_seed(results, ONCE, *keys))
        p = stats.ttest_1samp(gain, 0).pvalue if np.ptp(gain) > 0 else 1.0
        found[name] = int(np.sign(gain.mean())) if p < 0.05 else 0
    return found


def verdict(results):
    """What the masks gain over one pass of the same network, and where nothing."""
    found = compared(results)
    texts = {1: "better", 0: "level", -1: "worse"}
    parts = ["5. Fifty masks against one pass of the same network"]
    for side, text in texts.items():
        names = [name for name, each in found.items() if each == side]
        parts += [f"  {text:8}{name}" for name in names or ["(nothing)"]]
    parts.append("  level: these seeds cannot tell them apart (paired t-test, 5 %).")
    return "\n".join(parts)


def before_deciding():
    """What the fresh process does."""
    return (
        "\n6. The network of the first seed is saved, and loaded in a new process. It"
        "\n   answers alone if its set has only one digit, and if the p-value says that"
        "\n   the image may be a digit. All other images go to a person"
    )


def decided(name, alone, wrong):
    """What it did with one pile."""
    text = STRANGERS.get(name, "test digits")
    line = f"  {text:24} answers {100 * alone:5.1f} % alone"
    if wrong is not None:
        return f"{line}, {100 * wrong:.1f} % of these wrongly"
    return f"{line}, and each of these is a mistake"


def table(results):
    """The scores as Markdown."""
    header = ["", "wrong, %", "loss, nats", "miscalibration, %", "loss on bad scans"]
    header += ["wrong with 10 % handed over, %"]
    header += [f"AUROC, {name}" for name in STRANGERS] + [
        "sets hold, %",
        "digits a set",
    ]
    columns = [(("test", *key), digits) for key, digits in OVERALL]
    columns += [(("worn", "loss"), 2), (("answered", 10), 2)]
    columns += [(("auroc", name), 3) for name in STRANGERS]
    columns += [(("covered",), 1), (("size",), 2)]
    rows = []
    for name in METHODS:
        values = [(by_seed(results, name, *keys), digits) for keys, digits in columns]
        rows.append([name, *(experiment.mean_and_spread(*each) for each in values)])
    return experiment.table(header, rows)


def draw_curves(results):
    """Loss on held-out digits while the two networks train."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for name, text in ((PLAIN, PLAIN), (ONCE, "with dropout and max-norm")):
        colour, line = STYLES[PLAIN if name == PLAIN else MASKS]
        for i, run in enumerate(results["runs"]):
            curve = run["curves"][name]
            epochs = EVERY * np.arange(1, len(curve) + 1)
            label = text if i == 0 else None
            ax.plot(epochs, curve, color=colour, linestyle=line, label=label, lw=1.4)
    ax.set(xlabel="epoch", ylabel="held-out loss (nats)", ylim=(0, 1))
    ax.legend()
    return figure


def draw_handed_over(results):
    """Error of the answers, for digits alone and with letters among them."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    titles = {"answered": "digits", "pile": "digits, and one letter for each four"}
    for ax, (key, title) in zip(axes, titles.items(), strict=True):
        for name in METHODS:
            colour, line = STYLES[name]
            curve = by_seed(results, name, key).mean(axis=0)
            ax.plot(100 * FRACTIONS, curve, color=colour, linestyle=line, label=name)
        ax.set(title=title, xlabel="handed over to a person (%)", ylim=(0, None))
    axes[0].set_ylabel("wrong among the answers (%)")
    axes[0].legend()
    return figure


def draw_judged(results):
    """How far probabilities can be trusted, and how well letters are found."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name in METHODS:
        colour, line = STYLES[name]
        options = {"color": colour, "linestyle": line, "label": name}
        points = np.transpose(results["reliability"][name])
        left.plot(*points, marker="o", markersize=4, **options)
        found = by_seed(results, name, "roc").mean(axis=0)
        right.plot(100 * ALARMS, found, **options)
    for ax, end in ((left, 1), (right, 100)):
        ax.plot([0, end], [0, end], linestyle=(0, (1, 4)), color="0.5")
    left.set(xlabel="confidence (probability)", ylabel="right (fraction)")
    right.set(xlabel="digits stopped (%)", ylabel="letters stopped (%)")
    left.legend()
    return figure


def draw_doubted(results):
    """The least certain digits and strangers, with the answer that was held back."""
    import matplotlib.pyplot as plt

    rows = results["shown"]
    count = len(rows["test"]["images"])
    size = 1.15 * count, 1.75 * len(rows)
    figure, axes = plt.subplots(len(rows), count, figsize=size, layout="constrained")
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        mean = np.asarray(row["mean"])[None]
        prediction = Prediction.from_samples(mean, "probabilities")
        truth = row.get("truth")
        plots.images(row["images"], prediction, truth, k=count, axes=line)
        line[0].set_ylabel(STRANGERS.get(name, "digits"), fontsize="small")
    return figure


FIGURES = {
    "reader_curves": draw_curves,
    "handed_over": draw_handed_over,
    "reader_judged": draw_judged,
    "reader_doubted": draw_doubted,
}
