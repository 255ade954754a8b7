"""The figure of the uncertainty page: the plots, of digits and of a regression."""

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import keras_dropout as kd
from keras_dropout import plots


def digits():
    """Predictions for digits and for the same turned upside down, and the labels."""
    x, y = load_digits(return_X_y=True)
    x = x.astype("float32") / 16
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(128, activation="relu"),
            kd.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:600], y[:600], 32, epochs=15, verbose=0)
    options = {"samples": 100, "batch_size": 400, "seed": 0, "verbose": 0}
    known = kd.mc_predict(model, x[-400:], return_samples=True, **options)
    turned = kd.mc_predict(model, x[-400:, ::-1], **options)
    return known, turned, y[-400:]


def regression():
    """A prediction beyond the ends of what the model was fitted to."""
    x = np.linspace(-1, 1, 80, dtype="float32")[:, None]
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(256, activation="relu", bias_initializer="normal"),
            kd.layers.Dropout(0.1),
            keras.layers.Dense(256, activation="relu"),
            kd.layers.Dropout(0.1),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    model.fit(x, np.sin(3 * x), 80, epochs=200, verbose=0)
    grid = np.linspace(-2, 2, 100, dtype="float32")[:, None]
    options = {"masks": "shared", "return_samples": True, "seed": 0, "verbose": 0}
    return grid, kd.mc_predict(model, grid, 50, batch_size=100, **options)


def draw():
    keras.utils.set_random_seed(0)
    known, turned, labels = digits()
    grid, prediction = regression()
    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    names = ["digits", "upside down"]
    plots.uncertainty_histogram(known, turned, labels=names, ax=axes[0, 0])
    plots.roc(known, turned, label=names[1], ax=axes[0, 1])
    plots.risk_coverage(known, labels, ax=axes[0, 2])
    plots.reliability(known, labels, ax=axes[1, 0])
    plots.class_probabilities(known, known.most_uncertain(1)[0], ax=axes[1, 1])
    plots.regression_band(grid, prediction, ax=axes[1, 2])
    axes[1, 2].legend()
    return figure


FIGURES = {"plots": draw}
