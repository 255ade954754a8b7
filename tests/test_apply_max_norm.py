"""Max-norm on whole models: what it takes, what it leaves alone, what it saves."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import constraints, layers
from keras_dropout.constraints import apply_max_norm, max_norm_report
from tests import fresh


def pretrained_model():
    """Convolutions, batch normalisation and a dense head, as trained by somebody."""
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    x = keras.layers.BatchNormalization()(x)
    y = keras.layers.SeparableConv2D(4, 3, padding="same", name="second")(x)
    x = keras.layers.Add()([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x), name="pretrained")


def mlp(*stack):
    return keras.Sequential([keras.Input((4,)), *stack], name="mlp")


def values(layer):
    return [ops.convert_to_numpy(each).copy() for each in layer.weights]


TRAIN = """
import sys, keras, numpy as np, keras_dropout

model = keras.saving.load_model(sys.argv[1])
random = np.random.default_rng(0)
x, y = random.normal(size=(16, 8, 8, 2)), 100 * random.normal(size=(16, 3))
model.compile(keras.optimizers.SGD(10.0), "mae")
model.fit(x, y, epochs=2, verbose=0)
for row in keras_dropout.constraints.max_norm_report(model):
    assert row.limit == 0.5, row
    assert row.largest <= 0.5 * (1 + 1e-6), row
assert any(row.at_limit for row in keras_dropout.constraints.max_norm_report(model))
"""


def test_a_pretrained_model_obeys_in_a_fresh_process(tmp_path):
    model = pretrained_model()
    apply_max_norm(model, 0.5)
    model.save(tmp_path / "model.keras")

    fresh.run(TRAIN, tmp_path / "model.keras")


def test_scales_what_is_over_the_limit_at_once():
    model = mlp(keras.layers.Dense(3, kernel_initializer="ones"))

    apply_max_norm(model, 1.0)

    np.testing.assert_array_equal(values(model)[0], np.full((4, 3), 0.5, "float32"))


def test_leaves_all_else_as_it_was():
    model = pretrained_model()
    before = values(model)

    apply_max_norm(model, 1e6)

    for expected, received in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_changes_the_limit_when_called_again():
    model = pretrained_model()
    apply_max_norm(model, 0.5)

    apply_max_norm(model, 0.25)

    assert {row.limit for row in max_norm_report(model)} == {0.25}


def test_changes_the_limit_of_a_wrapper_and_what_it_saves():
    wrapper = layers.MaxNormDropout(keras.layers.Dense(3), max_value=3.0)
    model = mlp(wrapper)

    apply_max_norm(model, 0.25)

    copy = layers.MaxNormDropout.from_config(wrapper.get_config())
    assert wrapper.max_value == copy.max_value == 0.25


@pytest.mark.parametrize(
    ("pick", "limited"),
    [
        ("first", {"first/kernel"}),
        (keras.layers.Dense, {"head/kernel"}),
        (["first", "head"], {"first/kernel", "head/kernel"}),
        (
            lambda layer: layer.name == "second",
            {"second/depthwise_kernel", "second/pointwise_kernel"},
        ),
    ],
)
def test_limits_the_layers_that_are_picked(pick, limited):
    model = pretrained_model()

    apply_max_norm(model, 0.5, layers=pick)

    paths = [row.weight for row in max_norm_report(model) if row.limit]
    assert {"/".join(path.split("/")[-2:]) for path in paths} == limited


def test_leaves_frozen_layers_alone():
    model = pretrained_model()
    frozen = model.get_layer("first")
    frozen.trainable = False
    before = values(frozen)

    apply_max_norm(model, 1e-3)

    assert frozen.kernel.constraint is None
    assert frozen.kernel_constraint is None
    np.testing.assert_array_equal(values(frozen)[0], before[0])


def test_acts_in_a_model_whose_step_is_compiled_already():
    model = mlp(keras.layers.Dense(3))
    model.compile(keras.optimizers.SGD(1.0), "mae")
    x, y = np.ones((4, 4)), np.full((4, 3), 100.0)
    model.fit(x, y, verbose=0)

    apply_max_norm(model, 0.1)
    model.fit(x, y, epochs=3, verbose=0)

    assert max_norm_report(model)[0].largest <= 0.1 * (1 + 1e-6)


def test_a_shared_layer_counts_once():
    shared = keras.layers.Dense(4)
    model = mlp(shared, shared)

    apply_max_norm(model, 0.5)

    assert len(max_norm_report(model)) == 1


def test_weight_noise_is_limited_in_its_raw_weights():
    dense = keras.layers.Dense(3)
    model = mlp(layers.DropConnect(dense, rate=0.5))

    apply_max_norm(model, 0.1)
    model.compile(keras.optimizers.SGD(1.0), "mae")
    model.fit(np.ones((4, 4)), np.full((4, 3), 100.0), verbose=0)

    norms = np.linalg.norm(ops.convert_to_numpy(dense.kernel), axis=0)
    assert norms.max() <= 0.1 * (1 + 1e-6)


class Prototypes(keras.layers.Layer):
    """A layer of a user, with a matrix that we cannot know."""

    def build(self, input_shape):
        self.points = self.add_weight(shape=(3, input_shape[-1]), name="points")

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.points))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 3)


@keras.saving.register_keras_serializable(package="tests")
class Declared(Prototypes):
    """The same, saying its axes and keeping a constraint."""

    incoming_axes = {"points": 1}  # noqa: RUF012

    def __init__(self, points_constraint=None, **kwargs):
        super().__init__(**kwargs)
        self.points_constraint = keras.constraints.get(points_constraint)

    def build(self, input_shape):
        super().build(input_shape)
        self.points.constraint = self.points_constraint

    def get_config(self):
        kept = keras.constraints.serialize(self.points_constraint)
        return {**super().get_config(), "points_constraint": kept}


def test_refuses_a_layer_that_it_does_not_know():
    with pytest.raises(ValueError, match=r"register_incoming_axes\(Prototypes, "):
        apply_max_norm(mlp(Prototypes()))


class Tables(keras.layers.Layer):
    """Has what the layers of KerasHub have beside kernels."""

    def build(self, shape):
        self.position_embeddings = self.add_weight((5, 4), name="embeddings")
        self.relative_attention_bias = self.add_weight((5, 4), name="embeddings")
        self.cls_token = self.add_weight((1, 1, 4), name="cls_token")

    def call(self, x):
        return x


def test_knows_tables_biases_and_single_vectors_by_name_and_shape():
    with pytest.warns(UserWarning, match="not saved"):
        model = apply_max_norm(mlp(Tables()), 0.01)

    (row,) = max_norm_report(model)
    assert (row.weight.split("/")[-1], row.axes) == ("embeddings", (1,))
    table = ops.convert_to_numpy(model.layers[0].position_embeddings)
    assert np.all(np.linalg.norm(table, axis=1) <= 0.01 * (1 + 1e-5))


class Holds(keras.layers.Layer):
    """Holds weights. Their names and shapes do not say what they are."""

    def __init__(self, attribute, shape, name):
        super().__init__(name=name)
        self.attribute, self.shape = attribute, shape

    def build(self, shape):
        weight = self.add_weight(self.shape, name="w")
        setattr(
            self, self.attribute, [weight] if self.attribute == "several" else weight
        )

    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("attribute", "shape", "advice"),
    [
        ("points", (5, 4), r"`\{'points': 1\}` for a table of vectors"),
        ("query", (1, 1, 4), r"`\{'query': None\}` for a single vector"),
        ("mixer", (2, 3, 4), r"`\{'mixer': \(...\)\}` with those of the 3 axes"),
        ("several", (5, 4), "not an attribute of the layer"),
    ],
)
def test_tells_how_to_say_the_axes_or_to_leave_the_layer_out(attribute, shape, advice):
    model = mlp(Holds(attribute, shape, "own"), keras.layers.Dense(3))

    for function in (apply_max_norm, max_norm_report):
        with pytest.raises(ValueError, match=f"{advice}.*skip='own'"):
            function(model)
    apply_max_norm(model, 0.5, skip="own")

    (row,) = max_norm_report(model, skip=Holds)
    assert row.limit == 0.5


def test_applies_and_reports_alike_with_a_spare_layer_that_is_not_built():
    class Spare(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.used, self.unused = keras.layers.Dense(3), keras.layers.Dense(3)

        def build(self, shape):
            self.used.build(shape)

        def call(self, x):
            return self.used(x)

    model = mlp(Spare(), keras.layers.Dense(2, name="last"))

    with pytest.warns(UserWarning, match="not saved"):
        apply_max_norm(model, 0.5, layers=Spare)

    assert [row.limit for row in max_norm_report(model)] == [0.5, None]
    assert [row.limit for row in max_norm_report(model, layers=Spare)] == [0.5]
    assert [row.limit for row in max_norm_report(model, skip="last")] == [0.5]
    with pytest.raises(ValueError, match="`skip`"):
        max_norm_report(model, skip="nothing")


def test_takes_the_axes_that_a_layer_declares(tmp_path):
    model = mlp(Declared())

    apply_max_norm(model, 0.5)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    (row,) = max_norm_report(loaded)
    assert (row.axes, row.limit) == ((1,), 0.5)


def test_takes_the_axes_that_are_registered():
    class Registered(Prototypes):
        pass

    constraints.register_incoming_axes(Registered, {"points": 1})
    layer = layers.MaxNormDropout(Registered(), max_value=0.5)

    layer.build((None, 4))

    assert layer.layer.points.constraint.get_config() == {
        "max_value": 0.5,
        "axis": (1,),
    }


def test_refuses_declared_axes_that_the_weight_lacks():
    class Wrong(Prototypes):
        incoming_axes = {"points": 2}  # noqa: RUF012

    with pytest.raises(ValueError, match=r"axes of a weight of shape \(3, 4\)"):
        apply_max_norm(mlp(Wrong()))


def test_refuses_to_register_what_is_no_layer_class():
    with pytest.raises(TypeError, match="layer_class"):
        constraints.register_incoming_axes(keras.layers.Dense(1), {"kernel": 0})
    with pytest.raises(TypeError, match="incoming_axes"):
        constraints.register_incoming_axes(Prototypes, 0)


def test_warns_of_a_limit_that_cannot_be_saved():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model(np.ones((1, 4)))

    with pytest.warns(UserWarning, match="not saved"):
        apply_max_norm(model, 0.5)


def test_does_not_warn_where_all_is_saved():
    inputs = keras.Input((5, 4))
    x = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3))(x)
    model = keras.Model(inputs, mlp_of_six(x))

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        apply_max_norm(model, 0.5)


def mlp_of_six(x):
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    return layers.MaxNormDropout(inner)(x)


def test_refuses_a_model_that_is_not_built():
    with pytest.raises(ValueError, match="must be built"):
        apply_max_norm(keras.Sequential([keras.layers.Dense(3)]))


def test_refuses_a_model_with_nothing_to_limit():
    model = mlp(keras.layers.Dense(3))
    model.trainable = False

    with pytest.raises(ValueError, match="nothing to limit"):
        apply_max_norm(model)


@pytest.mark.parametrize("value", [0, -3.0, float("nan")])
def test_refuses_a_limit_that_is_no_positive_number(value):
    with pytest.raises(ValueError, match="`max_value`"):
        apply_max_norm(mlp(keras.layers.Dense(3)), value)


def test_refuses_to_replace_another_constraint():
    model = mlp(keras.layers.Dense(3, kernel_constraint="non_neg"))

    with pytest.raises(ValueError, match="another constraint"):
        apply_max_norm(model)


def test_replaces_the_max_norm_of_keras():
    model = mlp(keras.layers.Dense(3, kernel_constraint="max_norm"))

    apply_max_norm(model, 0.5)

    assert isinstance(model.layers[0].kernel_constraint, constraints.MaxNorm)


def test_refuses_a_kernel_with_lora():
    dense = keras.layers.Dense(3)
    model = mlp(dense)
    dense.enable_lora(2)

    with pytest.raises(ValueError, match=r"LoRA adds .* lora_rank=2"):
        apply_max_norm(model)


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
@pytest.mark.filterwarnings("ignore:Layer MaxNormDropout does not have a `quantize`")
@pytest.mark.parametrize(
    "mode", ["int8", pytest.param("int4", marks=pytest.mark.newest)]
)
def test_leaves_quantized_layers_alone(mode, tmp_path):
    """Their integers have no norm, and load back into a wrapper all the same."""
    model = mlp(layers.MaxNormDropout(keras.layers.Dense(4)), keras.layers.Dense(2))
    model.quantize(mode)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert len(max_norm_report(loaded)) == 0
    assert loaded.layers[0].max_value == 3.0
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    with pytest.raises(ValueError, match="frozen or quantized"):
        apply_max_norm(loaded)


def test_reports_before_and_after():
    model = mlp(keras.layers.Dense(2, kernel_initializer="ones", name="dense"))

    (before,) = max_norm_report(model)
    apply_max_norm(model, 1.5)
    (after,) = max_norm_report(model)

    assert (before.largest, before.limit, before.at_limit) == (2.0, None, 0)
    assert (after.largest, after.limit, after.at_limit) == (1.5, 1.5, 2)
    assert (after.shape, after.axes, after.units) == ((4, 2), (0,), 2)


def test_refuses_to_report_on_what_is_not_built():
    with pytest.raises(ValueError, match="before the model is built"):
        max_norm_report(keras.layers.Dense(2))
