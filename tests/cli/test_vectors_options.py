"""Vectors of another program beside sound, on the command line."""

import json

import numpy as np
import pytest

from gmmaudio import GivenVectors, load_model, make_recipe
from tests.cli.conftest import lines_of_json
from tests.trials.test_array_files import write

pytestmark = pytest.mark.usefixtures("few_draws")

SMALL = ("--components", "2", "--cache", "none", "-q")


@pytest.fixture(scope="module")
def arrays(corpus):
    rng = np.random.default_rng(0)
    centres = {label: rng.normal(size=4) for label in ("low", "mid", "high")}
    return {row["path"]: centres[row["label"]] + rng.normal(size=4) for row in corpus.rows}


@pytest.fixture(scope="module")
def place(arrays, tmp_path_factory):
    return write(tmp_path_factory.mktemp("vectors") / "musicnn.npz", arrays)


@pytest.fixture(scope="module")
def trained(corpus, place, tmp_path_factory):
    """A model of sound and vectors, trained on ann and bob."""
    from gmmaudio import pipeline, save_model

    path = tmp_path_factory.mktemp("trained") / "both.gmm"
    save_model(pipeline.train(corpus.split, make_recipe(n_components=2), vectors=GivenVectors(place)).model, path)
    return path


def test_train_writes_the_model_of_the_library_and_says_what_it_needs(command, corpus, place, trained, tmp_path):
    words = ("train", corpus.split, "--vectors", place, "--components", "2", "--cache", "none")
    result = command(*words, "-o", tmp_path / "m.gmm")
    assert result.code == 0
    assert (tmp_path / "m.gmm").read_bytes() == trained.read_bytes()
    assert "note: vectors of 'musicnn' (4 columns) were given beside the sound" in result.err
    assert f"gmmaudio classify {tmp_path / 'm.gmm'} FILE_OR_FOLDER --vectors NEW_VECTORS" in result.err
    assert command(*words, "--vectors-name", "ours", "-q", "-o", tmp_path / "n.gmm").code == 0
    assert load_model(tmp_path / "n.gmm").vector_head.frames.rows_name == "ours"


def test_info_and_card_say_that_there_is_a_second_head(command, trained, model_file):
    line = "second head: vectors of 'musicnn' (4 columns), a Gaussian for each label with a covariance in common, PCA 3"
    assert line in command("info", trained).out
    described = json.loads(command("info", trained, "--json").out)["vector_head"]
    assert (described["vectors_name"], described["n_columns"]) == ("musicnn", 4)
    card = command("card", trained).out
    assert "They are the mean of two: of the sound, and of vectors that 'musicnn' makes of it (4 numbers" in card
    assert 'gmmaudio.classify(model, ["recording.wav"], vectors=gmmaudio.GivenVectors("vectors.npz")):' in card
    assert "second head" not in command("info", model_file).out
    assert "vectors" not in command("card", model_file).out


def test_training_with_the_settings_of_a_model_keeps_the_name_of_its_vectors(
    command, corpus, trained, arrays, tmp_path
):
    renamed = write(tmp_path / "renamed.npz", arrays)
    words = ("train", corpus.split, "--from-model", trained, "--no-comparison", "--vectors", renamed, "-q")
    assert command(*words, "-o", tmp_path / "m.gmm").code == 0
    assert load_model(tmp_path / "m.gmm").vector_head.frames.rows_name == "musicnn"
    assert command(*words, "--vectors-name", "ours", "-o", tmp_path / "n.gmm").code == 0
    assert load_model(tmp_path / "n.gmm").vector_head.frames.rows_name == "ours"


def test_crossval_evaluate_and_reproduce_take_vectors(command, corpus, place, trained, arrays, tmp_path, tools):
    words = ("crossval", corpus.plain, "--folds", "2", *SMALL, "--json", "-")
    sound, both = (json.loads(command(*words, *more).out) for more in ((), ("--vectors", place)))
    assert [clip["probability"] for clip in both["clips"]] != [clip["probability"] for clip in sound["clips"]]
    given = ("--vectors", place, "--vectors-name", "musicnn")
    result = command("evaluate", trained, corpus.split, *given, "--json", "-", "-q")
    assert (result.code, json.loads(result.out)["n"]) == (0, 6)
    (tmp_path / "r.json").write_text(result.out)
    again = ("reproduce", tmp_path / "r.json", "--model", trained, "-q")
    assert command(*again, *given).out.startswith("reproduced, bit for bit")
    assert "is the report of vectors that were given beside sound; name these (--vectors)" in command(*again).err
    # the name of the file is not that of the vectors
    (tmp_path / "b.json").write_text(json.dumps(both))
    renamed = write(tmp_path / "renamed.npz", arrays)
    found = command("reproduce", tmp_path / "b.json", "--vectors", renamed, "-q")
    assert found.out.startswith("reproduced, bit for bit")
    both["run"]["options"]["vectors"]["vectors_name"] = ["musicnn"]
    (tmp_path / "b.json").write_text(json.dumps(both))
    refused = command("reproduce", tmp_path / "b.json", "--vectors", renamed, "-q")
    assert "--vectors-name is ['musicnn']; expected a string" in refused.err
    # a column of the manifest
    table = [row | {"path": corpus.root / row["path"], "utt": f"u{i}"} for i, row in enumerate(corpus.rows)]
    manifest = tools.write_manifest(tmp_path / "m.csv", table)
    plain = tools.write_manifest(tmp_path / "p.csv", [row | {"split": ""} for row in table])
    named = write(tmp_path / "named.npz", {f"u{i}": arrays[row["path"]] for i, row in enumerate(corpus.rows)})
    column = ("--vectors", named, "--vectors-column", "utt", "--vectors-name", "musicnn")
    by_column = json.loads(command("evaluate", trained, manifest, *column, "--json", "-", "-q").out)
    assert [c["scores"] for c in by_column["clips"]] == [c["scores"] for c in json.loads(result.out)["clips"]]
    assert command("train", manifest, *column, "-o", tmp_path / "m.gmm", *SMALL).code == 0
    assert command("crossval", plain, "--fold-column", "fold", *column, *SMALL).code == 0
    refused = command(*again, "--vectors", place, "--vectors-column", "utt")
    assert "has no value in the column 'utt'; name its vectors there" in refused.err


def test_classify_takes_names_below_the_folder_and_counts_clips_without_any(command, corpus, place, trained, tmp_path):
    words = ("classify", trained, corpus.root, "--vectors", place, "--format", "jsonl", "-q")
    found = lines_of_json(command(*words))
    assert {answer["status"] for answer in found} <= {"ok", "unknown"}
    assert len(found) == 18
    # paths as they are named, in an order of their own
    by_path = write(
        tmp_path / "a.npz", {answer["path"]: np.load(place)[below(answer, corpus)] for answer in found[::-1]}
    )
    files = [answer["path"] for answer in found]
    again = command("classify", trained, *files, "--vectors", by_path, "--format", "jsonl", "-q", "-j", "2")
    assert lines_of_json(again) == found
    some = write(tmp_path / "some.npz", {name: np.load(place)[name] for name in np.load(place).files[1:]})
    result = command("classify", trained, corpus.root, "--vectors", some, "-q")
    assert (result.code, len(result.out.splitlines())) == (1, 17)
    assert "skipped [vanished]" in result.err
    assert "vectors: has no array in some.npz, by its path or by that without suffix; check both" in result.err


def below(answer, corpus):
    return answer["path"].removeprefix(f"{corpus.root}/")


def test_the_journal_of_classify_states_the_content_of_the_vectors(command, corpus, place, trained, arrays, tmp_path):
    vectors = write(tmp_path / "v.npz", arrays)
    words = ("classify", trained, corpus.root, "--vectors", vectors, "-o", tmp_path / "a.csv", "-q")
    assert command(*words).code == 0
    first = (tmp_path / "a.csv").read_bytes()
    assert GivenVectors(vectors).sha256() in (tmp_path / "a.csv.journal").read_text()
    assert command(*words, "--resume").code == 0
    assert (tmp_path / "a.csv").read_bytes() == first
    write(vectors, {path: -array for path, array in arrays.items()})
    refused = command(*words, "--resume")
    assert refused.code != 0
    assert "vectors" in refused.err
    assert (tmp_path / "a.csv").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("classify", "{trained}", "{good}"), "and none are given; name those of the clips (--vectors)"),
        (
            ("classify", "{model}", "{good}", "--vectors", "{place}"),
            "--vectors are given, and the model has no head on",
        ),
        (("classify", "{trained}", "{good}", "--vectors-name", "x"), "have an effect with --vectors only."),
        (
            ("classify", "{trained}", "{good}", "--vectors", "{place}", "--vectors-name", "x"),
            "--vectors-name is 'x', and the model takes vectors of 'musicnn' (4 columns)",
        ),
        (("train", "{plain}", "-o", "m.gmm", "--vectors", "gone.npz"), "gone.npz: is not there; check the path"),
        (("train", "{plain}", "-o", "{place}", "--vectors", "{place}"), "would overwrite"),
        (
            ("train", "{plain}", "-o", "m.gmm", "--rows", "{place}", "--rows-name", "r", "--vectors", "{place}"),
            "--vectors go beside sound, and --rows stand in its place",
        ),
        (
            ("crossval", "{plain}", "--vectors", "{place}", "--robustness"),
            "--robustness degrades sound, and the vectors",
        ),
        (("crossval", "{plain}", "--vectors", "{place}", "--learning-curve"), "--learning-curve trains on parts"),
        (("train", "{plain}", "-o", "m.gmm", "--from-model", "{trained}"), "name those of the clips (--vectors)"),
        (
            ("train", "{plain}", "-o", "m.gmm", "--from-model", "{trained}", "--vectors", "{place}"),
            "two heads are not compared; or train without the comparison (--no-comparison)",
        ),
        (
            ("timeline", "{trained}", "{good}"),
            "only classify and evaluate take; use these, or a model that was trained",
        ),
        (("explain", "{trained}", "{good}"), "only classify and evaluate take"),
        (("listen", "{trained}", "--raw", "22050"), "only classify and evaluate take"),
        (("tag", "{trained}", "{good}", "--field", "genre"), "only classify and evaluate take"),
        (("sort", "{trained}", "{good}", "--into", "sorted", "--copy"), "only classify and evaluate take"),
        (("stats", "{plain}", "--model", "{trained}", "-o", "s.stats"), "only classify and evaluate take"),
    ],
)
def test_what_does_not_go_with_vectors_is_refused(
    command, corpus, good, place, trained, model_file, words, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    named = {"plain": corpus.plain, "place": place, "trained": trained, "model": model_file, "good": good}
    result = command(*(word.format(**named) for word in words))
    assert result.code not in (0, 1)
    assert message in result.err
    assert not list(tmp_path.iterdir())
