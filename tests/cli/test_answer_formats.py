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


# --- parquet ---------------------------------------------------------------------------------------------------------


def read_parquet(path):
    return pytest.importorskip("pyarrow.parquet").read_table(path)


def test_parquet_has_the_columns_of_csv_with_types_and_all_digits(command, model_file, good, tmp_path):
    pytest.importorskip("pyarrow")
    words = ("classify", model_file, good, "gone.wav")
    assert command(*words, "-o", tmp_path / "a.parquet").code == 1
    table = read_parquet(tmp_path / "a.parquet")
    rows = rows_of_csv(command(*words, "--format", "csv"))
    assert table.column_names == list(rows[0])
    types = {field.name: str(field.type) for field in table.schema}
    assert {types[name] for name in ("path", "status", "label", "code", "message", "label_1")} == {"string"}
    assert {types[name] for name in ("probability", "duration_s", "score_1", "probability:low")} == {"double"}
    ok, error = table.to_pylist()
    (line, _) = lines_of_json(command(*words, "--format", "jsonl"))
    assert ok["probability:low"] == line["probability"]["low"]
    assert (error["status"], error["label"], error["probability:low"]) == ("error", None, None)


def test_parquet_goes_on_behind_a_run_that_was_killed(command, model_file, corpus, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from gmmaudio.journal import Journal

    words = ("classify", model_file, corpus.root / "mid", "-o")
    command(*words, tmp_path / "whole.parquet")
    add, count = Journal.add, iter(range(10**6))

    def stop(self, entry):
        if next(count) == 3:
            raise KeyboardInterrupt
        add(self, entry)

    # groups of two rows: some are written before the run is stopped
    monkeypatch.setattr("gmmaudio.data_tables.GROUP_ROWS", 2)
    command(*words, tmp_path / "small.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", stop)
        assert command(*words, tmp_path / "a.parquet").code == 130
    assert [path.name for path in tmp_path.glob("*a.parquet*")] == ["a.parquet.journal"]
    assert command(*words, tmp_path / "a.parquet", "--resume").code == 0
    # what is done is not computed again
    monkeypatch.setattr("gmmaudio.pipeline.classification.classify_file", lambda *_: 1 / 0)
    assert command(*words, tmp_path / "a.parquet", "--resume").code == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "small.parquet").read_bytes()
    assert read_parquet(tmp_path / "a.parquet").equals(read_parquet(tmp_path / "whole.parquet"))
    assert read_parquet(tmp_path / "a.parquet").num_rows == 6


def test_a_parquet_file_that_was_changed_is_kept(command, model_file, good, tmp_path):
    pytest.importorskip("pyarrow")
    words = ("classify", model_file, good, "-o", tmp_path / "a.parquet")
    command(*words)
    (tmp_path / "a.parquet").write_bytes(b"mine")
    result = command(*words, "--resume")
    assert (result.code, "was changed since it was written" in result.err) == (2, True)
    assert (tmp_path / "a.parquet").read_bytes() == b"mine"
    assert command(*words).code == 2


def test_parquet_needs_a_file_and_its_library(command, model_file, good, tmp_path, monkeypatch):
    result = command("classify", model_file, good, "--format", "parquet")
    assert (result.code, "--format parquet is of a file; name one with -o." in result.err) == (2, True)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    result = command("classify", model_file, good, "-o", tmp_path / "a.parquet")
    assert (result.code, "pip install 'gmmaudio[parquet]'" in result.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_in_parquet(command, model_file, good, tmp_path):
    pytest.importorskip("pyarrow")
    named = tmp_path / "caf\udce9.wav"
    shutil.copy(good, named)
    assert command("classify", model_file, named, "-o", tmp_path / "a.parquet").code == 0
    (row,) = read_parquet(tmp_path / "a.parquet").to_pylist()
    (line,) = lines_of_json(command("classify", model_file, named, "--format", "jsonl"))
    assert row["path"] == line["path"].encode("utf-8", "backslashreplace").decode()


# --- Excel -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def comma(monkeypatch):
    """A system whose decimal sign is a comma."""
    import locale

    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": ","})


@pytest.mark.usefixtures("comma")
def test_excel_opens_the_table_by_the_settings_of_the_computer(command, model_file, good, tmp_path):
    words = ("classify", model_file, good, "-o", tmp_path / "a.csv", "--excel")
    result = command(*words)
    assert (result.code, result.err) == (0, "for Excel: ';' separates cells, the decimal sign is ','\n")
    data = (tmp_path / "a.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfpath;status;label;")
    lines = data.decode("utf-8-sig").split("\r\n")
    assert (len(lines), lines[-1]) == (3, "")
    assert not any("\n" in line for line in lines)
    plain = rows_of_csv(command("classify", model_file, good, "--format", "csv"))
    (row,) = csv.DictReader(lines, delimiter=";")
    assert "," in row["probability"]
    assert "," in row["score_1"]
    numbers = ("probability", "duration_s", "score_1", "probability:low")
    assert {name: row[name].replace(",", ".") for name in numbers} == {name: plain[0][name] for name in numbers}
    shown = command(*words[:3], "--excel")
    assert shown.out.encode() == data
    assert command(*words[:3], "--excel", "-q").err == ""


def test_excel_of_a_system_with_a_decimal_point_reads_commas(command, model_file, good):
    result = command("classify", model_file, good, "--excel")
    assert result.out.startswith("\ufeffpath,status,")
    assert result.out.removeprefix("\ufeff") == command("classify", model_file, good, "--format", "csv").out


def test_a_table_for_excel_is_not_resumed_with_other_signs(command, model_file, good, tmp_path, monkeypatch):
    import locale

    words = ("classify", model_file, good, "-o", tmp_path / "a.csv", "--excel")
    command(*words)
    assert command(*words, "--resume").code == 0
    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": ","})
    result = command(*words, "--resume")
    assert (result.code, "--excel was ', .' and is '; ,' now" in result.err) == (2, True)


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_excel_is_a_style_of_csv(command, model_file, good, name, tmp_path):
    result = command("classify", model_file, good, "--excel", "--format", name, "-o", tmp_path / "a")
    assert result.code == 2
    assert f"--excel is a style of CSV, and the format is {name}: leave one out." in result.err


def test_excel_needs_a_locale_that_is_installed(command, model_file, good, monkeypatch):
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    result = command("classify", model_file, good, "--excel")
    assert (result.code, result.out) == (2, "")
    assert "is not installed; set LC_NUMERIC to one of `locale -a`" in result.err


@pytest.mark.usefixtures("comma")
def test_a_table_of_excel_is_evaluated(command, model_file, good, tmp_path):
    head, line, _ = command("classify", model_file, good, "--excel").out.split("\r\n")
    (tmp_path / "a.csv").write_text(f"{head};true_label\r\n{line};low\r\n", encoding="utf-8")
    result = command("evaluate", "--scores", tmp_path / "a.csv", "--json", "-")
    assert (result.code, json.loads(result.out)["accuracy"]) == (0, 1.0)
