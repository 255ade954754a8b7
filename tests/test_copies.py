"""Copies of models: what they share, and what is their own."""

import copy
import pickle

import keras
import numpy as np
import pytest

import keras_dropout as kd
from tests.test_contract import array

BACKEND = keras.backend.backend()


def test_a_seed_generator_can_be_shared_and_serialised():
    generator = keras.random.SeedGenerator(5)
    a, b = (kd.layers.Dropout(0.5, seed=generator) for _ in range(2))
    x = np.ones((4, 64), "float32")

    first, second = array(a(x, training=True)), array(b(x, training=True))
    again = kd.layers.Dropout.from_config(a.get_config())

    assert not np.array_equal(first, second)
    assert np.array_equal(array(again(x, training=True)), first)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_draws_the_same_and_goes_its_own_way(copied):
    ramp = kd.schedules.Linear(0.25, 0.75, steps=4)
    stack = [kd.layers.Dropout(0.5, seed=1), kd.layers.Dropout(ramp, seed=2)]
    model = keras.Sequential([keras.Input((64,)), *stack])
    x = np.ones((4, 64), "float32")
    model(x, training=True)
    model.layers[0].rate = 0.375

    twin = copied(model)

    assert [layer.rate for layer in twin.layers] == [0.375, 0.375]
    assert np.array_equal(array(twin(x, training=True)), array(model(x, training=True)))
    twin.layers[0].rate = 0.0
    twin(x, training=True)
    assert [layer.rate for layer in model.layers] == [0.375, 0.5]


def test_layers_that_share_a_generator_share_it_after_reload(tmp_path):
    generator = keras.random.SeedGenerator(5)
    shared = [kd.layers.MCDropout(0.5, seed=generator) for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *shared])
    x = np.ones((4, 64), "float32")
    model(x)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.layers[0].seed_generator is loaded.layers[1].seed_generator
    assert np.array_equal(array(loaded(x)), array(model(x)))


def _in_one_model(layers):
    return keras.Sequential([keras.Input((64,)), *layers])


def _in_nested_models(layers):
    nested = [keras.Sequential([keras.Input((64,)), each]) for each in layers]
    return keras.Sequential([keras.Input((64,)), *nested])


COPIES = {
    "clone_model": keras.models.clone_model,
    "a clone of a clone": lambda m: keras.models.clone_model(
        keras.models.clone_model(m)
    ),
    "to_json": lambda m: keras.models.model_from_json(m.to_json()),
    "from_config": lambda m: type(m).from_config(m.get_config()),
    "deepcopy": copy.deepcopy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "clone_model with the weights of a file": "file",
}


@pytest.mark.parametrize("build", [_in_one_model, _in_nested_models])
@pytest.mark.parametrize("copied", COPIES)
def test_copies_of_layers_that_share_a_generator_share_another(build, copied, tmp_path):
    """They draw what the originals would, not one mask twice."""
    generator = keras.random.SeedGenerator(5)
    shared = [kd.layers.Dropout(0.5, seed=generator, name="drop") for _ in range(2)]
    if build is _in_one_model:
        shared[1] = kd.layers.Dropout(0.5, seed=generator, name="other")
    model = build(shared)
    if COPIES[copied] == "file":
        twins = [keras.models.clone_model(model) for _ in range(2)]
        model.save_weights(tmp_path / "model.weights.h5")
        for twin in twins:
            twin.load_weights(tmp_path / "model.weights.h5")
    else:
        twins = [COPIES[copied](model) for _ in range(2)]

    x = np.ones((4, 64), "float32")
    expected = [array(layer(x, training=True)) for layer in shared]
    for twin in twins:
        first, second = (
            each for each in kd._model.flatten_layers(twin) if hasattr(each, "rate")
        )
        assert first.seed_generator is second.seed_generator is not generator
        for layer, masked in zip((first, second), expected, strict=True):
            assert np.array_equal(array(layer(x, training=True)), masked)
    assert len({id(s) for t in twins for s in kd._model.seed_generators(t)}) == 2


def test_a_part_that_was_copied_before_does_not_disturb_a_clone():
    generator = keras.random.SeedGenerator(5)
    a, b = (kd.layers.Dropout(0.5, seed=generator, name=name) for name in "ab")
    model = _in_one_model([a, b])
    first = keras.models.clone_model(model)
    again = kd.layers.Dropout.from_config(a.get_config())

    assert again.seed_generator is not first.layers[0].seed_generator


needs_torch = pytest.mark.skipif(
    BACKEND != "torch", reason="state dictionaries are PyTorch's"
)


def dropped(module):
    drop = module.Dropout(0.5, seed=1, name="drop")
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), drop])


@needs_torch
@pytest.mark.parametrize("module", [keras.layers, kd.layers], ids=["keras", "ours"])
def test_a_clone_takes_the_weights_of_a_state_dictionary(module):
    """As in plain Keras, where seed generators have another name in each copy."""
    model = dropped(module)
    clone = keras.models.clone_model(model)
    noise = ("seed_generator_state", "/rate")

    missing, unexpected = clone.load_state_dict(model.state_dict(), strict=False)

    assert all(name.endswith(noise) for name in (*missing, *unexpected))
    x = np.ones((2, 4), "float32")
    assert np.array_equal(array(clone(x)), array(model(x)))


@needs_torch
@pytest.mark.parametrize("module", [keras.layers, kd.layers], ids=["keras", "ours"])
def test_a_new_process_takes_the_whole_state_dictionary(module):
    """Where the same program names all the same: seeds, and our live rates too."""
    keras.utils.clear_session()
    model = dropped(module)
    x = np.ones((8, 4), "float32")
    model(x, training=True)
    if module is kd.layers:
        model.layers[1].rate = 0.25

    keras.utils.clear_session()
    again = dropped(module)
    again.load_state_dict(model.state_dict())

    assert again.layers[1].rate == model.layers[1].rate
    assert np.array_equal(
        array(again(x, training=True)), array(model(x, training=True))
    )
