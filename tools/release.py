"""Makes a release: checks what it says, builds it, and tries it as a user has it.

    python -m tools.release            everything; the files are in `dist/`
    python -m tools.release --check    only whether version and changelog agree

The wheel is installed into a new environment, with a backend from the package index,
where a small model is trained, sampled, saved and loaded. Nothing is uploaded.
"""

import argparse
import datetime
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile

ROOT = pathlib.Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
TRIAL = pathlib.Path(__file__).parent / "trial.py"


class NotReady(Exception):
    """Something must be done before the release."""


def version(root):
    """The version that the package says it has."""
    text = (root / "keras_dropout" / "_version.py").read_text("utf-8")
    found = re.search(r'^__version__ = "(.*)"$', text, re.MULTILINE)
    if not found or not VERSION.fullmatch(found[1]):
        raise NotReady(
            "keras_dropout/_version.py must say __version__ as in '1.2.3' or '1.2.3rc1'"
        )
    return found[1]


def check_changelog(text, asked):
    """The changelog begins with this version, its date, and what is new in it."""
    headings = list(HEADING.finditer(text))
    titles = [each[1] for each in headings]
    if not titles or titles[0] == "Unreleased":
        raise NotReady(
            f"CHANGELOG.md must begin with '## {asked} (year-month-day)', and no "
            "longer with '## Unreleased'"
        )
    told = re.fullmatch(r"(\S+) \((\d{4}-\d{2}-\d{2})\)", titles[0])
    if not told or told[1] != asked:
        raise NotReady(
            f"CHANGELOG.md must begin with '## {asked} (year-month-day)', since that "
            f"is the version. It begins with '## {titles[0]}'"
        )
    try:
        datetime.date.fromisoformat(told[2])
    except ValueError as error:
        raise NotReady(f"CHANGELOG.md names a date that is none: {told[2]}") from error
    end = headings[1].start() if len(headings) > 1 else len(text)
    if "\n- " not in text[headings[0].end() : end]:
        raise NotReady(f"CHANGELOG.md must say what is new in {asked}")
    if any(each.split()[0] == asked for each in titles[1:]):
        raise NotReady(f"CHANGELOG.md has {asked} twice. Raise the version")


def check_citation(text, asked):
    """The citation names this version."""
    if f"\nversion: {asked}\n" not in text:
        raise NotReady(f"CITATION.cff must have a line 'version: {asked}'")


def check_tree(root, asked):
    """All is committed, and the version has no tag yet."""

    def git(*arguments):
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True)

    if changed := git("status", "--porcelain").stdout:
        raise NotReady(f"All must be committed. These files are not:\n{changed}")
    if git("tag", "--list", f"v{asked}").stdout:
        raise NotReady(f"The tag v{asked} is there already. Raise the version")


def build(root, folder):
    """Builds the sdist, and from it the wheel, as an index would. Returns both."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t"]
    subprocess.run([*hatchling, "sdist"], cwd=root, check=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(sdist) as archive:
            archive.extractall(place, filter="data")
        (unpacked,) = pathlib.Path(place).iterdir()
        subprocess.run([*hatchling, "wheel"], cwd=unpacked, check=True)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def check_wheel(wheel, root, asked):
    """The wheel has this version, all modules, the mark of types, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {each for each in names if ".dist-info/" not in each}
    package = root / "keras_dropout"
    wanted = {str(each.relative_to(root)) for each in package.rglob("*.py")}
    wanted.add("keras_dropout/py.typed")
    if inside != wanted:
        raise NotReady(f"The wheel must hold the package: {sorted(inside ^ wanted)}")
    if not wheel.name.startswith(f"keras_dropout-{asked}-"):
        raise NotReady(f"The wheel must be of version {asked}: {wheel.name}")


def try_out(wheel, backend, asked):
    """Installs the wheel into a new environment and runs `trial.py` there."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = str(pathlib.Path(place) / "bin" / "python")
        needs = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        own = needs["optional-dependencies"][backend]
        pip = [python, "-m", "pip", "install", "--quiet", str(wheel), *own]
        subprocess.run(pip, check=True)
        trial = shutil.copy(TRIAL, place)
        environment = {"KERAS_BACKEND": backend, "PATH": "/usr/bin:/bin", "HOME": place}
        command = [python, "-I", trial, asked]
        subprocess.run(command, cwd=place, env=environment, check=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m tools.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="build nothing")
    parser.add_argument("--backend", default="torch", choices=("jax", "torch"))
    options = parser.parse_args(arguments)
    try:
        asked = version(ROOT)
        check_changelog((ROOT / "CHANGELOG.md").read_text("utf-8"), asked)
        check_citation((ROOT / "CITATION.cff").read_text("utf-8"), asked)
        check_tree(ROOT, asked)
        if options.check:
            return 0
        folder = ROOT / "dist"
        shutil.rmtree(folder, ignore_errors=True)
        sdist, wheel = build(ROOT, folder)
        check_wheel(wheel, ROOT, asked)
    except NotReady as error:
        print(f"Not ready: {error}", file=sys.stderr)
        return 1
    try_out(wheel, options.backend, asked)
    print(f"Ready: {sdist.name} and {wheel.name} in {folder}")
    print(f"Next: git tag v{asked}, git push --tags, and twine upload dist/*")
    return 0


if __name__ == "__main__":
    sys.exit(main())
