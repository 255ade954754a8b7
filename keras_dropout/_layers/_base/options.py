"""What constructors of layers take alike, for type checkers and for help."""

from typing import Any, Literal, TypeAlias, TypedDict

import keras

from keras_dropout._typing import Seed
from keras_dropout.schedules import Schedule

# What a live value may be when its layer is built.
Rate: TypeAlias = float | Schedule


class KerasOptions(TypedDict, total=False):
    """Those of `keras.layers.Layer`."""

    name: str | None
    dtype: str | keras.DTypePolicy | None
    trainable: bool
    activity_regularizer: Any
    autocast: bool


class ModelOptions(TypedDict, total=False):
    """Those of `keras.Model`."""

    name: str | None
    dtype: str | keras.DTypePolicy | None
    trainable: bool


class LayerOptions(KerasOptions, total=False):
    """Those of a noise layer beside its seed."""

    monte_carlo: bool


class NoiseOptions(LayerOptions, total=False):
    """Those of a noise layer."""

    seed: Seed


class ScaledOptions(LayerOptions, total=False):
    """Those of `Dropout` beside its rate, seed and the shape of its noise."""

    scaling: Literal["train", "inference"]


class UnitOptions(ScaledOptions, total=False):
    """Those of `Dropout` beside its rate and seed."""

    noise_shape: Any


class LoopOptions(LayerOptions, total=False):
    """Those of `keras.layers.RNN`, but for whether it gives all steps."""

    return_state: bool
    go_backwards: bool
    stateful: bool
    unroll: bool
    zero_output_for_mask: bool


class RecurrentOptions(LoopOptions, total=False):
    """Those of `keras.layers.RNN`."""

    return_sequences: bool


class GatedOptions(RecurrentOptions, total=False):
    """Those of `keras.layers.LSTM` and `keras.layers.GRU`, without their dropouts."""

    activation: Any
    recurrent_activation: Any
    use_bias: bool
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    recurrent_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    recurrent_constraint: Any
    bias_constraint: Any
    # Of the one and of the other.
    unit_forget_bias: bool
    reset_after: bool


class AttentionOptions(LayerOptions, total=False):
    """Those of `keras.layers.MultiHeadAttention`."""

    value_dim: int | None
    dropout: float
    use_bias: bool
    output_shape: Any
    attention_axes: Any
    sliding_window: int | None
    flash_attention: bool | None
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any
    use_gate: bool
