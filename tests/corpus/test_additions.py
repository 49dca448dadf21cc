"""Clips added to a corpus: corrected labels, paths below and beside its folder, segments, findings."""

import os
from pathlib import Path

from gmmaudio.corpus import Clip, Corpus, add_clips
from gmmaudio.findings import Finding


def test_a_clip_that_is_there_takes_the_label_and_keeps_the_rest():
    corpus = Corpus(
        Path("/m"), (Clip("a.wav", "jazz", "ann", "tape", "train", extra={"year": "1"}), Clip("b.wav", "x"))
    )
    review = Corpus(Path("/home"), (Clip("/m/./sub/../a.wav", "rock", "other"),))
    first, second = add_clips(corpus, review).clips
    assert first == Clip("a.wav", "rock", "ann", "tape", "train", extra={"year": "1"})
    assert second == Clip("b.wav", "x")


def test_new_clips_come_last_and_are_relative_where_they_lie_below():
    corpus = Corpus(Path("/m"), (Clip("a.wav", "jazz"),))
    review = Corpus(
        Path("/home"), (Clip("/m/new/b.wav", "jazz", "n"), Clip("../else/c.wav", "rock"), Clip("/m2/a.wav", "x"))
    )
    assert [(clip.path, clip.group) for clip in add_clips(corpus, review).clips] == [
        ("a.wav", None),
        ("new/b.wav", "n"),
        ("/else/c.wav", None),
        ("/m2/a.wav", None),
    ]


def test_segments_of_one_file_are_clips_of_their_own():
    corpus = Corpus(
        Path("/m"), (Clip("a.wav", "x", start_s=0.0, end_s=5.0), Clip("a.wav", "x", start_s=5.0, end_s=9.0))
    )
    review = Corpus(Path("/m"), (Clip("a.wav", "y", start_s=5.0, end_s=9.0), Clip("a.wav", "z")))
    found = [(clip.label, clip.start_s, clip.end_s) for clip in add_clips(corpus, review).clips]
    assert found == [("x", 0.0, 5.0), ("y", 5.0, 9.0), ("z", 0.0, None)]


def test_a_relative_folder_is_where_it_is_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = Corpus(Path("music"), (Clip("a.wav", "x"),))
    review = Corpus(Path(), (Clip(os.fspath(tmp_path / "music" / "a.wav"), "y"), Clip("music/b.wav", "y")))
    assert [(clip.path, clip.label) for clip in add_clips(corpus, review).clips] == [("a.wav", "y"), ("b.wav", "y")]


def test_findings_numbers_and_spellings_are_those_of_both():
    one, two = (Finding(code, "warning", code) for code in ("one", "two"))
    corpus = Corpus(Path("/m"), (Clip("a.wav", "Zo\u00e9"),), (one,), 2)
    review = Corpus(Path("/m"), (Clip("b.wav", "Zoe\u0301"),), (one, two), 1)
    both = add_clips(corpus, review)
    assert ({clip.label for clip in both.clips}, both.findings, both.n_skipped) == ({"Zo\u00e9"}, (one, two), 3)
