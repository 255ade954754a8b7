"""Names for signatures, for values that have no type in Keras or the backends."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import keras

# A tensor of the backend, of NumPy or of a graph. Backends share no class for it.
Tensor: TypeAlias = Any
# One tensor, or a structure of tensors such as a model takes and gives.
Tensors: TypeAlias = Any
# The size of each axis: an integer, `None`, a tensor, or a symbol in an export.
Shape: TypeAlias = tuple[Any, ...]
# Data as `keras.Model.predict` takes it: arrays, a structure of them, or their source.
Data: TypeAlias = Any

# What `get_config` gives and `from_config` takes.
Config: TypeAlias = dict[str, Any]
Seed: TypeAlias = int | keras.random.SeedGenerator | None
DataFormat: TypeAlias = Literal["channels_last", "channels_first"]

# The axes of a weight that come into a unit, or a function of the layer to them.
Axes: TypeAlias = int | Sequence[int] | Callable[[Any], Any] | None

# A model. What `keras.saving.load_model` gives is an `object` to type checkers, which
# must pass. What cannot be hashed is none: data in the place of the model, or a list.
Model: TypeAlias = keras.Model | Hashable
Models: TypeAlias = Model | Sequence[Model]

# What joins the samples of a prediction.
Masks: TypeAlias = Literal["independent", "shared", "antithetic", "stratified"]
# What an output is, to whoever knows it.
Kind: TypeAlias = Literal["values", "probabilities", "logits", "binary", "gaussian"]
_Asked: TypeAlias = (
    Literal["auto", "values", "probabilities", "logits", "binary", "gaussian"] | None
)
# What the outputs of a model are: of all, or by place or name.
Outputs: TypeAlias = _Asked | Sequence[_Asked] | Mapping[str, _Asked]

Pick: TypeAlias = (
    str | type[keras.layers.Layer] | keras.layers.Layer | Callable[[Any], bool]
)
# One or several layers of a model, as `_model.picks` takes them; `None` for all.
Picks: TypeAlias = Pick | Collection[Pick] | None

# A model that comes back as it is, of its own class.
ModelT = TypeVar("ModelT", bound=Model)
