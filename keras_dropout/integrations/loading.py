"""A model that goes to other processes, and is loaded once in each."""

import collections
import hashlib
import os
import pathlib
import pickle
import socket
import tempfile
import threading
import warnings
from typing import Any

import keras

from keras_dropout._validation import invalid

# What this process has loaded, the latest last. A few, since each holds its weights.
_MOST = 4
_loaded: collections.OrderedDict[Any, keras.Model] = collections.OrderedDict()
_lock = threading.Lock()


def packed(model: keras.Model) -> bytes:
    """A model as Keras pickles it, compiled."""
    return pickle.dumps(model)


def unpacked(content: bytes) -> keras.Model:
    """The model that was packed."""
    with warnings.catch_warnings():
        # An optimizer that has not trained has no variables that could be missed.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        return pickle.loads(content)


def saved(model: keras.Model) -> bytes:
    """A model as Keras saves it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def loaded(content: bytes) -> keras.Model:
    """The model that was saved, not compiled."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        path.write_bytes(content)
        # It comes from a pickle, which runs any code.
        return keras.saving.load_model(path, compile=False, safe_mode=False)


class ModelSource:
    """A model, or the path of one, that can be pickled.

    A model is pickled as Keras saves it, with the weights that it has then. It is not
    compiled where it is loaded, so that losses of your own need not be known there.
    Copies of this object in one process share what is loaded.

    Args:
        model_or_path: A Keras model, or what `keras.saving.load_model` takes.

    Raises:
        TypeError: It is neither.
    """

    def __init__(self, model_or_path: keras.Model | str | os.PathLike[str]) -> None:
        self._model = self._path = self._packed = self._key = None
        if isinstance(model_or_path, keras.Model):
            self._model = model_or_path
        elif isinstance(model_or_path, (str, os.PathLike)):
            self._path = os.fspath(model_or_path)
        else:
            expected = "a Keras model, or the path of a saved one"
            raise TypeError(invalid("model_or_path", expected, model_or_path))

    def model(self) -> keras.Model:
        """The model, loaded if this process has not loaded it yet.

        Raises:
            RuntimeError: It does not load here.
        """
        if self._model is None:
            with _lock:
                self._model = self._found()
        return self._model

    def _found(self):
        key = self._key if self._path is None else _version(self._path)
        if key not in _loaded:
            _loaded[key] = self._load()
        _loaded.move_to_end(key)
        while len(_loaded) > _MOST:
            _loaded.popitem(last=False)
        return _loaded[key]

    def _load(self):
        what = "a pickled model" if self._path is None else f"the model {self._path!r}"
        where = f"on {socket.gethostname()}, Keras on {keras.backend.backend()}"
        try:
            if self._path is None:
                return loaded(self._packed)
            model = keras.saving.load_model(self._path, compile=False)
        except Exception as error:
            # For any error, the person who started the job must learn what to do.
            raise RuntimeError(
                f"Cannot load {what} ({where}). A path must be readable in each "
                "process, and layers of your own must be registered in a module that "
                f"each process imports. {type(error).__name__}: {error}"
            ) from error
        if not isinstance(model, keras.Model):
            kind = type(model).__name__
            raise RuntimeError(f"{what} must hold a Keras model. Received: a {kind}")
        return model

    def __getstate__(self) -> dict[str, Any]:
        state = {"path": self._path, "packed": self._packed, "key": self._key}
        if self._path is None and self._model is not None:
            # With the current weights.
            content = saved(self._model)
            state |= {"packed": content, "key": hashlib.blake2b(content).digest()}
        return {**state, "backend": keras.backend.backend()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["backend"] != keras.backend.backend():
            raise RuntimeError(
                f"This was made where Keras runs on {state['backend']}, and would draw "
                "other noise here. Set the environment variable KERAS_BACKEND to "
                f"{state['backend']!r} in each process. Received: Keras on "
                f"{keras.backend.backend()}, on {socket.gethostname()}"
            )
        self._model = None
        self._path, self._packed = state["path"], state["packed"]
        self._key = state["key"]


def _version(path):
    """What tells the file at a path from what was there before."""
    try:
        found = os.stat(path)
    except OSError:
        # It is not here, or not in a file system.
        return path
    return os.path.abspath(path), found.st_mtime_ns, found.st_size
