"""Assigning rates from a schedule while a model is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from keras_dropout import _bases, _keras, _validation
from keras_dropout._layers._base.live import live_names
from keras_dropout._model import picks, select
from keras_dropout._typing import Picks
from keras_dropout._validation import invalid
from keras_dropout.schedules import Schedule


class RateScheduler(_bases.Callback):
    """Sets the rates of layers in a model, in each step or each epoch of `fit`.

    A schedule in a layer needs no callback. Use this callback for models that are
    already built, for one schedule for many layers, and for schedules in epochs. A step
    is a batch, even if the optimizer accumulates gradients over several batches. Steps
    continue from the count of the optimizer, which is saved with the model, and epochs
    are those of `fit`. So a run that is resumed continues where it stopped.

    Args:
        schedule: A schedule, or any function from the step (an integer from 0) to a
            float.
        layers: The layers to set: `None` for all that have a live `attribute`, or
            one or a list of names, classes, layers, or functions from a layer to
            True or False. A layer is set with all layers within it.
        unit: `"step"` or `"epoch"`, what the schedule counts.
        attribute: Name of the live number to set.

    Raises:
        TypeError: `schedule` is not callable.
        ValueError: `layers` is empty, or when training begins, it picks a layer without
            a live `attribute`, or a layer that follows its own schedule, or the
            schedule leaves the range of a layer.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> dropout = kd.layers.Dropout(0.0)
        >>> model = keras.Sequential([dropout, keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> late = kd.callbacks.RateScheduler(kd.schedules.Late(0.5, 2), unit="epoch")
        >>> x, y = np.ones((4, 3)), np.ones((4, 1))
        >>> history = model.fit(x, y, epochs=3, callbacks=[late], verbose=0)
        >>> dropout.rate
        0.5

    References:
        - Liu et al., 2023, [Dropout Reduces
          Underfitting](https://arxiv.org/abs/2303.01500)
    """

    def __init__(
        self,
        schedule: Schedule | Callable[[int], Any],
        layers: Picks = None,
        unit: Literal["step", "epoch"] = "step",
        attribute: str = "rate",
    ) -> None:
        super().__init__()
        if not callable(schedule):
            expected = "a schedule, or a function from the step to a float"
            raise TypeError(invalid("schedule", expected, schedule))
        self.schedule = schedule
        picks(layers)
        self.layers = layers
        self.unit: Literal["step", "epoch"] = _validation.choice(
            "unit", unit, ("step", "epoch")
        )
        self.attribute = attribute
        self._targets = []
        self._begun = 0
        self._steps = 0
        self._assigned = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._steps = 0
        self._targets = select(
            self.model,
            self.layers,
            self._is_live,
            f"a live `{self.attribute}` (Keras's own noise layers have none; use "
            f"their twins in `keras_dropout.layers`)",
        )
        for layer in self._targets:
            self._check(layer)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._assigned = None
        if self.unit == "epoch":
            self._assign(epoch)
        # An optimizer of scaled losses does not count the steps that it skips, so our
        # own count may be ahead of it.
        self._begun = self._steps = max(self._steps, steps_taken(self.model))

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.unit == "step":
            self._assign(self._begun + batch)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._steps = self._begun + batch + 1

    def _assign(self, step):
        value = self.schedule(step)
        value = float(ops.convert_to_numpy(value))
        if value == self._assigned:
            return
        for layer in self._targets:
            setattr(layer, self.attribute, value)
        self._assigned = value

    def _is_live(self, layer):
        return self.attribute in live_names(type(layer))

    def _check(self, layer):
        source = layer.source(self.attribute)
        if source.kind == "schedule":
            raise ValueError(
                f"Layer {layer.name!r} follows a schedule of its own already. Leave it "
                f"out of `layers`, or build it with a number. "
                f"Received: {self.attribute}={source.schedule!r}"
            )
        if isinstance(self.schedule, Schedule):
            for extreme in self.schedule.extremes():
                source.check(extreme)


def steps_taken(model: keras.Model) -> int:
    """The batches that the optimizer of a model has counted, also in former runs."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return int(ops.convert_to_numpy(_keras.batches_counted(optimizer)))
