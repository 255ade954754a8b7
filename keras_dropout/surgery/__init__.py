"""Putting noise into models that are built, exchanging it, and taking it out.

Inserting, exchanging, stripping and having rates learned return a new model made of the
layers of the old one: weights are shared, not copied, and outputs at inference are the
same. Where a model is compiled, so is the new one, with an optimizer of its own. Clone
a model first (`keras.models.clone_model` and `set_weights`) to train both apart.
Setting rates changes the model itself.
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
