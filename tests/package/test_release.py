"""The checks before a release, and what the project says of itself."""

import importlib.metadata
import re
import shutil
import zipfile

import pytest

from tests.docs.test_pages import DOCS
from tests.needs import PROJECT, ROOT
from tools import release
from tools.release import NotReady

pytestmark = pytest.mark.once

GOOD = """# Changelog

## 1.2.0 (2027-01-31)

### Added

- It.

## 1.1.0 (2026-01-01)

- A.
"""


def test_takes_a_changelog_that_begins_with_the_version():
    release.check_changelog(GOOD, "1.2.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# Changelog\n\n## Unreleased\n\n- It.\n", "no longer with '## Unreleased'"),
        ("# Changelog\n", "must begin with '## 1.2.0"),
        (GOOD.replace("1.2.0", "1.3.0"), "It begins with '## 1.3.0"),
        (GOOD.replace(" (2027-01-31)", ""), "It begins with '## 1.2.0'"),
        (GOOD.replace("01-31", "02-31"), "a date that is none: 2027-02-31"),
        (GOOD.replace("- It.", "It."), "must say what is new"),
        (GOOD.replace("1.1.0", "1.2.0"), "twice"),
    ],
)
def test_refuses_a_changelog_that_does_not_fit(text, reason):
    with pytest.raises(NotReady, match=re.escape(reason)):
        release.check_changelog(text, "1.2.0")


@pytest.mark.parametrize("text", ['"1.2"', '"1.2.3.dev0"', '"one"', "1.2"])
def test_refuses_a_version_that_is_none(tmp_path, text):
    (tmp_path / "keras_dropout").mkdir()
    file = tmp_path / "keras_dropout" / "_version.py"
    file.write_text(f"__version__ = {text}\n")

    with pytest.raises(NotReady, match="__version__"):
        release.version(tmp_path)


def test_the_citation_names_the_version():
    text = (ROOT / "CITATION.cff").read_text("utf-8")

    release.check_citation(text, release.version(ROOT))
    with pytest.raises(NotReady, match=r"version: 9\.9\.9"):
        release.check_citation(text, "9.9.9")


def test_refuses_what_is_not_committed_and_a_tag_that_is_there(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    name = ("-c", "user.name=A", "-c", "user.email=a@b.invalid")
    for command in (("init", "-q"), (*name, "commit", "-qm", "A", "--allow-empty")):
        release.subprocess.run(["git", "-C", str(tmp_path), *command], check=True)

    release.check_tree(tmp_path, "1.2.0")
    (tmp_path / "new").touch()
    with pytest.raises(NotReady, match=r"not:\n.*new"):
        release.check_tree(tmp_path, "1.2.0")
    (tmp_path / "new").unlink()
    release.subprocess.run(["git", "-C", str(tmp_path), "tag", "v1.2.0"], check=True)
    with pytest.raises(NotReady, match=r"v1\.2\.0 is there"):
        release.check_tree(tmp_path, "1.2.0")


@pytest.mark.newest
def test_the_wheel_holds_the_package_and_nothing_else(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    other = tmp_path / wheel.name
    shutil.copy(wheel, other)
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("tests/__init__.py", "")

    release.check_wheel(wheel, ROOT, release.version(ROOT))
    with pytest.raises(NotReady, match=r"tests/__init__\.py"):
        release.check_wheel(other, ROOT, release.version(ROOT))
    with pytest.raises(NotReady, match=r"of version 9\.9\.9"):
        release.check_wheel(wheel, ROOT, "9.9.9")


def test_each_command_that_installs_works_from_a_clone():
    """No index has the package, so commands name the folder, and extras that are."""
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    commands = [
        (page.name, command)
        for page in pages
        for command in re.findall(r"pip install ([^`\n#&]*)", page.read_text("utf-8"))
    ]
    extras = {*PROJECT["optional-dependencies"]}

    assert len(commands) >= 6
    for page, command in commands:
        assert "keras-dropout" not in command, (page, command)
        for asked in re.findall(r"\.\[([\w,]+)\]", command):
            assert {*asked.split(",")} <= extras, (page, command)


def test_hooks_run_the_versions_that_the_tests_run():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    pinned = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?==([\d.]+)"', hooks))
    needs = " ".join(PROJECT["optional-dependencies"]["dev"])
    needs += " ".join(PROJECT["optional-dependencies"]["test"])

    assert set(pinned) == {"ruff", "pyright"}
    for package, number in pinned.items():
        assert re.search(rf"{package}(\[\w+\])?=={re.escape(number)}(?![\d.])", needs)
        assert importlib.metadata.version(package) == number
