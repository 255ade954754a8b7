"""What the tests need to be installed, read from `pyproject.toml`."""

import functools
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BACKENDS = {
    "torch": {"torch"},
    "jax": {"jax"},
    "tensorflow": {"tensorflow", "tensorflow-cpu"},
}

# XLA compiles in half the time with them, for code that runs once: one module for LLVM,
# kernels by the older emitters, and thunks in the order of the program.
SOON = (
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
)


def extra(name):
    """The names of all packages of an extra, and of the extras that it names."""
    for need in PROJECT["optional-dependencies"][name]:
        package, extras = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?", need).groups()
        if package == PROJECT["name"]:
            for each in extras.split(","):
                yield from extra(each)
        else:
            yield package


def installed(package):
    """Whether any version of a package is installed."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def missing(backends):
    """What the tests on these backends need and is not installed."""
    every = set().union(*BACKENDS.values())
    needed = [{package} for package in extra("test") if package not in every]
    needed += [{"keras"}, *(BACKENDS[backend] for backend in backends)]
    lacking = {min(each) for each in needed if not any(map(installed, each))}
    return sorted(lacking)


def oldest_keras():
    """The lowest version of Keras that `pyproject.toml` allows."""
    (keras,) = (need for need in PROJECT["dependencies"] if need.startswith("keras"))
    return keras.partition(">=")[2]


def install_keras(version):
    """Installs one version of Keras into a folder of its own, and returns that."""
    folder = ROOT / "build" / f"keras-{version}"
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command = [*pip, "--target", str(folder), f"keras=={version}"]
        subprocess.run(command, check=True)
    return folder


@functools.cache
def xla_flags(flags=SOON):
    """A value of `XLA_FLAGS` that lets JAX compile faster.

    XLA aborts on a flag that its version does not have, so the flags are tried first.
    """
    own = os.environ.get("XLA_FLAGS", "")
    tried = " ".join((own, *flags)).strip()
    process = subprocess.run(
        [sys.executable, "-c", "import jax; jax.numpy.zeros(1)"],
        env={**os.environ, "XLA_FLAGS": tried},
        capture_output=True,
    )
    return own if process.returncode else tried
