"""An ensemble within one network: a few fixed masks that never change."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import keras
import numpy as np
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import LayerOptions
from keras_dropout._layers.learned import _covering
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor
from keras_dropout._validation import invalid
from keras_dropout.random import context

# Papers have 4 to 16. A file that asks for millions would take all memory.
_MOST = 4096


@registered
class Masksembles(NoiseLayer):
    r"""Keeps the channels of one of a few fixed masks. Each mask is a member.

    $M$ binary masks over $C$ channels are drawn once, each with

    $$m = \left\lfloor \frac{C}{S (1 - (1 - 1/S)^M)} \right\rfloor$$

    ones and every channel in at least one of them. In training row $i$ of $B$ has the
    mask of member $\lfloor i M / B \rfloor$, or $i \bmod M$. A member has the same
    number in all layers of a model. So each member is a network, and all members share
    the weights. Kept channels are not scaled.

    `mc_predict(model, x, samples=members)` draws each member exactly once, for any
    seed, and computes the layers before the first `Masksembles` once. Further samples
    start again with the first member. A plain call at inference multiplies each channel
    by the share of masks that keep it.

    Differences from the paper's code: the masks are drawn directly from the
    distribution that its trials approximate, for every number of channels; any batch
    size works, and a batch with fewer rows than members starts with another member at
    each step; the masks are saved with the layer.

    Args:
        members: Integer from 1 to 4096, the number $M$ of masks.
        scale: Float of at least 1, $S$. The larger it is, the less the masks overlap. 1
            keeps everything.
        axis: Integer, the axis of the channels. Not 0.
        layout: `"block"` if the rows of a member are next to each other in a training
            batch, `"interleave"` if the members alternate.
        seed: Integer in `[0, 2**31)`, or `None` for new masks in each new layer.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`. With `monte_carlo=True`
            each row has one member at inference too, as in training.

    Input shape:
        Any of rank 2 or more, with a known number of channels, of a float dtype. The
        output has the same.

    Raises:
        TypeError: `members`, `scale` or `axis` is of the wrong kind.
        ValueError: An argument is out of its range, or the number of channels is
            unknown.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.Masksembles(4, 2.0, seed=0)
        >>> y = layer(ops.ones((4, 16)), training=True)
        >>> [int(kept) for kept in ops.sum(y, axis=-1)]
        [8, 8, 8, 8]
        >>> tuple(layer.masks.shape)
        (4, 16)

    References:
        - Durasov et al., 2021, [Masksembles for Uncertainty
          Estimation](https://arxiv.org/abs/2012.08334)
    """

    def __init__(
        self,
        members: int = 4,
        scale: float = 2.0,
        *,
        axis: int = -1,
        layout: Literal["block", "interleave"] = "block",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.members: int = _validation.integer("members", members, minimum=1)
        if self.members > _MOST:
            raise ValueError(invalid("members", f"at most {_MOST}", members))
        self.scale: float = _validation.positive("scale", scale)
        if self.scale < 1:
            raise ValueError(invalid("scale", "a finite float of at least 1", scale))
        self.axis: int = _validation.integer("axis", axis, minimum=-32)
        if self.axis == 0:
            raise ValueError(invalid("axis", "an axis that does not count rows", axis))
        self.layout: Literal["block", "interleave"] = _validation.choice(
            "layout", layout, ("block", "interleave")
        )
        self.masks = None
        # Read here: Keras may build the layer in a trace, where no key has a value.
        key = ops.convert_to_numpy(random.next_key(self.seed_generator))
        self._words = key.astype("uint32").tolist()
        self.noise_state.count_steps()

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape)
        if not 1 - rank <= self.axis < rank:
            expected = f"an axis behind the rows of inputs of shape {input_shape}"
            raise ValueError(invalid("axis", expected, self.axis))
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(
                "Masksembles needs inputs with a known number of channels. Received: "
                f"shape={input_shape}, axis={self.axis} in layer {self.name!r}"
            )
        self.masks: keras.Variable = self.add_weight(
            shape=(self.members, channels),
            initializer=self._draw,
            dtype="float32",
            autocast=False,
            trainable=False,
            name="masks",
        )

    def _draw(self, shape, dtype):
        members, channels = shape
        size = _covering.size(channels, members, self.scale)
        rng = np.random.default_rng(self._words)
        drawn = _covering.masks(channels, members, size, rng)
        return ops.convert_to_tensor(drawn.astype("float32"), dtype)

    def perturb(self, x: Tensor) -> Tensor:
        shape = ops.shape(x)
        masks = ops.take(self.masks.value, self._member(shape), axis=0)
        return x * ops.cast(self._aligned(masks, shape), x.dtype)

    def _member(self, shape):
        """The member of each row."""
        rows = shape[0]
        arrangement = context.arrangement()
        if arrangement is not None:
            # As a draw would, for the sampler to know where the rows are.
            arrangement.row_axis(shape, per_row=True)
            return random.sample_index(rows) % self.members
        place = ops.arange(rows, dtype="int32")
        if self.layout == "interleave":
            member = place
        else:
            member = place * self.members // _number(rows)
        # Fewer rows than members: the others have their turn in the next steps.
        step = ops.convert_to_tensor(self.noise_state.step)
        few = _number(rows) < self.members
        if isinstance(few, bool):
            return (member + step) % self.members if few else member % self.members
        return (member + step * ops.cast(few, step.dtype)) % self.members

    def infer(self, x: Tensor) -> Tensor:
        share = ops.mean(self.masks.value, axis=0, keepdims=True)
        return x * ops.cast(self._aligned(share, ops.shape(x)), x.dtype)

    def _aligned(self, masks, shape):
        """Masks of the shape (rows, channels) in one that broadcasts to the inputs."""
        rank = len(shape)
        others = [axis for axis in range(1, rank) if axis != self.axis % rank]
        return ops.expand_dims(masks, others) if others else masks

    def load_own_variables(self, store: Any) -> None:
        """Takes over masks from a file, which must be masks."""
        before = ops.convert_to_numpy(self.masks.value)
        super().load_own_variables(store)
        loaded = ops.convert_to_numpy(self.masks.value)
        if not (np.isin(loaded, (0, 1)).all() and loaded.any(axis=1).all()):
            self.masks.assign(before)
            expected = "masks of zeros and ones, none of them empty"
            reason = invalid("masks", expected, loaded)
            raise self.noise_state.refusal(store, reason)

    def get_config(self) -> Config:
        own = {
            "members": self.members,
            "scale": self.scale,
            "axis": self.axis,
            "layout": self.layout,
        }
        return {**super().get_config(), **own}


def _number(size):
    """A known size unchanged, an unknown one as an integer tensor."""
    return size if isinstance(size, int) else ops.cast(size, "int32")
