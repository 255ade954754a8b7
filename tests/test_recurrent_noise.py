"""Zoneout, and the LSTM and GRU that drop their candidates."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers._base import formulas
from tests.bounds import near

K = keras.layers
BACKEND = keras.backend.backend()


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def flat(outputs):
    return [array(x) for x in keras.tree.flatten(outputs)]


# Ours without noise, and the layer of Keras that it then is.
PLAIN = {
    "zoneout-lstm": (
        lambda **k: layers.Zoneout(K.LSTMCell(4), 0.0, 0.0, **k),
        lambda **k: K.RNN(K.LSTMCell(4), **k),
    ),
    "zoneout-gru": (
        lambda **k: layers.Zoneout(K.GRUCell(4), 0.0, **k),
        lambda **k: K.RNN(K.GRUCell(4), **k),
    ),
    "lstm": (
        lambda **k: layers.RecurrentDropoutLSTM(4, 0.0, **k),
        lambda **k: K.LSTM(4, **k),
    ),
    "lstm-without-bias": (
        lambda **k: layers.RecurrentDropoutLSTM(4, 0.0, use_bias=False, **k),
        lambda **k: K.LSTM(4, use_bias=False, **k),
    ),
    "gru": (
        lambda **k: layers.RecurrentDropoutGRU(4, 0.0, per="step", **k),
        lambda **k: K.GRU(4, **k),
    ),
    "gru-reset-before": (
        lambda **k: layers.RecurrentDropoutGRU(4, 0.0, reset_after=False, **k),
        lambda **k: K.GRU(4, reset_after=False, **k),
    ),
}
# The same layers with noise.
NOISY = {
    "zoneout-lstm": lambda **k: layers.Zoneout(K.LSTMCell(4), 0.3, 0.5, **k),
    "zoneout-rnn": lambda **k: layers.Zoneout(K.SimpleRNNCell(4), 0.3, **k),
    "lstm": lambda **k: layers.RecurrentDropoutLSTM(4, 0.5, **k),
    "gru": lambda **k: layers.RecurrentDropoutGRU(4, 0.5, per="step", **k),
}
# Whether it returns sequences and states, goes backwards, is stateful, unrolled, and in
# training. With the opposite of each line, every pair of answers occurs, and each
# layer gives both answers to each question.
ANSWERS = {
    "zoneout-lstm": (0, 0, 0, 0, 0),
    "zoneout-gru": (1, 0, 1, 0, 1),
    "lstm": (1, 1, 0, 0, 0),
    "lstm-without-bias": (0, 1, 1, 0, 0),
    "gru": (1, 0, 0, 1, 0),
    "gru-reset-before": (0, 0, 0, 1, 1),
}


@pytest.mark.keras
@pytest.mark.parametrize("opposite", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_without_noise_it_is_keras_own_layer(name, opposite):
    sequences, backwards, stateful, unroll, training = (
        bool(answer) != opposite for answer in ANSWERS[name]
    )
    options = {
        "return_sequences": sequences,
        "return_state": sequences,
        "go_backwards": backwards,
        "stateful": stateful,
        "unroll": unroll,
    }
    ours, theirs = (build(**options) for build in PLAIN[name])
    x = floats(2, 5, 3)
    mask = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]], "bool")
    if unroll and backwards:
        # Keras's own layers fail to turn the mask round, on PyTorch.
        mask = None
    ours(x), theirs(x)
    ours.set_weights(theirs.get_weights())
    for state in [*(ours.states or []), *(theirs.states or [])]:
        state.assign(np.zeros(state.shape))

    for _ in range(2):
        pairs = zip(
            flat(ours(x, mask=mask, training=training)),
            flat(theirs(x, mask=mask)),
            strict=True,
        )
        for a, b in pairs:
            assert a == pytest.approx(b, abs=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_inference_is_keras_loop_bit_for_bit(name):
    layer = NOISY[name]()
    x = floats(2, 5, 3)
    layer(x)

    assert np.array_equal(array(layer(x)), array(K.RNN(layer.cell)(x)))


def test_zoneout_golden():
    old, new = ops.convert_to_tensor([1.0, 2.0]), ops.convert_to_tensor([5.0, 6.0])

    trained = formulas.where_updated(ops.convert_to_tensor([0.0, 1.0]), old, new)
    inferred = formulas.blend(0.1, old, new)

    assert array(trained).tolist() == [1.0, 6.0]
    assert array(inferred) == pytest.approx([4.6, 5.6])


def test_zoneout_at_one_keeps_the_initial_state():
    layer = layers.Zoneout(K.LSTMCell(3), 1.0, 1.0, return_state=True)
    start = [floats(2, 3), floats(2, 3) + 1]

    for training in (True, False):
        y, h, c = layer(floats(2, 4, 5), initial_state=start, training=training)
        assert np.array_equal(array(y), start[0])
        assert np.array_equal(array(h), start[0])
        assert np.array_equal(array(c), start[1])


def test_one_step_of_zoneout_has_the_papers_mean_and_variance():
    """The output is that of the candidate memory, not of the zoned one."""
    layer = layers.Zoneout(K.LSTMCell(3), 0.2, 0.6, return_state=True, seed=1)
    x, h0, c0 = (np.repeat(floats(1, n), 5000, axis=0) for n in (2, 3, 3))
    x = x[:, None]

    _, h, c = flat(layer(x, initial_state=[h0, c0], training=True))
    _, h_mean, c_mean = flat(layer(x, initial_state=[h0, c0]))
    _, (h1, c1) = layer.cell(x[:, 0], [h0, c0])

    for states, mean, old, new, z in (
        (h, h_mean[0], h0[0], array(h1)[0], 0.2),
        (c, c_mean[0], c0[0], array(c1)[0], 0.6),
    ):
        assert mean == pytest.approx(z * old + (1 - z) * new, abs=1e-5)
        assert near(states, mean, z * (1 - z) * (new - old) ** 2)
        for unit in range(3):
            kept = np.isclose(states[:, unit], old[unit], atol=1e-6)
            updated = np.isclose(states[:, unit], new[unit], atol=1e-6)
            assert np.all(kept ^ updated)


def test_zoneout_draws_for_each_step_row_and_unit():
    layer = layers.Zoneout(K.GRUCell(40), 0.5, return_sequences=True, seed=1)

    y = array(layer(np.ones((50, 6, 2), "float32"), training=True))
    kept = np.diff(y, axis=1) == 0

    assert near(kept, 0.5, 0.25)
    rows = kept.reshape(50, -1)
    assert len(np.unique(rows, axis=0)) == 50
    steps = kept.transpose(1, 0, 2).reshape(5, -1)
    assert len(np.unique(steps, axis=0)) == 5


@pytest.mark.parametrize("cls", ["LSTM", "GRU"])
def test_one_step_drops_the_candidate_only(cls):
    layer = getattr(layers, f"RecurrentDropout{cls}")(
        3, 0.25, return_state=True, seed=1
    )
    count = 2 if cls == "LSTM" else 1
    x = np.repeat(floats(1, 1, 2), 4000, axis=0)
    start = [np.repeat(floats(1, 3), 4000, axis=0) for _ in range(count)]

    memory = flat(layer(x, initial_state=start, training=True))[-1]
    mean = flat(layer(x, initial_state=start))[-1][0]
    values = [np.unique(np.round(memory[:, unit], 5)) for unit in range(3)]

    # What is added is 0 or 4/3 of what is added at inference.
    kept = np.array([low_high[[0, -1]] for low_high in values])
    added = (kept - mean[:, None]) / (kept[:, 1] - kept[:, 0])[:, None]
    assert all(len(each) == 2 for each in values)
    assert np.sort(np.abs(added), axis=1) == pytest.approx(
        np.tile([0.25, 0.75], (3, 1)), abs=1e-3
    )
    spread = kept[:, 1] - kept[:, 0]
    assert near(memory, mean, 0.25 * 0.75 * spread**2)


def test_golden_step_of_lstm():
    class Cell:
        recurrent_kernel = ops.zeros((1, 4))
        recurrent_activation = staticmethod(lambda x: x)
        activation = staticmethod(lambda x: x)

    gates = ops.convert_to_tensor([[1.0, 0.5, 0.4, 1.0]])  # i, f, g, o
    states = [ops.zeros((1, 1)), ops.full((1, 1), 2.0)]

    for factor, expected in ((2.0, 1.8), (0.0, 1.0), (1.0, 1.4)):
        parts = [gates, ops.full((1, 1), factor)]
        _, c = layers.RecurrentDropoutLSTM.step(Cell, parts, states)
        assert array(c).item() == pytest.approx(expected)


@pytest.mark.parametrize(("per", "distinct"), [("row", 1), ("step", 6)])
def test_mask_is_of_the_row_or_of_the_step(per, distinct):
    layer = layers.RecurrentDropoutGRU(
        60, 0.5, per=per, return_sequences=True, seed=1, bias_initializer="ones"
    )

    y = array(layer(np.ones((2, 6, 2), "float32"), training=True))
    # If all candidates of a unit were dropped, it stays at 0.
    dropped = np.diff(np.concatenate([0 * y[:, :1], y], axis=1), axis=1) <= 0

    assert len(np.unique(dropped[0], axis=0)) == distinct
    assert not np.array_equal(dropped[0], dropped[1])


@pytest.mark.parametrize("build", NOISY.values(), ids=NOISY)
def test_rates_are_live_in_compiled_fit(build):
    layer = build(seed=1)
    model = keras.Sequential([keras.Input((None, 3)), layer, K.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = floats(4, 5, 3), floats(4, 1)

    def losses():
        history = model.fit(x, y, epochs=2, shuffle=False, verbose=0)
        return history.history["loss"]

    noisy = losses()
    for name in ("rate", "zoneout_h", "zoneout_c"):
        if hasattr(layer, name):
            setattr(layer, name, 0.0)
    still = losses()

    assert abs(noisy[0] - noisy[1]) > 1e-4
    assert still[0] == pytest.approx(still[1], abs=1e-6)
    assert still[0] == pytest.approx(model.evaluate(x, y, verbose=0), abs=1e-6)


@pytest.mark.parametrize("build", NOISY.values(), ids=NOISY)
def test_padded_steps_change_nothing(build):
    layer = build(return_sequences=True, seed=1)
    x = floats(2, 5, 3)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], "bool")

    y = array(layer(x, mask=mask, training=True))

    assert np.array_equal(y[0, 3], y[0, 2])
    assert np.array_equal(y[0, 4], y[0, 2])
    assert not np.array_equal(y[1, 3], y[1, 2])


@pytest.mark.parametrize("build", NOISY.values(), ids=NOISY)
def test_bidirectional_is_noisy_in_both_directions(build):
    layer = K.Bidirectional(build(), merge_mode=None)
    x = floats(2, 5, 3)

    first, second = flat(layer(x, training=True)), flat(layer(x, training=True))

    for a, b in zip(first, second, strict=True):
        assert not np.array_equal(a, b)


@pytest.mark.parametrize("build", NOISY.values(), ids=NOISY)
def test_survives_a_file_with_its_noise(build, tmp_path):
    layer = build(return_sequences=True, seed=1)
    model = keras.Sequential([keras.Input((None, 3)), layer, K.Dense(1)])
    x = floats(2, 5, 3)
    model(x, training=True)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    # Keras notes in the configuration of a cell whether it is built.
    configs = [
        {**each.get_config(), "cell": None} for each in (loaded.layers[0], layer)
    ]
    assert configs[0] == configs[1]
    for training in (True, False):
        ours, theirs = model(x, training=training), loaded(x, training=training)
        assert np.array_equal(array(ours), array(theirs))


def test_refuses_cells_that_draw_within_the_loop():
    with pytest.raises(ValueError, match=r"without Keras's own.*LockedDropout"):
        layers.Zoneout(K.LSTMCell(3, dropout=0.2))
    with pytest.raises(ValueError, match=r"without Keras's own.*recurrent_dropout"):
        layers.RecurrentDropoutGRU(3, recurrent_dropout=0.2)


def test_refuses_stacked_cells():
    with pytest.raises(ValueError, match=r"`cell`.*stack the layers"):
        layers.Zoneout([K.LSTMCell(3), K.LSTMCell(3)])


@pytest.mark.parametrize("name", ["zoneout_h", "zoneout_c"])
def test_refuses_probabilities_out_of_range(name):
    with pytest.raises(ValueError, match=f"`{name}`.*between 0 and 1"):
        layers.Zoneout(K.LSTMCell(3), **{name: 1.1})
