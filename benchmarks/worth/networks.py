"""The network of a task with the noise of a method in it."""

import keras

import keras_dropout as kd
from benchmarks.worth import scanning

# The largest norm of the weights into a unit, of images and of tables.
LIMITS = {4: 1.0, 2: 3.0}


def build(task, method):
    """An untrained network with a softmax, or a mean and a log variance, at its end."""
    if method == "recipe":
        return _by_the_recipe(task)
    model = [keras.Input(task.x.shape[1:])]
    rates, is_image = iter(task.rates), task.x.ndim == 4
    for kind, width in task.network:
        if kind == "pool":
            model.append(keras.layers.MaxPooling2D(width))
            continue
        if kind == "dense" and is_image:
            model.append(keras.layers.Flatten())
            is_image = False
        layer = _layer(task, kind, width, method)
        model += NOISES[method](task, layer, kind, next(rates))
    if task.kind == "classes":
        ends = keras.layers.Dense(task.classes, activation="softmax")
    else:
        ends = keras.layers.Dense(2)
    return keras.Sequential([*model, ends])


def _by_the_recipe(task):
    """The plain network, with the dropout that suits each layer."""
    rule = "paper" if task.x.ndim == 4 else None
    noise = kd.matching_dropout(task.rates[-1], rule=rule)
    return kd.insert_dropout(build(task, "plain"), noise)


def _layer(task, kind, width, method):
    limit = None
    if method == "dropout":
        limit = kd.constraints.MaxNorm(LIMITS[task.x.ndim])
    options = {"activation": "relu", "kernel_constraint": limit}
    if kind == "conv":
        return keras.layers.Conv2D(width, 3, padding="same", **options)
    return keras.layers.Dense(width, **options)


def _nothing(task, layer, kind, rate):
    return [layer]


def _dropout(task, layer, kind, rate):
    """Dropout after every layer, whole channels after a convolution."""
    if kind == "conv":
        return [layer, kd.layers.SpatialDropout2D(rate)]
    return [layer, kd.layers.Dropout(rate)]


def _learned(task, layer, kind, rate):
    """Concrete dropout of what enters the layer, at a rate that training finds."""
    strengths = kd.losses.kl_weights(task.sizes[0])
    return [kd.layers.ConcreteDropout(layer, 0.1, **strengths)]


def _masksembles(task, layer, kind, rate):
    return [layer, kd.layers.Masksembles(4, 2.0)]


NOISES = {
    "plain": _nothing,
    "dropout": _dropout,
    "learned": _learned,
    "masksembles": _masksembles,
}


class Trainer:
    """Trains one network afresh for each seed, compiled once."""

    def __init__(self, task, method, times=1):
        self.task, self.method = task, method
        keras.utils.set_random_seed(0)
        self.model = build(task, method)
        self.trained = (
            kd.BatchRepetition(self.model, times) if times > 1 else self.model
        )
        loss = "sparse_categorical_crossentropy"
        if task.kind == "values":
            loss = kd.losses.GaussianNLL()
        self.trained.compile(keras.optimizers.Adam(2e-3), loss)
        self.trained(task.x[:1].astype("float32"))
        self._fit = scanning.Fit(self.trained)
        self._first = None

    def train(self, x, y, seed):
        """The network, trained on these rows from weights of its own."""
        keras.utils.set_random_seed(seed)
        self.model.set_weights(build(self.task, self.method).get_weights())
        kd.reseed(self.model, seed)
        optimizer = self.trained.optimizer
        if self._first is None:
            optimizer.build(self.trained.trainable_variables)
            self._first = [keras.ops.convert_to_numpy(v) for v in optimizer.variables]
        for variable, value in zip(optimizer.variables, self._first, strict=True):
            variable.assign(value)
        self._fit(x, y, 50, self.task.epochs, seed)
        return self.model
