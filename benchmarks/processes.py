"""One process for each backend, since Keras has one a process."""

import json
import os
import subprocess
import sys

BACKENDS = ("tensorflow", "jax", "torch")
# On Linux, freed memory stays with the process, as in a long training it does. Else
# what is timed of a large tensor is whether the system had pages to clear for it.
KEEP_FREED = {
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
}


def measure(module, arguments, backends=BACKENDS):
    """Runs a module on each backend, and yields the objects that it prints as JSON.

    Args:
        module: Name of a module that prints one object a line.
        arguments: What it is given on its command line.
        backends: The backends to run it on.
    """
    for backend in backends:
        chosen = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **KEEP_FREED, **chosen},
            stdout=subprocess.PIPE,
            text=True,
        )
        yield from map(json.loads, process.stdout)
        if process.wait():
            raise SystemExit(f"The measurement on {backend} failed.")
