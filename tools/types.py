"""Lists the public names that have no type for pyright.

python -m tools.types
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
ENOUGH = 0.95


def unknown(path):
    """The public names without a known type, and the score; `path` has the package."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    options = ["--verifytypes", "keras_dropout", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(
        [*command, *options],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)["typeCompleteness"]
    names = [
        each["name"]
        for each in told["symbols"]
        if each["isExported"] and (not each["isTypeKnown"] or each["isTypeAmbiguous"])
    ]
    return names, told["completenessScore"]


def main():
    names, score = unknown(ROOT)
    for name in names:
        print(f"No known type: {name}")
    print(f"Type completeness: {score:.1%}")
    return int(score < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
