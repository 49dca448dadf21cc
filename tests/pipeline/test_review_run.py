"""A review: absolute paths, groups, excerpts, and clips that cannot be used."""

import os
from dataclasses import replace
from pathlib import Path

import soundfile

from gmmaudio.pipeline.classified_rows import ClassifiedClip
from gmmaudio.pipeline.review_choice import ReviewSettings
from gmmaudio.pipeline.review_run import plan_review, write_excerpts

SETTINGS = ReviewSettings(between=(0, 1))


def classified(*paths, label="low"):
    return [ClassifiedClip(str(path), "ok", label, {label: 0.5, "high": 0.5}, label) for path in paths]


def test_paths_are_absolute_and_looked_for_here_then_beside_the_results(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(corpus.root)
    inside = plan_review(classified("low/ann/0.wav"), SETTINGS)
    assert [clip.path for clip in inside.clips] == [str(corpus.root / "low/ann/0.wav")]
    monkeypatch.chdir(tmp_path)
    beside = plan_review(classified("low/ann/0.wav"), SETTINGS, corpus.root)
    assert [clip.path for clip in beside.clips] == [str(corpus.root / "low/ann/0.wav")]
    gone = plan_review(classified("low/ann/0.wav"), SETTINGS, tmp_path / "elsewhere")
    assert [clip.path for clip in gone.clips] == [str(tmp_path / "low/ann/0.wav")]


def test_a_file_that_is_named_in_two_ways_is_one_clip(corpus, monkeypatch):
    monkeypatch.chdir(corpus.root)
    review = plan_review(classified("low/ann/0.wav", "./low/ann/0.wav", corpus.root / "low/ann/0.wav"), SETTINGS)
    assert len(review.clips) == 1


def test_groups_are_those_of_the_results_or_the_folders():
    clips = classified("/m/ann/a/1.wav", "/m/ann/b/1.wav", "/m/2.wav")
    review = plan_review(clips, SETTINGS)
    assert review.groups == "folder"
    assert {Path(clip.path).as_posix(): clip.group for clip in review.clips} == {
        "/m/ann/a/1.wav": "ann/a",
        "/m/ann/b/1.wav": "ann/b",
        "/m/2.wav": "m",
    }
    named = plan_review([replace(clips[0], group="ann"), *clips[1:]], SETTINGS)
    assert (named.groups, sorted(clip.group for clip in named.clips)) == ("column", ["", "", "ann"])
    flat = plan_review(classified("/m/1.wav", "/m/2.wav"), SETTINGS)
    assert (flat.groups, {clip.group for clip in flat.clips}) == ("none", {""})


def test_the_hash_is_that_of_the_clips():
    clips = classified("/m/1.wav", "/m/2.wav")
    first = plan_review(clips, SETTINGS)
    assert plan_review(clips[::-1], SETTINGS).sha256 == first.sha256
    assert plan_review(clips[:1], SETTINGS).sha256 != first.sha256
    assert first.labels == ("high", "low")


def test_excerpts_are_written_and_failures_are_named(corpus, tmp_path, tools):
    codes = tools.make_bad_files(tmp_path / "bad", corpus.root / "low" / "ann" / "0.wav")
    # short ones are scored too, where a user asks for it
    codes.pop("short.wav")
    out = tmp_path / "out"
    out.mkdir()
    good = sorted(corpus.root.rglob("*.wav"))[:3]
    not_text = tmp_path / os.fsdecode(b"bad\xff.wav")
    not_text.write_bytes(good[0].read_bytes())
    plan = plan_review(
        classified(*good, *(tmp_path / "bad" / name for name in codes), not_text),
        ReviewSettings(per_label=99, between=(0, 1)),
    )
    review = write_excerpts(plan, out, 0.5, n_jobs=1)
    assert {clip.path for clip in review.clips} == set(map(str, good))
    assert {(Path(item.path).name, item.code) for item in review.failed} == {
        *codes.items(),
        (not_text.name, "unreadable"),
    }
    assert sorted(path.name for path in out.iterdir()) == sorted(clip.excerpt for clip in review.clips)
    for clip in review.clips:
        assert clip.excerpt.startswith(clip.key)
        assert soundfile.info(out / clip.excerpt).duration == 0.5
        assert 0 <= clip.start_s <= 0.5


def test_any_number_of_workers_writes_the_same(corpus, tmp_path):
    plan = plan_review(classified(*sorted(corpus.root.rglob("*.wav"))[:4]), SETTINGS)
    found = []
    for n_jobs in (1, 2):
        out = tmp_path / str(n_jobs)
        out.mkdir()
        review = write_excerpts(plan, out, 0.5, n_jobs=n_jobs)
        found.append((review, {path.name: path.read_bytes() for path in out.iterdir()}))
    assert found[0] == found[1]
