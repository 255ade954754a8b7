"""The small sets that the studies learn from: bundled digits, and files of a folder.

Each function takes the folder and a seed, and returns training and test rows.
"""

from __future__ import annotations

import types

import numpy as np

from examples import datasets

STEPS = 32


def digits(rows):
    """Some of scikit-learn's digits of 8 by 8 pixels, and all others to test on."""

    def load(folder, seed):
        x, y = all_digits()
        order = np.random.default_rng(seed).permutation(len(x))
        train, test = order[:rows], order[rows:]
        return (x[train], y[train]), (x[test], y[test])

    return load


def all_digits():
    parts = datasets.bundled_digits()
    x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    return (x[..., None] / 255).astype("float32"), y.astype("int32")


def mirrored(rows):
    """A few digits that are mirrored, for a network that knows them as they are."""

    def load(folder, seed):
        (x, y), (x_test, y_test) = digits(rows)(folder, seed)
        return (x[:, :, ::-1], y), (x_test[:, :, ::-1], y_test)

    return load


def photographs(rows):
    """Some photographs of CIFAR-10, halved to 16 by 16, and a thousand to test on."""

    def load(folder, seed):
        parts = datasets.cifar10(types.SimpleNamespace(data=folder, quick=not folder))
        x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
        x = x.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4)) - 0.5
        order = np.random.default_rng(seed).permutation(len(x))
        train, test = order[:rows], order[rows : rows + 1000]
        return (x[train], y[train]), (x[test], y[test])

    return load


def characters(rows):
    """Sequences of Tiny Shakespeare, the next character as the label of each step.

    Without a folder the text is a module of Python, which is always at hand.
    """

    def load(folder, seed):
        ids = np.array([ALPHABET.get(each, 0) for each in text(folder)])
        ids = ids[: len(ids) // STEPS * STEPS]
        x, y = ids[:-STEPS].reshape(-1, STEPS), ids[1 : 1 - STEPS].reshape(-1, STEPS)
        order = np.random.default_rng(seed).permutation(len(x))
        train, test = order[:rows], order[rows : 3 * rows]
        return (x[train], y[train]), (x[test], y[test])

    return load


ALPHABET = {chr(code): code - 30 for code in range(32, 127)} | {"\n": 1}
CHARACTERS = 97


def text(folder):
    if folder is None:
        import inspect

        return inspect.getsource(inspect)
    return (folder / "tinyshakespeare.txt").read_text("utf-8")
