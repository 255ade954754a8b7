"""Pictures of the layers that drop whole channels."""

from keras_dropout import layers
from masks import drawing

PICTURES = {
    "SpatialDropout1D": lambda: drawing.sequences(layers.SpatialDropout1D(0.3, seed=1)),
    "SpatialDropout2D": lambda: drawing.images(layers.SpatialDropout2D(0.4, seed=5)),
    "SpatialDropout3D": lambda: drawing.volumes(
        layers.SpatialDropout3D(0.5, seed=5), depth=2, channels=4
    ),
    "ChannelDropout": lambda: drawing.sequences(layers.ChannelDropout(0.3, seed=3)),
    "LockedDropout": lambda: drawing.sequences(layers.LockedDropout(0.3, seed=4)),
}
