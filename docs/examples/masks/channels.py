"""Pictures of the layers that drop whole channels."""

from keras_dropout import layers
from masks import drawing
from masks.drawing import Picture

PICTURES = {
    "SpatialDropout1D": Picture(
        lambda rate: drawing.sequences(layers.SpatialDropout1D(rate, seed=11))
    ),
    "SpatialDropout2D": Picture(
        lambda rate: drawing.images(layers.SpatialDropout2D(rate, seed=5), channels=3),
        shown=0.5,
    ),
    "SpatialDropout3D": Picture(
        lambda rate: drawing.volumes(
            layers.SpatialDropout3D(rate, seed=6), depth=2, channels=4
        ),
        shown=0.5,
    ),
    "ChannelDropout": Picture(
        lambda rate: drawing.sequences(layers.ChannelDropout(rate, seed=3))
    ),
    "LockedDropout": Picture(
        lambda rate: drawing.sequences(layers.LockedDropout(rate, seed=4))
    ),
}
