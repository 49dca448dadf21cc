"""Tables of mutated files and failing operations, from records made by hand."""

from dataclasses import replace

from results import views


def rows_of(record, view, row):
    return [line for line in view(replace(record, rows=[row])).splitlines() if line.startswith("|")][2:]


def test_mutated_audio_files_have_their_outcomes_and_faults(record):
    row = {"turn": "FFmpeg", "n": 20_000, "answered": 12_000, "codes": {"damaged": 7_000, "truncated": 1_000}}
    row |= {"crashed": 1, "hung": 2, "tracebacks": 3, "wrong": 4, "slowest_s": 2.46, "peak_mib": 109.4, "cpu_s": 9.0}
    (line,) = rows_of(record, views.fuzz_audio_table, row)
    assert line == "| FFmpeg | 20,000 | 12,000 | 8,000 | 1 | 2 | 3 | 4 | 2.5 | 109 |"


def test_mutated_models_have_their_outcomes_and_faults(record):
    row = {"checksum": "old", "n": 10_000, "refused": 9_000, "read": 990, "wrong": 1, "crashed": 2, "hung": 3}
    row |= {"bombs": 4, "slowest_s": 0.61, "peak_mib": 184.6}
    (line,) = rows_of(record, views.fuzz_models_table, row)
    assert line == "| old | 10,000 | 9,000 | 990 | 1 | 2 | 3 | 4 | 0.6 | 185 |"


def test_failing_operations_have_their_ends_and_faults(record):
    outcomes = {"untouched": 30, "completed": 10, "goes on": 5, "same answers": 2, "fault": 3}
    row = {"command": "train -o", "operations": 10, "trials": 50, "outcomes": outcomes, "faults": 3}
    (line,) = rows_of(record, views.failing_writes_table, row)
    assert line == "| `train -o` | 10 | 50 | 30 | 5 | 12 | 3 |"
