"""Messages name parameters of Python in backticks; the command shows its options instead."""

import ast
import re
from pathlib import Path

import click
import pytest

from gmmaudio.cli.flags import PARAMETER, all_commands, flags, report_with_flags, with_flags
from gmmaudio.evaluation import FailedInput, Protocol, ScoredClip, make_report
from gmmaudio.findings import Finding

PACKAGE = Path(__file__).parents[2] / "gmmaudio"
BELOW = [path for path in sorted(PACKAGE.rglob("*.py")) if "cli" not in path.relative_to(PACKAGE).parts]

# settings of a front end and parameters of pictures, which no option sets: only a program can name them
PYTHON_ONLY = {"block_s", "descriptors", "measure_speech", "parts", "paths", "tables", "vtln"}
PYTHON_ONLY |= {
    "address",
    "axes",
    "callback",
    "contours",
    "details",
    "deviations",
    "features",
    "interval_ms",
    "length_s",
    "margin",
    "n_workers",
    "names",
    "pair",
    "samples",
    "scores",
    "sr",
    "times",
    "vectors_root",
}


def literals(path, *, docstrings):
    """Return the texts of a module, with or without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (docstrings or id(node) not in docs)
    ]


# --- messages below the command ----------------------------------------------------------------------------------


def test_there_are_messages_to_look_at():
    assert len(BELOW) > 80


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_below_the_command_names_a_flag(path):
    # var(--name) is a variable of a style sheet
    assert [text for text in literals(path, docstrings=True) if re.search(r"(?<!var\()--[a-z]", text)] == []


def test_every_parameter_in_backticks_is_an_option_or_known_to_be_none():
    named = {
        name for path in BELOW for text in literals(path, docstrings=False) for name, *_ in PARAMETER.findall(text)
    }
    assert named - set(flags()) == PYTHON_ONLY
    assert {"group_by", "trial_s", "min_duration_s", "folds", "n_components"} <= named


def test_what_stands_in_single_backticks_is_a_parameter():
    quoted = [
        part
        for path in BELOW
        for text in literals(path, docstrings=False)
        for part in re.findall(r"(?<!`)`[^`]+`(?!`)", text)
    ]
    assert [part for part in quoted if not PARAMETER.fullmatch(part)] == []


# --- as options --------------------------------------------------------------------------------------------------


def test_the_flags_are_those_of_the_commands():
    options = [
        option for command in all_commands().values() for option in command.params if isinstance(option, click.Option)
    ]
    assert set(flags()) == {option.name for option in options}
    for option in options:
        assert flags()[option.name] in option.opts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("name the groups (`group_by`)", "name the groups (--group-by)"),
        ('`group_by="parent"` or `folds="loo"`', "--group-by parent or --folds loo"),
        ("`folds=5`, `trial_s='10'`", "--folds 5, --trial-seconds 10"),
        ("`vtln` is no option", "`vtln` is no option"),
        ("a code block of ``group_by`` stays", "a code block of ``group_by`` stays"),
        ("`group_by", "`group_by"),
        ("", ""),
    ],
)
def test_parameters_are_shown_as_flags_with_their_values(text, shown):
    assert with_flags(text) == shown


def test_a_report_for_readers_names_flags_and_its_data_stay_as_they_are():
    clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    finding = Finding("a_gap", "alarm", "no `split`", "name the groups (`group_by`)")
    failed = FailedInput("`split`.wav", "too_short", "0.1 s is needed (`min_duration_s`)")
    protocol = Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ())
    report = make_report([clip], ["jazz"], protocol, [finding], [failed])
    shown = report_with_flags(report)
    assert str(shown.findings[0]) == "no --split; name the groups (--group-by)"
    assert shown.failed == (FailedInput("`split`.wav", "too_short", "0.1 s is needed (--min-duration)"),)
    assert str(report.findings[0]) == "no `split`; name the groups (`group_by`)"
    assert report.failed == (failed,)


def test_json_and_csv_name_parameters_and_page_and_terminal_flags(command, corpus, tmp_path):
    words = ("--components", "2", "--folds", "3", "--durations", "none")
    files = ("--json", tmp_path / "r.json", "--report", tmp_path / "r.html", "--csv", tmp_path / "csv")
    done = command("crossval", corpus.root, *words, *files)
    assert done.code == 0, done.err
    for path in ("r.json", "csv/checks.csv"):
        assert re.search(r'`group_by=[\\"]+parent[\\"]+`', (tmp_path / path).read_text()), path
    for text in (done.out, (tmp_path / "r.html").read_text()):
        assert "--group-by parent" in text
        assert "`" not in text


def test_errors_name_flags(command, corpus):
    done = command("crossval", corpus.plain, "--trial-seconds", "0.05")
    said = "--trial-seconds is 0.05; expected 0.1 to 3600 s, or 0 to take clips as they are"
    assert (done.code, done.err) == (2, f"gmmaudio: {said}\n")
