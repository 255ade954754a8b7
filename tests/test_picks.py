"""One way to pick layers, whoever asks."""

import keras
import pytest

import keras_dropout as kd
from keras_dropout import _model
from keras_dropout.sampling import noise

pytestmark = pytest.mark.once
L = keras.layers


def _dropouts():
    inner = keras.Sequential([keras.Input((4,)), L.Dropout(0.5, name="c")], name="d")
    return keras.Sequential(
        [
            keras.Input((4,)),
            L.GaussianNoise(0.5, name="a"),
            kd.layers.Dropout(0.5, name="b"),
            inner,
        ]
    )


def _names(layers):
    return [layer.name for layer in layers]


PICKS = {
    "None": (lambda model: None, "abc"),
    "name": (lambda model: "a", "a"),
    "class": (lambda model: L.Dropout, "c"),
    "layer": (lambda model: model.layers[1], "b"),
    "container": (lambda model: "d", "c"),
    "function": (lambda model: lambda layer: layer.name != "b", "ac"),
    "list": (lambda model: ["a", L.Dropout], "ac"),
    "tuple": (lambda model: ("a", "b"), "ab"),
    "set": (lambda model: {"a", "b"}, "ab"),
    "frozenset": (lambda model: frozenset({"b", L.Dropout}), "bc"),
}


@pytest.mark.parametrize("name", PICKS)
def test_noise_is_picked_by(name):
    model = _dropouts()
    pick, expected = PICKS[name]

    chosen = noise.select(model, noise.find(model), pick(model))

    assert _names(each.layer for each in chosen) == list(expected)


@pytest.mark.parametrize("name", PICKS)
def test_layers_are_picked_by(name):
    model = _dropouts()
    pick, expected = PICKS[name]
    noisy = [each.layer for each in noise.find(model)]

    picked = _model.select(model, pick(model), lambda each: each in noisy, "noise")

    assert sorted(_names(picked)) == list(expected)


@pytest.mark.parametrize("where", ["a", ("a",), ["a"], {"a"}, frozenset({"a"})])
def test_neighbours_of_what_is_inserted_are_picked_by_any_collection(where):
    new = kd.insert_dropout(_dropouts(), kd.layers.Dropout(0.1, name="new"), where)

    assert "new_a" in _names(new.layers)


def test_layers_are_picked_by_path():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="a")], name="m")
    (dense,) = model.layers

    assert dense.path == "m/a"
    assert _model.select(model, "m/a", lambda each: True, "weights") == [dense]
    for where in (dense, "m/a"):
        new = kd.insert_dropout(model, kd.layers.Dropout(0.1, name="new"), where)
        assert "new_a" in _names(new.layers)


@pytest.mark.parametrize("empty", [[], (), set(), frozenset()])
def test_an_empty_collection_is_refused_everywhere(empty):
    model = _dropouts()
    for call in (
        lambda: noise.select(model, noise.find(model), empty),
        lambda: kd.constraints.apply_max_norm(model, 1.0, layers=empty),
        lambda: kd.insert_dropout(model, kd.layers.Dropout(0.1), empty),
    ):
        with pytest.raises(ValueError, match="at least one layer"):
            call()


def test_one_pick_of_several_that_leads_nowhere_is_refused():
    model = _dropouts()
    with pytest.raises(ValueError, match="'z'"):
        noise.select(model, noise.find(model), ["a", "z"])
    with pytest.raises(ValueError, match="'z'"):
        kd.insert_dropout(model, kd.layers.Dropout(0.1), ["a", "z"])
