"""Answers of classify with true labels: the report is that of the evaluation of the same model on the same clips."""

import csv
import io
import json
import math

import pytest

from gmmaudio.errors import CorpusError
from gmmaudio.evaluation.predictions import read_predictions

pytestmark = pytest.mark.usefixtures("few_draws")

HEAD = "path,status,label,probability,duration_s,code,message,notes,label_1,score_1,probability_1"


@pytest.fixture
def few_draws(monkeypatch):
    """Intervals are tested elsewhere."""
    monkeypatch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 50)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def with_truth(text, truth, delimiter=","):
    """Return a table of answers with the columns that a person adds: the true label and the group of each path."""
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter))
    out = io.StringIO()
    writer = csv.DictWriter(out, [*rows[0], "true_label", "group"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(row | dict(zip(("true_label", "group"), truth(row["path"]), strict=True)) for row in rows)
    return out.getvalue()


def test_answers_with_true_labels_are_evaluated_as_their_model_is(command, model_file, corpus, tmp_path, tools):
    # a harder test set, so that there are errors: the true labels of two clips are exchanged
    rows = [row for row in corpus.rows if row["split"] == "test"]
    rows = [row | {"label": {"low": "mid", "mid": "low"}.get(row["label"], "high")} if i % 4 == 0 else row
            for i, row in enumerate(rows)]  # fmt: skip
    rows = [row | {"path": str(corpus.root / row["path"]), "source": "", "split": ""} for row in rows]
    truth = {row["path"]: (row["label"], row["group"]) for row in rows}
    manifest = tools.write_manifest(tmp_path / "test.csv", rows)
    answers = command("classify", model_file, *truth, "--format", "csv").out
    assert {row["probability:low"] for row in rows_of_csv_text(answers)} != {"0.0000", "1.0000"}
    table = write(tmp_path / "answers.csv", with_truth(answers, truth.get))
    words = ("--json", "-")
    expected = json.loads(command("evaluate", model_file, manifest, "--durations", "none", *words).out)
    found = json.loads(command("evaluate", "--scores", table, *words).out)
    assert expected["accuracy"] < 1
    for name in ("n", "accuracy", "balanced_accuracy", "macro_f1", "top_2_accuracy", "confusion", "eer", "mean_eer"):
        assert found[name] == expected[name], name
    assert found["intervals"]["accuracy"] == expected["intervals"]["accuracy"]
    for clip, other in zip(found["clips"], expected["clips"], strict=True):
        assert clip["predicted"] == other["predicted"]
        # half a unit of the fourth digit, before the rounded ones are made to sum to one
        assert clip["probability"] == pytest.approx(other["probability"], abs=1e-4)
    for name in ("log_loss", "ece", "cllr", "min_cllr", "cavg"):
        assert found[name] == pytest.approx(expected[name], abs=2e-3), name


def rows_of_csv_text(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_answers_without_true_labels_are_not_evaluated_against_themselves(command, model_file, corpus, tmp_path):
    path = corpus.root / corpus.rows[0]["path"]
    table = write(tmp_path / "answers.csv", command("classify", model_file, path, "--format", "csv").out)
    result = command("evaluate", "--scores", table)
    assert (result.code, result.out) == (3, "")
    assert "its column 'label' has the answers of classify; add a column 'true_label' with the true ones" in result.err


@pytest.mark.parametrize("head", ["True_Label", "true label"])
def test_a_column_that_is_nearly_the_one_of_true_labels_is_named(tmp_path, head):
    table = write(tmp_path / "a.csv", f"{HEAD},{head}\n1,ok,a,0.9,,,,,a,-1,0.9,b\n")
    with pytest.raises(CorpusError, match="true_label"):
        read_predictions(table)


def test_inputs_that_failed_are_counted_and_need_no_label(command, tmp_path):
    text = (
        f"{HEAD},probability:a,probability:b,true_label\n"
        "1,ok,a,0.9,,,,,a,-1,0.9,0.9,0.1,a\n"
        "2,ok,b,0.9,,,,,b,-1,0.9,0.1,0.9,b\n"
        "3,error,,,,empty,has no bytes,,,,,,,\n"
    )
    table = write(tmp_path / "a.csv", text)
    clips, _, failed = read_predictions(table)
    assert ([clip.name for clip in clips], [clip.rejected for clip in clips]) == (["1", "2"], [None, None])
    assert [(each.path, each.code, each.message) for each in failed] == [("3", "empty", "has no bytes")]
    result = command("evaluate", "--scores", table, "--json", "-")
    assert (result.code, json.loads(result.out)["n"]) == (1, 2)
    assert "skipped [empty] 3: has no bytes" in result.err


def test_a_clip_of_no_known_label_counts_for_its_most_likely_one_and_is_rejected(tmp_path):
    text = (
        f"{HEAD},probability:a,probability:b,true_label\n"
        "1,ok,a,0.9,,,,,a,-1,0.9,0.9,0.1,a\n"
        "2,unknown,,,3.5,no_label,far off,,b,-9,0.6,0.4,0.6,a\n"
    )
    clips = read_predictions(write(tmp_path / "a.csv", text)).clips
    assert [(clip.predicted, clip.rejected) for clip in clips] == [("a", False), ("b", True)]


def test_equal_digits_leave_the_label_that_was_said(tmp_path):
    text = f"{HEAD},probability:a,probability:b,true_label\n1,ok,b,0.5,,,,,b,-1,0.5,0.5000,0.5000,b\n"
    (clip,) = read_predictions(write(tmp_path / "a.csv", text)).clips
    assert clip.predicted == "b"


def test_a_table_that_a_spreadsheet_saved_with_decimal_commas_is_read(tmp_path):
    text = f"{HEAD},probability:a,probability:b,true_label\n1,ok,b,,3,,,,b,-1,,1,2,b\n".replace(",", ";")
    text = text.replace("b;;3;", "b;0,75;3,5;").replace("1;2;b", "0,25;0,75;b")
    (clip,) = read_predictions(write(tmp_path / "a.csv", text)).clips
    assert (clip.probability, clip.duration_s) == ({"a": 0.25, "b": 0.75}, 3.5)


def test_a_probability_that_was_rounded_to_zero_is_no_certain_error(command, tmp_path):
    text = (
        f"{HEAD},probability:a,probability:b,true_label\n"
        "1,ok,a,1.0000,,,,,a,-1,1.0000,1.0000,0.0000,b\n"
        "2,ok,b,1.0000,,,,,b,-1,1.0000,0.0000,1.0000,b\n"
    )
    result = command("evaluate", "--scores", write(tmp_path / "a.csv", text), "--json", "-")
    # half of the digits that were written: 0.00005, and 708 nats otherwise
    assert json.loads(result.out)["log_loss"] == pytest.approx(-math.log(0.5e-4) / 2, rel=1e-4)
