"""One sampler: all faces draw the same samples and give the same numbers."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES

L = keras.layers
ROWS, MOST = 8, 48


def x_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def _values():
    return keras.Sequential(
        [keras.Input((6,)), L.Dense(8, "relu"), kd.layers.Dropout(0.5), L.Dense(2)]
    )


def _classes():
    i = keras.Input((4, 6))
    h = L.GRU(5, recurrent_dropout=0.3)(i)
    h = L.GaussianDropout(0.4)(h)
    return keras.Model(i, L.Dense(3, activation="softmax")(h))


def _gaussian():
    i = keras.Input((6,))
    h = L.Dropout(0.5)(L.Dense(7, "tanh")(i))
    return keras.Model(i, L.Dense(4)(h))


def _weights():
    dense = kd.layers.DropConnect(L.Dense(5, activation="relu"), 0.4)
    return keras.Sequential([keras.Input((6,)), dense, L.Dense(2)])


def _several():
    i = keras.Input((6,))
    h = L.AlphaDropout(0.3)(L.Dense(5, "selu")(i))
    return keras.Model(i, {"a": L.Dense(2)(h), "b": L.Dense(1, "sigmoid")(h)})


class Nodes(keras.Model):
    def __init__(self):
        super().__init__()
        self.table = keras.ops.convert_to_tensor(x_of(9, 4))
        self.drop, self.out = L.Dropout(0.5), L.Dense(2)

    def call(self, ids, training=False):
        h = self.out(self.drop(self.table, training=training))
        return keras.ops.take(h, ids, axis=0)


MODELS = {
    "values": (_values, x_of(3 * ROWS, 6), "auto"),
    "classes": (_classes, x_of(3 * ROWS, 4, 6), "auto"),
    "gaussian": (_gaussian, x_of(3 * ROWS, 6), "gaussian"),
    "weights": (_weights, x_of(3 * ROWS, 6), "auto"),
    "several": (_several, x_of(3 * ROWS, 6), "auto"),
    "nodes": (Nodes, np.arange(3 * ROWS, dtype="int32") % 9, "auto"),
}
SINGLE = ("weights", "nodes")


def _pairs():
    """All models with all schemes; what is compiled, each with half of the others."""
    for i, name in enumerate(MODELS):
        for j, masks in enumerate(SCHEMES):
            everywhere = (i + j) % 2 == 0
            marks = () if everywhere else pytest.mark.backend("torch")
            if not (name in SINGLE and masks == "stratified"):
                yield pytest.param(name, masks, marks=marks, id=f"{name}-{masks}")


@pytest.mark.parametrize(("name", "masks"), _pairs())
def test_the_model_that_answers_gives_what_mc_predict_gives(name, masks):
    make, x, outputs = MODELS[name]
    model = make()
    if not model.built:
        model(x[:1])
    # Shared masks belong to a call of the server, so one batch is compared.
    x = x[:ROWS] if masks == "shared" else x
    options = {"masks": masks, "outputs": outputs, "max_rows": MOST, "seed": 5}

    expected = kd.mc_predict(model, x, 12, batch_size=ROWS, **options)
    answer = kd.MonteCarlo(model, 12, **options).predict(x, ROWS, verbose=0)

    if name != "several":
        expected, answer = {"": expected}, {"": answer}
    for key, prediction in expected.items():
        for quantity, found in answer[key].items():
            np.testing.assert_allclose(
                found,
                getattr(prediction, quantity),
                rtol=2e-4,
                atol=2e-6,
                err_msg=quantity,
            )


def test_a_model_for_batches_of_a_fixed_size_is_sampled_by_both():
    model = keras.Sequential(
        [
            keras.Input((3, 2), batch_size=4),
            L.LSTM(3, stateful=True, return_sequences=True),
            kd.layers.Dropout(0.5),
            L.Dense(1),
        ]
    )
    x = x_of(4, 3, 2)

    expected = kd.mc_predict(model, x, 10, seed=2)
    answer = kd.MonteCarlo(model, 10, seed=2).predict(x, batch_size=4, verbose=0)

    np.testing.assert_allclose(answer["mean"], expected.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(answer["std"], expected.std, rtol=1e-4, atol=1e-6)


def test_antithetic_noise_of_weights_has_the_exact_variance_in_both():
    dense = L.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((4,)), kd.layers.DropConnect(dense, 0.5)])
    dense.set_weights([np.array([[1.0], [2.0], [3.0], [4.0]])])
    x = np.array([[1.0, -1.0, 2.0, 0.5]], "float32")
    # Each product is 0 or twice itself: the mean, and itself more or less.
    squares = np.array([1.0, 2.0, 6.0, 2.0]) ** 2
    exact = float(squares.sum())
    # The variance of the square of the deviation.
    spread = 2 * exact**2 - 2 * (squares**2).sum()
    count = 500

    prediction = kd.mc_predict(model, x, count, seed=0, masks="antithetic")
    server = kd.MonteCarlo(model, count, masks="antithetic", seed=0)
    answer = server.predict(x, verbose=0)

    # A pair gives one square about the mean.
    bound = 5 * np.sqrt(spread / (count / 2))
    assert abs(float(prediction.variance[0, 0]) - exact) < bound
    np.testing.assert_allclose(answer["std"] ** 2, prediction.variance, rtol=1e-4)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled")
def test_few_numbers_of_samples_are_ever_compiled():
    traced = []

    class Traced(L.Layer):
        def call(self, x):
            traced.append(x.shape[0])
            return x

    model = keras.Sequential([keras.Input((3,)), L.Dropout(0.5), Traced()])
    kd.mc_predict(model, x_of(2, 3), 2, seed=0)
    traced.clear()

    for samples in range(2, 120, 3):
        kd.mc_predict(model, x_of(2, 3), samples, seed=0)

    assert len(traced) < 22
