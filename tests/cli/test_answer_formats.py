"""The formats of answers: their columns and digits, and what other programs read in them."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from gmmaudio.cli.answer_formats import CsvStyle, choose_format, make_format
from gmmaudio.models import Prediction
from tests.cli.conftest import lines_of_json, rows_of_csv

LABELS = ("jazz", "rock")
ANSWER = Prediction(
    "a.wav", "ok", "jazz", {"jazz": -1.25, "rock": -2.5}, {"jazz": 0.777777, "rock": 0.222223}, duration_s=3.0
)


def written(shown, prediction=ANSWER, **style):
    """Return head and row of a CSV file, as they are written."""
    made = make_format("csv", LABELS, None, is_calibrated=True, style=CsvStyle(**style))
    return made.head, made.row(shown, prediction)


def test_csv_has_the_probability_of_every_label_with_four_digits():
    head, row = written("a.wav")
    assert dict(zip(head.strip().split(","), row.strip().split(","), strict=True)) == {
        "path": "a.wav",
        "status": "ok",
        "label": "jazz",
        "probability": "0.7778",
        "duration_s": "3.0",
        "code": "",
        "message": "",
        "notes": "",
        "label_1": "jazz",
        "score_1": "-1.25",
        "probability_1": "0.7778",
        "probability:jazz": "0.7778",
        "probability:rock": "0.2222",
    }


def test_a_clip_of_no_known_label_has_a_best_label_and_no_label():
    unknown = Prediction(**{**vars(ANSWER), "status": "unknown", "label": None, "code": "no_label"})
    head, line = written("a.wav", unknown)
    (row,) = csv.DictReader(io.StringIO(head + line))
    assert (row["label"], row["probability"], row["label_1"], row["probability_1"]) == ("", "", "jazz", "0.7778")


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@A1", "a;=1+1", "a,=1+1", "a\t=1+1", "\t=1", '"=1'])
def test_no_program_finds_a_formula_in_a_name(name, separator):
    head, line = written(name, separator=separator)
    assert head.count(separator) == 12
    # the file in a program with any separator: no cell is a formula
    for other in ",;\t":
        for cell in next(csv.reader(io.StringIO(line), delimiter=other)):
            assert not cell.startswith(("=", "+", "@", "\t"))
            assert not cell.startswith("-") or float(cell.split(separator)[0]) < 0
    (row,) = csv.DictReader(io.StringIO(head + line), delimiter=separator)
    assert row["path"].removeprefix("'") == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("a.csv", "csv"), ("a.CSV", "csv"), ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("a.json", "json")),
        *(("a.txt", "text"), ("csv", "text")),
    ],
)
def test_the_suffix_of_the_output_is_its_format(name, expected):
    assert choose_format(None, Path(name)) == expected
    assert choose_format("text", Path(name)) == "text"


def test_the_command_takes_the_format_from_the_suffix(command, model_file, good, tmp_path):
    for name in ("a.csv", "a.jsonl", "a.json"):
        assert command("classify", model_file, good, "-o", tmp_path / name).code == 0
        named = command("classify", model_file, good, "--format", name[2:]).out
        assert tmp_path.joinpath(name).read_bytes().decode() == named


def test_json_is_one_array_of_the_objects_of_json_lines(command, model_file, good, tmp_path):
    words = ("classify", model_file, good, "gone.wav", good.with_name("1.flac"))
    array, lines = (command(*words, "--format", name) for name in ("json", "jsonl"))
    assert json.loads(array.out) == lines_of_json(lines)
    # one object on each line, for programs that read lines
    assert array.out.count("\n") == len(lines_of_json(lines)) + 2
    (tmp_path / "list.txt").write_text("")
    assert json.loads(command(*words, "--format", "json", "--top", "1").out)[0]["scores"].keys() == {"low"}


def test_a_json_array_goes_on_behind_its_last_object(command, model_file, good, tmp_path):
    shutil.copytree(good.parent, tmp_path / "set")
    words = ("classify", model_file, tmp_path / "set", "-o", tmp_path / "a.json")
    command(*words)
    shutil.copy(good, tmp_path / "set" / "zz.wav")
    assert command(*words, "--resume").code == 0
    assert [Path(row["path"]).name for row in json.loads((tmp_path / "a.json").read_text())] == [
        *("0.wav", "1.flac", "zz.wav"),
    ]
    shutil.copy(good, tmp_path / "set" / "00.wav")
    assert command(*words, "--resume").code == 0
    assert len(json.loads((tmp_path / "a.json").read_text())) == 4


def test_an_old_journal_is_not_resumed_with_other_columns(command, model_file, good, tmp_path):
    from gmmaudio.journal import decode_line, encode_line

    words = ("classify", model_file, good, "-o", tmp_path / "a.csv")
    command(*words)
    journal = tmp_path / "a.csv.journal"
    first, *others = journal.read_bytes().splitlines(keepends=True)
    header = {name: value for name, value in decode_line(first).items() if name not in ("columns", "check")}
    journal.write_bytes(encode_line(header) + b"".join(others))
    result = command(*words, "--resume")
    assert result.code == 2
    assert "a.csv.journal: its rows have other columns; name another output, or start again (--overwrite)" in result.err
    assert command(*words, "--overwrite").code == 0


def test_rows_of_csv_and_json_lines_say_the_same(command, model_file, corpus):
    words = ("classify", model_file, corpus.root / "mid")
    table, lines = rows_of_csv(command(*words, "--format", "csv")), lines_of_json(command(*words, "--format", "jsonl"))
    assert len(table) == len(lines) == 6
    for row, line in zip(table, lines, strict=True):
        assert row["label"] == line["label"]
        assert {name: f"{p:.4f}" for name, p in line["probability"].items()} == {
            name.removeprefix("probability:"): cell for name, cell in row.items() if name.startswith("probability:")
        }
        assert row["probability"] == row[f"probability:{line['label']}"]
