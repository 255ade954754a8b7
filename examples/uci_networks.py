"""The sets and the networks of the regressions of the Monte Carlo dropout paper."""

import dataclasses

import experiment
import keras
import numpy as np

import keras_dropout as kd

L = keras.layers
UNITS, BATCH = 50, 32


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the authors chose for a set of data, and their results.

    Attributes:
        rate: The rate of both dropout layers.
        precision: One over the variance of the noise, in the unit of the values.
        length_scale: Of the prior of the weights.
        rmse: The published mean and its standard error over 20 splits.
        likelihood: The same of the log-likelihood of a test row.
    """

    rate: float = 0.05
    precision: float | None = None
    length_scale: float = 0.01
    rmse: tuple[float, float] | None = None
    likelihood: tuple[float, float] | None = None


CHOICES = {
    "concrete": Choice(0.01, 0.0557, rmse=(5.230, 0.118), likelihood=(-3.039, 0.020)),
    "energy": Choice(0.05, 0.4271, rmse=(1.663, 0.043), likelihood=(-1.985, 0.020)),
    "kin8nm": Choice(0.05, 192.48, rmse=(0.0965, 0.0007), likelihood=(0.951, 0.006)),
    "power-plant": Choice(
        0.005, 0.0871, rmse=(4.022, 0.041), likelihood=(-2.795, 0.010)
    ),
    "yacht": Choice(
        0.01, 0.5419, length_scale=0.1, rmse=(1.109, 0.085), likelihood=(-1.554, 0.027)
    ),
}


class Splits:
    """Some splits of a set, of equal sizes, standardised by their training rows.

    The first axis of all arrays is that of the splits. They are drawn by the authors'
    rule, so they are the same if the rows are in the authors' order.
    """

    def __init__(self, x, y, count, choice):
        rng = np.random.RandomState(1)
        orders = np.stack([rng.permutation(len(x)) for _ in range(count)])
        self.count, self.choice = count, choice
        cut = round(0.9 * len(x))
        self.sizes = cut, len(x) - cut
        self.x, y = x[orders], y[orders][..., 0]
        mean, scale = moments(self.x[:, :cut])
        self.x = (self.x - mean) / scale
        self.y_mean, self.y_scale = moments(y[:, :cut])
        self.train = self.x[:, :cut], ((y - self.y_mean) / self.y_scale)[:, :cut]
        self.test = self.x[:, cut:], y[:, cut:]
        # A tenth of the variance of the values, where nobody has chosen.
        self.precision = choice.precision or 10 / float(np.var(y))

    def penalty(self, rows):
        """The weight decay that the paper's prior comes to."""
        keep, scale = 1 - self.choice.rate, self.choice.length_scale
        return scale**2 * keep / (2 * rows * self.precision)


def moments(values):
    """Mean and standard deviation over rows, the latter 1 where there is none."""
    scale = values.std(axis=1, keepdims=True)
    return values.mean(axis=1, keepdims=True), np.where(scale == 0, 1, scale)


def alone(features, first, second, penalty=0.0):
    """The network of one split: a layer of noise before each dense layer."""
    decay = keras.regularizers.L2(penalty) if penalty else None
    layers = [*first, L.Dense(UNITS, "relu", kernel_regularizer=decay)]
    layers += [*second, L.Dense(1, kernel_regularizer=decay)]
    return keras.Sequential([keras.Input((features,)), *layers])


def side_by_side(count, features, first, second, penalty):
    """The networks of all splits in one model, to start fewer and larger steps.

    They share no weight and no mask.
    """
    options = {"kernel_regularizer": keras.regularizers.L2(penalty)}
    hidden = L.EinsumDense("bsi,sio->bso", (count, UNITS), "relu", "so", **options)
    output = L.EinsumDense("bsi,sio->bso", (count, 1), None, "so", **options)
    inputs = keras.Input((count, features))
    return keras.Sequential([inputs, *first, hidden, *second, output])


def squared_errors(y, predicted):
    """The sum over splits, so each network learns as it would by itself."""
    return keras.ops.sum(keras.ops.square(y - predicted), axis=(1, 2))


def trained(splits, x, y, noises, epochs, epsilon=1e-7, batch=BATCH):
    """The weights of the network of each split.

    Args:
        splits: The `Splits`.
        x: Inputs `(splits, rows, features)`.
        y: Standardised values `(splits, rows)`.
        noises: Function of nothing to the layers before both dense layers.
        epochs: How many.
        epsilon: That of Adam.
        batch: Rows of a step.
    """
    count, rows, features = x.shape
    keras.utils.set_random_seed(0)
    starts = [alone(features, [], []).get_weights() for _ in range(count)]
    first, second = noises()
    model = side_by_side(count, features, first, second, splits.penalty(rows))
    for variable, values in zip(
        model.trainable_variables, zip(*starts, strict=True), strict=True
    ):
        variable.assign(np.stack(values))
    model.compile(
        keras.optimizers.Adam(epsilon=epsilon),
        squared_errors,
        steps_per_execution=experiment.steps_per_execution(-(-rows // batch)),
    )
    by_row = np.swapaxes(x, 0, 1), np.swapaxes(y, 0, 1)[..., None]
    model.fit(*by_row, batch, epochs, verbose=0)
    found = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    return [list(weights) for weights in zip(*found, strict=True)]


def put(model, weights):
    """Gives a network the weights of one split."""
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)


def dropout(rate):
    return lambda: ([kd.layers.Dropout(rate)], [kd.layers.Dropout(rate)])
