"""Random arguments and inputs: a right answer, or an error in words."""

import keras
import pytest

from keras_dropout import layers
from tests import fuzz, fuzz_cases

# JAX compiles each shape.
COUNT = {"torch": 120, "tensorflow": 80, "jax": 12}[keras.backend.backend()]
CASE = {
    "name": "Dropout",
    "options": {"rate": 0.5, "noise_shape": None, "scaling": "train"},
    "shape": (3, 5),
    "dtype": "float32",
    "policy": None,
    "training": True,
    "variable": False,
}


@pytest.mark.filterwarnings("ignore")
def test_each_case_has_a_right_answer_or_an_error_in_words():
    verdicts = fuzz_cases.verdicts(COUNT, seed=20)

    mistakes = {c: v for c, v in verdicts.items() if v not in fuzz_cases.VERDICTS}
    assert len(verdicts) == COUNT
    assert not mistakes
    assert {*verdicts.values()} >= {"right", "ValueError"}


@pytest.mark.parametrize(
    ("method", "broken", "verdict"),
    [
        ("perturb", lambda self, x: 3 * x, "values "),
        ("perturb", lambda self, x: x[:1], "shape (1, 5) for (3, 5)"),
        ("perturb", lambda self, x: keras.ops.cast(x, "float16"), "dtype float16"),
        ("perturb", lambda self, x: x * float("nan"), "no number"),
        ("perturb", lambda self, x: (1, 2)[7], "IndexError"),
        ("perturb", lambda self, x: float("x"), "not in words"),
        ("compute_output_spec", lambda self, x: int("x"), "refused when symbolic"),
    ],
)
def test_a_broken_layer_is_found(method, broken, verdict, monkeypatch):
    assert fuzz_cases.verdict(CASE) == "right"
    monkeypatch.setattr(layers.Dropout, method, broken)

    assert fuzz_cases.verdict(CASE).startswith(verdict)


@pytest.mark.once
def test_verdicts_of_two_runs_are_compared(tmp_path, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("right\tcase a\nValueError\tcase b\nright\tcase c\n")
    two.write_text("right\tcase a\nTypeError\tcase b\n")

    assert not fuzz.main(["--compare", str(one), str(one)])
    assert fuzz.main(["--compare", str(one), str(two)])
    assert "2 cases in all of 2 files, 1 differ" in capsys.readouterr().out
