"""A report as CSV: everything that the JSON has, formulas made harmless."""

import csv
import io

from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.text_tables import csv_text
from tests.evaluation.conftest import (
    example_report,
)


def test_no_table_of_a_hostile_report_holds_a_formula():
    found = tables(example_report())
    for name, rows in found.items():
        for row in csv.reader(io.StringIO(csv_text(rows))):
            for cell in row:
                negative = cell.startswith("-") and cell.replace("e-", "").lstrip("-").replace(".", "").isdigit()
                assert negative or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (name, cell)


def test_the_tables_carry_everything_the_json_does():
    report = example_report()
    found, plain = tables(report), report.to_dict()
    metrics = {row[0]: row[1:] for row in found["metrics"][1:]}
    for name in report.metrics.values:
        assert metrics[name][0] == plain[name]
    for name, pair in plain["intervals"].items():
        assert list(metrics[name][1:]) == (pair or [None, None])
    assert [list(row[1:]) for row in found["confusion"][1:]] == plain["confusion"]
    head, *rows = found["per_label"]
    assert [dict(zip(head[1:], row[1:], strict=True)) for row in rows] == list(plain["per_label"].values())
    assert [(row[0], row[1]) for row in found["slices"][1:]] == [
        (name, part["name"]) for name, parts in plain["slices"].items() for part in parts
    ]
    assert found["checks"][1:] == [
        tuple(finding[name] for name in ("level", "code", "text", "remedy")) for finding in plain["findings"]
    ]
    assert len(found["clips"]) == 1 + len(plain["clips"])
    assert [row[0] for row in found["protocol"][1:]] == list(plain["protocol"])
    assert [list(row[1:]) for row in found["similarity"][1:]] == plain["similarity"]["distance"]
    assert [row[2] for row in found["reliability"][1:]] == plain["reliability"]["n"]
    assert sum(len(curve["p_miss"]) for curve in plain["det"]) == len(found["det"]) - 1


def test_a_label_may_be_called_as_a_thing_of_ours():
    report = example_report(labels=("pooled", "accuracy", "all labels pooled"))
    assert [label for label, _ in report.metrics.det] == [None, "pooled", "accuracy", "all labels pooled"]
    assert report.to_dict()["accuracy"] == report.accuracy


def test_no_cell_drives_a_terminal_and_csv_keeps_its_own_line_ends():
    controls = "".join(map(chr, (*range(32), *range(127, 160))))
    text = csv_text([(f"a{controls}b", "caf\udce9", 1.5)])
    assert {c for c in text if not c.isprintable()} == set("\t\r\n")
    assert r"\x1b" in text
    assert r"\udce9" in text
    text.encode("utf-8")
