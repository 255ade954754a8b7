"""Alpha dropout of whole channels."""

from __future__ import annotations

from typing import Unpack

from keras_dropout import _validation
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers.units.alpha import AlphaLayer
from keras_dropout._registration import registered
from keras_dropout._typing import Config, DataFormat, Seed, Shape


@registered
class FeatureAlphaDropout(AlphaLayer):
    r"""Sets whole channels to SELU's negative saturation.

    It is `AlphaDropout` with one mask entry for each channel, $m_{bc}$, like
    `torch.nn.FeatureAlphaDropout`.

    Args:
        rate: Float in `[0, 1)`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., channels)`, or `(batch, channels, ...)` if
        `data_format="channels_first"`, of rank 2 or more. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)`, or `data_format` is unknown.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.FeatureAlphaDropout(0.5, seed=0)
        >>> y = layer(ops.ones((8, 3, 3, 4)), training=True)
        >>> bool(ops.all(y[:, :1, :1] == y))
        True

    References:
        - Klambauer et al., 2017, [Self-Normalizing Neural
          Networks](https://arxiv.org/abs/1706.02515)
    """

    def __init__(
        self,
        rate: Rate,
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = _validation.data_format(data_format)

    def mask_shape(self, shape: Shape) -> Shape:
        axes = shapes.positions(len(shape), self.data_format)
        return shapes.shared_over(shape, axes)

    def get_config(self) -> Config:
        return {**super().get_config(), "data_format": self.data_format}
