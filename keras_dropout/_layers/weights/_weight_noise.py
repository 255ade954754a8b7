"""Noise on the weights of a wrapped layer: the one helper, and the base it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import keras

from keras_dropout import _keras, _model, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.options import NoiseOptions
from keras_dropout._layers._base.wrapper import NoiseWrapper
from keras_dropout._typing import Config, Shape, Tensor
from keras_dropout._validation import invalid


def call_with(
    layer: keras.layers.Layer, values: Any, *args: Any, **kwargs: Any
) -> tuple[Any, list[Any]]:
    """Calls `layer` with other values in the place of some of its weights.

    The weights themselves stay as they are and gradients reach whatever the values
    were made of. All other state that the call changes (statistics of batch
    normalisation, states of recurrent layers, seeds) is kept. `keras.RematScope` has
    the layer run again only with whatever calls this.

    Args:
        layer: A built layer.
        values: List of pairs `(variable, value)`.
        *args: Of the layer's `__call__`.
        **kwargs: Of the layer's `__call__`.

    Returns:
        What the layer returns, and the list of the losses that it added.
    """
    _keras.compute_once(layer)
    # The inner scope does not see the values of an outer one (JAX's trainer opens
    # one), so it is told those of every variable.
    given = {id(variable) for variable, _ in values}
    state = [(v, raw(v)) for v in layer.variables if id(v) not in given]
    with _Scope([*values, *state], collect_losses=True) as scope:
        outputs = layer(*args, **kwargs)
    for variable in scope.changed.values():
        if id(variable) not in given:
            variable.assign(scope.get_current_value(variable))
    return outputs, scope.losses


class _Scope(keras.StatelessScope):
    """A stateless scope that knows which variables changed within it.

    Keras does not list all of them: the states of a stateful recurrent layer are not in
    its `variables`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changed = {}

    def add_update(self, update: Any) -> None:
        variable, _ = update
        self.changed[id(variable)] = variable
        super().add_update(update)


def raw(variable: keras.Variable) -> Tensor:
    """The value of a variable in its own dtype, whatever the layers compute in."""
    # Noise is drawn and scaled in float32.
    with _keras.AutocastScope(None):
        return variable.value


class WeightNoise(NoiseWrapper):
    """Base of the wrappers that perturb weights of the wrapped layer.

    The wrapped layer is used as it is, never rebuilt: strides, groups, activation,
    regularisers and constraints stay its own and act on its raw weights, and at
    inference the output is the layer's own, bit for bit. A subclass writes
    `perturb_weight(variable, value)`. A quantized layer supports only inference; a call
    with noise raises an error.

    One call draws one noise for all rows of a batch.

    Args:
        layer: A Keras layer with weights, built or not. It may be a model.
        weights: Tuple of names. Every weight of the layer, and of layers within it,
            that has one of these names is perturbed.
        **kwargs: Arguments of `NoiseLayer`: `seed`, `monte_carlo`, `name`, `dtype`, ...
    """

    one_sample_per_call = True

    def __init__(
        self,
        layer: keras.layers.Layer,
        weights: str | Sequence[str],
        **kwargs: Unpack[NoiseOptions],
    ) -> None:
        super().__init__(layer, **kwargs)
        self.weight_names: tuple[str, ...] = weight_names(weights)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if not self.is_quantized:
            self.noisy_weights()

    @property
    def is_quantized(self) -> bool:
        """Whether weights within are quantized: the layer then only infers."""
        layers = _model.flatten_layers(self.layer)
        modes = {getattr(each, "quantization_mode", None) for each in layers}
        return bool(modes - {None, "float8"})

    def noisy_weights(self) -> list[keras.Variable]:
        """The weights that the noise is for."""
        names = self.names_to_perturb()
        if self.is_quantized:
            raise ValueError(
                f"{type(self).__name__} adds noise to float weights, and those of "
                f"{self.layer.name!r} are quantized. A quantized model predicts, saves "
                f"and loads, but train it, or sample it with `mc_predict`, before "
                f"`quantize`. Received: a call with noise of layer {self.name!r}, for "
                f"weights={names}"
            )
        weights = [v for v in self.layer.weights if v.name in names and _is_float(v)]
        missing = set(names) - {v.name for v in weights}
        if missing:
            present = ", ".join(
                sorted({repr(v.name) for v in self.layer.weights if _is_float(v)})
            )
            expected = f"names among float weights of {self.layer.name!r}: {present}"
            raise ValueError(invalid("weights", expected, names))
        return weights

    def names_to_perturb(self) -> tuple[str, ...]:
        """The names of those weights."""
        return self.weight_names

    def perturb(self, x: Tensor, **kwargs: Any) -> Tensor:
        values = [(v, self.perturb_weight(v, raw(v))) for v in self.noisy_weights()]
        outputs, losses = call_with(self.layer, values, x, **kwargs)
        for loss in losses:
            self.add_loss(loss)
        return outputs

    def perturb_weight(self, variable: keras.Variable, value: Tensor) -> Tensor:
        """The noisy value of one weight, in the weight's shape and dtype."""
        raise NotImplementedError

    def keep_mask(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """A keep mask for one weight, and the factor for what is kept."""
        rate = self.current("rate")
        keep = random.keep_mask(shape, rate, self.key(), per_row=False)
        return keep, formulas.keep_scale(rate)

    def get_config(self) -> Config:
        return {**super().get_config(), "weights": self.weight_names}


def _is_float(variable):
    return keras.backend.is_float_dtype(variable.dtype)


def weight_names(value: Any) -> tuple[str, ...]:
    """A tuple of the names of weights; one name may stand alone."""
    names = (value,) if isinstance(value, str) else value
    expected = "a tuple of names of weights, such as ('kernel',)"
    if not isinstance(names, (tuple, list)) or not all(
        isinstance(name, str) for name in names
    ):
        raise TypeError(invalid("weights", expected, value))
    if not names:
        raise ValueError(invalid("weights", expected, value))
    return tuple(names)
