"""What `propagate_moments` takes, gives and refuses."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from tests.moments.test_moments_of_layers import within

K, D = keras.layers, kd.layers
# Nothing here differs between backends, which share the operations of Keras.
pytestmark = pytest.mark.once


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def chain(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *layers])


class Strange(K.Layer):
    def call(self, x):
        return ops.flip(x, -1)


REFUSED = {
    "layer": ([D.Dropout(0.5), Strange(name="odd")], "layer 'odd', a Strange"),
    "noise": ([K.LSTM(2, dropout=0.5, name="z")], "layer 'z', a LSTM"),
    "activation": (
        [D.Dropout(0.5), K.Dense(2, activation=lambda x: x * 2, name="d")],
        "its activation <lambda>",
    ),
    "depends": (
        [D.Dropout(0.5), D.Standout(K.Dense(2), name="s")],
        "depends on inputs",
    ),
    "interpolates": (
        [
            D.Dropout(0.5),
            K.Reshape((2, 2, 1)),
            K.UpSampling2D(interpolation="bilinear"),
        ],
        "it interpolates",
    ),
    "changed": (
        [D.Dropout(0.5), type("Own", (K.Dense,), {"call": lambda s, x: x})(4)],
        "a Own",
    ),
    "none": ([K.Dense(2)], "has no noise"),
    "silent": ([D.Dropout(0.0)], "rate 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_passed_is_named_with_the_way_out(name):
    layers, match = REFUSED[name]
    shape = (3, 4) if name == "noise" else (4,)

    with pytest.raises(ValueError, match=match) as caught:
        kd.propagate_moments(chain(*layers, shape=shape), floats(2, *shape))

    if name not in ("none", "silent"):
        assert "mc_predict" in str(caught.value)
        assert "keras_dropout.moments.rule" in str(caught.value)


def test_models_that_are_no_graph_are_refused():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop = D.Dropout(0.5)

        def call(self, x, training=False):
            return self.drop(x, training=training)

    with pytest.raises(ValueError, match="Functional or Sequential"):
        kd.propagate_moments(Own(), floats(2, 4))
    with pytest.raises(TypeError, match="`model`"):
        kd.propagate_moments(D.Dropout(0.5), floats(2, 4))


def test_what_no_noise_reaches_may_be_any_layer():
    inputs = keras.Input((5, 4))
    x = K.LSTM(3)(K.MultiHeadAttention(1, 2)(inputs, inputs))
    model = keras.Model(inputs, K.Dense(2)(D.Dropout(0.5)(Strange()(x))))

    found = kd.propagate_moments(model, floats(2, 5, 4))

    assert found.exact
    np.testing.assert_allclose(
        found.mean, model.predict(floats(2, 5, 4), verbose=0), rtol=1e-5
    )


WEIGHTS = {
    "drop_connect": (lambda: D.DropConnect(K.Dense(3), 0.3, drop_bias=True), True),
    "shared_weights": (lambda: D.DropConnect(K.Dense(3), 0.3), True),
    "weight_drop": (lambda: D.WeightDrop(K.Dense(3), 0.3, weights=("kernel",)), True),
    "mixout": (lambda: D.Mixout(built(K.Dense(3, name="mixed")), 0.3), True),
    "targeted": (lambda: D.TargetedDropout(K.Dense(3), rate=0.5), True),
    "layer_drop": (lambda: D.LayerDrop(K.Dense(4, activation="relu"), 0.3), True),
    "convolution": (
        lambda: (
            K.Flatten()
            and chain(
                K.Reshape((2, 2)), D.DropConnect(K.Conv1D(2, 2), 0.3), K.Flatten()
            )
        ),
        True,
    ),
}


def built(layer):
    layer.build((None, 4))
    return layer


def test_noise_on_weights_has_the_moments_of_its_samples():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [make()(inputs) for make, _ in WEIGHTS.values()])
    for layer in model.layers:
        if isinstance(layer, D.Mixout):
            layer.layer.kernel.assign(floats(4, 3))
        for weight in layer.weights:
            if "bias" in weight.path:
                weight.assign(floats(*weight.shape))
    x = floats(2, 4)

    moments = kd.propagate_moments(model, x)
    drawn = kd.mc_predict(model, x, 150, seed=1, return_samples=True)

    for name, found, kept in zip(WEIGHTS, moments, drawn, strict=True):
        of_mean, of_variance = within(found, kept.samples)
        assert of_mean < 1, name
        assert of_variance < 1, name
        assert found.exact == WEIGHTS[name][1], name


def test_approximate_moments_say_so_and_are_near():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((40,))
    x = K.Dense(30, activation="relu")(D.Dropout(0.2)(inputs))
    x = D.Dropout(0.2)(K.LayerNormalization()(x))
    model = keras.Model(inputs, K.Dense(5, activation="softmax")(x))
    x = floats(50, 40)

    found = kd.propagate_moments(model, x, batch_size=20)
    drawn = kd.mc_predict(model, x, 200, seed=1)

    assert found.exact is False
    assert np.abs(found.mean - drawn.mean).mean() < 0.2 * drawn.std.mean()
    assert found.std.mean() == pytest.approx(drawn.std.mean(), rel=0.25)
    ratio = found.mutual_information.mean() / drawn.mutual_information.mean()
    assert ratio == pytest.approx(1.0, abs=0.35)


def test_correlated_noise_is_where_the_assumption_breaks():
    """Of a channel that is dropped whole the positions are no longer independent."""
    apart = chain(
        D.SpatialDropout1D(0.5), K.Dense(1), K.GlobalAveragePooling1D(), shape=(20, 3)
    )
    x = np.abs(floats(4, 20, 3))

    found = kd.propagate_moments(apart, x)
    drawn = kd.mc_predict(apart, x, 200, seed=1)

    assert found.exact is False
    assert (found.variance < 0.2 * drawn.variance).all()


def test_several_outputs_shared_layers_and_nested_models():
    keras.utils.set_random_seed(1)
    inputs = [keras.Input((4,), name="a"), keras.Input((4,), name="b")]
    drop, head = D.Dropout(0.5), K.Dense(2)
    inner = chain(drop, head)
    first, second = inner(inputs[0]), inner(inputs[1])
    outputs = {"sum": K.Add()([first, second]), "one": K.Activation("sigmoid")(first)}
    model = keras.Model(inputs, outputs)
    x = [floats(3, 4), floats(3, 4) + 1]

    found = kd.propagate_moments(model, x)
    drawn = kd.mc_predict(model, x, 800, seed=1, return_samples=True)

    assert set(found) == {"sum", "one"}
    # Two calls of one layer have two masks.
    assert found["sum"].exact
    assert max(within(found["sum"], drawn["sum"].samples)) < 1
    assert (found["one"].kind, found["one"].class_axis) == ("binary", -1)


def test_kinds_of_outputs_can_be_told():
    inputs = keras.Input((4,))
    x = D.Dropout(0.5)(inputs)
    model = keras.Model(
        inputs, {"mean": K.Dense(2)(x), "log_variance": K.Dense(2)(inputs)}
    )
    x = floats(3, 4)

    pair = kd.propagate_moments(model, x, outputs="gaussian")
    halves = kd.propagate_moments(
        chain(D.Dropout(0.5), K.Dense(4)), x, outputs="gaussian"
    )
    logits = kd.propagate_moments(
        chain(D.Dropout(0.5), K.Dense(3)), x, outputs="logits"
    )

    log_variance = model.predict(x, verbose=0)["log_variance"]
    np.testing.assert_allclose(pair.aleatoric, np.exp(log_variance), rtol=1e-5)
    assert pair.exact
    assert halves.mean.shape == (3, 2)
    assert not halves.exact
    assert (logits.kind, logits.exact) == ("logits", False)
    np.testing.assert_allclose(logits.mean.sum(axis=-1), 1, rtol=1e-5)


def test_one_logit_gives_what_its_probability_gives():
    x = floats(3, 4)
    probability = chain(D.Dropout(0.5), K.Dense(1, activation="sigmoid"))
    logit = chain(D.Dropout(0.5), K.Dense(1))
    probability(x)
    logit(x)
    logit.set_weights(probability.get_weights())

    found = kd.propagate_moments(logit, x, outputs="logits")

    expected = kd.propagate_moments(probability, x)
    assert found.kind == expected.kind == "binary"
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-5)


def test_masks_pass_and_count_in_the_mean_over_steps():
    ids = np.array([[1, 2, 0], [3, 4, 5]])
    inputs = keras.Input((3,), dtype="int32")
    words = K.Embedding(7, 4, mask_zero=True)(inputs)
    x = D.Dropout(0.5)(words)
    model = keras.Model(
        inputs, [K.Dense(2)(x), K.Dense(1)(K.GlobalAveragePooling1D()(x))]
    )

    steps, mean = kd.propagate_moments(model, ids)
    drawn = kd.mc_predict(model, ids, 800, seed=1, return_samples=True)

    assert np.array_equal(steps.valid, ids != 0)
    assert mean.valid is None
    assert mean.exact
    assert max(within(mean, drawn[1].samples)) < 1


def test_moments_are_float32_under_half_precision():
    model = chain(
        D.Dropout(0.5, dtype="mixed_bfloat16"), K.Dense(3, dtype="mixed_bfloat16")
    )
    x = floats(2, 4)
    kernel = ops.convert_to_numpy(model.layers[-1].kernel)

    found = kd.propagate_moments(model, x)

    assert found.mean.dtype == np.float32
    np.testing.assert_allclose(found.variance, x**2 @ kernel**2, rtol=1e-5)


def test_a_rate_or_an_attribute_that_changes_counts_at_the_next_call():
    drop, foreign = D.Dropout(0.5), K.Dropout(0.5)
    model = chain(drop, foreign)
    x = np.ones((2, 4), "float32")

    assert kd.propagate_moments(model, x).variance[0, 0] == pytest.approx(3.0)
    drop.rate = 0.2
    assert kd.propagate_moments(model, x).variance[0, 0] == pytest.approx(1.5)
    foreign.rate = 0.2
    assert kd.propagate_moments(model, x).variance[0, 0] == pytest.approx(0.5625)


def test_a_prediction_of_moments_is_saved_and_has_no_votes(tmp_path):
    found = kd.propagate_moments(
        chain(D.Dropout(0.5), K.Dense(3, activation="softmax")), floats(4, 4)
    )
    found.save(tmp_path / "found")
    loaded = kd.Prediction.load(tmp_path / "found")

    assert loaded.exact is False
    assert np.array_equal(loaded.mean, found.mean)
    assert len(loaded[:2]) == 2
    assert loaded[:2].exact is False
    assert loaded.most_uncertain(1, by="mutual_information").shape == (1,)
    assert "approximate moments" in loaded._repr_html_()
    with pytest.raises(ValueError, match="`variation_ratio` counts how samples vote"):
        _ = loaded.variation_ratio


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"variance": -np.ones((2, 3))}, ValueError, "`variance`"),
        ({"variance": np.ones((2, 2))}, ValueError, "`variance`"),
        ({"kind": "logits"}, ValueError, "`kind`"),
        ({"kind": "gaussian"}, ValueError, "`noise_variance`"),
        ({"exact": 1}, TypeError, "`exact`"),
        ({"mean": np.float32(1)}, ValueError, "`mean`"),
    ],
)
def test_from_moments_refuses_what_does_not_fit(change, error, match):
    given = {"mean": np.ones((2, 3)), "variance": np.ones((2, 3)), "exact": True}

    with pytest.raises(error, match=match):
        kd.Prediction.from_moments(**{**given, **change})
