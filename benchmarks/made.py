"""What results were made with, and how busy the machine was."""

import os

from examples.experiment import origin


def settings(backend=None):
    """What the results were made with; `backend` in words, where there are several."""
    made = {
        **origin(),
        "processors": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", os.cpu_count()),
        "load": round(os.getloadavg()[0] / os.cpu_count(), 1),
    }
    return {**made, "backend": backend} if backend else made


def how_made(made=None, *more):
    """Sentences that say how results were made, for below a table.

    Args:
        made: What `settings` gave, or `None` for what is so in this process.
        *more: Versions of what else took part.
    """
    made = made or settings()
    names = [f"Keras {made['keras']} on {made['backend']}", *more, made["processor"]]
    threads = f"{made['threads']} thread{'s' * (int(made['threads']) != 1)} a process"
    return (
        f"{', '.join(names)}, {threads}, {made['date']}, commit {made['commit']}. "
        f"{made['load']} processes were waiting or running on each of "
        f"{made['processors']} processors."
    )
