"""Rules that users register, also for models that are compiled already."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from tests.moments.test_propagate import chain, floats

K, D = keras.layers, kd.layers


def test_rules_can_be_registered_for_layers_and_functions():
    class Twice(K.Layer):
        def call(self, x):
            return 2 * x

    def half(x):
        return x / 2

    @kd.moments.rule(Twice)
    def twice(layer, x):
        kept = {"exact": True, "independent": x.independent}
        return x.becomes(2 * x.mean, 4 * x.variance, **kept)

    kd.moments.rule(half)(lambda x: kd.moments.elementwise(x, half))
    model = chain(D.Dropout(0.5), Twice(), K.Activation(half))
    x = floats(3, 4)

    found = kd.propagate_moments(model, x)

    np.testing.assert_allclose(found.mean, x, rtol=1e-5)
    np.testing.assert_allclose(found.variance, np.square(x), rtol=1e-4)
    with pytest.raises(TypeError, match="`targets`"):
        kd.moments.rule(3)
    kd.moments.rule(Twice)(lambda layer, x: x.mean)
    with pytest.raises(TypeError, match="must return `Moments`"):
        kd.propagate_moments(model, x)
