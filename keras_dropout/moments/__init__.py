"""Mean and variance of a model's outputs in one pass, without sampling.

`propagate_moments` walks the graph of a model. Each kind of layer has a rule for its
mean and variance. `rule` registers rules for other layers.
"""

# The modules of rules are imported for what they register.
from keras_dropout.moments import (  # noqa: F401
    affine,
    joins,
    noise,
    pooling,
    regions,
    shaping,
    wrappers,
)
from keras_dropout.moments.activations import elementwise
from keras_dropout.moments.propagate import propagate_moments
from keras_dropout.moments.rules import rule
from keras_dropout.moments.state import Moments

__all__ = ["Moments", "elementwise", "propagate_moments", "rule"]


def __dir__() -> list[str]:
    return __all__
