"""Known implementations that are wrong, shown on numbers that are computed here.

Each row of the table is a formula as a package or a notebook computes it, and as the
paper or the definition says. `examples/slips.py` has both. Nothing is installed or
downloaded: the formulas are written again here, and only Keras itself is run.
"""

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Callable

import experiment
import slips


@dataclasses.dataclass(frozen=True)
class Slip:
    """One formula that went wrong.

    Attributes:
        where: The package or the code.
        seen: The version in which it was read or run.
        does: What it does.
        right: What is right, and where this package does it.
        number: What the two numbers are.
        compute: Function of nothing to the number as it is and as it should be.
    """

    where: str
    seen: str
    does: str
    right: str
    number: str
    compute: Callable

    def numbers(self):
        return [float(each) for each in self.compute()]


CURRENT = "November 2026"
SLIPS = (
    Slip(
        "Keras, `Dropout(0.5)(x, training=True)`",
        "3.3 to 3.15.1",
        "the argument of the call of the whole model replaces it",
        "noise in `predict`, as in `layers.MCDropout` and `mc_predict`",
        "share of zeros in `predict`",
        slips.forced_training,
    ),
    Slip(
        "Keras, `constraints.MaxNorm`",
        "3.15.1",
        "multiplies weights below the limit by norm / (1e-7 + norm)",
        "these weights do not change, as in `constraints.MaxNorm`",
        "a weight of 0.1 after 2,000 updates",
        slips.max_norm_inside,
    ),
    Slip(
        "Tutorials, `maxnorm(2)` on a convolution",
        CURRENT,
        "the default axis limits groups of three weights, not the filter",
        "all axes but the last, as in `constraints.apply_max_norm`",
        "largest norm of a filter",
        slips.filter_norms,
    ),
    Slip(
        "Keras on PyTorch, `SeedGenerator`",
        "3.15.1",
        "adds the seed and the counter",
        "a hash of both, as in all layers here",
        "repeated draws, of 40 with 20 seeds",
        slips.seeds_that_meet,
    ),
    Slip(
        "timm, `DropBlock2d`, 7 by 7 map, block 7, rate 0.1",
        "after pull request 2620",
        "starts blocks at the border too, with the rate for whole blocks",
        "whole blocks only, as in `layers.DropBlock2D`",
        "share that is dropped",
        slips.drop_block_at_the_border,
    ),
    Slip(
        "timm, the same on a 14 by 14 map",
        "after pull request 2620",
        "the same",
        "the same",
        "share that is dropped",
        slips.drop_block_of_fourteen,
    ),
    Slip(
        "KerasCV, `DropBlock2D`, 28 by 12 map",
        "0.10.0",
        "limits the rows by the width",
        "the rows are limited by the height",
        "rate of row 24",
        slips.drop_block_of_rows,
    ),
    Slip(
        "keras-drop-block, 4 by 4 map, block 2, rate 0.1",
        CURRENT,
        "leaves out the last position for even blocks",
        "all blocks that fit",
        "share that is dropped",
        slips.drop_block_of_even_size,
    ),
    Slip(
        "KerasHub, `DINOV2DropPath`, rate 0.3",
        CURRENT,
        "multiplies by the uniform number, without comparing it to the rate",
        "zero or 1 / (1 - rate), as in `layers.DropPath`",
        "share of zeros",
        slips.drop_path_without_floor,
    ),
    Slip(
        "MAE and timm, random patches, 10 tokens, rate 0.9",
        CURRENT,
        "truncates 10 (1 - 0.9) = 0.99... to an integer",
        "rounds first and keeps at least one, as `layers.PatchDropout`",
        "kept tokens",
        slips.patches_that_stay,
    ),
    Slip(
        "Public copies of DropKey",
        CURRENT,
        "add -1 to the power of -12 to the logit, which is -1",
        "a large negative number, as in `layers.DropKey`",
        "attention to a dropped key of four",
        slips.masked_logits,
    ),
    Slip(
        "keras-drop-connect, rate 0.5",
        CURRENT,
        "divides by 1 - rate, which `K.dropout` has done already",
        "divides once, as `layers.DropConnect`",
        "mean of a weight of 1",
        slips.scaled_twice,
    ),
    Slip(
        "Mixout, the authors' code, rate 0.5",
        CURRENT,
        "the backward pass leaves out 1 / (1 - rate)",
        "the gradient of the formula, as in `layers.Mixout`",
        "gradient of a kept weight",
        slips.mixout_gradient,
    ),
    Slip(
        "Zoneout, the authors' gist for Theano, 0.1",
        CURRENT,
        "uses the probability of keeping a state as that of changing it",
        "as in the paper and in `layers.Zoneout`",
        "share of kept units",
        slips.inverted_zoneout,
    ),
    Slip(
        "Targeted dropout, both public versions, equal weights",
        CURRENT,
        "drop weights *below* the threshold: none of equal weights",
        "the lowest ranks, as in `layers.TargetedDropout`",
        "candidates of 4 weights",
        slips.ties_among_weights,
    ),
    Slip(
        "Concrete dropout, the authors' spatial notebook, rate 0.1",
        CURRENT,
        "a temperature of 2/3 makes activations too small",
        "a temperature of 0.1, as in `layers.ConcreteDropout`",
        "mean of mask / (1 - rate)",
        slips.relaxed_channels,
    ),
    Slip(
        "edward2, `LogUniformKLDivergence`",
        CURRENT,
        "returns the divergence with the wrong sign",
        "a divergence is not negative: `layers.SparseVariationalDropout`",
        "divergence at a log alpha of 0",
        slips.divergence_of_precision,
    ),
    Slip(
        "edward2, `DenseFlipout`",
        CURRENT,
        "draws signs as floats between -1 and 3",
        "-1 or 1",
        "mean square of a sign",
        slips.signs_that_are_floats,
    ),
    Slip(
        "Sampling-free uncertainty, the released code",
        CURRENT,
        "divides the mean by the rate before dropout's variance",
        "(v + m² p) / (1 - p), as in `propagate_moments`",
        "variance at m = 2, v = 0.5, p = 0.2",
        slips.moments_of_dropout,
    ),
    Slip(
        "keras-uncertainty, two heads",
        CURRENT,
        "adds standard deviations",
        "adds variances, as in `Prediction.total`",
        "total standard deviation",
        slips.deviations_that_add,
    ),
    Slip(
        'Recipes of conformal sets, `method="higher"`',
        CURRENT,
        "use the score one rank too high",
        "(n + 1) times the level, rounded up: `calibration.ConformalClassifier`",
        "coverage of at least 80 %, n = 20",
        slips.quantile_of_scores,
    ),
    Slip(
        "torch-uncertainty, conformal sets",
        "0.12",
        "uses the plain quantile of the scores",
        "the same rank as above",
        "coverage, 80 % asked for, n = 20",
        slips.quantile_without_correction,
    ),
    Slip(
        "torchmetrics, calibration error",
        CURRENT,
        "a confidence of exactly 1 gets its own bin",
        "the last bin includes its upper edge",
        "error of eight rows in four bins",
        slips.bin_of_certain_rows,
    ),
    Slip(
        "keras-uncertainty, calibration error by default",
        CURRENT,
        "all bins have the same weight, for any number of rows",
        "weighted by their rows",
        "error of ten rows, nine of them in one bin",
        slips.bins_of_equal_weight,
    ),
    Slip(
        "uncertainty-metrics, `brier_decomposition`",
        CURRENT,
        "puts the shares of the classes on the axis of the bins",
        "on the axis of the classes",
        "score minus the sum of its parts",
        slips.brier_that_does_not_add_up,
    ),
)


def results():
    """Both numbers of each row."""
    rows = [{"where": each.where, "numbers": each.numbers()} for each in SLIPS]
    return {
        "settings": experiment.origin(),
        "rows": experiment.rounded(rows),
    }


def report(results):
    """The table of the page."""
    lines = ["| where | what it does | what is right | shown by |", "|---|---|---|---|"]
    for slip, row in zip(SLIPS, results["rows"], strict=True):
        wrong, right = (f"{each:.4g}" for each in row["numbers"])
        shown = f"{slip.number}: **{wrong}**, should be **{right}**"
        cells = [f"{slip.where} ({slip.seen})", slip.does, slip.right, shown]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


FIGURES = {}


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, help="a folder for the results")
    args = parser.parse_args()
    found = results()
    print(report(found))
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "errata.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
