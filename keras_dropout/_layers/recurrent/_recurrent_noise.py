"""Recurrent layers with noise within the step: the loop that the noise rides on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from keras_dropout import _bases
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._typing import Config, Shape, Tensor, Tensors


class RecurrentNoise(_bases.RNN, NoiseLayer):
    """Base of the recurrent layers that are noisy from step to step.

    All noise of a sequence is drawn before its loop and joined to the inputs, from
    which each step takes its own: a draw within the loop would repeat one mask at
    all steps on JAX, or leak a tracer. The loop, the Keras mask, `stateful` and the
    rest are Keras's.

    Args:
        cell: A recurrent cell. Its weights are those of the layer.
        **kwargs: Arguments of `keras.layers.RNN` and of `NoiseLayer`.
    """

    def __init__(self, cell: keras.layers.Layer, **kwargs: Any) -> None:
        for name in ("dropout", "recurrent_dropout"):
            if getattr(cell, name, 0):
                raise ValueError(
                    f"{type(self).__name__} needs a cell without Keras's own "
                    f"dropouts, which would draw within the loop. Put "
                    f"`keras_dropout.layers.LockedDropout` before the layer, or wrap "
                    f"it in `keras_dropout.layers.WeightDrop`. Received: "
                    f"{name}={getattr(cell, name)}"
                )
        super().__init__(cell=cell, **kwargs)

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        self.check_shape(sequences_shape)
        super().build(sequences_shape, initial_state_shape)

    def check_shape(self, shape: Shape) -> None:
        """Refuses what is no sequence, or one without steps."""
        if len(shape) != 3 or shape[1] == 0:
            raise ValueError(
                f"{type(self).__name__} needs sequences of shape (batch, steps, "
                f"features) with at least one step. Received: an input of shape "
                f"{tuple(shape)} in layer {self.name!r}"
            )

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool | None = False,
    ) -> Tensor:
        self.check_floats(sequences)
        self.check_shape(sequences.shape)
        outputs = keras.layers.RNN.call(
            self, sequences, initial_state=initial_state, mask=mask, training=training
        )
        self.advance(training)
        return outputs

    def inner_loop(
        self,
        sequences: Tensor,
        initial_state: Any,
        mask: Tensor,
        training: bool | None = False,
    ) -> Any:
        """Runs the cell over all steps. Keras's `RNN` calls it once a sequence."""
        noise, step = self.loop(sequences, self.is_noisy(training))
        if step is None:
            return super().inner_loop(sequences, initial_state, mask, training=training)
        sequences = joined(noise)
        loop = Loop(self, Step(self.cell, step, [x.shape[-1] for x in noise]))
        return loop.inner_loop(sequences, initial_state, mask, training=training)

    def loop(self, sequences: Tensor, noisy: bool) -> Any:
        """What each step is given, and the step.

        Returns:
            A list of tensors of shape `(batch, time, ...)` or `(batch, 1, ...)`, the
            same at all steps, and a function `step(cell, parts, states)`. It takes the
            parts of one step and returns the new states. The first of these is the
            output. `None` stands for the cell's own step.
        """
        raise NotImplementedError

    compute_output_spec: Any = keras.layers.Layer.compute_output_spec

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: dict[str, Any] | None = None
    ) -> Self:
        cell = keras.saving.deserialize_keras_object(
            config["cell"], custom_objects=custom_objects
        )
        return super(keras.layers.RNN, cls).from_config({**config, "cell": cell})


class Loop:
    """The loop of a layer over another cell.

    It is no layer, which `torch.compile` could not make within a graph.
    """

    def __init__(self, layer: Any, cell: Any) -> None:
        self.cell = cell
        self.return_sequences = layer.return_sequences
        self.go_backwards = layer.go_backwards
        self.unroll = layer.unroll
        self.stateful = layer.stateful
        self.zero_output_for_mask = layer.zero_output_for_mask

    inner_loop = keras.layers.RNN.inner_loop


class Step:
    """A cell that takes its noise from its inputs: a plain object, without state."""

    def __init__(self, cell: Any, step: Any, widths: Sequence[int]) -> None:
        self.cell = cell
        self.step = step
        ends = [sum(widths[: i + 1]) for i in range(len(widths))]
        self.spans = list(itertools.pairwise([0, *ends]))
        self.state_size = cell.state_size

    def call(self, inputs: Tensors, states: Any) -> Tensor:
        """The output of one step, and the new states."""
        # Not `ops.split`: `torch.export` does not know the sizes of its results.
        parts = [inputs[:, start:end] for start, end in self.spans]
        states = self.step(self.cell, parts, states)
        return states[0], states

    __call__ = call


def joined(parts: Any) -> Tensor:
    """The parts side by side, those of one step repeated for all."""
    shape = ops.shape(parts[0])[:2]
    dtype = parts[0].dtype
    return ops.concatenate(
        [
            ops.broadcast_to(ops.cast(part, dtype), (*shape, part.shape[-1]))
            for part in parts
        ],
        axis=-1,
    )
