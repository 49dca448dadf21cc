"""Mutated models in processes that may end too early, or never."""

import json

from benchmarks import fuzz_models


def test_every_second_mutation_has_a_right_checksum_and_all_are_answered(tmp_path):
    answers, fault = fuzz_models.run(0, 6, tmp_path)
    assert (len(answers), fault) == (6, None)
    assert {answer["outcome"] for answer in answers} <= {"refused", "as written", "as it says"}


def script(monkeypatch, tmp_path, text):
    (tmp_path / "benchmarks").mkdir(exist_ok=True)
    (tmp_path / "benchmarks" / "__init__.py").touch()
    (tmp_path / "benchmarks" / "fuzz_models.py").write_text(f"def serve(*_):\n    {text}\n")
    monkeypatch.setattr(fuzz_models, "ROOT", tmp_path)
    return fuzz_models.run(0, 9, tmp_path)


def test_a_process_that_ends_too_early_or_never_is_said(tmp_path, monkeypatch):
    line = json.dumps({"outcome": "refused", "s": 0.0, "peak_mib": 1.0})
    answers, fault = script(monkeypatch, tmp_path, f"print({line!r}, flush=True); import os; os.abort()")
    assert (len(answers), fault) == (1, "crashed")
    text = "import signal; signal.setitimer(signal.ITIMER_PROF, 0.01)\n    while True: pass"
    assert script(monkeypatch, tmp_path, text) == ([], "hung")
    monkeypatch.setattr(fuzz_models, "SILENT_S", 0.3)
    assert script(monkeypatch, tmp_path, "import time; time.sleep(60)") == ([], "hung")


def test_a_tally_counts_every_outcome_once():
    tally = fuzz_models.Tally()
    tally.outcomes.update(["refused", "as written", "as it says", "wrong", "crashed", "hung", "bombs"])
    row = tally.as_row(is_sealed=True)
    assert row["n"] == 7
    assert [row[name] for name in ("refused", "read", "wrong", "crashed", "hung", "bombs")] == [1, 2, 1, 1, 1, 1]
