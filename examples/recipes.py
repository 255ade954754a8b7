"""The pictures of the recipes: runs each page, and keeps what its picture shows.

    KERAS_BACKEND=jax python examples/recipes.py --output docs/results

A test compares the code of the pages with the code that made the results.
"""

import hashlib
import pathlib
import re

import experiment
import keras
import numpy as np
from recipe_pictures import DRAWN

PAGES = pathlib.Path(__file__).parents[1] / "docs" / "recipes"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"=([\d.]+)")


def blocks(page):
    return BLOCK.findall((PAGES / f"{page}.md").read_text("utf-8"))


def code_of(page):
    """What tells whether the code of a page is that of the results."""
    return hashlib.sha256("\n".join(blocks(page)).encode()).hexdigest()[:16]


def run_page(page):
    """The names of a page after each of its blocks."""
    keras.utils.set_random_seed(0)
    names, after = {"__name__": "page"}, []
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)
        after.append(dict(names))
    return after


def listed(array):
    return np.asarray(array).tolist()


def layers_of(names, key):
    """The layers of a model, and whether each is computed for every sample."""
    report = names["kd"].noise_report(names[key])
    noisy = [name for row in report for name in row.path.split("/")]
    shown, reached = [], False
    for layer in names[key].layers:
        if not isinstance(layer, keras.layers.InputLayer):
            reached = reached or layer.name in noisy
            shown.append([type(layer).__name__, reached])
    return shown


def own_cnn(after):
    names = after[-1]
    before = [[type(each).__name__, False] for each in names["model"].layers]
    return {"before": before, "after": layers_of(names, "noisy")}


def max_norm(after):
    rows = zip(after[-1]["before"], after[-1]["after"], strict=True)
    return [[a.weight.split("/")[-2], a.largest, b.largest] for a, b in rows]


def regression(after):
    names = after[-1]
    order = np.argsort(names["x"][:, 0])
    prediction = names["prediction"]
    half = 1.645 * np.sqrt(prediction.epistemic)
    inner = prediction.mean - half, prediction.mean + half
    columns = [names["x"], names["y"], prediction.mean, *inner]
    columns += [names["lower"], names["upper"]]
    return [listed(each[order, 0]) for each in columns]


def resnet(after):
    names = after[-1]
    steps = np.linspace(0, 1.2 * names["steps"], 40)
    rates = names["kd"].schedules.linear_decay_rates(0.1, names["depth"])
    ramps = [names["kd"].schedules.Linear(0.0, r, names["steps"]) for r in rates]
    return {
        "steps": listed(steps),
        "rates": [[float(ramp.value(int(s))) for s in steps] for ramp in ramps],
    }


def segmentation(after):
    names = after[-1]
    prediction = names["prediction"]
    parts = names["x"][0, ..., 0], prediction.mean[0, ..., 1], prediction.entropy[0]
    return [listed(part) for part in parts]


def transformer(after):
    rows = after[-1]["kd"].noise_report(after[-1]["model"])
    return [[row.path, float(NUMBER.findall(row.strength)[0])] for row in rows]


def time_series(after):
    names = after[-1]
    parts = names["y"][200:], names["lower"], names["upper"]
    return [listed(part[:, 0]) for part in parts]


def tuned(after):
    names = after[-1]
    name = next(n for n in names["history"].history if n.startswith("rate"))
    table = [[t.factor, t.nll, t.error] for t in names["table"]]
    return {"tuned": table, "learned": listed(names["history"].history[name])}


def intervals(after):
    first, second = after[-2], after[-1]
    parts = first["lower"], first["upper"]
    values = [listed(part[:25, 0]) for part in parts]
    sizes = np.bincount(second["chosen"].sum(axis=1), minlength=3)
    truth = listed(first["y"][first["new"]][:25])
    return {"values": [*values, truth], "sizes": listed(sizes)}


def outliers(after):
    names = after[-1]
    scores = names["detector"].scores
    place = int(np.ceil(0.95 * (len(scores) + 1))) - 1
    parts = names["known"].entropy, names["unknown"].entropy
    return {"entropy": [listed(each) for each in parts], "limit": scores[place]}


def served(after):
    """What becomes of test digits and of two kinds of strange images."""
    names = after[-1]
    x = names["x"][1400:]
    turned = np.rot90(x.reshape(-1, 8, 8), axes=(1, 2)).reshape(x.shape)
    kinds = {
        "digits": x,
        "pixels shuffled": np.random.default_rng(0).permuted(x, axis=1),
        "turned by 90°": np.ascontiguousarray(turned),
    }
    shares, examples = {}, []
    wanted = {"digits": (0, 1), "pixels shuffled": (2,), "turned by 90°": (0,)}
    for kind, rows in kinds.items():
        answer = names["loaded"].predict(rows, verbose=0)
        refused = answer["p_value"] <= 0.05
        one = answer["set"].sum(axis=1) == 1
        outcomes = ~refused & one, ~refused & ~one, refused
        shares[kind] = [float(np.mean(each)) for each in outcomes]
        for outcome in wanted[kind]:
            row = int(np.argmax(outcomes[outcome]))
            numbers = listed(np.flatnonzero(answer["set"][row]))
            p_value = float(answer["p_value"][row])
            examples.append([outcome, listed(rows[row]), numbers, p_value])
    return {"shares": shares, "examples": examples}


def per_batch(after):
    names = after[-1]
    found = [names["predictor"](batch)["entropy"] for batch in names["batches"]()]
    return [listed(each[:200]) for each in found]


def chosen(after):
    names = after[-1]
    return listed(names["x"][names["labelled"][-10:]])


RECIPES = {
    "own-cnn": own_cnn,
    "pretrained-max-norm": max_norm,
    "rate-over-epochs": lambda after: listed(after[-1]["history"].history["rate/drop"]),
    "regression": regression,
    "resnet": resnet,
    "segmentation": segmentation,
    "transformer": transformer,
    "time-series": time_series,
    "transfer": lambda after: layers_of(after[-1], "model"),
    "tune-or-learn-the-rate": tuned,
    "intervals-and-sets": intervals,
    "outliers": outliers,
    "active-learning": chosen,
    "compare": lambda after: {k: listed(v) for k, v in after[-1]["losses"].items()},
    "serve": served,
    "many-rows": per_batch,
}


def run(args):
    shown = {}
    for page, keep in RECIPES.items():
        print(page, flush=True)
        shown[page] = keep(run_page(page))
    return {"code": {page: code_of(page) for page in RECIPES}, "shown": shown}


def report(results):
    return experiment.table(["recipe", "code"], list(results["code"].items()))


FIGURES = {
    f"recipe-{page}": lambda results, page=page: DRAWN[page](results["shown"][page])
    for page in RECIPES
}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(1, 1))
