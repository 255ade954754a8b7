"""Losses for several passes or outputs, and for models that predict data noise."""

from keras_dropout.losses.agreement import MultiSampleLoss, SymmetricKL, symmetric_kl
from keras_dropout.losses.data_noise import GaussianNLL, HeteroscedasticCrossentropy
from keras_dropout.losses.scaling import kl_weights

__all__ = [
    "GaussianNLL",
    "HeteroscedasticCrossentropy",
    "MultiSampleLoss",
    "SymmetricKL",
    "kl_weights",
    "symmetric_kl",
]


def __dir__() -> list[str]:
    return __all__
