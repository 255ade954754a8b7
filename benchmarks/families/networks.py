"""The small networks of the studies, with a place for the noise that is compared.

Each function takes the noise and returns a function of nothing to a new network.
"""

from __future__ import annotations

import functools

import keras

import keras_dropout as kd
from benchmarks.families import data

L = keras.layers
CLASSES = 10


def nothing(*_):
    return []


def dense(noise=nothing, head=None):
    """Two hidden layers of 128 units, the noise behind each, and a head."""

    def build():
        layers = [keras.Input((8, 8, 1)), L.Flatten()]
        for _ in range(2):
            layers += [L.Dense(128, "relu"), *noise()]
        layers.append(head() if head else L.Dense(CLASSES, "softmax"))
        return keras.Sequential(layers)

    return build


def convolutional(noise=nothing, pooling=L.MaxPooling2D):
    """Two convolutions, each with pooling and noise behind it."""

    def build():
        layers = [keras.Input((8, 8, 1))]
        for filters in (16, 32):
            convolution = L.Conv2D(filters, 3, padding="same", activation="relu")
            layers += [convolution, pooling(), *noise()]
        layers += [L.Flatten(), L.Dense(CLASSES, "softmax")]
        return keras.Sequential(layers)

    return build


def residual(inside=nothing, at_end=nothing, join=None):
    """A stem and two residual blocks on maps of 8 by 8.

    Args:
        inside: Function of the number of a block to the layers in its branch.
        at_end: The same, to the layers behind its branch.
        join: Function of nothing to the layer that joins two branches of a block, or
            `None` for blocks of one branch.
    """

    def branch(x, block):
        for layer in [*convolved(16), *inside(block), *convolved(16), *at_end(block)]:
            x = layer(x)
        return x

    def build():
        inputs = keras.Input((16, 16, 3))
        x = inputs
        for layer in convolved(16, strides=2):
            x = layer(x)
        for block in (1, 2):
            added = branch(x, block)
            if join is not None:
                added = join()([added, branch(x, block)])
            x = L.Add()([x, added])
        x = L.GlobalAveragePooling2D()(L.Activation("relu")(x))
        return keras.Model(inputs, L.Dense(CLASSES, "softmax")(x))

    return build


def convolved(filters, strides=1):
    options = {"padding": "same", "use_bias": False}
    return [
        L.Conv2D(filters, 3, strides, **options),
        L.BatchNormalization(momentum=0.9),
        L.Activation("relu"),
    ]


def transformer(noise=nothing, width=32, patch=2):
    """A vision transformer of two blocks on 64 patches."""

    def build():
        inputs = keras.Input((16, 16, 3))
        x = L.Conv2D(width, patch, patch)(inputs)
        x = L.Reshape(((16 // patch) ** 2, width))(x)
        x = Positions()(x)
        for layer in noise():
            x = layer(x)
        for _ in range(2):
            normal = L.LayerNormalization()(x)
            x = L.Add()([x, L.MultiHeadAttention(2, width // 2)(normal, normal)])
            inner = L.Dense(2 * width, "gelu")(L.LayerNormalization()(x))
            x = L.Add()([x, L.Dense(width)(inner)])
        x = L.GlobalAveragePooling1D()(L.LayerNormalization()(x))
        return keras.Model(inputs, L.Dense(CLASSES, "softmax")(x))

    return build


class Positions(L.Layer):
    """Adds a learned vector to each position."""

    def build(self, shape):
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal")

    def call(self, x):
        return x + self.vectors


def language(embedding=None, recurrent=None, between=nothing):
    """A recurrent network of 64 units that says the next character.

    Args:
        embedding: Function of nothing to the embedding, or `None` for Keras's.
        recurrent: The same for the recurrent layer.
        between: Function of nothing to the layers before and behind the latter.
    """

    def build():
        plain = functools.partial(L.LSTM, 64, return_sequences=True)
        first = embedding() if embedding else L.Embedding(data.CHARACTERS, 32)
        second = recurrent() if recurrent else plain()
        layers = [keras.Input((data.STEPS,)), first, *between(), second, *between()]
        return keras.Sequential([*layers, L.Dense(data.CHARACTERS, "softmax")])

    return build


def tuned(wrap=lambda layer: layer, noise=nothing):
    """A perceptron that has learned digits, and is to be tuned on others."""

    def build():
        learned = pretrained()
        layers = [keras.Input((8, 8, 1)), L.Flatten()]
        for place, units in enumerate((128, 128, CLASSES)):
            activation = "relu" if place < 2 else "softmax"
            layer = L.Dense(units, activation)
            layer.build((None, (64, 128, 128)[place]))
            layer.set_weights(learned[2 * place : 2 * place + 2])
            layers += [wrap(layer), *(noise() if place < 2 else [])]
        return keras.Sequential(layers)

    return build


@functools.cache
def pretrained():
    """The weights of a perceptron that knows upright digits."""
    keras.utils.set_random_seed(99)
    model = dense(lambda: [kd.layers.Dropout(0.2)])()
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(*data.all_digits(), 64, 20, verbose=0)
    return [
        keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables
    ]
