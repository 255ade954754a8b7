"""Losses for models that are called several times, or give several outputs."""

from keras_dropout.losses.agreement import MultiSampleLoss, SymmetricKL, symmetric_kl

__all__ = ["MultiSampleLoss", "SymmetricKL", "symmetric_kl"]
