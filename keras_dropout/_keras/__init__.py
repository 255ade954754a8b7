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
| `Layer._remat_mode` | lent weights are gone in a second run | wrong gradients |
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
| the module of `keras.ops` | whether an operation is of Keras | assumed random |
| `backend.random` | the place where Keras draws random numbers | `keras.random` |
| `Optimizer._iterations` | counts batches, not updates | `iterations` |
| `Metric._direction` | what a callback's `mode="auto"` goes by | ignored |
| `Operation._inbound_nodes`, ... | a layer that turns stays in its graphs | not kept |
| `Model._auto_config`, ... | a model is made past its constructor | not kept |
| `Layer._call_signature`, ... | a layer that turns takes `training` | it is not told |
| `Conv1D._kernel` | a convolution with another kernel | `PrivateNameError` |
| `Layer._tracker` | a built layer takes no layers or seeds | Keras's own error |
| `Layer._post_track_variable` | PyTorch clears the gradient of a weight | it adds up |
| `H5IOStore.archive`, `path_or_io` | the file in an error about it | not named |
| `_compute_attention`, `_dropout_layer` | attention without noise is fused | Keras's |
| `_flash_attention`, ... of attention | whether a user turned flash off | backend's |
| `global_state` of a call | the `training` of the call around | not training |
| `keras.src.export.onnx`, `litert` | what a model is exported to | not refused |
| `ConvLSTMCell` | the only cell that Keras does not export | unknown to max-norm |

A few more are overridden, since Keras calls them: `Layer._track_variables` (in
`_layers/_base/noise_layer.py` and `_layers/weights/_lora.py`), `Model._get_jax_state`
and, in older Keras, `Model._record_training_state_sharding_spec` (in
`sampling/lending.py`), and `MultiHeadAttention._compute_attention` (in
`_layers/tokens/attention.py`). The latter's `_kernel_constraint` is named in
`constraints/incoming.py`.
"""

from keras_dropout._keras.attention import (
    computed,
    cover,
    dropout_within,
    flash_of,
    is_attention,
    is_covered,
    wants_scores,
)
from keras_dropout._keras.borrowing import borrowed, convolved
from keras_dropout._keras.errors import PrivateNameError
from keras_dropout._keras.exports import EXPORTERS, export_format
from keras_dropout._keras.graphs import (
    Functional,
    Node,
    functional_of,
    history_of,
    input_structure,
    nodes_of,
    operation_name,
    output_structure,
    standard_inputs,
)
from keras_dropout._keras.layers import (
    ConvLSTMCell,
    attributes,
    compute_once,
    compute_parts_once,
    flatten_layers,
    give,
    has_parts,
    is_exported,
    is_layer_of_keras,
    is_operation_of_keras,
    mark_as_built,
    note_parameter,
    sublayers,
    takes_training,
    was_called,
)
from keras_dropout._keras.scopes import (
    AutocastScope,
    get_stateless_scope,
    in_stateless_scope,
    mask_of,
    scoped,
    set_mask,
    training_around,
    training_as,
    value_now,
)
from keras_dropout._keras.seeds import (
    CREATE_MASK,
    INITIAL_SEED,
    RANDOM_FUNCTIONS,
    random_functions,
    set_initial_seed,
)
from keras_dropout._keras.stores import file_of
from keras_dropout._keras.trainers import (
    batches_counted,
    bring_back,
    is_ahead,
    is_taken,
    mark_as_synced,
    set_direction,
    taken_by,
)
from keras_dropout._keras.turning import adopt, beside, tell_alike, turn_into, view_of

__all__ = [
    "CREATE_MASK",
    "EXPORTERS",
    "INITIAL_SEED",
    "RANDOM_FUNCTIONS",
    "AutocastScope",
    "ConvLSTMCell",
    "Functional",
    "Node",
    "PrivateNameError",
    "adopt",
    "attributes",
    "batches_counted",
    "beside",
    "borrowed",
    "bring_back",
    "compute_once",
    "compute_parts_once",
    "computed",
    "convolved",
    "cover",
    "dropout_within",
    "export_format",
    "file_of",
    "flash_of",
    "flatten_layers",
    "functional_of",
    "get_stateless_scope",
    "give",
    "has_parts",
    "history_of",
    "in_stateless_scope",
    "input_structure",
    "is_ahead",
    "is_attention",
    "is_covered",
    "is_exported",
    "is_layer_of_keras",
    "is_operation_of_keras",
    "is_taken",
    "mark_as_built",
    "mark_as_synced",
    "mask_of",
    "nodes_of",
    "note_parameter",
    "operation_name",
    "output_structure",
    "random_functions",
    "scoped",
    "set_direction",
    "set_initial_seed",
    "set_mask",
    "standard_inputs",
    "sublayers",
    "taken_by",
    "takes_training",
    "tell_alike",
    "training_around",
    "training_as",
    "turn_into",
    "value_now",
    "view_of",
    "wants_scores",
    "was_called",
]
