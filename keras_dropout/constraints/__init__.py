"""Max-norm: a limit on the norm of the incoming weights of each unit."""

from keras_dropout.constraints.apply import apply_max_norm
from keras_dropout.constraints.incoming import register_incoming_axes
from keras_dropout.constraints.max_norm import MaxNorm
from keras_dropout.constraints.report import MaxNormReport, max_norm_report

__all__ = [
    "MaxNorm",
    "MaxNormReport",
    "apply_max_norm",
    "max_norm_report",
    "register_incoming_axes",
]


def __dir__() -> list[str]:
    return __all__
