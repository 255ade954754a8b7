"""The strength of penalties for which loss and penalties are one variational bound."""

from __future__ import annotations

from typing import Literal

from keras_dropout import _validation

Loss = Literal["nll", "mse", "double_nll"]


def kl_weights(
    examples: int,
    *,
    loss: Loss = "nll",
    precision: float = 1.0,
    outputs: int = 1,
    length_scale: float = 1e-2,
) -> dict[Literal["weight_regularizer", "dropout_regularizer"], float]:
    r"""The strengths of the penalties of learned dropout, for a given loss.

    Variational inference minimises the mean negative log-likelihood of an example plus
    $\mathrm{KL} / N$. A Keras loss is $c$ times that likelihood, so the divergence of
    a layer, $\frac{l^2}{2 (1 - p)} \lVert W \rVert^2 - K H(p)$, counts $c / N$ times:

    | loss | $c$ | `weight_regularizer` | `dropout_regularizer` |
    |---|---|---|---|
    | `"nll"` | $1 / D$ | $l^2 / (2 N D)$ | $1 / (N D)$ |
    | `"mse"` | $2 / (\tau D)$ | $l^2 / (\tau N D)$ | $2 / (\tau N D)$ |
    | `"double_nll"` | $2$ | $l^2 / N$ | $2 / N$ |

    Args:
        examples: Integer, the number $N$ of rows in the training data.
        loss: `"nll"` for cross-entropies and `GaussianNLL`; `"mse"` for the mean
            squared error; `"double_nll"` for $e^{-s} (y - \mu)^2 + s$ *summed* over
            outputs, as the authors of concrete dropout have it.
        precision: Float above 0, the precision $\tau$ (one over the variance) of the
            data's noise, which the mean squared error does not contain. For `"mse"`
            only.
        outputs: Integer, the number $D$ of terms that the loss averages for each row:
            the outputs of a regression, the pixels of a segmentation, 1 for one label
            per row. It has no effect for `"double_nll"`.
        length_scale: Float above 0, the prior length scale $l$. It is smaller for a
            function that changes faster.

    Returns:
        A dictionary of the two floats. Pass it as `**kl_weights(...)`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range, or `precision` is given for a loss
            that contains it.

    Examples:
        >>> from keras_dropout import losses
        >>> strengths = losses.kl_weights(
        ...     100, loss="mse", precision=2.0, length_scale=0.1
        ... )
        >>> {name: round(value, 9) for name, value in strengths.items()}
        {'weight_regularizer': 5e-05, 'dropout_regularizer': 0.01}

    References:
        - Gal, Hron and Kendall, 2017, [Concrete
          Dropout](https://arxiv.org/abs/1705.07832). The halves that the likelihood
          takes, and $D$, are missing in the notes of its code.
    """
    examples = _validation.integer("examples", examples, minimum=1)
    _validation.choice("loss", loss, ("nll", "mse", "double_nll"))
    precision = _validation.positive("precision", precision)
    outputs = _validation.integer("outputs", outputs, minimum=1)
    length_scale = _validation.positive("length_scale", length_scale)
    if loss != "mse" and precision != 1.0:
        expected = f"1.0, since loss={loss!r} has the noise of the data in it"
        raise ValueError(_validation.invalid("precision", expected, precision))
    factors = {"nll": 1 / outputs, "mse": 2 / (precision * outputs), "double_nll": 2.0}
    weight = factors[loss] / examples
    return {
        "weight_regularizer": length_scale**2 * weight / 2,
        "dropout_regularizer": weight,
    }
