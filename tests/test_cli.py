"""The command, end to end: what it writes, where, and with which exit code."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gmmaudio import __version__
from gmmaudio.audio import read_audio
from gmmaudio.cli import COMMANDS, cli
from gmmaudio.cli.console import finding_line
from gmmaudio.cli.flags import flags
from gmmaudio.evaluation import intervals
from gmmaudio.evaluation.csv_tables import plain_cell
from gmmaudio.features import extract, make_features
from gmmaudio.findings import sort_findings
from gmmaudio.mixture import COVARIANCE_TYPES, INITS
from gmmaudio.models import KINDS, SHARED, load_model, save_model

UNKNOWN_GROUPS = (
    "groups unknown: this metric may be optimistic; add a group column, or name the groups (--group-by parent)"
)
HEAVY = ("librosa", "scipy", "sklearn", "soundfile", "joblib", "numpy")


def python(*arguments, stdin=b"", cwd=None):
    """Run this Python in a process of its own."""
    return subprocess.run([sys.executable, *arguments], input=stdin, capture_output=True, check=False, cwd=cwd)


def json_of(result):
    """Return what a command wrote to stdout as JSON; there must be nothing else there."""
    return json.loads(result.out)


def lines_of_json(result):
    """Return the lines of --format jsonl."""
    return [json.loads(line) for line in result.out.splitlines()]


def rows_of_csv(result):
    """Return the rows of --format csv after the header, as dicts."""
    return list(csv.DictReader(io.StringIO(result.out, newline=""), strict=True))


def tensors_of(path):
    """Return all numbers of a model file as bytes."""
    parts = [(m.weights, m.means, m.covariances) for m in load_model(path).scorer.mixtures]
    return b"".join(array.tobytes() for part in parts for array in part)


def warnings_of(report):
    """Return the codes and texts of a report's warnings but for few groups and short clips: corpora are small here."""
    return [
        (finding["code"], finding["text"])
        for finding in report["findings"]
        if finding["level"] in ("alarm", "warning") and finding["code"] not in ("few_groups", "no_fingerprint")
    ]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals are tested elsewhere, and are most of the time that a report takes."""
    monkeypatch.setattr(intervals, "N_DRAWS", 50)


@pytest.fixture
def good(corpus):
    """The path of one good file, of the label low, that the model was not trained on."""
    return corpus.root / "low" / "cy" / "0.wav"


@pytest.fixture
def spoiled(corpus, tmp_path, tools):
    """A manifest of the training clips with one file of every bad kind among them: (path, {path: code})."""
    folder = tmp_path / "bad"
    codes = tools.make_bad_files(folder, corpus.root / "low" / "ann" / "0.wav")
    folder.joinpath("folder.wav").mkdir()
    codes["folder.wav"] = "not_a_file"
    rows = [row | {"path": corpus.root / row["path"]} for row in corpus.rows]
    for i, name in enumerate(codes):
        rows.insert(2 * i, rows[0] | {"path": f"bad/{name}", "label": ("low", "mid", "high")[i % 3], "split": ""})
    return tools.write_manifest(tmp_path / "spoiled.csv", rows), {f"bad/{name}": code for name, code in codes.items()}


@pytest.fixture
def absolute(corpus, tmp_path, tools):
    """The same manifest without the bad files."""
    return tools.write_manifest(
        tmp_path / "good.csv", [row | {"path": corpus.root / row["path"]} for row in corpus.rows]
    )


# The front door.


def test_help_of_all_commands_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from gmmaudio.cli import COMMANDS, main\n"
        "for words in [[]] + [[name] for name in COMMANDS]:\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    said = python("-c", script)
    assert said.stderr == b""
    assert said.stdout.splitlines()[-1] == b"loaded: []"


def test_help_is_what_python_m_says():
    said = python("-m", "gmmaudio", "--help")
    assert (said.returncode, said.stderr) == (0, b"")
    for name in COMMANDS:
        assert f"  {name} " in said.stdout.decode()
    assert "Exit codes: 0 done; 1 done, but some inputs failed; 2 usage; 3 nothing" in said.stdout.decode()


def test_version(command):
    said = command("--version")
    assert said.code == 0
    assert __version__ in said.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["--nosuch"], "No such option"),
        (["train"], "Missing argument 'CORPUS'"),
        (["train", "x"], "Missing option '-o'"),
        (["train", "x", "-o", "m", "--preset", "speech"], "'speech' is not one of 'genre', 'language'"),
        (["train", "x", "-o", "m", "--covariance", "round"], "'round' is not one of 'diag', 'full'"),
        (["train", "x", "-o", "m", "--init", "magic"], "'magic' is not one of"),
        (["train", "x", "-o", "m", "--seed", "one"], "'one' is not a valid integer"),
        (["train", "x", "-o", "m", "--seed", "-1"], "--seed is -1; expected 0 or more"),
        (["train", "x", "-o", "m", "-j", "two"], "'two' is not a valid integer"),
        (["classify"], "Missing argument 'MODEL'"),
        (["evaluate", "m"], "Name a MODEL and a CORPUS, or a table of predictions with --scores."),
        (["crossval", "x", "--folds", "five"], "'five' is neither a number nor loo"),
        (["crossval", "x", "--folds", "-3"], "'-3' is neither a number nor loo"),
        (["crossval", "x", "--folds", "2.5"], "'2.5' is neither a number nor loo"),
        (["crossval", "x", "--repeats", "many"], "'many' is not a valid integer"),
        (["features", "x"], "Missing option '-o'"),
        (["features", "-o", "x"], "Name at least one PATH, or a list with --from-file."),
        (["info"], "Missing argument 'MODEL'"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(command, monkeypatch, tmp_path, words, complaint):
    monkeypatch.chdir(tmp_path)
    said = command(*words)
    assert said.code == 2
    assert said.out == ""
    assert complaint in said.err
    assert list(tmp_path.iterdir()) == []


def test_no_words_at_all_show_the_help(command):
    said = command()
    assert said.code == 2
    assert "Commands:" in said.out + said.err


# train.


def test_train_writes_a_model_and_says_what_it_did(command, corpus, tmp_path):
    said = command("train", corpus.split, "-o", tmp_path / "m.gmm")
    assert (said.code, said.out) == (0, "")
    assert said.err.splitlines()[-1] == f"wrote {tmp_path}/m.gmm: 3 labels from 12 clips"
    assert "low: 4.0 s, 176 frames, 16 components" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.gmm"]


def test_a_model_remembers_the_training_of_each_clip(command, corpus, tmp_path):
    command("train", corpus.split, "-o", tmp_path / "m.gmm", "--seed", "5", "--preset", "genre")
    training = load_model(tmp_path / "m.gmm").training
    used = [row for row in corpus.rows if row["split"] == "train"]
    assert [(clip.path, clip.label, clip.group) for clip in training.clips] == [
        (row["path"], row["label"], row["group"]) for row in used
    ]
    import hashlib

    for clip in training.clips:
        samples = read_audio(corpus.root / clip.path, 22050)
        assert clip.sha256 == hashlib.sha256(samples.tobytes()).hexdigest()
    assert (training.seed, training.preset) == (5, "genre")
    assert training.seconds == {"low": 4.0, "mid": 4.0, "high": 4.0}
    assert set(training.versions) >= {"gmmaudio", "numpy", "librosa", "soxr", "python"}


def test_the_model_is_the_same_bytes_for_one_worker_and_two_and_every_time(command, corpus, tmp_path):
    for name, jobs in [("one", 1), ("again", 1), ("two", 2)]:
        assert command("train", corpus.split, "-o", tmp_path / name, "-j", jobs).code == 0
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
    said = rows_of_csv(
        command("classify", model, *(corpus.root / row["path"] for row in corpus.rows), "--format", "csv")
    )
    # three bands of noise that do not touch
    assert [row["label_1"] for row in said] == [row["label"] for row in corpus.rows]


def test_the_command_offers_what_the_core_has(command):
    from gmmaudio.cli import options

    assert (*COVARIANCE_TYPES, SHARED) == options.COVARIANCE_TYPES
    assert options.INIT_NAMES == INITS
    words = ("train", "x.csv", "-o", "x", "--kind")
    assert "is not one of 'frames', 'blocks', 'supervector'" in command(*words, "chords").err
    for name in KINDS:
        assert "is not one of" not in command(*words, name).err


def test_train_reads_a_folder_of_classes_and_counts_what_is_no_audio(command, corpus, tmp_path):
    said = command("train", corpus.root, "-o", tmp_path / "m.gmm")
    assert said.code == 0
    assert said.err.splitlines()[0] == "skipped 2 files without an audio suffix"
    assert load_model(tmp_path / "m.gmm").scorer.labels == ("high", "low", "mid")


def test_bad_files_among_good_ones_are_named_and_leave_the_model_as_it_is(command, absolute, spoiled, tmp_path):
    manifest, codes = spoiled
    assert command("train", absolute, "-o", tmp_path / "good.gmm").code == 0
    said = command("train", manifest, "-o", tmp_path / "m.gmm")
    assert said.code == 1
    assert (tmp_path / "m.gmm").read_bytes() == (tmp_path / "good.gmm").read_bytes()
    skipped = [line for line in said.err.splitlines() if line.startswith("skipped ")]
    assert {line.split(": ")[0] for line in skipped} == {f"skipped [{code}] {path}" for path, code in codes.items()}
    assert f"{len(codes)} inputs failed" in said.err.splitlines()


def test_an_old_model_is_replaced_and_left_alone_where_training_fails(command, corpus, tmp_path, tools):
    place = tmp_path / "m.gmm"
    place.write_bytes(b"old")
    gone = tools.write_manifest(tmp_path / "gone.csv", [{"path": f"{i}.wav", "label": f"{i % 2}"} for i in range(4)])
    said = command("train", gone, "-o", place)
    assert said.code == 3
    assert (
        said.err == "gmmaudio: no clip is left to use: 4 clips failed, the first: 0.wav: is not there; check the path\n"
    )
    assert place.read_bytes() == b"old"
    assert command("train", corpus.split, "-o", place).code == 0
    assert place.read_bytes() != b"old"


def test_one_class_cannot_be_told_from_another(command, corpus, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copytree(corpus.root / "low", tmp_path / "one" / "low")
    said = command("train", tmp_path / "one", "-o", tmp_path / "m.gmm")
    assert said.code == 3
    assert said.err == ("gmmaudio: only one label, 'low'; expected two or more: add a folder or rows of another\n")
    assert not (tmp_path / "m.gmm").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "{0}/missing: is not there; expected a folder with a sub-folder for each class, or a manifest"),
        ("empty", "{0}/empty: no audio in any sub-folder; expected one folder for each class, "
         "such as empty/jazz/01.wav"),
        ("empty.csv", "{0}/empty.csv: has columns none; a manifest needs 'path' and 'label' "
         "(and may have group, source, split, start, end)"),
        ("header.csv", "{0}/header.csv: has a header and no rows; add one row for each clip"),
        ("sound.csv", "{0}/sound.csv: is not a UTF-8 text; save the manifest as CSV in UTF-8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["train", "evaluate", "crossval"])
def test_a_corpus_that_is_none_is_3(command, good, model_file, tmp_path, verb, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("path,label\n")
    shutil.copy(good, tmp_path / "sound.csv")
    before = sorted(tmp_path.iterdir())
    words = {"train": ["-o", tmp_path / "m.gmm"], "evaluate": [], "crossval": []}[verb]
    said = command(verb, *([model_file] if verb == "evaluate" else []), tmp_path / name, *words)
    assert (said.code, said.out) == (3, "")
    assert said.err == f"gmmaudio: {message.format(tmp_path)}\n"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "{0}/folder: is a folder; name a file in it"),
        ("missing/file", "{0}/missing/file: the folder {0}/missing is not there; make it first"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "option"),
    [
        ("train", "-o"),
        ("train", "--output"),
        ("evaluate", "--json"),
        ("evaluate", "--report"),
        ("crossval", "--json"),
        ("crossval", "--report"),
    ],
)
def test_an_output_that_cannot_be_written_is_4_before_any_work(
    command, corpus, model_file, tmp_path, monkeypatch, verb, option, name, message
):
    import gmmaudio.corpus.reading

    monkeypatch.setattr(gmmaudio.corpus.reading, "read_corpus", None)  # fails where the corpus is looked at first
    (tmp_path / "folder").mkdir()
    said = command(verb, *([model_file] if verb == "evaluate" else []), corpus.split, option, tmp_path / name)
    assert (said.code, said.out) == (4, "")
    assert said.err == f"gmmaudio: {message.format(tmp_path)}\n"


def test_a_disk_that_is_full_at_the_end_is_4(command, corpus, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = command("train", corpus.split, "-o", tmp_path / "m.gmm")
    assert said.code == 4
    assert said.err.endswith(
        f"gmmaudio: {tmp_path}/m.gmm: cannot be written (No space left on device); choose another place\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_notes_on_the_corpus_are_said_and_kept(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c")
    shutil.copy(tmp_path / "c/low/ann/0.wav", tmp_path / "c/mid/copy.wav")
    (tmp_path / "c/Low").mkdir()
    (tmp_path / "c/Low/x.flac").write_bytes((corpus.root / "low/bob/1.flac").read_bytes())
    said = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm")
    findings = load_model(tmp_path / "m.gmm").training.findings
    lines = [line for line in said.err.splitlines() if line.startswith(("alarm: ", "warning: ", "note: ", "ok: "))]
    assert lines == [finding_line(finding) for finding in sort_findings(findings)]
    notes = [str(finding) for finding in findings]
    assert "labels 'Low' (1), 'low' (6) differ only by case or spaces; give them one name" in notes
    assert any("low/ann/0.wav (low) = mid/copy.wav (mid)" in note for note in notes)
    assert said.code == 0


# classify.


def test_classify_text_is_path_label_and_probability(command, model_file, corpus, good):
    said = command("classify", model_file, good, corpus.root / "high" / "cy" / "1.flac")
    assert (said.code, said.err) == (0, "")
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert [(path, label) for path, label, _ in rows] == [
        (str(good), "low"),
        (f"{corpus.root}/high/cy/1.flac", "high"),
    ]
    expected = load_model(model_file).predict(extract(read_audio(good, 22050), make_features())).probability["low"]
    assert rows[0][2] == f"{100 * expected:.1f} %"


def test_classify_text_has_scores_where_the_model_has_no_probabilities(command, model_file, good, tmp_path):
    model = replace(load_model(model_file), calibration=None, open_set=None)
    save_model(model, tmp_path / "m.gmm")
    said = command("classify", tmp_path / "m.gmm", good)
    expected = model.predict(extract(read_audio(good, 22050), make_features())).scores["low"]
    assert said.out == f"{good}\tlow\t{expected:.4f}\n"
    (row,) = rows_of_csv(command("classify", tmp_path / "m.gmm", good, "--format", "csv"))
    # the number of BLAS threads moves the last bits of a frame
    assert float(row["score_1"]) == pytest.approx(expected, rel=1e-6)
    assert row["probability_1"] == ""


def test_classify_ranks_by_what_it_prints(command, model_file, good):
    said = command("classify", model_file, good, "--top", "3", "--prior", "low=0", "--prior", "mid=0.9")
    _, *pairs = said.out.rstrip("\n").split("\t")
    chances = [float(cell.removesuffix(" %")) for cell in pairs[1::2]]
    assert chances == sorted(chances, reverse=True)
    assert dict(zip(pairs[::2], chances, strict=True))["low"] == 0.0


def test_a_model_names_all_its_training_clips_rightly(command, model_file, corpus):
    said = command("classify", model_file, corpus.root, "--format", "jsonl")
    assert said.code == 0
    found = lines_of_json(said)
    assert len(found) == 18
    assert all(Path(line["path"]).relative_to(corpus.root).parts[0] == line["label"] for line in found)


def test_classify_jsonl_has_these_fields(command, model_file, good):
    said = command("classify", model_file, good, "gone.wav", "--format", "jsonl")
    ok, error = lines_of_json(said)
    assert list(ok) == ["path", "status", "label", "scores", "probability", "duration_s"]
    assert (ok["path"], ok["status"], ok["label"]) == (str(good), "ok", "low")
    assert ok["duration_s"] == 1.0
    assert sum(ok["probability"].values()) == pytest.approx(1.0)
    assert max(ok["probability"], key=ok["probability"].get) == "low"
    assert next(iter(ok["scores"])) == "low"
    assert set(ok["scores"]) == {"low", "mid", "high"}
    assert list(ok["scores"].values()) == sorted(ok["scores"].values(), reverse=True)
    assert error == {
        "path": "gone.wav",
        "status": "error",
        "label": None,
        "scores": None,
        "probability": None,
        "duration_s": None,
        "code": "vanished",
        "message": "is not there; check the path",
    }


def test_classify_csv_has_one_row_for_each_file(command, model_file, good):
    said = command("classify", model_file, good, "gone.wav", "--format", "csv", "--top", "2")
    head = said.out.splitlines()[0]
    assert head == "path,status,duration_s,code,message,label_1,score_1,probability_1,label_2,score_2,probability_2"
    ok, error = rows_of_csv(said)
    assert (ok["path"], ok["status"], ok["duration_s"], ok["code"], ok["label_1"]) == (
        str(good),
        "ok",
        "1.0",
        "",
        "low",
    )
    assert float(ok["score_1"]) > float(ok["score_2"])
    assert 1 >= float(ok["probability_1"]) > float(ok["probability_2"]) >= 0
    assert (error["status"], error["code"], error["message"]) == ("error", "vanished", "is not there; check the path")
    assert not error["label_1"]


def test_the_three_formats_say_the_same(command, model_file, corpus):
    folder = corpus.root / "mid"
    text = [line.split("\t") for line in command("classify", model_file, folder).out.splitlines()]
    table = rows_of_csv(command("classify", model_file, folder, "--format", "csv"))
    lines = lines_of_json(command("classify", model_file, folder, "--format", "jsonl"))
    assert [row[:2] for row in text] == [[row["path"], row["label_1"]] for row in table]
    assert [(row["path"], row["label_1"], float(row["score_1"])) for row in table] == [
        (line["path"], line["label"], line["scores"][line["label"]]) for line in lines
    ]


@pytest.mark.parametrize("top", [1, 2, 3, 99])
def test_top_shows_that_many_labels_best_first(command, model_file, good, top):
    (line,) = lines_of_json(command("classify", model_file, good, "--format", "jsonl"))
    every = line["scores"]
    best = sorted(every, key=every.get, reverse=True)[:top]
    words = command("classify", model_file, good, "--top", top).out.rstrip("\n").split("\t")[1:]
    assert words == [word for label in best for word in (label, f"{100 * line['probability'][label]:.1f} %")]
    assert lines_of_json(command("classify", model_file, good, "--top", top, "--format", "jsonl"))[0]["scores"] == {
        label: every[label] for label in best
    }


@pytest.mark.parametrize("top", ["0", "-1", "all"])
def test_top_of_none_is_wrong_usage(command, model_file, good, top):
    assert command("classify", model_file, good, "--top", top).code == 2


def test_classify_walks_a_folder_and_counts_what_is_no_audio(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "set" / "low")
    (tmp_path / "set" / "cover.jpg").write_bytes(b"no sound")
    (tmp_path / "set" / ".hidden.wav").write_bytes(b"no sound")
    said = command("classify", model_file, tmp_path / "set")
    assert said.code == 0
    assert said.err == "skipped 1 file without an audio suffix\n"
    found = [line.split("\t")[0] for line in said.out.splitlines()]
    assert found == [f"{tmp_path}/set/low/{n}/{f}" for n in ("ann", "bob", "cy") for f in ("0.wav", "1.flac")]


def test_a_file_named_outright_is_read_whatever_its_suffix(command, model_file, good, tmp_path):
    shutil.copy(good, tmp_path / "sound.jpg")
    assert command("classify", model_file, tmp_path / "sound.jpg").out.split("\t")[1] == "low"


def test_sound_comes_from_stdin(command, model_file, good, corpus):
    named = command("classify", model_file, good)
    piped = command("classify", model_file, "-", stdin=good.read_bytes())
    assert (piped.code, piped.err) == (0, "")
    assert piped.out == named.out.replace(str(good), "-")
    flac = command("classify", model_file, "-", stdin=(corpus.root / "mid/cy/1.flac").read_bytes())
    assert flac.out.split("\t")[:2] == ["-", "mid"]


def test_sound_on_stdin_may_be_smaller_than_any_buffer(command, model_file, tools, tmp_path):
    # 3,000 bytes: none would reach the decoder if the last block were not flushed
    tools.write(tmp_path / "tiny.wav", tools.band_noise("low", 1, seconds=0.7, sr=4200), 4200, subtype="PCM_U8")
    sound = (tmp_path / "tiny.wav").read_bytes()
    assert len(sound) < 4096
    piped = command("classify", model_file, "-", stdin=sound)
    assert piped.out == command("classify", model_file, tmp_path / "tiny.wav").out.replace(f"{tmp_path}/tiny.wav", "-")
    assert piped.code == 0


def test_nothing_on_stdin_is_an_empty_file(command, model_file):
    said = command("classify", model_file, "-", "--format", "jsonl")
    assert said.code == 3
    assert lines_of_json(said)[0]["code"] == "empty"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", "\n  \n"])
@pytest.mark.parametrize("piped", [False, True])
def test_paths_come_from_a_list(command, model_file, corpus, tmp_path, separator, piped):
    paths = [str(corpus.root / "low/cy/0.wav"), str(corpus.root / "high/cy/0.wav")]
    text = separator.join(paths).encode()
    (tmp_path / "list.txt").write_bytes(text)
    said = command("classify", model_file, "--from-file", "-" if piped else tmp_path / "list.txt", stdin=text)
    assert said.code == 0
    assert [line.split("\t")[:2] for line in said.out.splitlines()] == [[paths[0], "low"], [paths[1], "high"]]


def test_a_list_is_added_to_the_paths_named(command, model_file, corpus, good, tmp_path):
    (tmp_path / "list.txt").write_text(f"{corpus.root}/mid/cy\n")
    said = command("classify", model_file, good, "--from-file", tmp_path / "list.txt")
    assert [line.split("\t")[1] for line in said.out.splitlines()] == ["low", "mid", "mid"]


def test_a_list_names_files_in_any_script(command, model_file, good, tmp_path):
    shutil.copy(good, tmp_path / "música हिन्दी.wav")
    (tmp_path / "list.txt").write_bytes(f"{tmp_path}/música हिन्दी.wav\n".encode())
    said = command("classify", model_file, "--from-file", tmp_path / "list.txt", "--format", "jsonl")
    assert lines_of_json(said)[0]["path"] == f"{tmp_path}/música हिन्दी.wav"


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ([], 2, "Name at least one PATH, or a list with --from-file."),
        (["-", "--from-file", "-"], 2, "Standard input cannot be both a sound and a list."),
        (["--from-file", "missing"], 3, "missing: cannot be read (No such file or directory)"),
        (["--from-file", "."], 3, ".: cannot be read (Is a directory)"),
        (["--from-file", "-"], 3, "no audio file in what was named"),
        (["."], 3, "no audio file in what was named; name a file, or a folder that holds some"),
        (["gone.wav"], 3, "skipped [vanished] gone.wav: is not there; check the path\n1 input failed\n"),
        (["x.wav", "-j", "0"], 2, "--jobs is 0; expected 1 or more worker processes"),
        (["x.wav", "--format", "xml"], 2, "'xml' is not one of 'text', 'jsonl', 'csv'"),
    ],
)
def test_classify_without_anything_to_classify(command, model_file, tmp_path, monkeypatch, words, code, complaint):
    monkeypatch.chdir(tmp_path)
    said = command("classify", model_file, *words)
    assert (said.code, said.out) == (code, "")
    assert complaint in said.err


@pytest.mark.parametrize("verb", ["classify", "evaluate", "info"])
def test_an_unusable_model_is_3(command, good, corpus, tmp_path, verb):
    more = {"classify": [good], "evaluate": [corpus.split], "info": []}[verb]
    said = command(verb, good, *more)
    assert (said.code, said.out) == (3, "")
    assert said.err == f"gmmaudio: {good}: is not a model file; expected one made by gmmaudio train\n"
    said = command(verb, tmp_path / "missing", *more)
    assert said.code == 3
    assert "cannot be read (No such file or directory); expected a model made by train" in said.err


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_classify_skips_bad_files_and_says_of_the_good_ones_what_it_said_before(
    command, model_file, corpus, tmp_path, tools, n_jobs
):
    shutil.copytree(corpus.root / "mid", tmp_path / "set")
    before = lines_of_json(command("classify", model_file, tmp_path / "set", "--format", "jsonl"))
    codes = tools.make_bad_files(tmp_path / "set" / "bad", corpus.root / "low" / "ann" / "0.wav")
    said = command("classify", model_file, tmp_path / "set", "--format", "jsonl", "-j", n_jobs)
    assert said.code == 1
    lines = lines_of_json(said)
    assert [line for line in lines if line["status"] == "ok"] == before
    assert {Path(line["path"]).name: line["code"] for line in lines if line["status"] != "ok"} == codes
    unknown = {"silent.wav", "short.wav"}
    assert {Path(line["path"]).name for line in lines if line["status"] == "unknown"} == unknown
    for name, code in codes.items():
        assert f"skipped [{code}] {tmp_path}/set/bad/{name}: " in said.err
    assert said.err.endswith(f"\n{len(codes)} inputs failed\n")
    assert [line["path"] for line in lines] == sorted(line["path"] for line in lines)


def test_text_of_a_failed_file_goes_to_stderr_only(command, model_file, good, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    said = command("classify", model_file, tmp_path / "empty.wav", good)
    assert said.code == 1
    assert len(said.out.splitlines()) == 1
    assert said.err == f"skipped [empty] {tmp_path}/empty.wav: has no bytes; copy the file again\n1 input failed\n"


def test_a_clip_that_holds_nothing_to_go_by_is_unknown_and_says_why(command, model_file, good, corpus, tmp_path, tools):
    tools.make_bad_files(tmp_path / "bad", corpus.root / "low" / "ann" / "0.wav")
    silent, short = tmp_path / "bad" / "silent.wav", tmp_path / "bad" / "short.wav"
    said = command("classify", model_file, silent, good, short)
    assert said.code == 1
    lines = [line.split("\t") for line in said.out.splitlines()]
    assert lines[0] == [str(silent), "unknown: 1.00 s of silence; check the recording, or leave it out"]
    assert lines[1][:2] == [str(good), "low"]
    assert lines[2][0] == str(short)
    assert lines[2][1].endswith("s of sound; at least 0.5 s is needed (--min-duration)")
    alone = command("classify", model_file, silent, short, "--format", "jsonl")
    # they were heard, and hold nothing: that is no unusable input
    assert alone.code == 1
    assert command("classify", model_file, silent, tmp_path / "bad" / "empty.wav").code == 1
    assert command("classify", model_file, tmp_path / "bad" / "empty.wav").code == 3
    table = list(csv.reader(io.StringIO(command("classify", model_file, silent, good, "--format", "csv").out)))
    assert {len(row) for row in table} == {8}
    found = lines_of_json(alone)
    assert [(line["status"], line["label"], line["code"]) for line in found] == [
        ("unknown", None, "silent"), ("unknown", None, "too_short"),
    ]  # fmt: skip


# Hostile file names.

HOSTILE = [
    b"a\nb.wav",
    b"\x1b[31mred.wav",
    b"--help",
    b"-o.wav",
    b"caf\xe9.wav",
    b'co,mma "quote".wav',
    b"cr\r.wav",
    b"tab\t.wav",
    b" space .wav",
    b"%s{0}.wav",
    b"\\n.wav",
    "नमस्ते.wav".encode(),
    "\u202egnp.wav".encode(),
]


@pytest.fixture
def hostile(good, tmp_path, monkeypatch):
    """The current folder, with a good file under every hostile name."""
    monkeypatch.chdir(tmp_path)
    for name in HOSTILE:
        shutil.copy(good, os.fsdecode(name))
    return [os.fsdecode(name) for name in HOSTILE]


def test_hostile_names_come_back_through_jsonl(command, model_file, hostile):
    said = command("classify", model_file, "--format", "jsonl", "--", *hostile)
    assert (said.code, said.err) == (0, "")
    assert [line["path"] for line in lines_of_json(said)] == hostile
    assert {line["label"] for line in lines_of_json(said)} == {"low"}


def test_hostile_names_come_back_through_csv(command, model_file, hostile):
    said = command("classify", model_file, "--format", "csv", "--", *hostile)
    assert said.code == 0
    # bytes that are no text are shown escaped; all else is kept by csv's own rules
    paths = [row["path"] for row in rows_of_csv(said)]
    assert [plain_cell(path) for path in paths] == [name.replace("\udce9", "\\udce9") for name in hostile]
    # what a spreadsheet would take for a formula has an apostrophe before it
    assert paths[2:4] == ["'--help", "'-o.wav"]
    assert {row["label_1"] for row in rows_of_csv(said)} == {"low"}


def test_hostile_names_do_not_drive_the_terminal(command, model_file, hostile):
    (Path(hostile[1]).parent / "\x1b[2J.wav").write_bytes(b"")
    said = command("classify", model_file, "--", *hostile, "\x1b[2J.wav")
    assert said.code == 1
    assert len(said.out.splitlines()) == len(hostile)
    for text in (said.out, said.err):
        assert all(c.isprintable() or c in "\t\n" for c in text)
    shown = [line.split("\t")[0] for line in said.out.splitlines()]
    assert shown[:5] == ["a\\nb.wav", "\\x1b[31mred.wav", "--help", "-o.wav", "caf\\udce9.wav"]
    assert "skipped [empty] \\x1b[2J.wav: " in said.err


def test_hostile_names_in_a_folder_are_found_trained_on_and_told(command, hostile, corpus, tmp_path):
    (tmp_path / "c").mkdir()
    shutil.copytree(corpus.root / "high", tmp_path / "c" / "hi\x1b[31mgh")
    label = os.fsdecode(b"l\xf8w,\n")
    (tmp_path / "c" / label).mkdir()
    found = [name for name in hostile if name.endswith(".wav")]
    for name in found:
        shutil.move(tmp_path / name, tmp_path / "c" / label / name)
    said = command("train", tmp_path / "c", "-o", "m.gmm", "--components", "2")
    assert said.code == 0
    assert all(c.isprintable() or c == "\n" for c in said.err)
    clips = load_model("m.gmm").training.clips
    assert {clip.path for clip in clips if clip.label == label} == {f"{label}/{name}" for name in found}
    said = command("evaluate", "m.gmm", tmp_path / "c", "--report", "r.html", "--json", "r.json")
    assert said.code == 0
    assert all(c.isprintable() or c == "\n" for c in said.out)
    assert {clip["label"] for clip in json.loads(Path("r.json").read_text())["clips"]} == {label, "hi\x1b[31mgh"}
    assert "l\\udcf8w,\\n" in Path("r.html").read_text(encoding="utf-8")
    assert command("info", "m.gmm").out.splitlines()[0] == "labels: hi\\x1b[31mgh, l\\udcf8w,\\n"


def test_a_name_that_looks_like_an_option_needs_the_two_dashes(command, model_file, hostile):
    assert command("classify", model_file, "-o.wav").code == 2
    assert command("classify", model_file, "./-o.wav").code == 0
    assert command("classify", model_file, "--", "-o.wav").code == 0


def test_a_real_process_takes_bytes_that_are_no_text(model_file, good, tmp_path):
    name = b"caf\xe9\n.wav"
    shutil.copy(good, tmp_path / os.fsdecode(name))
    words = ["-m", "gmmaudio", "classify", model_file, "--", name, "gone", "-"]
    said = python(*words, stdin=good.read_bytes(), cwd=tmp_path)
    assert said.returncode == 1
    assert [line.split(b"\t")[:2] for line in said.stdout.splitlines()] == [
        [b"caf\\udce9\\n.wav", b"low"],
        [b"-", b"low"],
    ]
    assert said.stderr == b"skipped [vanished] gone: is not there; check the path\n1 input failed\n"


# evaluate.


def test_evaluate_scores_the_test_split(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.split, "--json", "-"))
    assert (report["n"], report["accuracy"], report["balanced_accuracy"]) == (6, 1.0, 1.0)
    assert report["labels"] == ["high", "low", "mid"]
    assert report["confusion"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    row = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "n": 2, "eer": 0.0, "min_dcf": 0.0}
    assert report["per_label"]["mid"] == row
    # all right in three groups: what three coins can say
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert report["intervals"][name] == pytest.approx([0.025 ** (1 / 3), 1.0])
    assert warnings_of(report) == [
        (
            "one_group",
            "one group only for 'high', 'low', 'mid': the model or the metric may be about that one artist or speaker",
        )
    ]
    assert report["failed"] == []
    assert [clip["path"] for clip in report["clips"]] == [row["path"] for row in corpus.rows if row["split"] == "test"]


def test_json_of_evaluate_has_these_fields(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.split, "--json", "-"))
    assert set(report) >= {
        "accuracy", "balanced_accuracy", "n", "labels", "confusion", "per_label", "intervals", "protocol", "findings",
        "clips", "failed",
    }  # fmt: skip
    assert set(report["protocol"]) >= {"scheme", "group_by", "seed", "folds", "scored_labels", "unscored_labels"}
    clip = report["clips"][0]
    assert set(clip) >= {"path", "label", "group", "source", "fold", "predicted", "scores", "probability"}
    assert (clip["label"], clip["group"], clip["source"], clip["predicted"]) == ("low", "low-cy", "field", "low")
    assert clip["predicted"] == max(clip["scores"], key=clip["scores"].get)
    assert clip["predicted"] == max(clip["probability"], key=clip["probability"].get)
    assert report["protocol"]["command"].startswith("gmmaudio evaluate ")


def test_evaluate_says_the_same_as_classify(command, model_file, corpus):
    evaluated = json_of(command("evaluate", model_file, corpus.root, "--json", "-"))["clips"]
    classified = lines_of_json(command("classify", model_file, corpus.root, "--format", "jsonl"))
    assert {str(corpus.root / clip["path"]): clip["scores"] for clip in evaluated} == {
        line["path"]: line["scores"] for line in classified
    }


def test_evaluate_shows_headline_and_tables_on_stdout(command, model_file, corpus):
    said = command("evaluate", model_file, corpus.split)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == (
        "Accuracy 100.0 % (95 % interval 29.2 to 100.0 %), balanced 100.0 %, 6 clips, 3 labels, "
        "a trained model on its split 'test'"
    )
    assert "Confusion" in said.out
    assert "\x1b" not in said.out


def test_clips_and_groups_that_were_trained_on_are_told(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.split, "--split", "train", "--json", "-"))
    assert warnings_of(report) == [
        ("trained_on", "12 of 12 clips were trained on: their metrics measure memory"),
        (
            "group_trained_on",
            "6 groups were trained on too ('high-ann', 'high-bob', 'low-ann' and 3 more): this metric may be "
            "optimistic",
        ),
    ]


def test_a_clip_that_was_trained_on_is_known_by_its_sound_under_another_name(command, model_file, corpus, tmp_path):
    for label in ("low", "mid"):
        (tmp_path / "c" / label).mkdir(parents=True)
        shutil.copy(corpus.root / label / "cy" / "0.wav", tmp_path / "c" / label / "new.wav")
    shutil.copy(corpus.root / "low" / "ann" / "1.flac", tmp_path / "c" / "low" / "renamed.flac")
    said = command("evaluate", model_file, tmp_path / "c")
    alarms = [line for line in said.out.splitlines() if line.startswith("alarm: ")]
    assert alarms[0].startswith("alarm: 1 of 3 clips were trained on: ")
    assert alarms[0].endswith("; evaluate on other clips (--split)")


def test_groups_that_are_not_known_are_told(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.root, "--json", "-"))
    assert "groups_unknown" in {finding["code"] for finding in report["findings"]}
    assert {clip["group"] for clip in report["clips"]} == {None}
    assert f"alarm: {UNKNOWN_GROUPS}" in command("evaluate", model_file, corpus.root).out.splitlines()


def test_evaluate_counts_bad_files_outside_accuracy(command, model_file, absolute, spoiled, tmp_path):
    manifest, codes = spoiled
    before = json_of(command("evaluate", model_file, absolute, "--split", "train", "--json", "-"))
    manifest.write_text(manifest.read_text().replace(",,", ",train,"))
    said = command("evaluate", model_file, manifest, "--split", "train", "--json", tmp_path / "r.json")
    assert said.code == 1
    report = json.loads((tmp_path / "r.json").read_text())
    assert {(item["path"], item["code"]) for item in report["failed"]} == set(codes.items())
    assert all(item["message"] for item in report["failed"])
    assert said.out.splitlines()[0].endswith(f"; {len(codes)} inputs failed")
    for code in codes.values():
        assert f"skipped [{code}] " in said.err
    for name in ("accuracy", "n", "confusion", "clips", "intervals", "findings"):
        assert report[name] == before[name], name


def test_evaluate_with_nothing_but_bad_files_is_3(command, model_file, tmp_path, tools):
    gone = tools.write_manifest(tmp_path / "gone.csv", [{"path": "0.wav", "label": "low"}])
    said = command("evaluate", model_file, gone, "--json", tmp_path / "r.json")
    assert (said.code, said.out) == (3, "")
    assert said.err == "gmmaudio: all 1 clips failed; first: 0.wav: is not there; check the path\n"
    assert not (tmp_path / "r.json").exists()


def test_labels_that_the_model_does_not_know_are_listed(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "polka")
    report = json_of(command("evaluate", model_file, tmp_path / "c", "--json", "-"))
    assert report["protocol"]["unscored_labels"] == ["polka"]
    assert report["protocol"]["scored_labels"] == ["low"]
    assert report["n"] == 6


def test_a_corpus_without_a_label_of_the_model_is_3(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "polka")
    said = command("evaluate", model_file, tmp_path / "c")
    assert said.code == 3
    assert said.err == (
        "gmmaudio: the corpus's labels are polka and the model's high, low, mid: none in common; "
        "rename the folders, or train on this corpus\n"
    )


def test_a_split_that_is_not_there_is_3(command, model_file, corpus):
    said = command("evaluate", model_file, corpus.split, "--split", "dev")
    assert said.code == 3
    assert said.err == "gmmaudio: no clip has split 'dev'; the corpus has test, train (--split)\n"


def test_a_report_is_one_page_that_needs_nothing_else(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "<script>alert(1)")
    said = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm", "--components", "2")
    said = command("evaluate", tmp_path / "m.gmm", tmp_path / "c", "--report", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert said.err == f"wrote {tmp_path}/r.html\n"
    assert "<h1>m.gmm on c</h1>" in page
    assert "100.0 %" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "://" not in page
    assert UNKNOWN_GROUPS.replace("'", "&#39;") in page


# crossval.


def crossval(command, *words):
    """Return the JSON of a cross-validation with small mixtures."""
    said = command("crossval", *words, "--components", "2", "--json", "-")
    assert said.code == 0, said.err
    return json_of(said)


def test_crossval_scores_every_clip_once_and_rightly(command, corpus):
    report = crossval(command, corpus.plain)
    assert report["accuracy"] == 1.0
    assert sorted(clip["path"] for clip in report["clips"]) == sorted(row["path"] for row in corpus.rows)
    assert warnings_of(report) == []
    assert report["protocol"]["scheme"] == "5-fold cross-validation by group"
    assert report["protocol"]["folds"] == ["0", "1", "2", "3", "4"]


def test_crossval_keeps_groups_whole(command, corpus):
    folds = {}
    for clip in crossval(command, corpus.plain, "--folds", "3")["clips"]:
        folds.setdefault(clip["group"], set()).add(clip["fold"])
    assert len(folds) == 9
    assert all(len(own) == 1 for own in folds.values())


def test_crossval_is_the_same_for_one_worker_and_two(command, corpus):
    one, two = (crossval(command, corpus.plain, "-j", n) for n in (1, 2))
    for report in (one, two):
        for key in ("command", "began", "seconds"):
            del report["protocol"][key]
    assert one == two


def test_leaving_out_one_group_at_a_time(command, corpus):
    report = crossval(command, corpus.plain, "--folds", "loo")
    assert sorted(report["protocol"]["folds"]) == sorted({row["group"] for row in corpus.rows})
    assert all(clip["fold"] == clip["group"] for clip in report["clips"])
    assert report["protocol"]["scheme"] == "cross-validation, one group left out at a time"


def test_leaving_out_one_source_at_a_time(command, corpus):
    report = crossval(command, corpus.plain, "--folds", "loo", "--group-by", "source")
    assert report["protocol"]["folds"] == ["field", "studio"]
    assert all(clip["fold"] == clip["source"] for clip in report["clips"])
    assert report["protocol"]["group_by"] == "source"


def test_a_column_tells_the_folds(command, corpus):
    report = crossval(command, corpus.plain, "--fold-column", "fold")
    column = {row["path"]: str(row["fold"]) for row in corpus.rows}
    assert {clip["path"]: clip["fold"] for clip in report["clips"]} == column
    assert report["protocol"]["scheme"] == "cross-validation by the fold column 'fold'"


def test_repeats_divide_anew_with_the_next_seeds(command, corpus):
    report = crossval(command, corpus.plain, "--folds", "3", "--repeats", "2", "--seed", "4")
    assert (report["n"], report["n_predictions"]) == (18, 36)
    assert [row["seed"] for row in report["repeats"]] == [4, 5]
    first, second = ([clip["fold"] for clip in report["clips"] if clip["repeat"] == i] for i in (0, 1))
    paths = [[clip["path"] for clip in report["clips"] if clip["repeat"] == i] for i in (0, 1)]
    assert dict(zip(paths[0], first, strict=True)) != dict(zip(paths[1], second, strict=True))


def test_groups_come_from_a_column_the_folder_or_nowhere(command, corpus):
    by_singer = crossval(command, corpus.plain, "--group-by", "singer", "--folds", "loo")
    assert by_singer["protocol"]["folds"] == ["ann", "bob", "cy"]
    by_parent = crossval(command, corpus.root, "--group-by", "parent", "--folds", "loo")
    assert {clip["group"] for clip in by_parent["clips"]} == {str(Path(row["path"]).parent) for row in corpus.rows}
    assert warnings_of(by_parent) == []
    by_none = crossval(command, corpus.plain, "--group-by", "none")
    assert {clip["group"] for clip in by_none["clips"]} == {None}
    assert warnings_of(by_none) == [
        ("groups_unknown", "groups unknown: this metric may be optimistic"),
        (
            "group_on_both_sides",
            "9 groups of the corpus are on both sides of a split ('high-ann', 'high-bob', 'high-cy' and 6 more): "
            "this metric may be optimistic",
        ),
    ]


def test_a_label_with_one_group_is_a_candidate_and_never_scored(command, corpus, tmp_path, tools):
    rows = [row | {"path": corpus.root / row["path"], "split": ""} for row in corpus.rows]
    alone = [row | {"group": "only"} if row["label"] == "high" else row for row in rows]
    manifest = tools.write_manifest(tmp_path / "m.csv", alone)
    for scheme in (["--folds", "2"], ["--folds", "loo"], ["--fold-column", "fold"]):
        report = crossval(command, manifest, *scheme)
        assert report["protocol"]["unscored_labels"] == ["high"]
        assert report["protocol"]["scored_labels"] == ["low", "mid"]
        assert {clip["label"] for clip in report["clips"]} == {"low", "mid"}
        assert all(set(clip["scores"]) == {"high", "low", "mid"} for clip in report["clips"])


def test_crossval_uses_the_training_split(command, corpus):
    assert {clip["path"] for clip in crossval(command, corpus.split, "--folds", "2")["clips"]} == {
        row["path"] for row in corpus.rows if row["split"] == "train"
    }


def test_crossval_drops_bad_files_and_leaves_the_rest_as_it_is(command, absolute, spoiled):
    manifest, codes = spoiled
    words = ["--components", "2", "--folds", "2", "--json", "-"]
    before, said = command("crossval", absolute, *words), command("crossval", manifest, *words)
    assert (before.code, said.code) == (0, 1)
    report = json_of(said)
    assert {(item["path"], item["code"]) for item in report["failed"]} == set(codes.items())
    for name in ("accuracy", "n", "confusion", "clips", "intervals", "findings"):
        assert report[name] == json_of(before)[name], name
    assert f"{len(codes)} inputs failed" in said.err


def test_the_same_sound_in_two_groups_is_told(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c")
    shutil.copy(tmp_path / "c/low/ann/0.wav", tmp_path / "c/low/cy/copy.wav")
    report = crossval(command, tmp_path / "c", "--group-by", "parent", "--folds", "loo")
    assert warnings_of(report) == [
        ("same_audio_on_both_sides", "same audio on both sides of a split: low/ann/0.wav = low/cy/copy.wav"),
        ("same_audio_twice", "same audio twice: low/ann/0.wav (low) = low/cy/copy.wav (low)"),
    ]


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--folds", "1"], 2, "--folds is 1; expected 2 to 9, the number of groups with labels that can be scored"),
        (["--folds", "10"], 2, "--folds is 10; expected 2 to 9"),
        (["--repeats", "0"], 2, "--repeats is 0; expected 1 or more"),
        (["--repeats", "2", "--folds", "loo"], 2, "--repeats is 2; expected 1 or more, and 1 with --fold-column"),
        (["--repeats", "2", "--fold-column", "fold"], 2, "--repeats is 2; expected 1 or more, and 1 with"),
        (["--fold-column", "nosuch"], 3, "no clip has a value in the column 'nosuch'; name another (--fold-column)"),
        (["--fold-column", "label"], 3, "no label can be scored"),
        (
            ["--group-by", "nosuch"],
            3,
            "'low/ann/0.wav', 'low/ann/1.flac', 'low/bob/0.wav' and 15 more without a value in the",
        ),
        (["--group-by", "label"], 3, "no label can be scored"),
        (["--trial-seconds", "0.05"], 2, "--trial-seconds is 0.05; expected 0.1 to 3600 s"),
        (["--min-duration", "nan"], 2, "--min-duration is nan; expected 0 to 3600 s"),
        (["--min-duration", "2"], 3, "no clip is left to use: 18 clips failed, the first: "),
        (["--components", "0"], 2, "n_components is 0; expected a whole number, 1 or more"),
        (["-j", "0"], 2, "--jobs is 0; expected 1 or more worker processes, or -1 for one each core"),
    ],
)
def test_crossval_that_cannot_be_done_says_why(command, corpus, words, code, complaint):
    if words[:2] == ["--group-by", "label"]:
        words = [*words, "--folds", "loo"]
    said = command("crossval", corpus.plain, *words)
    assert (said.code, said.out) == (code, "")
    assert complaint in said.err


# features.


def test_features_writes_what_extract_gives(command, corpus, good, tmp_path):
    said = command("features", good, "-o", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{tmp_path}/out/0.wav.npy\n"
    values = np.load(tmp_path / "out" / "0.wav.npy", allow_pickle=False)
    assert values.dtype == np.float32
    with threadpool_limits(limits=1):  # as the engine does: float32 products differ by the last bit on more threads
        np.testing.assert_array_equal(values, extract(read_audio(good, 22050), make_features()).values)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_features_keeps_the_folders(command, corpus, tmp_path, n_jobs):
    said = command("features", corpus.root, "-o", tmp_path / "out", "-j", n_jobs)
    assert said.code == 0
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.npy")}
    assert made == {row["path"] + ".npy" for row in corpus.rows}
    assert said.out.splitlines() == sorted(f"{tmp_path}/out/{name}" for name in made)


def test_features_of_files_with_one_name_in_two_folders_do_not_meet(command, corpus, tmp_path):
    said = command("features", corpus.root / "low/ann/0.wav", corpus.root / "mid/ann/0.wav", "-o", tmp_path)
    assert said.out.splitlines() == [f"{tmp_path}/low/ann/0.wav.npy", f"{tmp_path}/mid/ann/0.wav.npy"]


def test_features_skips_bad_files(command, corpus, tmp_path, tools):
    codes = tools.make_bad_files(tmp_path / "bad", corpus.root / "low" / "ann" / "0.wav")
    shutil.copy(corpus.root / "low/cy/0.wav", tmp_path / "bad" / "good.wav")
    said = command("features", tmp_path / "bad", "-o", tmp_path / "out")
    assert said.code == 1
    assert said.out == f"{tmp_path}/out/good.wav.npy\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.wav.npy"]
    for name, code in codes.items():
        assert f"skipped [{code}] {tmp_path}/bad/{name}: " in said.err


def test_features_of_nothing_usable_is_3(command, tmp_path):
    said = command("features", tmp_path / "gone.wav", "-o", tmp_path / "out")
    assert (said.code, said.out) == (3, "")
    assert not (tmp_path / "out").exists()


def test_features_into_a_file_is_4(command, good, tmp_path):
    (tmp_path / "out").write_bytes(b"a file")
    said = command("features", good, "-o", tmp_path / "out")
    assert (said.code, said.out) == (4, "")
    assert said.err == f"gmmaudio: {tmp_path}/out: cannot be made (File exists); choose another place\n"
    assert (tmp_path / "out").read_bytes() == b"a file"


# info.


def test_info_says_what_a_model_holds(command, model_file):
    said = command("info", model_file)
    assert (said.code, said.err) == (0, "")
    for line in (
        "labels: high, low, mid",
        "model: one Gaussian mixture for each label on frames, K=4, diag covariances, preset none (classic), seed 0",
        "front end: 20 MFCC = 20 numbers a frame, 22050 Hz, frames of 92.9 ms every 23.2 ms, normalise none",
        "trained on: 12 clips, 6 groups, 12.0 s",
        "unknown: off: each of 3 labels left out in turn, AUROC 1.00 by score, but the 12 known clips give no "
        "threshold for 5 % of them",
    ):
        assert line in said.out.splitlines()
    assert "low: 4 clips, 2 groups, 4.0 s, 176 frames, log-likelihood" in said.out
    assert re.search(
        r"^probabilities: temperature, scale \S+, learned on 12 clips of 6 groups by inner folds", said.out, re.M
    )


def test_info_json_has_everything_but_the_tensors(command, model_file, model):
    said = json_of(command("info", model_file, "--json"))
    told = {"labels", "kind", "n_components", "features", "calibration", "open_set", "training"}
    assert set(said) == told
    assert said["labels"] == ["high", "low", "mid"]
    assert said["n_components"] == {"high": 4, "low": 4, "mid": 4}
    assert said["features"] == json.loads(json.dumps(model.features.to_dict()))
    assert [clip["sha256"] for clip in said["training"]["clips"]] == [clip.sha256 for clip in model.training.clips]
    assert said["training"]["clips"][0]["group"] == "low-ann"


def test_info_tells_a_model_of_a_preset(command, corpus, tmp_path):
    command("train", corpus.root, "-o", tmp_path / "m.gmm", "--preset", "language", "--trial-seconds", "0")
    said = command("info", tmp_path / "m.gmm").out
    assert "preset language" in said
    assert "7 MFCC + SDC 7-1-3-7 = 56 numbers a frame, 16000 Hz" in said
    assert "trained on: 18 clips, unknown groups, 18.0 s" in said


# Every option changes what comes out. A new option without a line here fails the last test. (Trials of 0.6 s need a
# lower least length, which alone changes nothing: no clip is below 0.5 s.)

OPTIONS = {
    ("train", "output"): ["-o", "other.gmm"],
    ("train", "preset"): ["--preset", "language", "--trial-seconds", "0"],
    ("train", "n_components"): ["--components", "3"],
    ("train", "covariance_type"): ["--covariance", "full"],
    ("train", "init"): ["--init", "random"],
    ("train", "min_duration_s"): ["--min-duration", "0.8"],
    ("train", "trial_s"): ["--trial-seconds", "0.6", "--min-duration", "0.1"],
    ("train", "split"): ["--split", "test"],
    ("train", "seed"): ["--seed", "1"],
    ("train", "n_jobs"): ["-j", "0"],
    ("classify", "output_format"): ["--format", "jsonl"],
    ("classify", "top"): ["--top", "2"],
    ("classify", "list_file"): ["--from-file", "list.txt"],
    ("classify", "min_duration_s"): ["--min-duration", "0.8"],
    ("classify", "n_jobs"): ["-j", "0"],
    ("evaluate", "split"): ["--split", "train"],
    ("evaluate", "trial_s"): ["--trial-seconds", "0.6", "--min-duration", "0.1"],
    ("evaluate", "min_duration_s"): ["--min-duration", "0.8"],
    ("evaluate", "group_by"): ["--group-by", "singer"],
    ("evaluate", "report_path"): ["--report", "r.html"],
    ("evaluate", "json_path"): ["--json", "-"],
    ("evaluate", "n_jobs"): ["-j", "0"],
    ("crossval", "preset"): ["--preset", "language", "--trial-seconds", "0"],
    ("crossval", "n_components"): ["--components", "3"],
    ("crossval", "covariance_type"): ["--covariance", "full"],
    ("crossval", "init"): ["--init", "random"],
    ("crossval", "min_duration_s"): ["--min-duration", "0.8"],
    ("crossval", "trial_s"): ["--trial-seconds", "0.6", "--min-duration", "0.1"],
    ("crossval", "split"): ["--split", "train"],
    ("crossval", "seed"): ["--seed", "1"],
    ("crossval", "n_jobs"): ["-j", "0"],
    ("crossval", "folds"): ["--folds", "3"],
    ("crossval", "fold_column"): ["--fold-column", "fold"],
    ("crossval", "repeats"): ["--repeats", "2"],
    ("crossval", "group_by"): ["--group-by", "none"],
    ("crossval", "report_path"): ["--report", "r.html"],
    ("crossval", "json_path"): ["--json", "-"],
    ("crossval", "csv_folder"): ["--csv", "tables"],
    ("crossval", "durations_s"): ["--durations", "0.3"],
    ("crossval", "open_set"): ["--no-open-set"],
    ("crossval", "learning_curve"): ["--learning-curve"],
    ("crossval", "compare_random_split"): ["--compare-random-split"],
    ("crossval", "robustness"): ["--robustness"],
    ("evaluate", "csv_folder"): ["--csv", "tables"],
    ("evaluate", "durations_s"): ["--durations", "0.3"],
    ("evaluate", "robustness"): ["--robustness"],
    ("features", "output"): ["-o", "other"],
    ("features", "preset"): ["--preset", "genre"],
    ("features", "min_duration_s"): ["--min-duration", "0.8"],
    ("features", "n_jobs"): ["-j", "0"],
    ("info", "as_json"): ["--json"],
}
BASES = {
    "train": ["train", "c.csv", "-o", "m.gmm", "--preset", "genre", "--kind", "frames", "--components", "2"],
    "classify": ["classify", "bands.gmm", "0.wav", "1.wav"],
    "evaluate": ["evaluate", "bands.gmm", "c.csv", "--json", "r.json"],
    "crossval": [
        "crossval",
        "c.csv",
        "--preset",
        "genre",
        "--kind",
        "frames",
        "--components",
        "2",
        "--json",
        "r.json",
    ],
    "features": ["features", "0.wav", "1.wav", "-o", "made"],
    "info": ["info", "bands.gmm"],
}


@pytest.fixture(scope="module")
def seen():
    """What the commands without an option gave."""
    return {}


@pytest.fixture
def bench(corpus, model_file, tmp_path, monkeypatch, tools):
    """The current folder: a model, a list, and a corpus in which two clips of each label last 0.7 s."""
    monkeypatch.chdir(tmp_path)
    rows = [dict(row) for row in corpus.rows]
    for i, row in enumerate(rows):
        if i % 6 in (0, 5):
            tools.write(f"{i}.wav", tools.band_noise(row["label"], 100 + i, seconds=0.7), tools.sr)
        else:
            shutil.copy(corpus.root / row["path"], f"{i}.wav")
        row |= {"path": f"{i}.wav", "split": "test" if row["singer"] == "cy" else ["", "train"][i % 2]}
    tools.write_manifest("c.csv", rows)
    shutil.copy(model_file, "bands.gmm")
    Path("list.txt").write_text("9.wav\n")


def outcome(command, words):
    """Run a command; return its exit code, what is on stdout, and the files it made, by name."""
    before = set(Path().rglob("*"))
    said = command(*words)
    made = {}
    for path in sorted(set(Path().rglob("*")) - before, reverse=True):
        if path.is_dir():
            path.rmdir()
            continue
        # a header tells every option and proves nothing: of a model the numbers, of a report the predictions
        readers = {".gmm": tensors_of, ".npy": Path.read_bytes, ".json": predictions_of, ".html": str, ".csv": str}
        read = readers[path.suffix]
        made[str(path)] = read(path)
        path.unlink()
    return said.code, said.out, made


def predictions_of(path):
    """Return what a report says but for the settings that it repeats."""
    report = json.loads(path.read_text())
    return {name: report[name] for name in ("accuracy", "clips", "findings", "repeats", "slices")}


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(("verb", "name"), OPTIONS)
def test_every_option_changes_the_outcome(command, seen, verb, name):
    if verb not in seen:
        seen[verb] = outcome(command, BASES[verb])
    base, other = seen[verb], outcome(command, BASES[verb] + OPTIONS[verb, name])
    assert base[0] == 0
    # 1: the short clips fail; 2: no workers
    assert other[0] == {"min_duration_s": 1, "n_jobs": 2}.get(name, 0)
    if verb in ("train", "evaluate", "crossval") and name not in (
        *("output", "json_path", "report_path", "csv_folder", "n_jobs"),
    ):
        assert other[2].keys() == base[2].keys()
        assert other[2] != base[2]
    else:
        assert other[1:] != base[1:]


def test_every_option_of_every_command_is_in_the_table():
    context = click.Context(cli)
    options = {
        (verb, option.name)
        for verb in COMMANDS
        for option in cli.get_command(context, verb).params
        if isinstance(option, click.Option)
    }
    # these stand alone, or need a report first: another module has them
    elsewhere = {("evaluate", "scores_path"), ("compare", "json_path"), ("classify", "priors"), ("train", "group_by")}
    elsewhere |= {(verb, name) for verb in ("train", "crossval") for name in ("tune", "kind", "augment")}
    elsewhere |= {("reproduce", name) for name in ("corpus", "model", "json_path", "n_jobs")}
    elsewhere |= {(verb, name) for verb, name in options if name == "is_quiet"}
    assert options == {*OPTIONS, *elsewhere}
    others = [path for path in Path(__file__).parent.rglob("test_*.py") if path != Path(__file__)]
    texts = [path.read_text(encoding="utf-8") for path in others]
    for verb, name in elsewhere:
        word = "-j" if name == "n_jobs" else flags()[name]
        assert any(f'"{verb}"' in text and f'"{word}"' in text for text in texts), (verb, word)


# Real sound, where it is at hand.


@pytest.fixture
def genres(tmp_path, tools):
    """A manifest of eight clips each of two genres, by the fold column of the real corpus."""
    root = Path(__file__).parents[1]
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
    said = command("train", genres, "-o", tmp_path / "m.gmm", "--preset", "genre")
    assert said.code == 0, said.err
    report = json_of(command("evaluate", tmp_path / "m.gmm", genres, "--json", "-"))
    assert report["n"] == 4
    # the two genres furthest apart: anything but all right means a broken front end
    assert report["accuracy"] == 1.0
