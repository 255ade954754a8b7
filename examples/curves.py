"""Learning curves: what is recorded while a model trains, and how it is drawn."""

import experiment
import keras

COLOURS = {"training": "#2a9d8f", "test": "#e76f51"}


class Curves(keras.callbacks.Callback):
    """Loss and error after each epoch, without dropout on training and test images.

    The loss that `fit` reports is computed with dropout on, and while the weights
    change, so it must not be compared with that of the test images.
    """

    def __init__(self, train, test):
        super().__init__()
        self.data = {"training": train, "test": test}
        self.losses = {name: [] for name in self.data}
        self.errors = {name: [] for name in self.data}

    def on_epoch_end(self, epoch, logs=None):
        for name, (x, y) in self.data.items():
            loss, accuracy = self.model.evaluate(x, y, batch_size=1000, verbose=0)
            self.losses[name].append(loss)
            self.errors[name].append(100 * (1 - accuracy))


def draw_losses(runs):
    """Training and test loss of each model side by side, a line for each seed."""
    import matplotlib.pyplot as plt

    size = 1 + 3.6 * len(runs), 3.4
    figure, axes = plt.subplots(1, len(runs), figsize=size, sharey=True)
    for ax, (name, seeds) in zip(axes, runs.items(), strict=True):
        for key, colour in COLOURS.items():
            for i, losses in enumerate(seeds):
                epochs = range(1, len(losses[key]) + 1)
                label = f"{key} images" if i == 0 else None
                style = "--" if key == "training" else "-"
                ax.plot(epochs, losses[key], style, color=colour, label=label, lw=1.3)
        ax.set(title=name, xlabel="epoch", yscale="log")
    axes[0].set_ylabel("cross-entropy, nats")
    axes[-1].legend()
    return figure


def report(results):
    """Last and lowest losses and the test error of each model, as a table."""
    header = ["model", "training loss", "test loss", "lowest test loss", "test error %"]
    rows = []
    for name, runs in results["losses"].items():
        last = {key: [run[key][-1] for run in runs] for key in ("training", "test")}
        rows.append(
            [
                name,
                experiment.mean_and_spread(last["training"], 4),
                experiment.mean_and_spread(last["test"], 4),
                experiment.mean_and_spread([min(run["test"]) for run in runs], 4),
                experiment.mean_and_spread(results["errors"][name]),
            ]
        )
    return experiment.table(header, rows)
