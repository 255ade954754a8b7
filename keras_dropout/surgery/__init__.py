"""Putting noise into models that are built, exchanging it, and taking it out.

All three functions return a new model made of the layers of the old one: weights are
shared, not copied, and outputs at inference are the same. Where a model is compiled,
so is the new one, with an optimizer of its own. Clone a model first
(`keras.models.clone_model` and `set_weights`) to train both apart.
"""

from keras_dropout.surgery.insert import insert_dropout
from keras_dropout.surgery.replace import replace_dropout
from keras_dropout.surgery.strip import strip_dropout

__all__ = ["insert_dropout", "replace_dropout", "strip_dropout"]
