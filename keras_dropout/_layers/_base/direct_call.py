"""When a call of a layer needs none of the care that Keras takes around it.

On PyTorch a layer is called anew in each step, and for a small tensor what Keras does
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

    So it is for one tensor of the layer's own dtype, without a mask, and a `training`
    that is given, as the models of Keras give it, if the layer has nothing inside that
    looks at the scopes: no weights and no layers.
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
