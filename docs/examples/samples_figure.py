"""The figure of the uncertainty page: mutual information by number of samples."""

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_dropout as kd

NUMBERS = (5, 10, 20, 50, 100, 200, 400)


def draw():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            keras.layers.Dense(64, activation="relu"),
            kd.layers.Dropout(0.5),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(200, 20)).astype("float32")
    raw, corrected = [], []
    for samples in NUMBERS:
        prediction = kd.mc_predict(
            model, x, samples, batch_size=200, seed=samples, verbose=0
        )
        raw.append(prediction.mutual_information.mean())
        corrected.append(prediction.mutual_information_corrected.mean())
    figure, ax = plt.subplots(figsize=(6, 3.2))
    ax.plot(NUMBERS, raw, "s--", color="#e76f51", label="as sampled")
    ax.plot(NUMBERS, corrected, marker="o", color="#2a9d8f", label="corrected")
    ax.set(xscale="log", xlabel="samples", ylabel="mutual information, nats")
    ax.set_xticks(NUMBERS, NUMBERS)
    ax.minorticks_off()
    ax.legend()
    return figure


FIGURES = {"samples": draw}
