"""The mistakes can still be made: what each changes stands in the code, once."""

import pathlib

import pytest

from tests.mutations.catalogue import MUTATIONS

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]


def test_each_mistake_is_found_once_in_its_file():
    texts = {each.file: (ROOT / each.file).read_text("utf-8") for each in MUTATIONS}

    times = {each.name: texts[each.file].count(each.old) for each in MUTATIONS}

    assert {name: count for name, count in times.items() if count != 1} == {}


def test_each_mistake_names_tests_that_are_there():
    paths = {ROOT / path for each in MUTATIONS for path in each.tests}

    assert [path for path in paths if not path.exists()] == []
