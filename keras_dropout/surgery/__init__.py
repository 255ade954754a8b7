"""Inserting, replacing and removing the noise of built models.

`insert_dropout`, `replace_dropout`, `strip_dropout` and `learn_rates` return a new
model made of the layers of the old one. Weights are shared, not copied, and outputs at
inference are the same. If a model is compiled, so is the new one, with its own
optimizer. To train both separately, clone the model first (`keras.models.clone_model`
and `set_weights`). `set_rates` changes the model itself.
"""

from keras_dropout.surgery.insert import insert_dropout
from keras_dropout.surgery.learn import learn_rates
from keras_dropout.surgery.lora import lora_dropout
from keras_dropout.surgery.matching import matching_dropout
from keras_dropout.surgery.rates import set_rates
from keras_dropout.surgery.replace import replace_dropout
from keras_dropout.surgery.strip import strip_dropout

__all__ = [
    "insert_dropout",
    "learn_rates",
    "lora_dropout",
    "matching_dropout",
    "replace_dropout",
    "set_rates",
    "strip_dropout",
]


def __dir__() -> list[str]:
    return __all__
