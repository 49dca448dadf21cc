"""Predictions from CSV: round trips, every wrong row named; the command on them."""

import hashlib
import json
import os

import pytest

from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import (
    ScoredClip,
)
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.evaluation.predictions import read_predictions
from gmmaudio.text_tables import csv_text
from tests.evaluation.conftest import example_report


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_table_of_clips_reads_back_bit_for_bit(tmp_path, calibrated):
    report = example_report(calibrated=calibrated)
    path = tmp_path / "clips.csv"
    path.write_text(csv_text(tables(report)["clips"]), encoding="utf-8")
    back, sha256, _ = read_predictions(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    if not calibrated:
        assert tuple(back) == report.clips
    for old, new in zip(report.clips, back, strict=True):
        assert (new.name, new.scores, new.predicted, new.unit, new.source) == (
            old.name,
            old.scores,
            old.predicted,
            old.unit,
            old.source,
        )
        # probabilities are made to sum to one again, which can move the last bit
        assert new.probability == (None if not calibrated else pytest.approx(old.probability, rel=1e-14))


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_table_needs_a_path_a_label_and_a_decision(tmp_path):
    (clip,), *_ = read_predictions(write(tmp_path / "a.csv", "path,label,predicted\na.wav,jazz,rock\n"))
    assert (clip.name, clip.label, clip.predicted, clip.scores, clip.probability) == ("a.wav", "jazz", "rock", {}, None)
    assert (clip.group, clip.unit, clip.margin != clip.margin) == (None, "file a.wav", True)


def test_the_decision_is_the_best_score_and_an_empty_cell_is_no_candidate(tmp_path):
    text = "path,label,score:b,score:a,score:c\n1,a,-2,-1,\n2,a,-1,-1,-inf\n3,a,-3,-2,9\n"
    clips, *_ = read_predictions(write(tmp_path / "a.csv", text))
    assert [clip.predicted for clip in clips] == ["a", "a", "c"], "of equals the first by name"
    assert clips[0].scores == {"b": -2.0, "a": -1.0}
    assert clips[1].scores == {"b": -1.0, "a": -1.0}


def test_semicolons_and_blanks_in_heads_do_no_harm_and_a_name_stands_for_a_path(tmp_path):
    text = "name;path;label;score: jazz;score:rock;unit\nn1;;jazz;2;1;u\nn2;;jazz;1;2;\n"
    one, two = read_predictions(write(tmp_path / "a.csv", text))[0]
    assert (one.name, one.paths, one.scores, one.unit) == ("n1", ("n1",), {"jazz": 2.0, "rock": 1.0}, "u")
    assert two.unit == "file n2"


def test_a_label_that_looks_escaped_is_read_as_it_was_written(tmp_path):
    report = example_report(labels=("'=a", "=b", "c"))
    path = write(tmp_path / "clips.csv", csv_text(tables(report)["clips"]))
    back, *_ = read_predictions(path)
    assert [(clip.label, clip.scores) for clip in back] == [(clip.label, clip.scores) for clip in report.clips]


def test_the_table_is_read_once(command):
    reader, writer = os.pipe()
    os.write(writer, b"path,label,predicted\na.wav,a,a\n")
    os.close(writer)
    done = command("evaluate", "--scores", f"/dev/fd/{reader}", "--json", "-")
    os.close(reader)
    digest = json.loads(done.out)["run"]["manifest"][0]["sha256"]
    assert digest == hashlib.sha256(b"path,label,predicted\na.wav,a,a\n").hexdigest()


def test_nothing_is_written_over_what_is_read(tmp_path, command):
    table = write(tmp_path / "clips.csv", "path,label,predicted\na.wav,jazz,rock\n")
    for words in (("--json", table), ("--report", tmp_path / "." / "clips.csv"), ("--csv", tmp_path)):
        done = command("evaluate", "--scores", table, *words)
        assert (done.code, "; choose another " in done.err) == (2, True), words
    assert table.read_text() == "path,label,predicted\na.wav,jazz,rock\n"
    report = tmp_path / "r.json"
    assert command("evaluate", "--scores", table, "--json", report).code == 0
    kept = report.read_bytes()
    for words in (("reproduce", report, "--json", report), ("compare", report, report, "--json", report)):
        assert command(*words).code == 2
    assert report.read_bytes() == kept


def test_all_known_columns_are_read(tmp_path):
    text = "name,path,label,group,source,fold,repeat,duration_s,predicted,probability:a,probability:b\n"
    text += "n,p.wav,a,g,s,3,2,4.5,b,0.3,0.7\n"
    (clip,), *_ = read_predictions(write(tmp_path / "a.csv", text))
    assert clip == ScoredClip("n", ("p.wav",), "a", "g", "g", "s", "3", 2, "b", {}, {"a": 0.3, "b": 0.7}, 4.5)


A_NUMBER = "expected a number from -1e+100 to 1e+100"
COLUMNS = "expected columns path, label, and predicted or score:LABEL or probability:LABEL for each label"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"has columns none; {COLUMNS}"),
        ("path,label\na,b\n", f"has columns 'path', 'label'; {COLUMNS}"),
        ("label,predicted\na,b\n", f"has columns 'label', 'predicted'; {COLUMNS}"),
        ("path,label,predicted\n", "has a header and no rows; add one row for each clip"),
        ("path,label,label,predicted\n", "column 'label' occurs twice; rename or remove one"),
        ("path,label,predicted\na,b,c,d\n", "line 2: more values than columns; quote values that hold the separator"),
        ("path,label,predicted\n,b,c\n", "line 2: no path; every clip needs one"),
        ("path,label,predicted\na,,c\n", "line 2: no label; every clip needs one"),
        ("path,label,predicted\na,b,\n", "line 2: neither predicted nor a score is given; every clip needs one"),
        (
            "path,label,score:x\na,b,loud\n",
            "line 2: the score of x is 'loud'; expected a number from -1e+100 to 1e+100",
        ),
        ("path,label,score:x\na,b,nan\n", "line 2: the score of x is 'nan'; expected a number from -1e+100 to 1e+100"),
        ("path,label,score:x\na,b,inf\n", "line 2: the score of x is 'inf'; expected a number from -1e+100 to 1e+100"),
        (
            "path,label,probability:x,probability:y\na,b,0.5,0.6\n",
            "line 2: probabilities sum to 1.1; expected 1 (call the columns score:LABEL if they are scores)",
        ),
        ("path,label,probability:x,probability:y\na,b,-0.5,1.5\n", "line 2: probabilities sum to 1; expected 1"),
        ('path;label;score:x\na;b;"-1,5"\n', f"line 2: the score of x is '-1,5'; {A_NUMBER}, with a decimal point"),
        ("path,label,predicted\na,b,c\na,b,c\n", "'a' occurs twice in repeat 0; keep one row for each clip"),
        (
            "path,label,score:x\na,b,1e300\n",
            "line 2: the score of x is '1e300'; expected a number from -1e+100 to 1e+100",
        ),
        *(
            (
                f"path,label,predicted,repeat\na,b,c,{text}\n",
                f"line 2: repeat is {text!r}; expected a whole number, 0 or more",
            )
            for text in ("x", "-1", "1.7", "-inf", "1e300")
        ),
        *(
            (
                f"path,label,predicted,duration_s\na,b,c,{text}\n",
                f"line 2: duration_s is {text!r}; expected a number from 0",
            )
            for text in ("x", "-1", "-inf", "nan")
        ),
        ("path,label,predicted,score:x\na,b,c,1\nd,b,c,\n", "some rows have scores or probabilities and some have not"),
    ],
)
def test_a_wrong_table_says_where_and_what(tmp_path, text, message):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(CorpusError) as error:
        read_predictions(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_file_that_is_no_text_or_not_there_says_so(tmp_path):
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00path")
    for name, said in (("b.csv", "cannot be read as CSV"), ("none.csv", r"cannot be read \(No such file")):
        with pytest.raises(CorpusError, match=said):
            read_predictions(tmp_path / name)


# --- the command ---------------------------------------------------------------------------------------------------


def test_evaluate_scores_reports_on_predictions_of_any_system(tmp_path, command):
    table = write(tmp_path / "clips.csv", csv_text(tables(example_report())["clips"]))
    done = command("evaluate", "--scores", table, "--json", tmp_path / "r.json", "--report", tmp_path / "r.html")
    assert done.code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    same = example_report()
    # the last bit of a probability may move in the table
    assert report["accuracy"] == same.accuracy
    assert report["cllr"] == pytest.approx(same.metrics.values["cllr"], rel=1e-12)
    assert "training_unknown" in {finding["code"] for finding in report["findings"]}
    assert report["protocol"]["scheme"] == "predictions from a table, 2 folds"
    assert "predictions from a table" in (tmp_path / "r.html").read_text()


def test_a_table_without_groups_is_told_what_it_can_do(tmp_path, command):
    table = write(tmp_path / "a.csv", "path,label,predicted\na.wav,jazz,rock\nb.wav,rock,rock\n")
    findings = json.loads(command("evaluate", "--scores", table, "--json", "-").out)["findings"]
    remedies = {finding["code"]: finding["remedy"] for finding in findings}
    assert remedies["groups_unknown"] == "add a group column"


def test_scores_stand_alone(tmp_path, command):
    table = write(tmp_path / "a.csv", "path,label,predicted\na.wav,jazz,rock\n")
    done = command("evaluate", "model.gmm", "--scores", table)
    assert done.code == 2
    assert "--scores takes neither MODEL nor CORPUS." in done.err
    done = command("evaluate", "--scores", table, "--robustness", "--split", "x")
    assert done.code == 2
    assert "With --scores these have no effect: --split, --robustness." in done.err
    done = command("evaluate", "model.gmm")
    assert done.code == 2
    assert "Name a MODEL and a CORPUS, or a table of predictions with --scores." in done.err


def test_a_wrong_table_exits_3(tmp_path, command):
    done = command("evaluate", "--scores", write(tmp_path / "a.csv", "path,label\na,b\n"))
    assert (done.code, COLUMNS in done.err) == (3, True)


def test_the_progress_of_a_table_covers_its_bootstraps_and_stops_it(tmp_path):
    from gmmaudio import pipeline

    table = write(tmp_path / "clips.csv", csv_text(tables(example_report())["clips"]))
    stages = []

    def progress(items, total, doing):
        stages.append((doing, total))
        yield from items

    report = pipeline.evaluate_predictions(table, progress=progress)
    assert ("bootstrap", 500) in stages
    assert report.metrics.values == pipeline.evaluate_predictions(table).metrics.values

    def stopped(_items, _total, _doing):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.evaluate_predictions(table, progress=stopped)


# --- names and the ways of writing a table ---------------------------------------------------------------------------

NFC, NFD = "Zo\u00e9", "Zoe\u0301"


def test_names_in_two_normal_forms_are_one(tmp_path):
    text = f"path,label,group,source,score:{NFC},score:b\n1,{NFD},{NFC},{NFD},2,1\n2,b,{NFD},{NFC},2,1\n"
    one, two = read_predictions(write(tmp_path / "a.csv", text))[0]
    assert (one.correct, two.correct) == (True, False)
    assert (one.label, one.predicted, set(one.scores)) == (NFD, NFD, {NFD, "b"})
    assert (one.group, one.unit, one.source) == (two.group, two.unit, two.source) == (NFC, NFC, NFD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"path,label,predicted\n{NFC},a,b\n{NFD},a,b\n",
            f"'{NFD}' occurs twice in repeat 0; keep one row for each clip",
        ),
        (f"path,label,score:{NFC},score:{NFD}\n1,a,1,2\n", f"column 'score:{NFC}' occurs twice; rename or remove one"),
        ("path,label,score:a,score: a\n1,a,1,2\n", "has two columns for the label 'a' after 'score:'"),
        ("path,label,score:a,score:\n1,a,1,2\n", "has a column without a label after 'score:'"),
        ("path,label,predicted,Score:a\n1,a,a,2\n", "column 'Score:a' would not be used; let its name begin with"),
        (
            "path,label,score:a,Score:b\n1,a,1,2\n",
            "column 'Score:b' would not be used",
        ),
        ("path,label,score:a,score :b\n1,a,1,2\n", "column 'score :b' would not be used"),
        ("path,label,score:a,score\uff1ab\n1,a,1,2\n", "column 'score\\uff1ab' would not be used"),
        ("path,label,probability:a,\u200bprobability:b\n1,a,1,2\n", "column '\\u200bprobability:b' would not be used"),
        ("path,label,predicted,Group\n1,a,a,g\n", "column 'Group' would not be used; call it 'group'"),
        ("path,label,score:a,score:b\n1,a,1\n", "line 2: ends before the column 'score:b'; fill the row"),
        ("path;label;score:a\n1;a;1_5\n", "line 2: the score of a is '1_5'; expected a number"),
        ("path,label,score:a\n1,a,1,5\n", "line 2: more values than columns"),
        ("path,label,predicted\n1,\u200b\u00ad,a\n", "line 2: no label; every clip needs one"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(tmp_path, text, message):
    with pytest.raises(CorpusError) as error:
        read_predictions(write(tmp_path / "a.csv", text))
    assert message in str(error.value)


def test_the_table_of_a_spreadsheet_is_read(tmp_path):
    text = 'sep=;\r\npath; label ;"score: a";score:b;;\r\n"1.wav" ;a; 2 ;1;;\r\n;;;;;\r\n'
    (tmp_path / "a.csv").write_bytes(text.encode("utf-16"))
    (clip,), *_ = read_predictions(tmp_path / "a.csv")
    assert (clip.name, clip.label, clip.scores) == ("1.wav", "a", {"a": 2.0, "b": 1.0})


def findings_of(command, table):
    done = command("evaluate", "--scores", table, "--json", "-")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    return document["accuracy"], {finding["code"]: finding["text"] for finding in document["findings"]}


def test_labels_that_never_meet_are_an_alarm_and_those_that_look_alike_a_warning(tmp_path, command):
    table = write(tmp_path / "a.csv", "path,label,predicted\n1,1,1.0\n2,2,2.0\n3,1,2.0\n")
    accuracy, texts = findings_of(command, table)
    assert accuracy == 0.0
    assert texts["no_label_in_common"] == (
        "no true label ('1', '2') is among the predicted ones ('1.0', '2.0'): every prediction counts as wrong"
    )
    # the last of two findings
    assert texts["similar_labels"] == "labels '2' (1), '2.0' (0) differ only by how a number is written"
    shown = command("evaluate", "--scores", table).out.splitlines()
    assert any(line.startswith("alarm: no true label ('1', '2') is among") for line in shown)


@pytest.mark.parametrize(
    "text",
    [
        "path,label,predicted\n1,Jazz,jazz\n2,rock,rock\n",
        "path,label,score:jazz,score:rock\n1,Jazz,2,1\n2,rock,1,2\n",
        "path,label,probability:jazz,probability:rock\n1,Jazz,0.9,0.1\n2,rock,0.2,0.8\n",
    ],
)
def test_a_label_in_another_case_is_a_warning(tmp_path, command, text):
    _, texts = findings_of(command, write(tmp_path / "a.csv", text))
    assert texts["similar_labels"] == "labels 'Jazz' (1), 'jazz' (0) differ only by case or spaces"
    assert "no_label_in_common" not in texts


def test_groups_and_sources_that_look_alike_are_warnings(tmp_path, command):
    rows = ["1,a,a,ann,radio", "2,a,a,An\u200bn,phone", "3,b,b,bob,Radio", "4,b,b,cy,phone"]
    table = write(tmp_path / "a.csv", "\n".join(["path,label,predicted,group,source", *rows]))
    _, texts = findings_of(command, table)
    assert texts["similar_groups"].startswith("groups 'An\\u200bn', 'ann' differ only by ")
    assert texts["similar_sources"].startswith("sources 'Radio', 'radio' differ only by case or spaces: ")
