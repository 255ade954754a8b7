"""What a wheel must do in a new environment: train, sample, save and load a model."""

import sys

import keras
import numpy as np

import keras_dropout as kd

asked = sys.argv[1]
if kd.__version__ != asked:
    raise SystemExit(f"The installed version is {kd.__version__}, not {asked}")

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int32")
model = keras.Sequential(
    [
        keras.Input((8,)),
        kd.layers.MaxNormDropout(keras.layers.Dense(16, activation="relu"), rate=0.2),
        kd.layers.Dropout(kd.schedules.Linear(0.0, 0.5, steps=8)),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y, epochs=4, batch_size=16, verbose=0)
model.save("model.keras")
again = keras.saving.load_model("model.keras")

first = kd.mc_predict(model, x, samples=20, seed=0, verbose=0)
second = kd.mc_predict(again, x, samples=20, seed=0, verbose=0)
np.testing.assert_array_equal(first.mean, second.mean)
if not (first.mutual_information > 0).all():
    raise SystemExit("The samples do not differ")
scores = kd.mc_evaluate(again, x, y, samples=20, seed=0, verbose=0)
print(f"keras_dropout {asked} on {keras.backend.backend()}, Keras {keras.__version__}")
print(scores)
