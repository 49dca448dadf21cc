"""Tables of long recordings, from rows made by hand."""

from dataclasses import replace

from results import views

HALF = {"value": 0.5, "interval": [0.25, 0.75]}
HALF_TEXT = "50.0 % (25.0 to 75.0)"
SECONDS = {"value": 2.125, "interval": [1.0, 4.0]}
SHARES = ("windows", "windows_inside", "turns", "segment_error_rate", "boundaries_near", "turns_found")
MEASURES = dict.fromkeys((*SHARES, "boundary_precision"), HALF) | {"boundary_error_s": SECONDS, "log_loss": SECONDS}


def segmenter(system, **more):
    row = {"part": "segments", "corpus": "genre", "system": system, "setting": None, "n": 12}
    return row | MEASURES | {"calibration_error": 0.0625} | more


def rows_of(text):
    return [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|-")]


def test_every_part_has_its_table_and_parts_without_rows_have_none(record):
    lead = {"value": 0.125, "interval": [0.05, 0.2]}
    rows = [segmenter("gmmaudio timeline"), segmenter("vote", lead=lead, calibration_error=None, turns_found=lead)]
    text = views.timeline_tables(replace(record, rows=rows))
    labels, ours, vote, boundaries, ours_too, vote_too = rows_of(text)
    half, seconds = HALF_TEXT, "2.12 (1.00 to 4.00)"
    assert "10 s windows right" in labels
    assert ours == f"| genre, n=12 | gmmaudio timeline | {half} | | {half} | {half} | {half} |"
    assert vote == f"| genre, n=12 | vote | {half} | +12.5 (+5.0 to +20.0) | {half} | {half} | {half} |"
    assert "turns found" in boundaries
    assert ours_too == f"| genre, n=12 | gmmaudio timeline | {half} | {half} | {seconds} | {half} | 0.062 | {seconds} |"
    assert vote_too == f"| genre, n=12 | vote | {half} | 12.5 % (5.0 to 20.0) | {seconds} | {half} | | {seconds} |"
    assert text.endswith("One worker, one thread.\n")


def test_pauses_stand_below(record):
    rows = [{"part": "pauses", "corpus": "genre", "gap": "digital", "n": 4} | MEASURES]
    assert rows_of(views.timeline_tables(replace(record, rows=rows))) == [
        "| gmmaudio timeline | pauses | 10 s windows right | segment error rate | boundary within 1 s |",
        f"| genre, n=4 | digital | {HALF_TEXT} | {HALF_TEXT} | {HALF_TEXT} |",
    ]


def test_mixed_answers_stand_by_kind_of_recordings(record):
    rows = [
        {"corpus": "genre", "kind": "mixture", "n": 1, "mixed": HALF, "right": None, "greatest_probability": 0.625},
        {"corpus": "genre", "kind": "one label", "n": 9, "mixed": HALF, "right": HALF, "greatest_probability": 1.0},
    ]
    text = views.mixed_table(replace(record, rows=rows))
    assert rows_of(text) == [
        "| `gmmaudio classify` | recordings of | `mixed` | right label | greatest probability |",
        f"| genre, n=1 | mixture | {HALF_TEXT} | | 62.5 % |",
        f"| genre, n=9 | one label | {HALF_TEXT} | {HALF_TEXT} | 100.0 % |",
    ]
    assert text.endswith("One worker, one thread.\n")


def test_hours_have_their_cost_an_hour(record):
    costs = {"hours": 8, "cpu_s": 400.0, "peak_mib": 201.4}
    text = views.hours_table(replace(record, rows=[costs, costs | {"command": "classify", "cpu_s": 200.0}]))
    assert rows_of(text) == [
        "| hours of sound | command | CPU s | CPU s an hour | peak memory, MiB |",
        "| 8 | `gmmaudio timeline` | 400 | 50.0 | 201 |",
        "| 8 | `gmmaudio classify` | 200 | 25.0 | 201 |",
    ]
    assert text.endswith("One worker, one thread.\n")
