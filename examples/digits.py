"""Trains on scikit-learn's digits with dropout and max-norm, saves, and reloads.

Three networks, plain, with dropout, and with dropout and max-norm, are compared on
held-out digits over several seeds. The best with noise is saved, loaded in a fresh
process, and tells how certain it is about test digits and about patches of a
photograph, which are no digits. A table goes to the terminal, pictures go to the
output folder.

    python examples/digits.py --output outputs/digits
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split

import keras_dropout as kd

TRAIN = 300
UNITS = 256


def digits():
    """Images of 8 x 8 pixels in [0, 1]; few to train on, many to test on."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32")
    return train_test_split(
        images, labels, train_size=TRAIN, stratify=labels, random_state=0
    )


def no_digits(count, seed=0):
    """Patches of a photograph, of the size and the range of the digits."""
    photo = load_sample_image("china.jpg").mean(axis=2) / 255
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, photo.shape[0] - 8, count)
    columns = generator.integers(0, photo.shape[1] - 8, count)
    patches = [photo[r : r + 8, c : c + 8] for r, c in zip(rows, columns, strict=True)]
    return np.stack(patches).reshape(count, 64).astype("float32")


def hidden():
    return keras.layers.Dense(UNITS, activation="relu")


def plain():
    return [hidden(), hidden()]


def dropout():
    return [hidden(), kd.layers.Dropout(0.6), hidden(), kd.layers.Dropout(0.6)]


def dropout_and_max_norm():
    """Dropout after each hidden layer, the weights into each unit within a ball."""
    return [kd.layers.MaxNormDropout(hidden(), 0.6, max_value=1.0) for _ in range(2)]


MODELS = {
    "plain": plain,
    "dropout": dropout,
    "dropout + max-norm": dropout_and_max_norm,
}


def train(build, seed, epochs, data):
    """A trained model and the history of its losses on both parts of the data."""
    x, x_test, y, y_test = data
    keras.utils.set_random_seed(seed)
    outputs = keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((64,)), *build(), outputs])
    optimizer = keras.optimizers.Adam(2e-3)
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"])
    fit = model.fit(
        x,
        y,
        batch_size=50,
        epochs=epochs,
        validation_data=(x_test, y_test),
        validation_batch_size=len(x_test),
        verbose=0,
    )
    return model, fit.history


def compare(epochs, seeds, data):
    """Trains every model with every seed. Returns models and histories by name."""
    results = {}
    for name, build in MODELS.items():
        start = time.perf_counter()
        results[name] = [train(build, seed, epochs, data) for seed in range(seeds)]
        seconds = time.perf_counter() - start
        print(f"  trained {name!r} {seeds} times in {seconds:.0f} s", flush=True)
    return results


def table(results):
    """Prints what each model reaches on the held-out digits."""
    print(f"\n{'model':20} {'test error':>18} {'test loss':>18} {'train loss':>12}")
    for name, runs in results.items():
        errors = [100 * (1 - history["val_accuracy"][-1]) for _, history in runs]
        losses = [history["val_loss"][-1] for _, history in runs]
        train_loss = np.mean([history["loss"][-1] for _, history in runs])
        print(
            f"{name:20} {np.mean(errors):8.2f} ± {np.std(errors):4.2f} %"
            f" {np.mean(losses):12.3f} ± {np.std(losses):.3f} {train_loss:12.4f}"
        )


def best(results):
    """The model with noise that has the lowest mean test loss, and its name."""
    noisy = [name for name in results if name != "plain"]
    name = min(noisy, key=lambda n: np.mean([h["val_loss"][-1] for _, h in results[n]]))
    return name, results[name][0][0]


def reload(path, samples):
    """Loads the model, as a fresh process does, and measures its uncertainty.

    Nothing but `import keras_dropout` is needed to load it.
    """
    model = keras.saving.load_model(path)
    _, digit, _, label = digits()
    inside = kd.mc_predict(model, digit, samples=samples, seed=0)
    outside = kd.mc_predict(model, no_digits(len(digit)), samples=samples, seed=0)
    wrong = inside.mean.argmax(axis=-1) != label
    np.savez(
        path.with_suffix(".npz"),
        mean=inside.mean,
        inside=inside.mutual_information,
        outside=outside.mutual_information,
    )

    print(f"\nmutual information of {samples} masks, in nats, median of each group")
    groups = {
        "digits read right": inside.mutual_information[~wrong],
        "digits read wrong": inside.mutual_information[wrong],
        "no digits": outside.mutual_information,
    }
    for name, values in groups.items():
        print(f"  {name:20} {np.median(values):.4f}   ({len(values)} images)")
    threshold = np.quantile(inside.mutual_information, 0.95)
    caught = np.mean(outside.mutual_information > threshold)
    print(f"  A limit that passes 95 % of digits holds back {caught:.0%} of no digits.")


def draw_curves(results, path):
    """Loss on both parts of the data over the epochs, a panel for each model."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="tight")
    for ax, (name, runs) in zip(axes, results.items(), strict=True):
        for key, label in (("loss", "training"), ("val_loss", "held out")):
            curves = np.array([history[key] for _, history in runs])
            ax.plot(curves.mean(axis=0), label=label)
            ax.fill_between(
                range(curves.shape[1]),
                curves.min(axis=0),
                curves.max(axis=0),
                alpha=0.2,
            )
        ax.set(title=name, xlabel="epoch", yscale="log")
    axes[0].set_ylabel("loss")
    axes[0].legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_digits(measured, path):
    """The most and the least certain test digits."""
    _, digit, _, label = digits()
    order = np.argsort(measured["inside"])
    figure, axes = plt.subplots(2, 8, figsize=(10, 3.4), layout="tight")
    for row, chosen in zip(axes, (order[:8], order[::-1][:8]), strict=True):
        for ax, i in zip(row, chosen, strict=True):
            ax.imshow(digit[i].reshape(8, 8), cmap="gray_r")
            read = measured["mean"][i].argmax()
            ax.set_title(f"{label[i]} read {read}\n{measured['inside'][i]:.3f} nats")
            ax.set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("most certain")
    axes[1, 0].set_ylabel("least certain")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_histogram(measured, path):
    """Mutual information of digits and of no digits."""
    figure, ax = plt.subplots(figsize=(6, 3.2), layout="tight")
    top = max(measured["inside"].max(), measured["outside"].max())
    bins = np.linspace(0, top, 40)
    for key, label in (("inside", "test digits"), ("outside", "no digits")):
        ax.hist(measured[key], bins, alpha=0.6, density=True, label=label)
    ax.set(xlabel="mutual information (nats)", ylabel="density", yscale="log")
    ax.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each model")
    parser.add_argument("--samples", type=int, default=100, help="Monte Carlo samples")
    parser.add_argument("--output", type=pathlib.Path, default="outputs/digits")
    parser.add_argument("--reload", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reload:
        reload(options.reload, options.samples)
        return

    options.output.mkdir(parents=True, exist_ok=True)
    data = digits()
    print(
        f"Keras {keras.__version__} on {keras.backend.backend()}: {TRAIN} digits to "
        f"train on, {len(data[1])} to test on, {options.epochs} epochs"
    )
    results = compare(options.epochs, options.seeds, data)
    table(results)

    name, model = best(results)
    path = options.output / "model.keras"
    model.save(path)
    print(f"\nSaved {name!r} to {path}; loading it in a fresh process ...", flush=True)
    again = [sys.executable, __file__, "--reload", str(path)]
    subprocess.run([*again, "--samples", str(options.samples)], check=True)

    measured = np.load(path.with_suffix(".npz"))
    draw_curves(results, options.output / "curves.png")
    draw_digits(measured, options.output / "digits.png")
    draw_histogram(measured, options.output / "uncertainty.png")
    pictures = ", ".join(sorted(p.name for p in options.output.glob("*.png")))
    print(f"\nPictures in {options.output}: {pictures}")


if __name__ == "__main__":
    main()
