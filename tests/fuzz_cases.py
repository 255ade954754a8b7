"""What `tests.fuzz` draws, and what it takes for a right answer."""

import dataclasses
import functools
import random
from collections.abc import Callable

import hypothesis
import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

from keras_dropout import layers
from tests.catalogue import ROWS

SIZES = [0, 1, 1, 2, 3, 5]
# Shapes of one rank at a time, and runs of Hypothesis that have them in common. JAX
# compiles each operation for each shape, so few shapes at a time cost much less than
# ever new ones.
SHAPES = 4
RUNS = 28
BAD = [-1, 1.5, float("nan"), float("inf"), 10**400, "0.5", None, True, [0.5], 0.5j]


def mostly(*valid, bad=BAD):
    """Valid values, and now and then others."""
    few = st.sampled_from(bad)
    return st.integers(0, 9).flatmap(
        lambda n: few if n == 9 else st.sampled_from(valid)
    )


RATE = mostly(0.0, 1e-7, 0.5, 0.99, 1.0, 0)
BELOW_ONE = mostly(0.0, 1e-7, 0.5, 0.9)
STRENGTH = mostly(0.0, 0.5, 3, bad=[-1, 1e39, float("nan"), "1", None, True])
POSITIVE = mostly(0.1, 1, 3.0, bad=[0, -1, float("nan"), "1", None, True])
FINITE = mostly(0.0, 1, -2.5, bad=[float("nan"), float("inf"), "1", None, True])
SIZE = mostly(1, 2, 3, bad=[0, -1, 1.5, "2", None, (), (1, 2, 3, 4), True])
AXIS = mostly(-1, 1, -2, 2, (1, -1), bad=[0, 7, -7, 1.5, "1", None])
FLAG = mostly(True, False, bad=[1, "yes", None])
FORMAT = mostly(None, "channels_last", "channels_first", bad=["nhwc", 1, ["a"]])
ID = mostly(0, 1, 3, 130, bad=[-1, 300, 70000, 1.5, "1", None, True])
FILL = mostly(0.0, 2, -0.5, bad=[float("nan"), 1e39, float("inf"), "0", None, True])
NOISE_SHAPE = mostly(
    None, bad=[(1,), (None, 1), (None, None, 1), (2, 1), (0,), "ab", 3, (1.5,), (-1, 1)]
)


def per(*valid):
    return mostly(*valid, bad=["sample", "pixel", None, 1, ("row",)])


def positive(*names):
    return dict.fromkeys(names, SIZE)


# Arguments of each layer, and the ranks that it takes; None for any.
BLOCK = {
    "rate": RATE,
    "block_size": SIZE,
    "per": per("channel", "row"),
    "scale": mostly("batch", "row", "none", bad=["sample", None]),
    "data_format": FORMAT,
}
POOL = {
    "pool_size": SIZE,
    "strides": mostly(None, 1, 2, 3, bad=[0, -1, "1", (1,) * 5]),
    "padding": mostly("valid", "same", bad=["full", None]),
    "data_format": FORMAT,
}
ARGUMENTS = {
    "Dropout": (
        {
            "rate": RATE,
            "noise_shape": NOISE_SHAPE,
            "scaling": mostly("train", "inference", bad=["both", None, ["train"]]),
        },
        None,
    ),
    "MCDropout": ({"rate": RATE, "noise_shape": NOISE_SHAPE}, None),
    **{
        f"SpatialDropout{n}D": ({"rate": RATE, "data_format": FORMAT}, n + 2)
        for n in (1, 2, 3)
    },
    "ChannelDropout": ({"rate": RATE, "axis": AXIS, "per": per("row", "batch")}, 3),
    "LockedDropout": ({"rate": RATE, "time_axis": AXIS}, 3),
    "GaussianDropout": ({"rate": BELOW_ONE, "noise_shape": NOISE_SHAPE}, None),
    "GaussianNoise": ({"stddev": STRENGTH}, None),
    "AlphaDropout": ({"rate": BELOW_ONE, "noise_shape": NOISE_SHAPE}, None),
    "FeatureAlphaDropout": ({"rate": BELOW_ONE, "data_format": FORMAT}, None),
    "UOut": ({"beta": STRENGTH}, None),
    **{f"DropBlock{n}D": (BLOCK, n + 2) for n in (1, 2, 3)},
    "Cutout": (
        {
            "size": SIZE,
            "num_holes": SIZE,
            "fill_value": FILL,
            "probability": RATE,
            "data_format": FORMAT,
        },
        4,
    ),
    "DropPath": (
        {"rate": RATE, "per": per("row", "batch"), "scale_by_keep": FLAG},
        None,
    ),
    "StochasticDepth": ({"rate": RATE, "per": per("row", "batch")}, None),
    "ShakeShake": (
        {
            "forward": mostly("shake", "even", bad=["keep", None]),
            "backward": mostly("shake", "even", "keep", bad=["none", 1]),
            "per": per("row", "batch"),
        },
        None,
    ),
    "ShakeDrop": (
        {
            "rate": RATE,
            "alpha_range": mostly((-1, 1), (0, 0), bad=[(1, -1), (0,), 0.5, None]),
            "per": per("element", "channel", "row", "batch"),
            "gate_per": per("row", "batch"),
            "data_format": FORMAT,
        },
        None,
    ),
    "TokenDropout": (
        {
            "rate": RATE,
            "token_id": ID,
            "protected_ids": mostly(0, (), (0, 7), bad=[-1, (300,), "0", None, (1.5,)]),
        },
        None,
    ),
    "PatchDropout": (
        {
            "rate": BELOW_ONE,
            "num_prefix_tokens": mostly(0, 1, 2, 5, bad=[-1, 1.5, None, "1"]),
            "ordered": FLAG,
            "return_indices": FLAG,
        },
        3,
    ),
    "EmbeddingDropout": (
        {"rate": RATE, "per": per("row", "batch"), "mask_zero": st.booleans()},
        None,
    ),
    "DropHead": ({"rate": RATE}, 3),
    "DropKey": ({"rate": RATE}, 3),
    **{f"MaxPoolingDropout{n}D": ({"rate": RATE, **POOL}, n + 2) for n in (1, 2, 3)},
    **{f"StochasticPooling{n}D": (POOL, n + 2) for n in (1, 2, 3)},
    "DropConnect": ({"rate": BELOW_ONE, "per": per("row", "batch")}, 2),
    "Mixout": ({"rate": RATE, "per": per("element", "input")}, 2),
    "WeightDrop": ({"rate": BELOW_ONE, "per": per("element", "input")}, 3),
    "MultiSampleDropout": ({"rate": RATE, "samples": SIZE}, 2),
    "MaxNormDropout": (
        {
            "rate": RATE,
            "max_value": POSITIVE,
            "position": mostly("before", "after", bad=["in", None]),
        },
        2,
    ),
    "ConcreteDropout": (
        {
            "rate": mostly(0.1, 0.5, 0.9, bad=[0.0, 1.0, -1, float("nan"), "1", None]),
            "weight_regularizer": STRENGTH,
            "dropout_regularizer": STRENGTH,
            "temperature": POSITIVE,
            "hard": FLAG,
        },
        2,
    ),
    "VariationalDropout": (
        {
            "rate": BELOW_ONE,
            "granularity": mostly("layer", "unit", bad=["row", None]),
            "max_alpha": POSITIVE,
            "kl_weight": STRENGTH,
        },
        None,
    ),
    "SparseVariationalDropout": ({"kl_weight": STRENGTH, "threshold": FINITE}, 2),
    "Standout": ({"alpha": FINITE, "beta": FINITE}, 2),
    "TargetedDropout": (
        {
            "rate": RATE,
            "target": RATE,
            "mode": mostly("weight", "unit", bad=["w", None]),
        },
        2,
    ),
    "InformationDropout": ({"beta": STRENGTH, "max_alpha": POSITIVE}, 2),
    "Masksembles": (
        {
            "members": mostly(1, 2, 4, bad=[0, -1, 1.5, "4", None, True]),
            "scale": mostly(1.0, 2.0, 3.5, bad=[0, -1, float("nan"), "2", None]),
            "axis": mostly(-1, 1, -2, bad=[0, 7, -7, 1.5, "1", None]),
            "layout": mostly("block", "interleave", bad=["rows", None]),
        },
        None,
    ),
    "RecurrentDropoutLSTM": ({"rate": RATE, "per": per("row", "step")}, 3),
    "RecurrentDropoutGRU": ({"rate": RATE, "per": per("row", "step")}, 3),
}
# PyTorch has no orthogonal matrices in half precision.
START = {"recurrent_initializer": "glorot_uniform"}
# Around one dense layer.
DENSE = (
    "DropConnect",
    "Mixout",
    "MultiSampleDropout",
    "MaxNormDropout",
    "ConcreteDropout",
    "SparseVariationalDropout",
    "Standout",
    "TargetedDropout",
    "InformationDropout",
)
# What stands before the arguments that are drawn.
FIRST = {
    **dict.fromkeys(DENSE, lambda: (keras.layers.Dense(2),)),
    "EmbeddingDropout": lambda: (9, 2),
    "DropHead": lambda: (2, 2),
    "DropKey": lambda: (2, 2),
    "WeightDrop": lambda: (keras.layers.GRU(2, **START),),
    "RecurrentDropoutLSTM": lambda: (2,),
    "RecurrentDropoutGRU": lambda: (2,),
}
PAIRS = ("StochasticDepth", "ShakeShake")
ATTENTION = ("DropHead", "DropKey")
RECURRENT = ("RecurrentDropoutLSTM", "RecurrentDropoutGRU", "Zoneout")
# What Keras's own layers within them refuse is theirs to say.
WRAPPERS = (*DENSE, "WeightDrop")
IDS = ("TokenDropout", "EmbeddingDropout")
# Layers of the catalogue without arguments of their own here: as it builds them.
OTHERS = {row.name: row for row in ROWS if row.name not in ARGUMENTS}


@functools.cache
def shapes(rank, sizes, seed):
    """A few shapes of a rank, others for another seed."""
    generator = random.Random(f"{rank} {sizes} {seed}")
    return [tuple(generator.choices(sizes, k=rank)) for _ in range(SHAPES)]


@st.composite
def cases(draw, seed=0):
    """A layer, its arguments, and an input, as plain values."""
    name = draw(st.sampled_from([*ARGUMENTS, *OTHERS]))
    sizes = tuple(SIZES)
    arguments, rank = ARGUMENTS.get(name, ({}, None))
    if name in OTHERS:
        rank = len(OTHERS[name].shape)
    odd = draw(st.integers(0, 9)) == 9
    if name in WRAPPERS:
        sizes = (1, 2, 3)
    elif rank is None or odd:
        rank = draw(st.integers(0 if odd else 1, 5))
    ids, floats = ("int32", "int64", "uint8", "int8", "uint16", "uint32"), ("float32",)
    shape = draw(st.sampled_from(shapes(rank, sizes, seed)))
    if name in (*ATTENTION, *RECURRENT):
        # Without rows Keras's own fail on TensorFlow.
        shape = tuple(max(size, 1) for size in shape[:1]) + shape[1:]
    valid = ids if name in IDS else (*floats, *floats, "float16", "float64")
    dtype = draw(st.sampled_from(["int32", "bool", "float32"] if odd else valid))
    return {
        "name": name,
        "options": {key: draw(value) for key, value in arguments.items()},
        "shape": shape,
        "dtype": dtype,
        "policy": draw(st.sampled_from([None, None, "float16", "bfloat16"])),
        "training": draw(st.sampled_from([True, True, False])),
        "variable": draw(st.integers(0, 5)) == 5 and dtype == "float32",
    }


def build(case):
    """The layer of a case."""
    name, options = case["name"], case["options"]
    options = {**options, "seed": 1, "dtype": case["policy"]}
    if name in OTHERS:
        return OTHERS[name].build(**options)
    if name in WRAPPERS:
        del options["dtype"]
    if name in RECURRENT and name != "Zoneout":
        options |= START
    return getattr(layers, name)(*FIRST.get(name, tuple)(), **options)


def call(case, layer, x):
    """What the layer makes of the input."""
    training = case["training"]
    if case["name"] in PAIRS:
        return layer([x, x], training=training)
    if case["name"] in ATTENTION:
        return layer(x, x, training=training)
    if case["name"] in OTHERS:
        return OTHERS[case["name"]].call(layer, x, training=training)
    return layer(x, training=training)


def verdict(case):
    """`"right"`, the error, or what is wrong."""
    x = np.full(case["shape"], 7 if case["name"] in IDS else 1, case["dtype"])
    given = keras.Variable(x) if case["variable"] else x
    try:
        layer = build(case)
        y = call(case, layer, given)
    except (ValueError, TypeError) as error:
        return _refusal(case, error)
    except Exception as error:
        return f"{type(error).__name__}: {_words(error)}"
    y = keras.tree.flatten(y)[0]
    return wrong(case, layer, x, y) or _symbolic(case) or "right"


def _symbolic(case):
    """What a symbolic call refuses, of what an eager one does not."""
    if case["name"] in (*PAIRS, *ATTENTION, *WRAPPERS, *OTHERS):
        return None
    try:
        x = keras.KerasTensor(case["shape"], case["dtype"])
        build(case).compute_output_spec(x)
    except (ValueError, TypeError) as error:
        return f"refused when symbolic only: {_words(error)}"


def _refusal(case, error):
    ours = "keras_dropout" in str(_innermost(error)) or "Received" in str(error)
    # What Keras says of the shapes that a layer was built for.
    theirs = "is incompatible with the layer" in str(error)
    in_words = ours or theirs
    return type(error).__name__ if in_words else f"not in words: {_words(error)}"


def _innermost(error):
    place = error.__traceback__
    files = []
    while place is not None:
        files.append(place.tb_frame.f_code.co_filename)
        place = place.tb_next
    return files[-1]


def _words(error):
    return " ".join(str(error).split())[:200]


@dataclasses.dataclass(frozen=True)
class Right:
    """What the outputs for inputs of one may be, if it is few values."""

    values: Callable
    noisy: Callable = lambda case: case["training"]


def _scaled(case):
    rate = case["options"]["rate"]
    kept = case["options"].get("scaling", "train") == "train"
    kept = kept and case["options"].get("scale_by_keep", True)
    return [0.0, (1 / (1 - rate) if rate < 1 else 0.0) if kept else 1.0][rate == 0 :]


ALLOWED = {
    **dict.fromkeys(
        [
            *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
            *("ChannelDropout", "LockedDropout", "DropPath"),
        ],
        Right(_scaled),
    ),
    "MCDropout": Right(_scaled, lambda case: True),
    "Cutout": Right(lambda case: [1.0, case["options"]["fill_value"]]),
    "StochasticDepth": Right(lambda case: [1.0, 2.0]),
    "TokenDropout": Right(lambda case: [7, case["options"]["token_id"]]),
    **{f"MaxPoolingDropout{n}D": Right(lambda case: [0.0, 1.0]) for n in (1, 2, 3)},
    **{f"StochasticPooling{n}D": Right(lambda case: [1.0]) for n in (1, 2, 3)},
}
# Layers that return their input at inference.
IDENTITY = {row.name for row in ROWS} - {row.name for row in ROWS if not row.identity}
IDENTITY -= {"MCDropout"}


def wrong(case, layer, x, y):
    """What is wrong with an answer, or None."""
    name = case["name"]
    if (expected := _shape(case, layer, x)) is not None and tuple(y.shape) != expected:
        return f"shape {tuple(y.shape)} for {expected}"
    dtype = keras.backend.standardize_dtype(y.dtype)
    if name == "TokenDropout":
        spec = layer.compute_output_spec(keras.KerasTensor(x.shape, case["dtype"]))
        expected = spec.dtype
    else:
        expected = layer.compute_dtype
    if dtype != expected and not case["variable"]:
        return f"dtype {dtype} for {expected}"
    values = ops.convert_to_numpy(y if name in IDS else ops.cast(y, "float32"))
    if not np.isfinite(values).all():
        return "no number"
    if name in IDENTITY and not case["training"] and not np.all(values == 1):
        return "inference is not the input"
    right = ALLOWED.get(name)
    if right is None or not right.noisy(case):
        return None
    allowed = np.array(right.values(case), "float64")
    near = np.isclose(values[..., None], allowed, rtol=0.01, atol=0)
    return None if near.any(-1).all() else f"values {np.unique(values)} of {allowed}"


def _shape(case, layer, x):
    name = case["name"]
    if name == "PatchDropout":
        prefix = case["options"]["num_prefix_tokens"]
        batch, tokens, features = x.shape
        if not case["training"] or tokens == prefix:
            return x.shape
        rate = case["options"]["rate"]
        kept = max(1, int((tokens - prefix) * (1 - rate) + 1e-6))
        return (batch, prefix + kept, features)
    if name in PAIRS or name in ATTENTION:
        return x.shape
    if name in OTHERS:
        return None
    return tuple(layer.compute_output_shape(x.shape))


# Cases in one example of Hypothesis. Its next example is often similar to the last.
TOGETHER = 20


def drawn(count, seed):
    """`count` different cases, by the case as text."""
    found = {}
    while len(found) < count:
        _draw(found, seed)
        seed += 1
    return dict(list(found.items())[:count])


def verdicts(count, seed):
    """The verdict for each of `count` different cases, by the case as text."""
    return {text: verdict(case) for text, case in drawn(count, seed).items()}


def _draw(found, seed):
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=20,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        st.lists(cases(seed // RUNS), min_size=TOGETHER, max_size=TOGETHER)
    )
    def run(drawn):
        found.update({repr(case): case for case in drawn})

    run()
