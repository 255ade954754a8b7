"""Dropout of the weights of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers.weights import _affine
from keras_dropout._layers.weights._weight_noise import WeightNoise, raw
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Tensor


@registered
class DropConnect(WeightNoise):
    r"""Drops single weights of the wrapped layer.

    In training, with $m \sim \mathrm{Bernoulli}(1 - p)$ for every weight,

    $$y = a\!\left(\frac{m \odot W}{1 - p}\, x + b\right), \qquad
    u = \frac{m \odot W}{1 - p}\, x + b, \qquad \mathrm{E}[u] = W x + b, \qquad
    \mathrm{Var}[u_j] = \frac{p}{1 - p} \sum_i x_i^2 W_{ij}^2,$$

    where $a$ is the activation of the layer. At inference, `inference="mean"` is the
    layer without noise, $a(W x + b)$. `inference="gaussian"` is that of the paper: $u$
    is assumed to be Gaussian with the mean and variance above, and $\mathrm{E}[a(u)]$
    is averaged over `samples` draws. For ReLU and for no activation there is a closed
    form, and nothing is drawn.

    Differences from the paper: kept weights are scaled in training, not at inference;
    the whole batch has one mask unless `per="row"`; biases are dropped only with
    `drop_bias`.

    Args:
        layer: A Keras layer with weights, or a model.
        rate: Float in `[0, 1)`, the probability $p$ that a weight is dropped, or a
            schedule. Live.
        weights: Tuple of names of the weights to drop. Use `("embeddings",)` for
            `keras.layers.Embedding`.
        drop_bias: Boolean. Whether the weights named `bias` are dropped as well.
        per: What gets its own mask: the whole `"batch"`, or each `"row"`. The latter is
            for `keras.layers.Dense` only and needs memory of batch × inputs × units.
        inference: `"mean"`, or `"gaussian"` for `Dense`, `Conv1D`, `Conv2D` and
            `Conv3D`.
        samples: Integer, the draws of the Gaussian inference. The paper takes 1000.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not a layer, or `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)`, no weight has one of the names, or
            the layer does not fit `per` or `inference`.

    Examples:
        >>> import keras
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> dense = keras.layers.Dense(4, kernel_initializer="ones")
        >>> y = layers.DropConnect(dense, 0.5, seed=0)(ops.eye(100), training=True)
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [0.0, 2.0]

    References:
        - Wan et al., 2013, [Regularization of Neural Networks using
          DropConnect](https://proceedings.mlr.press/v28/wan13.html)
    """

    rate: Live = Live(
        _validation.drop_rate_below_one,
        "The probability of dropping a weight, a live float.",
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: Rate = 0.5,
        weights: str | Sequence[str] = ("kernel",),
        drop_bias: bool = False,
        per: Literal["batch", "row"] = "batch",
        inference: Literal["mean", "gaussian"] = "mean",
        samples: int = 32,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(layer, weights, seed=seed, **kwargs)
        self.rate = rate
        self.drop_bias: bool = _validation.boolean("drop_bias", drop_bias)
        self.per: Literal["batch", "row"] = _validation.choice(
            "per", per, ("row", "batch")
        )
        choices = ("mean", "gaussian")
        self.inference: Literal["mean", "gaussian"] = _validation.choice(
            "inference", inference, choices
        )
        self.samples: int = _validation.integer("samples", samples, minimum=1)
        if per == "row":
            self._check_kernel_of("per", per, (keras.layers.Dense,))
            if layer.activity_regularizer is not None:
                raise ValueError(
                    "`per='row'` needs a layer without `activity_regularizer`: put "
                    "`keras.layers.ActivityRegularization` after it. Received: "
                    f"{layer.activity_regularizer} of the layer {layer.name!r}"
                )
        if inference == "gaussian":
            self._check_kernel_of("inference", inference, _affine.AFFINE)

    def _check_kernel_of(self, name, value, classes):
        if not isinstance(self.layer, classes) or self.weight_names != ("kernel",):
            names = ", ".join(cls.__name__ for cls in classes)
            raise ValueError(
                f"`{name}={value!r}` is for the kernel of {names} only. Received: "
                f"weights={self.weight_names} of the layer {self.layer.name!r}, "
                f"a {type(self.layer).__name__}"
            )

    @property
    def one_sample_per_call(self) -> bool:
        """Whether all rows of a call share the noise."""
        return self.per == "batch"

    def names_to_perturb(self) -> tuple[str, ...]:
        names = self.weight_names
        return (*names, "bias") if self.drop_bias else names

    def perturb_weight(self, variable: keras.Variable, value: Tensor) -> Tensor:
        keep, scale = self.keep_mask(tuple(value.shape))
        return formulas.where_kept(keep, value, scale)

    def perturb(self, x: Tensor, **kwargs: Any) -> Tensor:
        if self.per == "batch":
            return super().perturb(x, **kwargs)
        layer = self.layer
        x = ops.cast(x, layer.compute_dtype)
        # A matrix of weights for each row: rows stand on an axis of their own.
        flat = len(x.shape) == 2
        x = ops.expand_dims(x, 1) if flat else x
        noisy = self._weight_per_row(self._kernel(), x)
        y = ops.matmul(x, _affine.adapted(layer, noisy))
        if layer.use_bias:
            own = self._weight_per_row(layer.bias, x) if self.drop_bias else layer.bias
            y = y + ops.cast(own, y.dtype)
        y = ops.squeeze(y, 1) if flat else y
        return y if layer.activation is None else layer.activation(y)

    def _kernel(self):
        # Not the layer's `kernel`, which under LoRA is that with what was added.
        return next(v for v in self.noisy_weights() if v.name == "kernel")

    def _weight_per_row(self, variable, x):
        """A noisy weight for each row of `x`, in the shape that broadcasts to it."""
        value = raw(variable)
        shape = tuple(value.shape)
        rate = self.current("rate")
        keep = random.keep_mask((ops.shape(x)[0], *shape), rate, self.key())
        scale = formulas.keep_scale(rate)
        noisy = formulas.where_kept(keep, value, scale)
        between = range(1, len(x.shape) - len(shape))
        return ops.cast(ops.expand_dims(noisy, tuple(between)), x.dtype)

    def infer(self, x: Tensor, **kwargs: Any) -> Tensor:
        if self.inference == "mean":
            return super().infer(x, **kwargs)
        mean, stddev = self.gaussian(x)
        activation = self.layer.activation
        if activation in (None, keras.activations.linear):
            y = mean
        elif activation is keras.activations.relu:
            y = _affine.relu_mean(mean, stddev)
        else:
            shape = (self.samples, *ops.shape(mean))
            noise = random.normal(shape, self.key(), per_row=False)
            y = ops.mean(activation(mean + stddev * noise), axis=0)
        return ops.cast(y, self.layer.compute_dtype)

    def without_noise(self) -> keras.layers.Layer | None:
        return self.layer if self.inference == "mean" else self

    def gaussian(self, x: Tensor) -> Tensor:
        """Mean and standard deviation of what goes into the activation."""
        layer = self.layer
        kernel = ops.cast(raw(self._kernel()), "float32")
        x = ops.cast(x, "float32")
        keep = random.keep_probability(self.current("rate"))
        mean = _affine.linear(layer, x, _affine.adapted(layer, kernel))
        squares = _affine.linear(layer, ops.square(x), ops.square(kernel))
        if layer.use_bias:
            bias = _affine.aligned(layer, ops.cast(raw(layer.bias), "float32"), mean)
            mean = mean + bias
            squares = squares + ops.square(bias) if self.drop_bias else squares
        return mean, ops.sqrt((1.0 - keep) * formulas.inverse(keep) * squares)

    def get_config(self) -> Config:
        own = {
            "drop_bias": self.drop_bias,
            "per": self.per,
            "inference": self.inference,
            "samples": self.samples,
        }
        return {**super().get_config(), **own}
