"""LoRA with few examples: what dropout on its branch does to the likelihood.

A small transformer reads a digit as a sequence of eight rows of pixels. It learns the
digits 0 to 4, and LoRA tunes it to the digits 5 to 9 with a few images of each. The
frozen part has no noise. Rates are set on one compiled model, and all settings start
from the same weights and use the same images.
"""

import warnings
from typing import Literal

import experiment
import keras
import numpy as np
from sklearn.datasets import load_digits

import keras_dropout as kd

WIDTH, HEADS, RANK, SHOTS, BATCH, SAMPLES = 32, 4, 4, 10, 10, 30
FIXED: tuple[tuple[Literal["input", "weights"], float], ...] = (
    ("input", 0.0),
    ("input", 0.1),
    ("input", 0.5),
    ("weights", 0.1),
    ("weights", 0.5),
)
# Where learned rates start.
START = 0.1
SCORES = ("accuracy", "nll", "ece")


def digits(classes):
    """Rows of pixels and where they stand, and the labels from 0 on."""
    x, y = load_digits(return_X_y=True)
    chosen = np.isin(y, classes)
    rows = x[chosen].reshape(-1, 8, 8).astype("float32") / 16
    places = np.broadcast_to(np.eye(8, dtype="float32"), rows.shape)
    return np.concatenate([rows, places], axis=-1), y[chosen] - min(classes)


def block(x):
    attention = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
    x = keras.layers.LayerNormalization()(x + attention(x, x))
    y = keras.layers.Dense(2 * WIDTH, activation="relu")(x)
    return keras.layers.LayerNormalization()(x + keras.layers.Dense(WIDTH)(y))


def transformer():
    inputs = keras.Input((8, 16))
    x = block(block(keras.layers.Dense(WIDTH)(inputs)))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))


def classifier(backbone):
    head = keras.layers.Dense(5, activation="softmax")
    return compiled(keras.Sequential([keras.Input((8, 16)), backbone, head]))


def compiled(model):
    adam = keras.optimizers.Adam(3e-3)
    model.compile(adam, "sparse_categorical_crossentropy")
    adam.build(model.trainable_variables)
    return model


def pretrained(backbone, epochs, seeds):
    """For each seed the weights of a backbone that knows the first five digits."""
    model = classifier(backbone)
    first = state(model)
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        begin(model, first, classifier(transformer()).get_weights())
        model.fit(*digits(range(5)), 32, epochs, verbose=0)
        yield backbone.get_weights()


def enable_lora(backbone):
    """Freezes all but LoRA, on queries, values and dense layers, and their biases."""
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.MultiHeadAttention):
            for frozen in (layer.key_dense, layer.output_dense):
                frozen.trainable = False
            for projection in (layer.query_dense, layer.value_dense):
                projection.enable_lora(RANK)
        elif isinstance(layer, keras.layers.Dense):
            layer.enable_lora(RANK)
        else:
            layer.trainable = isinstance(layer, keras.layers.InputLayer)


def state(model):
    """The optimizer as it begins."""
    return [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]


def begin(model, optimizer, weights):
    """Puts a model that is compiled back to where it began."""
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, optimizer, strict=True):
        variable.assign(value)


def start(variables, values, model, seed):
    """The weights that tuning starts from: those of the backbone, and new ones."""
    known = {id(v): value for v, value in zip(variables, values, strict=True)}
    random = keras.initializers.GlorotUniform(seed)
    weights = []
    for variable in model.weights:
        value = known.get(id(variable))
        if value is None and variable.name in ("kernel", "lora_kernel_a"):
            value = keras.ops.convert_to_numpy(random(variable.shape))
        elif value is None and variable.name == "rate_logit":
            value = np.log(START) - np.log1p(-START)
        weights.append(np.zeros(variable.shape) if value is None else value)
    return weights


def split(seed):
    """A few images of each of the other digits, and 300 of the rest."""
    x, y = digits(range(5, 10))
    order = np.random.default_rng(seed).permutation(len(y))
    few = np.concatenate([order[y[order] == label][:SHOTS] for label in range(5)])
    rest = order[~np.isin(order, few)][:300]
    return (x[few], y[few]), (x[rest], y[rest])


def scores(evaluation):
    """What noise gives, and the same network without it."""
    mean = {name: float(evaluation[name]) for name in SCORES}
    plain = {name: float(evaluation.baseline[name]) for name in SCORES}
    return {"samples": mean, "plain": plain}


def run(args):
    backbone = transformer()
    variables, seeds = backbone.weights, range(args.repeats)
    learned = list(pretrained(backbone, 2 if args.quick else 20, seeds))
    enable_lora(backbone)
    model = classifier(backbone)
    first = state(model)
    # The dropout within attention is not saved with the model, nor is this model.
    warnings.filterwarnings("ignore", "LoRA and its dropout", UserWarning)

    def tuned(seed, first):
        train, test = split(seed)
        begin(model, first, start(variables, learned[seed], model, seed))
        kd.reseed(model, seed)
        keras.utils.set_random_seed(seed)
        logger = kd.callbacks.RateLogger()
        options = {"verbose": 0, "callbacks": [logger]}
        history = model.fit(*train, BATCH, args.epochs, **options).history
        rates = {n: each[-1] for n, each in history.items() if n.startswith("rate/")}
        return test, rates

    def judged(test, seed):
        return scores(
            kd.mc_evaluate(model, *test, samples=SAMPLES, seed=seed, verbose=0)
        )

    found = {}
    for mode, rate in FIXED:
        runs = found[f"{mode} {rate}"] = []
        for seed in seeds:
            kd.lora_dropout(model, rate, mode=mode)
            test, _ = tuned(seed, first)
            # There is nothing to sample at 0, and next to nothing here.
            kd.lora_dropout(model, rate or 1e-6, mode=mode)
            runs.append(judged(test, seed))
        print(report({"runs": found}), flush=True)
    strengths = kd.losses.kl_weights(5 * SHOTS)
    kd.lora_dropout(model, START, learn=True, **strengths)
    first = state(compiled(model))
    runs = found["input learned"] = []
    for seed in seeds:
        test, rates = tuned(seed, first)
        runs.append({**judged(test, seed), "rates": rates})
    return {"runs": found}


def report(results):
    header = ["dropped", "rate", "noise at inference", "accuracy, %", "NLL", "ECE"]
    rows = []
    for setting, runs in results["runs"].items():
        mode, rate = setting.split()
        dropped = {"input": "inputs", "weights": "rows and columns"}[mode]
        dropped = "nothing" if rate == "0.0" else dropped
        kinds = {"plain": "none", "samples": f"{SAMPLES} samples"}
        for kind, words in list(kinds.items())[: 1 if rate == "0.0" else 2]:
            row = [dropped, rate, words]
            for name in SCORES:
                values = np.array([run[kind][name] for run in runs])
                percent = name == "accuracy"
                values = 100 * values if percent else values
                row.append(experiment.mean_and_spread(values, 1 if percent else 3))
            rows.append(row)
    return experiment.table(header, rows)


FIGURES = {}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(40, 2), repeats=5)
