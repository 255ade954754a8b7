"""Inputs that a layer has no answer for, and those that only look so."""

import keras
import numpy as np
import pytest
from keras import layers as K

import keras_dropout as kd
from keras_dropout import layers


def ones(*shape):
    return np.ones(shape, "float32")


def ids(dtype, *shape):
    return np.full(shape, 7, dtype)


def attend(layer, x, **options):
    return layer(x, x, **options)


REFUSED = [
    (layers.MaxPoolingDropout3D(0.5, 3, strides=2), ones(1, 1, 1, 1, 1), "windows fit"),
    (layers.MaxPoolingDropout1D(0.5, 3), ones(1, 2, 1), "windows fit"),
    (layers.MaxPoolingDropout2D(0.5, padding="same"), ones(1, 0, 2, 1), "windows fit"),
    (layers.StochasticPooling2D((1, 3)), ones(1, 3, 2, 1), "windows fit"),
    (layers.PatchDropout(0.5, num_prefix_tokens=4), ones(2, 3, 4), "their prefix"),
    (layers.TokenDropout(token_id=300), ids("uint8", 2, 3), "at most 255"),
    (layers.TokenDropout(protected_ids=128), ids("int8", 2, 3), "at most 127"),
    (layers.TokenDropout(), ids("bool", 2, 3), "token ids"),
    (layers.RecurrentDropoutLSTM(2), ones(2, 0, 3), "one step"),
    (layers.RecurrentDropoutGRU(2), np.float32(1), "one step"),
    (layers.Zoneout(K.GRUCell(2)), ones(2, 3), "one step"),
    (layers.RecurrentDropoutGRU(2), ids("int32", 2, 3, 4), "floating-point"),
    (layers.DropHead(2, 2), ones(2, 3), "all of one rank"),
    (layers.DropHead(2, 2), ids("bool", 2, 3, 4), "floating-point"),
    (layers.DropKey(2, 2), ones(2), "all of one rank"),
    (layers.DropKey(2, 2), ones(2, 3, 2, 4), "all of one rank"),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("layer", "x", "words"), REFUSED, ids=lambda value: getattr(value, "name", None)
)
def test_what_does_not_fit_is_refused_in_words(layer, x, words, training):
    heads = isinstance(layer, keras.layers.MultiHeadAttention)
    call = attend if heads else type(layer).__call__

    with pytest.raises(ValueError, match=rf"{words}(.|\n)*Received"):
        call(layer, x, training=training)


def test_attention_of_different_ranks_is_refused_after_it_was_built():
    layer = layers.DropHead(2, 2)
    layer(ones(2, 3, 4), ones(2, 5, 4))

    with pytest.raises(ValueError, match="all of one rank"):
        layer(ones(2, 3), ones(2, 3))
    with pytest.raises(ValueError, match="all of one rank"):
        layer(ones(2, 3, 4), ones(2, 5, 4), ones(2, 2, 5, 4))


EMPTY = [
    (layers.Dropout(0.5), ones(0, 3), (0, 3)),
    (layers.DropBlock1D(0.5, 2), ones(2, 0, 3), (2, 0, 3)),
    (layers.DropBlock2D(0.5, 2, per="row"), ones(2, 3, 0, 1), (2, 3, 0, 1)),
    (layers.DropBlock3D(0.5, 2, scale="none"), ones(0, 2, 2, 2, 1), (0, 2, 2, 2, 1)),
    (layers.MaxPoolingDropout1D(0.5), ones(0, 2, 0), (0, 1, 0)),
    (layers.EmbeddingDropout(9, 2, per="row"), ids("int32", 0, 3), (0, 3, 2)),
    (layers.EmbeddingDropout(9, 2, per="row"), ids("int32", 3, 0), (3, 0, 2)),
    (layers.EmbeddingDropout(9, 2, per="row"), ids("int32", 0, 0), (0, 0, 2)),
    (layers.EmbeddingDropout(9, 2, per="row"), ids("int32"), (2,)),
    (layers.ShakeDrop(0.5, per="channel"), np.float32(1), ()),
    (layers.ShakeDrop(0.5, per="row", gate_per="row"), np.float32(1), ()),
    (layers.PatchDropout(0.5, num_prefix_tokens=3), ones(2, 3, 4), (2, 3, 4)),
    (layers.PatchDropout(0.5, num_prefix_tokens=3), ones(2, 3, 0), (2, 3, 0)),
]


@pytest.mark.parametrize(
    ("layer", "x", "shape"), EMPTY, ids=lambda value: getattr(value, "name", None)
)
def test_what_is_empty_or_a_single_number_has_an_answer(layer, x, shape):
    assert tuple(layer(x, training=True).shape) == shape


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["StochasticDepth", "ShakeShake"])
def test_variables_without_rows_are_joined(name, training):
    x = keras.Variable(ones(0, 3))

    assert tuple(getattr(layers, name)()([x, x], training=training).shape) == (0, 3)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int32", "uint32"])
def test_ids_keep_the_dtype_that_the_backend_has_for_them(dtype):
    layer = layers.TokenDropout(1.0, token_id=100)
    told = layer(keras.Input((3,), dtype=dtype)).dtype

    y = layer(ids(dtype, 2, 3), training=True)

    assert keras.backend.standardize_dtype(y.dtype) == told
    assert (keras.ops.convert_to_numpy(y) == 100).all()


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dropout(0.5),
        layers.DropPath(0.5),
        layers.DropBlock1D(0.5, 1, scale="none"),
    ],
    ids=lambda layer: layer.name,
)
def test_a_variable_is_taken_for_its_value(layer):
    y = layer(keras.Variable(ones(20, 6, 4)), training=True)

    assert set(np.unique(keras.ops.convert_to_numpy(y))) <= {0.0, 1.0, 2.0}


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have")
@pytest.mark.parametrize("wrapper", ["DropConnect", "Mixout"])
def test_a_quantized_layer_infers_saves_and_loads_and_is_never_noisy(wrapper, tmp_path):
    layer = getattr(layers, wrapper)(K.Dense(3), 0.5)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.quantize("int8")
    expected = keras.ops.convert_to_numpy(model(ones(2, 4)))

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert np.array_equal(keras.ops.convert_to_numpy(loaded(ones(2, 4))), expected)
    for each in (model, loaded):
        with pytest.raises(ValueError, match=r"are quantized(.|\n)*before `quantize`"):
            each(ones(2, 4), training=True)
        with pytest.raises(ValueError, match=r"are quantized(.|\n)*before `quantize`"):
            kd.mc_predict(each, ones(2, 4), samples=2)


def _reloaded(model, path):
    model.save(path)
    return keras.saving.load_model(path)


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have")
@pytest.mark.parametrize(
    "wrapper", ["SparseVariationalDropout", "Standout", "TargetedDropout"]
)
def test_quantize_leaves_alone_what_computes_with_float_weights(wrapper, tmp_path):
    layer = getattr(layers, wrapper)(K.Dense(3))
    model = keras.Sequential([keras.Input((4,)), layer, K.Dense(2)])
    expected = keras.ops.convert_to_numpy(layer(ones(2, 4)))

    with pytest.warns(UserWarning, match=f"{wrapper} .* stays in floats"):
        model.quantize("int8")
    loaded = _reloaded(model, tmp_path / "model.keras")

    for each in (model, loaded):
        outputs = keras.ops.convert_to_numpy(each.layers[0](ones(2, 4)))
        assert each.layers[1].quantization_mode == "int8"
        assert np.array_equal(outputs, expected)
        assert kd.mc_predict(each, ones(2, 4), samples=3).std.max() > 0


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have")
@pytest.mark.parametrize("wrapper", ["ConcreteDropout", "InformationDropout"])
def test_noise_on_activations_stays_with_quantized_weights(wrapper, tmp_path):
    layer = getattr(layers, wrapper)(K.Dense(3))
    model = keras.Sequential([keras.Input((4,)), layer])

    model.quantize("int8")
    loaded = _reloaded(model, tmp_path / "model.keras")

    for each in (model, loaded):
        assert each.layers[0].layer.quantization_mode == "int8"
        assert kd.mc_predict(each, ones(2, 4), samples=3).std.max() > 0


def test_r_drop_takes_masks_and_weights_together():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            K.Embedding(9, 4, mask_zero=True),
            layers.Dropout(0.3),
            K.Dense(3, activation="softmax"),
        ]
    )
    trainer = layers.RDrop(model)
    trainer.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    weights = ones(4, 5)

    loss = trainer.train_on_batch(
        np.array([[1, 2, 3, 0, 0]] * 4), np.zeros((4, 5)), sample_weight=weights
    )

    assert np.isfinite(loss)
    assert (weights == 1).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: layers.VariationalDropout(0.5),
        lambda: layers.ConcreteDropout(keras.layers.Dense(3)),
        lambda: layers.Standout(keras.layers.Dense(3)),
        lambda: layers.DropConnect(keras.layers.Dense(3), 0.5),
        lambda: layers.MultiSampleDropout(keras.layers.Conv1D(3, 2), 0.5),
    ],
)
def test_an_input_that_lacks_an_axis_is_refused(build):
    with pytest.raises(ValueError, match=r"axes|axis|rank|ndim"):
        build()(np.float32(1.0))
