"""The corpus of synthetic music: bands, splits, and reproducible bytes."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from data_scripts import make_genres as genres
from data_scripts.manifest import read_manifest
from tests.data_scripts.conftest import contents


def test_six_styles_of_two_bands(played):
    entries = read_manifest(played)
    assert len({entry.label for entry in entries}) == 6
    assert set(Counter(entry.group for entry in entries).values()) == {2}
    assert Counter(entry.split for entry in entries) == {"train": 12, "test": 12}
    assert {entry.source for entry in entries} == {"numpy-synth"}
    assert {(sf.info(played.parent / entry.path).frames) for entry in entries} == {22_050}
    assert len({content for path, content in contents(played.parent).items() if path.endswith("flac")}) == 24


def test_music_is_the_same_bytes_whichever_styles_are_made(played, tmp_path):
    settings = {"seconds": 1.0, "n_clips": 2, "n_bands": 2, "styles": genres.STYLES[2:4]}
    genres.make_genres(tmp_path, **settings)
    first, again = contents(played.parent), contents(tmp_path)
    clips = {path for path in again if path.endswith(".flac")}
    assert len(clips) == 8
    assert {path: again[path] for path in clips} == {path: first[path] for path in clips}
    genres.make_genres(tmp_path, seed=1, **settings)
    other = contents(tmp_path)
    assert other.keys() == again.keys()
    assert all(other[path] != again[path] for path in clips)


def test_a_tone_has_the_requested_frequency():
    timbre = replace(genres.STYLES[0].lead_timbres[0], attack_s=0.01, decay_s=50.0)
    y = genres._tone(timbre, 440.0, 1.0)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    assert np.argmax(spectrum) * genres.SR / len(y) == pytest.approx(440, abs=1.5)


@pytest.mark.parametrize("settings", [{"seconds": 0.5}, {"seconds": float("nan")}, {"n_clips": 0}, {"seed": -1}])
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, settings):
    with pytest.raises(ValueError, match="expected seed >= 0"):
        genres.make_genres(tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


def test_the_script_runs_as_a_file_from_any_folder(tmp_path):
    script = Path(genres.__file__)
    arguments = ["genres", "--seconds", "1", "--clips", "1", "--bands", "2"]
    done = subprocess.run(
        [sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(Path("genres", "manifest.csv"))
    assert len(read_manifest(tmp_path / "genres" / "manifest.csv")) == 12


def test_the_docstring_describes_the_corpus():
    headings = re.findall(r"^(\w.*)$", genres.__doc__, re.MULTILINE)
    assert {"What it is", "Columns", "Licence", "Citation", "Time"} <= set(headings)
    assert "synthetic" in genres.__doc__
