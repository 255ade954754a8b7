"""The pages of the science say what their commands found."""

import importlib
import json
import pathlib
import re
import types

import numpy as np
import pytest

from benchmarks.families import report, studies
from examples import experiment

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"


def results(name):
    return json.loads((DOCS / "results" / f"{name}.json").read_text())


def words(page):
    text = (DOCS / page).read_text("utf-8")
    return " ".join(text.replace("*", "").split())


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module


@pytest.fixture
def hook(monkeypatch):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    monkeypatch.syspath_prepend(DOCS / "hooks")
    return importlib.import_module


@pytest.mark.parametrize(
    "name", sorted(p.stem for p in (DOCS / "results").glob("*.json"))
)
def test_says_where_when_and_of_what_the_results_are(name):
    made = results(name)["settings"]

    assert made["processor"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", made["date"])
    assert re.fullmatch(r"[0-9a-f]{12}", made["commit"])
    assert {"python", "numpy"} < set(made["versions"])


class TestErrata:
    def test_shows_the_numbers_that_the_command_computes(self, example):
        errata = example("errata")
        shown = results("errata")["rows"]

        assert [row["where"] for row in shown] == [s.where for s in errata.SLIPS]
        for slip, row in zip(errata.SLIPS, shown, strict=True):
            found = experiment.rounded(slip.numbers())
            np.testing.assert_allclose(found, row["numbers"], rtol=1e-4, err_msg=slip)

    def test_every_formula_differs_from_the_right_one(self):
        for row in results("errata")["rows"]:
            wrong, right = row["numbers"]
            assert abs(wrong - right) > 1e-4 * max(abs(right), 1e-2), row["where"]

    def test_names_what_exists_here(self, example):
        import keras_dropout as kd

        text = " ".join(slip.right for slip in example("errata").SLIPS)
        names = re.findall(r"`((?:layers|calibration|constraints)\.\w+)`", text)

        assert len(names) > 10
        for name in names:
            module, attribute = name.split(".")
            assert hasattr(getattr(kd, module), attribute), name


# What the page says of energy, where less noise is better than the paper's.
GAINED = {
    ("energy", "no noise"): 0.04,
    ("energy", "tuned"): 0.05,
    ("energy", "learned"): 0.38,
    ("energy", "masks"): 0.49,
    ("energy", "moments"): -0.24,
}


class TestUci:
    def test_splits_as_the_authors_did_and_standardises_by_training_rows(self, example):
        uci = example("uci")
        x = np.arange(60.0).reshape(20, 3)
        splits = uci.Splits(x, x[:, :1], 4, uci.Choice())

        orders = np.random.RandomState(1)
        order = orders.choice(range(20), 20, replace=False)
        np.testing.assert_array_equal(splits.test[1][0], x[order[18:], 0])
        for values in splits.train:
            np.testing.assert_allclose(values.mean(axis=1), 0, atol=1e-12)
            np.testing.assert_allclose(values.std(axis=1), 1)

    def test_likelihood_is_that_of_the_mixture(self, example):
        """The golden number of the protocol, with two splits of one row."""
        uci = example("uci")
        splits = types.SimpleNamespace(
            y_scale=np.ones((1, 1)),
            y_mean=np.zeros((1, 1)),
            precision=2.0,
            test=(None, np.array([[1.5]])),
        )
        found = uci.scores(splits, 0, np.array([[1.0], [2.0], [2.5]]))

        np.testing.assert_allclose(found["likelihood"], -1.01580142, rtol=1e-8)
        np.testing.assert_allclose(found["rmse"], 1 / 3)

    def test_agrees_with_the_paper_within_two_standard_errors(self, example):
        made, choices = example("uci_report"), example("uci_networks").CHOICES
        found = results("uci")

        assert len(made.sets(found)) == 5
        for name in made.sets(found):
            runs = made.by_method(found, name)["paper"]
            for score in ("rmse", "likelihood"):
                published = getattr(choices[name], score)
                assert abs(made.apart(made.column(runs, score), published)) < 2, name

    def gains(self, made, name, method):
        found = made.by_method(results("uci"), name)
        if method not in found:
            return None
        values, paper = (
            made.column(found[each], "likelihood") for each in (method, "paper")
        )
        return values - paper[: len(values)]

    def test_says_what_was_gained_and_what_was_not(self, example):
        made = example("uci_report")
        for name in made.sets(results("uci")):
            for method in made.METHODS:
                gains = self.gains(made, name, method)
                if method == "paper" or gains is None:
                    continue
                errors = gains.mean() / experiment.standard_error(gains)
                known = GAINED.get((name, method))
                if known is not None:
                    assert gains.mean() == pytest.approx(known, abs=0.005)
                    assert abs(errors) > 2
                    continue
                assert errors < 2, (name, method)
                if method in ("no noise", "batch"):
                    assert errors < -2, (name, method)

    def test_the_epsilon_of_adam_changes_nothing_in_three_digits(self, example):
        made = example("uci_report")
        gains = self.gains(made, "yacht", "epsilon")

        assert abs(gains.mean()) < 5e-4


class TestFamilies:
    def test_runs_in_small(self):
        name = "passes"
        study = studies.STUDIES[name]
        found = {m: studies.measured(study, m, None, 2, 1) for m in study.methods}
        cells = {f"{name}/{method}": cell for method, cell in found.items()}

        assert report.study({"cells": cells}, name).count("\n") == len(found) + 1
        for cell in found.values():
            assert 0 < cell["runs"][0]["score"] < 100

    def test_shows_five_seeds_of_every_method(self):
        found = results("families")

        assert not found["settings"]["quick"]
        assert report.studied(found) == list(studies.STUDIES)
        for cell in found["cells"].values():
            assert len(cell["runs"]) == 5

    def test_says_nothing_of_what_chance_explains(self):
        runs = {"first": [3.0, 4.0, 5.0], "worse": [4.0, 5.0, 6.1], "same": [3, 5, 4]}
        cells = {
            f"units/{method}": {"runs": [{"score": each} for each in scores]}
            for method, scores in zip(
                studies.STUDIES["units"].methods, runs.values(), strict=True
            )
        }
        _, worse, same = studies.STUDIES["units"].methods

        said = report.verdict({"cells": cells}, "units", worse)
        assert said.startswith("raised the error by 1.0 ")
        assert report.verdict({"cells": cells}, "units", same).startswith("made no")

    def test_every_study_is_on_pages_of_the_gallery_that_exist(self):
        for study in studies.STUDIES.values():
            for page in study.pages:
                assert (DOCS / "gallery" / f"{page}.md").exists()
                assert any(method.startswith(page) for method in study.methods)

    def test_the_gallery_shows_what_was_measured_of_a_layer(self, hook):
        said = report.verdict(results("families"), "mixout", "Mixout 0.9")

        shown = "\n".join(hook("studies").measured("Mixout"))
        assert f"`Mixout 0.9` {said}, took " in shown
        assert "**Not gained**: `" in shown
        assert "figures/family_mixout.svg" in shown

    def test_says_of_each_layer_what_was_measured_of_its_family(self, hook):
        """A layer without a study shows those of its family, or where they are."""
        names = hook("exported").LAYERS
        shown = {name: "\n".join(hook("studies").measured(name)) for name in names}
        said = report.verdict(results("families"), "pooling", "StochasticPooling2D")

        assert "This layer was not measured" in shown["UOut"]
        assert f"- `StochasticPooling2D` {said}." in shown["UOut"]
        assert "../learned.md#is-it-worth-it" in shown["ConcreteDropout"]
        for name, text in shown.items():
            assert "ot gained" in text or "has others" in text, name


class TestCells:
    def test_goes_on_where_it_was_stopped(self, tmp_path):
        path = tmp_path / "some.json"
        experiment.Cells(path, {"quick": False}).cell("a", lambda: 1 / 3)
        again = experiment.Cells(path, {"quick": False})
        again.cell("a", lambda: pytest.fail("computed twice"))
        again.cell("b", lambda: 2)

        assert json.loads(path.read_text())["cells"] == {"a": 0.33333, "b": 2}
        assert not experiment.Cells(path, {"quick": True})
