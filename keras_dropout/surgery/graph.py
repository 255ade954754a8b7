"""Graphs of layers with other layers in their places."""

import dataclasses
import inspect

import keras

from keras_dropout._model import flatten_layers
from keras_dropout._validation import invalid
from keras_dropout.surgery.twins import is_noise


@dataclasses.dataclass(frozen=True)
class Chain:
    """What stands in the place of one layer; `None` for nothing."""

    layer: keras.layers.Layer | None
    before: keras.layers.Layer | None = None
    after: keras.layers.Layer | None = None

    def __iter__(self):
        parts = (self.before, self.layer, self.after)
        return (part for part in parts if part is not None)

    def __call__(self, x, *args, **kwargs):
        x = x if self.before is None else self.before(x)
        if self.layer is not None:
            x = self.layer(x, *args, **_accepted(self.layer, kwargs))
        return x if self.after is None else self.after(x)


def _accepted(layer, kwargs):
    """Those of the arguments that the layer's call knows.

    Keras notes the mask, if only that there is none, with each call of a layer that
    takes one, and the layer that stands there now may not.
    """
    known = inspect.signature(layer.call).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()):
        return kwargs
    return {name: value for name, value in kwargs.items() if name in known}


def rebuilt(model, change, done=None):
    """The model with `change(layer)` in the place of each layer.

    It is the model itself where nothing changes.
    """
    _check_reach(model)
    done = {} if done is None else done

    def chain(layer):
        if id(layer) not in done:
            found = change(layer)
            if isinstance(found.layer, keras.Model) and _has_graph(found.layer):
                inner = rebuilt(found.layer, change, done)
                found = dataclasses.replace(found, layer=inner)
            done[id(layer)] = found
        return done[id(layer)]

    chains = [chain(layer) for layer in model.layers]
    if all([*new] == [old] for new, old in zip(chains, model.layers, strict=True)):
        return model
    if isinstance(model, keras.Sequential):
        return _sequential(model, [part for new in chains for part in new])
    return _functional(model, chain)


def all_layers(model):
    """The layers of a model and of the models nested in it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def _functional(model, chain):
    def part(operation):
        is_layer = isinstance(operation, keras.layers.Layer)
        return chain(operation) if is_layer else operation

    def call(part, *args, **kwargs):
        return part(*args, **kwargs)

    # Its hooks give back what they are given: layers are shared, not cloned.
    new = keras.models.clone_model(model, clone_function=part, call_function=call)
    if not model.trainable:
        new.trainable = False
    return new


def _sequential(model, parts):
    if model.inputs:
        (x,) = model.inputs
        parts = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), *parts]
    new = keras.Sequential(parts, name=model.name, trainable=model.trainable)
    if model.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def _has_graph(model):
    # Only models that are graphs of layers have `operations`.
    return isinstance(model, keras.Sequential) or hasattr(model, "operations")


def _check_reach(model):
    """Refuses models that are not graphs of layers, at any depth."""
    if not isinstance(model, keras.Model):
        raise TypeError(invalid("model", "a Keras model", model))
    inner = [each for each in model.layers if isinstance(each, keras.Model)]
    noisy = [each for each in inner if any(map(is_noise, flatten_layers(each)))]
    for each in (model, *noisy):
        if not _has_graph(each):
            raise TypeError(
                f"The layers of a subclassed model are called by its own code, which "
                f"cannot be changed. Build it with the Functional API or as a "
                f"Sequential model, or change its code. Received: {each.name!r}, "
                f"a {type(each).__name__}"
            )
