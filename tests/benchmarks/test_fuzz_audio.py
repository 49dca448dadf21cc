"""What counts as a fault of ``classify`` on mutated files."""

import json
from collections import Counter

import pytest

from benchmarks import fuzz_audio

NAMES = ["0-wav.wav", "1-mp3.wav"]
GOOD = {"path": "x/0-wav.wav", "status": "ok", "scores": {"high": -1.0, "low": -2.0, "mid": -3.0}, "duration_s": 0.8}
GOOD |= {"probability": {"high": 0.5, "low": 0.25, "mid": 0.25}, "label": "high"}
BAD = {"path": "x/1-mp3.wav", "status": "error", "scores": None, "probability": None, "duration_s": None}
BAD |= {"code": "damaged", "message": "starts like an audio file"}


def run_of(*answers, code=1, said="skipped [damaged] x/1-mp3.wav: bad\n1 input failed\n", is_hung=False):
    lines = [answer if isinstance(answer, str) else json.dumps(answer) for answer in answers]
    return fuzz_audio.Run(lines, said, code, is_hung, 0.1, 80.0, 1.0)


def faults(run):
    codes = Counter()
    return [kind for kind, _ in fuzz_audio.complaints(run, NAMES, codes)], codes


def test_what_the_contract_asks_for_is_no_fault():
    assert faults(run_of(GOOD, BAD)) == ([], {"damaged": 1})


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (run_of(GOOD, BAD, code=0), "wrong"),
        (run_of(GOOD, BAD, code=-11), "wrong"),
        (run_of(GOOD), "wrong"),
        (run_of(GOOD, BAD, BAD), "wrong"),
        (run_of(BAD, GOOD), "wrong"),
        (run_of(GOOD | {"scores": {"high": float("nan"), "low": 0.0, "mid": 0.0}}, BAD), "wrong"),
        (run_of(GOOD | {"scores": {"high": 1.0}}, BAD), "wrong"),
        (run_of(GOOD | {"duration_s": 0.0}, BAD), "wrong"),
        (run_of(GOOD | {"probability": {"high": 0.5, "low": 0.0, "mid": 0.0}}, BAD), "wrong"),
        (run_of(GOOD, BAD | {"code": "failed"}), "wrong"),
        (run_of(GOOD, BAD | {"message": " "}), "wrong"),
        (run_of(GOOD, BAD | {"code": "crashed"}), "crashed"),
        (run_of(GOOD, BAD, said="Traceback (most recent call last):\n"), "tracebacks"),
        (run_of(GOOD, BAD, said="[mp3 @ 0x1] invalid data\n"), "tracebacks"),
        (run_of(GOOD, is_hung=True), "hung"),
    ],
)
def test_anything_else_is_a_fault(run, kind):
    assert kind in faults(run)[0]


def test_a_batch_follows_from_its_seed_and_another_seed_gives_another(tmp_path):
    contents = []
    for i, seed in enumerate((3, 3, 4)):
        (tmp_path / str(i)).mkdir()
        names = fuzz_audio.write_batch(tmp_path / str(i), fuzz_audio.LIBSNDFILE, seed, 60)
        contents.append([(tmp_path / str(i) / name).read_bytes() for name in names])
    assert contents[0] == contents[1] != contents[2]


def test_a_command_without_an_answer_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz_audio, "START_S", 0.3)
    (tmp_path / "gmmaudio.py").write_text("import time; time.sleep(60)")
    run = fuzz_audio.classify([], {"PYTHONPATH": str(tmp_path)}, tmp_path / "said")
    assert (run.is_hung, run.code) == (True, -9)
    (tmp_path / "gmmaudio.py").write_text("import sys; print('answer'); sys.exit(3)")
    monkeypatch.setattr(fuzz_audio, "START_S", 60)
    run = fuzz_audio.classify([], {"PYTHONPATH": str(tmp_path)}, tmp_path / "said")
    assert (run.is_hung, run.code, run.lines) == (False, 3, ["answer"])
