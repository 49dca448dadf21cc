"""The errors of this package: one base, and the builtin that each also is."""

import inspect

import pytest

from gmmaudio import errors
from gmmaudio.compute import ordered_map
from gmmaudio.errors import AudioError, GmmaudioError, RowsError

BUILTINS = {
    "SettingError": ValueError,
    "CorpusError": ValueError,
    "MixtureError": ValueError,
    "TableError": ValueError,
    "FeatureError": ValueError,
    "ModelFileError": ValueError,
    "MixtureFileError": ValueError,
    "StatisticsFileError": ValueError,
    "ReadError": OSError,
    "WriteError": OSError,
    "WorkerError": RuntimeError,
    "AudioError": OSError,
    "RowsError": ValueError,
    "MusicFileError": OSError,
}


def test_every_error_is_listed_here():
    classes = {name for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, GmmaudioError)}
    assert classes == {*BUILTINS, "GmmaudioError"}


@pytest.mark.parametrize("name", BUILTINS)
def test_every_error_is_a_builtin_error_too(name):
    assert issubclass(getattr(errors, name), GmmaudioError)
    assert issubclass(getattr(errors, name), BUILTINS[name])


def test_an_audio_error_has_a_code_beside_its_message():
    error = AudioError("vanished", "is not there; check the path")
    assert (error.code, error.message, str(error)) == ("vanished", "is not there; check the path", error.message)


@pytest.mark.parametrize("kind", [AudioError, RowsError])
def test_an_error_with_a_code_comes_back_from_a_worker_process(kind):
    (error,) = ordered_map(lambda _: kind("empty", "holds no bytes"), [0], 2)
    assert (type(error), error.code, error.message) == (kind, "empty", "holds no bytes")
