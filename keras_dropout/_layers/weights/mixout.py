"""Mixing the weights of a layer with those it was trained from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

import keras
from keras import ops

from keras_dropout import _validation
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers.weights._weight_noise import WeightNoise, raw
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor


@registered
class Mixout(WeightNoise):
    r"""Replaces random weights by their values before tuning.

    In training, with $m \sim \mathrm{Bernoulli}(1 - p)$ for every weight $w$ and its
    anchor $u$,

    $$\tilde w = \frac{m w + (1 - m) u - p u}{1 - p}, \qquad \mathrm{E}[\tilde w] = w,
    \qquad \mathrm{Var}[\tilde w] = \frac{p}{1 - p} (w - u)^2,$$

    which is $u$ for a replaced weight, and $(w - p u) / (1 - p)$ for a kept one. At
    inference $\tilde w = w$. With $u = 0$ it is `DropConnect`. At $p = 1$ all weights
    are $u$.

    The anchors are the weights at the time of wrapping. If the layer was not built by
    then, they are its initial weights. They are not trainable and are saved with the
    layer, so `weights` contains each anchored weight twice. Call `set_anchor()` after
    you load other weights into the layer.

    Differences from the authors' code: it uses the masks of `per="input"`, and leaves
    out the factor $1 / (1 - p)$ in the gradient.

    Args:
        layer: A Keras layer with weights, or a model: the pretrained one to tune.
        rate: Float in `[0, 1]`, the probability $p$ that a weight is replaced, or a
            schedule. Live.
        weights: Tuple of names of the weights to mix.
        per: What gets its own draw: each weight (`"element"`), or each `"input"` of the
            layer, so that all weights of an input are replaced together.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not a layer, or `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or no weight has one of the names,
            or `per` is unknown.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers
        >>> dense = keras.layers.Dense(4)
        >>> dense.build((None, 3))
        >>> layer = layers.Mixout(dense, 0.9)
        >>> layer(keras.Input((3,))).shape
        (None, 4)
        >>> len(layer.trainable_weights), len(layer.non_trainable_weights)
        (2, 1)

    References:
        - Lee, Cho and Kang, 2020, [Mixout: Effective Regularization to Finetune
          Large-scale Pretrained Language Models](https://arxiv.org/abs/1909.11299)
    """

    rate: Live = Live(_validation.drop_rate, "The probability of a swap, a live float.")

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: Rate = 0.9,
        weights: str | Sequence[str] = ("kernel",),
        per: Literal["element", "input"] = "element",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(layer, weights, seed=seed, **kwargs)
        self.rate = rate
        self.per: Literal["element", "input"] = _validation.choice(
            "per", per, ("element", "input")
        )
        self.anchors = None
        if layer.built and not self.is_quantized:
            self._create_anchors()

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.anchors is None and not self.is_quantized:
            self._create_anchors()

    def save_own_variables(self, store: Any) -> None:
        """Saves the anchors, which belong to weights that are not quantized."""
        if not self.is_quantized:
            super().save_own_variables(store)

    def _create_anchors(self):
        self.anchors: list[keras.Variable] = [
            self.add_weight(
                shape=v.shape,
                dtype=v.dtype,
                initializer=lambda shape, dtype, v=v: _copy(v),
                trainable=False,
                name=f"{v.name}_anchor",
            )
            for v in self.noisy_weights()
        ]

    def set_anchor(self) -> None:
        """Makes the current weights the anchors."""
        for anchor, variable in zip(self.anchors, self.noisy_weights(), strict=True):
            anchor.assign(_copy(variable))

    def perturb_weight(self, variable: keras.Variable, value: Tensor) -> Tensor:
        places = {id(v): place for place, v in enumerate(self.noisy_weights())}
        anchor = raw(self.anchors[places[id(variable)]])
        shape = shapes.one_per(self.per, tuple(value.shape))
        keep, scale = self.keep_mask(shape)
        return formulas.mix(keep, value, anchor, scale)

    def get_config(self) -> Config:
        return {**super().get_config(), "per": self.per}


def _copy(variable):
    # A copy: training changes the memory of the variable in place.
    return ops.stop_gradient(ops.copy(raw(variable)))
