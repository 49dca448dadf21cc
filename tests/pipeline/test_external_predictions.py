"""Reports of tables of predictions of any system."""

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import CorpusError
from tests.pipeline.conftest import texts_of

TABLE = """\
path,label,group,fold,predicted,score:en,score:fr,score:it
1.wav,en,ann,1,en,2.0,1.0,0.0
2.wav,en,bob,2,fr,0.0,1.5,1.0
3.wav,fr,cy,1,fr,0.0,1.0,0.5
4.wav,fr,dee,2,fr,0.5,1.0,0.0
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text(TABLE)
    return path


def test_a_table_has_the_report_of_its_predictions(table):
    report = pipeline.evaluate_predictions(table, command="by hand")
    assert (report.n, report.accuracy) == (4, 0.75)
    protocol = report.protocol
    assert (protocol.scheme, protocol.folds, protocol.repeats) == ("predictions from a table, 2 folds", ("1", "2"), 1)
    assert (protocol.scored_labels, protocol.unscored_labels) == (("en", "fr"), ("it",))
    assert protocol.command == "by hand"


def test_the_training_set_of_a_table_is_unknown_and_that_is_a_warning(table):
    texts = texts_of(pipeline.evaluate_predictions(table))
    assert texts["training_unknown"].startswith("the training set of these predictions is unknown")


def test_a_table_without_groups_names_the_column_that_it_needs(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("path,label,predicted\n1.wav,en,en\n2.wav,fr,fr\n")
    report = pipeline.evaluate_predictions(path)
    (finding,) = [finding for finding in report.findings if finding.code == "groups_unknown"]
    assert finding.remedy == "add a group column"


def test_a_group_in_several_folds_is_an_alarm(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text(TABLE.replace("bob", "ann"))
    assert "group_in_several_folds" in texts_of(pipeline.evaluate_predictions(path))


def test_the_record_knows_a_table_by_its_content(table, tmp_path):
    moved = tmp_path / "elsewhere.csv"
    moved.write_text(TABLE)
    one, other = (pipeline.evaluate_predictions(path).run for path in (table, moved))
    assert one["kind"] == "predictions"
    assert one["manifest"] == other["manifest"]
    moved.write_text(TABLE.replace("2.0", "3.0"))
    assert pipeline.evaluate_predictions(moved).run["manifest"] != one["manifest"]


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.csv"):
        pipeline.evaluate_predictions(tmp_path / "none.csv")
