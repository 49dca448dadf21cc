"""Sounds of the mistakes of a report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.audio import read_audio
from gmmaudio.evaluation import make_report
from gmmaudio.pipeline import mistake_sounds
from gmmaudio.pipeline.mistake_sounds import sound_names, write_mistake_sounds
from tests.evaluation.conftest import PROTOCOL, clip_of

SR = 8000


@pytest.fixture
def report(tools, tmp_path):
    """Mistakes in a file of four seconds, each louder than the one before, and in one that is gone."""
    y = np.sin(np.arange(4 * SR)) * np.repeat([0.1, 0.2, 0.4, 0.8], SR)
    tools.write(tmp_path / "four.wav", y, SR)
    place = {"start_s": 0.0, "end_s": 2.0}
    clips = [
        clip_of(0, "a", "b", paths=("four.wav",), **place),
        clip_of(1, "a", "b", paths=("gone.wav",), **place),
        clip_of(2, "a", "b", paths=("four.wav",)),  # its place is unknown
        clip_of(3, "a", "a", paths=("four.wav",), **place),
    ]
    return make_report(clips, ["a", "b"], PROTOCOL, run={"root": str(tmp_path)})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sounds").mkdir()
    return tmp_path / "sounds"


def test_a_sound_is_the_loudest_part_of_what_was_scored(report, folder, monkeypatch):
    monkeypatch.setattr(mistake_sounds, "SOUND_S", 1.0)
    found = write_mistake_sounds(report, folder)
    assert list(found.names) == ["0.wav"]
    assert [path.name for path in folder.iterdir()] == list(found.names.values())
    y = read_audio(folder / found.names["0.wav"], 32_000)
    assert len(y) / 32_000 == pytest.approx(1.0, abs=0.1)
    # the second of the two seconds that were scored; louder ones follow that were not
    assert np.abs(y).max() == pytest.approx(0.2, abs=0.05)


def test_a_clip_that_cannot_be_read_has_no_sound_and_a_reason(report, folder):
    (failed,) = write_mistake_sounds(report, folder).failed
    assert (failed.path, failed.code) == ("gone.wav", "vanished")


def test_a_clip_has_one_sound_however_many_repeats_it_was_mistaken_in(report, folder):
    first = report.clips[0]
    repeats = make_report(
        [replace(first, repeat=r) for r in range(3)], "ab", replace(PROTOCOL, repeats=3), run=report.run
    )
    found = write_mistake_sounds(repeats, folder)
    assert len(found.names) == len(list(folder.iterdir())) == 1


def test_names_of_sounds_are_among_those_that_are_announced(report, folder):
    found = write_mistake_sounds(report, folder)
    assert set(found.names.values()) <= set(sound_names())
    assert len(sound_names()) == len(set(sound_names())) == 40
    assert all(Path(name).name == name for name in sound_names())
