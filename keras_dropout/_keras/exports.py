"""The format of the export of Keras that runs at the moment."""

import sys

# The modules of Keras that write files without random state, and their formats.
EXPORTERS: dict[str, str] = {
    "keras.src.export.onnx": "onnx",
    "keras.src.export.litert": "litert",
}


def export_format() -> str | None:
    """The one of these formats that Keras exports to in this thread, or `None`."""
    frame = sys._getframe()
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name in EXPORTERS:
            return EXPORTERS[name]
        frame = frame.f_back
    return None
