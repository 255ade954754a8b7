"""What all tests share: one backend a process, and quiet libraries."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Loaded before TensorFlow: loaded after it, torch finds another OpenMP runtime.
import torch  # noqa: F401, I001
import keras
import pytest

BACKEND = keras.backend.backend()


def pytest_report_header():
    return f"keras {keras.__version__} on {BACKEND}"


@pytest.fixture(autouse=True)
def _same_start():
    """Every test starts from the same seeds."""
    keras.utils.set_random_seed(1234)


@pytest.fixture(params=["float32", "mixed_float16", "mixed_bfloat16"])
def policy(request):
    """Runs the test under each dtype policy."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(previous)
