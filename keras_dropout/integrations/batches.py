"""A function of batches of rows, for libraries that distribute rows over processes."""

import os
from typing import Any

import keras
import numpy as np

from keras_dropout import _model, _validation
from keras_dropout._typing import Masks, Model, Outputs, Picks
from keras_dropout._validation import invalid
from keras_dropout.integrations import columns
from keras_dropout.integrations.loading import ModelSource
from keras_dropout.random.seeding import new_seed
from keras_dropout.sampling import inputs, mc_predict
from keras_dropout.sampling.made_up import made_up
from keras_dropout.sampling.settings import Settings


class BatchPredictor:
    """Adds the uncertainty of a model to batches of rows, in any process.

    A picklable function for Ray Data, Spark (`mapInPandas`, `predict_batch_udf`), Dask
    (`map_partitions`), Hugging Face (`map(batched=True)`), or a loop. Each process
    loads the model once, when it first needs it.

    The noise of a batch depends only on `seed` and on the batch, in any process. With
    `masks="shared"` sample $t$ is the same function for all rows of all batches, as in
    one `mc_predict` for all rows. Otherwise each batch has its own noise, which depends
    on its content: a batch of the same rows has the same noise.

    Args:
        model_or_path: A Keras model, which is pickled with its current weights; or a
            path for `keras.saving.load_model`, which is read in each process.
        x: The column that the model takes; a list of columns, which are joined to one
            array; or for several inputs a dictionary from their names to either. `None`
            if batches are arrays.
        outputs: Names of the columns to add, attributes of
            [Prediction][keras_dropout.Prediction]: `"mean"`, `"std"`, `"entropy"`,
            `"mutual_information"` and so on, also `"samples"`, here `(rows, samples,
            ...)`.
        prefix: A prefix for these names.
        kind: What the model's outputs are; in `mc_predict` this is `outputs`.
        samples: Integer of at least 2, how many samples to draw.
        seed: Integer in `[0, 2**31)`, or `None` to draw one now.
        masks: How the masks of the samples depend on each other, as in `mc_predict`.
        layers: Which noise is on, as in `mc_predict`, but no layer itself: each process
            has its own.
        batch_size: Integer, how many rows of a batch to compute at a time, or `None`.
        max_rows: As in `mc_predict`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        ... )
        >>> predictor = kd.integrations.BatchPredictor(
        ...     model, x=["age", "height"], samples=10, seed=0
        ... )
        >>> batch = {"age": np.array([31, 47]), "height": np.array([1.7, 1.6])}
        >>> answer = predictor(batch)
        >>> sorted(answer), answer["std"].shape
        (['age', 'height', 'mean', 'std'], (2, 1))
    """

    def __init__(
        self,
        model_or_path: Model | str | os.PathLike[str],
        *,
        x: Any = None,
        outputs: str | list[str] | tuple[str, ...] = ("mean", "std"),
        prefix: str = "",
        kind: Outputs = "auto",
        samples: int = 50,
        seed: int | None = None,
        masks: Masks = "independent",
        layers: Picks = None,
        batch_size: int | None = None,
        max_rows: int | None = None,
    ) -> None:
        self._source = ModelSource(model_or_path)
        self.x = x
        self.outputs: tuple[str, ...] = (
            (outputs,) if isinstance(outputs, str) else tuple(outputs)
        )
        for name in self.outputs:
            _validation.choice("outputs", name, columns.OUTPUTS)
        if not isinstance(prefix, str):
            raise TypeError(invalid("prefix", "a string", prefix))
        self.prefix = prefix
        if batch_size is not None:
            _validation.integer("batch_size", batch_size, minimum=1)
        if isinstance(seed, keras.random.SeedGenerator):
            raise TypeError(invalid("seed", "an integer or None", seed))
        if any(isinstance(p, keras.layers.Layer) for p in _model.picks(layers)):
            expected = (
                "names, classes or functions, because each process loads layers of its "
                "own; a layer has its `name`"
            )
            raise TypeError(invalid("layers", expected, layers))
        settings = Settings(
            samples=_validation.integer("samples", samples, minimum=2),
            seed=new_seed() if seed is None else _validation.seed(seed),
            masks=masks,
            layers=layers,
            outputs=kind,
            max_rows=max_rows,
        )
        self._options = {
            "samples": settings.samples,
            "seed": settings.seed,
            "masks": masks,
            "layers": layers,
            "outputs": kind,
            "max_rows": max_rows,
            "batch_size": batch_size,
            "return_samples": "samples" in self.outputs,
        }

    @property
    def seed(self) -> int:
        """The seed of all noise."""
        return self._options["seed"]

    def load(self) -> keras.Model:
        """The model, loaded if this process has not loaded it yet.

        Raises:
            RuntimeError: It does not load here.
        """
        return self._source.model()

    def __call__(self, batch: Any, *others: Any) -> Any:
        """Predicts one batch.

        Args:
            batch: A dictionary of columns, or a frame of pandas or polars; or an array
                with rows on axis 0. It may have no rows.
            *others: Further arrays, where the model has several inputs.

        Returns:
            The batch with the answers added as columns. For arrays, a dictionary of the
            answers.

        Raises:
            RuntimeError: The model does not load here.
            TypeError: The batch is none of these.
            ValueError: The columns or the arrays do not fit the model, a column of an
                answer's name is there already, or the model's kind of output has no
                such answer.
        """
        model = self.load()
        is_table = columns.is_table(batch)
        if is_table:
            x = columns.read(batch, self.x)
        else:
            x = [batch, *others] if others else batch
        found = self._answers(model, x)
        return columns.added(batch, found) if is_table else found

    def _answers(self, model, x):
        arrays = keras.tree.flatten(x)
        if not arrays or not np.ndim(arrays[0]):
            raise TypeError(invalid("batch", columns.BATCHES, x))
        rows = np.shape(arrays[0])[0]
        if not rows:
            # Rows that are not there have answers of no rows, in the usual shape.
            x = made_up(model)
            if x is None:
                raise ValueError(
                    "A batch without rows needs a model that says what it takes, one "
                    f"with `keras.Input`. Received: {type(model).__name__}"
                )
        x = inputs.arrays(x)
        shares = self._options["masks"] == "shared"
        part = 0 if shares else columns.digest(x)
        prediction = mc_predict(model, x, part=part, verbose=0, **self._options)
        found = columns.told(prediction, self.outputs, self.prefix)
        return found if rows else {name: a[:0] for name, a in found.items()}
