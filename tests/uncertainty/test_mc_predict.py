"""Monte Carlo prediction: seeds, sources of data, kinds of outputs, bad arguments."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES
from keras_dropout.sampling import engine, inputs, sizes
from tests.uncertainty import models

L = keras.layers
BACKEND = keras.backend.backend()


@pytest.mark.parametrize("masks", SCHEMES)
def test_a_seed_repeats_exactly_and_another_does_not(masks):
    model, x = models.mlp(), models.x_of(7, 6)

    one, same, other = (
        kd.mc_predict(model, x, samples=4, seed=seed, masks=masks, batch_size=4)
        for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one.mean, same.mean)
    assert not np.array_equal(one.mean, other.mean)
    again = kd.mc_predict(model, x, samples=4, seed=None, masks=masks, batch_size=4)
    assert not np.array_equal(one.mean, again.mean)
    repeated = kd.mc_predict(
        model, x, samples=4, seed=again.seed, masks=masks, batch_size=4
    )
    np.testing.assert_array_equal(again.mean, repeated.mean)


def test_no_two_batches_share_their_masks():
    model = keras.Sequential([keras.Input((500,)), kd.layers.Dropout(0.5)])
    x = np.ones((8, 500), "float32")

    kept = kd.mc_predict(
        model, x, samples=3, seed=0, batch_size=4, max_rows=4, return_samples=True
    )

    masks = kept.samples.reshape(24, 500) > 0
    correlation = np.corrcoef(masks) - np.eye(24)
    assert np.abs(correlation).max() < 5 / np.sqrt(500)


def test_shared_masks_do_not_depend_on_batch_size_or_calls():
    model, x = models.mlp(), models.x_of(9, 6)

    whole, parts = (
        kd.mc_predict(
            model,
            x,
            samples=5,
            seed=3,
            masks="shared",
            batch_size=batch_size,
            max_rows=max_rows,
            return_samples=True,
        ).samples
        for batch_size, max_rows in ((9, 1000), (2, 4))
    )

    np.testing.assert_allclose(whole, parts, atol=1e-6)


@pytest.mark.parametrize("rows", [3, 4, 9])
def test_every_row_comes_back_once_whatever_the_batch(rows):
    model = models.mlp(rate=1e-5)
    x = models.x_of(rows, 6)

    prediction = kd.mc_predict(model, x, samples=3, batch_size=4, max_rows=8)

    np.testing.assert_allclose(prediction.mean, model.predict(x, verbose=0), atol=1e-3)
    np.testing.assert_array_equal(prediction.count, np.full(rows, 3))


def _sources(x):
    yield "generator", iter([x[:4], (x[4:], np.zeros(3))])

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, place):
            return x[4 * place : 4 * place + 4], np.zeros(4)

    yield "PyDataset", Data()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        yield "Dataset", tf.data.Dataset.from_tensor_slices(x).batch(4)
    if BACKEND == "torch":
        import torch

        data = torch.utils.data.TensorDataset(torch.from_numpy(x))
        yield "DataLoader", torch.utils.data.DataLoader(data, batch_size=4)


def test_every_source_gives_what_the_array_gives():
    model, x = models.mlp(), models.x_of(7, 6)

    def predict(data, **options):
        return kd.mc_predict(model, data, samples=4, seed=0, masks="shared", **options)

    expected = predict(x).mean
    for name, source in _sources(x):
        np.testing.assert_allclose(
            predict(source).mean, expected, atol=1e-6, err_msg=name
        )
    assert len(predict(iter([x, x, x]), steps=2)) == 14


def test_batches_of_a_source_are_filled_up_to_few_sizes():
    x = models.x_of(50, 6)
    rows = (40, 37, 9, 1, 50)

    def found(fill):
        source = iter([x[:size] for size in rows])
        batches = inputs.batches(source, 32, None, lambda _: fill)
        return [(len(batch), rows) for batch, rows, _ in batches]

    assert found(sizes.filled) == [(40, 40), (40, 37), (16, 9), (1, 1), (64, 50)]
    assert found(None) == [(size, size) for size in rows]


@pytest.mark.skipif(BACKEND != "torch", reason="other tensors know no gradient")
def test_a_tensor_that_wants_its_gradient_is_an_array_too():
    model, x = models.mlp(), models.x_of(4, 6)
    tensor = keras.ops.convert_to_tensor(x).requires_grad_()

    expected, found = (kd.mc_predict(model, each, 3, seed=0) for each in (x, tensor))

    np.testing.assert_array_equal(found.mean, expected.mean)


def test_inputs_may_be_lists_and_dictionaries():
    i, j = keras.Input((3,), name="i"), keras.Input((3,), name="j")
    outputs = L.Dense(2)(L.Dropout(0.5)(L.Concatenate()([i, j])))
    x, y = models.x_of(5, 3), models.x_of(5, 3, seed=1)
    as_list = keras.Model([i, j], outputs)
    as_dict = keras.Model({"i": i, "j": j}, outputs)

    first = kd.mc_predict(as_list, [x, y], samples=3, seed=0)
    second = kd.mc_predict(as_dict, {"j": y, "i": x}, samples=3, seed=0)

    np.testing.assert_array_equal(first.mean, second.mean)


@pytest.mark.parametrize(
    ("activation", "kind"),
    [("softmax", "probabilities"), ("sigmoid", "binary"), (None, "values")],
)
def test_what_outputs_are_is_read_from_the_activation(activation, kind):
    inner = models.mlp(activation=activation)
    i = keras.Input((6,))
    for model in (inner, keras.Model(i, inner(i))):
        assert kd.mc_predict(model, models.x_of(2, 6), samples=2).kind == kind


def test_logits_give_what_their_probabilities_give():
    probabilities, logits = models.mlp(), models.mlp(activation=None)
    logits.set_weights(probabilities.get_weights())
    x = models.x_of(4, 6)

    expected = kd.mc_predict(probabilities, x, samples=5, seed=0)
    found = kd.mc_predict(logits, x, samples=5, seed=0, outputs="logits")

    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(
        found.mutual_information, expected.mutual_information, rtol=1e-3, atol=1e-7
    )


def test_one_logit_gives_what_its_probability_gives():
    probability, logit = (
        keras.Sequential(
            [
                keras.Input((6,)),
                kd.layers.Dropout(0.5),
                L.Dense(1, activation=activation),
            ]
        )
        for activation in ("sigmoid", None)
    )
    logit.set_weights(probability.get_weights())
    x, y = models.x_of(4, 6), [0, 1, 1, 0]

    expected = kd.mc_predict(probability, x, samples=5, seed=0)
    found = kd.mc_predict(logit, x, samples=5, seed=0, outputs="logits")
    score, same = (
        kd.mc_evaluate(model, x, y, samples=5, seed=0, outputs=outputs, verbose=0)
        for model, outputs in ((logit, "logits"), (probability, "auto"))
    )

    assert found.kind == expected.kind == "binary"
    for name, array in expected.to_dict().items():
        np.testing.assert_allclose(
            getattr(found, name), array, rtol=1e-4, atol=1e-6, err_msg=name
        )
    assert dict(score) == pytest.approx(dict(same), rel=1e-4, nan_ok=True)


def test_entropy_of_plain_values_is_refused():
    prediction = kd.mc_predict(models.mlp(activation=None), models.x_of(2, 6), 2)

    with pytest.raises(ValueError, match="Pass outputs='probabilities', 'logits'"):
        _ = prediction.entropy
    with pytest.raises(ValueError, match="Say so with outputs='gaussian'"):
        _ = prediction.aleatoric


@pytest.mark.parametrize("two", [True, False])
def test_gaussian_variances_add_up(two):
    i = keras.Input((6,))
    h = L.Dropout(0.5)(i)
    mean, log_variance = L.Dense(2)(h), L.Dense(2)(h)
    outputs = [mean, log_variance] if two else L.Concatenate()([mean, log_variance])

    prediction = kd.mc_predict(
        keras.Model(i, outputs), models.x_of(4, 6), samples=9, outputs="gaussian"
    )

    assert prediction.mean.shape == (4, 2)
    assert (prediction.aleatoric > 0).all()
    np.testing.assert_allclose(
        prediction.total, prediction.epistemic + prediction.aleatoric
    )
    np.testing.assert_allclose(prediction.std**2, prediction.total, rtol=1e-6)


def test_steps_that_keras_masks_are_left_out_of_the_ranking():
    i = keras.Input((None,), dtype="int32")
    h = L.Dropout(0.5)(L.Embedding(9, 4, mask_zero=True)(i))
    model = keras.Model(i, L.Dense(3, activation="softmax")(h))

    prediction = kd.mc_predict(model, np.array([[1, 2, 0], [3, 4, 5]]), samples=5)

    np.testing.assert_array_equal(prediction.valid, [[True, True, False], [True] * 3])
    expected = prediction.entropy[0, :2].mean()
    np.testing.assert_allclose(prediction.uncertainty[0], expected, rtol=1e-6)


def test_models_are_pooled():
    x = models.x_of(5, 6)
    members = [models.mlp(), models.mlp()]

    prediction = kd.mc_predict(members, x, samples=4, seed=0, return_samples=True)

    assert prediction.samples.shape == (8, 5, 3)
    np.testing.assert_array_equal(prediction.count, 8)
    np.testing.assert_allclose(
        prediction.mean, prediction.samples.mean(axis=0), atol=1e-6
    )


@pytest.mark.parametrize("units", [1, 3])
def test_models_of_different_outputs_are_not_pooled(units):
    other = keras.Sequential([keras.Input((6,)), L.Dropout(0.5), L.Dense(units)])
    outputs = "auto" if units == 3 else "values"
    with pytest.raises(ValueError, match="must have outputs of one kind"):
        kd.mc_predict([models.mlp(), other], models.x_of(5, 6), outputs=outputs)


def test_an_ensemble_needs_no_noise():
    x = models.x_of(5, 6)
    members = [
        keras.Sequential([keras.Input((6,)), L.Dense(3, activation="softmax")])
        for _ in range(3)
    ]

    prediction = kd.mc_predict(members, x, samples=1)

    predicted = np.stack([model.predict(x, verbose=0) for model in members])
    np.testing.assert_allclose(prediction.mean, predicted.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        prediction.variance, predicted.var(axis=0, ddof=1), rtol=1e-4
    )


def test_sampling_stops_once_the_mean_is_known_well_enough():
    model, x = models.mlp(rate=0.1), models.x_of(4, 6)

    prediction = kd.mc_predict(
        model, x, samples=4000, seed=0, tol=0.02, max_rows=40, batch_size=4
    )

    assert 10 <= prediction.count[0] < 4000
    assert prediction.standard_error.max() <= 0.02


def test_a_row_of_nan_does_not_keep_the_others_from_stopping():
    model, x = models.mlp(rate=0.1), models.x_of(4, 6)
    x[1] = np.nan

    prediction = kd.mc_predict(model, x, samples=4000, seed=0, tol=0.02, batch_size=4)

    assert prediction.count[0] < 4000


def test_the_progress_bar_counts_samples(capsys):
    kd.mc_predict(
        models.mlp(), models.x_of(4, 6), samples=6, batch_size=2, max_rows=4, verbose=1
    )

    shown = capsys.readouterr().out
    assert " 2/12" in shown
    assert "12/12" in shown


def test_a_model_that_samples_by_itself_is_not_sampled_again():
    server = kd.MonteCarlo(models.mlp(), samples=3)

    with pytest.raises(ValueError, match=r"mc_predict\(server.model, x\)"):
        kd.mc_predict(server, models.x_of(4, 6))
    nested = keras.Sequential([keras.Input((6,)), L.Dropout(0.5), L.Dense(6)])
    i = keras.Input((6,))
    whole = keras.Model(i, server(nested(i))["mean"])
    with pytest.raises(ValueError, match="must not be or hold a `MonteCarlo`"):
        kd.mc_predict(whole, models.x_of(4, 6))


def test_models_that_need_different_numbers_of_samples_count_alike():
    sure = keras.Sequential([keras.Input((4,)), L.Dense(1, bias_initializer="ones")])
    sure.set_weights([np.zeros((4, 1)), np.ones(1)])
    noisy = keras.Sequential(
        [keras.Input((4,)), L.Dropout(0.5), L.Dense(1, kernel_initializer="ones")]
    )
    x = np.full((3, 4), 0.01, "float32")

    prediction = kd.mc_predict(
        [sure, noisy], x, samples=4000, tol=0.05, max_rows=64, seed=0
    )

    # Of four units, each 0.02 or nothing.
    assert prediction.count[0] < 100
    error = np.sqrt(4 * 0.01**2 / 10)
    np.testing.assert_allclose(prediction.mean, (1 + 0.04) / 2, atol=5 * error / 2)
    # The models lie 0.48 from their mean.
    np.testing.assert_allclose(prediction.variance, 0.48**2, rtol=0.1)


def test_a_nan_in_the_input_stays_in_its_row():
    # Without ReLU, which TensorFlow takes NaN to 0 in.
    model = keras.Sequential(
        [keras.Input((6,)), L.Dropout(0.5), L.Dense(3, activation="softmax")]
    )
    x = models.x_of(3, 6)
    x[1] = np.nan

    prediction = kd.mc_predict(model, x, samples=4, seed=0)

    assert np.isnan(prediction.mean[1]).all()
    assert np.isfinite(prediction.mean[[0, 2]]).all()
    assert np.isfinite(prediction.mutual_information[[0, 2]]).all()


def test_a_model_that_was_never_built_is_built_as_predict_would():
    model = keras.Sequential([L.Dense(4), L.Dropout(0.5), L.Dense(2)])

    assert kd.mc_predict(model, models.x_of(3, 6), samples=3).mean.shape == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"samples": 0}, ValueError, "samples=0"),
        ({"samples": 1}, ValueError, "an integer of at least 2"),
        ({"samples": -3}, ValueError, "samples=-3"),
        ({"samples": 2.5}, TypeError, "samples=2.5"),
        ({"samples": True}, TypeError, "samples=True"),
        ({"samples": 3, "masks": "antithetic"}, ValueError, "an even number"),
        ({"masks": "sobol"}, ValueError, "one of 'independent', 'shared'"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"max_rows": 0}, ValueError, "max_rows=0"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"seed": "a"}, TypeError, "seed='a'"),
        ({"tol": 0.0}, ValueError, "tol=0.0"),
        ({"tol": 0.1, "return_samples": True}, ValueError, "Drop `tol`"),
        ({"outputs": "classes"}, ValueError, "'auto' or 'values'"),
        ({"outputs": ["values"] * 2}, ValueError, "each of the 1 outputs"),
        ({"steps": 0}, ValueError, "steps=0"),
        ({"steps": 1.5}, TypeError, "steps=1.5"),
        ({"verbose": "loud"}, ValueError, "verbose='loud'"),
        ({"x": np.zeros((0, 6))}, ValueError, "at least one row"),
        (
            {"x": [np.zeros((2, 6)), np.zeros((3, 6))]},
            ValueError,
            "same number of rows",
        ),
        ({"x": np.zeros((2, 7))}, ValueError, "incompatible with the layer"),
        ({"x": np.array([[{}, {}]])}, TypeError, "arrays of numbers"),
        ({"x": iter([])}, ValueError, "no batches"),
        ({"model": "model"}, TypeError, "a Keras model or a list"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    given = {"model": models.mlp(), "x": models.x_of(2, 6), "samples": 4, **arguments}
    with pytest.raises(error, match=text):
        kd.mc_predict(**given)


def test_old_choices_are_forgotten(monkeypatch):
    monkeypatch.setattr(engine, "_KEPT", 2)
    model = models.mlp()

    for kind in ("auto", "values", "logits"):
        kd.mc_predict(model, models.x_of(2, 6), samples=2, outputs=kind)

    assert len(engine._engines[model]) == 2


def test_the_seed_of_keras_governs_seeds_that_nobody_gave():
    model, x = models.mlp(), models.x_of(4, 6)

    def draw():
        server = kd.MonteCarlo(model, samples=4)
        answers = [server.predict(x, verbose=0)["mean"] for _ in range(2)]
        return [kd.mc_predict(model, x, samples=4).mean for _ in range(2)] + answers

    keras.utils.set_random_seed(1)
    first = draw()
    keras.utils.set_random_seed(1)
    again = draw()
    other = draw()

    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate([first, other]), axis=0)) == 8


def test_no_model_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one Keras model"):
        kd.mc_predict([], np.ones((2, 3)))
