"""The estimators do in scikit-learn's hands what its own do."""

import pickle
import random

import keras
import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import keras_dropout as kd
from keras_dropout.integrations.sklearn import MonteCarloClassifier, MonteCarloRegressor


def network(inputs, outputs, activation, loss, rate=0.3):
    """A small compiled model."""
    layers = [keras.Input(inputs), keras.layers.Flatten()]
    layers += [keras.layers.Dense(8, activation="tanh"), kd.layers.Dropout(rate)]
    layers += [keras.layers.Dense(outputs, activation=activation)]
    model = keras.Sequential(layers)
    # Eager fits need no compilation, which is no part of what is tested here.
    model.compile(keras.optimizers.Adam(0.03), loss, run_eagerly=True)
    return model


def classifier(X, y, rate=0.3):
    return network(X.shape[1:], y.shape[1], "softmax", "categorical_crossentropy", rate)


def regressor(X, y, rate=0.3):
    return network(X.shape[1:], y.shape[1], None, "mse", rate)


def blobs(rows=60, classes=3):
    """Rows about as many points as there are classes, and the numbers of those."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % classes
    x = rng.normal(size=(rows, 4)) + 3 * np.eye(4)[y]
    return x.astype("float32"), y


X, Y = blobs()
BATCHES = "a row of weight 0 takes a place in a batch of the optimiser"


@pytest.mark.once
@parametrize_with_checks(
    [
        MonteCarloClassifier(classifier, samples=2),
        MonteCarloRegressor(regressor, samples=2),
    ],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": BATCHES
    },
)
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted():
    """A classifier of names, fitted for good."""
    names = np.array(["ant", "bee", "cat"])[Y]
    estimator = MonteCarloClassifier(
        network((4,), 3, "softmax", "sparse_categorical_crossentropy"),
        samples=20,
        fit_kwargs={"epochs": 10, "batch_size": 20},
        random_state=0,
    )
    return estimator.fit(X, names), names


def test_classes_are_the_labels_and_probabilities_are_theirs(fitted):
    estimator, names = fitted

    chances = estimator.predict_proba(X)

    assert is_classifier(estimator)
    assert estimator.classes_.tolist() == ["ant", "bee", "cat"]
    assert estimator.score(X, names) > 0.9
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-12)
    expected = kd.mc_predict(
        estimator.model_, X, 20, seed=estimator.seed_, masks="shared"
    )
    np.testing.assert_allclose(chances, expected.mean, rtol=1e-6)


def test_a_row_has_one_answer_whatever_comes_with_it(fitted):
    estimator, _ = fitted

    whole = estimator.predict_proba(X)

    np.testing.assert_allclose(estimator.predict_proba(X[7:9]), whole[7:9], atol=1e-6)


def test_a_pickled_copy_says_the_same(fitted):
    estimator, _ = fitted

    twin = pickle.loads(pickle.dumps(estimator))

    np.testing.assert_allclose(
        twin.predict_proba(X), estimator.predict_proba(X), atol=1e-6
    )


@pytest.mark.once
def test_an_estimator_that_is_not_fitted_goes_to_other_processes(fitted):
    estimator, names = fitted

    twin = pickle.loads(pickle.dumps(clone(estimator)))

    assert isinstance(twin.model, keras.Model)
    assert twin.fit(X, names).score(X, names) > 0.9


def test_a_clone_has_all_arguments_and_is_not_fitted(fitted):
    estimator, names = fitted
    estimator = clone(estimator).set_params(rate=0.25)

    twin = clone(estimator)

    assert twin.get_params() == estimator.get_params()
    assert twin.fit_kwargs is not estimator.fit_kwargs
    assert not hasattr(twin, "model_")
    twin.fit(X, names, epochs=1)
    assert twin.epoch_ == 1
    assert estimator.fit_kwargs["epochs"] == 10
    assert [n.rate for n in twin.model_.layers if hasattr(n, "rate")] == [0.25]
    assert [n.rate for n in estimator.model.layers if hasattr(n, "rate")] == [0.3]


def test_a_random_state_repeats_the_fit_and_leaves_other_generators():
    fits = []
    random.seed(3)
    np.random.seed(3)
    for _ in range(2):
        estimator = MonteCarloClassifier(classifier, samples=4, random_state=5)
        fits.append(estimator.fit(X, Y).predict_proba(X))

    drawn = random.random(), np.random.random()

    np.testing.assert_array_equal(*fits)
    random.seed(3)
    np.random.seed(3)
    assert drawn == (random.random(), np.random.random())


@pytest.mark.parametrize(
    "labels",
    [np.array([True, False]), np.array([7, -2]), np.array(["b", "a"], object)],
    ids=["bool", "integer", "object"],
)
@pytest.mark.parametrize(
    ("width", "activation", "loss"),
    [(1, "sigmoid", "binary_crossentropy"), (2, "softmax", "categorical_crossentropy")],
)
@pytest.mark.once
def test_two_classes_of_any_type_are_learned(labels, width, activation, loss):
    x, y = blobs(classes=2)
    estimator = MonteCarloClassifier(
        network((4,), width, activation, loss), samples=4, random_state=1
    )

    estimator.fit(x, labels[y], epochs=8, batch_size=12)

    assert estimator.classes_.tolist() == sorted(labels.tolist())
    assert estimator.score(x, labels[y]) > 0.9
    assert estimator.predict(x).dtype == labels.dtype
    assert estimator.predict_proba(x).shape == (60, 2)
    odds = estimator.decision_function(x)
    np.testing.assert_array_equal(odds > 0, estimator.predict(x) == max(labels))


@pytest.mark.once
def test_held_out_data_and_weights_are_by_label():
    names = np.array(["ant", "bee", "cat"])[Y]
    estimator = MonteCarloClassifier(classifier, samples=2)

    nothing = np.zeros_like(X)
    estimator.fit(
        nothing,
        names,
        np.ones(60),
        validation_data=(nothing[:9], names[:9]),
        class_weight={"ant": 0.0, "bee": 0.0, "cat": 5.0},
        epochs=15,
        batch_size=20,
    )

    assert len(estimator.history_["val_loss"]) == estimator.epoch_ == 15
    assert (estimator.predict(nothing) == "cat").all()
    with pytest.raises(ValueError, match="dog"):
        estimator.fit(X, names, validation_data=(X[:1], ["dog"]))


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (MonteCarloClassifier, "sparse_categorical_crossentropy"),
        (MonteCarloClassifier, "categorical_crossentropy"),
        (MonteCarloRegressor, "mse"),
    ],
)
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_held_out_data_may_be_lists_and_columns(make, loss):
    width = 1 if loss == "mse" else 3
    model = network((4,), width, "softmax" if width == 3 else None, loss)
    estimator = make(model, samples=2)

    held_out = X[:9].tolist(), Y[:9, None], np.arange(9)
    estimator.fit(X, Y, validation_data=held_out)

    targets = np.eye(3)[Y[:9]] if loss == "categorical_crossentropy" else Y[:9]
    expected = estimator.model_.evaluate(
        X[:9], targets, sample_weight=np.arange(9), verbose=0
    )
    assert estimator.history_["val_loss"] == [pytest.approx(expected, rel=1e-5)]
    estimator.fit(X, Y, validation_data=(X[:9], Y[:9], None))
    assert len(estimator.history_["val_loss"]) == 1
    with pytest.raises(ValueError, match="3 features"):
        estimator.fit(X, Y, validation_data=(X[:, :3], Y))


@pytest.mark.once
def test_weights_of_classes_are_of_the_rows_that_are_trained_on():
    estimator = MonteCarloClassifier(
        network((4,), 3, "softmax", "sparse_categorical_crossentropy"),
        samples=2,
        fit_kwargs={"class_weight": {2: 50.0}, "validation_split": 0.25},
    )
    estimator.fit(X, Y)

    expected = estimator.model_.evaluate(X[45:], Y[45:], verbose=0)
    assert estimator.history_["val_loss"] == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.once
def test_weights_of_rows_decide_what_is_learned():
    weight = np.where(Y == 1, 1.0, 0.0)
    estimator = MonteCarloClassifier(classifier, samples=2)

    nothing = np.zeros_like(X)
    estimator.fit(nothing, Y, sample_weight=weight, epochs=15, batch_size=20)
    assert (estimator.predict(nothing) == 1).all()

    estimator.fit_kwargs = {"sample_weight": weight.tolist()}
    estimator.fit(nothing, Y, epochs=15, batch_size=20)
    assert (estimator.predict(nothing) == 1).all()

    estimator.fit_kwargs = {"sample_weight": weight[:, None], "class_weight": {0: 2}}
    with pytest.raises(ValueError, match=r"shape \(60, 1\)"):
        estimator.fit(nothing, Y)


@pytest.mark.once
@pytest.mark.parametrize("make", [MonteCarloClassifier, MonteCarloRegressor])
def test_requested_weights_get_to_the_fit(make):
    build = classifier if make is MonteCarloClassifier else regressor
    nothing, weight = np.zeros_like(X), np.where(Y == 1, 1.0, 0.0)
    estimator = make(build, samples=2, fit_kwargs={"epochs": 20, "batch_size": 20})
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        estimator.set_fit_request(sample_weight=True)

    with config_context(enable_metadata_routing=True):
        estimator.set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=False)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = clone(make_pipeline(scaler, estimator))
        pipeline.fit(nothing, Y, sample_weight=weight)

    np.testing.assert_allclose(pipeline.predict(nothing), 1, atol=0.4)


@pytest.mark.once
def test_a_regressor_tells_mean_and_deviation():
    y = X[:, 0] * 2 + 1
    estimator = MonteCarloRegressor(
        network((4,), 1, None, "mse", rate=0.05), samples=20, random_state=0
    )

    estimator.fit(X, y, epochs=25, batch_size=20)
    mean, std = estimator.predict(X, return_std=True)

    assert is_regressor(estimator)
    assert estimator.score(X, y) > 0.5
    assert mean.shape == std.shape == y.shape
    prediction = estimator.mc_predict(X, return_samples=True)
    np.testing.assert_allclose(std, prediction.samples.std(axis=0)[:, 0], rtol=0.1)


@pytest.mark.once
def test_a_gaussian_regressor_has_the_noise_of_the_data():
    y = X[:, :1] + np.random.default_rng(0).normal(size=(60, 1))
    estimator = MonteCarloRegressor(
        network((4,), 2, None, kd.losses.GaussianNLL()), samples=4, outputs="gaussian"
    )

    _, std = estimator.fit(X, y).predict(X, return_std=True)

    prediction = estimator.mc_predict(X)
    assert std.shape == (60, 1)
    np.testing.assert_allclose(std**2, prediction.total, rtol=1e-5)
    assert (std**2 > prediction.epistemic).all()


@pytest.mark.once
def test_several_targets_and_images_are_taken():
    images, y = np.random.default_rng(0).normal(size=(20, 3, 3, 1)), X[:20, :2]
    estimator = MonteCarloRegressor(regressor, samples=2).fit(images, y)

    assert estimator.predict(images).shape == (20, 2)


@pytest.mark.once
def test_a_grid_of_rates_is_searched_in_a_pipeline():
    search = GridSearchCV(
        make_pipeline(
            StandardScaler(),
            MonteCarloClassifier(classifier, samples=4, fit_kwargs={"epochs": 6}),
        ),
        {"montecarloclassifier__rate": [0.1, 0.95]},
        scoring="neg_log_loss",
        cv=2,
        error_score="raise",
    )

    search.fit(X, Y)

    best = search.best_estimator_[-1]
    assert search.best_params_ == {"montecarloclassifier__rate": 0.1}
    dropout = best.model_.get_layer(index=2)
    assert dropout.rate == pytest.approx(0.1)


@pytest.mark.once
def test_a_warm_start_goes_on_with_the_weights():
    model = classifier(X, np.eye(3)[Y])
    before = model.get_weights()
    estimator = MonteCarloClassifier(model, samples=2, warm_start=True)

    estimator.fit(X, Y, epochs=1, initial_epoch=1)
    for value, same in zip(estimator.model_.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, same)
    first = estimator.fit(X, Y).model_
    second = estimator.fit(X[:1], Y[:1]).model_

    assert first is second is not model
    assert estimator.classes_.tolist() == [0, 1, 2]
    for value, same in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, same)
    with pytest.raises(ValueError, match="4"):
        estimator.fit(X, Y + 2)
    third = estimator.set_params(rate=0.7).fit(X, Y).model_
    assert third is first
    assert third.get_layer(index=2).rate == pytest.approx(0.7)
    # What someone changed since then is kept.
    kd.set_rates(third, 0.2)
    assert estimator.fit(X, Y).model_.get_layer(index=2).rate == pytest.approx(0.2)


@pytest.mark.once
def test_a_clone_shares_a_model_that_cannot_be_saved():
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((4,)), Own(), kd.layers.Dropout(0.5)])
    estimator = MonteCarloRegressor(model, samples=7)

    twin = clone(estimator)

    assert (twin.model, twin.samples) == (estimator.model, 7) == (model, 7)


@pytest.mark.once
def test_scikit_learn_calibrates_it(fitted):
    estimator, names = fitted

    for method in ("sigmoid", "isotonic"):
        calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method=method)
        calibrated.fit(X, names)
        assert calibrated.score(X, names) > 0.9


@pytest.mark.once
def test_the_rows_to_label_next_are_chosen_in_a_loop():
    labelled, pool = list(range(9)), np.arange(9, 60)
    estimator = MonteCarloClassifier(
        classifier(X, np.eye(3)[Y]), samples=6, warm_start=True
    )
    for _ in range(3):
        estimator.fit(X[labelled], Y[labelled])
        prediction = estimator.mc_predict(X[pool])
        chosen = pool[kd.acquisition.select(prediction, 4)]
        labelled += chosen.tolist()
        pool = np.setdiff1d(pool, chosen)

    assert len(set(labelled)) == len(labelled) == 21


@pytest.mark.once
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_taken_and_their_columns_held_to(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({name: X[:, i] for i, name in enumerate("abcd")})
    estimator = MonteCarloClassifier(classifier, samples=2).fit(
        frame, frames.Series(Y.tolist())
    )

    np.testing.assert_array_equal(
        estimator.predict_proba(frame),
        MonteCarloClassifier.predict_proba(estimator, frame),
    )
    assert estimator.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    moved = frame[["b", "a", "c", "d"]]
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(moved)
    with pytest.raises(ValueError, match="feature names"):
        estimator.fit(frame, Y, validation_data=(moved, Y))


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"samples": 1}, ValueError, "samples"),
        ({"masks": "none"}, ValueError, "masks"),
        ({"predict_kwargs": {"seed": 1}}, ValueError, "predict_kwargs"),
        ({"model": 3}, TypeError, "model"),
        ({"model": keras.Sequential([keras.Input((4,))])}, ValueError, "compiled"),
        ({"rate": 2.0}, ValueError, "rate"),
    ],
)
def test_arguments_are_refused_in_fit(options, error, words):
    estimator = MonteCarloClassifier(**{"model": classifier, **options})

    with pytest.raises(error, match=words):
        estimator.fit(X, Y)


@pytest.mark.once
def test_outputs_that_fit_no_class_are_refused():
    wide = network((4,), 5, "softmax", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="5 for 3 classes"):
        MonteCarloClassifier(wide).fit(X, Y)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits = MonteCarloClassifier(network((4,), 3, None, loss), samples=2).fit(X, Y)
    with pytest.raises(ValueError, match="outputs='logits'"):
        logits.predict(X)
    inputs = keras.Input((4,))
    named = keras.Model(inputs, {"out": kd.layers.Dropout(0.5)(inputs)})
    named.compile("adam", "mse")
    with pytest.raises(ValueError, match="a dict of 1"):
        MonteCarloClassifier(named, samples=2).fit(X, Y)
    logits.set_params(outputs="logits")
    np.testing.assert_allclose(logits.predict_proba(X).sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.once
def test_one_logit_is_that_of_the_second_class():
    x, y = blobs(classes=2)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = network((4,), 1, None, loss)
    estimator = MonteCarloClassifier(model, samples=4, outputs="logits", random_state=0)

    estimator.fit(x, y, epochs=8, batch_size=12)

    assert estimator.score(x, y) > 0.9
    assert estimator.mc_predict(x).kind == "binary"
    assert set(estimator.predict(x)) == {0, 1}


@pytest.mark.once
@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.SparseCategoricalCrossentropy(name="ce"),
        ["sparse_categorical_crossentropy"],
        keras.losses.sparse_categorical_crossentropy,
        ["categorical_crossentropy"],
        keras.losses.CategoricalCrossentropy(),
    ],
)
def test_targets_have_the_form_that_the_loss_takes(loss):
    estimator = MonteCarloClassifier(network((4,), 3, "softmax", loss), samples=2)

    estimator.fit(X, Y, epochs=8, batch_size=20)

    assert estimator.score(X, Y) > 0.9


@pytest.mark.once
def test_an_estimator_is_one_of_keras():
    assert issubclass(MonteCarloClassifier, keras.wrappers.SKLearnClassifier)
    assert issubclass(MonteCarloRegressor, keras.wrappers.SKLearnRegressor)
