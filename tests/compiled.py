"""Compiles every layer with `torch.compile`, and says what it took.

    KERAS_BACKEND=torch python -m tests.compiled
    KERAS_BACKEND=torch python -m tests.compiled --compiler inductor --layers UOut

A layer must become one graph, which stays: a second call does not compile. What
differs between compilers comes after that, so the sweep runs the graph as it stands;
`tests/random` and `tests/test_drop_block.py` compile it to the end.
"""

import argparse
import sys
import time

import keras
import numpy as np
from keras import ops

from tests.catalogue import ROWS

DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")
DRAWN = [row for row in ROWS if row.draws]


def check(row, dtype, compiler="eager"):
    """Compiles a layer of the catalogue and calls it twice."""
    import torch

    layer = row.build(seed=1, dtype=dtype)
    recurrent = getattr(layer, "layer", layer)
    if hasattr(recurrent, "unroll"):
        # Keras's own loop over time asks a tensor when to end.
        recurrent.unroll = True
    x = ops.convert_to_tensor(row.batch())
    if hasattr(recurrent, "cell"):
        # Each step is compiled by itself.
        x = x[:, :2]
    row.call(layer, x, training=True)
    before = int(layer.seed_generator.state[1])
    torch._dynamo.reset()
    call = torch.compile(
        lambda x: row.call(layer, x, training=True), fullgraph=True, backend=compiler
    )

    results = []
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(2):
            # A loss of the data belongs to one step. Keras's trainer clears it, too.
            layer._clear_losses()
            results.append(call(x))

    assert int(layer.seed_generator.state[1]) >= before + 2
    first, second = (ops.convert_to_numpy(ops.cast(y, "float32")) for y in results)
    assert first.shape != second.shape or not np.array_equal(first, second)


def main(arguments=None):
    """Compiles all layers, or some, and prints those that fail."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--compiler", default="eager")
    parser.add_argument("--layers", type=lambda names: names.split(","))
    options = parser.parse_args(arguments)
    keras.config.disable_flash_attention()
    failed, begin = [], time.process_time()
    asked = options.layers or [row.name for row in DRAWN]
    rows = [row for row in DRAWN if row.name in asked]
    for row in rows:
        for dtype in DTYPES:
            try:
                check(row, dtype, options.compiler)
            except Exception as error:
                failed.append(row)
                print(row.name, dtype, repr(error)[:1000])
    spent = time.process_time() - begin
    count = len(rows) * len(DTYPES)
    print(f"{count - len(failed)} of {count} compiled, {spent:.0f} s of processor time")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
