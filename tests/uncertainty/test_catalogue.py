"""Every noise layer of the catalogue can be sampled, and is left as it was."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES
from tests.catalogue import ROWS
from tests.uncertainty import models


class Around(keras.Model):
    """A model of some layers, each on an input of its own, of any kind."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows
        self.noise = [row.build(seed=0) for row in rows]

    def call(self, inputs, training=False):
        pairs = zip(self.rows, self.noise, inputs, strict=True)
        return [row.call(layer, x) for row, layer, x in pairs]


def _in_groups(size=12):
    """All rows, those of equally many inputs together.

    Where nothing is compiled each is a model, else many are one.
    """
    groups = {}
    for row in ROWS:
        groups.setdefault(row.shape[0], []).append(row)
    size = 1 if keras.backend.backend() == "torch" else size
    for count, rows in groups.items():
        for i in range(0, len(rows), size):
            yield pytest.param(rows[i : i + size], id=f"{rows[i].name}-{count}-{i}")


@pytest.mark.parametrize("rows", _in_groups())
def test_every_layer_can_be_sampled_and_is_left_as_it_was(rows):
    model, x = Around(rows), [row.batch() for row in rows]
    model([ops.convert_to_tensor(each) for each in x])
    before = models.values(model)

    prediction = kd.mc_predict(model, x, samples=12, seed=0, outputs="values")

    for row, each in zip(rows, prediction, strict=True):
        assert (each.variance > 0).any(), row
    assert models.unchanged(model, before)


def _weight_noise():
    return keras.Sequential(
        [
            keras.Input((4,)),
            kd.layers.DropConnect(keras.layers.Dense(200, use_bias=False), rate=0.5),
        ]
    )


@pytest.mark.parametrize("masks", [name for name in SCHEMES if name != "stratified"])
def test_noise_of_weights_differs_between_samples(masks):
    model, x = _weight_noise(), np.eye(4, dtype="float32")

    samples = kd.mc_predict(
        model, x, samples=4, seed=0, masks=masks, return_samples=True
    ).samples

    kept = samples.reshape(4, -1) != 0
    correlation = np.corrcoef(kept) - np.eye(4)
    if masks == "antithetic":
        np.testing.assert_array_equal(kept[0], ~kept[1])
        correlation = np.corrcoef(kept[::2]) - np.eye(2)
    assert np.abs(correlation).max() < 5 / np.sqrt(kept.shape[1])


def test_noise_of_weights_cannot_be_stratified():
    with pytest.raises(ValueError, match="noise of weights allows one sample in each"):
        kd.mc_predict(_weight_noise(), np.eye(4), samples=4, masks="stratified")
