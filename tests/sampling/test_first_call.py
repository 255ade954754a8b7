"""What a first call of `mc_predict` compiles, which takes most of its time."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout import random
from keras_dropout.random import context
from keras_dropout.sampling import noise
from keras_dropout.sampling.engine import engine

L = keras.layers


@pytest.mark.backend("jax")
def test_a_model_of_noise_is_one_program(caplog):
    import jax

    # Sizes that no other test has: JAX keeps the small programs of all sizes.
    layers = [each for _ in range(7) for each in (L.Dropout(0.3), L.Dense(11))]
    ending = L.Dense(5, activation="softmax")
    model = keras.Sequential([keras.Input((13,)), *layers, ending])
    x = np.ones((37, 13), "float32")

    with jax.log_compiles():
        kd.mc_predict(model, x, 3, verbose=0)

    lines = [record.getMessage() for record in caplog.records]
    compiled = [line for line in lines if "XLA compilation" in line]
    assert len(compiled) == 1, compiled
    assert "jit(step)" in compiled[0]


@pytest.mark.backend("jax")
@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize("cls", [L.Dropout, kd.layers.Dropout, kd.layers.DropPath])
def test_a_program_divides_no_scalars(cls, rate):
    import jax

    layer = cls(0.3)
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.rate = rate
    x = np.ones((4, 3), "float32")
    used = engine(
        model, noise.find(model), masks="independent", told="values", keep=False
    )

    def draw(numbers):
        with keras.StatelessScope():
            features, masks = used.plan.prefix(x)
            arrangement = used.arrangement(features, 2, 0)
            return used.draw(features, masks, arrangement, numbers).heads[0].values

    told = noise.told(noise.numbers(used.noises))
    assert " div " not in str(jax.make_jaxpr(draw)(told))
    drawn = jax.jit(draw)(told)
    found = set(np.unique(drawn))
    assert found == ({0.0, np.float32(1) / np.float32(0.7)} if rate < 1 else {0.0})
    if cls is not L.Dropout:
        # Elsewhere the program reads the variable, as in a `MonteCarlo`.
        assert np.array_equal(drawn, jax.jit(draw)(None))


@pytest.mark.backend("jax")
def test_a_program_serves_all_rates_of_our_layers(caplog):
    import jax

    schedule = kd.schedules.Constant(0.5)
    noisy = [kd.layers.Dropout(0.3), kd.layers.Dropout(schedule)]
    model = keras.Sequential([keras.Input((1000,)), *noisy])
    x = np.ones((1, 1000), "float32")

    def kept():
        samples = kd.mc_predict(model, x, 10, return_samples=True, verbose=0).samples
        return samples.max(), np.mean(samples > 0)

    assert kept() == pytest.approx((1 / 0.35, 0.35), abs=0.03)
    with jax.log_compiles():
        noisy[0].rate = 0.8
        assert kept() == pytest.approx((10.0, 0.1), abs=0.03)
        noisy[0].rate = 0.0
        assert kept() == pytest.approx((2.0, 0.5), abs=0.03)
    assert not [r for r in caplog.records if "XLA compilation" in r.getMessage()]


@pytest.mark.backend("tensorflow")
def test_the_masks_of_samples_are_not_optimised_in_each_graph():
    import tensorflow as tf

    @tf.function
    def draw(rows, key):
        with context.sampling([]):
            return random.keep_mask((rows, 100), 0.3, key)

    specs = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int64)
    operations = draw.get_concrete_function(*specs).graph.get_operations()
    (call,) = [op for op in operations if op.type == "PartitionedCall"]
    config = tf.compat.v1.ConfigProto.FromString(call.get_attr("config_proto"))

    assert config.graph_options.rewrite_options.disable_meta_optimizer


def test_softmax_and_sigmoid_are_known_without_a_trial(monkeypatch):
    from keras_dropout.graph import endings

    monkeypatch.setattr(endings, "eagerly", None)
    for activation, kind in (("softmax", "probabilities"), ("sigmoid", "binary")):
        model = keras.Sequential([keras.Input((3,)), L.Dense(2, activation=activation)])
        (ending,) = endings.endings(model)
        assert (ending.kind, ending.axis) == (kind, -1)
