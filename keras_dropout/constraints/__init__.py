"""Max-norm: the incoming weights of each unit, kept inside a ball."""

from keras_dropout.constraints.incoming import register_incoming_axes
from keras_dropout.constraints.max_norm import MaxNorm

__all__ = [
    "MaxNorm",
    "register_incoming_axes",
]
