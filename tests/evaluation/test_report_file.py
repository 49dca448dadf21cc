"""The JSON of a report: its format, what was written before there was one, and what is newer."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import Protocol, ScoredClip, make_report
from gmmaudio.evaluation.report import FORMAT
from gmmaudio.evaluation.report_file import UPGRADED_FROM, read_report, to_json, upgrade

GOLDEN = Path(__file__).parent.parent / "golden"
KINDS = ("crossval", "evaluate", "predictions")


def write_tones(root):
    """Write the corpus of the golden reports: sawtooths of whole numbers, the same samples with any library."""
    rows = []
    for i, label in enumerate(("low", "mid", "high")):
        for j, group in enumerate("abc"):
            for take in range(2):
                path = root / label / f"{group}{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = np.random.default_rng((i, j, take)).integers(-900, 900, size=8000)
                period = (67, 41, 23)[i] + (2, 5, 11)[j] + take
                samples = (np.arange(8000) * 9001 // period) % 9001 - 4500 + noise
                soundfile.write(path, samples.astype(np.int16), 16000, subtype="PCM_16")
                source = ("field", "studio")[take]
                rows.append({"path": f"{label}/{path.name}", "label": label, "group": f"{label}-{group}"})
                rows[-1]["source"] = source
    with (root / "plain.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"))


def golden(kind):
    return GOLDEN / f"report-0-{kind}.json"


def example():
    clips = [
        ScoredClip(str(i), (f"{i}.wav",), "ab"[i % 2], "g", f"g{i}", None, "1", 0, "a", {"a": -1.0, "b": -2.0 + i % 2})
        for i in range(4)
    ]
    return make_report(clips, ["a", "b"], Protocol("by hand", "group", 0, ("1",), 1, ("a", "b"), ()))


def test_what_is_written_has_a_format_and_reads_back(tmp_path):
    report = example()
    path = tmp_path / "r.json"
    path.write_text(to_json(report))
    assert json.loads(path.read_text())["format"] == FORMAT
    assert next(iter(report.to_dict())) == "format"
    # tuples have become lists
    assert read_report(path) == json.loads(json.dumps(report.to_dict()))
    assert upgrade(report.to_dict()) == report.to_dict()


def test_a_later_minor_format_is_read_and_a_later_major_one_refused_with_the_cure(tmp_path):
    major, minor = map(int, FORMAT.split("."))
    assert upgrade({"format": f"{major}.{minor + 9}", "more": 1})["more"] == 1
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"format": f"{major + 1}.0"}))
    with pytest.raises(CorpusError) as error:
        read_report(path)
    assert (
        str(error.value) == f"{path}: has format {major + 1}.0, and this version reads up to {FORMAT}; update gmmaudio"
    )


@pytest.mark.parametrize(
    "version", [1, 1.0, None, "1", "1.x", "-1.0", "1.0\n", "", "1.٢", "9" * 5000 + ".0", "0.1", "01.0", "1.04", "00.0"]
)
def test_a_format_that_is_no_version_is_refused(version):
    with pytest.raises(CorpusError, match="expected a version such as"):
        upgrade({"format": version})


@pytest.mark.parametrize("kind", KINDS)
def test_reports_without_a_format_get_the_names_of_today(kind):
    old, new = json.loads(golden(kind).read_text()), read_report(golden(kind))
    assert "format" not in old
    assert new["format"] == FORMAT
    gone = {"breakdowns", "figures_from", "guards", "passed"}
    assert set(new) == set(old) - gone | {"format", UPGRADED_FROM, "slices", "computed_from", "findings"}
    texts = [("warning", text) for text in old["guards"]] + [("passed", text) for text in old["passed"]]
    assert [(f["code"], f["level"], f["text"]) for f in new["findings"]] == [("note", *text) for text in texts]
    assert [f["text"] for f in new["run"].get("findings", [])] == old["run"].get("notes", [])
    names = {"cut": "durations", "stress": "robustness", "inflation": "random_split"}
    assert new["slices"] == {names.get(name, name): rows for name, rows in old["breakdowns"].items()}
    assert (new["computed_from"], new["clips"], new["protocol"]) == (old["figures_from"], old["clips"], old["protocol"])
    if kind == "crossval":
        assert new["spread"]["accuracy"]["std"] == old["spread"]["accuracy"]["deviation"]
        assert set(new["slices"]) == {"source", "durations", "learning_curve", "random_split", "robustness"}
        division = new["run"]["options"]["division"]
        assert (division["compare_random_split"], division["robustness"]) == (True, True)
        assert not {"show_inflation", "stress"} & set(division)
    if kind == "evaluate":
        assert new["run"]["options"]["robustness"] is True
        assert "stress" not in new["run"]["options"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"run": {}},
        {"run": 3, "spread": None, "breakdowns": []},
        {"run": {"options": {"division": None}}, "spread": {"accuracy": 1}},
    ],
)
def test_what_a_damaged_file_lacks_stays_lacking(document):
    upgraded = upgrade(document)
    assert (upgraded.pop("format"), upgraded.pop(UPGRADED_FROM)) == (FORMAT, None)
    assert upgraded == {{"breakdowns": "slices"}.get(key, key): value for key, value in document.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_compare_reads_reports_without_a_format(command, kind):
    done = command("compare", golden(kind), golden(kind))
    assert done.code == 0, done.err
    assert "A and B are equally accurate" in done.out
    n_groups = json.loads(golden(kind).read_text())["n"] // 2
    assert f"18 clips, {n_groups} groups" in done.out
    assert "warning: A" in done.err


def test_compare_sets_an_old_report_beside_a_new_one(command, tones, tmp_path):
    new = tmp_path / "new.json"
    words = ("--components", "1", "--folds", "2", "--repeats", "2", "--durations", "none", "--json")
    assert command("crossval", tones / "plain.csv", *words, new).code == 0
    done = command("compare", golden("crossval"), new)
    assert (done.code, "A and B are equally accurate" in done.out) == (0, True)
    assert "protocols differ" not in done.err


def test_reproduce_reads_a_crossval_report_without_a_format(command, tones):
    done = command("reproduce", golden("crossval"), "--corpus", tones)
    assert (done.code, done.out.splitlines()[-1].startswith("reproduced")) == (0, True), done.out


def test_reproduce_reads_an_evaluate_report_without_a_format(command, tones):
    model = GOLDEN / "report-0-model.safetensors"
    done = command("reproduce", golden("evaluate"), "--corpus", tones, "--model", model)
    assert (done.code, done.out.splitlines()[-1].startswith("reproduced")) == (0, True), done.out


def test_reproduce_reads_a_report_of_predictions_without_a_format(command):
    done = command("reproduce", golden("predictions"), "--corpus", GOLDEN / "report-0-predictions.csv")
    assert (done.code, done.out.splitlines()[-1].startswith("reproduced")) == (0, True), done.out


def test_reproduce_still_finds_what_differs_in_an_old_report(command, tones, tmp_path):
    old = json.loads(golden("crossval").read_text())
    old["breakdowns"]["cut"][0]["accuracy"] += 0.125
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    done = command("reproduce", path, "--corpus", tones)
    assert done.code == 1
    assert "number: slices.durations[0.3 s].accuracy: " in done.out


def test_reproduce_and_compare_refuse_a_newer_format(command, tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"format": "999.0", "clips": []}')
    for words in (("reproduce", path), ("compare", path, golden("crossval"))):
        done = command(*words)
        assert (done.code, "has format 999.0, and this version reads up to" in done.err) == (3, True)
        assert "update gmmaudio" in done.err
