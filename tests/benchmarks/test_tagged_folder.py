"""The folder of many formats: its files are what their names say, and what differs is shown."""

import pytest

from benchmarks import tagged_folder
from gmmaudio.music_tags import read_field
from results.tagging_views import tagged_text

pytest.importorskip("mutagen", reason="needs the tags extra")
pytest.importorskip("av", reason="needs the media extra")

TAG = {"part": "tag", "container": "MP3", "tags": "none", "n": 3, "tagged": 2, "same_samples": 2, "same_fields": 2}
TAG |= {"patch_bytes": 84.0, "restored": 3, "read": 2}
SORT = {"part": "sort", "way": "--link", "n": 2, "same": 2, "restored": True}
KILL = {"part": "kill", "n": 5, "changed": 4, "restored": 5, "left_over": 0}
ROWS = [TAG, SORT, KILL]


@pytest.fixture
def songs(tools, tmp_path):
    path = tmp_path / "song.flac"
    tools.write(path, tools.band_noise("low", 5), tools.sr)
    return [path]


def test_files_have_the_tags_that_their_formats_say(songs, tmp_path):
    made = tagged_folder.make_archive(songs, tmp_path / "archive", len(tagged_folder.FORMATS))
    assert list(made.values()) == list(tagged_folder.FORMATS)
    for path, kind in made.items():
        genre = read_field(path, "genre")
        assert (genre == ()) == (kind.tags == "none"), kind
        assert genre in ((), ("Rock",), ("Rock", "Pop")), kind
        if kind.suffix == "mp3":
            head = path.read_bytes()[:4]
            version = {b"ID3\x03": "ID3v2.3", b"ID3\x04": "ID3v2.4"}.get(head, "none")
            assert version == {"ID3v1": "none"}.get(kind.tags, kind.tags.split(" ")[0])


def test_what_is_as_promised_is_told_from_what_is_not():
    assert tagged_folder.is_whole(ROWS)
    wrong = [TAG | {name: 1} for name in ("read", "same_samples", "same_fields", "restored")]
    assert not any(tagged_folder.is_whole([row, SORT, KILL]) for row in wrong)
    assert not tagged_folder.is_whole([TAG, SORT | {"same": 1}, KILL])
    assert not tagged_folder.is_whole([TAG, SORT | {"restored": False}, KILL])
    assert not tagged_folder.is_whole([TAG, SORT, KILL | {"left_over": 1}])
    assert not tagged_folder.is_whole([TAG, SORT, KILL | {"restored": 4}])


def test_the_block_shows_what_differs():
    lines = tagged_text(ROWS).splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2] == "| MP3 | none | 3 | 2 | 2 | 2 | 2 | 84 | 3 |"
    assert lines[3] == "| all | | 3 | 2 | 2 | 2 | 2 | | 3 |"
    assert "after their undoing" not in tagged_text(ROWS).split("Killed")[0]
    assert "the archive NOT AS BEFORE" in tagged_text([TAG, SORT | {"restored": False}, KILL])


@pytest.mark.slow
def test_a_small_folder_comes_through(songs, tmp_path, model_file):
    rows = tagged_folder.measure(tmp_path, songs, model_file, len(tagged_folder.FORMATS), 1)
    assert tagged_folder.is_whole(rows), tagged_text(rows)
