"""``gmmaudio review``: from what classify writes to a page; what it refuses and what it keeps."""

import csv
import json
import re
import shutil

import pytest

RESULTS_HEAD = ("path", "status", "label_1", "score_1", "probability_1")


@pytest.fixture
def results(corpus, tmp_path):
    """What classify might say of the corpus: every clip is between the bounds."""
    rows = [
        (path, "ok", path.relative_to(corpus.root).parts[0], -1.0, 0.45 + 0.01 * i)
        for i, path in enumerate(sorted(corpus.root.rglob("*.wav")))
    ]
    path = tmp_path / "results.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([RESULTS_HEAD, *rows])
    return path


def data_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def review(command, results, out, *options):
    return command("review", results, "--output", out, "--seconds", "1", "-j", "1", "-q", *options)


def test_a_page_and_an_excerpt_of_every_clip(command, results, tmp_path):
    done = review(command, results, tmp_path / "out")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"wrote {tmp_path / 'out' / 'review.html'}: 9 clips; open it in a browser\n"
    clips = data_of(tmp_path / "out" / "review.html")["clips"]
    assert len(clips) == 9
    assert all((tmp_path / "out" / clip["audio"]).is_file() for clip in clips)


@pytest.mark.parametrize(
    ("options", "expected"),
    [(["--between", ".45,.455"], 1), (["--per-label", "2"], 6), (["--between", "0,1", "--per-label", "1"], 3)],
)
def test_bounds_and_numbers_are_those_of_the_options(command, results, tmp_path, options, expected):
    assert review(command, results, tmp_path / "out", *options).code == 0
    assert len(data_of(tmp_path / "out" / "review.html")["clips"]) == expected


def test_seed_and_length_change_the_review(command, results, tmp_path):
    names = ("a", "b", "c")
    for name, options in zip(names, ([], ["--seed", "1"], ["--seconds", "1.5"]), strict=True):
        assert review(command, results, tmp_path / name, *options).code == 0
    first, other, longer = (data_of(tmp_path / name / "review.html") for name in names)
    assert first["id"] != other["id"]
    assert first["id"] == longer["id"] or first["clips"] != longer["clips"]


def test_nothing_is_overwritten_without_the_word(command, results, tmp_path):
    out = tmp_path / "out"
    assert review(command, results, out).code == 0
    before = (out / "review.html").read_bytes()
    again = review(command, results, out, "--per-label", "1")
    assert again.code == 2
    assert "holds a review already; replace it (--overwrite), or name another folder" in again.err
    assert (out / "review.html").read_bytes() == before
    (out / "excerpts" / "mine.mp3").write_bytes(b"x")
    assert review(command, results, out, "--per-label", "1", "--overwrite").code == 0
    kept = {clip["audio"] for clip in data_of(out / "review.html")["clips"]}
    assert len(kept) == 3
    # excerpts of the review before are gone, and files of others stay
    assert {f"excerpts/{path.name}" for path in (out / "excerpts").iterdir()} == kept | {"excerpts/mine.mp3"}


def test_a_clip_that_is_gone_is_named_and_the_others_are_there(command, results, tmp_path):
    with results.open("a") as handle:
        handle.write(f"{tmp_path / 'gone.wav'},ok,low,-1,0.5\n")
    done = review(command, results, tmp_path / "out")
    assert done.code == 1
    assert f"skipped [vanished] {tmp_path / 'gone.wav'}" in done.err
    assert len(data_of(tmp_path / "out" / "review.html")["clips"]) == 9


def test_nothing_that_can_be_heard_leaves_no_page(command, tmp_path):
    results = tmp_path / "r.csv"
    results.write_text("path,status,label_1,score_1,probability_1\ngone.wav,ok,low,-1,0.5\n")
    done = review(command, results, tmp_path / "out")
    assert done.code == 3
    assert "none of the files is there: run the command in the folder where classify ran" in done.err
    assert not (tmp_path / "out" / "review.html").exists()
    # and the next run need not overwrite anything
    assert "skipped [vanished]" in review(command, results, tmp_path / "out").err


def test_a_clip_is_never_overwritten(command, corpus, tmp_path):
    out = tmp_path / "out" / "excerpts"
    out.mkdir(parents=True)
    clip = shutil.copy(corpus.root / "low" / "ann" / "0.wav", out / "song.mp3")
    results = tmp_path / "r.csv"
    results.write_text(f"path,status,label_1,score_1,probability_1\n{clip},ok,low,-1,0.5\n")
    done = review(command, results, tmp_path / "out", "--overwrite")
    assert (done.code, "holds the input" in done.err or "would overwrite" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--between", "x"], "'x' is not LOW,HIGH, such as .4,.7."),
        (["--between", ".7,.4"], "--between is 0.7,0.4; expected two numbers from 0 to 1, the lower one first"),
        (["--between", ".1,.2"], "none of 9 clips with a label has a probability from 0.1 to 0.2; widen the bounds"),
        (["--per-label", "0"], "--per-label is 0; expected 1 to 1,000"),
        (["--seconds", "99"], "--seconds is 99; expected 1 to 60 s"),
        (["--seed", "-1"], "--seed is -1"),
        (["-j", "0"], "--jobs is 0"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(command, results, tmp_path, options, message):
    done = command("review", results, "-o", tmp_path / "out", "-q", *options)
    assert done.code in (2, 3)
    assert message in done.err
    assert not (tmp_path / "out").exists()
