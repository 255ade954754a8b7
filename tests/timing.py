"""A plugin of pytest that notes how many seconds the tests of each file took."""

import collections
import json
import os
import pathlib

SECONDS = collections.Counter()


def pytest_runtest_logreport(report):
    SECONDS[report.nodeid.partition("::")[0]] += report.duration


def pytest_sessionfinish():
    pathlib.Path(os.environ["TESTS_SECONDS"]).write_text(json.dumps(SECONDS))
