"""What is behind a live value: a number, a schedule or a trainable weight."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import _validation
from keras_dropout._layers._base.learned import LOG, LOGIT, Learned
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.noise_layer import NoiseLayer

RAMP = kd.schedules.Linear(0.25, 0.75, steps=4)


@keras.saving.register_keras_serializable(package="keras_dropout_tests")
class LearnedScale(NoiseLayer):
    """Multiplies by its learned rate, of one value or one for each channel."""

    rate = Live(_validation.probability, "The learned rate.")

    def __init__(self, rate=0.25, per_channel=False, **kwargs):
        super().__init__(**kwargs)
        self.rate = Learned(rate, LOGIT)
        self.per_channel = per_channel

    def build(self, input_shape):
        self.source("rate").build(input_shape[-1:] if self.per_channel else ())

    def perturb(self, x):
        rate = self.current("rate")
        assert keras.backend.standardize_dtype(rate.dtype) == "float32"
        return x * ops.cast(rate, x.dtype)

    def get_config(self):
        return {**super().get_config(), "per_channel": self.per_channel}


def learned_model(dtype=None, **kwargs):
    """A model that lowers its loss, the mean of its rate, by learning the rate."""
    layer = LearnedScale(name="scale", dtype=dtype, **kwargs)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mae")
    return model, layer


ONES, ZEROS = np.ones((8, 4), "float32"), np.zeros((8, 4), "float32")


def train(model, epochs=1, **kwargs):
    return model.fit(ONES, ZEROS, epochs=epochs, batch_size=8, verbose=0, **kwargs)


@pytest.mark.parametrize(
    ("value", "kind"), [(0.5, "number"), (RAMP, "schedule")], ids=["number", "schedule"]
)
def test_a_layer_says_what_its_rate_comes_from(value, kind):
    assert kd.layers.Dropout(value).source("rate").kind == kind


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_learned_rate_is_a_float32_weight_that_is_trained(dtype):
    model, layer = learned_model(dtype)
    (weight,) = model.trainable_weights

    assert weight.dtype == "float32"
    assert layer.rate == pytest.approx(0.25, abs=2**-24)
    assert "float32" in str(layer.current("rate").dtype)
    if dtype == "mixed_float16":
        model.compile(keras.optimizers.SGD(1.0), "mae", auto_scale_loss=False)

    train(model)

    # The gradient of sigmoid(w) is r (1 - r); half precision rounds it once.
    expected = LOGIT.inverse(0.25) - 0.25 * 0.75
    rounded = {"float32": 2**-20, "mixed_float16": 2**-12, "mixed_bfloat16": 2**-9}
    assert abs(weight.numpy() - expected) <= rounded[dtype]
    assert layer.rate < 0.25


def test_a_learned_rate_is_assigned_scheduled_and_logged():
    model, layer = learned_model()
    layer.rate = 0.5
    assert layer.rate == 0.5
    assert ops.convert_to_numpy(model.trainable_weights[0]) == 0.0

    model.compile(keras.optimizers.SGD(0.0), "mae")
    assigned = kd.callbacks.RateScheduler(lambda epoch: 0.125 + epoch / 4, unit="epoch")
    history = train(model, 2, callbacks=[assigned, kd.callbacks.RateLogger()]).history

    assert history["rate/scale"] == pytest.approx([0.125, 0.375], rel=2**-22)
    assert history["loss"] == pytest.approx([0.125, 0.375], rel=2**-22)


def test_a_rate_for_each_channel_reads_and_takes_an_array():
    model, layer = learned_model(per_channel=True)
    rates = np.array([0.125, 0.25, 0.5, 0.75], "float32")

    assert layer.rate.tolist() == [0.25] * 4
    layer.rate = rates
    np.testing.assert_allclose(layer.rate, rates, rtol=2**-22)
    history = train(model, callbacks=[kd.callbacks.RateLogger()]).history
    assert history["rate/scale"] == [pytest.approx(float(np.mean(layer.rate)))]
    layer.rate = 0.5
    assert layer.rate.tolist() == [0.5] * 4
    with pytest.raises(ValueError, match=r"of the shape \(4,\).*Received: rate="):
        layer.rate = rates[:3]
    with pytest.raises(ValueError, match="between 0 and 1"):
        layer.rate = rates * 2


@pytest.mark.parametrize("value", [0.0, 1.0, 1 - 1e-9])
def test_a_learned_rate_refuses_the_ends_of_its_range(value):
    with pytest.raises(ValueError, match="not at its end"):
        LearnedScale(value)
    layer = LearnedScale(0.5)
    with pytest.raises(ValueError, match="not at its end"):
        layer.rate = value


def test_a_learned_rate_is_no_schedule():
    with pytest.raises(TypeError, match="cannot change"):
        LearnedScale(RAMP)


def test_a_learned_rate_is_saved_as_a_weight(tmp_path):
    model, layer = learned_model()
    train(model)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    other, other_layer = learned_model(rate=0.5)
    other.load_weights(tmp_path / "model.weights.h5")

    assert loaded.layers[0].rate == layer.rate == other_layer.rate
    assert layer.get_config()["rate"] == 0.25, "where a new layer begins"
    assert keras.models.clone_model(model).layers[0].rate == pytest.approx(0.25)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf")])
def test_a_loaded_weight_that_stands_for_no_rate_is_refused(
    weight, per_channel, tmp_path
):
    model, layer = learned_model(per_channel=per_channel)
    bad = layer.source("rate").weight
    bad.assign(np.full(bad.shape, weight, "float32"))
    model.save_weights(tmp_path / "bad.weights.h5")
    other, other_layer = learned_model(per_channel=per_channel)

    with pytest.raises(ValueError, match=r"'scale' in the file .*bad\.weights\.h5"):
        other.load_weights(tmp_path / "bad.weights.h5")

    assert np.mean(other_layer.rate) == pytest.approx(0.25)


@pytest.mark.once
@pytest.mark.parametrize(
    ("link", "values"), [(LOGIT, (1e-7, 0.25, 0.999)), (LOG, (1e-30, 1.0, 1e30))]
)
def test_a_link_is_the_inverse_of_its_inverse(link, values):
    for value in values:
        weight = np.float32(link.inverse(np.float32(value)))
        received = float(ops.convert_to_numpy(link.forward(weight)))
        # Half a unit in the last place of the weight, and some of the result.
        slack = 2.0**-24 * max(1.0, abs(float(weight))) + 2.0**-21
        assert received == pytest.approx(value, rel=slack)


SILENT = [
    (lambda: kd.layers.Dropout(0.0), True),
    (lambda: kd.layers.Dropout(0.5), False),
    (lambda: kd.layers.Dropout(1e-12), False),
    (lambda: kd.layers.Dropout(1e-60), True),
    (lambda: kd.layers.GaussianDropout(1e-12), False),
    (lambda: kd.layers.GaussianNoise(1e-60), True),
    (lambda: kd.layers.UOut(0.0), True),
    (lambda: kd.layers.Cutout(3, probability=0), True),
    (lambda: kd.layers.Cutout(3, probability=1e-9), True),
    (lambda: kd.layers.Zoneout(keras.layers.GRUCell(2), 0, 0), True),
    (lambda: kd.layers.Zoneout(keras.layers.GRUCell(2), 0, 0.5), True),
    (lambda: kd.layers.Zoneout(keras.layers.LSTMCell(2), 0, 0.5), False),
    (lambda: kd.layers.UOut(1e-3, dtype="float16"), False),
    (lambda: kd.layers.UOut(1e-4, dtype="float16"), True),
    (lambda: kd.layers.DropBlock2D(1e-7, 3), False),
    (lambda: kd.layers.Dropout(kd.schedules.Late(0.5, steps=2)), True),
    (lambda: kd.layers.Dropout(RAMP), False),
    (lambda: kd.layers.ShakeShake(), False),
    (LearnedScale, False),
]


@pytest.mark.parametrize(("build", "expected"), SILENT)
def test_a_layer_knows_whether_it_does_nothing(build, expected):
    assert build().is_silent is expected
