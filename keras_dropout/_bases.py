"""The classes of Keras that ours derive from.

Keras ships no types. A type checker that reads its code all the same, as pyright does
by default, finds Keras's own classes here. One that does not, as in `pyright
--verifytypes`, would call each class below them unknown, with all that it holds; it is
told that they are classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:

    class _Class:
        """A class with unknown attributes."""

        def __getattr__(self, name: str) -> Any: ...

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    _Layer = keras.layers.Layer
    _RNN = keras.layers.RNN
    _Attention = keras.layers.MultiHeadAttention
    _Embedding = keras.layers.Embedding
    _Model = keras.Model
    _Operation = keras.Operation
    _Variable = keras.Variable
    _Loss = keras.losses.Loss
    _Metric = keras.metrics.Metric
    _Callback = keras.callbacks.Callback
    _Constraint = keras.constraints.Constraint
    _Classifier = keras.wrappers.SKLearnClassifier
    _Regressor = keras.wrappers.SKLearnRegressor

    if not (
        issubclass(_Layer, _Class)
        and issubclass(_RNN, _Class)
        and issubclass(_Attention, _Class)
        and issubclass(_Embedding, _Class)
        and issubclass(_Model, _Class)
        and issubclass(_Operation, _Class)
        and issubclass(_Variable, _Class)
        and issubclass(_Loss, _Class)
        and issubclass(_Metric, _Class)
        and issubclass(_Callback, _Class)
        and issubclass(_Constraint, _Class)
        and issubclass(_Classifier, _Class)
        and issubclass(_Regressor, _Class)
    ):
        raise TypeError

    class Layer(_Layer): ...

    class RNN(_RNN): ...

    class Attention(_Attention): ...

    class Embedding(_Embedding): ...

    class Model(_Model): ...

    class Operation(_Operation): ...

    class Variable(_Variable): ...

    class Loss(_Loss): ...

    class Metric(_Metric): ...

    class Callback(_Callback): ...

    class Constraint(_Constraint): ...

    class Classifier(_Classifier): ...

    class Regressor(_Regressor): ...

else:
    Layer = keras.layers.Layer
    RNN = keras.layers.RNN
    Attention = keras.layers.MultiHeadAttention
    Embedding = keras.layers.Embedding
    Model = keras.Model
    Operation = keras.Operation
    Variable = keras.Variable
    Loss = keras.losses.Loss
    Metric = keras.metrics.Metric
    Callback = keras.callbacks.Callback
    Constraint = keras.constraints.Constraint
    Classifier = keras.wrappers.SKLearnClassifier
    Regressor = keras.wrappers.SKLearnRegressor
