"""Every noise is found and switched on, and nothing else is, here and nowhere else."""

import threading

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.random import context
from keras_dropout.random.schemes import SCHEMES
from keras_dropout.sampling import activation, noise
from tests.uncertainty import models

L = keras.layers


def _sequence(*layers):
    return keras.Sequential([keras.Input((5, 4)), *layers, L.Flatten(), L.Dense(2)])


def _attention(layer):
    x = keras.Input((5, 4))
    y = layer([x, x]) if isinstance(layer, L.Attention) else layer(x, x)
    return keras.Model(x, L.Dense(2)(L.Flatten()(y)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten, self.drop, self.dense = L.Flatten(), L.Dropout(0.5), L.Dense(2)

    def call(self, x, training=False):
        return self.dense(self.drop(self.flatten(x), training=training))


class OwnNoise(L.Layer):
    """A layer of a user's own, as Keras's guides write it."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x, training=False):
        if not training:
            return x
        return x + keras.random.normal(ops.shape(x), seed=self.seed_generator)


class OwnDropout(L.Dropout):
    """A subclass that computes something else."""

    def call(self, x, training=False):
        return super().call(x, training=training) * 2.0


MODELS = {
    "Dropout": lambda: _sequence(L.Dropout(0.5)),
    "SpatialDropout1D": lambda: _sequence(L.SpatialDropout1D(0.5)),
    "GaussianDropout": lambda: _sequence(L.GaussianDropout(0.5)),
    "GaussianNoise": lambda: _sequence(L.GaussianNoise(0.5)),
    "AlphaDropout": lambda: _sequence(L.AlphaDropout(0.5)),
    "noise_shape": lambda: _sequence(L.Dropout(0.5, noise_shape=(None, 1, 4))),
    "whole batch": lambda: _sequence(L.Dropout(0.5, noise_shape=(1, 5, 4))),
    "LSTM": lambda: _sequence(L.LSTM(3, dropout=0.5)),
    "LSTM recurrent": lambda: _sequence(L.LSTM(3, recurrent_dropout=0.5)),
    "GRU": lambda: _sequence(L.GRU(3, dropout=0.3, recurrent_dropout=0.5)),
    "SimpleRNN": lambda: _sequence(L.SimpleRNN(3, dropout=0.5)),
    "stacked cells": lambda: _sequence(
        L.RNN([L.LSTMCell(3, dropout=0.5), L.GRUCell(2, recurrent_dropout=0.5)])
    ),
    "Bidirectional": lambda: _sequence(L.Bidirectional(L.GRU(3, dropout=0.5))),
    "TimeDistributed": lambda: _sequence(L.TimeDistributed(L.Dropout(0.5))),
    "Attention": lambda: _attention(L.Attention(dropout=0.5)),
    "AdditiveAttention": lambda: _attention(L.AdditiveAttention(dropout=0.5)),
    "MultiHeadAttention": lambda: _attention(L.MultiHeadAttention(2, 3, dropout=0.5)),
    "GroupQueryAttention": lambda: _attention(
        L.GroupQueryAttention(3, 4, 2, dropout=0.5)
    ),
    "own noise": lambda: _sequence(OwnNoise()),
    "own dropout": lambda: _sequence(OwnDropout(0.5)),
    "ours": lambda: _sequence(kd.layers.Dropout(0.5)),
    "ours always on": lambda: _sequence(kd.layers.MCDropout(0.5)),
    "max-norm wrapper": lambda: _sequence(
        L.Flatten(), kd.layers.MaxNormDropout(L.Dense(3), rate=0.5)
    ),
    "nested": lambda: _sequence(
        L.Flatten(),
        keras.Sequential([keras.Input((20,)), L.Dense(4), L.Dropout(0.5)]),
    ),
    "subclassed": Subclassed,
}

each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@each_model
def test_every_noise_makes_samples_differ_and_leaves_no_trace(make):
    model, x = make(), models.x_of(6, 5, 4)
    predicted = model.predict(x, verbose=0)
    before, attributes = models.values(model), models.attributes(model)

    prediction = kd.mc_predict(model, x, samples=4, seed=0)

    assert (prediction.variance > 0).any(axis=1).all()
    assert len(prediction.active) >= 1
    assert models.unchanged(model, before)
    assert models.attributes(model) == attributes
    if not _always(model):
        np.testing.assert_array_equal(model.predict(x, verbose=0), predicted)


@pytest.mark.parametrize("masks", SCHEMES[1:])
@pytest.mark.parametrize(
    "name", ["noise_shape", "whole batch", "GRU", "Attention", "MultiHeadAttention"]
)
def test_every_scheme_reaches_the_noise_of_keras(name, masks):
    model, x = MODELS[name](), np.repeat(models.x_of(1, 5, 4), 3, axis=0)

    prediction = kd.mc_predict(
        model, x, samples=6, seed=0, masks=masks, return_samples=True
    )

    assert (prediction.variance > 0).any()
    # Matrix products may round equal rows differently.
    same = np.allclose(prediction.samples, prediction.samples[:, :1], atol=1e-5)
    assert same == (masks == "shared" or name == "whole batch")


def _always(model):
    return any(each.always for each in noise.find(model))


class Inert(keras.Model):
    """Passes its first noise over at inference, as much code from guides does."""

    def __init__(self, also=None):
        super().__init__()
        self.drop, self.also, self.dense = L.Dropout(0.5), also, L.Dense(2)

    def call(self, x, training=False):
        if training:
            x = self.drop(x, training=True)
        if self.also is not None:
            x = self.also(x)
        return self.dense(x)


def test_a_model_that_passes_its_noise_over_is_refused():
    with pytest.raises(ValueError, match="its `call` uses none of it at inference"):
        kd.mc_predict(Inert(), models.x_of(3, 6), samples=3)
    server = kd.MonteCarlo(Inert(), 3)
    with pytest.raises(ValueError, match="its `call` uses none of it at inference"):
        server(models.x_of(3, 6))


def test_noise_that_a_model_passes_over_is_not_reported_as_active():
    model = Inert(also=kd.layers.GaussianNoise(0.5, name="reached"))

    prediction = kd.mc_predict(model, models.x_of(3, 6), samples=3)

    assert [name.split("/")[-1] for name in prediction.active] == ["reached"]


class KerasDropout(L.Layer):
    """Draws by itself, from a generator that was given no seed."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, x, training=False):
        if not training:
            return x
        return keras.random.dropout(x, 0.5, seed=self.seed_generator)


@pytest.mark.parametrize("layer", [KerasDropout, lambda: OwnDropout(0.5)])
def test_a_seed_repeats_noise_of_a_users_own(layer):
    model, x = _sequence(layer()), models.x_of(6, 5, 4)
    drawn = models.attributes(model)

    one, same, other = (
        kd.mc_predict(model, x, samples=4, seed=seed).mean for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert models.attributes(model) == drawn


def test_noise_of_a_users_own_cannot_be_shared():
    model, x = _sequence(OwnNoise()), models.x_of(3, 5, 4)
    with pytest.raises(ValueError, match=r"their own random numbers: '.*own_noise"):
        kd.mc_predict(model, x, samples=4, masks="shared")


def test_a_method_that_a_user_put_on_an_instance_stays():
    layer = L.Dropout(0.5)
    model = keras.Sequential([keras.Input((6,)), L.GaussianNoise(0.5), layer])
    layer.call = mine = lambda x, training=False: 3.0 * x

    prediction = kd.mc_predict(model, models.x_of(3, 6), samples=3)

    assert layer.call is mine
    # It does what it does: there is no dropout any more.
    assert len(prediction.active) == 1


def test_only_noise_acts_and_batch_normalisation_stays_in_inference():
    model = keras.Sequential(
        [keras.Input((6,)), L.BatchNormalization(), L.Dropout(1e-5), L.Dense(2)]
    )
    model.layers[0].moving_mean.assign(np.full(6, 3.0))
    x = models.x_of(20, 6)

    prediction = kd.mc_predict(model, x, samples=4, seed=0)

    np.testing.assert_allclose(
        prediction.mean, model.predict(x, verbose=0), rtol=1e-3, atol=1e-4
    )


def test_data_augmentation_is_no_noise():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            L.RandomFlip(),
            L.RandomRotation(0.3),
            L.Flatten(),
            L.Dropout(0.5),
        ]
    )

    prediction = kd.mc_predict(model, models.x_of(2, 4, 4, 1), samples=4, seed=0)

    assert [name.split("/")[-1][:7] for name in prediction.active] == ["dropout"]


@pytest.mark.parametrize("dropout", [L.Dropout, kd.layers.Dropout])
def test_the_model_is_as_before_after_an_exception(dropout):
    model, x = models.mlp(dropout=dropout), models.x_of(4, 6)
    predicted = model.predict(x, verbose=0)
    before, attributes = models.values(model), models.attributes(model)

    with pytest.raises(RuntimeError, match="in the middle"):  # noqa: PT012
        found = noise.find(model)
        with activation.activated(found):
            assert context.is_active()
            raise RuntimeError("in the middle")

    assert not context.is_active()
    assert models.unchanged(model, before)
    assert models.attributes(model) == attributes
    np.testing.assert_array_equal(model.predict(x, verbose=0), predicted)


def test_another_thread_sees_no_noise_while_a_model_is_sampled():
    model, x = models.mlp(dropout=L.Dropout), models.x_of(4, 6)
    predicted = model.predict(x, verbose=0)
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    found, seen = noise.find(fresh), []

    with activation.activated(found):
        # A function compiled meanwhile must not have noise in it either.
        worker = threading.Thread(
            target=lambda: seen.append(fresh.predict(x, verbose=0))
        )
        worker.start()
        worker.join()
        inside = ops.convert_to_numpy(fresh(x))

    np.testing.assert_allclose(seen[0], predicted, rtol=1e-5)
    assert not np.allclose(inside, predicted)
    np.testing.assert_allclose(fresh.predict(x, verbose=0), predicted, rtol=1e-5)


def test_noise_stays_on_until_the_last_thread_leaves():
    model = models.mlp(dropout=L.Dropout)
    found = noise.find(model)
    layer = found[0].layer

    entered, leave = threading.Event(), threading.Event()

    def stay():
        with activation.activated(found):
            entered.set()
            leave.wait()

    other = threading.Thread(target=stay)
    other.start()
    entered.wait()
    with activation.activated(found):
        pass

    assert "call" in vars(layer)
    leave.set()
    other.join()
    assert "call" not in vars(layer)


def test_layers_may_be_chosen_by_name_type_instance_predicate_or_container():
    inner = keras.Sequential([keras.Input((6,)), L.Dropout(0.5, name="c")], name="d")
    ours = kd.layers.Dropout(0.5, name="b")
    model = keras.Sequential(
        [keras.Input((6,)), L.GaussianNoise(0.5, name="a"), ours, inner, L.Dense(2)]
    )
    x = models.x_of(3, 6)

    def active(layers):
        names = kd.mc_predict(model, x, samples=2, layers=layers).active
        return [name.split("/")[-1] for name in names]

    assert active(None) == ["a", "b", "c"]
    assert active("a") == ["a"]
    assert active(["a", "c"]) == ["a", "c"]
    assert active(kd.layers.Dropout) == ["b"]
    assert active(ours) == ["b"]
    assert active("d") == ["c"]
    assert active(lambda layer: layer.name in "ac") == ["a", "c"]
    with pytest.raises(ValueError, match=r"layers with noise.* 'b', .*layers='z'"):
        active("z")
    with pytest.raises(TypeError, match="names, classes, layers or functions"):
        active(3)


def test_a_layer_that_is_left_out_is_silent():
    model = keras.Sequential(
        [keras.Input((6,)), L.Dropout(0.5, name="a"), L.Dropout(0.5, name="b")]
    )
    x = np.ones((50, 6), "float32")

    samples = kd.mc_predict(
        model, x, samples=4, layers="a", return_samples=True
    ).samples

    assert set(np.unique(samples)) == {0.0, 2.0}


def test_a_layer_that_is_always_on_stays_on():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            L.Dropout(0.5, name="a"),
            kd.layers.MCDropout(0.5, name="b"),
        ]
    )
    x = np.ones((50, 6), "float32")

    prediction = kd.mc_predict(model, x, samples=4, layers="a", return_samples=True)

    assert prediction.active == ("a", "b")
    assert set(np.unique(prediction.samples)) == {0.0, 4.0}


@pytest.mark.parametrize(
    ("layers", "trouble"),
    [
        ([L.Dense(2)], "`model` has no noise to sample"),
        ([L.Dropout(0.0, name="off"), L.Dense(2)], "has rate 0: 'off'"),
        ([kd.layers.Dropout(0.0, name="quiet")], "has rate 0: 'quiet'"),
        (
            [kd.layers.Dropout(0.0, name="quiet"), L.Dropout(0.0, name="off")],
            "has rate 0: 'quiet', 'off'",
        ),
    ],
)
def test_a_model_with_nothing_to_sample_is_refused(layers, trouble):
    model = keras.Sequential([keras.Input((6,)), *layers])
    with pytest.raises(ValueError, match=trouble):
        kd.mc_predict(model, models.x_of(2, 6), samples=3)
