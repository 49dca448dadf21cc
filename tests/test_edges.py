"""One test for each defect that the first version of model files, engine, pipeline and command had."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.corpus import Clip, Corpus

GMMAUDIO = (sys.executable, "-m", "gmmaudio")
SHELL_GMMAUDIO = " ".join(GMMAUDIO)


@pytest.fixture
def good(corpus):
    return corpus.root / "low" / "cy" / "0.wav"


@pytest.mark.parametrize("kind", ["fifo", "device link"])
def test_an_output_that_is_no_regular_file_is_refused(command, corpus, model_file, tmp_path, kind):
    place = tmp_path / "out"
    os.mkfifo(place) if kind == "fifo" else place.symlink_to("/dev/null")
    said = command("train", corpus.split, "-o", place)
    assert said.code == 4
    assert place.is_fifo() or place.is_symlink()


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "{m}", "{long}"],
        ["train", "{long}", "-o", "m"],
        ["train", "{c}", "-o", "{long}"],
        ["info", "{long}"],
        ["evaluate", "{m}", "{long}"],
        ["features", "{long}", "-o", "d"],
    ],
)
def test_a_name_too_long_for_the_system_is_an_error_of_ours(command, corpus, model_file, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    said = command(*[w.format(m=model_file, long="a" * 300, c=corpus.split) for w in words])
    assert said.code in (3, 4)
    assert "File name too long" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["classify"],
        ["classify", "--format", "csv"],
        ["classify", "--format", "jsonl"],
        ["evaluate"],
        ["evaluate", "--json", "-"],
    ],
)
def test_stdout_on_a_full_disk_is_4(corpus, model_file, good, words):
    more = {"info": [], "classify": [good], "evaluate": [corpus.split]}[words[0]]
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [*GMMAUDIO, words[0], model_file, *more, *words[1:]],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"Traceback" not in said.stderr
    assert said.returncode == 4


def test_a_list_keeps_names_with_line_separators_of_unicode(command, model_file, good, tmp_path):
    for name in ("a\u2028b.wav", "a\x0cb.wav", "a\x85b.wav", "a\x1cb.wav", "a\x0bb.wav"):
        shutil.copy(good, tmp_path / name)
        (tmp_path / "list").write_bytes(f"{tmp_path}/{name}\n".encode())
        assert command("classify", model_file, "--from-file", tmp_path / "list").code == 0, name


def test_a_list_on_stdin_may_hold_bytes_that_are_no_text(model_file, good, tmp_path):
    shutil.copy(good, tmp_path / os.fsdecode(b"caf\xe9.wav"))
    said = subprocess.run(
        [*GMMAUDIO, "classify", model_file, "--from-file", "-"],
        input=b"caf\xe9.wav\n",
        cwd=tmp_path,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert said.stdout.startswith(b"caf\\udce9.wav\tlow"), said.stderr[-300:]


def test_a_list_may_begin_with_a_byte_order_mark(command, model_file, good, tmp_path):
    (tmp_path / "list").write_bytes(f"\ufeff{good}\r\n".encode())
    assert command("classify", model_file, "--from-file", tmp_path / "list").code == 0


@pytest.mark.parametrize("verb", ["classify", "features"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "4000"])
def test_a_least_duration_outside_its_bounds_is_usage(command, model_file, good, tmp_path, verb, value):
    words = {"classify": [model_file, good], "features": [good, "-o", tmp_path / "d"]}[verb]
    assert command(verb, *words, "--min-duration", value).code == 2


def test_a_wrong_setting_is_told_before_any_sound_is_read(command, corpus, tmp_path, monkeypatch):
    from gmmaudio.trials import extraction

    monkeypatch.setattr(extraction, "extract_clip", None)
    for words in (["--components", "0"], ["--trial-seconds", "-1"], ["--min-duration", "nan"], ["-j", "0"]):
        assert command("train", corpus.split, "-o", tmp_path / "m", *words).code == 2


def test_no_header_of_csv_before_a_usage_error(command, model_file, good):
    said = command("classify", model_file, good, "--format", "csv", "-j", "0")
    assert (said.code, said.out) == (2, "")


def test_a_fold_column_of_splits_divides_all_clips(command, corpus):
    said = command("crossval", corpus.split, "--fold-column", "split", "--components", "2", "--json", "-")
    assert said.code == 0, said.err
    assert json.loads(said.out)["protocol"]["folds"] == ["test", "train"]


def test_trials_of_the_least_duration_are_long_enough(command, corpus, tmp_path):
    said = command("train", corpus.split, "-o", tmp_path / "m", "--trial-seconds", "0.5", "--min-duration", "0.5")
    assert said.code == 0, said.err[:300]


def test_clips_of_exactly_the_least_duration_are_used(corpus, tmp_path, tools):
    n, sr = 7458, 8000
    tools.write(tmp_path / "x.wav", np.random.default_rng(0).normal(scale=0.1, size=n), sr)
    tools.write(tmp_path / "y.wav", np.random.default_rng(1).normal(scale=0.1, size=n), sr)
    recipe = pipeline.make_recipe(n_components=2, min_duration_s=n / sr)
    assert pipeline.train(Corpus(tmp_path, (Clip("x.wav", "a"), Clip("y.wav", "b"))), recipe).failed == ()


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_dash_is_no_file_name(command, model_file, corpus, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    command("evaluate", model_file, corpus.split, option, "-")
    command("train", corpus.split, "-o", "-")
    assert not (tmp_path / "-").exists()


def test_stdin_or_stdout_that_is_closed_is_no_traceback(model_file, good):
    said = subprocess.run(f"{SHELL_GMMAUDIO} classify {model_file} - <&-", shell=True, capture_output=True, check=False)
    assert b"Traceback" not in said.stderr
    said = subprocess.run(
        f"{SHELL_GMMAUDIO} classify {model_file} {good} >&-", shell=True, capture_output=True, check=False
    )
    assert b"Traceback" not in said.stderr


def test_a_fifo_is_no_model(model_file, tmp_path):
    os.mkfifo(tmp_path / "f")
    said = subprocess.run([*GMMAUDIO, "info", tmp_path / "f"], timeout=20, capture_output=True, check=False)
    assert said.returncode == 3


def test_features_are_named_below_what_was_named(command, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "set" / "low")
    said = command("features", tmp_path / "set", "-o", tmp_path / "out")
    assert said.out.splitlines()[0] == f"{tmp_path}/out/low/ann/0.wav.npy"


def test_a_class_that_failed_whole_is_told(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c")
    for f in (tmp_path / "c" / "mid").rglob("*.*"):
        f.write_bytes(b"")
    said = command("train", tmp_path / "c", "-o", tmp_path / "m", "--components", "2")
    assert any("mid" in line and not line.startswith("skipped") for line in said.err.splitlines())


def test_one_place_cannot_take_both_reports(command, model_file, corpus, tmp_path):
    assert command("evaluate", model_file, corpus.split, "--json", tmp_path / "r", "--report", tmp_path / "r").code == 2


def test_main_tells_the_words_it_was_given(model_file, corpus, tmp_path, monkeypatch):
    from gmmaudio.cli import main

    monkeypatch.setattr(sys, "argv", ["pytest"])
    with pytest.raises(SystemExit):
        main(["evaluate", str(model_file), str(corpus.split), "--json", str(tmp_path / "r")])
    assert json.loads((tmp_path / "r").read_text())["protocol"]["command"].startswith("gmmaudio evaluate")


def test_labels_not_scored_are_listed_on_the_console(command, corpus, model_file, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "polka")
    said = command("evaluate", model_file, tmp_path / "c")
    assert "polka" in said.out + said.err
