"""What running a layer tells of its noise."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_dropout import _model
from keras_dropout._typing import Shape
from keras_dropout.sampling import draws

UNSEEDED = (
    "it draws random numbers that no seed controls. Draw with `keras.random` and a "
    "`keras.random.SeedGenerator` that the layer keeps"
)


@dataclasses.dataclass
class Run:
    """What a layer did in one run, layers within it apart.

    Attributes:
        seeds: For each seed the generator it was taken from, and the one asked for.
        shapes: The shapes of what was drawn by them.
        outputs: What it answered, or `None` if it failed.
        moves: Whether it moved statistics: variables of floats, buffers of PyTorch.
        moves_outside: Whether a global generator of another library moved.
        hears: Whether it told a recurrent cell with dropouts that it is training.
        takes_seeds: Whether it took a seed to draw by something else than Keras.
    """

    seeds: list[Any] = dataclasses.field(default_factory=list)
    shapes: list[Any] = dataclasses.field(default_factory=list)
    outputs: object = None
    moves: bool = False
    moves_outside: bool = False
    hears: bool = False
    takes_seeds: bool = False

    def seed(self, generator: Any, asked: Any) -> None:
        self.seeds.append((generator, asked))
        self.takes_seeds = self.takes_seeds or not draws.is_drawing()

    def draw(self, shape: Shape) -> None:
        self.shapes.append(shape)


@dataclasses.dataclass
class Finding:
    """What one unknown layer does.

    Attributes:
        at_inference: How many numbers it draws at inference.
        in_training: How many it draws in training.
        generators: The generators that it draws by.
        has_rows: Whether all that it draws has a row for each row of its inputs.
        is_unseeded: Whether it draws, at inference, from where no seed reaches.
        trouble: Why its noise in training cannot be switched on by itself, or "".
        tells_cells: Whether recurrent cells with dropouts learn at inference that they
            are training, whatever the layer is told.
        tells_cells_in_training: Whether they learn it in training.
        is_silent: Whether nothing that it draws changes what it gives.
    """

    at_inference: int = 0
    in_training: int = 0
    generators: list[Any] = dataclasses.field(default_factory=list)
    has_rows: bool = True
    is_unseeded: bool = False
    trouble: str = ""
    tells_cells: bool = False
    tells_cells_in_training: bool = False
    is_silent: bool = False


def trouble(layer: keras.layers.Layer, first: Run, trained: Run) -> str:
    """Why noise in training cannot be switched on by itself, or ""."""
    if trained.moves:
        return (
            "it is noisy only in training, where it also updates statistics. Put the "
            "noise into a separate layer"
        )
    has_parts = len(_model.flatten_layers(layer)) > 1
    if has_parts and _shapes(first.outputs) != _shapes(trained.outputs):
        return (
            "it is noisy only in training, where its outputs have other shapes. Put "
            "the noise into a separate layer"
        )
    return ""


def grow(one: Run, two: Run) -> bool:
    """Whether all that was drawn doubled its rows when the inputs did."""
    if len(one.shapes) != len(one.seeds) or len(two.shapes) != len(one.shapes):
        return False
    for single, double in zip(one.shapes, two.shapes, strict=True):
        sizes = (single[:1], double[:1])
        known = all(size and isinstance(size[0], int) for size in sizes)
        if not known or double[0] != 2 * single[0]:
            return False
    return True


def _shapes(outputs):
    return [getattr(x, "shape", None) for x in keras.tree.flatten(outputs)]
