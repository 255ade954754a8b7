"""Cells of a long experiment, kept on disk as they come, so that a stopped run goes on.

A cell is one number or dictionary of an experiment, such as the scores of one rate on
one split. Each is a line of a file beside the results. The file goes once the results
are written.
"""

import json


class Cells:
    """What an experiment has found so far.

    Args:
        path: Where to keep it, or `None` to keep nothing.
        settings: Dictionary that JSON can hold. What was found with other settings is
            forgotten.
    """

    def __init__(self, path, settings):
        self.path, self.known = path, {}
        if path is None:
            return
        head = json.dumps({"settings": settings})
        lines = path.read_text().splitlines() if path.exists() else []
        if lines[:1] == [head]:
            for line in lines[1:]:
                self._learn(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([head, *map(_line, self.known.items())]) + "\n")

    def _learn(self, line):
        try:
            cell = json.loads(line)
        except json.JSONDecodeError:
            # The run was stopped while it wrote this.
            return
        self.known[tuple(cell["key"])] = cell["value"]

    def __call__(self, key, find):
        """The value of a cell: what is on disk, or else what `find()` returns.

        Args:
            key: Tuple of strings and numbers, the name of the cell.
            find: Function of nothing to a value that JSON can hold.
        """
        if key not in self.known:
            self.known[key] = find()
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(_line((key, self.known[key])) + "\n")
        return self.known[key]

    def forget(self):
        """Removes the file, as the results hold all of it."""
        if self.path is not None:
            self.path.unlink()


def _line(item):
    key, value = item
    return json.dumps({"key": key, "value": value})
