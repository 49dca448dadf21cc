"""What is said where labels and recording sources cannot be told apart: with each answer, and once for a run."""

import csv
import html
import io
import json

import pytest

from gmmaudio.models import load_model
from tests.conftest import write_manifest

pytestmark = pytest.mark.usefixtures("few_draws")

CODE = "confounded_training_set"
WORDS = "labels and recording sources cannot be told apart in the training set ('high', 'low', 'mid')"


@pytest.fixture(scope="module")
def confounded(corpus):
    """A manifest in which every label is of a source of its own, and one of the clips as they would be elsewhere."""
    rows = [{**row, "source": f"of {row['label']}"} for row in corpus.rows]
    elsewhere = [{**row, "source": "elsewhere"} for row in corpus.rows]
    # beside the corpus, which the paths are relative to
    return (
        write_manifest(corpus.root / "confounded.csv", rows),
        write_manifest(corpus.root / "elsewhere.csv", elsewhere),
    )


@pytest.fixture(scope="module")
def confounded_model(confounded, tmp_path_factory):
    from gmmaudio import pipeline
    from gmmaudio.models import save_model

    path = tmp_path_factory.mktemp("confounded") / "m.gmm"
    save_model(pipeline.train(confounded[0], pipeline.make_recipe(n_components=2)).model, path)
    return path


@pytest.fixture
def files(corpus):
    return [corpus.root / row["path"] for row in corpus.rows if row["split"] == "test"][:3]


def test_text_says_it_once_for_the_run(command, confounded_model, files):
    done = command("classify", confounded_model, *files, "--quiet")
    assert done.code == 0
    assert done.err.count(WORDS) == 1 and WORDS not in done.out
    assert "(--same-sources)" in done.err
    assert [line.split("\t")[2] for line in done.out.splitlines()] == ["33.3 %"] * 3


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_has_it_with_each_answer(command, confounded_model, files, name):
    out = command("classify", confounded_model, *files, "--format", name).out
    answers = json.loads(out) if name == "json" else [json.loads(line) for line in out.splitlines()]
    answers = [answer for answer in answers if answer["status"] != "batch"]
    assert len(answers) == 3
    for answer in answers:
        (caveat,) = answer["caveats"]
        assert (caveat["code"], caveat["level"]) == (CODE, "alarm") and caveat["text"].startswith(WORDS)


def test_tables_have_a_column_of_codes(command, confounded_model, model_file, files, tmp_path):
    rows = list(csv.DictReader(io.StringIO(command("classify", confounded_model, *files, "--format", "csv").out)))
    assert [row["caveats"] for row in rows] == [CODE] * 3
    # a model without caveats has no such column
    (row, *_) = csv.DictReader(io.StringIO(command("classify", model_file, *files, "--format", "csv").out))
    assert "caveats" not in row
    parquet = pytest.importorskip("pyarrow.parquet")
    assert command("classify", confounded_model, *files, "-o", tmp_path / "out.parquet").code == 0
    assert parquet.read_table(tmp_path / "out.parquet")["caveats"].to_pylist() == [CODE] * 3


def test_probabilities_in_csv_tell_labels_apart_where_priors_have_all_but_a_trace_of_them(
    command, confounded_model, model_file, files, tmp_path
):
    done = command("classify", confounded_model, *files, "--format", "csv")
    for row in csv.DictReader(io.StringIO(done.out)):
        given = {name: float(row[f"probability:{name}"]) for name in ("high", "low", "mid")}
        assert row["label"] == max(given, key=given.get) and sum(given.values()) == pytest.approx(1, abs=1e-12)
        assert sorted(given.values())[2] - sorted(given.values())[1] > 1e-10
        # the four digits of the calibration are left: its share is 10^-9
        assert len(row["probability"]) == len("0.") + 13
    # with a smaller share of the priors four digits are enough
    (row, *_) = csv.DictReader(io.StringIO(command("classify", model_file, *files, "--format", "csv").out))
    assert len(row["probability"]) == len("0.") + 4


def test_clips_of_unknown_sources_are_not_of_the_unknown_source_of_training(command, corpus, tmp_path):
    from gmmaudio import pipeline
    from gmmaudio.models import save_model

    rows = [{**row, "path": corpus.root / row["path"]} for row in corpus.rows]
    # one singer of the training set is of an unknown source
    some = [{**row, "source": "" if row["singer"] == "ann" else row["source"]} for row in rows]
    train = write_manifest(tmp_path / "train.csv", some)
    save_model(pipeline.train(train, pipeline.make_recipe(n_components=2)).model, tmp_path / "m.gmm")
    share = load_model(tmp_path / "m.gmm").calibration.source_shift.prior_share
    assert share > 0.4
    test = write_manifest(tmp_path / "test.csv", [{**row, "source": ""} for row in rows])
    words = ("--split", "test", "--durations", "none", "--cache", "none", "--json", tmp_path / "report.json")
    assert command("evaluate", tmp_path / "m.gmm", test, *words).code == 0
    clips = json.loads((tmp_path / "report.json").read_text())["clips"]
    assert max(max(clip["probability"].values()) for clip in clips) <= 1 - share + share / 3


def test_the_same_sources_give_the_probabilities_of_the_calibration(command, confounded_model, files):
    words = ("classify", confounded_model, *files, "--format", "jsonl")
    given, known = (
        [json.loads(x) for x in command(*words, *more).out.splitlines()] for more in ((), ("--same-sources",))
    )
    for one, other in zip(given, known, strict=True):
        if one["status"] != "batch":
            assert one["label"] == other["label"] and one["scores"] == other["scores"]
            assert max(other["probability"].values()) > max(one["probability"].values()) + 0.1
            assert "caveats" not in other
    assert WORDS not in command(*words, "--same-sources").err


def test_timelines_have_it_too(command, confounded_model, files):
    words = ("timeline", confounded_model, files[0], "--format", "json", "--window", "0.5")
    given, known = command(*words), command(*words, "--same-sources")
    assert given.err.count(WORDS) == 1 and WORDS not in known.err
    one, other = json.loads(given.out), json.loads(known.out)
    assert [caveat["code"] for caveat in one["caveats"]] == [CODE] and "caveats" not in other
    assert [part["label"] for part in one["segments"]] == [part["label"] for part in other["segments"]]
    assert one["segments"][0]["probability"] == pytest.approx(1 / 3, abs=1e-3)
    assert other["segments"][0]["probability"] > 0.4
    # labels alone: unknown and silence stay
    for row, before in zip(one["posteriors"], other["posteriors"], strict=True):
        assert row[-2:] == before[-2:] and sum(row) == pytest.approx(sum(before), abs=1e-3)
        assert max(row[:-2]) - min(row[:-2]) < 1e-3


def test_the_page_of_a_timeline_has_it(command, confounded_model, files):
    words = ("timeline", confounded_model, files[0], "--format", "html", "--window", "0.5")
    page = html.unescape(command(*words).out)
    assert page.count(f"<strong>Caveat:</strong> {WORDS}") == 1
    assert "Caveat" not in command(*words, "--same-sources").out


def test_info_and_card_say_it(command, confounded_model, model_file):
    lines = command("info", confounded_model).out
    assert f"alarm: {WORDS}" in lines
    assert "other sources: class priors have a share of 100.0 %; nothing was measured" in lines
    assert "1 sources" in lines
    shift = json.loads(command("info", confounded_model, "--json").out)["calibration"]["source_shift"]
    assert shift["confounded"] == ["high", "low", "mid"] and shift["n_sources"] == 3
    assert f"Caveat: {WORDS}" in command("card", confounded_model).out.replace("\\", "")
    other = command("info", model_file).out
    assert "learned by leaving out 2 of 2 sources" in other and WORDS not in other


def test_a_test_set_of_other_sources_has_the_share_and_one_of_the_same_has_not(
    command, confounded, confounded_model, tmp_path
):
    reports = {}
    for name, manifest in zip(("same", "other"), confounded, strict=True):
        words = ("--split", "test", "--durations", "none", "--json", tmp_path / f"{name}.json")
        command("evaluate", confounded_model, manifest, *words)
        report = json.loads((tmp_path / f"{name}.json").read_text())
        reports[name] = ({f["code"]: f["text"] for f in report["findings"]}, report["clips"])
    found, clips = reports["same"]
    assert "in_domain_probabilities" in found and CODE not in found
    assert "Cllr 1.585 bits" in found["in_domain_probabilities"]
    assert max(max(clip["probability"].values()) for clip in clips) > 0.4
    found, clips = reports["other"]
    assert CODE in found and "in_domain_probabilities" not in found
    assert max(max(clip["probability"].values()) for clip in clips) < 0.334


def test_a_cross_validation_says_what_its_probabilities_hold_for(command, confounded, tmp_path):
    words = ("crossval", confounded[0], "--components", "2", "--folds", "3", "--durations", "none", "--cache", "none")
    assert command(*words, "--json", tmp_path / "report.json").code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    (text,) = [each["text"] for each in report["findings"] if each["code"] == "in_domain_probabilities"]
    start = "labels and sources cannot be told apart in training: probabilities of 12 clips are those for recordings of"
    assert text.startswith(start) and text.endswith("Cllr 1.585 bits")


def test_older_files_without_sources_are_as_they_were(command, model_file, files, tmp_path):
    from dataclasses import replace

    from gmmaudio.models import save_model

    model = load_model(model_file)
    old = model.in_domain()
    clips = tuple(replace(clip, source=None) for clip in model.training.clips)
    save_model(replace(old, training=replace(old.training, clips=clips)), tmp_path / "old.gmm")
    done = command("classify", tmp_path / "old.gmm", files[0], "--format", "jsonl")
    assert "caveats" not in json.loads(done.out.splitlines()[0])
    assert "sources of the training clips are unknown" in command("info", tmp_path / "old.gmm").out


@pytest.mark.parametrize("words", [("sort", "--into", "sorted", "--copy"), ("tag", "--field", "genre")])
def test_files_get_labels_only_as_recordings_of_the_same_sources(
    command, confounded_model, files, tmp_path, monkeypatch, words
):
    if words[0] == "tag":
        pytest.importorskip("mutagen")
    monkeypatch.chdir(tmp_path)
    verb, *rest = words
    low = ("--min-probability", "0.34", "--cache", "none", "--quiet")
    given = command(verb, confounded_model, *files[:1], *rest, *low)
    known = command(verb, confounded_model, *files[:1], *rest, *low, "--same-sources")
    assert given.err.count(WORDS) == 1 and WORDS not in known.err
    assert "0.33" in given.out + given.err or "33" in given.out + given.err
    assert given.out != known.out
