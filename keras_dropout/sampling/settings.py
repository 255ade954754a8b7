"""The arguments of `mc_predict` and its siblings, checked in one place."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_dropout import _validation
from keras_dropout.random.schemes import SCHEMES
from keras_dropout.sampling.outputs import check

# Keeps what the likelihood of values is made of: their samples, and the variances that
# each predicts for the noise of the data.
DENSITY = "density"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to sample.

    Attributes:
        samples: Integer, how many samples to draw of each model.
        masks: One of `SCHEMES`, what joins the samples.
        layers: Which noise is on, as `_model.select` takes it, or `None` for all.
        outputs: What the outputs are, as `outputs.heads` takes it.
        seed: Integer in `[0, 2**31)`, or `None` where a seed generator is asked.
        max_rows: Integer, rows times samples of one call, or `None` for a good size.
        keep: Boolean, whether to keep all samples; or `DENSITY`.
        tol: Float, the standard error at which to stop, or `None`.
        part: Integer, which part of the data this is.
    """

    samples: int
    masks: str = "independent"
    layers: Any = None
    outputs: Any = "auto"
    seed: int | None = None
    max_rows: int | None = None
    keep: bool | str = False
    tol: float | None = None
    part: int = 0

    def __post_init__(self) -> None:
        _validation.choice("masks", self.masks, SCHEMES)
        if self.masks == "antithetic" and self.samples % 2:
            expected = "an even number for masks='antithetic', which come in pairs"
            raise ValueError(_validation.invalid("samples", expected, self.samples))
        check(self.outputs)
        if self.max_rows is not None:
            _validation.integer("max_rows", self.max_rows, minimum=1)
        _validation.integer("part", self.part, minimum=0)
        if self.tol is not None:
            _validation.positive("tol", self.tol)
            if self.keep:
                raise ValueError(
                    "`tol` may stop rows at different numbers of samples, so they "
                    "cannot be returned as one array. Drop `tol` or `return_samples`"
                )
