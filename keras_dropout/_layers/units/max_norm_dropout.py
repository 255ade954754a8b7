"""A layer with max-norm on its weights and dropout after or before it."""

from __future__ import annotations

import inspect
from typing import Any, Literal, Self, Unpack

import keras

from keras_dropout import _model, _validation
from keras_dropout._layers._base.options import Rate, UnitOptions
from keras_dropout._layers._base.wrapper import build_within
from keras_dropout._layers.units.dropout import Dropout
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor, Tensors
from keras_dropout._validation import invalid
from keras_dropout.constraints import apply


@registered
class MaxNormDropout(Dropout):
    r"""Wraps a layer: max-norm on its weights, and dropout of its units.

    With the wrapped layer $f_W$ and the dropout $d_p$,

    $$y = d_p(f_W(x)) \quad\text{or, before,}\quad y = f_W(d_p(x)), \qquad
    \lVert W_{\cdot j} \rVert_2 \le c \text{ for each unit } j.$$

    The limit applies to the incoming weights of each unit, for any kind of wrapped
    layer. The axes are those of [keras_dropout.constraints.apply_max_norm][]. Biases
    are not limited. If the layer already has weights, it keeps them.

    Args:
        layer: The layer to wrap.
        rate: Float in `[0, 1]`, the probability $p$ of dropping, or a schedule. Live.
        max_value: Float above 0, the limit $c$.
        position: `"after"` drops units of the wrapped layer, `"before"` units of its
            input. If there are several outputs, only the first has dropout; the others
            are states or scores.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `Dropout`: `noise_shape`, `scaling`, `monte_carlo`,
            `name`, ...

    Input shape:
        That of the wrapped layer. The output has the shape of its output.

    Raises:
        TypeError: `layer` is not a layer, `rate` or `max_value` not a number.
        ValueError: `rate` lies outside `[0, 1]`, `max_value` is not above 0, or the
            wrapped layer already has another constraint, or weights with unknown
            incoming axes.

    Examples:
        >>> import keras
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> dense = keras.layers.Dense(4)
        >>> layer = layers.MaxNormDropout(dense, rate=0.5, max_value=3.0)
        >>> layer(ops.ones((2, 8)), training=True).shape == (2, 4)
        True
        >>> dense.kernel.constraint.max_value
        3.0

    References:
        - Srivastava et al., 2014, [Dropout: A Simple Way to Prevent Neural Networks
          from Overfitting](https://jmlr.org/papers/v15/srivastava14a.html)
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: Rate = 0.5,
        max_value: float = 3.0,
        position: Literal["before", "after"] = "after",
        seed: Seed = None,
        **kwargs: Unpack[UnitOptions],
    ) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(invalid("layer", "a Keras layer", layer))
        kwargs.setdefault("dtype", _model.float_policy(layer))
        super().__init__(rate, seed=seed, **kwargs)
        self.layer = layer
        self.position: Literal["before", "after"] = _validation.choice(
            "position", position, ("after", "before")
        )
        self.supports_masking: bool = layer.supports_masking
        self._given = _validation.positive("max_value", max_value)
        present = apply.limits(layer) - {self._given}
        if present:
            raise ValueError(
                f"The wrapped layer {layer.name!r} has another limit already: "
                f"{sorted(present)}. Use the same, or remove it. "
                f"Received: max_value={max_value!r}"
            )
        apply.constrain(layer, self._given)

    @property
    def max_value(self) -> float:
        """The current limit; `apply_max_norm` may have changed it."""
        return next(iter(apply.limits(self.layer)), self._given)

    def build(self, input_shape: Shape) -> None:
        # A layer of several inputs builds itself when it is called.
        single = len(inspect.signature(self.layer.build).parameters) == 1
        if single and not self.layer.built:
            build_within(self, self.layer, input_shape)
        # Again, for what the wrapped layer made only when it was built.
        apply.constrain(self.layer, self.max_value)

    def call(
        self,
        inputs: Tensors,
        *args: Any,
        mask: Tensor | None = None,
        training: bool | None = False,
        **kwargs: Any,
    ) -> Tensor:
        if mask is not None and "mask" in inspect.signature(self.layer.call).parameters:
            kwargs["mask"] = mask
        if self.position == "before":
            return self.layer(super().call(inputs, training), *args, **kwargs)
        outputs = self.layer(inputs, *args, **kwargs)
        if not isinstance(outputs, (tuple, list)):
            return super().call(outputs, training)
        first, *others = outputs
        return type(outputs)((super().call(first, training), *others))

    def without_noise(self) -> keras.layers.Layer | None:
        return self.layer if self.scaling == "train" else self

    def compute_mask(
        self, inputs: Tensors, previous_mask: Tensor | None = None
    ) -> Tensor:
        return self.layer.compute_mask(inputs, previous_mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        ours = {"training", "mask"} - set(inspect.signature(self.layer.call).parameters)
        kwargs = {name: each for name, each in kwargs.items() if name not in ours}
        return self.layer.compute_output_spec(inputs, *args, **kwargs)

    def get_config(self) -> Config:
        own = {"max_value": self.max_value, "position": self.position}
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), **own, "layer": layer}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})
