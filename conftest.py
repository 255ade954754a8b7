"""What all tests share: one backend a process, and quiet libraries."""

import gc
import os
import pathlib
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Most tests run what they compile once, so XLA need not try hard, on JAX. A process
# that a test starts compiles alike, and rounds alike.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# Loaded before TensorFlow: loaded after it, torch finds another OpenMP runtime.
import torch  # noqa: F401, I001
import keras
import pytest
from _pytest.doctest import DoctestModule

from keras_dropout.random import context

# What the tests import stays, so no garbage is looked for in it.
gc.disable()

# A test with as many cases, such as one for each layer, is run in halves.
MANY = 5
PACKAGE = pathlib.Path(__file__).with_name("keras_dropout")
BACKEND = keras.backend.backend()

# The docstring examples are collected from the package itself, where each of the
# other two backends has files of its own that this process cannot import.
OTHERS = {"tensorflow", "jax", "torch"} - {BACKEND}
collect_ignore_glob = [f"keras_dropout/**/*_{name}*.py" for name in OTHERS]
collect_ignore_glob += [f"keras_dropout/**/{name}.py" for name in OTHERS]


def pytest_addoption(parser):
    """How the cases are shared out among the backends, when all are run."""
    parser.addoption("--shared", action="store_true", help="leave some to the others")
    parser.addoption("--few", action="store_true", help="take some only")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path):
    """Looks for examples in the docstrings of the package only."""
    collectors = yield
    if PACKAGE in file_path.parents:
        return collectors
    return [each for each in collectors if not isinstance(each, DoctestModule)]


def pytest_collection_modifyitems(config, items):
    """Leaves out tests that are of another backend, or are run on another."""
    shares = shared_out(items)
    mine, others = [], []
    for item in items:
        mark = item.get_closest_marker("backend")
        here = mark is None or BACKEND in mark.args
        taken = here and is_taken(item, shares[item.nodeid], config)
        (mine if taken else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = mine


def number(name):
    """A number for a name that is always the same."""
    return zlib.crc32(name.encode())


def shared_out(items):
    """Which of the backends that compile run each case. PyTorch runs all.

    Sums over the names put the cases in order, so that no backend gets all that are
    alike.
    """
    tests = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    shares = {}
    for name, cases in tests.items():
        takers = takers_of(cases)
        cases = sorted((case.nodeid for case in cases), key=number)
        for place, case in enumerate(cases, number(name)):
            shares[case] = takers[place % len(takers)]
    return shares


def takers_of(cases):
    """The backends that take the cases of a test, in turn.

    To compile takes most of the time of the tests. So JAX and TensorFlow each take a
    quarter. Both take what is marked `everywhere`, or half of the cases each if there
    are many.
    """
    jax, tensorflow = ("jax",), ("tensorflow",)
    if cases[0].get_closest_marker("everywhere"):
        return [jax + tensorflow] if len(cases) < MANY else [jax, tensorflow]
    return [jax, tensorflow, (), ()]


def is_taken(item, share, config):
    """Whether this process runs a case, of those that are shared out."""
    if item.get_closest_marker("release") and config.getoption("shared"):
        return False
    if config.getoption("few"):
        if BACKEND == "torch":
            return item.get_closest_marker("keras") or number(item.nodeid) % 4 == 0
        return number(item.nodeid) // 2 % 4 == 0
    alone = any(map(item.get_closest_marker, ("backend", "skipif")))
    return alone or BACKEND in ("torch", *share) or not config.getoption("shared")


def pytest_collection_finish():
    """Collects garbage less often, of which tracing makes much that does not matter."""
    _forget_garbage()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Collects garbage after each file, and never looks again at what stays."""
    if nextitem is None or nextitem.path != item.path:
        _forget_garbage()


def _forget_garbage():
    gc.collect()
    gc.freeze()


def pytest_report_header():
    """Which Keras and which backend this process tests."""
    return f"keras {keras.__version__} on {BACKEND}"


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory):
    """What several tests compile alike is compiled once, on JAX.

    In a folder of this process, since JAX writes files that others might read half.
    """
    if BACKEND == "jax":
        import jax

        folder = tmp_path_factory.mktemp("compiled")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(autouse=True)
def _same_start(request):
    """Every test starts from the same seeds, and examples count names from zero."""
    keras.utils.set_random_seed(1234)
    if isinstance(request.node, pytest.DoctestItem):
        keras.backend.clear_session(free_memory=False)
    yield
    assert not context.is_active(), "the noise was left switched on"


@pytest.fixture(params=["float32", "mixed_float16", "mixed_bfloat16"])
def policy(request):
    """Runs the test under each dtype policy."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(previous)
