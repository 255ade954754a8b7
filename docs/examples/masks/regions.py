"""Pictures of the layers that drop regions."""

from keras_dropout import layers
from masks import drawing

PICTURES = {
    "DropBlock1D": lambda: drawing.sequences(
        layers.DropBlock1D(0.3, block_size=4, seed=1), steps=16
    ),
    "DropBlock2D": lambda: drawing.images(
        layers.DropBlock2D(0.3, block_size=4, seed=1)
    ),
    "DropBlock3D": lambda: drawing.volumes(
        layers.DropBlock3D(0.3, block_size=(2, 4, 4), seed=1)
    ),
    "Cutout": lambda: drawing.images(
        layers.Cutout(6, seed=3), rows=4, size=16, channels=1
    ),
}
