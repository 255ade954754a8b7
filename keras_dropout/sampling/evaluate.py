"""Scores of a model's uncertainty on data, next to those of the model without noise."""

from __future__ import annotations

from typing import Any, Literal

import keras
from numpy.typing import ArrayLike

from keras_dropout._typing import Data, Masks, Models, Outputs, Picks
from keras_dropout._validation import invalid
from keras_dropout.sampling import inputs, nested
from keras_dropout.sampling.asked import sampler_of
from keras_dropout.sampling.sampler import Sampler
from keras_dropout.sampling.settings import DENSITY
from keras_dropout.sampling.targets import by_output, labels, weights_by_output
from keras_dropout.uncertainty import columns, judging
from keras_dropout.uncertainty.evaluation import Evaluation
from keras_dropout.uncertainty.measures import By
from keras_dropout.uncertainty.prediction import Prediction


def mc_evaluate(
    model: Models,
    x: Data,
    y: Data = None,
    *,
    samples: int = 50,
    seed: int | None = None,
    outputs: Outputs = "auto",
    sample_weight: Data = None,
    noise_variance: ArrayLike | None = None,
    by: By = "max_probability",
    batch_size: int | None = None,
    masks: Masks = "independent",
    layers: Picks = None,
    max_rows: int | None = None,
    steps: int | None = None,
    part: int = 0,
    verbose: int | Literal["auto"] = "auto",
) -> Evaluation | Any:
    r"""Scores the samples of a model, and the same model without noise.

    With the same seed it draws the same numbers as `mc_predict`. Each batch also goes
    through the model once without noise, as in `model.predict`, and both are scored on
    the same rows. For a list of models the baseline is the mean of the scores of the
    single models. Samples are kept only for one batch.

    Args:
        model: Any Keras model, or a list of models, as in `mc_predict`.
        x: Data as `keras.Model.evaluate` takes it: arrays with `y`, or a source of
            batches `(x, y)` or `(x, y, sample_weight)`, such as a `tf.data.Dataset`, a
            torch `DataLoader` or a `keras.utils.PyDataset`.
        y: The truth, if `x` is arrays: labels as integers or one-hot, or values. For
            several outputs a list in their order, or a dictionary by their names.
        samples: Integer of at least 2, how many samples to draw.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each call.
        outputs: What the outputs are, as in `mc_predict`.
        sample_weight: If `x` is arrays, weights `(rows,)` or one for each label or
            value, for all outputs or in the structure of `y`.
        noise_variance: For plain values, the variance of the data noise, a number or an
            array that broadcasts to a row of outputs, in the unit of `y` squared.
            Without it there are no `nll` and no coverages, and the result says so. The
            baseline uses it too.
        by: The measure of uncertainty that ranks rows for `aurc` and `error_auroc`, the
            name of an attribute of `Prediction`. The model without noise has no
            disagreement between samples, so for measures of disagreement it is ranked
            by `max_probability`.
        batch_size: As in `mc_predict`.
        masks: As in `mc_predict`.
        layers: As in `mc_predict`, which noise is on. The baseline has no noise.
        max_rows: As in `mc_predict`.
        steps: As in `mc_predict`.
        part: As in `mc_predict`.
        verbose: As in `mc_predict`.

    Returns:
        An `Evaluation`, or a list or dict of them in the structure of the model's
        outputs.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: There are no labels, or they do not fit the outputs; or as in
            `mc_predict`.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dropout(0.5),
        ...         keras.layers.Dense(3, activation="softmax"),
        ...     ]
        ... )
        >>> x, y = np.ones((6, 4), "float32"), np.array([0, 1, 2, 0, 1, 2])
        >>> scores = kd.mc_evaluate(model, x, y, samples=20, seed=0)
        >>> list(scores)
        ['accuracy', 'nll', 'brier', 'ece', 'aurc', 'error_auroc']
        >>> round(scores.baseline["accuracy"], 4)
        0.3333
    """
    sampler = sampler_of(
        model,
        samples,
        seed,
        batch_size,
        steps,
        masks=masks,
        layers=layers,
        outputs=outputs,
        max_rows=max_rows,
        keep=DENSITY,
        part=part,
    )
    return scored(
        sampler, x, y, sample_weight, noise_variance, by, batch_size, steps, verbose
    )


def scored(
    sampler: Sampler,
    x: Data,
    y: Data = None,
    sample_weight: Data = None,
    noise_variance: ArrayLike | None = None,
    by: By = "max_probability",
    batch_size: int | None = None,
    steps: int | None = None,
    verbose: int | Literal["auto"] = 0,
    *,
    has_baseline: bool = True,
) -> Evaluation | Any:
    """What `mc_evaluate` returns, of a sampler; the baseline may be left out."""
    x, targets = _data(x, y, sample_weight)
    judge = None
    for heads, (batch, rows), wanted in sampler.each(
        x, batch_size, steps, verbose, targets
    ):
        if judge is None:
            judge = _Judge(sampler, by, noise_variance)
        quiet = sampler.quiet(batch, rows) if has_baseline else []
        judge.add(heads, quiet, rows, wanted)
    return judge.evaluations()


def _data(x, y, sample_weight):
    """The data and the pair of targets and weights that belong to arrays."""
    if inputs.is_source(x):
        for name, given in (("y", y), ("sample_weight", sample_weight)):
            if given is not None:
                expected = "None where `x` gives batches of (x, y, sample_weight)"
                raise ValueError(invalid(name, expected, type(given)))
        return x, None
    if y is None:
        expected = "the truth, where `x` is arrays"
        raise ValueError(invalid("y", expected, y))
    x = inputs.arrays(x)
    rows = nested.rows(x)
    return x, (labels("y", y, rows), labels("sample_weight", sample_weight, rows))


class _Judge:
    """Collects the columns of all batches, for each output and each model."""

    def __init__(self, sampler, by, noise_variance) -> None:
        learned = sampler.members[0].engine.learned
        self.kinds, self.axes = learned.kinds, learned.class_axes
        self.structure = learned.structure
        self.names = getattr(sampler.models[0], "output_names", None)
        if any(axis != 0 for axis in learned.row_axes):
            raise ValueError(
                "Each output must have the rows of the data on its first axis, to be "
                f"compared with `y`. Received: a model whose outputs have them on "
                f"axes {learned.row_axes}"
            )
        self.by = [judging.checked_by(kind, by) for kind in self.kinds]
        if noise_variance is not None and "values" not in self.kinds:
            judging.checked_noise(self.kinds[0], noise_variance)
        self.noise = [
            judging.checked_noise(kind, noise_variance) if kind == "values" else None
            for kind in self.kinds
        ]
        self.found = [[] for _ in self.kinds]
        self.quiet = [[[] for _ in sampler.models] for _ in self.kinds]

    def add(self, heads: Any, quiet, rows: Any, targets: Any) -> None:
        """Scores the rows of a batch."""
        y, weight = targets
        if y is None:
            raise ValueError(
                "`x` must give batches of (x, y) or (x, y, sample_weight), to be "
                "scored. Received: a batch without y"
            )
        y = by_output("y", labels("y", y, rows), self.structure, self.names)
        weight = labels("sample_weight", weight, rows)
        weight = weights_by_output(weight, self.structure, self.names)
        for place, arrays in enumerate(heads):
            truth = y[place], weight[place]
            arrays = dict(arrays)
            noise_samples = arrays.pop("noise_samples", None)
            prediction = Prediction(
                **arrays, kind=self.kinds[place], class_axis=self.axes[place]
            )
            self._note(self.found[place], place, prediction, truth, rows, noise_samples)
            for number, each in enumerate(quiet):
                single = judging.without_noise(
                    each[place]["values"],
                    self.kinds[place],
                    self.axes[place],
                    each[place].get("valid"),
                    each[place].get("noise_variance"),
                )
                into = self.quiet[place][number]
                self._note(into, place, single, truth, rows, is_quiet=True)

    def _note(
        self, into, place, prediction, truth, rows, noise_samples=None, is_quiet=False
    ):
        by = self.by[place]
        if is_quiet:
            by = judging.ranked_without_noise(by)
        noise = self.noise[place]
        of = columns.of(prediction, *truth, by, noise, noise_samples)
        into.append((of, rows))

    def evaluations(self):
        """An `Evaluation` for each output, in their structure."""
        return keras.tree.pack_sequence_as(
            self.structure,
            [self._evaluation(place) for place in range(len(self.kinds))],
        )

    def _evaluation(self, place):
        kind, by = self.kinds[place], self.by[place]
        ranked = judging.ranked_without_noise(by)
        singles = [
            judging.finished(columns.joined(parts), kind, ranked)
            for parts in self.quiet[place]
            if parts
        ]
        notes = judging.notes_of(kind, self.noise[place])
        if len(singles) > 1:
            notes.append(
                f"without noise: the mean of the scores of each of the {len(singles)} "
                "models alone"
            )
        return judging.finished(
            columns.joined(self.found[place]),
            kind,
            by,
            judging.together(singles) if singles else None,
            notes,
        )
