"""Timing by turns: what is compared runs in the same seconds of the same machine."""

import dataclasses
import time

import numpy as np


@dataclasses.dataclass(frozen=True)
class Times:
    """Seconds of each contender in each round; a round runs each of them once."""

    seconds: dict

    def median(self, name):
        """Median seconds of one contender."""
        return float(np.median(self.seconds[name]))

    def ratio(self, name, to):
        """How many times as long as `to`: the median of the rounds, and quartiles.

        A round's ratio compares neighbours in time, so that what slows the machine
        for a while slows both.
        """
        ratios = np.asarray(self.seconds[name]) / np.asarray(self.seconds[to])
        return tuple(float(q) for q in np.quantile(ratios, (0.5, 0.25, 0.75)))


def take_turns(contenders, *, budget=1.0, least=7, most=400):
    """Times functions by turns, after one call each to compile and one to warm up.

    Args:
        contenders: Dictionary from names to functions that return when they are done.
        budget: Seconds after which no new round starts.
        least: Rounds that are run in any case.
        most: Rounds that are run at most.
    """
    for run in contenders.values():
        run()
        run()
    seconds = {name: [] for name in contenders}
    # In a fixed order one of them would always find the threads and the memory as the
    # same other one left them.
    order = np.random.default_rng(0)
    start = time.perf_counter()
    for done in range(most):
        if done >= least and time.perf_counter() - start > budget:
            break
        for name in order.permutation(list(contenders)):
            before = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - before)
    return Times(seconds)


def geometric_mean(values):
    """The mean for ratios."""
    return float(np.exp(np.mean(np.log(list(values)))))
