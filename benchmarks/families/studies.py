"""The studies: a family of layers against none, on a network and data of its kind."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from benchmarks.families import data
from benchmarks.families.networks import (
    convolutional,
    dense,
    language,
    residual,
    transformer,
    tuned,
)
from examples.again import Again
from keras_dropout import layers, schedules

L = keras.layers
NONE = "none"


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared, on what, and for how long.

    Attributes:
        title: Of table and picture.
        task: The data and the network, in words.
        load: Function of a folder and a seed to training and test rows.
        methods: By name, functions of nothing to a new network. The first is what the
            others are compared with.
        pages: The layers of the gallery whose pages show it.
        epochs: How many.
        batch: Rows of a step.
        speed: The learning rate of Adam.
        bits: Whether the score is bits a step, rather than the error in per cent.
        needs: File of the folder that it needs, or `None`.
        anew: Whether each seed has a model of its own. The steps of a schedule are no
            weights, and would go on counting.
    """

    title: str
    task: str
    load: Callable
    methods: Mapping[str, Callable]
    pages: tuple[str, ...]
    epochs: int = 30
    batch: int = 50
    speed: float = 2e-3
    bits: bool = False
    needs: str | None = None
    anew: bool = False


def scheduled(schedule):
    return dense(lambda: [layers.Dropout(schedule)])


# Of the study of schedules: 200 epochs of 6 steps.
STEPS = 1200
CIFAR, SHAKESPEARE = "cifar10_subset.npz", "tinyshakespeare.txt"

STUDIES = {
    "units": Study(
        "Single units",
        "150 digits, two dense layers",
        data.digits(150),
        {
            NONE: dense(),
            "Dropout 0.3": dense(lambda: [layers.Dropout(0.3)]),
            "GaussianDropout 0.3": dense(lambda: [layers.GaussianDropout(0.3)]),
        },
        ("Dropout", "GaussianDropout"),
        epochs=200,
    ),
    "channels": Study(
        "Whole channels",
        "150 digits, two convolutions",
        data.digits(150),
        {
            NONE: convolutional(),
            "Dropout 0.2": convolutional(lambda: [layers.Dropout(0.2)]),
            "SpatialDropout2D 0.2": convolutional(
                lambda: [layers.SpatialDropout2D(0.2)]
            ),
        },
        ("SpatialDropout2D",),
        epochs=200,
    ),
    "pooling": Study(
        "Pooling",
        "150 digits, two convolutions",
        data.digits(150),
        {
            "maximum": convolutional(),
            "StochasticPooling2D": convolutional(pooling=layers.StochasticPooling2D),
            "MaxPoolingDropout2D 0.3": convolutional(
                pooling=lambda: layers.MaxPoolingDropout2D(0.3)
            ),
        },
        ("StochasticPooling2D", "MaxPoolingDropout2D"),
        epochs=200,
    ),
    "passes": Study(
        "Several passes",
        "150 digits, two dense layers with dropout of 0.3",
        data.digits(150),
        {
            "Dropout 0.3": dense(lambda: [layers.Dropout(0.3)]),
            "RDrop 1": lambda: layers.RDrop(
                dense(lambda: [layers.Dropout(0.3)])(), alpha=1.0
            ),
            "MultiSampleDropout 0.3, 8": dense(
                lambda: [layers.Dropout(0.3)],
                lambda: layers.MultiSampleDropout(L.Dense(10, "softmax"), 0.3, 8),
            ),
        },
        ("RDrop", "MultiSampleDropout"),
        epochs=200,
    ),
    "schedules": Study(
        "Rates over time",
        "300 digits, two dense layers",
        data.digits(300),
        {
            NONE: dense(),
            "0.3 throughout": scheduled(0.3),
            "early": scheduled(schedules.Early(0.3, STEPS // 3)),
            "late": scheduled(schedules.Late(0.3, 2 * STEPS // 3)),
            "curriculum": scheduled(schedules.Curriculum(0.3, STEPS)),
        },
        (),
        epochs=200,
        anew=True,
    ),
    "mixout": Study(
        "Tuning on a few rows",
        "a network that knows digits, tuned on 30 mirrored ones",
        data.mirrored(30),
        {
            NONE: tuned(),
            "Dropout 0.5": tuned(noise=lambda: [layers.Dropout(0.5)]),
            "Mixout 0.5": tuned(lambda layer: layers.Mixout(layer, 0.5)),
            "Mixout 0.9": tuned(lambda layer: layers.Mixout(layer, 0.9)),
        },
        ("Mixout",),
        epochs=100,
        batch=10,
    ),
    "recurrent": Study(
        "Recurrent networks",
        "8,000 characters of Tiny Shakespeare, an LSTM of 64 units",
        data.characters(250),
        {
            NONE: language(),
            "Keras's recurrent_dropout 0.2": language(
                recurrent=lambda: L.LSTM(
                    64, return_sequences=True, recurrent_dropout=0.2
                )
            ),
            "WeightDrop 0.3": language(
                recurrent=lambda: layers.WeightDrop(
                    L.LSTM(64, return_sequences=True), 0.3
                )
            ),
            "Zoneout 0.05, 0.2": language(
                recurrent=lambda: layers.Zoneout(
                    L.LSTMCell(64), 0.05, 0.2, return_sequences=True
                )
            ),
            "LockedDropout 0.2": language(between=lambda: [layers.LockedDropout(0.2)]),
            "EmbeddingDropout 0.1": language(
                lambda: layers.EmbeddingDropout(data.CHARACTERS, 32, 0.1)
            ),
        },
        ("WeightDrop", "Zoneout", "LockedDropout", "EmbeddingDropout"),
        epochs=30,
        batch=25,
        speed=1e-2,
        bits=True,
        needs=SHAKESPEARE,
    ),
    "residual": Study(
        "Regions and paths",
        "400 photographs of CIFAR-10, two residual blocks",
        data.photographs(400),
        {
            NONE: residual(),
            "Dropout 0.1": residual(lambda block: [layers.Dropout(0.1)]),
            "DropBlock2D 0.1, 3": residual(lambda block: [layers.DropBlock2D(0.1, 3)]),
            "DropPath 0.1, 0.2": residual(
                at_end=lambda block: [layers.DropPath(0.1 * block)]
            ),
        },
        ("DropBlock2D", "DropPath"),
        epochs=12,
        needs=CIFAR,
    ),
    "patches": Study(
        "Patches",
        "400 photographs of CIFAR-10, a transformer of two blocks",
        data.photographs(400),
        {
            NONE: transformer(),
            "PatchDropout 0.5": transformer(
                lambda: [layers.PatchDropout(0.5, num_prefix_tokens=0)]
            ),
        },
        ("PatchDropout",),
        epochs=8,
        needs=CIFAR,
    ),
    "shake": Study(
        "Two branches",
        "400 photographs of CIFAR-10, two residual blocks of two branches",
        data.photographs(400),
        {
            "their mean": residual(join=L.Average),
            "ShakeShake": residual(join=layers.ShakeShake),
        },
        ("ShakeShake",),
        epochs=12,
        needs=CIFAR,
    ),
}


def measured(study, method, folder, seeds, epochs=None):
    """The scores of a method, one for each seed.

    Args:
        study: The `Study`.
        method: The name of the method.
        folder: Where the data are.
        seeds: How many.
        epochs: Instead of those of the study.
    """
    loss = "sparse_categorical_crossentropy"
    trained = Again(study.methods[method], loss, study.speed)
    found = []
    for seed in range(seeds):
        if study.anew and seed:
            trained = Again(study.methods[method], loss, study.speed)
        (x, y), (x_test, y_test) = study.load(folder, seed)
        model = trained.begin(seed)
        start = time.process_time()
        model.fit(x, y, study.batch, epochs or study.epochs, verbose=0)
        seconds = time.process_time() - start
        # A predict function of RDrop's model is that of the network within.
        p = model.predict(x_test, 250, verbose=0)
        found.append({**scores(y_test, p, study.bits), "seconds": seconds})
    kept = numbers_kept(trained.model, x[: study.batch])
    if kept and isinstance(trained.model, layers.RDrop):
        kept *= 2
    return {"runs": found, "kept": kept}


def scores(y, p, bits):
    """Error in per cent, and loss in nats, or bits a step."""
    own = np.take_along_axis(p, y[..., None], axis=-1)[..., 0]
    loss = float(-np.log(np.maximum(own, 1e-12)).mean())
    if bits:
        return {"score": loss / math.log(2)}
    return {"score": float(100 * (p.argmax(axis=-1) != y).mean()), "loss": loss}


def numbers_kept(model, x):
    """Numbers that a training pass keeps for the way back, or `None`: JAX tells."""
    if keras.backend.backend() != "jax":
        return None
    import jax

    def backward(values):
        mapping = list(zip(model.trainable_variables, values, strict=True))
        with keras.StatelessScope(mapping):
            return model(x, training=True)

    values = [variable.value for variable in model.trainable_variables]
    kept = jax.eval_shape(lambda v: jax.vjp(backward, v)[1], values)
    return int(sum(each.size for each in jax.tree.leaves(kept)))
