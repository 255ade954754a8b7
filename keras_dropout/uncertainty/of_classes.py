"""What a prediction says of classes: entropies, votes and the winner."""

from __future__ import annotations

import numpy as np

from keras_dropout.uncertainty import classes
from keras_dropout.uncertainty.statistics import Measure


class OfClasses:
    """The measures of classes of a `Prediction`, refused for values."""

    @property
    def entropy(self) -> np.ndarray:
        """Entropy of the mean probabilities, in nats: total uncertainty."""
        return classes.entropy(self.mean, self._measure("entropy"))

    @property
    def expected_entropy(self) -> np.ndarray:
        """Mean entropy of the samples, in nats: the uncertainty if the masks agree."""
        self._measure("expected_entropy")
        return np.maximum(self.entropy - self.mutual_information, 0)

    @property
    def mutual_information(self) -> np.ndarray:
        """Information of the noise about the class, in nats, never negative.

        It is `entropy` minus `expected_entropy`. For T independent samples it is too
        low by about a factor of 1 - 1/T. With other `masks` the bias is smaller.
        """
        return self._of_classes("mutual_information", "information")

    @property
    def mutual_information_corrected(self) -> np.ndarray:
        r"""`mutual_information` with nearly no bias, in nats.

        It gains $\tfrac12 \sum_c e_c^2 / \bar p_c$ with the standard errors $e_c$ of
        the mean probabilities, which take `masks` into account. Nothing is added if all
        samples are from one stratified call.
        """
        bias = self._of_classes("mutual_information_corrected", "information_bias")
        return self.mutual_information + bias

    @property
    def mutual_information_error(self) -> np.ndarray:
        """Monte Carlo standard error of `mutual_information`, in nats.

        It is computed from the spread of independent blocks of samples. If all samples
        are from one stratified call, it is computed as for independent samples, which
        is too large. The same holds for `standard_error`.
        """
        return self._of_classes("mutual_information_error", "information_error")

    @property
    def variation_ratio(self) -> np.ndarray:
        """Fraction of samples that do not vote for the most voted class."""
        votes = self._of_classes("variation_ratio", "votes")
        return classes.variation_ratio(votes, self.count, self._measure())

    @property
    def disagreement(self) -> np.ndarray:
        """Probability that two different samples vote for different classes."""
        votes = self._of_classes("disagreement", "votes")
        return classes.disagreement(votes, self.count, self._measure())

    @property
    def max_probability(self) -> np.ndarray:
        """The largest mean probability; if binary, that of the least certain label."""
        return classes.max_probability(self.mean, self._measure("max_probability"))

    @property
    def margin(self) -> np.ndarray:
        """The largest mean probability minus the second largest."""
        return classes.margin(self.mean, self._measure("margin"))

    @property
    def label(self) -> np.ndarray:
        """The most probable class, or for each binary label whether it is likely."""
        return classes.label(self.mean, self._measure("label"))

    def _measure(self, name=None):
        """Where the classes are, if this is a prediction of classes."""
        if self.kind not in classes.KINDS:
            raise ValueError(
                f"`{name}` needs class probabilities. `mc_predict` found no softmax "
                "or sigmoid at the end of the model, and its outputs are not "
                "probabilities. Pass outputs='probabilities', 'logits' or 'binary' "
                f"to `mc_predict`. Received: outputs={self.kind!r}"
            )
        kind = "binary" if self.kind == "binary" else "probabilities"
        return Measure(kind, self.class_axis)

    def _of_classes(self, name, key):
        self._measure(name)
        if key not in self.statistics:
            raise ValueError(
                f"`{name}` counts how samples vote, and moments have none. Draw "
                "samples with `mc_predict`. "
                f"Received: a prediction with exact={self.exact}"
            )
        return self.statistics[key]
