"""The dropout that suits a layer, for all layers of a model at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Unpack

import keras
import numpy as np

from keras_dropout import _keras, layers
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._typing import Seed
from keras_dropout._validation import invalid
from keras_dropout.graph.models import graph_of
from keras_dropout.graph.placement import has_weights_after
from keras_dropout.schedules import linear_decay_rates
from keras_dropout.surgery.twins import is_noise

L = keras.layers
_CONVOLUTIONS = (
    *(getattr(L, f"Conv{n}D") for n in (1, 2, 3)),
    *(getattr(L, f"Conv{n}DTranspose") for n in (1, 2, 3)),
    *(
        getattr(L, f"{kind}Conv{n}D")
        for kind in ("Depthwise", "Separable")
        for n in (1, 2)
    ),
    *(getattr(L, f"ConvLSTM{n}D") for n in (1, 2, 3)),
)
_RECURRENT = (L.RNN, L.Bidirectional)
_DENSE = (L.Dense, L.EinsumDense)
# What follows a layer and still belongs to it: noise stands behind it.
_FOLLOW = (
    *(L.BatchNormalization, L.LayerNormalization, L.GroupNormalization),
    *(L.Activation, L.ReLU, L.LeakyReLU, L.PReLU, L.ELU),
)


def matching_dropout(
    rate: float,
    *,
    rule: Literal["paper", "linspace", "efficientnet"] | None = None,
    seed: Seed = None,
    **kwargs: Unpack[LayerOptions],
) -> Matching:
    """Chooses a dropout that suits each layer, for `insert_dropout`.

    | after | what is dropped | layer |
    |---|---|---|
    | convolutions | whole channels | `SpatialDropout1D/2D/3D`, `ChannelDropout` |
    | recurrent layers | features, the same at every step | `LockedDropout` |
    | recurrent layers that give their last step | units | `Dropout` |
    | dense layers | units | `Dropout` |

    The dropout is inserted after the normalisation and the activation that follow the
    layer. There is none if noise follows already, or if no weights follow, as after the
    last layer.

    Args:
        rate: Float in `[0, 1]`, the probability of dropping. With `rule`, the rate of
            the last place.
        rule: How rates grow with the depth, as in `schedules.linear_decay_rates`:
            `"paper"`, `"linspace"` or `"efficientnet"`. `None` for one rate everywhere.
        seed: Integer in `[0, 2**31)`, from which each place gets its own seed, or
            `None` for new seeds each run, or a `SeedGenerator` that all share.
        **kwargs: Arguments of the layers: `monte_carlo`, `dtype`.

    Returns:
        An object that `insert_dropout` takes as its `layer`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((8, 8, 3)),
        ...         keras.layers.Conv2D(4, 3),
        ...         keras.layers.ReLU(),
        ...         keras.layers.Flatten(),
        ...         keras.layers.Dense(8, activation="relu"),
        ...         keras.layers.Dense(2),
        ...     ]
        ... )
        >>> noisy = kd.insert_dropout(model, kd.matching_dropout(0.2, rule="paper"))
        >>> [type(layer).__name__ for layer in noisy.layers][1:6]
        ['ReLU', 'SpatialDropout2D', 'Flatten', 'Dense', 'Dropout']
        >>> [layer.rate for layer in noisy.layers if hasattr(layer, "rate")]
        [0.1, 0.2]

    References:
        - Gal and Ghahramani, 2016, [Bayesian Convolutional Neural Networks with
          Bernoulli Approximate Variational Inference](https://arxiv.org/abs/1506.02158)
        - Nado et al., 2021, [Uncertainty Baselines](https://arxiv.org/abs/2106.04015),
          whose improved dropout drops channels after every layer
    """
    return Matching(rate, rule, seed, dict(kwargs))


class Matching:
    """What `matching_dropout` returns."""

    def __init__(
        self, rate: Rate, rule: str | None, seed: Seed, kwargs: dict[str, Any]
    ) -> None:
        # What no layer takes is refused now, not when a model comes.
        layers.Dropout(rate, seed=seed, **kwargs)
        if rule is not None:
            linear_decay_rates(rate, 1, rule)
        self.rate: Rate = rate
        self.rule: str | None = rule
        self.seed: Seed = seed
        self.kwargs: dict[str, Any] = kwargs

    def of(
        self, model: keras.Model, is_wanted: Callable[[Any], Any]
    ) -> Callable[[keras.layers.Layer], Any]:
        """A function of a layer of `model` that gives what to put behind it, or `None`.

        Args:
            model: A built model.
            is_wanted: Function from a layer to whether it may get a dropout.

        Raises:
            ValueError: No layer gets one.
        """
        places = {}
        for graph, is_last in _graphs(model):
            for layer, end in _places(graph, is_last):
                if is_wanted(layer):
                    # A layer that is shared has one place.
                    places.setdefault(id(end), layer)
        if not places:
            expected = (
                "a layer that dropout can follow: a convolution, a recurrent or a "
                "dense layer, with further weights after it and no noise yet"
            )
            raise ValueError(invalid("model", expected, model.name))
        rates = [self.rate] * len(places)
        if self.rule is not None:
            rates = linear_decay_rates(self.rate, len(places), self.rule)
        made = {
            end: self._made(layer, rate, place)
            for place, ((end, layer), rate) in enumerate(
                zip(places.items(), rates, strict=True)
            )
        }
        return lambda layer: made.get(id(layer))

    def _made(self, layer, rate, place):
        seed = self.seed
        if isinstance(seed, int):
            # Copies of one seed would share their noise.
            words = np.random.SeedSequence([seed, place])
            seed = int(words.generate_state(1)[0] >> 1)
        options = {"seed": seed, "name": f"dropout_{layer.name}", **self.kwargs}
        data_format = getattr(layer, "data_format", None)
        if isinstance(layer, L.RNN) and isinstance(layer, _CONVOLUTIONS):
            axis = shapes.channels(data_format)
            if data_format == "channels_first" and layer.return_sequences:
                axis = 2
            return layers.ChannelDropout(rate, axis=axis, **options)
        if isinstance(layer, _CONVOLUTIONS):
            kind = getattr(layers, f"SpatialDropout{layer.rank}D")
            return kind(rate, data_format=data_format, **options)
        if isinstance(layer, _RECURRENT) and layer.return_sequences:
            return layers.LockedDropout(rate, **options)
        return layers.Dropout(rate, **options)


def _graphs(model):
    """The graph of a model and those nested in it, and whether its end is the last."""
    waiting, seen, is_last = [model], set(), True
    while waiting:
        graph = graph_of(waiting.pop(0))
        if graph is None or id(graph) in seen:
            continue
        seen.add(id(graph))
        yield graph, is_last
        is_last = False
        waiting += [
            node.operation
            for node in _keras.nodes_of(graph)
            if isinstance(node.operation, keras.Model)
        ]


def _places(graph, is_last):
    """Each layer that takes a dropout, and the layer behind which it is put."""
    nodes = [node for node in _keras.nodes_of(graph) if not node.is_input]
    takers = {}
    for node in nodes:
        for tensor in node.inputs:
            takers.setdefault(id(tensor), []).append(node)
    ends = {id(tensor) for tensor in graph.outputs}
    for node in nodes:
        if not isinstance(node.operation, (*_CONVOLUTIONS, *_RECURRENT, *_DENSE)):
            continue
        end = node
        while True:
            after = takers.get(id(end.outputs[0]), [])
            follows = len(after) == 1 and isinstance(after[0].operation, _FOLLOW)
            if id(end.outputs[0]) in ends or not follows:
                break
            (end,) = after
        if _meets_noise(end, takers):
            continue
        if has_weights_after(end, takers) or not is_last:
            yield node.operation, end.operation


def _meets_noise(node, takers):
    """Whether noise stands behind a node, before any further weights."""
    seen, waiting = set(), [node]
    while waiting:
        for tensor in waiting.pop().outputs:
            for each in takers.get(id(tensor), []):
                if is_noise(each.operation):
                    return True
                if (
                    not getattr(each.operation, "weights", None)
                    and id(each) not in seen
                ):
                    seen.add(id(each))
                    waiting.append(each)
    return False
