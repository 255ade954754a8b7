"""Recurrent units that keep their state at random."""

from __future__ import annotations

from typing import Any, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LoopOptions, Rate
from keras_dropout._layers.recurrent._recurrent_noise import RecurrentNoise
from keras_dropout._registration import registered
from keras_dropout._typing import Seed, Tensor
from keras_dropout._validation import invalid


@registered
class Zoneout(RecurrentNoise):
    r"""A recurrent layer whose units keep their previous state at random.

    In training, with $d_t \sim \mathrm{Bernoulli}(z)$ for each row, step and unit,
    and $\tilde c_t$, $\tilde h_t$ the states that the cell computes,

    $$c_t = d^c_t\, c_{t-1} + (1 - d^c_t)\, \tilde c_t, \qquad
    h_t = d^h_t\, h_{t-1} + (1 - d^h_t)\, \tilde h_t,$$

    and at inference $d$ is replaced by $z$, so for one step the mean in training is the
    output at inference. The output is $h_t$. As in the paper, $\tilde h_t$ is computed
    from the candidate $\tilde c_t$, not from $c_t$. At $z = 0$ the layer is
    `keras.layers.RNN`. At $z = 1$ the state never changes.

    Args:
        cell: A cell whose output is its first state: `keras.layers.LSTMCell`,
            `GRUCell`, `SimpleRNNCell`, or your own.
        zoneout_h: Float in `[0, 1]`, the probability $z$ that a unit keeps its first
            state $h$, or a schedule. Live.
        zoneout_c: Float in `[0, 1]`, the same for all other states: the $c$ of an LSTM.
            Live.
        return_sequences: Boolean. Whether to return the output of every step.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `keras.layers.RNN`: `return_state`, `go_backwards`,
            `stateful`, `unroll`, `zero_output_for_mask`; `monte_carlo`, `name`,
            `dtype`, `trainable`.

    Input shape:
        `(batch, steps, features)`. The output is `(batch, units)`, or `(batch, steps,
        units)` if `return_sequences`. At steps that a Keras mask excludes, the states
        do not change.

    Raises:
        TypeError: A probability is not a number.
        ValueError: A probability lies outside `[0, 1]`, or the cell has its own
            dropout, or contains other cells.

    Examples:
        >>> import keras
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.Zoneout(keras.layers.GRUCell(4), 1.0, return_sequences=True)
        >>> y = layer(ops.ones((2, 5, 3)), training=True)
        >>> bool(ops.all(y == 0))  # the initial state
        True

    References:
        - Krueger et al., 2017, [Zoneout: Regularizing RNNs by Randomly Preserving
          Hidden Activations](https://arxiv.org/abs/1606.01305)
    """

    zoneout_h: Live = Live(
        _validation.probability, "The probability of keeping the state h."
    )
    zoneout_c: Live = Live(
        _validation.probability, "The probability of keeping other states."
    )

    def __init__(
        self,
        cell: keras.layers.Layer,
        zoneout_h: Rate = 0.05,
        zoneout_c: Rate = 0.5,
        return_sequences: bool = False,
        seed: Seed = None,
        **kwargs: Unpack[LoopOptions],
    ) -> None:
        sizes = keras.tree.flatten(getattr(cell, "state_size", None))
        if isinstance(cell, (list, tuple, keras.layers.StackedRNNCells)) or not all(
            isinstance(size, int) for size in sizes
        ):
            expected = "one recurrent cell with states of one axis; stack the layers"
            raise ValueError(invalid("cell", expected, cell))
        super().__init__(cell, return_sequences=return_sequences, seed=seed, **kwargs)
        self.zoneout_h = zoneout_h
        self.zoneout_c = zoneout_c

    @property
    def is_silent(self) -> bool:
        return all(self.source(name).is_silent for name in set(self._rates()))

    def _rates(self):
        """The name of the probability for each state of the cell."""
        return ["zoneout_h"] + ["zoneout_c"] * (len(self.state_size) - 1)

    def loop(self, sequences: Tensor, noisy: bool) -> Any:
        rates = [self.current(name) for name in self._rates()]
        if not noisy:
            kept = [ops.reshape(rate, (1, 1, 1)) for rate in rates]
            return [sequences, *kept], _zone(formulas.blend)
        shape = ops.shape(sequences)[:2]
        updated = [
            random.keep_mask((*shape, size), rate, self.key())
            for size, rate in zip(self.state_size, rates, strict=True)
        ]
        return [sequences, *updated], _zone(formulas.where_updated)


def _zone(mix):
    """A step that mixes old and new states by `mix`."""

    def step(cell, parts, states):
        inputs, *noise = parts
        output, new = cell(inputs, list(states))
        new = new if keras.tree.is_nested(new) else [new]
        if output is not new[0]:
            expected = "a cell whose output is its first state"
            raise ValueError(invalid("cell", expected, cell))
        return [mix(*each) for each in zip(noise, states, new, strict=True)]

    return step
