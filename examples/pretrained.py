"""A pretrained model made uncertain: insert, tune, predict, save, load and export.

A convolutional network with batch normalisation and without dropout plays the role of a
pretrained model. Dropout is inserted without changing a weight, and a few epochs adapt
the network to the noise. Then it predicts digits and other images with uncertainty, and
is packed into a model that does this wherever it is loaded.
"""

import pathlib
import tempfile

import experiment
import keras
import numpy as np
from datasets import bundled_digits, scaled
from sklearn.metrics import roc_auc_score

import keras_dropout as kd

BATCH, SAMPLES = 64, 100
STAGES = (
    *("as it came", "tuned without dropout", "dropout inserted"),
    *("and tuned", "and tuned, one softmax"),
)


def pretrained(x, y, epochs):
    """A Functional network without dropout, trained."""
    inputs = keras.Input((8, 8, 1))
    z = inputs
    for width in (16, 32):
        z = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(z)
        z = keras.layers.BatchNormalization()(z)
        z = keras.layers.ReLU()(z)
    z = keras.layers.MaxPooling2D()(z)
    z = keras.layers.Flatten(name="features")(z)
    z = keras.layers.Dense(64, activation="relu", name="hidden")(z)
    outputs = keras.layers.Dense(10, activation="softmax", name="classes")(z)
    model = keras.Model(inputs, outputs)
    return tuned(model, x, y, epochs, 1e-3)


def tuned(model, x, y, epochs, learning_rate):
    adam = keras.optimizers.Adam(learning_rate)
    model.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, BATCH, epochs, verbose=0)
    return model


def strangers(x):
    """Images that are no digits: the pixels of digits, shuffled in blocks of 2 by 2."""
    blocks = x.reshape(-1, 4, 2, 4, 2).swapaxes(2, 3).reshape(-1, 16, 2, 2)
    blocks = np.random.default_rng(0).permuted(blocks, axis=1)
    return blocks.reshape(-1, 4, 4, 2, 2).swapaxes(2, 3).reshape(-1, 8, 8, 1)


def judged_alone(model, x, y):
    """As `judged`, by what there is without dropout: the entropy of one softmax."""
    known, unknown = (model.predict(part, verbose=0) for part in (x, strangers(x)))
    scores = [-(p * np.log(p + 1e-12)).sum(axis=-1) for p in (known, unknown)]
    return {"accuracy": accuracy(known.argmax(axis=-1), y), "auroc": auroc(*scores)}


def judged(model, x, y, seed):
    """Accuracy on digits, and how well mutual information tells them from others."""
    options = {"samples": SAMPLES, "batch_size": 512, "seed": seed, "verbose": 0}
    known = kd.mc_predict(model, x, **options)
    unknown = kd.mc_predict(model, strangers(x), **options)
    scores = [known.mutual_information, unknown.mutual_information]
    return {
        "accuracy": accuracy(known.label, y),
        "known": float(scores[0].mean()),
        "unknown": float(scores[1].mean()),
        "auroc": auroc(*scores),
    }


def accuracy(labels, y):
    return 100 * float(np.mean(labels == y))


def auroc(known, unknown):
    labels = np.repeat([0, 1], [len(known), len(unknown)])
    return float(roc_auc_score(labels, np.concatenate([known, unknown])))


def run(args):
    (x, y), (x_test, y_test) = (scaled(*part) for part in bundled_digits())
    x, x_test = x[..., None], x_test[..., None]
    stages = {name: [] for name in STAGES}
    for seed in range(args.repeats):
        keras.utils.set_random_seed(seed)
        model = pretrained(x, y, args.epochs)
        before = model.predict(x_test, verbose=0)
        stages["as it came"].append(judged_alone(model, x_test, y_test))
        longer = keras.models.clone_model(model)
        longer.set_weights(model.get_weights())
        longer = tuned(longer, x, y, args.epochs, 3e-4)
        stages["tuned without dropout"].append(judged_alone(longer, x_test, y_test))
        noisy = kd.insert_dropout(model, kd.layers.Dropout(0.5), ("features", "hidden"))
        np.testing.assert_array_equal(noisy.predict(x_test, verbose=0), before)
        stages["dropout inserted"].append(judged(noisy, x_test, y_test, seed))
        noisy = tuned(noisy, x, y, args.epochs, 3e-4)
        stages["and tuned"].append(judged(noisy, x_test, y_test, seed))
        stages["and tuned, one softmax"].append(judged_alone(noisy, x_test, y_test))
        print(f"seed {seed}: {[runs[-1] for runs in stages.values()]}")
    pack(noisy, x_test)
    return {"stages": stages}


def pack(model, x):
    """Saves and loads a model that samples; on TensorFlow exports and serves it too."""
    folder = pathlib.Path(tempfile.mkdtemp())
    server = kd.MonteCarlo(model, samples=SAMPLES)
    server.predict(x[:1], verbose=0)
    server.save(folder / "server.keras")
    loaded = keras.saving.load_model(folder / "server.keras")
    print("the loaded model gives", sorted(loaded.predict(x[:8], verbose=0)))
    if keras.backend.backend() == "tensorflow":
        loaded.export(folder / "server", verbose=False)
        serve(folder / "server", x[:8])


def serve(folder, x):
    """Answers two requests from the SavedModel, as a server would."""
    import tensorflow as tf

    server = tf.saved_model.load(folder)
    first, second = (server.serve(x)["mean"].numpy() for _ in range(2))
    print(f"the served model's two answers differ by {abs(first - second).max():.3f}")


def report(results):
    header = ["model", "accuracy, %", "digits", "no digits", "AUROC"]
    rows = []
    for stage, runs in results["stages"].items():
        keys = {"accuracy": 1, "known": 3, "unknown": 3, "auroc": 3}
        cells = [
            experiment.mean_and_spread([run[key] for run in runs], digits)
            if key in runs[0]
            else ""
            for key, digits in keys.items()
        ]
        rows.append([stage, *cells])
    return experiment.table(header, rows)


FIGURES = {}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(15, 2), repeats=5)
