"""Layers and models of a user's own that are noisy in every way that Keras allows."""

import keras
from keras import ops

L = keras.layers
_SHARED = keras.random.SeedGenerator(7)


class Latent(L.Layer):
    """A VAE's sampling layer, which keeps its generator in one of many places."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        generator = keras.random.SeedGenerator(1)
        if place == "list":
            self.gens = [generator]
        elif place == "dict":
            self.gens = {"a": [generator]}
        elif place == "object":
            self.gens = type("Box", (), {"generator": generator})()

    def generator(self):
        return {
            "list": lambda: self.gens[0],
            "dict": lambda: self.gens["a"][0],
            "object": lambda: self.gens.generator,
            "outside": lambda: _SHARED,
            "nowhere": lambda: None,
        }[self.place]()

    def call(self, x):
        mean, log_variance = ops.split(x, 2, axis=-1)
        noise = keras.random.normal(ops.shape(mean), seed=self.generator())
        return mean + ops.exp(0.5 * log_variance) * noise

    def compute_output_shape(self, shape):
        return (*shape[:-1], shape[-1] // 2)


class Path(L.Layer):
    """Stochastic depth as `keras.applications` has it: no generator at all."""

    def __init__(self, drop_path_rate=0.4):
        super().__init__()
        self.drop_path_rate = drop_path_rate

    def call(self, x, training=None):
        if not training:
            return x
        kept = 1 - self.drop_path_rate
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        return x / kept * ops.floor(kept + keras.random.uniform(shape))


class Functions(L.Layer):
    """Keras's own dropout function, without a seed."""

    def call(self, x, training=None):
        return keras.random.dropout(x, 0.5) if training else x


class OneForAll(L.Layer):
    """Draws one number for all rows."""

    def call(self, x, training=None):
        return x * (1.0 + keras.random.uniform(())) if training else x


class Block(L.Layer):
    """Noise of its own beside a layer that must stay in inference."""

    def __init__(self):
        super().__init__()
        self.norm = L.BatchNormalization()

    def call(self, x, training=False):
        x = self.norm(x, training=training)
        return keras.random.dropout(x, 0.5) if training else x


class Whole(keras.Model):
    """A model that draws in its own `call`."""

    def __init__(self):
        super().__init__()
        self.dense, self.seed = L.Dense(2), keras.random.SeedGenerator(2)

    def call(self, x, training=False):
        if training:
            x = keras.random.dropout(x, 0.5, seed=self.seed)
        return self.dense(x)


class Scaled(L.Layer):
    """Does something else in training, but nothing random, and keeps a generator."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x, training=False):
        return 2.0 * x if training else x


class Frames(L.SpatialDropout1D):
    """Drops steps instead of channels."""

    def _get_noise_shape(self, inputs):
        shape = ops.shape(inputs)
        return (shape[0], shape[1], 1)


class Doubled(L.Dropout):
    def call(self, x, training=False):
        return 2.0 * super().call(x, training=training)


class Renamed(L.Dropout):
    """A subclass that changes nothing of what is computed."""

    def __init__(self, rate):
        super().__init__(rate, name="renamed")

    def get_config(self):
        return {"rate": self.rate}


class Deaf(L.LSTM):
    """Its `call` takes no `training`, so that nobody can tell it."""

    def call(self, sequences, initial_state=None, mask=None):
        return super().call(sequences, initial_state=initial_state, mask=mask)


class Loud(L.LSTM):
    """Its `call` takes no `training`, and is noisy always."""

    def call(self, sequences, initial_state=None, mask=None):
        return super().call(
            sequences, initial_state=initial_state, mask=mask, training=True
        )


class HalfCell(L.SimpleRNNCell):
    """Masks every other unit only, whatever the rate."""

    def get_dropout_mask(self, step_input):
        mask = super().get_dropout_mask(step_input)
        return (
            None
            if mask is None
            else ops.concatenate([mask[:, :1], ops.ones_like(mask[:, 1:])], axis=1)
        )


class Strength(L.Layer):
    """Noise whose strength is a number, in a way that a user might write it."""

    def __init__(self, way, strength):
        super().__init__()
        self.way, self.strength = way, strength
        self.generator = keras.random.SeedGenerator(2)

    def call(self, x, training=None):
        s, shape, seed = self.strength, ops.shape(x), {"seed": self.generator}
        return {
            "normal": lambda: x + s * keras.random.normal(shape, **seed),
            "stddev": lambda: x + keras.random.normal(shape, stddev=s, **seed),
            "times": lambda: (
                x * (1 + keras.random.truncated_normal(shape, 0, s, **seed))
            ),
            "uniform": lambda: (
                x * ops.floor(1 - s + keras.random.uniform(shape, **seed))
            ),
            "in training": lambda: (
                x + s * keras.random.uniform(shape, -1, 1, **seed) if training else x
            ),
            "dropout": lambda: keras.random.dropout(x, s, **seed) if training else x,
            "randint": lambda: (
                x + s * ops.cast(keras.random.randint(shape, 0, 5, **seed), "float32")
            ),
            "centred": lambda: x + s * _centred(keras.random.normal(shape, **seed)),
            "binomial": lambda: x + s * keras.random.binomial(shape, 3.0, 0.5, **seed),
            "beta": lambda: x + s * keras.random.beta(shape, 2.0, 3.0, **seed),
            "gamma": lambda: x + s * keras.random.gamma(shape, 2.0, **seed),
        }[self.way]()

    def compute_output_shape(self, shape):
        return shape


def _centred(x):
    return x - ops.mean(x, axis=-1, keepdims=True)


class Raw(L.Layer):
    """Takes seeds from Keras, and draws by functions of its own."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(2)

    def call(self, x):
        seed = ops.cast(self.generator.next()[1] % 65521, "float32")
        noise = ops.sin(seed * (1.0 + ops.cast(ops.arange(ops.size(x)), "float32")))
        return (
            x + ops.reshape(noise, ops.shape(x)) + 0 * keras.random.normal(ops.shape(x))
        )

    def compute_output_shape(self, shape):
        return shape
