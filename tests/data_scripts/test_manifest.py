"""Writing of clips and manifests: levels, splits, and files of other corpora."""

import doctest
from collections import Counter

import numpy as np
import pytest
import soundfile as sf

from data_scripts import make_genres as genres
from data_scripts import make_languages as languages
from data_scripts import manifest as manifest_module
from data_scripts.manifest import COLUMNS, Entry, at_level, read_manifest, write_flac, write_manifest
from tests.data_scripts.conftest import contents, need_demo


def test_the_examples_of_the_docstrings():
    results = [doctest.testmod(module) for module in (manifest_module, genres, languages)]
    assert sum(result.attempted for result in results) >= 2
    assert not any(result.failed for result in results)


def test_manifest_lists_every_clip_once_and_nothing_else(manifest):
    header, *rows = manifest.read_bytes().decode("utf-8").split("\n")
    assert header == "path,label,group,source,split"
    assert rows == [*sorted(rows[:-1]), ""]
    entries = read_manifest(manifest)
    assert {entry.path for entry in entries} | {"manifest.csv"} == set(contents(manifest.parent))
    assert max(Counter(entry.path for entry in entries).values()) == 1
    assert all(entry.path.startswith(f"{entry.label}/") for entry in entries)


def test_no_group_is_in_both_splits(manifest):
    entries = read_manifest(manifest)
    train, test = ({entry.group for entry in entries if entry.split == split} for split in ("train", "test"))
    assert train
    assert test
    assert not train & test
    labels = {entry.label for entry in entries}
    assert {entry.label for entry in entries if entry.split == "test"} == labels


def test_clips_are_audible_finite_and_not_clipped(manifest):
    for entry in read_manifest(manifest):
        y, _ = sf.read(manifest.parent / entry.path)
        assert y.ndim == 1
        assert np.all(np.isfinite(y))
        assert 0.01 < np.sqrt(np.mean(y**2)) < 0.3, entry.path
        assert np.abs(y).max() < 0.99, entry.path


@pytest.mark.parametrize("level_db", [-40.0, -20.0, 0.0])
def test_level_is_reached_unless_the_peak_would_clip(level_db):
    y = at_level(np.sin(np.arange(8000) * 0.1) * 3.7, level_db)
    expected = min(10 ** (level_db / 20), 0.98 / np.sqrt(2))
    assert np.sqrt(np.mean(y**2)) == pytest.approx(expected, rel=1e-3)
    assert np.array_equal(at_level(np.zeros(5), level_db), np.zeros(5))


def test_other_files_are_kept_and_clips_of_an_earlier_run_removed(tmp_path):
    settings = {"seconds": 1.0, "n_bands": 2, "styles": genres.STYLES[:1]}
    foreign = {"notes.txt": b"mine", "ambient/cover.jpg": b"mine", "ambient/own.flac": b"mine"}
    for name, content in foreign.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    genres.make_genres(tmp_path, n_clips=2, **settings)
    before = contents(tmp_path)
    genres.make_genres(tmp_path, n_clips=2, **settings)
    assert contents(tmp_path) == before
    genres.make_genres(tmp_path, n_clips=1, **settings)
    after = contents(tmp_path)
    assert {name: after[name] for name in foreign} == foreign
    assert before.keys() - after.keys() == {
        "ambient/ambient-band-1-02.flac",
        "ambient/ambient-band-2-02.flac",
    }


def test_an_edited_manifest_removes_no_files_outside_the_folder(tmp_path):
    write_flac(tmp_path / "other.flac", np.zeros(10), 8000)
    (tmp_path / "corpus").mkdir()
    write_manifest(tmp_path / "corpus", [Entry("../other.flac", "a", "b", "numpy-synth", "train")])
    genres.make_genres(tmp_path / "corpus", seconds=1.0, n_clips=1, n_bands=2, styles=genres.STYLES[:1])
    assert (tmp_path / "other.flac").exists()


@pytest.mark.parametrize("content", ["", "path,label\na.wav,x\n", ",".join(COLUMNS) + "\na.wav,x,y,mine,train\n"])
def test_another_corpus_is_not_overwritten(tmp_path, content):
    (tmp_path / "manifest.csv").write_text(content)
    for make in (genres.make_genres, languages.make_languages):
        if make is languages.make_languages:
            need_demo()
        with pytest.raises(FileExistsError, match="choose another folder"):
            make(tmp_path)
    assert contents(tmp_path) == {"manifest.csv": content.encode()}
