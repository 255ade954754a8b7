"""Finds the noise of layers that are not known, by running each of them a few times.

A layer of a user's own may keep its seed generator in a list, share one from outside,
or draw without any; it may draw at inference, or only in training. So when a model is
first met it runs once, without known noise, and each unknown layer in it runs again on
the inputs that it got there: twice with the same seeds, at inference and in training.
What it draws through Keras is seen as it is drawn. Where two runs with the same seeds
differ, it draws from somewhere that nobody can seed.

Nothing stays of these runs: updates of variables are dropped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _keras, _model
from keras_dropout._typing import Data, Shape
from keras_dropout.random import context
from keras_dropout.sampling import compare, draws, elsewhere, ends
from keras_dropout.sampling.activation import covered
from keras_dropout.sampling.finding import UNSEEDED, Finding, Run, grow, trouble
from keras_dropout.sampling.fixed import fixed_rows

# Rows of the data to look at. More would find noise that no seed repeats more surely,
# if it is rare.
_ROWS = 16


@dataclasses.dataclass(frozen=True)
class _Visit:
    """Covers the call of a layer, as a `Noise` does."""

    layer: keras.layers.Layer
    overrides: tuple
    is_forced: bool = False


def findings(
    model: keras.Model, unknown: Sequence[keras.layers.Layer], x: Data
) -> dict[int, Finding]:
    """What unknown layers of a model do: a dictionary by the id of the layer.

    Layers that the model does not call at inference are not in it.

    Args:
        model: A built Keras model.
        unknown: Layers of it, the model itself perhaps.
        x: Rows of data, in the structure of the model's inputs.
    """
    draws.stand_in()
    return _Probe(model, unknown).run(x)


class _Probe(draws.Watcher):
    def __init__(self, model: keras.Model, unknown) -> None:
        self.model = model
        self.unknown = {id(layer) for layer in unknown}
        inner = {
            id(each): each for layer in unknown for each in _model.flatten_layers(layer)
        }
        self.layers = list(inner.values())
        self.found = {}
        self.stack = []
        # Set while a layer is in training, so that those within it are not.
        self.is_training = False
        # At which end of their ranges numbers are drawn, or `None` for usual draws.
        self.end = None

    def run(self, x: Data) -> Any:
        visits = [_Visit(each, tuple(self.covers(each))) for each in self.layers]
        with covered(visits), draws.supplied(self), context.sampling(self.layers):
            try:
                self.model(_rows(x, self.model), training=False)
            except Exception:
                # A part of the rows may be no input for this model; all of them are.
                self.found.clear()
                self.model(x, training=False)
        return self.found

    def covers(self, layer: keras.layers.Layer):
        yield layer, "call", self.visit
        if isinstance(layer, keras.layers.RNN):
            yield layer, "inner_loop", self.loop

    def loop(
        self,
        layer: keras.layers.Layer,
        own: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ):
        """Stands for the loop of a recurrent layer, which may pass its cell by."""
        if kwargs.get("training") and any(map(_drops, _model.flatten_layers(layer))):
            self.heard()
        return own(*args, **kwargs)

    def heard(self) -> None:
        for run in self.stack:
            run.hears = True

    # What `draws.supplied` tells belongs to the innermost layer that runs.

    def seed(self, generator: Any, asked: Any) -> None:
        if self.stack:
            self.stack[-1].seed(generator, asked)

    def draw(self, shape: Shape) -> None:
        if self.stack:
            self.stack[-1].draw(shape)

    def result(self, name: str, own: Callable[..., Any], given: Any) -> Any:
        if self.end is not None:
            return ends.drawn(name, own, given, self.end)
        return own(*given.args, **given.kwargs)

    def visit(
        self,
        layer: keras.layers.Layer,
        own: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ):
        """Stands for the call of a layer."""
        if self.is_training and _keras.takes_training(layer):
            kwargs["training"] = False
        if kwargs.get("training") and _drops(layer):
            self.heard()
        known = id(layer) not in self.unknown or id(layer) in self.found
        if known or self.is_training:
            return self.one_run(layer, own, args, kwargs, fails=True).outputs
        finding = self.found[id(layer)] = Finding()
        around = _keras.training_around()
        first = self.one_run(layer, own, args, kwargs, fails=True)

        def repeat(run, args=args, kwargs=kwargs):
            # Later layers must not hear of it, and each run begins as the first did.
            with _keras.training_as(around):
                return run(layer, own, args, kwargs)

        again = repeat(self.one_run)
        finding.at_inference = len(first.seeds)
        finding.tells_cells = first.hears
        finding.is_unseeded = _draw_elsewhere(first, again)
        noisy = first
        if _keras.takes_training(layer):
            trained, again = repeat(self.trained), repeat(self.trained)
            finding.tells_cells_in_training = trained.hears
            if trained.outputs is None:
                pass
            elif len(trained.seeds) > len(first.seeds):
                noisy = trained
                finding.in_training = len(trained.seeds)
                finding.trouble = trouble(layer, first, trained)
            if not finding.is_unseeded and _draw_elsewhere(trained, again):
                finding.in_training = max(finding.in_training, 1)
                finding.trouble = UNSEEDED
        finding.generators = list({id(each): each for each, _ in noisy.seeds}.values())
        if noisy.seeds:
            run = self.trained if noisy is not first else self.one_run
            doubled = repeat(run, *keras.tree.map_structure(_twice, (args, kwargs)))
            finding.has_rows = grow(noisy, doubled)

            def at_end(end, args, kwargs):
                self.end = end
                try:
                    return repeat(run, args, kwargs)
                finally:
                    self.end = None

            finding.is_silent = ends.change_nothing(at_end, noisy, args, kwargs)
        return first.outputs

    def trained(self, layer: keras.layers.Layer, own: Callable[..., Any], args, kwargs):
        # The cells of a recurrent layer are part of it.
        self.is_training = not isinstance(layer, keras.layers.RNN)
        try:
            return self.one_run(layer, own, args, {**kwargs, "training": True})
        finally:
            self.is_training = False

    def one_run(
        self,
        layer: keras.layers.Layer,
        own: Callable[..., Any],
        args,
        kwargs,
        fails=False,
    ):
        """Runs a layer where nothing that it does to variables stays."""
        run = Run()
        variables = {id(v): v for v in (*self.model.variables, *layer.variables)}
        generators = [*_model.seed_generators(self.model), draws.stand_in()]
        variables |= {id(each.state): each.state for each in generators}
        given = [(v, ops.convert_to_tensor(v)) for v in variables.values()]
        cells = _cell_generators(layer)
        self.stack.append(run)
        try:
            with (
                elsewhere.buffers_kept(layer) as have_changed,
                keras.StatelessScope(given) as scope,
                contextlib.nullcontext() if fails else contextlib.suppress(Exception),
            ):
                floats = [v for v in variables.values() if _is_float(v)]
                before = [scope.get_current_value(variable) for variable in floats]
                outside = elsewhere.generators()
                run.outputs = own(*args, **kwargs)
                run.moves_outside = outside != elsewhere.generators()
                after = [scope.get_current_value(variable) for variable in floats]
                run.moves = any(map(operator.is_not, before, after)) or have_changed()
        finally:
            self.stack.pop()
        # Recurrent layers draw the masks of their cells whether they need them or not.
        run.seeds = [each for each in run.seeds if id(each[1]) not in cells]
        return run


def _draw_elsewhere(one, two):
    """Whether a layer that ran twice drew from where no seed reaches."""
    moved = one.moves_outside and two.moves_outside
    return moved or compare.differ(one.outputs, two.outputs)


def _is_float(variable):
    return keras.backend.is_float_dtype(variable.dtype)


def _drops(layer):
    """Whether it is a recurrent cell with dropouts."""
    return hasattr(layer, "get_dropout_mask") and bool(
        layer.dropout or layer.recurrent_dropout
    )


def _cell_generators(layer):
    if not isinstance(layer, keras.layers.RNN):
        return set()
    return {id(each) for each in _model.seed_generators(layer.cell)}


def _rows(x, model):
    made_for = fixed_rows(model)

    def some(each):
        if not getattr(each, "shape", None):
            return each
        if made_for is None:
            return each[:_ROWS]
        places = np.minimum(np.arange(made_for), each.shape[0] - 1)
        return ops.take(each, places, axis=0)

    return keras.tree.map_structure(some, x)


def _twice(x):
    """The rows of a tensor twice, one after the other."""
    if not (keras.ops.is_tensor(x) and len(x.shape)):
        return x
    return ops.concatenate([x, x], axis=0)
