"""Batches in other processes get what one process gives all rows."""

import os
import pickle

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.integrations import BatchPredictor, loading

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            kd.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    model.save(path)
    return path


def test_shared_masks_give_what_one_process_gives_at_once(model, path):
    outputs = ["mean", "std", "entropy", "mutual_information"]
    predictor = BatchPredictor(
        path, x="rows", outputs=outputs, masks="shared", samples=8, seed=3
    )
    whole = kd.mc_predict(model, X, 8, seed=3, masks="shared", batch_size=32)

    blocks = [predictor({"rows": X[i : i + 32], "id": [i] * 32}) for i in (64, 0, 32)]

    for block, start in zip(blocks, (64, 0, 32), strict=True):
        assert block["id"] == [start] * 32
        np.testing.assert_array_equal(block["rows"], X[start : start + 32])
        for name in outputs:
            expected = getattr(whole, name)[start : start + 32]
            np.testing.assert_array_equal(block[name], expected)


def test_independent_noise_is_of_each_block_and_repeats(model):
    predictor = BatchPredictor(model, outputs="samples", samples=8)
    twin = pickle.loads(pickle.dumps(predictor))

    first, second = predictor(X[:32]), predictor(X[32:64])
    again = twin(X[:32].astype("float64"))

    np.testing.assert_allclose(first["samples"], again["samples"], rtol=1e-6)
    assert first["samples"].shape == (32, 8, 3)
    # The same rows in another block have other noise.
    moved = predictor(np.concatenate([X[:31], X[32:33]]))["samples"]
    assert not np.allclose(moved[:31], first["samples"][:31])
    assert not np.allclose(first["samples"], second["samples"])


def test_a_model_is_pickled_with_the_weights_of_then(model):
    other = keras.models.clone_model(model)
    predictor = BatchPredictor(other, samples=2, seed=0)
    before = pickle.dumps(predictor)
    other.set_weights([value * 0 for value in other.get_weights()])

    changed = pickle.loads(pickle.dumps(predictor))(X[:8])["mean"]

    np.testing.assert_allclose(changed, 1 / 3, rtol=1e-6)
    assert np.ptp(pickle.loads(before)(X[:8])["mean"]) > 0.01


@pytest.mark.once
def test_a_loss_of_ones_own_need_not_be_known_elsewhere(model):
    def own(targets, outputs):
        return keras.ops.mean(outputs)

    compiled = keras.models.clone_model(model)
    compiled.compile("adam", own)
    predictor = BatchPredictor(compiled, samples=2, seed=0)

    twin = pickle.loads(pickle.dumps(predictor))

    np.testing.assert_array_equal(twin(X)["mean"], predictor(X)["mean"])


@pytest.mark.once
def test_a_process_loads_a_model_once(path, monkeypatch):
    calls = []
    load = keras.saving.load_model
    monkeypatch.setattr(loading, "_loaded", loading.collections.OrderedDict())
    monkeypatch.setattr(
        keras.saving, "load_model", lambda *a, **k: calls.append(a) or load(*a, **k)
    )
    predictors = [BatchPredictor(path, samples=2) for _ in range(2)]
    predictors.append(pickle.loads(pickle.dumps(predictors[0])))
    assert not calls

    models = [each.load() for each in predictors]

    assert len(calls) == 1
    assert models[0] is models[1] is models[2]
    # A file that has changed is another model.
    os.utime(path, ns=(1, 1))
    assert BatchPredictor(path).load() is not models[0]


@pytest.mark.once
def test_columns_lie_side_by_side_and_may_hold_lists(model):
    predictor = BatchPredictor(model, x=["a", "b"], samples=4, seed=0, masks="shared")
    rows = np.empty(6, object)
    rows[:] = [row.tolist() for row in X[:6, 1:]]

    found = predictor({"a": X[:6, 0], "b": rows})

    expected = BatchPredictor(model, samples=4, seed=0, masks="shared")(X[:6])
    np.testing.assert_array_equal(found["mean"], expected["mean"])


@pytest.mark.once
def test_inputs_and_outputs_go_by_their_names():
    first, second = keras.Input((2,), name="first"), keras.Input((1,), name="second")
    joined = keras.layers.Concatenate()([first, second])
    noisy = kd.layers.Dropout(0.5)(joined)
    outputs = {"a": keras.layers.Dense(1)(noisy), "b": keras.layers.Dense(2)(noisy)}
    model = keras.Model([first, second], outputs)
    names = {"first": ["u", "v"], "second": "w"}
    batch = {name: np.arange(5.0) for name in "uvw"}

    found = BatchPredictor(model, x=names, prefix="mc_", samples=4)(batch)

    new = ["mc_a_mean", "mc_a_std", "mc_b_mean", "mc_b_std"]
    assert list(found) == ["u", "v", "w", *new]
    assert found["mc_b_std"].shape == (5, 2)
    arrays = BatchPredictor(model, samples=4)(np.ones((5, 2)), np.ones((5, 1)))
    assert arrays["a_mean"].shape == (5, 1)


@pytest.mark.once
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_get_columns(model, library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({name: X[:6, i] for i, name in enumerate("abcd")})

    found = BatchPredictor(model, x=list("abcd"), outputs=["mean", "entropy"])(frame)

    assert list(found.columns) == ["a", "b", "c", "d", "mean", "entropy"]
    if library == "pandas":
        # Arrow takes lists of arrays, and no arrays of several axes.
        many = BatchPredictor(model, x=list("abcd"), samples=2, outputs="samples")
        first = many(frame)["samples"][0]
        assert isinstance(first, list)
        assert np.shape(first) == (2, 3)
    assert np.stack(list(found["mean"])).shape == (6, 3)


@pytest.mark.once
def test_a_block_without_rows_gets_columns_without_rows(model):
    found = BatchPredictor(model, x="rows", samples=2)({"rows": X[:0]})

    assert found["mean"].shape == found["std"].shape == (0, 3)


@pytest.mark.once
def test_results_are_written_as_batches_go(model):
    seen = []

    def batches():
        for start in range(0, 96, 32):
            seen.append(start)
            yield {"rows": X[start : start + 32]}

    answers = map(BatchPredictor(model, x="rows", samples=2), batches())

    assert next(answers)["mean"].shape == (32, 3)
    assert seen == [0]


@pytest.mark.once
def test_a_model_that_does_not_load_is_named(tmp_path):
    (tmp_path / "broken.keras").write_text("no model")
    for name in ("broken.keras", "missing.keras"):
        with pytest.raises(RuntimeError, match=f"{name}.*Keras on"):
            BatchPredictor(tmp_path / name)(X)


@pytest.mark.once
def test_another_backend_is_refused_where_it_would_draw_other_noise(model):
    backend = keras.backend.backend()
    state = BatchPredictor(model)._source.__getstate__()

    with pytest.raises(RuntimeError, match=f"KERAS_BACKEND to '{backend}o'"):
        loading.ModelSource.__new__(loading.ModelSource).__setstate__(
            {**state, "backend": f"{backend}o"}
        )


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"outputs": ["mean", "colour"]}, ValueError, "outputs"),
        ({"samples": 1}, ValueError, "samples"),
        ({"masks": "none"}, ValueError, "masks"),
        ({"seed": -1}, ValueError, "seed"),
        ({"prefix": 3}, TypeError, "prefix"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"model_or_path": 3}, TypeError, "model_or_path"),
        ({"layers": ["dropout", kd.layers.Dropout(0.5)]}, TypeError, "layers"),
    ],
)
def test_arguments_are_refused_when_built(model, options, error, words):
    with pytest.raises(error, match=words):
        BatchPredictor(**{"model_or_path": model, **options})


class Table:
    """A table of another library, as one of pyarrow."""

    columns = ()


@pytest.mark.once
@pytest.mark.parametrize("batch", [X.tolist(), 3, None, "text", [], Table()], ids=type)
def test_what_is_no_batch_is_refused(model, batch):
    with pytest.raises(TypeError, match="a dictionary of columns, a frame of pandas"):
        BatchPredictor(model, samples=2)(batch)


@pytest.mark.once
@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([1.0, None, 2.0], "'a', with None"),
        (["u", None, "v"], "'a', with None"),
        (["u", float("nan"), "v"], "'a', with strings and numbers"),
        ([[1.0], [1.0, 2.0]], "'a', .*shape"),
    ],
)
def test_a_column_that_is_no_array_is_named(model, column, words):
    rows = np.empty(len(column), object)
    rows[:] = column

    for each in (rows, rows.tolist()):
        with pytest.raises(ValueError, match=f"Received: the column {words}"):
            BatchPredictor(model, x="a", samples=2)({"a": each})


@pytest.mark.once
def test_batches_that_do_not_fit_are_refused(model):
    predictor = BatchPredictor(model, x="rows", samples=2)

    with pytest.raises(ValueError, match="'rows'"):
        predictor({"lines": X})
    with pytest.raises(ValueError, match="prefix"):
        predictor({"rows": X, "mean": X})
    with pytest.raises(ValueError, match="x"):
        BatchPredictor(model)({"rows": X})
    with pytest.raises(ValueError, match="columns of strings"):
        BatchPredictor(model, x=["a", "b"])({"a": X[:, :3], "b": ["u"] * 96})
    with pytest.raises(ValueError, match="have: mean"):
        BatchPredictor(model, outputs="aleatoric", kind="values")(X)
