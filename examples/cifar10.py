"""CIFAR-10 with and without dropout and max-norm.

Three blocks of convolutions and a dense head, trained on photographs of 32 by 32
pixels. Three networks are compared: plain; with dropout after each block and in the
head; and with dropout and max-norm 1 on the incoming weights of every unit.
"""

import experiment
import keras
from curves import Curves, draw_losses, report
from datasets import cifar10

import keras_dropout as kd

BATCH, LIMIT = 64, 1.0
WIDTHS = (32, 64, 128)
MODELS = {
    "plain": (0.0, 0.0),
    "dropout": (0.1, 0.5),
    "dropout and max-norm": (0.1, 0.5, LIMIT),
}


def build(spatial_rate, dense_rate, max_value=None):
    """A convolutional network with dropout, and max-norm if there is a limit."""
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for width in WIDTHS:
        model.add(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
        model.add(kd.layers.SpatialDropout2D(spatial_rate))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(256, activation="relu"))
    model.add(kd.layers.Dropout(dense_rate))
    model.add(keras.layers.Dense(10, activation="softmax"))
    if max_value is not None:
        kd.constraints.apply_max_norm(model, max_value)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    return model


def train(arguments, data, epochs, seed):
    """Trains one model; its curves, and the largest incoming norm of any unit."""
    (x, y), test = data
    keras.utils.set_random_seed(seed)
    model = build(*arguments)
    curves = Curves((x[: len(test[0])], y[: len(test[0])]), test)
    model.fit(x, y, BATCH, epochs, verbose=0, callbacks=[curves])
    error = curves.errors["test"][-1]
    print(f"{arguments}, seed {seed}: test error {error:.1f} %")
    norm = max(float(row.largest) for row in kd.constraints.max_norm_report(model))
    return curves, norm


def run(args):
    data = cifar10(args)
    if args.quick:
        data = [(x[:200], y[:200]) for x, y in data]
    losses, errors, norms = {}, {}, {}
    for name, arguments in MODELS.items():
        seeds = range(args.repeats)
        runs = [train(arguments, data, args.epochs, seed) for seed in seeds]
        losses[name] = [curves.losses for curves, _ in runs]
        errors[name] = [curves.errors["test"][-1] for curves, _ in runs]
        norms[name] = [norm for _, norm in runs]
    results = {"losses": losses, "errors": errors, "norms": norms}
    return {**results, "images": len(data[0][0])}


def draw(results):
    return draw_losses(results["losses"])


FIGURES = {"cifar10_curves": draw}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(25, 1), repeats=3)
