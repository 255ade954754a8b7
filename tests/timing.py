"""A plugin of pytest that notes how long the tests of each file keep a core busy.

In seconds of the processor, which do not grow with what else the machine does.
"""

import collections
import json
import os
import pathlib
import resource
import time

import pytest

SECONDS = collections.Counter()


def spent():
    """Seconds of the processor that this process and its children have taken."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    start = spent()
    result = yield
    SECONDS[item.nodeid.partition("::")[0]] += spent() - start
    return result


def pytest_sessionfinish():
    SECONDS["total"] = spent()
    pathlib.Path(os.environ["TESTS_SECONDS"]).write_text(json.dumps(SECONDS))
