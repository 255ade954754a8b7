"""When a layer can be called without the work that Keras does around a call.

On PyTorch a layer is called again in each step, and for a small tensor what Keras does
before and after (converting arguments, binding them to the signature, scopes for names
and dtypes, propagating masks) takes longer than the noise. TensorFlow and JAX trace a
call once, so there it costs nothing.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_dropout import _keras

_CALLED_ANEW = keras.backend.backend() == "torch"


def is_enough(
    layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Whether Keras would pass exactly these arguments on, and the output back.

    This holds for one tensor of the layer's own dtype, without a mask, with an explicit
    `training`, as Keras models pass it, and for layers without weights and inner
    layers, which would need the scopes.
    """
    if not (_CALLED_ANEW and len(args) == 1 and kwargs.keys() == {"training"}):
        return False
    (x,) = args
    return (
        isinstance(kwargs["training"], bool)
        and keras.ops.is_tensor(x)
        and keras.backend.standardize_dtype(x.dtype) == layer.compute_dtype
        and _keras.mask_of(x) is None
        and layer.activity_regularizer is None
        and layer.input_spec is None
        and keras.distribution.distribution() is None
        and _keras.was_called(layer)
        and not _keras.has_parts(layer)
    )
