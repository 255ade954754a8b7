"""What a step does on a GPU, seen without one: in programs and in fake tensors."""

import keras
import numpy as np
import pytest

from keras_dropout import random
from tests.catalogue import ROWS, every_layer

BACKEND = keras.backend.backend()


@pytest.mark.skipif(BACKEND != "torch", reason="tensors of PyTorch")
@every_layer
def test_no_step_on_cuda_reads_from_the_device(row, monkeypatch):
    from tests.random.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as watch:
        layer = row.build(seed=1)
        x = keras.ops.convert_to_tensor(row.batch())
        # A seed is read once in the life of a layer, before its first draw.
        row.call(layer, x, training=True)
        watch.is_strict = True
        watch.sent = []
        y = row.call(layer, x, training=True)
        assert keras.tree.flatten(y)[0].is_cuda
