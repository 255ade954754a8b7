"""Threads that use one model at the same time, in a process that a test can end."""

import sys
import threading
import time

import keras
import numpy as np

import keras_dropout as kd

ROWS = np.random.default_rng(0).normal(size=(32, 16)).astype("float32")


def build():
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Dense(32),
            kd.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(ROWS, np.zeros(32), verbose=0)
    return model


class Mirror(keras.Model):
    """A model of another's layers, which has their weights in another order."""

    def __init__(self, model):
        super().__init__()
        self.last, self.first = model.layers[-1], model.layers[0]

    def call(self, x):
        return self.last(self.first(x))


class Worker(threading.Thread):
    """Calls a function again and again, and keeps how often and what went wrong."""

    def __init__(self, name, function, until):
        super().__init__(name=name)
        self.function, self.until = function, until
        self.calls, self.error = 0, None

    def run(self):
        try:
            while not self.calls or time.monotonic() < self.until:
                self.function()
                self.calls += 1
        except Exception as error:
            self.error = error


def run(functions, seconds):
    until = time.monotonic() + seconds
    workers = [Worker(name, each, until) for name, each in functions.items()]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for worker in workers:
        print(f"{worker.name}: {worker.calls} calls", flush=True)
        if worker.error is not None:
            raise worker.error


def same(function):
    """Checks that each call gives what the first gave, before there were threads."""
    first = function()

    def check():
        np.testing.assert_allclose(function(), first, rtol=1e-5, atol=1e-6)

    return check


def sampling(model):
    return lambda: kd.mc_predict(model, ROWS, samples=10, seed=1).mean


def predicting(model):
    return lambda: model.predict(ROWS, verbose=0)


def beside_predict(model, seconds):
    sample, predict = same(sampling(model)), same(predicting(model))
    run({"first": sample, "second": sample, "predict": predict}, seconds)


def beside_a_model_of_the_same_layers(model, seconds):
    sample, predict = same(sampling(model)), same(predicting(Mirror(model)))
    run({"first": sample, "second": sample, "mirror": predict}, seconds)


def monte_carlo_beside_predict(model, seconds):
    server = kd.MonteCarlo(model, samples=8, seed=0)

    def serve():
        assert np.isfinite(server.predict(ROWS, verbose=0)["mean"]).all()

    serve()
    sample, predict = same(sampling(model)), same(predicting(model))
    run({"server": serve, "sample": sample, "predict": predict}, seconds)


def beside_fit(model, seconds):
    model.optimizer.learning_rate = 0.01
    labels = np.tile(ROWS.argmax(axis=1) % 3, 20)
    sample = sampling(model)
    sample()

    def check():
        assert np.isfinite(sample()).all()

    def fit():
        model.fit(np.tile(ROWS, (20, 1)), labels, epochs=2, verbose=0)

    before = model.evaluate(ROWS, labels[:32], verbose=0)
    run({"sample": check, "fit": fit}, seconds)
    assert model.evaluate(ROWS, labels[:32], verbose=0) < before


if __name__ == "__main__":
    model = build()
    for scenario in (
        beside_predict,
        beside_a_model_of_the_same_layers,
        monte_carlo_beside_predict,
        beside_fit,
    ):
        print(scenario.__name__, flush=True)
        scenario(model, float(sys.argv[1]))
