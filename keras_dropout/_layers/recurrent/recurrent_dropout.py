"""LSTM and GRU that drop what they would add to their memory."""

from __future__ import annotations

import inspect
from typing import Any, Literal, Self, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import GatedOptions, Rate
from keras_dropout._layers.recurrent._recurrent_noise import RecurrentNoise
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Tensor


class _RecurrentDropout(RecurrentNoise):
    """Base of the two layers, which differ by their cell and its step."""

    rate: Live = Live(
        _validation.drop_rate, "The probability of dropping, a live float."
    )
    cell_class: Any = None
    step: Any = None

    def __init__(
        self,
        units: int,
        rate: Rate = 0.25,
        per: Literal["step", "row"] = "row",
        seed: Seed = None,
        **kwargs: Unpack[GatedOptions],
    ) -> None:
        shared = {name: kwargs[name] for name in _SHARED if name in kwargs}
        own = {name: kwargs.pop(name) for name in self._cell_arguments() & {*kwargs}}
        super().__init__(self.cell_class(units, **own, **shared), seed=seed, **kwargs)
        self.rate = rate
        self.per: Literal["step", "row"] = _validation.choice(
            "per", per, ("step", "row")
        )

    @classmethod
    def _cell_arguments(cls):
        arguments = set(inspect.signature(cls.cell_class.__init__).parameters)
        return arguments - {"self", "units", "seed", "kwargs"}

    @property
    def units(self) -> int:
        """The number of units."""
        return self.cell.units

    def loop(self, sequences: Tensor, noisy: bool) -> Any:
        if not noisy:
            return None, None
        rate = self.current("rate")
        shape = (*ops.shape(sequences)[:2], self.units)
        shape = shapes.one_per(self.per, shape, within=(2,))
        keep = random.keep_mask(shape, rate, self.key())
        scale = formulas.keep_scale(rate)
        factor = ops.cast(keep, "float32") * scale
        return [self.projected(sequences), factor], type(self).step

    def projected(self, sequences: Tensor) -> Tensor:
        """What the inputs add to the gates, for all steps at once."""
        return ops.matmul(sequences, self.cell.kernel)

    def get_config(self) -> Config:
        config = super().get_config()
        cell = self.cell.get_config()
        own = {name: cell[name] for name in self._cell_arguments() if name in cell}
        del config["cell"]
        return {**config, **own, "units": self.units, "per": self.per}

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: dict[str, Any] | None = None
    ) -> Self:
        return super(keras.layers.RNN, cls).from_config(config)


# Of the layer, and of the cell within it.
_SHARED = ("dtype", "trainable")


@registered
class RecurrentDropoutLSTM(_RecurrentDropout):
    r"""An LSTM that drops the candidates for its memory, never the memory itself.

    In training, with $m \sim \mathrm{Bernoulli}(1 - p)$ for each row and unit,

    $$c_t = f_t \odot c_{t-1} + i_t \odot \frac{m}{1 - p} \odot g_t, \qquad
    h_t = o_t \odot \tanh c_t,$$

    and at inference $m / (1 - p) = 1$. Given the previous states, the mean of $c_t$ is
    its value at inference, and its variance $(i_t g_t)^2\, p / (1 - p)$. Keras's
    `recurrent_dropout` drops $h_{t-1}$ instead.

    Args:
        units: Integer, the number of units.
        rate: Float in `[0, 1]`, the probability $p$ that a candidate is dropped, or a
            schedule. Live.
        per: What gets its own mask: each `"row"`, all steps sharing it, or each
            `"step"` of each row.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `keras.layers.LSTM`, but for `dropout`,
            `recurrent_dropout` and `use_cudnn`; `monte_carlo`.

    Input shape:
        `(batch, steps, features)`. The output is `(batch, units)`, or
        `(batch, steps, units)` if `return_sequences`.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or `per` is unknown.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers
        >>> layer = layers.RecurrentDropoutLSTM(4, 0.25, return_sequences=True)
        >>> layer(keras.Input((None, 3))).shape
        (None, None, 4)

    References:
        - Semeniuta, Severyn and Barth, 2016, [Recurrent Dropout without Memory
          Loss](https://arxiv.org/abs/1603.05118)
    """

    cell_class: Any = keras.layers.LSTMCell

    def projected(self, sequences: Tensor) -> Tensor:
        x = super().projected(sequences)
        return x + self.cell.bias if self.cell.use_bias else x

    @staticmethod
    def step(cell: keras.layers.Layer, parts: Any, states: Any) -> Any:
        """One step, from what the inputs add to the gates and the factor."""
        x, factor = parts
        h, c = states
        gates = x + ops.matmul(h, cell.recurrent_kernel)
        i, f, g, o = ops.split(gates, 4, axis=-1)
        gate = cell.recurrent_activation
        c = gate(f) * c + gate(i) * _scaled(factor, cell.activation(g))
        return [gate(o) * cell.activation(c), c]


@registered
class RecurrentDropoutGRU(_RecurrentDropout):
    r"""A GRU that drops the candidates for its state, never the state itself.

    In training, with $m \sim \mathrm{Bernoulli}(1 - p)$ for each row and unit,

    $$h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \frac{m}{1 - p} \odot \tilde h_t,$$

    and at inference $m / (1 - p) = 1$. The gate $z$ is that of Keras: at $z = 1$ the
    unit keeps its old state. The paper calls it $1 - z$.

    Args:
        units: Integer, the number of units.
        rate: Float in `[0, 1]`, the probability $p$ that a candidate is dropped, or a
            schedule. Live.
        per: What gets its own mask: each `"row"`, all steps sharing it, or each
            `"step"` of each row.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `keras.layers.GRU`, but for `dropout`,
            `recurrent_dropout` and `use_cudnn`; `monte_carlo`.

    Input shape:
        `(batch, steps, features)`. The output is `(batch, units)`, or
        `(batch, steps, units)` if `return_sequences`.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or `per` is unknown.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers
        >>> layer = layers.RecurrentDropoutGRU(4, 0.25)
        >>> layer(keras.Input((None, 3))).shape
        (None, 4)

    References:
        - Semeniuta, Severyn and Barth, 2016, [Recurrent Dropout without Memory
          Loss](https://arxiv.org/abs/1603.05118)
    """

    cell_class: Any = keras.layers.GRUCell

    def projected(self, sequences: Tensor) -> Tensor:
        x = super().projected(sequences)
        return x + _input_bias(self.cell) if self.cell.use_bias else x

    @staticmethod
    def step(cell: keras.layers.Layer, parts: Any, states: Any) -> Any:
        """One step, from what the inputs add to the gates and the factor."""
        (x, factor), (h,) = parts, states
        x_z, x_r, x_h = ops.split(x, 3, axis=-1)
        gate, kernel = cell.recurrent_activation, cell.recurrent_kernel
        if cell.reset_after:
            u = ops.matmul(h, kernel)
            u = u + cell.bias[1] if cell.use_bias else u
            u_z, u_r, u_h = ops.split(u, 3, axis=-1)
            u_h = gate(x_r + u_r) * u_h
        else:
            u_z, u_r = ops.split(ops.matmul(h, kernel[:, : 2 * cell.units]), 2, axis=-1)
            u_h = ops.matmul(gate(x_r + u_r) * h, kernel[:, 2 * cell.units :])
        z = gate(x_z + u_z)
        candidate = cell.activation(x_h + u_h)
        return [z * h + (1 - z) * _scaled(factor, candidate)]


def _scaled(factor, candidate):
    return formulas.where_kept(factor != 0, factor * candidate)


def _input_bias(cell):
    return cell.bias[0] if cell.reset_after else cell.bias
