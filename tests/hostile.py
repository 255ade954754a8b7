"""Files that a person of ill will, or a bad disk, might hand on.

Each case takes a saved model apart, changes one thing, and puts it together again.
`CASES` maps the name of a case to the kind of model and the change.
"""

import copy
import io
import json
import pathlib
import tempfile
import zipfile

import h5py
import keras
import numpy as np

import keras_dropout as kd
from keras_dropout import layers

# An absolute path, where nothing must be written.
AT_THE_ROOT = pathlib.Path(tempfile.gettempdir()).resolve() / "hostile-member"

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"


def models():
    """One model of each kind. Its noise is its first layer, or all of it."""
    ramp = kd.schedules.Linear(0.0, 0.5, steps=4)
    dense = keras.layers.Dense(3)
    own = {
        "number": layers.Dropout(0.5, seed=1, name="noise"),
        "schedule": layers.Dropout(ramp, name="noise"),
        "masks": layers.Masksembles(4, 2.0, name="noise"),
        "learned": layers.VariationalDropout(0.5, name="noise"),
        "variances": layers.SparseVariationalDropout(
            keras.layers.Dense(3), name="noise"
        ),
        "wrapper": layers.DropConnect(dense, 0.5, name="noise"),
    }
    made = {
        kind: keras.Sequential([keras.Input((8,)), layer, keras.layers.Dense(2)])
        for kind, layer in own.items()
    }
    server = kd.MonteCarlo(made["number"], 4, seed=1)
    server(keras.Input((8,)))
    return {**made, "server": server}


def parts_of(path):
    """What a file holds, by the names of its members."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(parts, path):
    """Writes members into a file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


class Config:
    """A change of `config.json`, a function of the noise's part of it."""

    def __init__(self, change):
        self.change = change

    def __call__(self, parts):
        config = json.loads(parts[CONFIG])
        changed = self.change(_noise_of(config))
        if changed is not None:
            _noise_of(config).clear()
            _noise_of(config, emptied=True).update(changed)
        parts[CONFIG] = json.dumps(config).encode()


def _noise_of(config, emptied=False):
    if config["class_name"] == "MonteCarlo":
        return config
    return config["config"]["layers"][1]


class State:
    """A change of the weights' file, a function of an open `h5py.File`."""

    def __init__(self, change):
        self.change = change

    def __call__(self, parts):
        buffer = io.BytesIO(parts[WEIGHTS])
        with h5py.File(buffer, "r+") as file:
            self.change(file)
        parts[WEIGHTS] = buffer.getvalue()


def _assigned(**values):
    def change(noise):
        noise["config"].update(values)

    return Config(change)


def _outer(**values):
    return Config(lambda noise: noise.update(values))


def _group(file, ending):
    """The group or dataset with a path that ends in `ending`."""
    found = []
    file.visit(lambda name: found.append(name) if name.endswith(ending) else None)
    return file[min(found, key=len)]


def _stored(place, name, value):
    """A dataset of the state, written anew."""

    def change(file):
        group = _group(file, place)
        if name in group:
            del group[name]
        if value is not None:
            group[name] = value

    return State(change)


def _huge(place, name):
    """A dataset of terabytes. The file has no byte of it."""

    def change(file):
        group = _group(file, place)
        del group[name]
        group.create_dataset(name, (1 << 40,), "float64", chunks=(1 << 10,))

    return State(change)


def _linked(place, name, link):
    def change(file):
        group = _group(file, place)
        del group[name]
        group[name] = link

    return State(change)


def _member(name, content):
    def change(parts):
        parts.pop(name, None)
        if content is not None:
            parts[name] = content

    return change


def _replaced(name, change):
    def replace(parts):
        parts[name] = change(parts[name])

    return replace


def code(module="os", name="system", config=None):
    """The configuration of an object that would run something."""
    return {
        "module": module,
        "class_name": name,
        "config": {"command": "touch hostile"} if config is None else config,
        "registered_name": None,
    }


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "registered_name": None,
    "config": {
        "name": "evil",
        "function": {
            "class_name": "__lambda__",
            "config": {"code": "4wEAAAAAAAAAAAAAAAEAAAACAAAAQw==", "defaults": None},
        },
    },
}
_FUNCTION = {"class_name": "function", "config": "system", "module": "os"}
_STATE, _OWN = "noise_state/vars", "/vars"

CASES = {
    # What is to be built.
    "unknown class": ("number", _outer(class_name="Dropuot", registered_name=None)),
    "class of os": ("number", Config(lambda noise: code())),
    "class of subprocess": (
        "number",
        Config(lambda noise: code("subprocess", "Popen", {"args": ["touch", "x"]})),
    ),
    "class of builtins": ("number", Config(lambda noise: code("builtins", "eval"))),
    "function of ours": (
        "number",
        Config(lambda noise: code("keras_dropout.surgery", "strip_dropout", {})),
    ),
    "registered elsewhere": (
        "number",
        _outer(registered_name="evil>Thing", class_name="Thing", module="evil"),
    ),
    "lambda for the noise": ("number", Config(lambda noise: copy.deepcopy(LAMBDA))),
    "lambda within a wrapper": ("wrapper", _assigned(layer=LAMBDA)),
    "no layer within a wrapper": ("wrapper", _assigned(layer=None)),
    "os within a wrapper": ("wrapper", _assigned(layer=code())),
    "weights of a wrapper": ("wrapper", _assigned(weights=[7])),
    "config is a list": ("number", _outer(config=[1, 2])),
    "config is nothing": ("number", _outer(config=None)),
    "no class": ("number", Config(lambda noise: {"config": {}})),
    "class is a number": ("number", _outer(class_name=7, registered_name=None)),
    # What it is built with.
    **{
        f"rate {rate!r}": ("number", _assigned(rate=rate))
        for rate in (7.0, -1, float("nan"), float("inf"), "0.5", None, True, [0.5])
    },
    "rate of os": ("number", _assigned(rate=code())),
    "rate of a function": ("number", _assigned(rate=_FUNCTION)),
    "rate is a lambda": ("number", _assigned(rate=LAMBDA)),
    "rate is a layer": (
        "number",
        _assigned(rate=code("keras.layers", "Dense", {"units": 3})),
    ),
    **{
        f"seed {seed!r}": ("number", _assigned(seed=seed))
        for seed in (-1, 2**40, "1", 1.5, [1], True)
    },
    "seed of os": ("number", _assigned(seed=code())),
    "seed is a lambda": ("number", _assigned(seed=LAMBDA)),
    "monte_carlo is a word": ("number", _assigned(monte_carlo="yes")),
    "noise_shape is a word": ("number", _assigned(noise_shape="evil")),
    "noise_shape of others": ("number", _assigned(noise_shape=[-3, 2.5])),
    "scaling": ("number", _assigned(scaling="evil")),
    "one argument more": ("number", _assigned(evil=1)),
    "dtype": ("number", _assigned(dtype="float1024")),
    "dtype of os": ("number", _assigned(dtype=code())),
    "name is a number": ("number", _assigned(name=7)),
    "name with a slash": ("number", _assigned(name="../../hostile")),
    "schedule of os": ("schedule", _assigned(rate=code())),
    "schedule without end": (
        "schedule",
        Config(lambda noise: noise["config"]["rate"]["config"].update(steps=-4)),
    ),
    "schedule beyond 1": (
        "schedule",
        Config(lambda noise: noise["config"]["rate"]["config"].update(end=7.0)),
    ),
    "schedule of words": (
        "schedule",
        Config(lambda noise: noise["config"]["rate"]["config"].update(end="x")),
    ),
    "members 0": ("masks", _assigned(members=0)),
    "members of a galaxy": ("masks", _assigned(members=10**15)),
    "scale below 1": ("masks", _assigned(scale=0.1)),
    "scale without end": ("masks", _assigned(scale=float("inf"))),
    "axis of rows": ("masks", _assigned(axis=0)),
    "axis beyond": ("masks", _assigned(axis=5)),
    "granularity": ("learned", _assigned(granularity="evil")),
    "learned rate 1": ("learned", _assigned(rate=1.0)),
    "learned rate is a schedule": (
        "learned",
        _assigned(rate=code("os", "system", {})),
    ),
    "max_alpha": ("learned", _assigned(max_alpha=-1.0)),
    # A server.
    "no model": ("server", _assigned(model=None)),
    "model of os": ("server", _assigned(model=code())),
    "model is a layer": (
        "server",
        _assigned(model=code("keras.layers", "Dense", {"units": 3})),
    ),
    "samples 0": ("server", _assigned(samples=0)),
    "samples of words": ("server", _assigned(samples="many")),
    "masks": ("server", _assigned(masks="evil")),
    "layers of numbers": ("server", _assigned(layers=[1, 2])),
    "layers that are not there": ("server", _assigned(layers=["evil"])),
    "outputs": ("server", _assigned(outputs="evil")),
    "max_rows": ("server", _assigned(max_rows=-1)),
    "calibration of os": ("server", _assigned(calibration=[code()])),
    "server's seed": ("server", _assigned(seed=-5)),
    # What it remembers.
    **{
        f"state rate {value!r}": ("number", _stored(_STATE, "rate", value))
        for value in (7.0, float("nan"), [0.5, 0.5], "0.5")
    },
    "state seed": ("number", _stored(_STATE, "seed", [1, 2**40])),
    "state step": ("schedule", _stored(_STATE, "step", -1)),
    "state is huge": ("number", _huge(_STATE, "rate")),
    "seed is huge": ("number", _huge(_STATE, "seed")),
    "state is a folder": (
        "number",
        _linked(_STATE, "rate", h5py.SoftLink("/layers")),
    ),
    "state in another file": (
        "number",
        _linked(_STATE, "rate", h5py.ExternalLink("/etc/passwd", "/x")),
    ),
    "state without end": (
        "number",
        _linked(_STATE, "rate", h5py.SoftLink("rate")),
    ),
    **{
        f"masks of {what}": ("masks", _stored("masksembles/vars", "0", masks))
        for what, masks in {
            "halves": np.full((4, 8), 0.5),
            "nothing": np.zeros((4, 8)),
            "others": np.ones((3, 8)),
            "NaN": np.full((4, 8), np.nan),
        }.items()
    },
    "learned NaN": (
        "learned",
        _stored("variational_dropout/vars", "0", np.float32("nan")),
    ),
    "learned infinity": (
        "learned",
        _stored("variational_dropout/vars", "0", np.float32("inf")),
    ),
    "learned shape": (
        "learned",
        _stored("variational_dropout/vars", "0", np.zeros(5, "float32")),
    ),
    **{
        f"variances of {value}": (
            "variances",
            _stored(
                "sparse_variational_dropout/vars",
                "0",
                np.full((8, 3), value, "float32"),
            ),
        )
        for value in ("nan", "inf")
    },
    # The file itself.
    "no config": ("number", _member(CONFIG, None)),
    "no weights": ("number", _member(WEIGHTS, None)),
    "config of bytes": ("number", _member(CONFIG, b"\xff\xfe\x00")),
    "config is empty": ("number", _member(CONFIG, b"")),
    "config cut off": ("number", _replaced(CONFIG, lambda text: text[:300])),
    "config is a word": ("number", _member(CONFIG, b'"evil"')),
    "weights of bytes": ("number", _member(WEIGHTS, b"evil" * 99)),
    "weights cut off": ("number", _replaced(WEIGHTS, lambda text: text[:2000])),
    "weights are empty": ("number", _member(WEIGHTS, b"")),
}
# They load, as nothing in them is used.
HARMLESS = {
    "no metadata": ("number", _member(METADATA, None)),
    "a member above": ("number", _member("../hostile", b"evil")),
    "a member at the root": ("number", _member(str(AT_THE_ROOT), b"evil")),
    "an asset above": ("number", _member("assets/../../hostile", b"evil")),
    "state of others": ("number", _stored(_STATE, "evil", 7.0)),
    "a pickle": (
        "number",
        _member("model.pkl", b"cos\nsystem\n(S'touch x'\ntR."),
    ),
}
# Where Keras itself, of its own layers too, says it by another error.
BY_KERAS = {"no class": KeyError, "dtype of os": AttributeError}
# Of each family of layers, one with an argument that cannot be.
FAMILIES = {
    "SpatialDropout1D": {"rate": 7.0},
    "GaussianDropout": {"rate": -1.0},
    "DropBlock2D": {"block_size": -2},
    "Cutout": {"size": "evil"},
    "DropPath": {"rate": float("nan")},
    "ShakeDrop": {"gate_per": "evil"},
    "TokenDropout": {"token_id": "evil"},
    "EmbeddingDropout": {"input_dim": -3},
    "DropHead": {"num_heads": 0},
    "MaxPoolingDropout2D": {"pool_size": 0},
    "StochasticPooling1D": {"padding": "evil"},
    "UOut": {"beta": -7.0},
    "Zoneout": {"zoneout_h": 7.0},
    "RecurrentDropoutLSTM": {"rate": 7.0},
    "WeightDrop": {"layer": code()},
    "Mixout": {"rate": 7.0},
    "MultiSampleDropout": {"samples": 0},
    "MaxNormDropout": {"max_value": -1.0},
    "ConcreteDropout": {"temperature": -1.0},
    "Standout": {"alpha": "evil"},
    "TargetedDropout": {"mode": "evil"},
    "InformationDropout": {"beta": -1.0},
    "SparseVariationalDropout": {"threshold": "evil"},
    "ChannelDropout": {"per": "evil"},
    "FeatureAlphaDropout": {"rate": 7.0},
}


def _family(name, bad):
    def change(noise):
        from tests.catalogue import ROWS

        row = next(row for row in ROWS if row.name == name)
        config = keras.saving.serialize_keras_object(row.build())
        config["config"].update(bad)
        return config

    return "number", Config(change)


CASES |= {f"{name} {bad}": _family(name, bad) for name, bad in FAMILIES.items()}
# Where a file is cut off, as shares of its length.
CUT = (0.0, 0.1, 0.5, 0.9, 0.999)
