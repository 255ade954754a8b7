"""Mistakes that a type checker must see, each on the line that says so.

Nobody runs this file.
"""

import keras
import numpy as np

import keras_dropout as kd

inputs = keras.Input((4,))
model = keras.Model(inputs, kd.layers.Dropout(0.5)(inputs))
x = np.ones((8, 4))
dropout = kd.layers.Dropout(0.5)
prediction = kd.Prediction.from_samples(np.ones((3, 8, 4)))

# An option that does not exist.
kd.layers.Dropout(0.5, sed=1)  # mistake: sed
kd.layers.SpatialDropout2D(0.5, data_fromat="channels_last")  # mistake: data_fromat
kd.layers.DropBlock2D(0.1, 7, monte_carol=True)  # mistake: monte_carol
kd.layers.ConcreteDropout(keras.layers.Dense(2), temprature=0.1)  # mistake: temprature
kd.layers.DropHead(2, 8, valuedim=3)  # mistake: valuedim
kd.layers.RecurrentDropoutLSTM(4, return_sequence=True)  # mistake: return_sequence
kd.layers.Zoneout(keras.layers.LSTMCell(4), statefull=True)  # mistake: statefull
kd.layers.RDrop(model, alhpa=1.0)  # mistake: alhpa
kd.layers.MCDropout(0.5, scale="train")  # mistake: scale
kd.mc_predict(model, x, sample=10)  # mistake: sample
kd.mc_evaluate(model, x, x, weights=x)  # mistake: weights
kd.MonteCarlo(model, sample=10)  # mistake: sample
kd.apply_max_norm(model)  # mistake: apply_max_norm
kd.constraints.apply_max_norm(model, 3.0, "dense")
kd.constraints.MaxNorm(axes=0)  # mistake: axes

# A value of the wrong kind.
kd.layers.Dropout("0.5")  # mistake: "float"
kd.layers.Dropout(0.5, name=3)  # mistake: "name"
kd.layers.Dropout(0.5, monte_carlo="yes")  # mistake: "monte_carlo"
kd.layers.Dropout(0.5, seed="1")  # mistake: "seed"
kd.layers.GaussianNoise(None)  # mistake: "stddev"
kd.layers.DropPath([0.1])  # mistake: "rate"
kd.layers.DropConnect("dense")  # mistake: "layer"
kd.layers.MaxNormDropout(keras.layers.Dense(2), max_value="3")  # mistake: "max_value"
kd.layers.EmbeddingDropout(10, "4")  # mistake: "output_dim"
kd.schedules.Linear("a", "b", steps=None)  # mistake: "steps"
kd.schedules.Cosine(0.5, 0.0, steps=None)  # mistake: "steps"
kd.schedules.Piecewise([1], 0.5)  # mistake: "rates"
kd.schedules.linear_decay_rates("0.2", 12)  # mistake: "rate"
kd.callbacks.RateScheduler(0.5)  # mistake: "schedule"
kd.mc_predict(model, x, samples="50")  # mistake: "samples"
kd.mc_predict(model, x, return_samples=1.5)  # mistake: "return_samples"
kd.insert_dropout(model, 0.5, "dense")  # mistake: "layer"
kd.set_rates(model, "0.5")  # mistake: "rate"
kd.set_rates(model, {"dense": "0.5"})  # mistake: "rate"
kd.BatchRepetition(model, times="4")  # mistake: "times"
kd.lora_dropout(model, "0.1")  # mistake: "rate"
kd.matching_dropout("0.1")  # mistake: "rate"
kd.propagate_moments(model, x, "32")  # mistake: "batch_size"
kd.reseed(model, "1")  # mistake: "seed"
prediction.most_uncertain("3")  # mistake: "k"
prediction.interval("0.9")  # mistake: "level"
kd.calibration.ConformalClassifier("0.9")  # mistake: "confidence_level"

# Data, or several models, in the place of a model.
kd.mc_predict(x, model)  # mistake: "model"
kd.mc_evaluate({"a": x}, model)  # mistake: "model"
kd.MonteCarlo([model])  # mistake: "model"
kd.propagate_moments(x, model)  # mistake: "model"
kd.noise_report([model])  # mistake: "model"
kd.strip_dropout([model])  # mistake: "model"
kd.insert_dropout([model], dropout, "dense")  # mistake: "model"
kd.set_rates([model], 0.5)  # mistake: "model"
kd.reseed([model], 1)  # mistake: "model"
kd.lora_dropout([model], 0.1)  # mistake: "model"
kd.constraints.apply_max_norm([model], 3.0)  # mistake: "model"
kd.constraints.max_norm_report(x)  # mistake: "model"
kd.layers.RDrop([model])  # mistake: "model"
kd.calibration.tune_rates(x, x, model)  # mistake: "model"

# A choice that is none.
kd.layers.Dropout(0.5, scaling="infer")  # mistake: "scaling"
kd.layers.ChannelDropout(0.5, per="rows")  # mistake: "per"
kd.layers.MaxPoolingDropout2D(0.5, 2, padding="vaild")  # mistake: "padding"
kd.layers.ShakeShake(forward="keep")  # mistake: "forward"
kd.layers.TargetedDropout(keras.layers.Dense(2), mode="units")  # mistake: "mode"
kd.layers.SpatialDropout1D(0.5, data_format="last")  # mistake: "data_format"
kd.schedules.Early(0.5, 10, decay="cosine")  # mistake: "decay"
kd.callbacks.RateScheduler(kd.schedules.Constant(0.5), unit="steps")  # mistake: "unit"
kd.mc_predict(model, x, masks="sharde")  # mistake: "masks"
kd.mc_predict(model, x, outputs="softmax")  # mistake: "outputs"
kd.mc_evaluate(model, x, x, masks="sharde")  # mistake: "masks"
kd.MonteCarlo(model, masks="sharde")  # mistake: "masks"
kd.lora_dropout(model, 0.1, mode="weight")  # mistake: "mode"
kd.matching_dropout(0.1, rule="paperr")  # mistake: "rule"
kd.propagate_moments(model, x, outputs="softmax")  # mistake: "outputs"
kd.replace_dropout(model, by="kears")  # mistake: "by"
kd.insert_dropout(model, dropout, "dense", position="behind")  # mistake: "position"
kd.Prediction.from_samples(x, "probability")  # mistake: "kind"
prediction.rank(by="entorpy")  # mistake: "by"
kd.calibration.ConformalRegressor(method="relative")  # mistake: "method"
kd.acquisition.select(prediction, 3, method="bald")  # mistake: "method"
kd.metrics.expected_calibration_error(x, x, norm="l3")  # mistake: "norm"
kd.losses.kl_weights(100, loss="hinge")  # mistake: "loss"

# A live value that is assigned something else, and is read as a float.
dropout.rate = "0.3"  # mistake: "rate"
dropout.rate = None  # mistake: "rate"
kd.layers.GaussianNoise(0.1).stddev = [0.1]  # mistake: "stddev"
kd.layers.Zoneout(keras.layers.LSTMCell(4)).zoneout_h = "0"  # mistake: "zoneout_h"
dropout.rate.value()  # mistake: "value"

# An attribute or a name that is not there.
prediction.meen  # mistake: "meen"  # noqa: B018
prediction.mean.entropy  # mistake: "entropy"  # noqa: B018
kd.layers.Droput(0.5)  # mistake: "Droput"
kd.schedules.Linaer(0.0, 0.5, 10)  # mistake: "Linaer"
kd.mc_predikt(model, x)  # mistake: "mc_predikt"
