"""Dropout of the weights that pruning would remove."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.wrapper import NoiseWrapper
from keras_dropout._layers.learned import _kernels
from keras_dropout._layers.learned._smallest import smallest
from keras_dropout._layers.weights._weight_noise import raw
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Tensor


@registered
class TargetedDropout(NoiseWrapper):
    r"""Drops the smallest weights of the wrapped layer, to prepare it for pruning.

    With `mode="weight"`, the candidates of a unit are the $\lfloor \gamma n \rfloor$
    smallest of its $n$ incoming weights, by magnitude. With `mode="unit"`, the
    candidates are whole units: the share $\gamma$ of the units that have the smallest
    weight norm. In training each candidate is zero with probability $p$. The draw is
    the same for all rows of a batch. At inference all candidates are zero: the layer is
    pruned to the share $1 - \gamma$ of its weights. Nothing is scaled, and gradients
    flow through kept weights. Let `target` and `rate` grow with schedules, as in the
    paper.

    Differences from the authors' code: equal magnitudes are ordered by position, so the
    number of candidates is exact; `mode="unit"` drops whole units, while their code
    draws for each weight; dense layers are pruned at inference, like convolutions.

    Args:
        layer: A `keras.layers.Dense`, `Conv1D`, `Conv2D` or `Conv3D` without
            `activity_regularizer`.
        rate: Float in `[0, 1]`, the probability $p$ that a candidate is dropped, or a
            schedule. Live.
        target: Float in `[0, 1]`, the share $\gamma$ of candidates, or a schedule.
            Live.
        mode: `"weight"` or `"unit"`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not one of these, or `rate` or `target` is not a number.
        ValueError: An argument is out of its range, or the layer has an
            `activity_regularizer`.

    Examples:
        >>> import keras, numpy as np
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> dense = keras.layers.Dense(1, use_bias=False)
        >>> dense.build((None, 4))
        >>> dense.set_weights([np.array([[1.0], [-4.0], [2.0], [3.0]])])
        >>> layer = layers.TargetedDropout(dense, target=0.5, seed=0)
        >>> ops.convert_to_numpy(layer(ops.eye(4)))[:, 0].tolist()
        [0.0, -4.0, 0.0, 3.0]

    References:
        - Gomez et al., 2019, [Learning Sparse Networks Using Targeted
          Dropout](https://arxiv.org/abs/1905.13678)
    """

    one_sample_per_call = True

    rate: Live = Live(
        _validation.probability,
        "The probability that a candidate is dropped, a live float.",
    )
    target: Live = Live(
        _validation.probability, "The share of candidates, a live float."
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        rate: Rate = 0.5,
        target: Rate = 0.5,
        mode: Literal["weight", "unit"] = "weight",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        _kernels.require_affine(layer)
        super().__init__(layer, seed=seed, **kwargs)
        _kernels.keep_in_floats(self)
        self.rate = rate
        self.target = target
        self.mode: Literal["weight", "unit"] = _validation.choice(
            "mode", mode, ("weight", "unit")
        )

    @property
    def is_silent(self) -> bool:
        """Whether nothing is ever drawn: no candidates, or none dropped."""
        return self.source("rate").is_silent or self.source("target").is_silent

    def perturb(self, x: Tensor, **kwargs: Any) -> Tensor:
        candidates = self._candidates()
        rate = self.current("rate")
        shape = tuple(candidates.shape)
        keep = random.keep_mask(shape, rate, self.key(), per_row=False)
        dropped = ops.logical_and(candidates, ops.logical_not(keep))
        return _kernels.called_without(self, dropped, x, **kwargs)

    def infer(self, x: Tensor, **kwargs: Any) -> Tensor:
        return _kernels.called_without(self, self._candidates(), x, **kwargs)

    def without_noise(self) -> keras.layers.Layer | None:
        return self

    def _candidates(self):
        """True for candidates, in a shape that broadcasts to that of the kernel."""
        kernel = ops.stop_gradient(raw(_kernels.variable(self.layer)))
        shape = tuple(kernel.shape)
        columns = ops.reshape(ops.cast(kernel, "float32"), (-1, shape[-1]))
        share = self.current("target")
        if self.mode == "weight":
            return ops.reshape(smallest(ops.abs(columns), share), shape)
        norms = ops.expand_dims(ops.sum(ops.square(columns), axis=0), 1)
        units = (*(1 for _ in shape[:-1]), shape[-1])
        return ops.reshape(smallest(norms, share), units)

    def get_config(self) -> Config:
        return {**super().get_config(), "mode": self.mode}
