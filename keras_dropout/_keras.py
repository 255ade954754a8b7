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
| `get_stateless_scope` | what a variable stands for at the moment | its own value |
| `get_keras_mask`, `set_keras_mask` | a mask travels with its tensor | `_keras_mask` |
| `Functional`, `_nodes_by_depth`, ... | the graph of a model | the model runs whole |
| `Softmax`, `Sigmoid`, `Cast`, ... of `ops` | what a graph ends in | seen in values |
| `Variable._value` | a donated value must not be made up anew | `value` |
| `Model._jax_state`, ... | what JAX trainers have taken out | wait, then an error |
| `LSTMCell._create_dropout_mask` | whether a cell's masks are Keras's | unknown |
| `backend.random` | the place where Keras draws random numbers | `keras.random` |
| `Optimizer._iterations` | counts batches, not updates | `iterations` |
| `Metric._direction` | what a callback's `mode="auto"` goes by | ignored |
| `Operation._inbound_nodes`, ... | a layer that turns stays in its graphs | not kept |
| `Model._auto_config`, ... | a model is made past its constructor | not kept |
| `Layer._call_signature`, ... | a layer that turns takes `training` | it is not told |
| `Conv1D._kernel` | a convolution with another kernel | `PrivateNameError` |
| `Layer._tracker` | a built layer takes no layers or seeds | Keras's own error |
| `H5IOStore.archive`, `path_or_io` | the file in an error about it | not named |
| `ConvLSTMCell` | the only cell that Keras does not export | unknown to max-norm |

A few more are overridden, since Keras calls them: `Layer._track_variables` (in
`layers/_base/noise_layer.py`), `Model._get_jax_state` and, in older Keras,
`Model._record_training_state_sharding_spec` (in `sampling/lending.py`), and
`MultiHeadAttention._compute_attention` (in `layers/tokens/attention.py`). The latter's
`_kernel_constraint` is named in `constraints/incoming.py`.
"""

import contextlib
import copy
import dataclasses
import functools
import inspect
import os
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


def sublayers(layer):
    """The layers that a layer holds itself, not those within them."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


# Where Keras itself lists what the attributes of a layer hold.
_LISTS = ("_layers", "_metrics", "_operations", "_functional")


def attributes(layer):
    """The attributes of a layer by their names, on PyTorch layers and modules too."""
    found = {**vars(layer), **vars(layer).get("_modules", {})}
    return {name: value for name, value in found.items() if name not in _LISTS}


# What a model has of its own as soon as it is compiled, called or built.
_STATE = (
    "_compile_config",
    "_compile_loss",
    "_compile_metrics",
    "_loss_tracker",
    "_torch_params",
    "optimizer",
)
# What the constructor of a model is told, and keeps for the configuration.
_TOLD = ("_auto_config", "_dtype_policy")


def tell_alike(new, model):
    """Tells a model that was made past its constructor what another one was told."""
    new.__dict__.update({n: v for n, v in vars(model).items() if n in _TOLD})


def beside(model, new):
    """The attributes of a model that `new`, made past its constructor, lacks."""
    own = {*vars(new), *_STATE}
    return {n: value for n, value in attributes(model).items() if n not in own}


# What belongs to a layer's place in a model: the graph nodes, the scope, and the
# methods that Keras wraps for each object.
_PLACE = (
    "_inbound_nodes",
    "_outbound_nodes",
    "_path",
    "_parent_path",
    "_called",
    "_remat_mode",
    "build",
    "quantize",
)


def turn_into(old, new):
    """Makes the object `old` a layer of the class and state of `new`, in its place.

    Whoever holds `old` (graphs, attributes, lists, closures) holds the new layer then.
    Neither may have weights or layers within. `new` must not be used afterwards.
    """
    place = {name: vars(old)[name] for name in _PLACE if name in vars(old)}
    object.__setattr__(old, "__class__", type(new))
    old.__dict__.clear()
    old.__dict__.update({**vars(new), **place})


def view_of(layer, cls=None):
    """A second layer with the state of the first: its weights, layers and seeds."""
    cls = cls or type(layer)
    new = cls.__new__(cls)
    own = {name: vars(new)[name] for name in _PLACE if name in vars(new)}
    nodes = {"_inbound_nodes": [], "_outbound_nodes": []}
    # What somebody put over a method is for the first layer alone.
    state = {
        name: value
        for name, value in vars(layer).items()
        if not (inspect.isroutine(value) and callable(getattr(cls, name, None)))
    }
    new.__dict__.update({**state, **own, **nodes})
    if cls is not type(layer):
        new.__dict__.update(copy.deepcopy(_arguments_of_call(cls)))
    return new


def borrowed(layer, **changes):
    """A copy of a layer for one call of one of its methods, with other attributes."""
    new = object.__new__(type(layer))
    new.__dict__.update(vars(layer))
    # Past Keras's tracking, which would take in what is borrowed.
    new.__dict__.update(changes)
    return new


def convolved(layer, x, kernel):
    """What a convolution makes of `x` with another kernel, without its bias."""
    if "_kernel" not in vars(layer):
        raise PrivateNameError(f"{type(layer).__name__} has no attribute `_kernel`")
    bare = {"use_bias": False, "activation": None, "lora_enabled": False}
    other = borrowed(layer, _kernel=kernel, **bare)
    known = [cls for cls in type(layer).__mro__ if is_exported(cls)]
    return known[0].call(other, x)


def adopt(layer, cls):
    """Makes a layer one of `cls`, a class made from its own, with all that it has.

    Keras keeps the `quantize` of a layer, which refuses classes made from Keras's own.
    """
    layer.__class__ = cls
    layer.__dict__.update(copy.deepcopy(_arguments_of_call(cls)))
    own = layer.quantize

    @functools.wraps(own)
    def quantize(mode=None, **kwargs):
        return own(mode, **{**kwargs, "type_check": False})

    layer.__dict__["quantize"] = quantize


@functools.cache
def _arguments_of_call(cls):
    """What the constructor of Keras's layers notes of the arguments of `call`."""
    told = cls.__new__(cls)
    keras.layers.Layer.__init__(told, name="told")
    names = [name for name in vars(told) if name.startswith(("_call_", "call_"))]
    return {name: vars(told)[name] for name in names}


def give(layer, name, value):
    """Sets an attribute to a layer or a seed generator, also after `build`."""
    tracker = getattr(layer, "_tracker", None)
    locked = getattr(tracker, "locked", False)
    if locked:
        tracker.unlock()
    try:
        setattr(layer, name, value)
    finally:
        if locked:
            tracker.lock(tracker._lock_violation_msg)


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


def set_direction(metric, direction):
    """Says whether "up" or "down" is better, for callbacks with `mode="auto"`."""
    metric._direction = direction


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
    from keras.src.backend.common.stateless_scope import get_stateless_scope
except ImportError:

    def get_stateless_scope():
        """Unknown, so variables are taken to have their own values."""
        return


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
    # Attention and recurrent layers hold layers that Keras does not export.
    own = type(layer).__module__.startswith("keras.src.layers.")
    return own or is_exported(type(layer))


def is_exported(cls):
    """Whether a class is one of `keras.layers`."""
    return getattr(keras.layers, cls.__name__, None) is cls


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


def operation_name(operation):
    """The name of the class of an operation of `keras.ops`, such as "Softmax".

    Keras exports the functions only. Another name is unknown to who asks, who then
    leaves open what the operation does.
    """
    return type(operation).__name__


def value_now(variable):
    """The value of a variable, or None while a JAX trainer has taken it away."""
    # `value` would make up a placeholder for one that is away.
    return variable._value if hasattr(variable, "_value") else variable.value


def scoped(variable):
    """The value that a stateless scope has for a variable, or None."""
    scope = get_stateless_scope()
    return None if scope is None else scope.get_current_value(variable)


def is_taken(variable):
    """Whether a JAX trainer has taken the value of a variable that had one."""
    uninitialized = getattr(variable, "_initializer", None) is not None
    return value_now(variable) is None and not uninitialized


def is_ahead(model):
    """Whether a JAX trainer holds later values than a model's variables."""
    return not getattr(model, "_jax_state_synced", True)


def mark_as_synced(model):
    """Tells a JAX trainer that the variables of its model have all values."""
    model._jax_state_synced = True


def taken_by(model):
    """The values that a JAX trainer holds, by the id of the variable."""
    state = getattr(model, "_jax_state", None) or {}
    taken = {}
    for name in ("trainable_variables", "non_trainable_variables"):
        # A trainer that gave nothing away has no state, or none of one kind.
        pairs = zip(getattr(model, name), state.get(name) or (), strict=False)
        taken.update((id(variable), value) for variable, value in pairs)
    return taken


def bring_back(model):
    """Puts what a JAX trainer holds back into a model, as `Callback.model` does."""
    model.jax_state_sync()


def batches_counted(optimizer):
    """The batches that an optimizer has counted; an update may take several."""
    return getattr(optimizer, "_iterations", optimizer.iterations)


def file_of(store):
    """The path of the file that a layer is loaded from, or None if it is not known."""
    archive = getattr(store, "archive", None)
    place = getattr(archive, "filename", None) or getattr(store, "path_or_io", None)
    return str(place) if isinstance(place, (str, os.PathLike)) else None
