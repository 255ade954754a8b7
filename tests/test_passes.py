"""Several passes: multi-sample dropout, R-Drop and their losses."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers, losses

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


P, Q = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])


def test_symmetric_kl_golden():
    assert array(losses.symmetric_kl(np.log(P), np.log(Q))) == pytest.approx(0.439445)
    assert float(losses.SymmetricKL()(P, Q)) == pytest.approx(0.439445)
    logits = losses.SymmetricKL(from_logits=True)
    assert float(logits(np.log(P) + 3, np.log(Q) - 5)) == pytest.approx(0.439445)


def test_symmetric_kl_is_finite_at_certainty_and_0_at_agreement():
    certain = np.array([[1.0, 0.0]])

    assert float(losses.SymmetricKL()(certain, certain)) == 0.0
    assert np.isfinite(float(losses.SymmetricKL()(certain, 1 - certain)))


def test_symmetric_kl_refuses_a_single_class():
    with pytest.raises(ValueError, match=r"two or more classes.*\(1, 1\)"):
        losses.SymmetricKL()(np.ones((1, 1)), np.ones((1, 1)))


def test_multi_sample_golden(monkeypatch):
    head = K.Dense(1, use_bias=False, kernel_initializer="ones")
    drawn = (np.array([[1, 0], [0, 1]], "bool"), ops.convert_to_tensor(2.0, "float32"))
    monkeypatch.setattr(layers.MultiSampleDropout, "keep_mask", lambda *_: drawn)
    x = np.array([[1.0, 2.0]], "float32")

    y = {
        reduction: array(
            layers.MultiSampleDropout(head, 0.5, 2, reduction)(x, training=True)
        ).tolist()
        for reduction in ("mean", "stack")
    }

    assert y == {"mean": [[3.0]], "stack": [[[2.0], [4.0]]]}


def test_multi_sample_keeps_rows_and_samples_apart():
    head = K.Dense(3, use_bias=False)
    layer = layers.MultiSampleDropout(head, 0.5, 4, "stack", seed=1)
    x = floats(5, 8)
    x[2] = 0.0

    trained, inferred = array(layer(x, training=True)), array(layer(x))

    assert np.all(trained[2] == 0)
    others = np.delete(trained, 2, axis=0).reshape(16, 3)
    assert len(np.unique(others, axis=0)) == 16
    assert np.array_equal(inferred, np.repeat(array(head(x))[:, None], 4, axis=1))


def test_multi_sample_mean_is_the_bare_head_at_inference():
    head = K.Dense(3)
    layer = layers.MultiSampleDropout(head, 0.5, seed=1)
    x = floats(5, 8)

    assert np.array_equal(array(layer(x)), array(head(x)))


def test_multi_sample_loss_is_the_mean_of_the_losses():
    logits, y = floats(4, 3, 5), np.array([0, 1, 2, 4])
    one = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = np.mean([float(one(y, logits[:, k])) for k in range(3)])
    loss = losses.MultiSampleLoss(one)

    again = losses.MultiSampleLoss.from_config(loss.get_config())

    for each in (loss, again):
        assert float(each(y, logits)) == pytest.approx(expected, rel=1e-5)
    assert float(one(y, logits.mean(axis=1))) < expected


def _classifier(noise, **kwargs):
    return keras.Sequential(
        [keras.Input((6,)), noise, K.Dense(3, activation="softmax", **kwargs)]
    )


@pytest.mark.parametrize(
    "noise",
    [
        lambda: layers.Dropout(0.5, seed=1),
        # One mask for all rows of a call: a doubled batch would share it.
        lambda: layers.DropConnect(K.Dense(6), 0.5, seed=1),
        lambda: layers.ChannelDropout(0.5, per="batch", seed=1),
    ],
)
@pytest.mark.parametrize("distance", ["kl", "mse"])
def test_r_drop_loss_is_the_papers(noise, distance):
    model = _classifier(noise(), kernel_regularizer=keras.regularizers.L2(0.1))
    r_drop = layers.RDrop(model, alpha=2.0, distance=distance)
    r_drop.compile("sgd", "sparse_categorical_crossentropy")
    x, y = floats(8, 6), np.arange(8) % 3
    r_drop(x)
    between = {"kl": losses.SymmetricKL(), "mse": keras.losses.MeanSquaredError()}
    ce = keras.losses.SparseCategoricalCrossentropy()
    state = model.layers[0].seed_generator.state
    start = array(state).copy()

    first, second = model(x, training=True), model(x, training=True)
    weight = 0.1 * float(np.sum(array(model.layers[-1].kernel) ** 2))
    expected = float(array(ce(y, first) + ce(y, second))) + 2 * weight
    apart = float(array(between[distance](first, second)))
    state.assign(start)
    y_pred = r_drop(x, training=True)
    loss = float(array(r_drop.compute_loss(x, y, y_pred)))
    alone = float(array(r_drop.compute_loss(x, y, y_pred, training=False)))

    assert apart > 0
    assert loss == pytest.approx(expected + 2.0 * apart, rel=1e-5)
    assert alone == pytest.approx(float(array(ce(y, y_pred))) + weight, rel=1e-5)


def test_r_drop_draws_twice_a_step_in_fit_and_saves(tmp_path):
    noise = layers.Dropout(0.5, seed=1)
    r_drop = layers.RDrop(_classifier(noise), alpha=1.0)
    r_drop.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = floats(8, 6), np.arange(8) % 3
    before = int(array(noise.seed_generator.state)[1])

    r_drop.fit(x, y, batch_size=4, epochs=2, verbose=0, sample_weight=np.ones(8))
    r_drop.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert int(array(noise.seed_generator.state)[1]) == before + 2 * 4
    assert np.array_equal(array(loaded(x)), array(r_drop(x)))
    assert loaded.alpha == 1.0


def test_r_drop_refuses_several_outputs():
    inputs = keras.Input((6,))
    h = layers.Dropout(0.5)(inputs)
    r_drop = layers.RDrop(keras.Model(inputs, [K.Dense(2)(h), K.Dense(2)(h)]))
    r_drop.compile("sgd", ["mse", "mse"])
    x, y = floats(4, 6), [floats(4, 2), floats(4, 2)]

    with pytest.raises(ValueError, match="needs a model of one output"):
        r_drop.compute_loss(x, y, r_drop(x, training=True))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alpha": -1.0}, ValueError, "`alpha`"),
        ({"alpha": True}, TypeError, "`alpha`"),
        ({"distance": "l1"}, ValueError, "`distance`"),
        ({"from_logits": 1}, TypeError, "`from_logits`"),
    ],
)
def test_r_drop_refuses_bad_arguments(options, error, match):
    with pytest.raises(error, match=match):
        layers.RDrop(_classifier(layers.Dropout(0.5)), **options)
