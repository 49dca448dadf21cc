"""The output of ``classify`` read back: every format of it, and what is none."""

import csv
import json

import pytest

from gmmaudio.errors import CorpusError
from gmmaudio.pipeline.classified_rows import ClassifiedClip, read_classified

EXPECTED = 'expected the output of classify with `output_format="csv"` or `output_format="jsonl"`'
RANKED = ("path,status,label_1,score_1,probability_1,label_2,score_2,probability_2", "jazz,-1,0.6,rock,-2,0.4")
WIDE = ("path,status,label,probability,probability:jazz,probability:rock", "jazz,0.6,0.6,0.4")


def table(tmp_path, *lines, encoding="utf-8"):
    path = tmp_path / "results.csv"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


@pytest.mark.parametrize(("head", "cells"), [RANKED, WIDE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_both_layouts_of_csv_are_the_same_clips(tmp_path, head, cells, encoding):
    path = table(tmp_path, head, f"é.wav,ok,{cells}", encoding=encoding)
    assert read_classified(path) == [ClassifiedClip("é.wav", "ok", "jazz", {"jazz": 0.6, "rock": 0.4}, "jazz")]


def test_json_lines_are_the_same_clips(tmp_path):
    path = tmp_path / "r.jsonl"
    row = {"path": "é.wav", "status": "ok", "label": "jazz", "probability": {"rock": 0.4, "jazz": 0.6}}
    path.write_text(json.dumps(row) + "\n\n")
    assert read_classified(path) == [ClassifiedClip("é.wav", "ok", "jazz", {"jazz": 0.6, "rock": 0.4}, "jazz")]


def test_a_spreadsheet_with_decimal_commas_is_read(tmp_path):
    head, cells = (text.replace(",", ";").replace(".", ",") for text in WIDE)
    (clip,) = read_classified(table(tmp_path, head, f"a.wav;ok;{cells}"))
    assert clip.probability == {"jazz": 0.6, "rock": 0.4}


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet"])
def test_what_classify_writes_is_what_is_read(command, corpus, model_file, tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="needs the parquet extra")
    results = tmp_path / f"r.{form}"
    assert command("classify", model_file, corpus.root, "--format", form, "-o", results, "-q").code == 0
    clips = read_classified(results)
    rows = command("classify", model_file, corpus.root, "--format", "jsonl", "-q").out.splitlines()
    assert [clip.path for clip in clips] == [json.loads(row)["path"] for row in rows]
    for clip, row in zip(clips, map(json.loads, rows), strict=True):
        assert (clip.status, clip.label) == (row["status"], row["label"])
        assert clip.best_label == max(row["probability"], key=row["probability"].get)
        # CSV has four digits
        assert clip.best_probability == pytest.approx(max(row["probability"].values()), abs=5.1e-5)


def test_a_status_without_a_label_keeps_what_is_closest(tmp_path):
    path = table(tmp_path, RANKED[0], f"a.wav,unknown,{RANKED[1]}", "b.wav,error,,,,,,", f"c.wav,mixed,{RANKED[1]}")
    unknown, error, mixed = read_classified(path)
    assert (unknown.label, unknown.best_label, unknown.best_probability) == (None, "jazz", 0.6)
    assert (error.label, error.best_label, error.best_probability) == (None, None, None)
    assert mixed.label is None


def test_scores_without_probabilities_give_the_label(tmp_path):
    (clip,) = read_classified(table(tmp_path, "path,status,label_1,score_1,probability_1", "a.wav,ok,jazz,-3,"))
    assert (clip.label, clip.best_probability, dict(clip.probability)) == ("jazz", None, {})


def test_a_group_that_was_added_and_a_safe_cell_are_read(tmp_path):
    path = tmp_path / "r.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([["path", "status", "label", "group"], ["'-a.wav", "ok", "'=x", "ann"]])
    (clip,) = read_classified(path)
    assert (clip.path, clip.label, clip.group) == ("-a.wav", "=x", "ann")


def test_the_first_line_of_a_file_counts(tmp_path):
    path = table(tmp_path, "path,status,label", "a.wav,ok,jazz", "a.wav,ok,rock")
    assert [clip.label for clip in read_classified(path)] == ["jazz"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has columns none"),
        ("a.wav\tjazz\t60 %\n", "has columns 'a.wav', 'jazz', '60 %'"),
        ("path,label\na.wav,jazz\n", "has columns 'path', 'label'"),
        ("path,status,label\n", "has no clips"),
        ("path,status,label\na.wav,fine,jazz\n", "line 2: has no path, or no status of ok, mixed, unknown, error"),
        ("path,status,label\n,ok,jazz\n", "line 2: has no path, or no status of ok, mixed, unknown, error"),
        ("path,status,label\na.wav,ok,\n", "line 2: has the status ok and no label"),
        ('{"path": "a.wav"\n', "line 1: is no JSON"),
        ('[{"path": "a.wav", "status": "ok", "label": "x"}, 7]', "entry 2: is no JSON object"),
        ('{"path": "a.wav", "status": "ok", "label": "x"}\n7\n', "line 2: is no JSON object"),
        ("path,status,label\n\x00", "cannot be read as CSV or JSON lines (line contains NUL)"),
    ],
)
def test_what_is_no_output_of_classify_is_refused(tmp_path, text, message):
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(CorpusError) as caught:
        read_classified(path)
    assert message in str(caught.value)
    assert str(caught.value).endswith(EXPECTED)


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "1_0", "much"])
def test_a_probability_that_is_none_is_refused(tmp_path, value):
    path = table(tmp_path, "path,status,label,probability", f"a.wav,ok,jazz,{value}")
    with pytest.raises(CorpusError, match=r"line 2: a probability is .*; expected a number from 0 to 1"):
        read_classified(path)
    line = tmp_path / "r.jsonl"
    line.write_text('{"path": "a.wav", "status": "ok", "probability": {"jazz": true}}')
    with pytest.raises(CorpusError, match="line 1: a probability is True"):
        read_classified(line)
