"""Knowing when not to answer: a reader of digits that hands doubtful ones to a person.

200 of scikit-learn's digits are used for training, as few as one can label by hand, and
500 for tuning and calibration. The others are the test. Three methods are compared: a
plain convolutional network; the same with dropout after every layer and max-norm, used
once without noise; and the latter with 50 dropout masks (Monte Carlo). The last is
packed with its sets and limits, saved, and loaded in a new process, which reads digits
mixed with letters and patches of a photograph. All scores are printed with
explanations. Pictures and numbers are written to the output folder.

    python examples/when_not_to_answer.py --output outputs/when_not_to_answer
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("MPLBACKEND", "Agg")

import answers
import experiment
import keras
import numpy as np
import strangers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dropout as kd

SIZES = {"train": 200, "tune": 200, "calibrate": 300}
PLAIN, ONCE, MASKS = answers.METHODS
# What is promised: sets that hold the right digit, and digits that pass as digits.
HOLD, PASS = 0.99, 0.95
STRANGERS = 300


def digits(seed):
    """By part, images of 8 x 8 pixels in [0, 1] and their labels."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)
    parts = {}
    for name, size in SIZES.items():
        options = {"train_size": size, "stratify": y, "random_state": seed}
        part_x, x, part_y, y = train_test_split(x, y, **options)
        parts[name] = part_x, part_y
    return {**parts, "test": (x, y)}


def others():
    """By kind, images that are no digits."""
    return {
        "letters": strangers.letters(STRANGERS)[..., None],
        "patches": strangers.patches(STRANGERS)[..., None],
    }


def convolution(filters, **options):
    options = {"padding": "same", "activation": "relu", **options}
    return keras.layers.Conv2D(filters, 3, **options)


def plain():
    """A small convolutional network."""
    return [
        convolution(16),
        convolution(32),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
    ]


def dropout():
    """The same with noise after every layer, and the weights into each unit limited."""
    limit = {"kernel_constraint": kd.constraints.MaxNorm(1.0)}
    return [
        convolution(16, **limit),
        kd.layers.SpatialDropout2D(0.2),
        convolution(32, **limit),
        kd.layers.SpatialDropout2D(0.2),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu", **limit),
        kd.layers.Dropout(0.5),
    ]


def train(layers, parts, seed, epochs):
    """A trained network, and its loss on digits that it does not train on."""
    keras.utils.set_random_seed(seed)
    ends = keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, ends])
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    told = {"validation_data": parts["tune"], "validation_batch_size": 200}
    told["validation_freq"] = min(answers.EVERY, epochs)
    fit = model.fit(*parts["train"], 50, epochs, verbose=0, **told)
    return model, fit.history["val_loss"]


def asked_once(model, x):
    """The prediction of one pass without noise."""
    outputs = model.predict(x, batch_size=len(x), verbose=0)
    return kd.Prediction.from_samples(outputs[None], "probabilities")


def asked_often(samples):
    """A function that asks a model under that many masks."""

    def ask(model, x):
        return kd.mc_predict(model, x, samples, seed=0, batch_size=400, verbose=0)

    return ask


def compare(seed, epochs, samples):
    """All scores of the three for one seed, and the models' predictions."""
    parts = digits(seed)
    x, y = parts["test"]
    worn = strangers.worn(x[..., 0])[..., None]
    asked = {"calibrate": parts["calibrate"][0], "test": x, "worn": worn, **others()}
    ends = np.cumsum([len(each) for each in asked.values()])[:-1]
    everything = np.concatenate(list(asked.values()))
    reader, reader_curve = train(dropout(), parts, seed, epochs)
    usual, usual_curve = train(plain(), parts, seed, epochs)
    once = asked_once(reader, everything)
    table = kd.calibration.tune_rates(reader, *parts["tune"], samples=20)
    found = {
        PLAIN: asked_once(usual, everything),
        ONCE: once,
        MASKS: asked_often(samples)(reader, everything),
    }
    scores, kept = {}, {}
    for name, prediction in found.items():
        places = np.split(np.arange(len(prediction)), ends)
        of = {
            part: prediction[place] for part, place in zip(asked, places, strict=True)
        }
        scores[name] = judged(of, parts["calibrate"][1], y)
        kept[name] = of
    curves = {PLAIN: usual_curve, ONCE: reader_curve}
    run = {"scores": scores, "curves": curves, "factor": table.best.factor}
    return run, reader, kept, parts


def overall(prediction, y):
    """Errors, loss and calibration."""
    scores = kd.evaluate(prediction, y)
    return {
        "error": 100 * (1 - scores["accuracy"]),
        "loss": scores["nll"],
        "calibration": 100 * scores["ece"],
    }


def judged(of, y_calibrate, y):
    """What one way of asking is worth."""
    test = of["test"]
    sets = kd.calibration.ConformalClassifier(HOLD).fit(of["calibrate"], y_calibrate)
    detector = kd.calibration.OutlierDetector(PASS).fit(of["calibrate"])
    held = sets.predict_set(test)
    wrong = (test.label != y).astype(float)
    letters = of["letters"].uncertainty[: len(wrong) // 4]
    pile = np.concatenate([wrong, np.ones(len(letters))])
    doubts = np.concatenate([test.uncertainty, letters])
    return {
        "test": overall(test, y),
        "worn": overall(of["worn"], y),
        "answered": answers.error_by_fraction(wrong, test.uncertainty),
        "pile": answers.error_by_fraction(pile, doubts),
        "auroc": {
            name: kd.metrics.separation(test.uncertainty, of[name].uncertainty)["auroc"]
            for name in answers.STRANGERS
        },
        "roc": answers.found_by_alarms(test.uncertainty, of["letters"].uncertainty),
        "stopped": {
            name: 100 * float(detector.is_outlier(of[name]).mean())
            for name in ("test", *answers.STRANGERS)
        },
        "covered": 100 * float(held[np.arange(len(y)), y].mean()),
        "size": float(held.sum(axis=1).mean()),
        "single": 100 * float((held.sum(axis=1) == 1).mean()),
    }


def pack(reader, of, y_calibrate, samples, path):
    """Saves a model that answers with sets of digits and with p-values."""
    promises = [
        kd.calibration.ConformalClassifier(HOLD).fit(of["calibrate"], y_calibrate),
        kd.calibration.OutlierDetector(PASS).fit(of["calibrate"]),
    ]
    server = kd.MonteCarlo(reader, samples=samples, calibration=promises, seed=0)
    server.predict(np.zeros((1, 8, 8, 1), "float32"), verbose=0)
    server.save(path)


def read(path):
    """What a fresh process does: load the model, read the piles, decide."""
    model = keras.saving.load_model(path)
    with np.load(path.with_suffix(".npz")) as piles:
        for name in ("test", *answers.STRANGERS):
            answer = model.predict(piles[name], batch_size=400, verbose=0)
            alone = answer["set"].sum(axis=-1) == 1
            alone &= answer["p_value"] > 1 - PASS
            wrong = None
            if name == "test":
                label = answer["mean"].argmax(axis=-1)
                wrong = float(np.mean(label[alone] != piles["labels"][alone]))
            print(answers.decided(name, float(alone.mean()), wrong), flush=True)


def run(args):
    """Compares over all seeds; saves, reloads and uses the model of the first."""
    runs, start = [], time.perf_counter()
    for seed in range(args.repeats):
        one, reader, kept, parts = compare(seed, args.epochs, args.samples)
        runs.append(one)
        seconds = time.perf_counter() - start
        print(f"  trained and asked, seed {seed}, {seconds:.0f} s", flush=True)
        if seed == 0:
            first = reader, kept, parts
    reader, kept, parts = first
    x, y = parts["test"]
    asked = {"test": x, **others()}
    results = {"runs": runs, "shown": answers.shown(kept[MASKS], asked, y)}
    tests = {name: of["test"] for name, of in kept.items()}
    results["reliability"] = answers.reliability(tests, y)
    path = args.output / "reader.keras"
    args.output.mkdir(parents=True, exist_ok=True)
    pack(reader, kept[MASKS], parts["calibrate"][1], args.samples, path)
    np.savez(path.with_suffix(".npz"), labels=y, **asked)
    return results


def report(results):
    return answers.table(results)


FIGURES = answers.FIGURES


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5, help="seeds")
    parser.add_argument("--samples", type=int, default=50, help="Monte Carlo samples")
    parser.add_argument(
        "--output", type=pathlib.Path, default="outputs/when_not_to_answer"
    )
    parser.add_argument("--read", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        read(args.read)
        return
    print(
        f"Keras {keras.__version__} on {keras.backend.backend()}: {SIZES['train']} "
        f"digits to train on, {args.epochs} epochs, {args.repeats} seeds"
    )
    args.quick = False
    results = {"settings": experiment.settings(args), **run(args)}
    print(answers.told(results))
    print(answers.before_deciding())
    command = [sys.executable, __file__, "--read", args.output / "reader.keras"]
    subprocess.run(command, check=True)
    text = json.dumps(experiment.rounded(results))
    (args.output / "when_not_to_answer.json").write_text(text + "\n")
    for name, draw in FIGURES.items():
        draw(results).savefig(args.output / f"{name}.png", dpi=120)
    print(
        f"\nPictures in {args.output}: {', '.join(f'{name}.png' for name in FIGURES)}"
    )


if __name__ == "__main__":
    main()
