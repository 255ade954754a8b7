"""What noise on weights costs: a compiled training step with and without it.

The bound is 1.5 times the step of the bare layer plus the drawing of its masks. Run it
once for each backend:

    KERAS_BACKEND=jax python benchmarks/wrappers.py

The steps take turns, so that what else the machine does hits all alike. Printed are
medians in milliseconds, and the median of the paired ratios.
"""

import statistics
import time

import keras
import numpy as np
from keras import ops

import keras_dropout as kd

L = keras.layers
ROUNDS = 60
CASES = {
    "DropConnect(Dense(1024))": (
        lambda: L.Dense(1024),
        lambda layer: kd.layers.DropConnect(layer, 0.5),
        (128, 1024),
    ),
    "DropConnect(Conv2D(64, 3))": (
        lambda: L.Conv2D(64, 3),
        lambda layer: kd.layers.DropConnect(layer, 0.5),
        (16, 16, 16, 64),
    ),
    "WeightDrop(LSTM(128))": (
        lambda: L.LSTM(128),
        lambda layer: kd.layers.WeightDrop(layer, 0.5),
        (32, 40, 64),
    ),
    "Mixout(Dense(1024))": (
        lambda: L.Dense(1024),
        lambda layer: kd.layers.Mixout(layer, 0.5),
        (128, 1024),
    ),
}


class Masks(kd.layers.DropConnect):
    """Draws the masks of the weights and calls the bare layer."""

    def perturb(self, x, **kwargs):
        drawn = [self.keep_mask(tuple(v.shape))[0] for v in self.noisy_weights()]
        kept = sum(ops.sum(ops.cast(keep, "float32")) for keep in drawn)
        # The masks are drawn in full, as their sum is needed, and change nothing.
        return self.layer(x, **kwargs) + 0.0 * ops.cast(kept, self.compute_dtype)


def model_of(layers, shape):
    """A compiled model of these layers, or of one."""
    layers = layers if isinstance(layers, list) else [layers]
    model = keras.Sequential([keras.Input(shape[1:]), *layers])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def seconds(model, x, y):
    """The time of one step, up to its loss in NumPy."""
    start = time.perf_counter()
    np.asarray(model.train_on_batch(x, y))
    return time.perf_counter() - start


def main():
    print(f"{keras.backend.backend()}, milliseconds a step")
    for name, (build, wrap, shape) in CASES.items():
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        ours = wrap(build())
        masks = Masks(build(), 0.5, weights=ours.weight_names)
        models = {
            "bare": model_of(build(), shape),
            "bare + masks": model_of(masks, shape),
            "ours": model_of(ours, shape),
        }
        y = np.zeros((shape[0], *models["bare"].output_shape[1:]), "float32")
        for model in models.values():
            seconds(model, x, y), seconds(model, x, y)
        times = {kind: [] for kind in models}
        for _ in range(ROUNDS):
            for kind, model in models.items():
                times[kind].append(seconds(model, x, y))
        medians = ", ".join(
            f"{kind} {1e3 * statistics.median(each):.1f}"
            for kind, each in times.items()
        )
        pairs = zip(times["ours"], times["bare + masks"], strict=True)
        ratio = statistics.median(mine / theirs for mine, theirs in pairs)
        print(f"  {name:28} {medians}, ours / (bare + masks) {ratio:.2f}")


if __name__ == "__main__":
    main()
