"""The incoming axes of the weights of every Keras layer, in one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import keras

from keras_dropout import _keras, _validation
from keras_dropout._typing import Axes
from keras_dropout._validation import invalid
from keras_dropout.constraints.unknown import by_shape


def _all_but_last(layer):
    """Of a kernel (positions ..., in, out)."""
    return tuple(range(layer.rank + 1))


def _positions(layer):
    """Of a depthwise kernel (positions ..., in, multiplier)."""
    return tuple(range(layer.rank))


def _positions_and_last(layer):
    """Of a transposed kernel (positions ..., out, in)."""
    return (*range(layer.rank), layer.rank + 1)


def _summed(layer):
    """Of the kernel of an einsum: the letters that the output lacks."""
    kernel, output = layer.equation.split(",")[1].split("->")
    return tuple(axis for axis, letter in enumerate(kernel) if letter not in output)


def _untied(layer):
    """Of a kernel (in, out) that a tied embedding does not have."""
    return None if layer.tie_weights else (0,)


_dense = {"kernel": (0,)}
_convolution = {"kernel": _all_but_last}
_transposed = {"kernel": _positions_and_last}
_depthwise = {"kernel": _positions}
_separable = {"depthwise_kernel": _positions, "pointwise_kernel": _all_but_last}
# The norm of each vector, as is the custom.
_embedding = {"embeddings": (1,)}
# Each gate is a unit of its own.
_recurrent = {"kernel": (0,), "recurrent_kernel": (0,)}
_recurrent_convolution = {"kernel": _all_but_last, "recurrent_kernel": _all_but_last}
# Biases, gains and slopes belong to a unit; they do not come into one.
_biases = {"bias": None}
_gains = dict.fromkeys(("gamma", "beta", "scale", "alpha"))

# From a layer's class to its weights and their incoming axes. Layers that hold only
# other layers need no row.
_table = {
    keras.layers.Dense: _dense,
    keras.layers.EinsumDense: {"kernel": _summed},
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv3D: _convolution,
    keras.layers.Conv1DTranspose: _transposed,
    keras.layers.Conv2DTranspose: _transposed,
    keras.layers.Conv3DTranspose: _transposed,
    keras.layers.DepthwiseConv1D: _depthwise,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv1D: _separable,
    keras.layers.SeparableConv2D: _separable,
    keras.layers.Embedding: _embedding,
    keras.layers.SimpleRNNCell: _recurrent,
    keras.layers.LSTMCell: _recurrent,
    keras.layers.GRUCell: _recurrent,
    _keras.ConvLSTMCell: _recurrent_convolution,
    keras.layers.BatchNormalization: _gains,
    keras.layers.LayerNormalization: _gains,
    keras.layers.GroupNormalization: _gains,
    keras.layers.PReLU: _gains,
}
for _name, _row in {
    # Younger than the oldest Keras that we support.
    "RMSNormalization": _gains,
    "ReversibleEmbedding": _embedding | {"reverse_embeddings": _untied},
}.items():
    if hasattr(keras.layers, _name):
        _table[getattr(keras.layers, _name)] = _row

# Layers that make projections when built, and hand them all one constraint: the
# attribute that keeps it, and the axes for the projection of each name. The attribute
# of `MultiHeadAttention` is private; it is what its configuration saves.
_projections = dict.fromkeys(("query", "key", "value", "gate"), (0,))
_projections["attention_output"] = (0, 1)
_handed_down = {
    keras.layers.MultiHeadAttention: ("_kernel_constraint", _projections),
    keras.layers.GroupQueryAttention: ("kernel_constraint", _projections),
}


@dataclasses.dataclass(frozen=True)
class Incoming:
    """One weight of a layer, and the axes of it that come into each unit."""

    layer: keras.Layer
    name: str
    axes: tuple[int, ...]

    @property
    def variable(self) -> keras.Variable | None:
        """The weight, or None as long as the layer is not built."""
        variable = getattr(self.layer, self.name, None)
        if variable is None and not self.layer.built:
            return None
        if not isinstance(variable, keras.Variable):
            raise ValueError(
                f"Max-norm needs `{self.name}` of layer {self.layer.name!r} to be a "
                f"weight of its own. Leave the layer out. "
                f"Received: {self.name}={variable!r}"
            )
        return variable

    @property
    def attribute(self) -> str | None:
        """The attribute of the layer that holds and saves the constraint."""
        stem = self.name.removesuffix("_kernel")
        # The last is for depthwise convolutions: they name the weight just "kernel".
        for name in (self.name, stem, "depthwise"):
            if hasattr(self.layer, f"{name}_constraint"):
                return f"{name}_constraint"
        return None


def incoming(layer: keras.layers.Layer) -> list[Incoming]:
    """The weights with incoming axes that a layer owns itself, not in sublayers.

    Quantized layers have none: integers neither train nor have the scale of a norm.
    """
    if getattr(layer, "lora_enabled", False):
        raise ValueError(
            f"LoRA adds a product of two matrices to a weight of layer {layer.name!r}, "
            f"so the norm of one weight says nothing. Leave the layer out. "
            f"Received: lora_rank={layer.lora_rank}"
        )
    if layer.quantization_mode not in (None, "float8"):
        return []
    declared = _checked(getattr(layer, "incoming_axes", {}))
    rows = {**_biases, **_row(_table, layer), **declared}
    rows = {**by_shape(layer, rows), **rows}
    known = {name: _resolved(axes, layer) for name, axes in rows.items()}
    return [Incoming(layer, name, axes) for name, axes in known.items() if axes]


def _resolved(axes, layer):
    return axes(layer) if callable(axes) else axes


def handed_down(layer: keras.layers.Layer) -> tuple[str, Axes] | None:
    """The attribute that keeps one constraint for all sublayers, and their axes."""
    return _row(_handed_down, layer) or None


def register_incoming_axes(
    layer_class: type[keras.layers.Layer], axes: Mapping[str, Axes]
) -> None:
    """Registers the incoming axes of the weights of a layer class.

    Your own class may instead have an attribute or property `incoming_axes` of the same
    form.

    Args:
        layer_class: A subclass of `keras.layers.Layer`. Its subclasses inherit.
        axes: Dictionary from the name of an attribute that holds a weight to an integer
            or a tuple of integers, or to `None` for weights that are not incoming
            weights of a unit, such as gains. To save max-norm with a model, the layer
            must keep and save a constraint for each weight, as Keras's layers do:
            `kernel_constraint` for `kernel`.

    Raises:
        TypeError: `layer_class` is not a layer class, or `axes` is not such a
            dictionary.

    Examples:
        >>> import keras
        >>> from keras_dropout import constraints
        >>> class Prototypes(keras.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.points = self.add_weight((10, input_shape[-1]))
        >>> constraints.register_incoming_axes(Prototypes, {"points": 1})
    """
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.Layer)):
        expected = "a subclass of `keras.layers.Layer`"
        raise TypeError(invalid("layer_class", expected, layer_class))
    _table[layer_class] = _checked(axes)


def _row(table, layer):
    """The row of the nearest class that has one."""
    return next((table[each] for each in type(layer).__mro__ if each in table), {})


def _checked(axes):
    if not isinstance(axes, dict):
        expected = "a dictionary from names of weights to their incoming axes"
        raise TypeError(invalid("incoming_axes", expected, axes))
    return {
        name: None if each is None else _validation.axes("incoming_axes", each)
        for name, each in axes.items()
    }
