"""The command ``evaluate --timeline``."""

import csv
import json

import numpy as np
import pytest

from gmmaudio.evaluation import SEGMENT_METRICS

TRUTH = "path,start,end,label\n1.wav,0,6,fr\n1.wav,6,10,de\n=\u202e2.wav,0,5,de\n=\u202e2.wav,7,10,[unknown]\n"
FOUND = TRUTH.replace("0,6,", "0,7,").replace("6,10", "7,10")


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "truth.csv", tmp_path / "found.csv"
    for path, text in zip(paths, (TRUTH, FOUND), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_the_segments_of_a_file_are_reported(command, files):
    truth, found = files
    done = command("evaluate", "--timeline", truth, "--scores", found)
    assert done.code == 0
    assert done.out.startswith("Segment error rate 5.6 % (95 % interval ")
    for metric in SEGMENT_METRICS.values():
        assert f"  {metric.title}  " in done.out
    lines = [line.strip() for line in done.out.splitlines()]
    # the worst first, and names that drive no terminal
    assert [line.split()[0] for line in lines if ".wav" in line] == ["1.wav", "=\\u202e2.wav"]
    assert lines[next(i for i, line in enumerate(lines) if line.startswith("Seconds")) + 2].split() == [
        *("de", "fr", "[unknown]", "[silence]"),
    ]
    assert ["de", "8.0", "1.0", "·", "·"] in [line.split() for line in lines]


def test_the_files_of_a_report(command, files, tmp_path):
    truth, found = files
    words = ("evaluate", "--timeline", truth, "--scores", found, "--tolerance", "0.5")
    done = command(*words, "--json", tmp_path / "r.json", "--csv", tmp_path / "tables")
    assert done.code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["tolerance_s"] == 0.5
    assert report["metrics"]["boundary_recall"] == pytest.approx(2 / 3)
    assert report["protocol"]["command"].startswith("gmmaudio evaluate --timeline ")
    with (tmp_path / "tables" / "recordings.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["path"] for row in rows] == ["1.wav", "'=\u202e2.wav"]
    assert (done.err.count("wrote"), done.out.count("boundaries within 0.5 s")) == (2, 1)
    on_stdout = command(*words, "--json", "-")
    assert json.loads(on_stdout.out)["metrics"] == report["metrics"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--timeline", "TRUTH"], 2, "With --timeline, name a MODEL, or the segments to judge with --scores."),
        (["m.gmm", "--timeline", "TRUTH", "--scores", "FOUND"], 2, "--scores takes neither MODEL nor CORPUS."),
        (["m.gmm", "corpus", "--timeline", "TRUTH"], 2, "--timeline takes no CORPUS."),
        (["m.gmm", "--timeline", "TRUTH", "--split", "test"], 2, "With --timeline these have no effect: --split."),
        (["--timeline", "TRUTH", "--scores", "FOUND", "--window", "3"], 2, "these have no effect: --window."),
        (
            ["--timeline", "TRUTH", "--scores", "FOUND", "--report", "r.html", "--robustness"],
            2,
            "With --scores these have no effect: --robustness, --report.",
        ),
        (["--scores", "FOUND", "--tolerance", "1"], 2, "have an effect with --timeline only."),
        (["m.gmm", "corpus", "--min-turn", "1"], 2, "have an effect with --timeline only."),
        (["--timeline", "TRUTH", "--scores", "FOUND", "--tolerance", "-1"], 2, "expected 0 or more"),
        (["--timeline", "TRUTH", "--scores", "FOUND", "--json", "TRUTH"], 2, "would overwrite the input"),
        (["--timeline", "TRUTH", "--scores", "gone.csv"], 3, "gone.csv: cannot be read"),
        (["--timeline", "TRUTH", "--scores", "FOUND", "--json", "/no/such/r.json"], 4, "/no/such"),
    ],
)
def test_wrong_words_end_with_their_code(command, files, words, code, message):
    named = dict(zip(("TRUTH", "FOUND"), files, strict=True))
    done = command("evaluate", *(named.get(word, word) for word in words))
    assert done.code == code
    assert message in done.err


@pytest.fixture
def long_recording(tmp_path, tools):
    """The truth of a recording of two labels beside one that is not there."""
    sound = np.concatenate([tools.band_noise("low", 50, 8.0), tools.band_noise("high", 51, 8.0)])
    tools.write(tmp_path / "one.wav", sound, tools.sr)
    truth = tmp_path / "long.csv"
    truth.write_text("path,start,end,label\none.wav,0,8,low\none.wav,8,16,high\ngone.wav,0,2,mid\n")
    return truth


def test_a_model_is_evaluated_and_what_fails_is_named_and_counted(command, model_file, long_recording):
    done = command("evaluate", model_file, "--timeline", long_recording)
    assert done.code == 1
    assert done.out.splitlines()[0].startswith("Segment error rate ")
    assert ", 1 recording, 1 failed, " in done.out.splitlines()[0]
    assert "skipped [vanished] gone.wav: is not there; check the path" in done.err
    assert "1 input failed" in done.err


@pytest.mark.parametrize(
    ("flag", "key", "value"),
    [("--window", "window_s", 3.0), ("--hop", "hop_s", 0.25), ("--min-turn", "min_turn_s", 60.0)],
)
def test_the_options_of_timelines_reach_the_run(command, model_file, long_recording, flag, key, value):
    words = ("evaluate", model_file, "--timeline", long_recording, "--json", "-")
    report = json.loads(command(*words, flag, value).out)
    assert report["protocol"]["settings"][key] == value
    assert report["protocol"]["settings"] != json.loads(command(*words).out)["protocol"]["settings"]


def test_no_recording_is_overwritten(command, model_file, long_recording):
    recording = long_recording.parent / "one.wav"
    done = command("evaluate", model_file, "--timeline", long_recording, "--json", recording)
    assert done.code == 2
    assert "would overwrite the input" in done.err


def test_recordings_that_all_fail_end_with_code_3(command, model_file, long_recording):
    (long_recording.parent / "one.wav").unlink()
    done = command("evaluate", model_file, "--timeline", long_recording)
    assert done.code == 3
    assert "all 2 recordings failed; first: one.wav" in done.err
