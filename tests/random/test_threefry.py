"""Threefry against the vectors that its authors publish with Random123."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import random
from keras_dropout.random.threefry import threefry

pytestmark = pytest.mark.everywhere

WORD = "int32" if keras.backend.backend() == "torch" else "uint32"
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
ONES = (0xFFFFFFFF,) * 4


def words(*values):
    return ops.convert_to_tensor(np.asarray(values, "uint32").astype(WORD))


@pytest.mark.parametrize(
    ("rounds", "inputs", "expected"),
    [
        (13, (0, 0, 0, 0), (0x9D1C5EC6, 0x8BD50731)),
        (13, ONES, (0xFD36D048, 0x2D17272C)),
        (13, PI, (0xBA3E4725, 0xF27D669E)),
        (20, (0, 0, 0, 0), (0x6B200159, 0x99BA4EFE)),
        (20, ONES, (0x1CB996FC, 0xBB002BE7)),
        (20, PI, (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_encrypts_as_published(rounds, inputs, expected):
    x0, x1, *key = inputs
    if keras.backend.backend() == "torch":
        from keras_dropout.random._torch_compiled import rotate
    else:
        rotate = random._backend._rotate

    found = threefry(words(*key), words(x0), words(x1), rotate, rounds)

    found = [int(ops.convert_to_numpy(w).astype("uint32")[0]) for w in found]
    assert found == list(expected)
