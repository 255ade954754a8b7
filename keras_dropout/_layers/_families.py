"""The families of layers: one folder each, by what is dropped together."""

from __future__ import annotations

# The order in which code, gallery and pictures show them.
FAMILIES = {
    "units": "Single units",
    "channels": "Whole channels",
    "regions": "Regions",
    "paths": "Paths and layers",
    "tokens": "Tokens and heads",
    "weights": "Weights",
    "recurrent": "Recurrent networks",
    "pooling": "Pooling and activations",
    "passes": "Several passes",
    "learned": "Learned noise",
}


def family_of(layer_class: type) -> str:
    """The family of a layer class: the name of the folder that it is written in."""
    return layer_class.__module__.removeprefix(f"{__package__}.").partition(".")[0]
