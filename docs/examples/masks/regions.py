"""Pictures of the layers that drop regions."""

from keras_dropout import layers
from masks import drawing
from masks.drawing import Picture

PICTURES = {
    "DropBlock1D": Picture(
        lambda rate: drawing.sequences(
            layers.DropBlock1D(rate, block_size=4, seed=12), steps=16
        )
    ),
    "DropBlock2D": Picture(
        lambda rate: drawing.images(layers.DropBlock2D(rate, block_size=4, seed=13))
    ),
    "DropBlock3D": Picture(
        lambda rate: drawing.volumes(
            layers.DropBlock3D(rate, block_size=(2, 4, 4), seed=14)
        )
    ),
    "Cutout": Picture(
        lambda size: drawing.images(
            layers.Cutout(size, seed=3), rows=4, size=16, channels=1
        ),
        argument="size",
        values=(2, 4, 6, 8, 12),
        shown=6,
    ),
}
