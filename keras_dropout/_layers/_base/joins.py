"""The base of layers that join two inputs into one output."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._typing import Shape, Tensor, Tensors


class JoinLayer(NoiseLayer):
    """Base of the layers that are called on a list of two tensors of one shape."""

    def call(self, inputs: Tensors, training: bool | None = False) -> Tensor:
        # Keras adds variables itself. On TensorFlow it takes one of shape `(0, n)` for
        # a bias, and fails.
        tensors = [
            x.value if isinstance(x, keras.Variable) else x
            for x in keras.tree.flatten(inputs)
        ]
        return super().call(tensors, training)

    def check_inputs(self, inputs: Tensors) -> None:
        tensors = keras.tree.flatten(inputs)
        self.check_floats(*tensors)
        received = [tuple(x.shape) for x in tensors]
        if len(received) != 2 or not _fit(*received):
            raise ValueError(
                f"{type(self).__name__} needs a list of two inputs of one shape. "
                f"Received: shapes {received} in layer {self.name!r}"
            )

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        return super().compute_output_spec(inputs, *args, **kwargs)[0]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape[0]

    def compute_mask(
        self, inputs: Tensors, previous_mask: Tensor | None = None
    ) -> Tensor:
        """The mask of the first input that has one: both hold the same steps."""
        masks = previous_mask or []
        return next((mask for mask in masks if mask is not None), None)


def _fit(first, second):
    return len(first) == len(second) and all(
        a == b or a is None or b is None for a, b in zip(first, second, strict=True)
    )
