"""Every layer under `torch.compile`, as one graph."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.catalogue import ROWS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch"),
]


# Keras keeps a loss of the data, as of `InformationDropout`, from one call to the next,
# and asks it for a gradient as it lets go of it: a warning of PyTorch, an error here.
DRAWN = [row for row in ROWS if row.draws and row.name != "InformationDropout"]


def compiled(row, layer, backend):
    import torch

    torch._dynamo.reset()
    call = lambda x: row.call(layer, x, training=True)  # noqa: E731
    return torch.compile(call, fullgraph=True, backend=backend)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("row", DRAWN, ids=str)
def test_every_layer_compiles_without_a_graph_break(row, dtype, request):
    # Keras asks PyTorch for it in a way that cannot be compiled, also without noise.
    flash = keras.config.is_flash_attention_enabled()
    keras.config.disable_flash_attention()
    request.addfinalizer(
        keras.config.enable_flash_attention if flash is not False else lambda: None
    )
    layer = row.build(seed=1, dtype=dtype)
    if row.name == "Zoneout":
        reason = "Keras walks the nested states in a way that PyTorch cannot compile"
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    if hasattr(layer, "unroll"):
        # Keras's own loop over time asks a tensor when to end.
        layer.unroll = True
    x = ops.convert_to_tensor(row.batch())
    row.call(layer, x, training=True)
    before = int(layer.seed_generator.state[1])

    # What is compiled is drawn by the same formulas, whoever compiles it.
    call = compiled(row, layer, "eager")
    first, second = call(x), call(x)

    assert int(layer.seed_generator.state[1]) >= before + 2
    floats = [ops.convert_to_numpy(ops.cast(y, "float32")) for y in (first, second)]
    assert floats[0].shape != floats[1].shape or not np.array_equal(*floats)
