"""The data of the experiments: from a folder, from their usual source, or bundled.

Every loader takes the parsed arguments. With `--data FOLDER` it reads a file of that
folder. Otherwise it downloads the data. `--quick` without a folder uses smaller data of
the same kind that are bundled with scikit-learn, and needs no network.
"""

import keras
import numpy as np


def mnist(args):
    """Digits as images in [0, 1]: `(x_train, y_train), (x_test, y_test)`."""
    if args.data is not None:
        with np.load(args.data / "mnist.npz") as file:
            train = file["x_train"], file["y_train"]
            test = file["x_test"], file["y_test"]
    elif args.quick:
        train, test = bundled_digits()
    else:
        train, test = keras.datasets.mnist.load_data()
    return scaled(*train), scaled(*test)


def cifar10(args):
    """Small colour photographs in [0, 1]: `(x_train, y_train), (x_test, y_test)`.

    A folder may hold `cifar10.npz`, all images under Keras's names, or
    `cifar10_subset.npz`, a few thousand as `x` and `y`. A quarter of these is held out.
    """
    if args.data is not None and (args.data / "cifar10.npz").exists():
        with np.load(args.data / "cifar10.npz") as file:
            train = file["x_train"], file["y_train"]
            test = file["x_test"], file["y_test"]
    elif args.data is not None:
        with np.load(args.data / "cifar10_subset.npz") as file:
            x, y = file["x"], file["y"]
        held_out = np.arange(len(x)) % 4 == 0
        train, test = (x[~held_out], y[~held_out]), (x[held_out], y[held_out])
    elif args.quick:
        train, test = bundled_digits()
        train, test = colour(*train), colour(*test)
    else:
        train, test = keras.datasets.cifar10.load_data()
    return scaled(*train), scaled(*test)


def sonar(args):
    """Sonar returns of mines and rocks: 60 energies in [0, 1], and 1 for a mine.

    The folder's `sonar.csv` is the UCI repository's `sonar.all-data`.
    """
    if args.data is not None:
        rows = np.loadtxt(args.data / "sonar.csv", delimiter=",", dtype=str)
        x, labels = rows[:, :-1].astype("float32"), rows[:, -1]
        y = np.char.startswith(labels, "M")
    elif args.quick:
        from sklearn.datasets import load_breast_cancer

        x, y = load_breast_cancer(return_X_y=True)
    else:
        from sklearn.datasets import fetch_openml

        x, labels = fetch_openml("sonar", version=1, return_X_y=True, as_frame=False)
        y = labels == "Mine"
    return x.astype("float32"), y.astype("float32")


def uci(args, name):
    """A regression of the UCI repository: inputs and values as they are.

    The folder's `uci/NAME.npz` holds them as `X` and `y`.
    """
    if args.data is not None:
        with np.load(args.data / "uci" / f"{name}.npz") as file:
            x, y = file["X"], file["y"]
    elif args.quick:
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True)
    else:
        raise SystemExit(f"Pass --data FOLDER, with `uci/{name}.npz` of `X` and `y`.")
    return x.astype("float32"), y.astype("float32").reshape(-1, 1)


def co2(args):
    """Carbon dioxide at Mauna Loa: standardised `(x, y)`, `x` beyond, and the record.

    The folder's `gal_co2.npz` holds the data of Gal and Ghahramani (2016): the months
    as `x_train` and `y_train`, and the times beyond as `x_test`. It does not contain
    the measurements of these times. They come from `co2-concentration.csv`, the monthly
    means from 1958 to 2020 that vega-datasets publishes. Without a folder everything
    comes from OpenML. The last of the four results is pairs of a time beyond and its
    value.
    """
    if args.data is not None:
        with np.load(args.data / "gal_co2.npz") as file:
            names = "x_train", "y_train", "x_test"
            x, y, beyond = (file[name].astype("float64") for name in names)
        table = np.genfromtxt(
            args.data / "co2-concentration.csv", delimiter=",", skip_header=1
        )
        ppm = table[:, 1]
    elif args.quick:
        years = np.linspace(0.0, 35.0, 430)
        ppm = 0.1 * years**1.5 + 3.0 * np.sin(2 * np.pi * years)
        x, y, beyond = standardised(ppm[:MONTHS])
    else:
        ppm = mauna_loa()
        x, y, beyond = standardised(ppm[:MONTHS])
    arrays = [each.astype("float32") for each in (x, y, beyond)]
    return *arrays, record_after(ppm, x, y, beyond)


# Those of the paper: from March 1958 to October 1980.
MONTHS = 272


def standardised(ppm):
    """Monthly values minus the line through them, as the authors have them."""
    months = np.arange(len(ppm))
    ppm = ppm - np.polyval(np.polyfit(months, ppm, 1), months)
    x = ((months - months.mean()) / months.std())[:, None]
    y = ((ppm - ppm.mean()) / ppm.std())[:, None]
    return x, y, np.linspace(x.max(), x.max() + 2.0, 1000)[:, None]


def record_after(ppm, x, y, beyond):
    """The months after the data, put on the scale of the data.

    The data are the first of these months less a line, divided by a number: a fit
    finds line and number.
    """
    months = np.arange(len(ppm))
    columns = np.stack([ppm, months, np.ones(len(ppm))], axis=1)
    there = len(x)
    weights, *_ = np.linalg.lstsq(columns[:there], y[:, 0], rcond=None)
    off = np.std(columns[:there] @ weights - y[:, 0])
    if off > 0.01:
        raise SystemExit(f"The record does not fit the data: they differ by {off:.3f}.")
    times = x[0, 0] + months * (x[-1, 0] - x[0, 0]) / (there - 1)
    after = (months >= there) & (times <= beyond.max())
    return np.stack([times, columns @ weights], axis=1)[after]


def mauna_loa():
    """Monthly means of carbon dioxide in ppm from OpenML, from March 1958 on.

    A month without a measurement is interpolated.
    """
    from sklearn.datasets import fetch_openml

    frame = fetch_openml(data_id=41187, as_frame=True).frame
    months = (12 * frame["year"] + frame["month"] - 1).to_numpy("int64")
    ppm = frame["co2"].to_numpy("float64")
    known = np.unique(months)
    means = [ppm[months == month].mean() for month in known]
    return np.interp(np.arange(12 * 1958 + 2, known.max() + 1), known, means)


def bundled_digits():
    """scikit-learn's 8 by 8 digits, a quarter held out, in the range of bytes."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8) * (255 / 16)).astype("uint8")
    held_out = np.arange(len(x)) % 4 == 0
    return (x[~held_out], y[~held_out]), (x[held_out], y[held_out])


def colour(x, y):
    """Small grey images as 32 by 32 colour ones."""
    x = np.kron(x, np.ones((1, 4, 4), "uint8"))
    return np.repeat(x[..., None], 3, axis=-1), y


def scaled(x, y):
    return x.astype("float32") / 255.0, y.astype("int32").ravel()
