"""What the package exports, for the pages that the hooks make of it."""

import inspect
import os
import re
import types

from mkdocs.exceptions import PluginError

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import keras_dropout
from keras_dropout import layers


def is_layer(name):
    """Whether a public name is a layer that the gallery shows."""
    value = getattr(layers, name)
    return (
        inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
        and value is not layers.NoiseLayer
    )


LAYERS = [name for name in layers.__all__ if is_layer(name)]


def complain(what, names):
    if names:
        raise PluginError(f"There are {what}: {', '.join(sorted(names))}")


def public_modules():
    """The public modules by name, with the public names in each."""
    modules = {"keras_dropout": keras_dropout}
    for name in keras_dropout.__all__:
        value = getattr(keras_dropout, name)
        if isinstance(value, types.ModuleType):
            modules[value.__name__] = value
            inner = (getattr(value, each) for each in getattr(value, "__all__", ()))
            inner = [each for each in inner if isinstance(each, types.ModuleType)]
            modules |= {each.__name__: each for each in inner}
    return modules


def public_names(module):
    """The functions and classes that a module exports, or else defines."""
    own = [name for name, value in vars(module).items() if is_own(value, module)]
    names = getattr(module, "__all__", [name for name in own if name[0] != "_"])
    other = types.ModuleType | str
    return [name for name in names if not isinstance(getattr(module, name), other)]


def is_own(value, module):
    return getattr(value, "__module__", None) == module.__name__


def first_line(value):
    """The first line of a docstring, without its links."""
    line = inspect.getdoc(value).splitlines()[0].replace("|", "\\|")
    return re.sub(r"\[([^]]+)\]\[[^]]*\]", r"\1", line)
