"""The report on a terminal: what it shows, and that no name drives the terminal."""

import sys

import pytest

from gmmaudio.cli import report_tables
from gmmaudio.cli.report_tables import show_report
from gmmaudio.evaluation import (
    make_report,
    percent,
)
from gmmaudio.findings import Finding
from tests.evaluation.conftest import PROTOCOL, clip_of, report_of

MIND = Finding("a_gap", "warning", "mind the gap", "jump")


def finding_of(text):
    """Return information with a text."""
    return Finding("a_text", "information", text)


# --- the terminal ------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_terminal(monkeypatch):
    """No variable of the environment colours the output."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def rows_of(text):
    """Return the words of every line."""
    return [line.split() for line in text.splitlines()]


@pytest.mark.usefixtures("plain_terminal")
def test_the_terminal_report_has_headline_findings_metrics_and_matrix(capsys):
    report = report_of([("a", "a")] * 3 + [("a", "b")] + [("b", "b")] * 2, findings=[MIND])
    show_report(report)
    found = capsys.readouterr()
    lines = found.out.splitlines()
    assert lines[0] == report.headline
    assert lines[1] == report.paragraph
    assert lines[2] == f"Balanced accuracy: 95 % interval {percent(report.intervals['balanced_accuracy'])}"
    assert lines[3] == "warning: mind the gap; jump"
    rows = rows_of(found.out)
    assert ["label", "precision", "recall", "F1", "n", "groups"] in rows
    assert ["a", "100.0", "%", "75.0", "%", "85.7", "%", "4", "4"] in rows
    assert ["a", "3", "1"] in rows
    assert ["b", "·", "2"] in rows
    assert found.err == ""


@pytest.mark.usefixtures("plain_terminal")
def test_the_terminal_report_shows_a_dash_where_a_metric_is_undefined(capsys):
    show_report(make_report([clip_of(0), clip_of(1, unit="g0")], ["a", "never"], PROTOCOL))
    text = capsys.readouterr().out
    assert ["never", "–", "–", "–", "0", "0"] in rows_of(text)
    assert "no interval: one group only" in text
    assert "Balanced accuracy" not in text


@pytest.mark.usefixtures("plain_terminal")
def test_rich_markup_in_labels_and_findings_is_shown_as_it_is(capsys):
    labels = ["[red]", "[/]", "[link=http://evil.example]x[/link]", ":smile:", "[bold]b[/bold]"]
    show_report(report_of([(label, label) for label in labels], labels, findings=[finding_of("[red]stop[/red]")]))
    text = capsys.readouterr().out
    rows = rows_of(text)
    for i, label in enumerate(labels):
        assert [label, "100.0", "%", "100.0", "%", "100.0", "%", "1", "1"] in rows
        assert [label, *("1" if j == i else "·" for j in range(len(labels)))] in rows
    assert labels in rows
    assert "note: [red]stop[/red]" in text


@pytest.mark.usefixtures("plain_terminal")
def test_advice_names_flags_and_groups_trained_on_have_a_column_where_they_are_others(capsys):
    alarm = Finding("groups_unknown", "alarm", "groups unknown", 'name the groups (`group_by="parent"`)')
    clips = [clip_of(0, "a", "a", group=None), clip_of(1, "b", "b")]
    show_report(make_report(clips, ["a", "b"], PROTOCOL, [alarm], n_training_groups={"a": 4, "b": None}))
    lines = capsys.readouterr().out.splitlines()
    assert "clear the alarms first: name the groups (--group-by parent)" in lines[1]
    assert ["label", "precision", "recall", "F1", "n", "groups", "groups", "trained", "on"] in rows_of("\n".join(lines))
    assert ["a", *["100.0", "%"] * 3, "1", "–", "4"] in rows_of("\n".join(lines))
    assert ["b", *["100.0", "%"] * 3, "1", "1", "–"] in rows_of("\n".join(lines))


CONTROL = ("\x1b[31mred", "\x1b]0;owned\x07", "a\rb", "a\nb", "\x9b2J", "\u202egnp", "a\udcff.wav", "\x00")


@pytest.mark.usefixtures("plain_terminal")
@pytest.mark.parametrize("name", CONTROL)
def test_control_characters_in_labels_and_findings_are_escaped(capsys, name):
    show_report(report_of([(name, name), ("b", name)], [name, "b"], findings=[finding_of(name)]))
    text = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in text)
    shown = name.encode("unicode_escape").decode("ascii")
    assert f"note: {shown}\n" in text
    assert [shown, "1", "·"] in rows_of(text)


@pytest.mark.usefixtures("plain_terminal")
def test_on_a_terminal_too_no_escape_of_a_label_is_emitted(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    name = "\x1b]0;owned\x07\x1b[8m"
    show_report(report_of([(name, name), ("b", name)], [name, "b"], findings=[finding_of(name)]))
    text = capsys.readouterr().out
    assert "\x1b]" not in text
    assert "\x1b[8m" not in text
    assert "\\x1b]0;owned\\x07\\x1b[8m" in text


@pytest.mark.usefixtures("plain_terminal")
def test_rows_are_whole_lines_where_stdout_is_no_terminal(capsys):
    labels = [f"a rather long label, number {i}" for i in range(50)]
    show_report(report_of([(label, label) for label in labels], labels, findings=[finding_of("word " * 100)]))
    lines = capsys.readouterr().out.splitlines()
    assert any(all(label in line for label in labels) for line in lines)
    for label in labels[1:]:
        # once in the table of labels and once in the matrix
        assert sum(line.strip().startswith(f"{label} ") for line in lines) == 2
    assert f"note: {'word ' * 100}".strip() in [line.strip() for line in lines]


@pytest.mark.usefixtures("plain_terminal")
@pytest.mark.parametrize("n_labels", [2, 3])
def test_a_matrix_of_many_labels_is_named_and_not_printed(capsys, monkeypatch, n_labels):
    monkeypatch.setattr(report_tables, "MATRIX_LABELS", 2)
    labels = "abc"[:n_labels]
    show_report(report_of([(label, label) for label in labels for _ in range(3)], labels))
    out = capsys.readouterr().out
    assert (["a", "3", "·"] in rows_of(out)) == (n_labels == 2)
    assert ("Confusion: 3 labels are too many for a table here; --json and --csv have it" in out) == (n_labels == 3)
    # all other numbers are there
    assert ["a", "100.0", "%", "100.0", "%", "100.0", "%", "3", "3"] in rows_of(out)
