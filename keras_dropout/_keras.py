"""Every private name of Keras that this package uses, with the reason for each.

The rest of the package asks here. A name that a later Keras lacks never breaks the
import: each function says what happens without it, and
`tests/test_private_keras.py` holds that the names are there.

| name | why the public API is not enough | without it |
|---|---|---|
| `Layer._flatten_layers` | reaches layers inside layers | `PrivateNameError` |
| `SeedGenerator._initial_seed` | PyTorch dropouts without it draw globally | no seed |
| `Layer._build_at_init` | marks a layer without weights as built | built when called |
| `Layer._call_has_training_arg` | whether `call` takes `training` | its signature |
| `Layer._called`, `_layers`, ... | read at every eager call on PyTorch | slower calls |
| `AutocastScope` | reads a weight without the policy's cast | a cast weight |
| `in_stateless_scope` | whether assigning leaves the variable alone | `assign` |
| `get_keras_mask`, `set_keras_mask` | a mask travels with its tensor | `_keras_mask` |
| `Functional`, `_nodes_by_depth`, ... | the graph of a model | the model runs whole |
| `Variable._value` | a donated value must not be made up anew | `value` |
| `LSTMCell._create_dropout_mask` | whether a cell's masks are Keras's | unknown |
| `backend.random` | the place where Keras draws random numbers | `keras.random` |
| `Optimizer._iterations` | counts batches, not updates | `iterations` |
| `ConvLSTMCell` | the only cell that Keras does not export | unknown to max-norm |

Two more are overridden, since Keras calls them: `Layer._track_variables` (in
`layers/_base/noise_layer.py`) and `MultiHeadAttention._compute_attention` (in
`layers/tokens/attention.py`). The latter's `_kernel_constraint` is named in
`constraints/incoming.py`.
"""

import contextlib
import dataclasses
import inspect
from typing import Any

import keras


class PrivateNameError(AttributeError):
    """Keras lacks a private name that this package cannot do without."""


def flatten_layers(layer):
    """The layer itself and all layers within it, wrapped and nested ones too."""
    walk = getattr(layer, "_flatten_layers", None)
    if walk is None:
        raise PrivateNameError(
            "keras_dropout walks the layers of a model by Keras's private "
            "`Layer._flatten_layers`, which this version does not have. Install "
            f"another version of Keras. Received: Keras {keras.__version__}"
        )
    return list(walk(include_self=True, recursive=True))


INITIAL_SEED = "_initial_seed"


def set_initial_seed(generator, seed):
    """Tells a seed generator with which seed it was made.

    On PyTorch Keras's own `Dropout` and `keras.random.dropout` pass over a generator
    that was made without one, and draw from torch's global state instead.
    """
    setattr(generator, INITIAL_SEED, seed)


# What Keras's recurrent cells with dropouts make their masks by.
CREATE_MASK = "_create_dropout_mask"


def mark_as_built(layer):
    """Marks a layer without a `build` as built, as Keras's own layers do."""
    mark = getattr(layer, "_build_at_init", None)
    if mark is not None:
        mark()


def takes_training(operation):
    """Whether `call` takes the argument `training`."""
    known = getattr(operation, "_call_has_training_arg", None)
    if known is None and isinstance(operation, keras.layers.Layer):
        return "training" in inspect.signature(operation.call).parameters
    return bool(known)


def was_called(layer):
    """Whether a layer was called before; the first call notes its place in a model."""
    return getattr(layer, "_called", False)


def has_parts(layer):
    """Whether a layer has layers or weights. The public lists are gathered anew."""
    try:
        return bool(
            layer._layers
            or layer._trainable_variables
            or layer._non_trainable_variables
        )
    except AttributeError:
        return True


try:
    from keras.src.backend import AutocastScope
except ImportError:
    AutocastScope = contextlib.nullcontext

try:
    from keras.src.backend.common.stateless_scope import in_stateless_scope
except ImportError:

    def in_stateless_scope():
        """Unknown, so a variable is always assigned to, which respects a scope."""
        return True


try:
    from keras.src.backend.common.masking import get_keras_mask as mask_of
    from keras.src.backend.common.masking import set_keras_mask as set_mask
except ImportError:

    def mask_of(tensor):
        """The mask that Keras keeps with a tensor, or None."""
        return getattr(tensor, "_keras_mask", None)

    def set_mask(tensor, mask):
        """Keeps a mask with a tensor, as Keras does."""
        tensor._keras_mask = mask


try:
    from keras.src.models.functional import Functional
except ImportError:

    class Functional:
        """No class: no model is an instance, so each runs whole."""


try:
    from keras.src.layers.rnn.conv_lstm import ConvLSTMCell
except ImportError:

    class ConvLSTMCell:
        """No class: max-norm asks for the axes of what it does not know."""


def is_layer_of_keras(layer):
    """Whether the class of a layer is Keras's own, exported or not."""
    exported = getattr(keras.layers, type(layer).__name__, None) is type(layer)
    # Attention and recurrent layers hold layers that Keras does not export.
    return exported or type(layer).__module__.startswith("keras.src.layers.")


@dataclasses.dataclass(frozen=True)
class Node:
    """One call of an operation in a graph.

    Attributes:
        operation: The layer or the other operation.
        is_input: Whether it is an input of the model.
        inputs: The symbolic tensors that it was called on.
        outputs: The symbolic tensors that it gave.
        arguments: The arguments of the call.
    """

    operation: Any
    is_input: bool
    inputs: list
    outputs: list
    arguments: Any

    def filled(self, tensors):
        """The arguments with other tensors in the places of the symbolic ones."""
        with _private_names():
            places = zip(map(id, self.inputs), tensors, strict=True)
            return self.arguments.fill_in(dict(places))


try:
    from keras.src.backend import random as _random
except ImportError:
    _random = None

# What `keras.random` draws by.
RANDOM_FUNCTIONS = (
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
)


def random_functions():
    """The module of the backend whose functions `keras.random` calls, by name.

    Without it the functions of `keras.random` itself, which Keras's layers pass by.
    """
    return keras.random if _random is None else _random


def functional_of(sequential):
    """The functional model that a `Sequential` keeps, or None before it is built."""
    return getattr(sequential, "_functional", None)


def nodes_of(graph):
    """The nodes of a functional model, inputs first."""
    with _private_names():
        depths = graph._nodes_by_depth
        nodes = [
            each for depth in sorted(depths, reverse=True) for each in depths[depth]
        ]
        return [
            Node(
                each.operation,
                each.is_input or not each.operation,
                list({id(tensor): tensor for tensor in each.input_tensors}.values()),
                list(each.outputs),
                each.arguments,
            )
            for each in nodes
        ]


def standard_inputs(graph, inputs):
    """Keras's own checks and conversions of a model's inputs, as a flat list."""
    return graph._standardize_inputs(inputs)


def input_structure(graph):
    """How a model's inputs are nested: a structure with a tensor for each."""
    with _private_names():
        return graph._inputs_struct


def output_structure(graph):
    """How a model's outputs are nested: a structure with a tensor for each."""
    with _private_names():
        return graph._outputs_struct


def history_of(tensor):
    """The operation that a symbolic tensor comes from, and its place in the result."""
    with _private_names():
        history = tensor._keras_history
        return history.operation, history.tensor_index


@contextlib.contextmanager
def _private_names():
    """Says of a missing attribute that it is a private name of Keras."""
    try:
        yield
    except AttributeError as error:
        raise PrivateNameError(str(error)) from error


def value_now(variable):
    """The value of a variable, or None while a JAX trainer has taken it away."""
    # `value` would make up a placeholder for one that is away.
    return variable._value if hasattr(variable, "_value") else variable.value


def batches_counted(optimizer):
    """The batches that an optimizer has counted; an update may take several."""
    return getattr(optimizer, "_iterations", optimizer.iterations)
