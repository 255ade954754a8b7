"""Right code that a type checker must have nothing to say of. Nobody runs this file."""

import keras
import numpy as np

import keras_dropout as kd
from keras_dropout import layers, schedules

inputs = keras.Input((4,))
model = keras.Model(inputs, layers.Dropout(0.5)(inputs))
x = np.ones((8, 4), "float32")


def named(layer: keras.layers.Layer) -> str:
    """Our layers are layers of Keras."""
    return str(layer.name)


named(layers.Dropout(0.5))
named(layers.DropHead(2, 8))
named(layers.RecurrentDropoutGRU(4, return_sequences=True, reset_after=True))
every: list[keras.layers.Layer] = [layers.Dropout(0.5), keras.layers.Dense(2)]
trained: keras.Model = layers.RDrop(model)
served: keras.Model = kd.MonteCarlo(model, samples=10)
wrapped: keras.losses.Loss = kd.losses.GaussianNLL(beta=0.5)
limit: keras.constraints.Constraint = kd.constraints.MaxNorm(3.0, axis=(0, 1))
followed: keras.callbacks.Callback = kd.callbacks.RateLogger()

# Live values are floats, schedules and what is assigned.
ramp = schedules.Linear(0.0, 0.5, steps=100)
now: float = layers.Dropout(ramp, seed=1, name="ramp").rate
dropout = layers.Dropout(0.5, name="drop")
total: float = dropout.rate + layers.GaussianNoise(0.1).stddev
dropout.rate = 0.3
dropout.rate = np.float64(0.3)
dropout.rate = 1
layers.Dropout(0)
layers.Dropout(0.5, (None, 1), keras.random.SeedGenerator(3), "inference")
layers.Dropout(0.5, dtype="float16", trainable=False, monte_carlo=True)
layers.Dropout(0.5, dtype=keras.DTypePolicy("mixed_bfloat16"))
layers.VariationalDropout(0.2, granularity="unit").rate.mean()
layers.MaxNormDropout(keras.layers.Dense(2), 0.5, noise_shape=(None, 1))
layers.Cutout((2, 3), probability=schedules.Constant(0.5))
layers.WeightDrop(keras.layers.LSTM(3), weights=["kernel", "recurrent_kernel"])
layers.MCDropout(0.5, scaling="inference")
live = layers.Dropout.rate.name

# One model, several, and picks of every kind.
kd.mc_predict([model, model], x, 20, 32, 0, masks="antithetic", tol=1e-2)
kd.mc_predict(model, x, outputs=["probabilities", "values"], layers=[dropout, "drop"])
kd.mc_predict(model, {"a": x}, outputs={"a": "logits"}, verbose=0)
kd.mc_predict(model, x, layers=lambda layer: layer.name != "drop")
kd.mc_predict(model, x, layers=(layers.Dropout, keras.layers.Dropout))
prediction = kd.mc_predict(model, x, return_samples=True)
lower, upper = prediction.interval(0.9)
width: np.ndarray = upper - lower
best = prediction[prediction.most_uncertain(3, by="std")].mean.argmax(axis=-1)
mean = np.asarray(prediction)
scores = kd.mc_evaluate(model, x, x)
value: float = scores["nll"]
if scores.baseline is not None:
    value -= scores.baseline["nll"]
for head in kd.mc_predict(model, x):
    head.std.max()

# What Keras gives has types that pyright guesses.
loaded = keras.saving.load_model("model.keras")
kd.mc_predict(loaded, x).mean.max()
kd.mc_predict([loaded, keras.models.clone_model(model)], x)
kd.set_rates(loaded, 0.1)
kd.reseed(loaded, 1)
kd.learn_rates(loaded, layers=["dropout"])
kd.integrations.BatchPredictor(loaded, x="x")
kd.integrations.sklearn.MonteCarloClassifier(loaded)
kd.constraints.apply_max_norm(keras.models.clone_model(model))
kd.insert_dropout(keras.applications.MobileNet(), layers.Dropout(0.2), "dense")
kd.MonteCarlo(kd.strip_dropout(loaded)).predict(x)
layers.DropConnect(model.get_layer("dense"), weights="kernel")
layers.Dropout(0.5)(layers.LayerDrop(keras.layers.Dense(2))(inputs), training=True)

# A model comes back as what it was.
sequential = keras.Sequential([keras.layers.Dense(2)])
sequential = kd.set_rates(sequential, {"dense*": 0.1, "*": schedules.Constant(0.2)})
sequential.pop()
kd.constraints.apply_max_norm(sequential, 3.0, keras.layers.Dense, skip="head").pop()
kd.insert_dropout(model, layers.Dropout(0.2), where="dense", position="before")
kd.insert_dropout(model, lambda layer: layers.Dropout(0.2), ["a", "b"])
kd.callbacks.RateScheduler(lambda step: 0.5 * step, layers=["a"], unit="epoch")
kd.constraints.register_incoming_axes(keras.layers.Dense, {"kernel": (0,), "b": None})
for row in kd.noise_report(model):
    print(row.advice)
for limited in kd.constraints.max_norm_report(model):
    print(limited.largest)
detector = kd.calibration.OutlierDetector().fit(prediction)
outside = detector.is_outlier(prediction)


class Own(layers.NoiseLayer):
    """A subclass of one's own, as the documentation has it."""

    def perturb(self, x):
        return x


class Halved(layers.Dropout):
    """And one that overrides what it needs."""

    def mask_shape(self, shape):
        return (*shape[:-1], 1)


class Triangle(schedules.Schedule):
    """A schedule of one's own."""

    def __call__(self, step):
        return keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


Own(seed=1, name="own").get_config()["seed"]
Halved(Triangle(), noise_shape=None).from_config({"rate": 0.5})
