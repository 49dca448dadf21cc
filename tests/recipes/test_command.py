"""The command as the recipes run it, and what they read from its reports."""

import click
import pytest

from recipes.command import read_report, run, slices, summary

TABLE = """path,label,group,source,predicted
a.wav,jazz,ann,studio,jazz
b.wav,jazz,bob,studio,rock
c.wav,rock,cid,stage,rock
d.wav,rock,dee,stage,rock
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of four predictions, three of them correct, each of another group."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "scores.csv").write_text(TABLE)
    output = run("evaluate", "--scores", folder / "scores.csv", "--json", folder / "report.json")
    assert output.startswith("Accuracy 75.0 %")
    return read_report(folder / "report.json")


def test_a_summary_has_accuracy_with_its_interval_and_what_it_rests_on(report):
    found = summary(report)
    assert (found["n"], found["n_groups"], found["n_labels"], found["n_failed"]) == (4, 4, 2, 0)
    assert found["accuracy"]["value"] == found["balanced_accuracy"]["value"] == 0.75
    low, high = found["accuracy"]["interval"]
    assert 0 < low < 0.75 < high < 1


def test_a_slice_table_has_a_row_for_each_part_and_none_where_it_was_not_made(report):
    rows = [(row["name"], row["n"], row["accuracy"]["value"]) for row in slices(report, "source")]
    assert rows == [("stage", 2, 1.0), ("studio", 2, 0.5)]
    assert slices(report, "duration") == []


def test_the_command_runs_in_a_folder_and_is_shown_as_a_user_types_it(tmp_path, capsys):
    (tmp_path / "scores.csv").write_text(TABLE)
    run("evaluate", "--scores", "scores.csv", folder=tmp_path)
    assert capsys.readouterr().out == "\n$ gmmaudio evaluate --scores scores.csv\n"


def test_a_command_that_fails_stops_the_recipe(tmp_path):
    with pytest.raises(click.ClickException, match=r"gmmaudio evaluate ended with exit code [234]"):
        run("evaluate", "--scores", tmp_path / "no such file")
