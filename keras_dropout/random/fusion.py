"""What XLA should do with the draw of a mask: keep it apart, or fuse it.

It would fuse the draw into all that reads the mask, and so draw again in the backward
pass. The branches of a conditional stay apart: the mask is drawn once, and kept as one
byte an element. But on a CPU it makes slow loops of what comes out of a conditional and
is broadcast over all axes but a short last one, for which it draws only once anyway.
"""

from __future__ import annotations

from keras_dropout._typing import Shape

_SHORT = 32


def is_cheap_to_fuse(shape: Shape) -> bool:
    """Whether this is the shape of a mask that is shared, and short on its last axis.

    By measurement: up to 1.7 times faster with 16 channels, 3 times slower with 128.
    """
    last = shape[-1] if len(shape) else 0
    known = [size for size in shape[1:] if isinstance(size, int)]
    return isinstance(last, int) and last <= _SHORT and 1 in known
