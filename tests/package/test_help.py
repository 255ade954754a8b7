"""What an interpreter tells of the package: names, signatures and help."""

import inspect
import pydoc
import re
import types
import typing

import keras
import pytest

import keras_dropout as kd
import keras_dropout.random
import keras_dropout.sampling
import keras_dropout.surgery
import keras_dropout.trainers
import keras_dropout.uncertainty

pytestmark = pytest.mark.once

MODULES = [
    kd,
    kd.acquisition,
    kd.calibration,
    kd.callbacks,
    kd.constraints,
    kd.integrations,
    kd.integrations.ray,
    kd.integrations.sklearn,
    kd.layers,
    kd.losses,
    kd.metrics,
    kd.moments,
    kd.plots,
    kd.random,
    kd.sampling,
    kd.schedules,
    kd.surgery,
    kd.trainers,
    kd.uncertainty,
]
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
    if callable(getattr(module, name))
}
# What a constructor needs for its other arguments to be looked at.
NEEDED = {
    "rate": 0.5,
    "stddev": 0.1,
    "block_size": 3,
    "num_heads": 2,
    "key_dim": 2,
    "input_dim": 3,
    "output_dim": 3,
    "units": 2,
    "size": 3,
    "steps": 10,
    "begin": 0,
    "depth": 3,
    "start": 0.0,
    "end": 0.5,
    "examples": 10,
    "layer": lambda: keras.layers.Dense(2),
    "head": lambda: keras.layers.Dense(2),
    "cell": lambda: keras.layers.LSTMCell(2),
    "model": lambda: keras.Sequential([keras.layers.Dropout(0.5)]),
    "schedule": lambda: kd.schedules.Constant(0.5),
}


def choices(annotation):
    """The strings that an annotation offers, if it is about strings."""
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return {each for each in parts if isinstance(each, str)}
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return set().union(*map(choices, parts))
    return set()


def offered():
    """Each argument of a public function or class that offers choices."""
    for name, function in PUBLIC.items():
        if "layers." not in name and "schedules." not in name and name not in OTHERS:
            continue
        made = function.__init__ if isinstance(function, type) else function
        for argument, annotation in typing.get_type_hints(made).items():
            if argument != "return" and (found := choices(annotation)):
                yield pytest.param(function, argument, found, id=f"{name}.{argument}")


OTHERS = (
    "keras_dropout.callbacks.RateScheduler",
    "keras_dropout.calibration.ConformalClassifier",
    "keras_dropout.calibration.ConformalRegressor",
    "keras_dropout.losses.kl_weights",
    "keras_dropout.MonteCarlo",
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_offers_public_names_only(module):
    assert dir(module) == sorted(module.__all__)


def test_has_no_files_beside_the_layers():
    """Editors and IPython complete an import with the files of a package too."""
    assert not hasattr(kd.layers, "__path__")


@pytest.mark.parametrize("name", PUBLIC)
def test_tells_what_it_does_and_takes(name):
    thing = PUBLIC[name]
    parameters = inspect.signature(thing).parameters.values()
    first = inspect.getdoc(thing).splitlines()[0]
    body = pydoc.render_doc(thing, renderer=pydoc.plaintext).partition("\n\n")[2]
    lines = [each.strip(" |") for each in body.splitlines()]
    told = [each for each in lines if each][1:]

    assert first.endswith(".")
    # Behind the name comes at most the signature, on a line of its own.
    assert first in told[:2]
    assert not [each for each in parameters if each.name == "args"]


@pytest.mark.parametrize(("function", "argument", "found"), offered())
def test_offers_the_choices_that_it_takes(function, argument, found):
    """What it says when given another is what its annotation says."""
    needed = {
        name: NEEDED[name]() if callable(NEEDED[name]) else NEEDED[name]
        for name, each in inspect.signature(function).parameters.items()
        if each.default is each.empty and name in NEEDED
    }

    with pytest.raises(ValueError, match=argument) as caught:
        function(**{**needed, argument: "no such choice"})

    told = str(caught.value).partition("Received")[0]
    assert set(re.findall(r"['\"](\w+)['\"]", told.partition("Expected")[2])) == found
