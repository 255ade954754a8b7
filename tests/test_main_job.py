"""The example that opens the README: whole on one backend, in small on all."""

import json
import pathlib
import runpy
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def job(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return __import__("when_not_to_answer")


@pytest.mark.slow
@pytest.mark.once
def test_trains_judges_saves_reloads_and_draws(tmp_path, monkeypatch, capfd):
    """As a user runs it, on few epochs; it says what every number means.

    It starts a second process itself, which reloads the model.
    """
    script = ROOT / "examples" / "when_not_to_answer.py"
    short = ["--epochs", "10", "--repeats", "1", "--samples", "10"]
    monkeypatch.setattr(sys, "argv", [str(script), *short, "--output", str(tmp_path)])
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    runpy.run_path(str(script), run_name="__main__")

    said = capfd.readouterr().out
    for name in ("plain network", "dropout, asked once", "dropout, 50 masks"):
        assert said.count(f"\n  {name}") == 6
    for term in ("wrong", "loss", "miscalib.", "AUROC", "held", "level"):
        assert term in said
    assert "test digits              answers" in said
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {
        "handed_over.png",
        "reader_curves.png",
        "reader_doubted.png",
        "reader_judged.png",
    }


def test_trains_and_asks_once_and_often_on_this_backend(job):
    parts = job.digits(0)
    x = parts["test"][0][:50]

    model, curve = job.train(job.dropout(), parts, seed=0, epochs=1)
    once, often = job.asked_once(model, x), job.asked_often(2)(model, x)

    assert len(curve) == 1
    assert (once.count.max(), often.count.min()) == (1, 2)
    assert not np.allclose(once.mean, often.mean, atol=1e-3)
    assert job.overall(often, parts["test"][1][:50]).keys() == {
        key[0] for key, _ in job.answers.OVERALL
    }


@pytest.mark.once
def test_parts_of_the_data_share_no_digit(job):
    parts = job.digits(0)

    sizes = {name: len(x) for name, (x, _) in parts.items()}
    assert sizes == {**job.SIZES, "test": 1797 - sum(job.SIZES.values())}
    places = [{x.tobytes() for x in images} for images, _ in parts.values()]
    assert sum(map(len, places)) == len(set().union(*places))


@pytest.mark.once
def test_the_error_left_is_counted_from_the_most_certain_on(job):
    errors, doubts = np.array([1.0, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.3])

    found = job.answers.error_by_fraction(errors, doubts)

    assert found[0] == 25
    assert found[25] == found[50] == 0


@pytest.mark.once
def test_says_where_masks_gain_and_where_they_do_not(job):
    results = json.loads(
        (ROOT / "docs" / "results" / "when_not_to_answer.json").read_text()
    )
    found = job.answers.compared(results)

    assert found["loss"] == 1
    # Less on each seed, but by such different amounts that a test of means sees none.
    worn = (
        job.answers.by_seed(results, name, "worn", "loss")
        for name in (job.answers.MASKS, job.answers.ONCE)
    )
    assert found["loss on bad scans"] == 0
    assert np.less(*worn).all()
    for run in results["runs"]:
        # The other way round.
        once, masks = (run["scores"][name] for name in job.answers.METHODS[1:])
        run["scores"] |= dict(zip(job.answers.METHODS[1:], (masks, once), strict=True))
    assert job.answers.compared(results) == {k: -v for k, v in found.items()}


@pytest.mark.once
def test_strangers_have_the_form_of_digits(job):
    for images in (*job.others().values(), job.strangers.worn(np.ones((3, 8, 8)))):
        assert images.dtype == "float32"
        assert 0 <= images.min() < images.max() <= 1


@pytest.mark.once
def test_the_page_shows_five_whole_runs():
    results = json.loads(
        (ROOT / "docs" / "results" / "when_not_to_answer.json").read_text()
    )

    assert results["settings"]["epochs"] == 200
    assert results["settings"]["repeats"] == 5
