"""Files of results: written whole, read back the same, refused where they are something else."""

import json
import re
from dataclasses import asdict

import pytest

from results import record as records


def test_a_record_is_read_back_as_it_was_written(record, tmp_path):
    path = records.write_record(record, tmp_path / "new")
    assert path == tmp_path / "new" / "speed.json"
    assert records.read_record(path) == record
    assert [each.name for each in path.parent.iterdir()] == ["speed.json"]


def test_a_new_record_names_command_day_versions_and_machine(monkeypatch):
    monkeypatch.setattr("sys.argv", ["anything", "--rounds", "1", "a b"])
    made = records.make_record("a", "A", "how", [{"x": 1}], packages=["pytest", "no-such-package"])
    assert made.command.startswith("python -m ") and made.command.endswith(" --rounds 1 'a b'")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made.date)
    assert {"python", "gmmaudio", "numpy", "pytest"} <= set(made.versions) and "no-such-package" not in made.versions
    assert made.machine["cores"] >= 1 and {"system", "architecture"} <= set(made.machine)
    assert (made.protocol, made.rows) == ("how", [{"x": 1}])


def test_a_value_that_is_no_number_is_not_written(record, tmp_path):
    record.rows[0]["cpu_s"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.write_record(record, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "expected format 1 and name 'speed', got 2 and 'speed'"),
        ({"name": "other"}, "expected format 1 and name 'speed', got 1 and 'other'"),
        ({"extra": 1}, "expected an object with the fields command, date, format, machine, name, "),
    ],
)
def test_a_file_of_another_form_is_refused(record, tmp_path, change, message):
    path = tmp_path / "speed.json"
    path.write_text(json.dumps(asdict(record) | change))
    with pytest.raises(ValueError, match=re.escape(message)):
        records.read_record(path)


def test_a_missing_file_and_broken_json_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"demo\.json is missing; run the command that writes it"):
        records.read_record(tmp_path / "demo.json")
    (tmp_path / "demo.json").write_text("{")
    with pytest.raises(ValueError, match=r"demo\.json is not JSON"):
        records.read_record(tmp_path / "demo.json")


def test_every_committed_file_can_be_read_and_made_again():
    for each in records.read_all():
        assert each.command.startswith("python -m "), each.name
        assert each.rows and each.protocol and each.title, each.name
