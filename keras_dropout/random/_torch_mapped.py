"""Draws within the transforms of `torch.func`, such as `vmap` and `grad`.

What is drawn is a function of the key, so the transforms have no part in it: it is
drawn outside of them. The examples that `vmap` maps a layer over see one noise, unless
it is told `randomness="different"`; then each example has noise of its own.
"""

from __future__ import annotations

import torch

from keras_dropout._typing import Shape

try:
    from torch._functorch import pyfunctorch

    _top = torch._C._functorch.peek_interpreter_stack
    _map = torch._C._functorch._add_batch_dim
except (ImportError, AttributeError):
    # Private in PyTorch. Without them its own rules for random numbers hold.
    def _top():
        return None


def is_mapped() -> bool:
    """Whether the call is within a transform."""
    return not torch.compiler.is_compiling() and _top() is not None


def outside(draw):
    """What `draw()` gives outside of all transforms."""
    if not is_mapped():
        return draw()
    with pyfunctorch.temporarily_clear_interpreter_stack():
        return draw()


def drawn(shape: Shape, draw):
    """`draw(shape)`, for each mapped example anew if that is asked for."""
    if not is_mapped():
        return draw(shape)
    maps = [
        each
        for each in pyfunctorch.retrieve_all_functorch_interpreters()
        if isinstance(each, pyfunctorch.VmapInterpreter)
        and each.randomness() == "different"
    ]
    shape = (*(each.batch_size() for each in maps), *shape)
    numbers = outside(lambda: draw(shape))
    for each in maps:
        numbers = _map(numbers, 0, each.level())
    return numbers
