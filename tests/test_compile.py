"""Every layer under `torch.compile`, as one graph."""

import gc

import keras
import numpy as np
import pytest

from keras_dropout import layers
from tests import compiled
from tests.catalogue import Row

pytestmark = [pytest.mark.slow, pytest.mark.backend("torch")]

# One row and one precision for each layer, so that each family meets all precisions,
# and the first rank of those that come in three. Every second one is for a release.
# `python -m tests.compiled` takes every row in every precision.
FIRST = {
    row.name: row
    for row in reversed(compiled.DRAWN)
    if not row.name.endswith(("2D", "3D"))
}
CASES = [
    pytest.param(
        FIRST[name],
        compiled.DTYPES[place % 3],
        marks=[pytest.mark.release] * (place % 2),
        id=f"{name}-{compiled.DTYPES[place % 3]}",
    )
    for place, name in enumerate(sorted(FIRST))
]


@pytest.fixture(scope="module", autouse=True)
def _fast():
    """Without collecting garbage: the compiler makes many objects that stay."""
    gc.collect()
    gc.disable()
    flash = keras.config.is_flash_attention_enabled()
    # Keras asks PyTorch for it in a way that cannot be compiled, also without noise.
    keras.config.disable_flash_attention()
    yield
    gc.enable()
    if flash is not False:
        keras.config.enable_flash_attention()


@pytest.mark.parametrize(("row", "dtype"), CASES)
def test_every_layer_is_one_graph_that_a_second_call_uses_again(row, dtype):
    compiled.check(row, dtype)


def test_a_padded_window_is_not_compiled_anew_at_each_call():
    def build(**options):
        return layers.StochasticPooling1D(2, padding="same", **options)

    x = np.random.default_rng(0).uniform(0.5, 1.5, (16, 5, 3)).astype("float32")
    compiled.check(Row("padded", build, x.shape, inputs=lambda shape: x), "float32")
