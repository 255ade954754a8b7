"""The data of the experiments: from a folder, from their usual source, or bundled.

Every loader takes the parsed arguments. With `--data FOLDER` it reads a file of that
folder; else it downloads the data; `--quick` without a folder takes what
scikit-learn bundles, of the same kind but smaller, and needs no network.
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
    `cifar10_subset.npz`, a few thousand as `x` and `y`, of which a quarter is held
    out.
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
    """Carbon dioxide at Mauna Loa: standardised `(x, y)`, and `x` to extrapolate to.

    The folder's `gal_co2.npz` holds the data of Gal and Ghahramani (2016), the months
    as `x_train` and `y_train` and the times beyond as `x_test`. Else the record comes
    from OpenML, and the line through it is taken out.
    """
    if args.data is not None:
        with np.load(args.data / "gal_co2.npz") as file:
            names = "x_train", "y_train", "x_test"
            return tuple(file[name].astype("float32") for name in names)
    if args.quick:
        years = np.linspace(0.0, 22.0, 272)
        ppm = 0.1 * years**1.5 + 3.0 * np.sin(2 * np.pi * years)
    else:
        years, ppm = mauna_loa()
    ppm = ppm - np.polyval(np.polyfit(years, ppm, 1), years)
    x = ((years - years.mean()) / years.std())[:, None]
    y = ((ppm - ppm.mean()) / ppm.std())[:, None]
    beyond = np.linspace(x.max(), x.max() + 2.0, 1000)[:, None]
    return x.astype("float32"), y.astype("float32"), beyond.astype("float32")


def mauna_loa(first=1974, last=1996):
    """Monthly means of carbon dioxide in ppm from OpenML, with their years."""
    from sklearn.datasets import fetch_openml

    frame = fetch_openml(data_id=41187, as_frame=True).frame
    years = (frame["year"] + (frame["month"] - 0.5) / 12).to_numpy("float64")
    ppm = frame["co2"].to_numpy("float64")
    months = np.round(years * 12)
    kept = [m for m in np.unique(months) if first * 12 <= m < last * 12]
    means = [ppm[months == month].mean() for month in kept]
    return np.array(kept) / 12, np.array(means)


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
