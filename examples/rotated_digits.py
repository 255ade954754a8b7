"""Rotated digits: how a classifier predicts a digit that is turned step by step.

A small convolutional network with dropout in its head is trained on upright digits. The
mutual information, the disagreement of the masks, rises as digits turn into shapes that
no training image has. A threshold rejects 5 % of held-out upright digits, for this
score and for the entropies with and without masks. Then it is used on turned digits.
"""

from typing import Any

import experiment
import keras
import numpy as np
from datasets import mnist
from scipy import ndimage

import keras_dropout as kd

BATCH, IMAGES, SAMPLES, RATE = 128, 20_000, 100, 0.5
ANGLES = tuple(range(0, 181, 15))
TURNED, HELD_OUT = 500, 1000
FALSE_ALARMS = 0.05


def build(shape):
    model = keras.Sequential([keras.Input((*shape, 1))])
    for width in (16, 32):
        model.add(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.Flatten())
    model.add(kd.layers.Dropout(RATE))
    model.add(keras.layers.Dense(128, activation="relu"))
    model.add(kd.layers.Dropout(RATE))
    model.add(keras.layers.Dense(10, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss=loss, metrics=["accuracy"])
    return model


def turned(images, angle):
    """Images turned against the clock, by degrees."""
    axes = (2, 1)
    return ndimage.rotate(images, angle, axes, reshape=False, order=1).clip(0, 1)


def scores(model, images, seed):
    """The prediction of the samples, and three scores of how unsure each image is."""
    prediction = kd.mc_predict(
        model,
        images,
        SAMPLES,
        batch_size=len(images),
        seed=seed,
        return_samples=True,
        verbose=0,
    )
    softmax = model.predict(images, verbose=0)
    return prediction, {
        "mutual information": prediction.mutual_information,
        "entropy of the mean": prediction.entropy,
        "entropy of one softmax": -(softmax * np.log(softmax + 1e-12)).sum(axis=-1),
    }


def run(args):
    (x, y), (x_test, y_test) = mnist(args)
    x, y = x[:IMAGES, ..., None], y[:IMAGES]
    count = min(TURNED, len(x_test) // 2)
    held_out = x_test[count:][:HELD_OUT, ..., None]
    x_test, y_test = x_test[:count, ..., None], y_test[:count]
    angles = ANGLES[::6] if args.quick else ANGLES
    one = int(np.argmax(y_test == 1))
    runs, digit = [], {}
    for seed in range(args.repeats):
        keras.utils.set_random_seed(seed)
        model = build(x.shape[1:3])
        model.fit(x, y, BATCH, args.epochs, verbose=0)
        _, upright = scores(model, held_out, seed)
        limits = {k: np.quantile(v, 1 - FALSE_ALARMS) for k, v in upright.items()}
        rejected = {name: [] for name in limits}
        curves: dict[str, Any] = {"rejected": rejected}
        curves |= {"accuracy": [], "entropy": [], "mutual_information": []}
        for angle in angles:
            images = turned(x_test, angle)
            p, found = scores(model, images, seed)
            right = float(np.mean(p.label == y_test))
            curves["accuracy"].append(100 * right)
            curves["entropy"].append(float(p.entropy.mean()))
            curves["mutual_information"].append(float(p.mutual_information.mean()))
            for name, values in found.items():
                share = float(np.mean(values > limits[name]))
                rejected[name].append(100 * share)
            if seed == 0:
                digit[str(angle)] = {
                    "image": images[one, ..., 0].tolist(),
                    "samples": p.samples[:, one].tolist(),
                }
        print(f"seed {seed}: {curves}")
        runs.append(curves)
    return {"angles": list(angles), "runs": runs, "digit": digit}


def report(results):
    header = ["turned by", "accuracy, %", "entropy, nats", "mutual information, nats"]
    shown = {"accuracy": 1, "entropy": 3, "mutual_information": 3}
    rows, runs = [], results["runs"]
    for place, angle in enumerate(results["angles"]):
        if angle % 30 == 0:
            cells = [
                experiment.mean_and_spread([run[key][place] for run in runs], digits)
                for key, digits in shown.items()
            ]
            rows.append([f"{angle}°", *cells])
    return experiment.table(header, rows)


def rejected(results):
    """What thresholds reject that reject 5 % of held-out upright digits."""
    runs = results["runs"]
    names = list(runs[0]["rejected"])
    rows = []
    for place, angle in enumerate(results["angles"]):
        if angle % 30 == 0:
            cells = [
                experiment.mean_and_spread(
                    [run["rejected"][name][place] for run in runs], 1
                )
                for name in names
            ]
            rows.append([f"{angle}°", *cells])
    return experiment.table(["rejected, %", *names], rows)


def draw_digit(results):
    """The samples of the class probabilities for a one that is turned."""
    import matplotlib.pyplot as plt

    digit = results["digit"]
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(8, 4), sharex=True, gridspec_kw={"height_ratios": (1, 3)}
    )
    mean = np.mean([d["samples"] for d in digit.values()], axis=1)
    shown = np.argsort(-mean.max(axis=0))[:4]
    styles = ("#2a9d8f", "o"), ("#e76f51", "^"), ("#e9a23b", "s"), ("#7b6fb8", "D")
    jitter = np.random.default_rng(0).uniform(-4, 4, SAMPLES)
    for place, (angle, entry) in enumerate(digit.items()):
        image = 1 - np.asarray(entry["image"])
        extent = (float(angle) - 6, float(angle) + 6, 0, 1)
        top.imshow(image, cmap="gray", extent=extent, aspect="auto")
        samples = np.asarray(entry["samples"])
        for label, (colour, marker) in zip(shown, styles, strict=True):
            bottom.scatter(
                float(angle) + jitter[: len(samples)],
                samples[:, label],
                s=5,
                lw=0,
                alpha=0.6,
                color=colour,
                marker=marker,
                label=f"digit {label}" if place == 0 else None,
            )
    top.set(xlim=(-8, 188), ylim=(0, 1), yticks=[])
    top.spines[:].set_visible(False)
    top.tick_params(length=0)
    bottom.set(xlabel="turned by, degrees", ylabel="probability in each sample")
    bottom.set_xticks([float(angle) for angle in digit])
    bottom.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), markerscale=3)
    return figure


def draw_information(results):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 3.4))
    for i, run in enumerate(results["runs"]):
        looks = ("entropy", "#e76f51", "--"), ("mutual_information", "#2a9d8f", "-")
        for key, colour, style in looks:
            label = key.replace("_", " ") if i == 0 else None
            ax.plot(results["angles"], run[key], style, color=colour, label=label)
    ax.set(xlabel="turned by, degrees", ylabel="nats", ylim=(0, None))
    ax.legend()
    return figure


FIGURES = {
    "rotated_digits_one": draw_digit,
    "rotated_digits_information": draw_information,
}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(5, 20), repeats=3)
