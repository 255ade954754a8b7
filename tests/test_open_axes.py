"""Exports of models with an axis of unknown size."""

import keras
import numpy as np
import pytest

from keras_dropout import layers
from tests.exports import exported

ON = {"monte_carlo": True, "seed": 1}
LAYERS = {
    "dropout": layers.MCDropout(0.5, seed=1),
    "noise": layers.GaussianNoise(0.5, **ON),
    "channels": layers.ChannelDropout(0.5, **ON),
    "patches": layers.PatchDropout(0.5, **ON),
    "all patches": layers.PatchDropout(0.5, num_prefix_tokens=0, ordered=True, **ON),
    "blocks": layers.DropBlock1D(0.4, 3, **ON),
    "shake": layers.ShakeDrop(0.5, **ON),
    "max": layers.MaxPoolingDropout1D(0.5, **ON),
    "max, same": layers.MaxPoolingDropout1D(0.5, padding="same", **ON),
    "pool": layers.StochasticPooling1D(3, 2, **ON),
    "pool, same": layers.StochasticPooling1D(padding="same", **ON),
    "pool, mean": layers.StochasticPooling1D(padding="same"),
    "recurrent": layers.RecurrentDropoutLSTM(3, 0.5, return_sequences=True, **ON),
}


@pytest.mark.backend("tensorflow", "jax")
def test_an_open_axis_is_exported_and_each_size_gets_noise_of_its_own(tmp_path):
    inputs = keras.Input((None, 4))
    outputs = {name: layer(inputs) for name, layer in LAYERS.items()}
    attended = layers.DropKey(2, 2, 0.5, **ON)(inputs, inputs)
    call = exported(keras.Model(inputs, {**outputs, "keys": attended}), tmp_path)

    for size in (5, 8):
        x = np.ones((1, size, 4), "float32")
        y = call(x)
        for name, layer in LAYERS.items():
            expected = layer.compute_output_shape(x.shape)
            assert len(y[name].shape) == len(expected), name
            for found, known in zip(y[name].shape, expected, strict=True):
                assert known in (None, found), name
        assert y["patches"].shape == (1, 1 + (size - 1) // 2, 4)
        assert set(np.unique(y["dropout"])) == {0.0, 2.0}
        assert len(np.unique(y["noise"])) == 4 * size
        assert (y["patches"][:, 0] == 1).all()
