"""Every noise layer of the catalogue can be sampled, and is left as it was."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES
from keras_dropout.sampling import noise
from tests.catalogue import ROWS
from tests.uncertainty import models

each_row = pytest.mark.parametrize("row", ROWS, ids=str)


class Around(keras.Model):
    """A model of one layer, for layers that take any kind of input."""

    def __init__(self, row):
        super().__init__()
        self.row, self.layer = row, row.build(seed=0)

    def call(self, x, training=False):
        return self.row.call(self.layer, x)


@each_row
def test_every_layer_can_be_sampled_and_is_left_as_it_was(row):
    model, x = Around(row), row.batch()
    model(ops.convert_to_tensor(x))
    if not noise.find(model):
        pytest.skip("has no noise at inference")
    before = models.values(model)

    prediction = kd.mc_predict(model, x, samples=12, seed=0, outputs="values")

    predictions = keras.tree.flatten(prediction)
    assert any((each.variance > 0).any() for each in predictions)
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
