"""The picture of what LoRA dropout leaves of a branch."""

import keras
import numpy as np
from masks import drawing

import keras_dropout as kd

ROWS, COLUMNS = 14, 20


def added(layer, **options):
    """What the branch adds for each of the inputs: whole, and in one noisy call."""
    eye = np.eye(ROWS, dtype="float32")

    def call(rate):
        kd.lora_dropout(layer, rate, **options)
        outputs = keras.ops.stop_gradient(layer(eye, training=True))
        return keras.ops.convert_to_numpy(outputs)

    nothing = call(1.0)
    return call(0.0) - nothing, call(0.3) - nothing


def draw():
    """The branch whole, with inputs dropped, and with rows and columns dropped."""
    keras.utils.set_random_seed(1)
    layer = keras.layers.Dense(COLUMNS, use_bias=False)
    layer.build((None, ROWS))
    layer.enable_lora(2)
    rng = np.random.default_rng(1)
    for name in ("lora_kernel_a", "lora_kernel_b"):
        matrix = getattr(layer, name)
        matrix.assign(rng.uniform(0.4, 1.0, matrix.shape))
    whole, inputs = added(layer)
    _, both = added(layer, mode="weights")
    panels = {"the branch": whole, 'mode="input"': inputs, 'mode="weights"': both}
    drawn = drawing.Panels(panels, "to units", "from inputs", "value")
    return drawing.Picture(lambda: drawn, None, (), None).still()


FIGURES = {"lora_dropout": draw}
