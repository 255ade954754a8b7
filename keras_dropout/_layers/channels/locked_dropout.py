"""Dropout of features, the same at every step of a sequence."""

from __future__ import annotations

from typing import Unpack

from keras_dropout import _validation
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensors
from keras_dropout._validation import invalid


@registered
class LockedDropout(BernoulliLayer):
    r"""Drops features of a sequence, the same at every step.

    $$y_{btf} = \frac{m_{bf}}{1 - p}\, x_{btf}, \qquad
    m_{bf} \sim \mathrm{Bernoulli}(1 - p)$$

    On inputs of shape `(batch, steps, features)` it is the same as `SpatialDropout1D`.
    Its name comes from language models. With more axes, only the steps share the mask.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a feature is dropped, or a
            schedule. Live.
        time_axis: Integer, the axis of time.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, steps, ...)` of rank 3 or more. The output has the same.

    Raises:
        TypeError: `rate` is not a number, `time_axis` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, or `time_axis` outside the input.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.LockedDropout(0.5, seed=0)(ops.ones((8, 5, 4)), training=True)
        >>> bool(ops.all(y[:, :1] == y))
        True

    References:
        - Merity et al., 2018, [Regularizing and Optimizing LSTM Language
          Models](https://arxiv.org/abs/1708.02182)
        - Gal and Ghahramani, 2016, [A Theoretically Grounded Application of Dropout in
          Recurrent Neural Networks](https://arxiv.org/abs/1512.05287)
    """

    def __init__(
        self,
        rate: Rate,
        time_axis: int = 1,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.time_axis: int = _validation.integer("time_axis", time_axis, minimum=-32)

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        rank = len(inputs.shape)
        if rank < 3 or not -rank < self.time_axis < rank or self.time_axis == 0:
            expected = f"an axis other than 0 of an input of rank {max(rank, 3)}"
            raise ValueError(invalid("time_axis", expected, self.time_axis))

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.shared_over(shape, {self.time_axis})

    def get_config(self) -> Config:
        return {**super().get_config(), "time_axis": self.time_axis}
