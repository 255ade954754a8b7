"""The pictures of the gallery: what each layer drops, drawn by the layer itself."""

from masks import channels, paths, pooling, regions, tokens, units

PICTURES = {
    **units.PICTURES,
    **channels.PICTURES,
    **regions.PICTURES,
    **paths.PICTURES,
    **tokens.PICTURES,
    **pooling.PICTURES,
}
