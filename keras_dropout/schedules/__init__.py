"""Rates that change with the training step: pure functions step → rate."""

from keras_dropout.schedules.base import Schedule

__all__ = ["Schedule"]
