"""What stands in the place of one layer, and how it is called there."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class Chain:
    """What stands in the place of the layer `old`; `None` for nothing."""

    old: keras.layers.Layer
    layer: keras.layers.Layer | None
    before: keras.layers.Layer | None = None
    after: keras.layers.Layer | None = None

    @property
    def is_changed(self) -> bool:
        """Whether something else has taken its place."""
        return [*self] != [self.old]

    def __iter__(self) -> Iterator[keras.layers.Layer]:
        parts = (self.before, self.layer, self.after)
        return (part for part in parts if part is not None)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outputs of the call that `old` had with these arguments."""
        if not self.is_changed:
            return self.old(*args, **kwargs)
        if self.before is not None:
            args, kwargs = _noisy(self.before, self.old, args, kwargs)
        outputs = self.layer
        if self.layer is None:
            outputs = _first(self.old, args, kwargs)
        elif self.layer is self.old:
            outputs = self.layer(*args, **kwargs)
        else:
            outputs = _called_alike(self.layer, self.old, args, kwargs)
        return outputs if self.after is None else self._noisy_outputs(outputs)

    def _noisy_outputs(self, outputs):
        # What a layer returns beside its output are states or scores.
        several = isinstance(outputs, (list, tuple))
        if several and not isinstance(self.old, keras.Model):
            first, *others = outputs
            return type(outputs)([self.after(first), *others])
        return keras.tree.map_structure(self.after, outputs)


def _names(layer, *, positional=False):
    """The names of the arguments of `call`, and whether it takes any others."""
    known = inspect.signature(layer.call).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in known if not positional or each.kind in kinds]
    return names, any(each.kind is each.VAR_KEYWORD for each in known)


def _first_name(layer, kwargs):
    """The name of the first argument of a call that has only named ones."""
    names, _ = _names(layer)
    return next(name for name in [*names, *kwargs] if name in kwargs)


def _first(layer, args, kwargs):
    return args[0] if args else kwargs[_first_name(layer, kwargs)]


def _called_alike(layer, old, args, kwargs):
    """Calls `layer` as `old` was called, by what its own `call` takes.

    The first argument goes by its place, since its name may be another. Keras notes
    the mask, if only that there is none, with each call of a layer that takes one, and
    the layer that stands there now may not.
    """
    kwargs = dict(kwargs)
    if not args:
        args = (kwargs.pop(_first_name(old, kwargs)),)
    own, _ = _names(old, positional=True)
    kwargs.update(zip(own[1:], args[1:], strict=False))
    names, takes_any = _names(layer)
    known = {k: v for k, v in kwargs.items() if takes_any or k in names}
    return layer(args[0], **known)


def _noisy(noise, layer, args, kwargs):
    """The arguments with noise on all tensors of the first, wherever they stand."""
    first = keras.tree.flatten(_first(layer, args, kwargs))
    noisy = {id(x): noise(x) for x in first if isinstance(x, keras.KerasTensor)}
    return keras.tree.map_structure(lambda x: noisy.get(id(x), x), (args, kwargs))
