"""The experiments run as their pages say, in quick mode and without a network."""

import importlib
import json
import pathlib
import runpy
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
EXPERIMENTS = (
    "active_learning",
    "cifar10",
    "co2",
    "learned_or_fixed",
    "learned_rates",
    "masksembles",
    "lora",
    "mnist_overfitting",
    "pretrained",
    "rotated_digits",
    "sonar",
    "uci",
)


# Many small networks. Each backend would compile each of them.
ONCE = (
    "active_learning",
    "learned_or_fixed",
    "learned_rates",
    "masksembles",
    "uci",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.once) if name in ONCE else name
        for name in EXPERIMENTS
    ],
)
def test_runs_in_quick_mode(name, tmp_path, monkeypatch, capsys):
    script = str(ROOT / "examples" / f"{name}.py")
    arguments = ["--quick", "--epochs", "1", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    monkeypatch.syspath_prepend(ROOT / "examples")
    # A proxy that nobody answers at, for a download to fail.
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")

    runpy.run_path(script, run_name="__main__")

    assert "| ---" in capsys.readouterr().out
    assert json.loads((tmp_path / f"{name}.json").read_text())["settings"]["quick"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shows_results_of_full_runs(name):
    """What the pages show is no quick run's."""
    settings = json.loads((RESULTS / f"{name}.json").read_text())["settings"]

    assert not settings["quick"]
    assert settings["repeats"] >= 3


def results(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def test_dropout_beats_the_plain_network_on_mnist_by_more_than_the_spread():
    errors = {
        key: np.array(e) for key, e in results("mnist_overfitting")["errors"].items()
    }
    plain, dropout = errors["plain"], errors["dropout"]
    spread = max(plain.std(ddof=1), dropout.std(ddof=1))

    assert plain.mean() - dropout.mean() > 2 * spread
    assert plain.min() > dropout.max()


def claims_of_mnist(found):
    plain, dropout = (np.mean(found["errors"][name]) for name in ("plain", "dropout"))
    yield f"from {plain:.2f} % to {dropout:.2f} %"


def claims_of_co2(found):
    inside, outside = np.transpose(found["std"]["relu"])
    yield f"the standard deviation is {np.mean(outside / inside):.1f} times that"
    relu, tanh = (np.mean(found["covered"][name], axis=0) for name in ("relu", "tanh"))
    yield f"hold {relu[1]:.0f} % of the months of the record"
    yield f"those of tanh {tanh[1]:.0f} %"
    yield f"hold {relu[0]:.0f} % of the months of the data"


def claims_of_rotated_digits(found):
    information = np.mean([run["mutual_information"] for run in found["runs"]], axis=0)
    ratio = information[found["angles"].index(90)] / information[0]
    yield f"it is {ratio:.1f} times that of upright ones"
    masks, softmax = (
        np.mean([run["rejected"][name] for run in found["runs"]], axis=0)
        for name in ("entropy of the mean", "entropy of one softmax")
    )
    more = (masks - softmax)[[found["angles"].index(angle) for angle in (60, 90, 120)]]
    yield f"reject {min(more):.0f} to {max(more):.0f} of 100 digits more"


def claims_of_sonar(found):
    folds = np.reshape(found["accuracies"]["visible dropout"], (-1, found["folds"]))
    means = folds.mean(axis=1)
    yield f"anything from {means.min():.0f} to {means.max():.0f} %"


def claims_of_active_learning(found):
    at = {labels: place for place, labels in enumerate(found["labels"])}
    mean = {m: 100 * np.mean(runs, axis=0) for m, runs in found["accuracy"].items()}
    margin, random = mean["margin"][at[100]], mean["random"][at[180]]
    yield f"100 labels chosen by margin the accuracy is {margin:.1f} %"
    yield f"With 180 random labels it is {random:.1f} %"
    gains = [mean[m][-1] - mean["random"][-1] for m in mean if m != "random"]
    yield f"by {min(gains):.1f} to {max(gains):.1f} points"


def claims_of_cifar10(found):
    ends = {
        name: np.mean([run["test"][-1] for run in runs])
        for name, runs in found["losses"].items()
    }
    lowest = np.mean([min(run["test"]) for run in found["losses"]["plain"]])
    yield f"falls to {lowest:.2f} and then climbs to {ends['plain']:.2f}"
    yield f"With dropout it ends at {ends['dropout']:.2f}, a little above"
    least = {
        name: np.mean([min(run["test"]) for run in runs])
        for name, runs in found["losses"].items()
    }
    yield f"above its lowest value of {least['dropout']:.2f}"
    both = "dropout and max-norm"
    yield f"it ends at {ends[both]:.2f}, and its lowest value is {least[both]:.2f}"
    plain, dropout = (np.array(found["errors"][name]) for name in ("plain", "dropout"))
    gain = plain.mean() - dropout.mean()
    yield f"It gains {gain:.1f} on average, and the plain network varies by"
    yield f"varies by {plain.std(ddof=1):.1f} over the seeds"


def claims_of_pretrained(found):
    runs = found["stages"]
    masks, softmax, plain = (
        np.mean([run["auroc"] for run in runs[name]])
        for name in ("and tuned", "and tuned, one softmax", "tuned without dropout")
    )
    yield f"mutual information of the masks reaches {masks:.3f}"
    yield f"one softmax of the same network reaches {softmax:.3f}"
    yield f"tuned equally long without dropout reaches {plain:.3f}"


def test_says_what_dropout_on_lora_was_worth():
    runs = results("lora")["runs"]
    plain = np.array([run["plain"]["nll"] for run in runs["input 0.0"]])
    dropped = {
        kind: np.array([run[kind]["nll"] for run in runs["input 0.1"]])
        for kind in ("plain", "samples")
    }
    words = " ".join((ROOT / "docs" / "lora.md").read_text("utf-8").split())

    assert (dropped["samples"] < plain).all()
    assert f"{dropped['samples'].mean():.3f} instead of {plain.mean():.3f}" in words
    assert f"Without samples the loss is {dropped['plain'].mean():.3f}" in words
    learned = np.array([run["samples"]["nll"] for run in runs["input learned"]])
    assert (learned < plain).all()
    assert f"on each seed, {learned.mean():.3f} on average" in words
    difference = learned - dropped["samples"]
    assert abs(difference.mean()) < difference.std(ddof=1)
    rates = [rate for run in runs["input learned"] for rate in run["rates"].values()]
    # The others are those of the attention, of Keras, which are 0.
    assert {round(rate, 2) for rate in rates} == {0.0, 0.17}
    assert "rose from 0.1 to 0.17" in words


def claims_of_when_not_to_answer(found):
    def mean(method, *keys):
        values = [run["scores"][method] for run in found["runs"]]
        for key in keys:
            values = [each[key] for each in values]
        return np.mean(values)

    plain, once, masks = found["runs"][0]["scores"]
    loss = [mean(name, "test", "loss") for name in (plain, once, masks)]
    yield f"from {loss[0]:.3f} to {loss[1]:.3f} nats, and the masks take it to"
    yield f"take it to {loss[2]:.3f}"
    worn = [mean(name, "worn", "loss") for name in (once, masks)]
    yield f"on bad scans from {worn[0]:.2f} to {worn[1]:.2f}"
    left = [mean(name, "answered", 10) for name in (plain, once, masks)]
    yield f"{left[0]:.1f} % of the plain network's answers are wrong"
    yield f"{left[1]:.1f} and {left[2]:.1f} % of the other two readers'"
    letters = [mean(name, "auroc", "letters") for name in (once, masks)]
    yield f"an AUROC of {letters[1]:.3f} instead of {letters[0]:.3f}"


def claims_of_learned_rates(found):
    once, four = (
        np.mean([run["pruned"] for run in found["sparse"][strength]])
        for strength in ("1", "4")
    )
    yield f"{once:.0f} of the 26 other inputs are pruned, at four times"
    yield f"at four times the strength {four:.0f}."


def gains_of_learned_rates(found, name):
    """By split: how much better learned rates are than the best fixed one, in nats."""

    def best(run):
        rates = run["fixed"].values()
        return min(rates, key=lambda each: each["choose"]["nll"])["score"]["nll"]

    runs = found["tasks"][name]
    return np.array(
        [best(run) - run["learned"]["0.01"]["score"]["nll"] for run in runs]
    )


def claims_of_learned_or_fixed(found):
    gains = {
        name: np.mean(gains_of_learned_rates(found, name)) for name in found["tasks"]
    }
    yield f"better than the best of the grid by {gains['yacht']:.2f} nats"
    yield f"concrete they are worse by {-gains['concrete']:.2f} nats"
    yield f"on photographs by {-gains['photographs']:.2f}"


def claims_of_home(found):
    """Those of the page that says what the package buys."""
    yield from list(claims_of_mnist(results("mnist_overfitting")))
    losses = [
        np.mean([run["scores"][name]["test"]["loss"] for run in found["runs"]])
        for name in found["runs"][0]["scores"]
    ]
    yield f"lowers the loss from {losses[0]:.3f} to {losses[1]:.3f} nats"
    yield f"lowers it to {losses[2]:.3f}"


@pytest.mark.parametrize(
    ("name", "page", "claims"),
    [
        ("mnist_overfitting", "mnist", claims_of_mnist),
        ("when_not_to_answer", "../index", claims_of_home),
        ("co2", "co2", claims_of_co2),
        ("rotated_digits", "rotated-digits", claims_of_rotated_digits),
        ("sonar", "sonar", claims_of_sonar),
        ("active_learning", "../recipes/active-learning", claims_of_active_learning),
        ("cifar10", "cifar10", claims_of_cifar10),
        (
            "when_not_to_answer",
            "when-not-to-answer",
            claims_of_when_not_to_answer,
        ),
        ("learned_rates", "../learned", claims_of_learned_rates),
        ("learned_or_fixed", "../learned", claims_of_learned_or_fixed),
        ("pretrained", "pretrained", claims_of_pretrained),
    ],
)
def test_says_on_the_page_what_was_measured(name, page, claims):
    text = (ROOT / "docs" / "experiments" / f"{page}.md").read_text("utf-8")
    words = " ".join(text.replace("*", "").split())

    assert [claim for claim in claims(results(name)) if claim not in words] == []


def test_bands_open_with_relu_and_not_with_tanh_on_every_seed():
    ratios = {
        activation: [far / near for near, far in pairs]
        for activation, pairs in results("co2")["std"].items()
    }

    assert min(ratios["relu"]) > 3
    assert max(ratios["tanh"]) < 1.5


def test_tells_strangers_better_than_one_softmax_by_more_than_the_spread():
    stages = results("pretrained")["stages"]
    names = "and tuned, one softmax", "and tuned"
    softmax, masks = ([run["auroc"] for run in stages[name]] for name in names)
    spread = max(np.std(softmax, ddof=1), np.std(masks, ddof=1))

    assert np.mean(masks) - np.mean(softmax) > 2 * spread


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_makes_the_table_of_the_page(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    report = importlib.import_module(name).report(results(name))

    assert report.count("\n") >= 3


def test_learned_rates_fall_as_data_grow_by_more_than_the_spread():
    runs = np.array(list(results("learned_rates")["rates"].values()))
    mean, spread = runs.mean(axis=1), runs.std(axis=1, ddof=1)

    # The last is that of ten thousand rows; the first layer has a single input.
    assert (mean[0, 1:] - mean[-1, 1:] > 10 * spread[0, 1:]).all()
    assert (np.diff(mean[:, 1:], axis=0) < spread[1:, 1:]).all()
    assert mean[:, 0].max() < 0.05


def test_pruning_keeps_the_causes_and_costs_no_accuracy():
    for strength, runs in results("learned_rates")["sparse"].items():
        assert {run["causes"] for run in runs} == {4}
        error, everything = (
            np.mean([run[name] for run in runs]) for name in ("error", "everything")
        )
        assert error < everything, strength
        if int(strength) >= 3:
            assert min(run["pruned"] for run in runs) >= 20


def test_what_is_said_of_learned_rates_is_more_than_the_spread():
    found = results("learned_or_fixed")
    gains = {name: gains_of_learned_rates(found, name) for name in found["tasks"]}

    assert gains["yacht"].min() > 0
    assert abs(gains["digits"].mean()) < gains["digits"].std(ddof=1)
    assert gains["concrete"].max() < 0
    assert gains["photographs"].max() < 0


def test_an_ensemble_beats_one_network_on_every_split_and_masksembles_do_not():
    runs = results("masksembles")["runs"]
    alone, masked, several = (
        np.array([run[name]["nll"] for run in runs])
        for name in ("one network", "Masksembles, scale 2", "an ensemble of 4")
    )

    assert (several < alone).all()
    assert np.abs(masked - alone).max() < 0.01
