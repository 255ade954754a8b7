"""Random arguments and inputs: a right answer, or an error in words."""

import json
import pathlib

import keras
import pytest

from keras_dropout import layers
from tests import fuzz, fuzz_cases

ROOT = pathlib.Path(__file__).parents[1]
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

    mistakes = {c: v for c, v in verdicts.items() if v not in fuzz.VERDICTS}
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


ABOUT = '{"backend": "%s", "commit": "abc"}'
CASES = {f"{{'name': '{name}'}}": name for name in "abc"}


def _told(path, backend, verdicts):
    lines = [("about", ABOUT % backend), *zip(verdicts, CASES, strict=False)]
    path.write_text("".join(f"{kind}\t{text}\n" for kind, text in lines))
    return path


@pytest.mark.once
def test_verdicts_of_two_backends_are_compared(tmp_path, capsys):
    one = _told(tmp_path / "one", "torch", ["right", "ValueError", "right"])
    two = _told(tmp_path / "two", "jax", ["right", "TypeError"])

    assert not fuzz.main(["--compare", str(one), str(one)])
    out = tmp_path / "out.json"
    assert fuzz.main(["--compare", str(one), str(two), "--out", str(out)])
    assert "2 cases on torch, jax, 1 differ" in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert told["differing"] == 1
    assert told["backends"]["torch"]["cases"] == 3
    assert told["backends"]["jax"]["runs"] == [{"backend": "jax", "commit": "abc"}]


@pytest.mark.once
def test_a_run_goes_on_and_names_what_ended_it(tmp_path):
    asked = []

    def judge(case):
        asked.append(case)
        if asked == ["a", "b"]:
            raise KeyboardInterrupt
        return "right"

    with pytest.raises(KeyboardInterrupt):
        fuzz.run(CASES, tmp_path / "out", judge)
    assert [*fuzz.read(tmp_path / "out").values()] == ["right", fuzz.ENDED]

    assert [*fuzz.run(CASES, tmp_path / "out", judge).values()] == ["right"] * 3
    assert asked == ["a", "b", "b", "c"]


@pytest.mark.once
def test_what_is_published_has_no_mistake():
    told = json.loads((ROOT / "tests" / "fuzz.json").read_text())

    assert {each["mistake"] for each in told["backends"].values()} == {0}
    assert told["compared"] > 1000
    assert told["differing"] == 0
