"""Files of ill will: nothing of them is run, and an error says what is wrong."""

import keras
import pytest

from tests import hostile

# What Keras raises by itself for a file that is none.
ERRORS = (ValueError, TypeError)
OF_FILES = (*ERRORS, OSError, KeyError)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One file of each kind, its path and its parts."""
    folder = tmp_path_factory.mktemp("saved")
    found = {}
    for kind, model in hostile.models().items():
        path = folder / f"{kind}.keras"
        model.save(path)
        found[kind] = path, hostile.parts_of(path)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that a payload would write into, and what must be in it after."""
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    yield inner
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert {path.name for path in inner.iterdir()} <= {"file.keras"}
    assert not hostile.AT_THE_ROOT.exists()


def _written(saved, folder, kind, change):
    parts = dict(saved[kind][1])
    change(parts)
    path = folder / "file.keras"
    hostile.write(parts, path)
    return path


@pytest.mark.parametrize("name", hostile.CASES)
def test_a_doctored_file_is_refused(name, saved, folder):
    kind, change = hostile.CASES[name]
    path = _written(saved, folder, kind, change)
    file_is_broken = not isinstance(change, (hostile.Config, hostile.State))
    expected = OF_FILES if file_is_broken else ERRORS

    with pytest.raises(hostile.BY_KERAS.get(name, expected)) as error:
        keras.saving.load_model(path)

    assert str(error.value)


@pytest.mark.filterwarnings("ignore:Skipping invalid path")
@pytest.mark.parametrize("name", hostile.HARMLESS)
def test_what_nobody_asks_for_is_left_alone(name, saved, folder):
    model = keras.saving.load_model(_written(saved, folder, *hostile.HARMLESS[name]))

    assert model.layers[0].rate == 0.5


@pytest.mark.parametrize("share", hostile.CUT)
def test_a_file_that_ends_too_soon_is_refused(share, saved, folder):
    whole = saved["number"][0].read_bytes()
    path = folder / "file.keras"
    path.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(OF_FILES):
        keras.saving.load_model(path)


def test_there_are_enough_of_them():
    assert len(hostile.CASES) + len(hostile.HARMLESS) + len(hostile.CUT) >= 75
