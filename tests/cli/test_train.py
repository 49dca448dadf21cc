"""The command ``train``."""

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.audio import read_audio
from gmmaudio.cli.console import finding_line
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.findings import sort_findings
from gmmaudio.mixture import COVARIANCE_TYPES, INITS
from gmmaudio.models import load_model
from tests.cli.conftest import json_of, rows_of_csv, tensors_of

pytestmark = pytest.mark.usefixtures("few_draws")


def test_train_writes_a_model_and_says_what_it_did(command, corpus, tmp_path):
    result = command("train", corpus.split, "-o", tmp_path / "m.gmm")
    assert (result.code, result.out) == (0, "")
    assert f"wrote {tmp_path}/m.gmm: 3 labels from 12 clips" in result.err.splitlines()
    assert "low: 4.0 s, 176 frames, 16 components" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.gmm"]


def test_a_quiet_training_says_what_it_wrote_and_no_account(command, corpus, tmp_path):
    result = command("train", corpus.split, "-o", tmp_path / "m.gmm", "-q")
    assert (result.code, result.out) == (0, "")
    assert f"wrote {tmp_path}/m.gmm: 3 labels from 12 clips" in result.err.splitlines()
    assert "iterations" not in result.err


def test_the_last_lines_say_what_to_do_next(command, corpus, tmp_path):
    model = tmp_path / "my model.gmm"
    result = command("train", corpus.split, "-o", model, "--components", "2")
    *_, first, last = result.err.splitlines()
    assert first == f"to label new recordings: gmmaudio classify '{model}' FILE_OR_FOLDER"
    tell = "how often it is right on them, training cannot tell; to measure it: gmmaudio"
    # the corpus has clips that the model was not trained on
    assert last == f"{tell} evaluate '{model}' {corpus.split}"
    result = command("train", corpus.split, "-o", tmp_path / "m.gmm", "--components", "2", "--group-by", "parent")
    assert result.err.splitlines()[-1] == f"{tell} evaluate {tmp_path}/m.gmm {corpus.split} --group-by parent"
    words = ("train", corpus.plain, "--components", "2", "-o", model, "--seed", "3")
    assert command(*words).err.splitlines()[-1] == f"{tell} crossval {corpus.plain} --components 2 --seed 3"
    assert "tell" not in command(*words, "-q").err


def test_a_model_remembers_the_training_of_each_clip(command, corpus, tmp_path):
    command("train", corpus.split, "-o", tmp_path / "m.gmm", "--seed", "5", "--preset", "genre")
    training = load_model(tmp_path / "m.gmm").training
    used = [row for row in corpus.rows if row["split"] == "train"]
    assert [(clip.path, clip.label, clip.group) for clip in training.clips] == [
        (row["path"], row["label"], row["group"]) for row in used
    ]
    for clip in training.clips:
        samples = read_audio(corpus.root / clip.path, 22050)
        assert clip.sha256 == hashlib.sha256(samples.tobytes()).hexdigest()
    assert (training.seed, training.preset) == (5, "genre")
    assert training.seconds == {"low": 4.0, "mid": 4.0, "high": 4.0}
    assert set(training.versions) >= {"gmmaudio", "numpy", "librosa", "soxr", "python"}


def test_the_model_is_the_same_bytes_for_one_worker_and_two_and_every_time(command, corpus, tmp_path):
    for name, jobs in [("one", 1), ("again", 1), ("two", 2)]:
        # without a cache, from which the others would go on
        words = ("train", corpus.split, "-o", tmp_path / name, "-j", jobs, "--cache", "none")
        assert command(*words).code == 0
    assert (tmp_path / "again").read_bytes() == (tmp_path / "one").read_bytes()
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()


def test_the_model_is_the_same_bytes_wherever_the_corpus_lies(command, corpus, tmp_path, monkeypatch):
    shutil.copytree(corpus.root, tmp_path / "moved" / "here")
    command("train", corpus.root, "-o", tmp_path / "one")
    monkeypatch.chdir(tmp_path / "moved")
    command("train", "here", "-o", tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_seed_gives_another_model(command, corpus, tmp_path):
    for seed in (0, 1):
        command("train", corpus.split, "-o", tmp_path / f"{seed}", "--seed", seed)
    assert tensors_of(tmp_path / "0") != tensors_of(tmp_path / "1")


@pytest.mark.parametrize("covariance", COVARIANCE_TYPES)
@pytest.mark.parametrize("init", INITS)
def test_every_covariance_and_start_trains_a_model_that_knows_its_clips(command, corpus, tmp_path, covariance, init):
    model = tmp_path / "m.gmm"
    options = ["--components", "2", "--covariance", covariance, "--init", init]
    trained = command("train", corpus.split, "-o", model, *options)
    assert trained.code == 0
    assert load_model(model).scorer.mixtures[0].covariance_type == covariance
    result = rows_of_csv(
        command("classify", model, *(corpus.root / row["path"] for row in corpus.rows), "--format", "csv")
    )
    # three bands of noise that do not touch
    assert [row["label_1"] for row in result] == [row["label"] for row in corpus.rows]


def test_train_reads_a_folder_of_classes_and_counts_what_is_no_audio(command, corpus, tmp_path):
    result = command("train", corpus.root, "-o", tmp_path / "m.gmm")
    assert result.code == 0
    assert result.err.splitlines()[0] == "skipped 2 files without an audio suffix"
    assert load_model(tmp_path / "m.gmm").scorer.labels == ("high", "low", "mid")


def test_bad_files_among_good_ones_are_named_and_leave_the_model_as_it_is(command, absolute, spoiled, tmp_path):
    manifest, codes = spoiled
    assert command("train", absolute, "-o", tmp_path / "good.gmm").code == 0
    result = command("train", manifest, "-o", tmp_path / "m.gmm")
    assert result.code == 1
    assert (tmp_path / "m.gmm").read_bytes() == (tmp_path / "good.gmm").read_bytes()
    skipped = [line for line in result.err.splitlines() if line.startswith("skipped ")]
    assert {line.split(": ")[0] for line in skipped} == {f"skipped [{code}] {path}" for path, code in codes.items()}
    assert f"{len(codes)} inputs failed" in result.err.splitlines()


def test_an_old_model_is_replaced_and_left_alone_where_training_fails(command, corpus, tmp_path, tools):
    place = tmp_path / "m.gmm"
    place.write_bytes(b"old")
    gone = tools.write_manifest(tmp_path / "gone.csv", [{"path": f"{i}.wav", "label": f"{i % 2}"} for i in range(4)])
    result = command("train", gone, "-o", place)
    assert result.code == 3
    assert (
        result.err
        == "gmmaudio: no clip is left to use: 4 clips failed, the first: 0.wav: is not there; check the path\n"
    )
    assert place.read_bytes() == b"old"
    assert command("train", corpus.split, "-o", place).code == 0
    assert place.read_bytes() != b"old"


def test_one_class_cannot_be_told_from_another(command, corpus, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copytree(corpus.root / "low", tmp_path / "one" / "low")
    result = command("train", tmp_path / "one", "-o", tmp_path / "m.gmm")
    assert result.code == 3
    assert result.err == (
        "warning: class folder 'low' holds folders only ('ann', 'bob', 'cy') and is the only one: the folders in it "
        "may be the classes; did you mean low/? If so, name it as the corpus\n"
        "gmmaudio: only one label, 'low'; expected two or more: add a folder or rows of another\n"
    )
    assert not (tmp_path / "m.gmm").exists()


def test_a_disk_that_is_full_at_the_end_is_4(command, corpus, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = command("train", corpus.split, "-o", tmp_path / "m.gmm")
    assert result.code == 4
    assert result.err.endswith(
        f"gmmaudio: {tmp_path}/m.gmm: cannot be written (No space left on device); choose another path\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_notes_on_the_corpus_are_said_and_kept(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c")
    shutil.copy(tmp_path / "c/low/ann/0.wav", tmp_path / "c/mid/copy.wav")
    (tmp_path / "c/Low").mkdir()
    (tmp_path / "c/Low/x.flac").write_bytes((corpus.root / "low/bob/1.flac").read_bytes())
    result = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm")
    findings = load_model(tmp_path / "m.gmm").training.findings
    lines = [line for line in result.err.splitlines() if line.startswith(("alarm: ", "warning: ", "note: ", "ok: "))]
    assert lines == [finding_line(finding) for finding in sort_findings(findings)]
    notes = [str(finding) for finding in findings]
    assert "labels 'Low' (1), 'low' (6) differ only by case or spaces; give them one name" in notes
    assert any("low/ann/0.wav (low) = mid/copy.wav (mid)" in note for note in notes)
    assert result.code == 0


@pytest.mark.parametrize("kind", ["fifo", "device link"])
def test_an_output_that_is_no_regular_file_is_refused(command, corpus, model_file, tmp_path, kind):
    place = tmp_path / "out"
    os.mkfifo(place) if kind == "fifo" else place.symlink_to("/dev/null")
    result = command("train", corpus.split, "-o", place)
    assert result.code == 4
    assert place.is_fifo() or place.is_symlink()


def test_a_wrong_setting_is_told_before_any_sound_is_read(command, corpus, tmp_path, monkeypatch):
    from gmmaudio.trials import extraction

    monkeypatch.setattr(extraction, "extract_clip", None)
    for words in (["--components", "0"], ["--trial-seconds", "-1"], ["--min-duration", "nan"], ["-j", "0"]):
        assert command("train", corpus.split, "-o", tmp_path / "m", *words).code == 2


def test_trials_of_the_least_duration_are_long_enough(command, corpus, tmp_path):
    result = command("train", corpus.split, "-o", tmp_path / "m", "--trial-seconds", "0.5", "--min-duration", "0.5")
    assert result.code == 0, result.err[:300]


def test_clips_of_exactly_the_least_duration_are_used(corpus, tmp_path, tools):
    n, sr = 7458, 8000
    tools.write(tmp_path / "x.wav", np.random.default_rng(0).normal(scale=0.1, size=n), sr)
    tools.write(tmp_path / "y.wav", np.random.default_rng(1).normal(scale=0.1, size=n), sr)
    recipe = pipeline.make_recipe(n_components=2, min_duration_s=n / sr)
    assert pipeline.train(Corpus(tmp_path, (Clip("x.wav", "a"), Clip("y.wav", "b"))), recipe).failed == ()


def test_a_class_that_failed_whole_is_told(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c")
    for f in (tmp_path / "c" / "mid").rglob("*.*"):
        f.write_bytes(b"")
    result = command("train", tmp_path / "c", "-o", tmp_path / "m", "--components", "2")
    assert any("mid" in line and not line.startswith("skipped") for line in result.err.splitlines())


@pytest.fixture
def genres(tmp_path, tools):
    """A manifest of eight clips each of two genres, by the fold column of the real corpus."""
    root = Path(__file__).parents[2]
    folder = (root / os.environ.get("GMMAUDIO_DATA", "../shared/data") / "genre").resolve()
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no real audio: {folder}/manifest.csv is not there (set GMMAUDIO_DATA)")
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["label"] in ("classical", "metal")]
    chosen = [row for label in ("classical", "metal") for row in [r for r in rows if r["label"] == label][:8]]
    return tools.write_manifest(
        tmp_path / "genres.csv",
        [
            {"path": folder / row["path"], "label": row["label"], "group": row["group"], "start": 0, "end": 6}
            | {"split": "test" if i % 4 == 3 else "train"}
            for i, row in enumerate(chosen)
        ],
    )


def test_classical_is_told_from_metal(command, genres, tmp_path):
    result = command("train", genres, "-o", tmp_path / "m.gmm", "--preset", "genre")
    assert result.code == 0, result.err
    report = json_of(command("evaluate", tmp_path / "m.gmm", genres, "--json", "-"))
    assert report["n"] == 4
    # the two genres furthest apart: anything but all right means a broken front end
    assert report["accuracy"] == 1.0


def test_the_command_takes_a_kind_tunes_and_says_what_it_chose(command, corpus, tmp_path):
    result = command("train", corpus.plain, "-o", tmp_path / "b.gmm", "--kind", "blocks")
    assert result.code == 0, result.err
    assert "blocks" in command("info", tmp_path / "b.gmm").out
    result = command("train", corpus.plain, "-o", tmp_path / "t.gmm", "--kind", "blocks", "--tune")
    assert result.code == 0, result.err
    assert "balanced accuracy on inner folds, best first:" in result.err
    assert "chosen: the first; best balanced accuracy, " in result.err
    described = json.loads(command("info", tmp_path / "t.gmm", "--json").out)
    assert {row["kind"] for row in described["training"]["tuning"]["table"]} == {"blocks"}
    assert described["calibration"]["n"] == 18


@pytest.mark.parametrize(("words", "n_groups"), [((), 9), (("--group-by", "singer"), 3), (("--group-by", "none"), 18)])
def test_a_model_is_calibrated_by_the_groups_that_are_asked_for(command, corpus, tmp_path, words, n_groups):
    result = command("train", corpus.plain, *words, "--components", "2", "-o", tmp_path / "m.gmm")
    assert result.code == 0
    assert json.loads(command("info", tmp_path / "m.gmm", "--json").out)["calibration"]["n_groups"] == n_groups
    assert ("as if every file were of another artist or speaker" in result.err) == (n_groups == 18)
