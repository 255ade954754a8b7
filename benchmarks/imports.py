"""What importing the package adds to importing Keras, in fresh processes by turns.

KERAS_BACKEND=jax python -m benchmarks.imports
"""

import subprocess
import sys

import numpy as np

SCRIPT = """
import time
import keras
start = time.perf_counter()
import keras_dropout
print(time.perf_counter() - start)
"""


def main(times=7):
    # The first run compiles the bytecode.
    seconds = [
        float(subprocess.check_output([sys.executable, "-c", SCRIPT], text=True))
        for _ in range(times + 1)
    ][1:]
    low, middle, high = 1e3 * np.quantile(seconds, (0.25, 0.5, 0.75))
    print(f"import keras_dropout: {middle:.0f} ms [{low:.0f}, {high:.0f}]")


if __name__ == "__main__":
    main()
