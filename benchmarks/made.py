"""What results were made with: versions, the processor, the date and the commit."""

import datetime
import os
import pathlib
import platform
import subprocess

import keras

ROOT = pathlib.Path(__file__).parents[1]


def settings():
    """What the results were made with."""
    return {
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", os.cpu_count()),
        "load": round(os.getloadavg()[0] / os.cpu_count(), 1),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
    }


def commit():
    """The commit that is checked out, if this is a clone and Git is installed."""
    told = ["git", "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(told, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return ""
    return found.stdout.strip()


def processor():
    """The name of the processor."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()
