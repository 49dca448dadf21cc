"""The template of a corpus script in docs/contributing.md makes a corpus that trains and keeps its groups whole."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_scripts.manifest import read_manifest
from gmmaudio import read_corpus

GUIDE = (Path(__file__).parents[2] / "docs/contributing.md").read_text(encoding="utf-8")


@pytest.fixture
def make_readings():
    """The function of the template."""
    program = re.search(r"<!-- template: corpus script -->\n```python\n(.*?)```", GUIDE, flags=re.DOTALL)[1]
    names = {"__name__": "make_readings"}
    exec(compile(program, "make_readings", "exec"), names)  # noqa: S102 (the project's own page)
    return names["make_readings"]


@pytest.fixture
def recordings(tmp_path):
    """Noise of two languages by three speakers, as the template expects a download."""
    for i, name in enumerate(f"{language}/{who}-{n}" for language in "dk" for who in ("ann", "cy", "di") for n in "12"):
        path = tmp_path / "download" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(i).normal(size=4000), 8000)
    return tmp_path / "download"


def test_the_template_of_a_corpus_script_makes_a_corpus(make_readings, recordings, tmp_path):
    manifest = make_readings(recordings, tmp_path / "corpus")
    entries = read_manifest(manifest)
    assert len(entries) == 12
    assert {entry.group for entry in entries if entry.split == "test"} == {"ann"}
    assert {entry.group for entry in entries if entry.split == "train"} == {"cy", "di"}
    assert all((tmp_path / "corpus" / entry.path).is_file() for entry in entries)
    clips = read_corpus(manifest).clips
    assert {(clip.label, clip.group, clip.source) for clip in clips} >= {("d", "ann", "readings")}


def test_it_does_not_write_over_another_corpus(make_readings, recordings, tmp_path):
    (tmp_path / "manifest.csv").write_text("path,label,group,source,split\na.flac,d,ann,other,train\n")
    with pytest.raises(FileExistsError, match="'readings'"):
        make_readings(recordings, tmp_path)
