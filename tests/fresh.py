"""A fresh process. Tests open there what they have saved.

It starts once for all tests of a process, because its imports take seconds. It has none
of the objects of the test. It has imported `keras` and `keras_dropout`, and has done
only what other tests ran there.
"""

import atexit
import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import traceback

END = "\n"


def run(code, *arguments, cwd=None):
    """Runs code in the fresh process, and returns what it printed.

    Args:
        code: Lines of Python. `sys.argv[1:]` are `arguments`.
        *arguments: Paths or strings.
        cwd: The folder to run in.

    Raises:
        AssertionError: If the code raised, with its traceback.
    """
    process = _started()
    order = {"code": code, "arguments": list(map(str, arguments)), "cwd": cwd}
    process.stdin.write(json.dumps(order, default=str) + END)
    process.stdin.flush()
    line = process.stdout.readline()
    assert line, "the fresh process has died"
    answer = json.loads(line)
    assert answer["error"] is None, answer["error"]
    return answer["printed"]


@functools.cache
def _started():
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fresh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    return process


def _serve(orders, answers):
    """Runs what comes in, line by line."""
    home = os.getcwd()
    for line in orders:
        order = json.loads(line)
        sys.argv[1:] = order["arguments"]
        printed, error = io.StringIO(), None
        try:
            os.chdir(order["cwd"] or home)
            with contextlib.redirect_stdout(printed):
                exec(order["code"], {"__name__": "__main__"})
        except BaseException:
            error = traceback.format_exc()
        answers.write(json.dumps({"printed": printed.getvalue(), "error": error}) + END)
        answers.flush()


if __name__ == "__main__":
    import torch  # noqa: F401, I001
    import keras  # noqa: F401

    import keras_dropout  # noqa: F401

    _serve(sys.stdin, sys.stdout)
