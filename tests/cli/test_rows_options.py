"""Rows of another program on the command line: trained on, scored and classified as sound is."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import load_model, make_recipe
from gmmaudio.features import GivenFrames
from gmmaudio.pipeline import read_rows
from tests.cli.conftest import lines_of_json, tensors_of
from tests.trials.test_array_files import write

pytestmark = pytest.mark.usefixtures("few_draws")

NAMED = ("--rows-name", "mfcc")
SMALL = ("--components", "2", "--cache", "none", "-q")


@pytest.fixture(scope="module")
def rows(corpus, tmp_path_factory):
    """A folder with the frames of the classic front end, a file for each clip."""
    folder = tmp_path_factory.mktemp("rows")
    paths = [row["path"] for row in corpus.rows]
    for path, item in zip(paths, read_rows(make_recipe().features, [corpus.root / p for p in paths]), strict=True):
        write(folder / f"{path}.npy", {"": item.rows.values})
    return folder


@pytest.fixture(scope="module")
def trained(corpus, rows, tmp_path_factory):
    """A model of rows, trained on ann and bob."""
    from gmmaudio import GivenRows, pipeline, save_model

    path = tmp_path_factory.mktemp("trained") / "rows.gmm"
    result = pipeline.train(corpus.split, make_recipe(n_components=2), rows=GivenRows(rows, rows_name="mfcc"))
    save_model(result.model, path)
    return path


def test_a_model_of_rows_has_the_numbers_of_that_of_sound(command, corpus, rows, tmp_path):
    sound, given = tmp_path / "sound.gmm", tmp_path / "rows.gmm"
    assert command("train", corpus.split, "-o", sound, *SMALL).code == 0
    result = command("train", corpus.split, "--rows", rows, *NAMED, "--rows-rate", "43", "-o", given, *SMALL)
    assert result.code == 0
    assert "note: rows of 'mfcc' (20 columns) were given, not sound" in result.err
    assert tensors_of(given) == tensors_of(sound)
    assert load_model(given).features.frames == GivenFrames(rows_name="mfcc", n_columns=20, rows_rate_hz=43.0)
    page = command("info", given).out
    assert "front end: 20 columns of 'mfcc', as they are given = 20 numbers a frame, 43 rows a second" in page


def test_crossval_and_evaluate_report_on_rows(command, corpus, rows, trained, tmp_path):
    words = ("crossval", corpus.plain, "--folds", "3", "--durations", "none", *SMALL, "--json", "-")
    sound, given = json.loads(command(*words).out), json.loads(command(*words, "--rows", rows, *NAMED).out)
    assert [clip["scores"] for clip in given["clips"]] == [clip["scores"] for clip in sound["clips"]]
    assert [clip["duration_s"] for clip in given["clips"]] == 18 * [None]
    result = command("evaluate", trained, corpus.split, "--rows", rows, *NAMED, "--json", "-", "-q")
    report = json.loads(result.out)
    assert (result.code, report["n"], "durations" in report["slices"]) == (0, 6, False)
    (tmp_path / "r.json").write_text(result.out)
    again = ("reproduce", tmp_path / "r.json", "--model", trained, "-q")
    assert command(*again, "--rows", rows, *NAMED).out.startswith("reproduced, bit for bit")
    refused = command(*again)
    assert (refused.code, refused.out) == (3, "")
    assert "is the report of rows that were given; name these (--rows)" in refused.err
    # of another rate, column or name
    for option, value, text in (
        ("--rows-rate", "9", "--rows-rate is 9, and that of the model's rows is none"),
        ("--rows-name", "w2v", "--rows-name is 'w2v', and the model takes rows of 'mfcc'"),
    ):
        refused = command(*again, "--rows", rows, option, value)
        assert text in refused.err
    assert "all 6 clips failed" in command(*again, "--rows", rows, "--rows-column", "none").err


def test_a_column_of_the_manifest_names_the_rows(command, corpus, rows, trained, tmp_path, tools):
    keys = {row["path"]: f"utt{i}" for i, row in enumerate(corpus.rows)}
    table = [row | {"utt": keys[row["path"]], "index": i} for i, row in enumerate(corpus.rows)]
    manifest = tools.write_manifest(tmp_path / "m.csv", table)
    arrays = {path: np.load(rows / f"{path}.npy") for path in keys}
    by_key = write(tmp_path / "all.npz", {keys[path]: array for path, array in arrays.items()})
    base = ("--rows-column", "utt", *NAMED)
    assert command("train", manifest, "--rows", by_key, *base, "-o", tmp_path / "m.gmm", *SMALL).code == 0
    assert tensors_of(tmp_path / "m.gmm") == tensors_of(trained)
    words = ("crossval", manifest, "--split", "train", "--folds", "2", *SMALL)
    assert command(*words, "--rows", by_key, *base).code == 0
    result = command("evaluate", trained, manifest, "--rows", by_key, *base, "--json", "-", "-q")
    assert json.loads(result.out)["n"] == 6
    np.save(tmp_path / "X.npy", np.stack([array.mean(axis=0) for array in arrays.values()]))
    one = ("--rows", tmp_path / "X.npy", "--rows-column", "index", "--rows-name", "means")
    assert command("train", manifest, *one, "-o", tmp_path / "v.gmm", "--components", "1", "-q").code == 0
    assert load_model(tmp_path / "v.gmm").training.rows == {"high": 4, "low": 4, "mid": 4}


def test_classify_answers_for_all_rows_of_a_folder_or_a_file(command, rows, trained, tmp_path):
    by_folder = lines_of_json(command("classify", trained, "--rows", rows, *NAMED, "--format", "jsonl", "-q"))
    assert [answer["label"] for answer in by_folder] == [answer["path"].split("/")[0] for answer in by_folder]
    assert len(by_folder) == 18
    names = [answer["path"].removesuffix(".npy") for answer in by_folder]
    for suffix in (".npz", ".safetensors"):
        place = write(tmp_path / f"all{suffix}", {name: np.load(rows / f"{name}.npy") for name in names})
        by_file = lines_of_json(command("classify", trained, "--rows", place, "--format", "jsonl", "-q"))
        assert [answer["scores"] for answer in by_file] == [answer["scores"] for answer in by_folder]
        assert [answer["path"] for answer in by_file] == names
    one = command("classify", trained, "--rows", rows / f"{names[0]}.npy", "-q")
    assert (one.code, one.out.split("\t")[:2]) == (0, [Path(f"{names[0]}.npy").name, by_folder[0]["label"]])


def test_classify_goes_on_with_rows_where_it_was_stopped(command, rows, trained, tmp_path):
    words = ("classify", trained, "--rows", rows, "--format", "csv", "-o", tmp_path / "a.csv", "-q")
    assert command(*words, "--shard", "1/2").code == 0
    first = (tmp_path / "a.csv").read_text()
    assert len(first.splitlines()) == 10
    result = command(*words, "--shard", "1/2", "--resume")
    assert (result.code, (tmp_path / "a.csv").read_text()) == (0, first)


def test_a_bad_file_among_many_is_named_and_counted(command, corpus, rows, trained, tmp_path):
    folder = tmp_path / "some"
    paths = [row["path"] for row in corpus.rows]
    for path in paths:
        write(folder / f"{path}.npy", {"": np.load(rows / f"{path}.npy")})
    (folder / f"{paths[0]}.npy").write_bytes(b"no array")
    np.save(folder / f"{paths[1]}.npy", np.ones((3, 4)))
    (folder / f"{paths[2]}.npy").unlink()
    result = command("train", corpus.plain, "--rows", folder, *NAMED, "-o", tmp_path / "m.gmm", *SMALL)
    assert result.code == 1
    assert f"skipped [damaged] {paths[0]}: cannot be read as .npy" in result.err
    assert f"skipped [wrong_dimension] {paths[1]}: has 4 columns; expected 20, as 'mfcc' has" in result.err
    assert f"skipped [vanished] {paths[2]}: has no {paths[2]}.npy in {folder}, nor another format" in result.err
    assert "3 inputs failed" in result.err
    result = command("classify", trained, "--rows", folder, "-q")
    assert (result.code, len(result.out.splitlines())) == (1, 15)
    assert result.err.count("skipped [") == 2
    report = command("crossval", corpus.plain, "--rows", folder, *NAMED, *SMALL, "--folds", "2", "--json", "-")
    assert (report.code, json.loads(report.out)["n"]) == (1, 15)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "{plain}", "-o", "m.gmm", "--rows", "{rows}"), "--rows needs --rows-name, such as"),
        (("crossval", "{plain}", "--rows", "{rows}"), "--rows needs --rows-name, such as"),
        (
            ("train", "{plain}", "-o", "m.gmm", "--rows-name", "x"),
            "--rows-name, --rows-column and --rows-rate have an effect with --rows only.",
        ),
        (("evaluate", "{trained}", "{plain}", "--rows-rate", "5"), "have an effect with --rows only."),
        (("classify", "{trained}", "--rows-column", "x", "a.wav"), "have an effect with --rows only."),
        (("classify", "{trained}", "a.wav", "--rows", "{rows}"), "--rows names the clips: leave out PATH"),
        (("classify", "{trained}", "--from-file", "l", "--rows", "{rows}"), "--rows names the clips: leave out PATH"),
        (
            ("train", "{plain}", "-o", "m.gmm", "--rows", "{rows}", "--rows-name", "x", "--rows-rate", "0"),
            "--rows-rate is 0; expected 0.0001 to 384000 rows in a second",
        ),
        (
            ("train", "{plain}", "-o", "m.gmm", "--rows", "{rows}", "--rows-name", ""),
            "--rows-name is ''; expected the name of what made the rows",
        ),
        (
            ("train", "{plain}", "-o", "m.gmm", "--rows", "{rows}", "--rows-name", "x", "--augment", "gain"),
            "--augment degrades sound, which rows do not have; leave it out",
        ),
        (
            ("train", "{plain}", "-o", "m.gmm", "--rows", "{rows}", "--rows-name", "x", "--trial-seconds", "3"),
            "--trial-seconds is 3, and the rate of the rows is not known; name it (--rows-rate)",
        ),
        (
            ("crossval", "{plain}", "--rows", "{rows}", "--rows-name", "x", "--robustness"),
            "--robustness degrades sound, which rows do not have; leave it out",
        ),
        (
            ("classify", "{trained}", "{song}"),
            "the model takes rows of 'mfcc' (20 columns), not sound; make such rows of the files, and name those "
            "(--rows)",
        ),
        (("evaluate", "{trained}", "{plain}"), "the model takes rows of 'mfcc' (20 columns), not sound"),
        (("timeline", "{trained}", "{song}"), "the model takes rows of 'mfcc' (20 columns), not sound"),
        (("explain", "{trained}", "{song}"), "the model takes rows of 'mfcc' (20 columns), not sound"),
        (
            ("classify", "{sound}", "--rows", "{rows}"),
            "the model takes sound, and rows are given; leave them out, or train a model of such rows (--rows)",
        ),
        (("evaluate", "{sound}", "{plain}", "--rows", "{rows}"), "the model takes sound, and rows are given"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_cure(
    command, corpus, rows, trained, model_file, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    song = corpus.root / corpus.rows[0]["path"]
    places = {"plain": corpus.plain, "rows": rows, "trained": trained, "sound": model_file, "song": song}
    result = command(*(word.format(**places) for word in words))
    assert (result.code, result.out) == (2, "")
    assert message in " ".join(result.err.split())
    assert list(tmp_path.iterdir()) == []


def test_rows_are_no_output(command, corpus, tmp_path, rows):
    place = write(tmp_path / "all.npz", {"a": np.ones(2)})
    result = command("train", corpus.plain, "--rows", place, *NAMED, "-o", place)
    assert result.code == 2
    assert "would overwrite the input" in result.err


@pytest.mark.parametrize("name", ["train", "crossval", "evaluate", "reproduce", "classify"])
def test_no_file_of_a_folder_of_rows_is_an_output(command, corpus, tmp_path, rows, trained, name):
    folder = tmp_path / "rows"
    shutil.copytree(rows, folder)
    victim = folder / f"{corpus.rows[3]['path']}.npy"
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "r.json").write_text("{}")
    before = victim.read_bytes()
    words = {
        "train": (corpus.plain, *NAMED, "-o"),
        "crossval": (corpus.plain, *NAMED, "--json"),
        "evaluate": (trained, corpus.split, "--report"),
        "reproduce": (tmp_path / "r.json", "--json"),
        "classify": (trained, "-o"),
    }[name]
    for output in (victim, tmp_path / "link"):
        result = command(name, *words, output, "--rows", folder, "-q")
        assert (result.code, result.out) == (2, "")
        assert f"{output} would overwrite the input {victim}; choose another path" in result.err
    assert victim.read_bytes() == before


def test_rows_that_are_not_there_are_told(command, corpus, tmp_path):
    # the name of a file that no system takes
    result = command("train", corpus.plain, "--rows", "a" * 300, *NAMED, "-o", tmp_path / "m")
    assert result.code == 3
    assert "cannot be read (File name too long)" in result.err
    result = command("train", corpus.plain, "--rows", tmp_path / "none", *NAMED, "-o", tmp_path / "m")
    assert result.code == 3
    assert f"gmmaudio: {tmp_path / 'none'}: is not there; check the path; expected a folder, or a file" in result.err


def test_a_place_without_rows_is_an_error(command, trained, tmp_path):
    result = command("classify", trained, "--rows", tmp_path)
    assert (result.code, result.out) == (3, "")
    assert f"{tmp_path}: holds no rows; expected files of .npy, .npz, .safetensors, .parquet" in result.err
