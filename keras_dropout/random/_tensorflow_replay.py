"""Which parts of a forward pass on TensorFlow are within `tf.recompute_grad`."""

from __future__ import annotations

import collections
import sys
import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_dropout.random import replay

_FILE = tf.recompute_grad.__code__.co_filename
_LOGS = "_keras_dropout_logs"
# Eager calls outlive no graph. So many may wait for their gradient at a time.
_EAGER = 4096

_graphs = weakref.WeakSet()
_eager = collections.OrderedDict()


def once(owner: object, draw: Callable[[], Any]) -> Any:
    """What `draw()` gives, or what it gave where a forward pass is run again."""
    return replay.once(_parts(), owner, draw)


def _parts():
    """The parts that the call is within, as `replay.once` takes them."""
    found = []
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == _FILE:
            name, local = frame.f_code.co_name, frame.f_locals
            if name == "inner_recompute_grad":
                found.append((_known(local["kwargs"]), weakref.ref(local["t"])))
                break
            if name == "inner" and "current_var_scope" in local:
                found.append((_log(local["kwargs"]), None))
        frame = frame.f_back
    return found


def _log(call):
    """The log of a call, known by its dictionary of keywords, which both runs get."""
    logs = _logs()
    if id(call) not in logs:
        # Kept with its log, so that no other gets its id.
        logs[id(call)] = call, replay.Log()
        if logs is _eager and len(logs) > _EAGER:
            logs.popitem(last=False)
    return logs[id(call)][1]


def _logs():
    if tf.executing_eagerly():
        return _eager
    graph = tf.compat.v1.get_default_graph()
    if not hasattr(graph, _LOGS):
        setattr(graph, _LOGS, {})
        _graphs.add(graph)
    return getattr(graph, _LOGS)


def _known(call):
    # The gradient may be traced in another graph than the first run.
    for logs in (_eager, *(getattr(graph, _LOGS) for graph in _graphs)):
        if id(call) in logs:
            return logs[id(call)][1]
    return replay.Log()
