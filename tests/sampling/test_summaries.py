"""Few samples are summed up on the host and many within the call, alike."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling import summaries
from keras_dropout.sampling.engine import Engine

L = keras.layers


def several_outputs():
    i = keras.Input((6,))
    h = L.Dropout(0.4)(L.Dense(5, "relu")(i))
    outputs = {
        "classes": L.Dense(3, "softmax")(h),
        "labels": L.Dense(2, "sigmoid")(h),
        "values": L.Dense(2)(h),
        "gaussian": L.Dense(4)(h),
    }
    return keras.Model(i, outputs)


KINDS = {
    "classes": "probabilities",
    "labels": "binary",
    "values": "values",
    "gaussian": "gaussian",
}


# The blocks of a call are of one, two or all samples, whatever compiles it.
SCHEMES = [
    "independent",
    "antithetic",
    pytest.param("stratified", marks=pytest.mark.backend("torch")),
]


@pytest.mark.parametrize("masks", SCHEMES)
def test_host_and_call_sum_up_to_the_same_numbers(masks, monkeypatch):
    model = several_outputs()
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")

    def predicted():
        # One call, of more samples than are wanted.
        return kd.mc_predict(
            model,
            x,
            14,
            masks=masks,
            outputs=KINDS,
            seed=0,
            return_samples=True,
            verbose=0,
        )

    with monkeypatch.context() as patch:
        patch.setattr(summaries, "FEW", 1 << 16)
        patch.setattr(summaries.Summing, "within", None)
        on_host = predicted()
    monkeypatch.setattr(summaries, "FEW", 0)
    within = predicted()

    for name, one in on_host.items():
        other = within[name].to_dict()
        for key, array in one.to_dict().items():
            np.testing.assert_allclose(array, other[key], rtol=1e-4, atol=1e-6)


@pytest.mark.backend("jax", "tensorflow")
def test_few_numbers_are_summed_up_on_the_host(monkeypatch):
    """It takes long to compile statistics, and little time to compute them."""
    model = keras.Sequential([keras.Input((6,)), L.Dropout(0.4), L.Dense(2)])
    monkeypatch.setattr(summaries.Summing, "within", None)

    found = kd.mc_predict(model, np.ones((4, 6), "float32"), 20, seed=0, verbose=0)

    assert found.std.shape == (4, 2)
    assert np.all(found.std > 0)


def test_what_is_no_number_is_no_warning():
    model = keras.Sequential([keras.Input((2,)), L.Dropout(0.4), L.Dense(2)])
    x = np.array([[np.inf, 1.0], [np.nan, 1.0], [1.0, 1.0]], "float32")

    found = kd.mc_predict(model, x, 20, seed=0, verbose=0)

    assert np.isfinite(found.mean).all(axis=1).tolist() == [False, False, True]


def test_memory_does_not_grow_with_the_samples(monkeypatch):
    model = keras.Sequential([keras.Input((3,)), L.Dropout(0.5)])
    start, finish = Engine.chunk, summaries.Running.summaries
    in_flight, seen = set(), []

    def chunk(self, *arguments):
        call = start(self, *arguments)
        in_flight.add(call)
        seen.append(len(in_flight))
        return call

    def finished(call):
        in_flight.remove(call)
        return finish(call)

    monkeypatch.setattr(Engine, "chunk", chunk)
    monkeypatch.setattr(summaries.Running, "summaries", finished)
    kd.mc_predict(model, np.ones((4, 3), "float32"), 6, max_rows=4, verbose=0)

    # One is computed while the host reads the one before it.
    assert seen == [1, 2, 2, 2, 2, 2]
    assert not in_flight
