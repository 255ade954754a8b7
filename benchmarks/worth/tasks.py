"""The tasks: data, what is strange and what is worse, and the network for each."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.worth import shifts
from examples import strangers


@dataclasses.dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        x: All rows, images in `[0, 1]` or columns as they came.
        y: Labels as integers, or values.
        kind: `"classes"` or `"values"`.
        sizes: How many rows to train on, to tune on, and to test on.
        strange: By name, a function from test rows, their labels and a generator to
            rows of another kind.
        network: The hidden layers: `("conv", filters)`, `("pool", size)` after one, and
            `("dense", units)`.
        rates: The rates of dropout after each that has weights.
        epochs: Passes over the training rows.
    """

    x: np.ndarray
    y: np.ndarray
    kind: str
    sizes: tuple[int, int, int]
    strange: Mapping[str, Callable]
    network: tuple
    rates: tuple[float, ...]
    epochs: int

    @property
    def classes(self):
        """How many classes there are."""
        return int(self.y.max()) + 1

    @property
    def worse(self):
        """The shifts for data of this shape."""
        return shifts.OF_IMAGES if self.x.ndim == 4 else shifts.OF_TABLES

    def parts(self, seed):
        """Training, tuning and test rows of one split, tables standardised."""
        order = np.random.default_rng(seed).permutation(len(self.x))
        ends = np.cumsum(self.sizes)
        places = np.split(order, ends)[:3]
        x, y = self.x, self.y
        if x.ndim == 2:
            x = standardised(x, places[0])
        if self.kind == "values":
            y = standardised(y, places[0])
        return [(x[p].astype("float32"), y[p]) for p in places]


def standardised(array, places):
    """Mean 0 and deviation 1 over the rows at these places."""
    scale = array[places].std(axis=0)
    return (array - array[places].mean(axis=0)) / np.where(scale > 0, scale, 1)


# The network of the main example: 8 by 8 pixels are few, so it pools once.
ONCE = ("conv", 16), ("conv", 32), ("pool", 2), ("dense", 64)
TWICE = ("conv", 16), ("pool", 2), ("conv", 32), ("pool", 2), ("dense", 64)
DENSE = ("dense", 128), ("dense", 128)
RARE = 0.1, 0.1
TURNED = {"turned": lambda x, y, generator: np.rot90(x, axes=(1, 2)).copy()}
OF_DIGITS = {
    "letters": lambda x, y, generator: strangers.letters(300)[..., None],
    "turned": lambda x, y, generator: strangers.turned(x, y),
}
OF_TABLES = {
    "shuffled": lambda x, y, generator: shifts.shuffled(x, generator),
    "stretched": lambda x, y, generator: shifts.stretched(x, generator),
}


def digits(network, rates, epochs):
    """scikit-learn's digits, 200 to train on."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1)
    sizes = 200, 300, 600
    return Task(x, y, "classes", sizes, OF_DIGITS, network, rates, epochs)


def images(x, y, rates, epochs, sizes):
    """Images at half their width, with their negatives and turned as strangers."""
    rows, height, width, channels = x.shape
    x = x.reshape(rows, height // 2, 2, width // 2, 2, channels) / 255
    x = x.mean(axis=(2, 4))
    strange = {"negative": lambda x, y, generator: 1 - x, **TURNED}
    return Task(x, y, "classes", sizes, strange, TWICE, rates, epochs)


def mnist(folder):
    """Handwritten digits, 500 to train on."""
    with np.load(folder / "mnist.npz") as file:
        x, y = file["x_test"][..., None], file["y_test"].astype(int)
    return images(x, y, (0.2, 0.2, 0.5), 40, (500, 300, 500))


def cifar10(folder):
    """Small photographs, 1,000 to train on."""
    with np.load(folder / "cifar10_subset.npz") as file:
        x, y = file["x"], file["y"].astype(int)
    return images(x, y, (0.1, 0.1, 0.5), 20, (1000, 300, 500))


def sonar(folder):
    """Sonar returns of mines and rocks."""
    rows = np.loadtxt(folder / "sonar.csv", delimiter=",", dtype=str)
    x, y = rows[:, :-1].astype(float), np.char.startswith(rows[:, -1], "M")
    sizes = 110, 38, 60
    rates = 0.5, 0.5
    return Task(x, y.astype(int), "classes", sizes, OF_TABLES, DENSE, rates, 100)


def uci(name, epochs=150):
    """One of the regressions of the UCI repository, at most 1,000 rows to train on."""

    def load(folder):
        with np.load(folder / "uci" / f"{name}.npz") as file:
            x, y = file["X"].astype(float), file["y"].astype(float)
        test = min(len(x) // 5, 500)
        sizes = min(len(x) - 2 * test, 1000), test, test
        return Task(x, y.ravel(), "values", sizes, OF_TABLES, DENSE, RARE, epochs)

    return load


def diabetes():
    """A regression that scikit-learn bundles."""
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return Task(x, y, "values", (200, 100, 142), OF_TABLES, DENSE, RARE, 100)


BUNDLED = {
    "digits, convolutions": lambda: digits(ONCE, (0.2, 0.2, 0.5), 200),
    "digits, dense": lambda: digits(DENSE, (0.5, 0.5), 200),
    "diabetes": diabetes,
}
IN_FOLDER = {
    "sonar": sonar,
    "concrete": uci("concrete"),
    "energy": uci("energy"),
    "yacht": uci("yacht"),
    "kin8nm": uci("kin8nm", 60),
    "power plant": uci("power-plant", 60),
    "MNIST": mnist,
    "CIFAR-10": cifar10,
}


def task(name, folder: pathlib.Path | None):
    """The task of this name."""
    return IN_FOLDER[name](folder) if name in IN_FOLDER else BUNDLED[name]()
