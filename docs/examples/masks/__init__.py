"""The pictures of the gallery: what each layer drops, drawn by the layer itself."""

from masks import (
    channels,
    learned,
    passes,
    paths,
    pooling,
    recurrent,
    regions,
    tokens,
    units,
    weights,
)

FAMILIES = (
    units,
    channels,
    regions,
    paths,
    tokens,
    weights,
    recurrent,
    pooling,
    passes,
    learned,
)
PICTURES = {name: drawn for each in FAMILIES for name, drawn in each.PICTURES.items()}
