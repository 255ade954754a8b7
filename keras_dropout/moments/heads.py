"""From the moments of a model's outputs to predictions of their kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_dropout._keras import output_structure
from keras_dropout.graph.eager import eagerly
from keras_dropout.graph.endings import endings
from keras_dropout.moments.activations import elementwise, softmax
from keras_dropout.moments.gaussian import exponential
from keras_dropout.moments.state import Moments
from keras_dropout.sampling import outputs
from keras_dropout.uncertainty.prediction import Prediction


@dataclasses.dataclass(frozen=True)
class Head:
    """One output of a model, as it is predicted.

    Attributes:
        kind: What it is, as in `mc_predict`.
        class_axis: Integer below 0, the axis of the classes or labels, or `None`.
        place: Integer, which of the model's outputs it comes from.
        log_variance: Integer, which output has the log variance of a Gaussian; the
            same as `place` where both are halves of one.
        link: `"softmax"` or `"sigmoid"`, what the output is put through, or `None`.
    """

    kind: str
    class_axis: int | None
    place: int
    log_variance: int | None = None
    link: str | None = None

    def arrays(self, moments: Sequence[Moments]) -> tuple[bool, dict[str, Any]]:
        """Whether the moments of this head are exact, and its arrays by name."""
        given = moments[self.place]
        if self.link is not None:
            noisy = dataclasses.replace(given, variance=given.spread)
            if self.link == "softmax":
                given = softmax(noisy, self.class_axis)
            else:
                given = elementwise(noisy, ops.sigmoid)
        mean, variance, exact, found = given.mean, given.spread, given.exact, {}
        if self.log_variance is not None:
            log = moments[self.log_variance]
            log_mean, log_spread = log.mean, log.spread
            if self.log_variance == self.place:
                mean, log_mean = ops.split(mean, 2, axis=-1)
                variance, log_spread = ops.split(variance, 2, axis=-1)
            # The data's noise is log-normal where the log variance is normal.
            found["noise_variance"], _ = exponential(log_mean, log_spread)
            exact = exact and log.exact and (log.is_certain or log.gaussian)
        if given.mask is not None:
            found["valid"] = given.mask
        return exact, {"mean": mean, "variance": variance, **found}

    def prediction(
        self, arrays: Any, exact: bool, active: tuple[str, ...]
    ) -> Prediction:
        """The `Prediction` of this head."""
        kind = "probabilities" if self.kind == "logits" else self.kind
        axis = -1 if self.class_axis is None else self.class_axis
        made = Prediction.from_moments(
            kind=kind, axis=axis, exact=exact, active=active, **arrays
        )
        return dataclasses.replace(made, kind=self.kind)


def of(model: keras.Model, graph: Any, told: Any) -> tuple[list[Head], Any]:
    """The heads of a model, and the structure that they are in.

    Args:
        model: The model.
        graph: Its graph.
        told: What the outputs are, as in `mc_predict`.
    """
    # Each output holds its own number, so one can see where it goes.
    with eagerly():
        flat = [
            ops.full([size or 1 for size in (1, *tensor.shape[1:])], float(place))
            for place, tensor in enumerate(graph.outputs)
        ]
        results = keras.tree.pack_sequence_as(output_structure(graph), flat)
        found = outputs.heads(model, told, results, endings(model))
        places = set(range(len(flat)))
        heads = []
        for head in keras.tree.flatten(found):
            if head.kind != "gaussian":
                heads.append(Head(head.kind, head.class_axis, -1, link=head.link))
                continue
            of_mean, of_noise = (
                round(float(ops.max(each)))
                for each in (head.values, ops.log(head.noise_variance))
            )
            heads.append(Head("gaussian", None, of_mean, of_noise))
            places -= {of_mean, of_noise}
    # All others come in the order of the outputs.
    left = iter(sorted(places))
    heads = [
        head if head.place >= 0 else dataclasses.replace(head, place=next(left))
        for head in heads
    ]
    return heads, keras.tree.map_structure(lambda head: None, found)
