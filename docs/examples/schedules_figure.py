"""The figure of the schedules page: each schedule's rate by step."""

import matplotlib.pyplot as plt
import numpy as np

from keras_dropout import schedules

SHOWN = {
    "Linear(0, 0.5, 100)": schedules.Linear(0.0, 0.5, 100),
    "Cosine(0.5, 0, 100)": schedules.Cosine(0.5, 0.0, 100),
    "Piecewise([30, 60], [0.4, 0.2, 0.1])": schedules.Piecewise(
        [30, 60], [0.4, 0.2, 0.1]
    ),
    "Early(0.4, 50)": schedules.Early(0.4, 50),
    "Late(0.3, 50)": schedules.Late(0.3, 50),
    "Curriculum(0.5, 100)": schedules.Curriculum(0.5, 100),
}


def draw():
    steps = np.arange(120)
    figure, axes = plt.subplots(2, 3, figsize=(9, 3.6), sharex=True, sharey=True)
    for ax, (name, schedule) in zip(axes.flat, SHOWN.items(), strict=True):
        ax.plot(steps, [schedule.value(step) for step in steps], color="#2a9d8f")
        ax.set_title(name, fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    for ax in axes[:, 0]:
        ax.set_ylabel("rate")
    return figure


FIGURES = {"schedules": draw}
