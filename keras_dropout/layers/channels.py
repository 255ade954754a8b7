"""Dropout of whole channels, or of features locked in time."""

from keras_dropout import validation
from keras_dropout.layers import shapes
from keras_dropout.layers.base import registered
from keras_dropout.layers.masked import BernoulliLayer
from keras_dropout.validation import invalid


class _SpatialDropout(BernoulliLayer):
    """Base of the spatial dropouts, which differ by rank."""

    rank = None

    def __init__(self, rate, data_format=None, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = validation.data_format(data_format)

    def check_inputs(self, inputs):
        super().check_inputs(inputs)
        check_rank(self, inputs, self.rank)

    def mask_shape(self, shape):
        axes = shapes.positions(self.rank, self.data_format)
        return shapes.shared_over(shape, axes)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


@registered
class SpatialDropout1D(_SpatialDropout):
    r"""Drops whole feature maps of sequences.

    $$y_{btc} = \frac{m_{bc}}{1 - p}\, x_{btc}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    Mean and variance of each element are those of `Dropout`; all steps of a channel
    are kept or dropped together.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        data_format: `"channels_last"` or `"channels_first"`. As in Keras, the
            default is `"channels_last"` whatever the global setting.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.SpatialDropout1D(0.5, seed=0)(ops.ones((8, 5, 4)), training=True)
        >>> bool(ops.all(y[:, :1] == y))
        True

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    rank = 3

    def __init__(self, rate, seed=None, data_format="channels_last", **kwargs):
        super().__init__(rate, data_format=data_format, seed=seed, **kwargs)


@registered
class SpatialDropout2D(_SpatialDropout):
    r"""Drops whole feature maps of images.

    $$y_{bijc} = \frac{m_{bc}}{1 - p}\, x_{bijc}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, `data_format` is unknown, or the
            input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.SpatialDropout2D(0.5, seed=0)
        >>> y = layer(ops.ones((8, 3, 3, 4)), training=True)
        >>> bool(ops.all(y[:, :1, :1] == y))
        True

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    rank = 4


@registered
class SpatialDropout3D(_SpatialDropout):
    r"""Drops whole feature maps of volumes.

    $$y_{bijkc} = \frac{m_{bc}}{1 - p}\, x_{bijkc}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, depth, rows, columns, channels)`, or with the channels on axis 1 if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, `data_format` is unknown, or the
            input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.SpatialDropout3D(0.5, seed=0)
        >>> y = layer(ops.ones((8, 2, 2, 2, 4)), training=True)
        >>> bool(ops.all(y[:, :1, :1, :1] == y))
        True

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    rank = 5


@registered
class ChannelDropout(BernoulliLayer):
    r"""Drops whole channels of inputs of any rank.

    $$y_{b \ldots c} = \frac{m_{bc}}{1 - p}\, x_{b \ldots c}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    On `(batch, features)` it is `Dropout`. With `shared_batch` a channel is dropped
    for the whole batch: $m_{bc} = m_c$.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        axis: Integer, or a tuple of integers, the axes along which the mask differs;
            all others but the batch share it.
        shared_batch: Boolean. Whether all rows of a batch share the mask.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., channels)` of rank 2 or more. The output has the same.

    Raises:
        TypeError: `rate` is not a number, `axis` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, or `axis` outside the input.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.ChannelDropout(0.5, seed=0)(ops.ones((64, 3, 8)), training=True)
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [0.0, 2.0]

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    def __init__(self, rate, axis=-1, shared_batch=False, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.axis = _axes(axis)
        self.shared_batch = validation.boolean("shared_batch", shared_batch)

    def check_inputs(self, inputs):
        super().check_inputs(inputs)
        rank = len(inputs.shape)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if rank < 2 or any(not -rank < axis < rank or axis == 0 for axis in axes):
            expected = f"axes other than 0 of an input of rank {rank}"
            raise ValueError(invalid("axis", expected, self.axis))

    def mask_shape(self, shape):
        rank = len(shape)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        own = {axis % rank for axis in axes} | (set() if self.shared_batch else {0})
        return shapes.shared_over(shape, set(range(rank)) - own)

    def get_config(self):
        own = {"axis": self.axis, "shared_batch": self.shared_batch}
        return {**super().get_config(), **own}


@registered
class LockedDropout(BernoulliLayer):
    r"""Drops features of a sequence, the same at every step.

    $$y_{btf} = \frac{m_{bf}}{1 - p}\, x_{btf}, \qquad
    m_{bf} \sim \mathrm{Bernoulli}(1 - p)$$

    On `(batch, steps, features)` it equals `SpatialDropout1D`, under the name by
    which language models know it; with more axes only time is shared.

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

    def __init__(self, rate, time_axis=1, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.time_axis = _axis("time_axis", time_axis)

    def check_inputs(self, inputs):
        super().check_inputs(inputs)
        rank = len(inputs.shape)
        if rank < 3 or not -rank < self.time_axis < rank or self.time_axis == 0:
            expected = f"an axis other than 0 of an input of rank {max(rank, 3)}"
            raise ValueError(invalid("time_axis", expected, self.time_axis))

    def mask_shape(self, shape):
        return shapes.shared_over(shape, {self.time_axis})

    def get_config(self):
        return {**super().get_config(), "time_axis": self.time_axis}


def check_rank(layer, inputs, rank):
    """Refuses inputs of another rank."""
    if len(inputs.shape) != rank:
        raise ValueError(
            f"{type(layer).__name__} needs inputs of rank {rank}. Received: an input "
            f"of shape {tuple(inputs.shape)} in layer {layer.name!r}"
        )


def _axis(name, value):
    return validation.integer(name, value, minimum=-32)


def _axes(value):
    if isinstance(value, (tuple, list)):
        return tuple(_axis("axis", each) for each in value)
    return _axis("axis", value)
