"""Schedules as functions: closed forms, golden values, refusals."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers, schedules

# One ulp of float32 for each of the few operations in a schedule.
ULPS = 4 * 2.0**-24


def values(schedule, steps):
    return [schedule.value(step) for step in steps]


CLOSED_FORMS = [
    (schedules.Constant(0.3), lambda t: 0.3),
    (schedules.Linear(0.1, 0.7, 50), lambda t: np.interp(t, [0, 50], [0.1, 0.7])),
    (
        schedules.Linear(0.7, 0.1, 50, begin=20),
        lambda t: np.interp(t, [20, 70], [0.7, 0.1]),
    ),
    (
        schedules.Cosine(0.6, 0.2, 50, begin=10),
        lambda t: 0.4 + 0.2 * np.cos(np.pi * np.clip((t - 10) / 50, 0, 1)),
    ),
    (
        schedules.Piecewise([10, 30], [0.5, 0.2, 0.7]),
        lambda t: 0.5 if t < 10 else 0.2 if t < 30 else 0.7,
    ),
    (
        schedules.Early(0.1, 60),
        lambda t: np.linspace(0.1, 0, 60)[t] if t < 60 else 0,
    ),
    (schedules.Early(0.4, 60, decay="constant"), lambda t: 0.4 if t < 60 else 0),
    (schedules.Late(0.4, 60), lambda t: 0 if t < 60 else 0.4),
    (
        schedules.Curriculum(0.5, 80),
        lambda t: 1 - ((1 - 0.5) * np.exp(-10 / 80 * t) + 0.5),
    ),
]


def _name(value):
    return str(value) if isinstance(value, schedules.Schedule) else "closed-form"


every_schedule = pytest.mark.parametrize(
    ("schedule", "closed_form"), CLOSED_FORMS, ids=_name
)


@every_schedule
def test_follows_its_closed_form(schedule, closed_form):
    steps = range(100)

    rates = values(schedule, steps)

    np.testing.assert_allclose(rates, [closed_form(t) for t in steps], atol=ULPS)


@every_schedule
def test_is_the_same_for_all_steps_at_once(schedule, closed_form):
    steps = np.arange(100, dtype="int32")

    rates = ops.convert_to_numpy(schedule(steps))

    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, values(schedule, steps), atol=ULPS)


@every_schedule
def test_stays_within_its_extremes(schedule, closed_form):
    low, high = min(schedule.extremes()), max(schedule.extremes())

    rates = ops.convert_to_numpy(schedule(np.arange(100, dtype="int32")))

    assert np.float32(low) <= rates.min()
    assert rates.max() <= np.float32(high)


@every_schedule
def test_comes_back_from_its_configuration(schedule, closed_form):
    config = keras.saving.serialize_keras_object(schedule)

    copy = keras.saving.deserialize_keras_object(config)

    assert config["registered_name"].startswith("keras_dropout>")
    assert repr(copy) == repr(schedule)


@every_schedule
def test_reaches_its_extremes(schedule, closed_form):
    """They are exact, so that no layer refuses a schedule that it could follow."""
    rates = ops.convert_to_numpy(schedule(np.arange(1000, dtype="int32")))

    np.testing.assert_allclose(min(schedule.extremes()), rates.min(), atol=ULPS)
    np.testing.assert_allclose(max(schedule.extremes()), rates.max(), atol=ULPS)


class Own(schedules.Schedule):
    """A schedule of a user, who says nothing of its extremes."""

    def __init__(self, function):
        self.function = function

    def __call__(self, step):
        return self.function(ops.cast(step, "float32"))

    def get_config(self):
        return {"function": self.function}


@pytest.mark.parametrize(
    "function",
    [
        lambda step: step / 8000.0,
        lambda step: 0.5 - step / 100.0,
        lambda step: ops.where(step > 5e6, 1.5, 0.5),
        lambda step: ops.where(step > 100, float("nan"), 0.5),
        lambda step: ops.where(step == 2, float("inf"), 0.5),
    ],
)
def test_a_layer_refuses_a_rate_on_an_unknown_schedule(function):
    with pytest.raises(ValueError, match="between 0 and 1"):
        layers.Dropout(Own(function))


def test_a_layer_follows_an_unknown_schedule_within_its_range():
    wave = Own(lambda step: 0.25 + 0.25 * ops.cos(step))

    assert layers.Dropout(wave).rate == 0.5
    low, high = wave.extremes()
    assert 0 <= low < 0.01
    assert high == 0.5


def test_gives_the_golden_early_rates():
    rates = values(schedules.Early(0.1, steps=5), range(8))

    np.testing.assert_allclose(rates, [0.1, 0.075, 0.05, 0.025, 0, 0, 0, 0], atol=ULPS)


def test_gives_the_golden_curriculum_rates():
    rates = values(schedules.Curriculum(0.5, steps=1000), (0, 100, 500, 1000))

    np.testing.assert_allclose(
        rates, [0, 0.3160603, 0.4966310, 0.4999773], atol=ULPS + 0.5e-7
    )
    # The rest of the way at the end is the exponential of gamma.
    rest = 0.5 - schedules.Curriculum(0.5, steps=1000, gamma=2.0).value(1000)
    assert rest == pytest.approx(0.5 * math.exp(-2.0), abs=ULPS)


def test_gives_the_golden_annealed_rate():
    assert abs(schedules.Linear(0.5, 0.0, steps=10).value(4) - 0.3) <= ULPS


def test_gives_the_golden_rate_of_scheduled_drop_path():
    rate = schedules.linear_decay_rates(0.4, 4)[2]

    assert abs(schedules.Linear(0.0, rate, steps=100).value(50) - 0.15) <= ULPS


def test_an_early_schedule_of_one_step_has_one_rate():
    assert values(schedules.Early(0.5, steps=1), range(3)) == [0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("paper", [0.05, 0.1, 0.15, 0.2]),
        ("linspace", [0, 0.2 / 3, 0.4 / 3, 0.2]),
        ("efficientnet", [0, 0.05, 0.1, 0.15]),
    ],
)
def test_depth_gives_the_golden_rates(rule, expected):
    rates = schedules.linear_decay_rates(0.2, 4, rule=rule)

    np.testing.assert_allclose(rates, expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("rule", "expected"), [("paper", 0.2), ("linspace", 0.0), ("efficientnet", 0.0)]
)
def test_depth_of_one_block(rule, expected):
    assert schedules.linear_decay_rates(0.2, 1, rule=rule) == [expected]


BAD_RATES = [-0.1, 1.1, float("nan"), float("inf")]


@pytest.mark.parametrize("rate", BAD_RATES)
@pytest.mark.parametrize(
    "build",
    [
        schedules.Constant,
        lambda rate: schedules.Linear(rate, 0.5, 10),
        lambda rate: schedules.Linear(0.5, rate, 10),
        lambda rate: schedules.Cosine(0.5, rate, 10),
        lambda rate: schedules.Piecewise([1], [0.5, rate]),
        lambda rate: schedules.Early(rate, 10),
        lambda rate: schedules.Late(rate, 10),
        lambda rate: schedules.Curriculum(rate, 10),
        lambda rate: schedules.linear_decay_rates(rate, 10),
    ],
)
def test_refuses_rates_that_are_no_probabilities(build, rate):
    with pytest.raises(ValueError, match="between 0 and 1"):
        build(rate)


@pytest.mark.parametrize("rate", [True, "0.5", None])
def test_refuses_rates_of_another_kind(rate):
    with pytest.raises(TypeError, match="between 0 and 1"):
        schedules.Linear(0.0, rate, steps=10)


@pytest.mark.parametrize("steps", [0, -1])
@pytest.mark.parametrize(
    "build",
    [
        lambda steps: schedules.Linear(0.5, 0.0, steps),
        lambda steps: schedules.Cosine(0.5, 0.0, steps),
        lambda steps: schedules.Early(0.5, steps),
        lambda steps: schedules.Late(0.5, steps),
        lambda steps: schedules.Curriculum(0.5, steps),
        lambda steps: schedules.Piecewise([steps], [0.5, 0.0]),
        lambda steps: schedules.linear_decay_rates(0.5, steps),
    ],
)
def test_refuses_no_steps(build, steps):
    with pytest.raises(ValueError, match="at least 1"):
        build(steps)


@pytest.mark.parametrize("steps", [1.5, "10", True, None])
def test_refuses_steps_of_another_kind(steps):
    with pytest.raises(TypeError, match="`steps`"):
        schedules.Linear(0.0, 0.5, steps=steps)


@pytest.mark.parametrize(
    ("boundaries", "rates"), [([5, 5], [0.1] * 3), ([5, 3], [0.1] * 3), ([5], [0.1])]
)
def test_refuses_stairs_that_do_not_fit(boundaries, rates):
    with pytest.raises(ValueError, match=r"`boundaries`|`rates`"):
        schedules.Piecewise(boundaries, rates)


def test_a_layer_refuses_a_rate_anywhere_on_its_schedule():
    with pytest.raises(ValueError, match="below 1"):
        layers.AlphaDropout(schedules.Linear(0.0, 1.0, steps=10))


@pytest.mark.parametrize(
    ("boundaries", "rates", "name"),
    [(3, [0.1, 0.2], "boundaries"), ([3], 0.1, "rates")],
)
def test_piecewise_wants_lists(boundaries, rates, name):
    with pytest.raises(TypeError, match=f"`{name}`.*a list or tuple"):
        schedules.Piecewise(boundaries, rates)
