"""The command ``evaluate --timeline``."""

import csv
import json

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
        (["--timeline", "TRUTH"], 2, "Name the segments to judge with --scores."),
        (["model.gmm", "--timeline", "TRUTH", "--scores", "FOUND"], 2, "--timeline takes neither MODEL nor CORPUS."),
        (
            ["--timeline", "TRUTH", "--scores", "FOUND", "--report", "r.html", "--robustness"],
            2,
            "With --timeline these have no effect: --robustness, --report.",
        ),
        (["--scores", "FOUND", "--tolerance", "1"], 2, "--tolerance has an effect with --timeline only."),
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
