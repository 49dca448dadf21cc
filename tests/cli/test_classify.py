"""Class priors, by the command."""

import csv
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_audio
from gmmaudio.features import extract, make_features
from gmmaudio.models import Familiarity, load_model, save_model
from gmmaudio.pipeline.classified_rows import read_classified
from tests.cli.conftest import json_of, lines_of_json, rows_of_csv


def test_the_command_takes_priors(command, corpus, tmp_path):
    command("train", corpus.plain, "-o", tmp_path / "m.gmm", "--components", "2")
    path = corpus.root / corpus.rows[0]["path"]
    words = ("classify", tmp_path / "m.gmm", path, "--format", "jsonl")
    plain, low = (json.loads(command(*words, *more).out) for more in ((), ("--prior", "low=0.0")))
    assert plain["probability"]["low"] > low["probability"]["low"] == 0.0
    assert command(*words, "--prior", "low").code == 2
    assert command(*words, "--prior", "none=0.5").code == 2


def test_classify_text_is_path_label_and_probability(command, model_file, corpus, good):
    result = command("classify", model_file, good, corpus.root / "high" / "cy" / "1.flac")
    assert (result.code, result.err) == (0, "")
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [(path, label) for path, label, _ in rows] == [
        (str(good), "low"),
        (f"{corpus.root}/high/cy/1.flac", "high"),
    ]
    expected = load_model(model_file).predict(extract(read_audio(good, 22050), make_features())).probability["low"]
    assert rows[0][2] == f"{100 * expected:.1f} %"


def test_classify_text_has_scores_where_the_model_has_no_probabilities(command, model_file, good, tmp_path):
    model = replace(load_model(model_file), calibration=None, open_set=None)
    save_model(model, tmp_path / "m.gmm")
    result = command("classify", tmp_path / "m.gmm", good)
    expected = model.predict(extract(read_audio(good, 22050), make_features())).scores["low"]
    assert result.out == f"{good}\tlow\t{expected:.4f}\n"
    (row,) = rows_of_csv(command("classify", tmp_path / "m.gmm", good, "--format", "csv"))
    # the number of BLAS threads moves the last bits of a frame
    assert float(row["score_1"]) == pytest.approx(expected, rel=1e-6)
    assert (row["probability"], row["probability_1"]) == ("", "")
    assert {name for name in row if ":" in name} == {"score:high", "score:low", "score:mid"}
    assert float(row["score:low"]) == float(row["score_1"])


def test_classify_ranks_by_what_it_prints(command, model_file, good):
    result = command("classify", model_file, good, "--top", "3", "--prior", "low=0", "--prior", "mid=0.9")
    _, *pairs = result.out.rstrip("\n").split("\t")
    chances = [float(cell.removesuffix(" %")) for cell in pairs[1::2]]
    assert chances == sorted(chances, reverse=True)
    assert dict(zip(pairs[::2], chances, strict=True))["low"] == 0.0


def test_priors_of_all_labels_are_1_together(command, model_file, good):
    labels = load_model(model_file).scorer.labels
    for prior, code in ((1 / len(labels), 0), (round(1 / len(labels), 3), 0), (0.5 / len(labels), 2), (0.0, 2)):
        words = [word for label in labels for word in ("--prior", f"{label}={prior}")]
        result = command("classify", model_file, good, *words)
        assert result.code == code
        assert code == 0 or f"all labels are named, and their priors are {prior * len(labels):.4g} tog" in result.err


def test_a_prior_of_no_label_shows_its_invisible_characters(command, model_file, good):
    result = command("classify", model_file, good, "--prior", "lo\u200bw=0.5")
    assert (result.code, "'lo\\u200bw=0.5': expected labels of the model" in result.err) == (2, True)


def test_classify_jsonl_has_these_fields(command, model_file, good):
    result = command("classify", model_file, good, "gone.wav", "--format", "jsonl")
    ok, error = lines_of_json(result)
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
    result = command("classify", model_file, good, "gone.wav", "--format", "csv", "--top", "2")
    head = result.out.splitlines()[0]
    assert head == (
        "path,status,label,probability,duration_s,code,message,notes,"
        "label_1,score_1,probability_1,label_2,score_2,probability_2,"
        "probability:high,probability:low,probability:mid"
    )
    ok, error = rows_of_csv(result)
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


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_classify_skips_bad_files_and_says_of_the_good_ones_what_it_said_before(
    command, model_file, corpus, tmp_path, tools, n_jobs
):
    shutil.copytree(corpus.root / "mid", tmp_path / "set")
    before = lines_of_json(command("classify", model_file, tmp_path / "set", "--format", "jsonl"))
    codes = tools.make_bad_files(tmp_path / "set" / "bad", corpus.root / "low" / "ann" / "0.wav")
    result = command("classify", model_file, tmp_path / "set", "--format", "jsonl", "-j", n_jobs)
    assert result.code == 1
    lines = lines_of_json(result)
    assert [line for line in lines if line["status"] == "ok"] == before
    assert {Path(line["path"]).name: line["code"] for line in lines if line["status"] != "ok"} == codes
    unknown = {"silent.wav", "short.wav"}
    assert {Path(line["path"]).name for line in lines if line["status"] == "unknown"} == unknown
    for name, code in codes.items():
        assert f"skipped [{code}] {tmp_path}/set/bad/{name}: " in result.err
    assert result.err.endswith(f"\n{len(codes)} inputs failed\n")
    assert [line["path"] for line in lines] == sorted(line["path"] for line in lines)


def test_a_model_names_all_its_training_clips_rightly(command, model_file, corpus):
    result = command("classify", model_file, corpus.root, "--format", "jsonl")
    assert result.code == 0
    found = lines_of_json(result)
    assert len(found) == 18
    assert all(Path(line["path"]).relative_to(corpus.root).parts[0] == line["label"] for line in found)


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


def test_text_of_a_failed_file_goes_to_stderr_only(command, model_file, good, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    result = command("classify", model_file, tmp_path / "empty.wav", good)
    assert result.code == 1
    assert len(result.out.splitlines()) == 1
    assert result.err == f"skipped [empty] {tmp_path}/empty.wav: has no bytes; copy the file again\n1 input failed\n"


def test_what_is_to_be_said_of_a_file_stands_beside_its_label(command, model_file, good, tmp_path):
    samples, sr = soundfile.read(good)
    inverted = tmp_path / "inverted.wav"
    soundfile.write(inverted, np.stack([samples, -samples], axis=1), sr)
    note = {
        "code": "channels_cancel",
        "text": "the channels cancel in 1.00 s: the loudest is used there, not their mean",
        "seconds": 1.0,
    }
    words = ("classify", model_file, inverted, good)
    text = command(*words)
    assert (text.code, text.err) == (0, f"note [channels_cancel] {inverted}: {note['text']}\n")
    assert [line.split("\t")[1] for line in text.out.splitlines()] == ["low", "low"]
    noted, plain = lines_of_json(command(*words, "--format", "jsonl"))
    assert noted["notes"] == [note]
    assert noted["scores"] == pytest.approx(plain["scores"])
    assert "notes" not in plain
    assert [row["notes"] for row in rows_of_csv(command(*words, "--format", "csv"))] == [note["text"], ""]
    features = command("features", inverted, "-o", tmp_path / "frames")
    assert (features.code, features.err) == (0, text.err)


def test_joined_and_cut_streams_are_classified_whole(command, model_file, good, tmp_path, monkeypatch):
    samples, sr = soundfile.read(good)
    pieces = {}
    for name, container, encoding in [("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("mp3", "MP3", None)]:
        out = io.BytesIO()
        soundfile.write(out, samples, sr, format=container, subtype=encoding)
        pieces[name] = out.getvalue()
    paths = {name: tmp_path / f"clip.{name}" for name in pieces}
    for name, path in paths.items():
        path.write_bytes(3 * pieces[name])
    paths["cut"] = tmp_path / "cut.ogg"
    paths["cut"].write_bytes(pieces["ogg"][: pieces["ogg"].rfind(b"OggS")])
    monkeypatch.setitem(sys.modules, "av", None)
    result = command("classify", model_file, *paths.values(), "--format", "jsonl")
    answers = dict(zip(paths, lines_of_json(result), strict=True))
    assert result.code == 0
    assert answers["flac"]["label"] == "low"
    for name in pieces:
        assert answers[name]["duration_s"] == pytest.approx(3 * len(samples) / sr, abs=0.01)
        assert [note["text"] for note in answers[name]["notes"]] == ["holds 3 recordings, joined"]
    assert [note["code"] for note in answers["cut"]["notes"]] == ["cut_off"]


def test_training_says_what_is_to_be_said_of_its_files(command, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "set" / "low")
    shutil.copytree(corpus.root / "high", tmp_path / "set" / "high")
    path = sorted((tmp_path / "set" / "high").rglob("*.*"))[0]
    samples, sr = soundfile.read(path)
    soundfile.write(path, np.stack([samples, -samples], axis=1), sr)
    result = command("train", tmp_path / "set", "-o", tmp_path / "m.gmm", "--components", "1")
    assert result.code == 0
    n_clips = sum(1 for file in (tmp_path / "set").rglob("*.*") if file.is_file())
    text = (
        f"in 1 of {n_clips} clips: channels that cancel, where the loudest is used instead of the mean; "
        f"first {path.relative_to(tmp_path / 'set')}: "
    )
    assert text in result.err
    assert [finding.code for finding in load_model(tmp_path / "m.gmm").training.findings].count("sound_lost") == 1


def test_a_clip_that_holds_nothing_to_go_by_is_unknown_and_says_why(command, model_file, good, corpus, tmp_path, tools):
    tools.make_bad_files(tmp_path / "bad", corpus.root / "low" / "ann" / "0.wav")
    silent, short = tmp_path / "bad" / "silent.wav", tmp_path / "bad" / "short.wav"
    result = command("classify", model_file, silent, good, short)
    assert result.code == 1
    lines = [line.split("\t") for line in result.out.splitlines()]
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
    assert {len(row) for row in table} == {14}
    found = lines_of_json(alone)
    assert [(line["status"], line["label"], line["code"]) for line in found] == [
        ("unknown", None, "silent"), ("unknown", None, "too_short"),
    ]  # fmt: skip


def test_no_header_of_csv_before_a_usage_error(command, model_file, good):
    result = command("classify", model_file, good, "--format", "csv", "-j", "0")
    assert (result.code, result.out) == (2, "")


NFC, NFD = "Zo\u00e9", "Zoe\u0301"


@pytest.fixture
def accented(corpus, tmp_path, tools):
    """A model one of whose labels and all of whose groups are in NFC, and a manifest of other clips of it in NFD."""
    from gmmaudio import pipeline
    from gmmaudio.models import save_model

    names = {"low": NFC, "mid": "mid", "high": "high"}
    rows = [row | {"path": corpus.root / row["path"], "label": names[row["label"]]} for row in corpus.rows]
    train = tools.write_manifest(tmp_path / "train.csv", [row | {"group": row["group"] + NFC} for row in rows])
    model = pipeline.train(pipeline.read_corpus(train), pipeline.make_recipe(n_components=1)).model
    save_model(model, tmp_path / "m.gmm")
    swapped = [row | {"label": row["label"].replace(NFC, NFD), "group": row["group"] + NFD} for row in rows]
    return tmp_path / "m.gmm", tools.write_manifest(tmp_path / "test.csv", swapped)


def test_priors_know_a_label_in_either_normal_form(command, accented, good):
    model, _ = accented
    one, other = (
        command("classify", model, good, "--prior", f"{name}=0.9", "--format", "jsonl") for name in (NFC, NFD)
    )
    assert (one.code, one.out) == (0, other.out)
    twice = command("classify", model, good, "--prior", f"{NFC}=0.2", "--prior", f"{NFD}=0.3")
    assert (twice.code, f"{NFC!r} is named twice" in twice.err) == (2, True)
    assert command("classify", model, good, "--prior", "mid=0.2", "--prior", "mid=0.2").code == 2


def test_a_model_knows_the_labels_and_groups_of_a_corpus_in_the_other_normal_form(command, accented):
    done = command("evaluate", *accented, "--split", "train", "--durations", "none", "--json", "-")
    report = json.loads(done.out)
    assert done.code == 0
    assert (report["n"], report["accuracy"]) == (12, 1.0)
    assert report["protocol"]["unscored_labels"] == []
    codes = {finding["code"] for finding in report["findings"]}
    assert "group_trained_on" in codes
    assert "labels_not_in_model" not in codes


@pytest.fixture
def strange(model, tmp_path):
    """The file of a model to which all clips of the corpus score lower than held-out groups."""
    familiarity = Familiarity("score", 1e4, 100.0, 0.5, -2.0, 0.05, 0.04, {"labels": 0.9}, 300, 60)
    save_model(replace(model, familiarity=familiarity), tmp_path / "strange.gmm")
    return tmp_path / "strange.gmm"


def test_a_batch_that_scores_lower_is_said_at_the_end(command, strange, corpus):
    folder = corpus.root / "low"
    result = command("classify", strange, folder)
    assert result.code == 0
    said = result.err.splitlines()[-1]
    assert said.startswith("warning: these 6 recordings score lower than held-out groups of the training set do (mean ")
    assert len(result.out.splitlines()) == 6
    *rows, last = lines_of_json(command("classify", strange, folder, "--format", "jsonl"))
    assert (last["path"], last["status"], last["label"]) == (None, "batch", None)
    assert [finding["code"] for finding in last["findings"]] == ["unfamiliar_recordings"]
    assert all(row["familiarity"] < -9 for row in rows)
    whole = json_of(command("classify", strange, folder, "--format", "json"))
    assert whole == [*rows, last]
    few = command("classify", strange, folder / "ann", "--format", "json")
    assert [row["status"] for row in json_of(few)] == ["ok", "ok"]
    assert few.err == ""
    assert len(command("classify", strange, folder, "--format", "csv").out.splitlines()) == 7


def test_a_long_recording_that_scores_lower_is_said_in_every_format(command, strange, tmp_path, tools):
    tools.write(tmp_path / "long.wav", tools.band_noise("low", 5, 8.0), tools.sr)
    text = "this recording, as long as 8 clips, scores lower than held-out groups of the training set do"
    done = command("classify", strange, tmp_path / "long.wav")
    assert f"note [unfamiliar_recording] {tmp_path / 'long.wav'}: {text}" in done.err
    (row,) = rows_of_csv(command("classify", strange, tmp_path / "long.wav", "--format", "csv"))
    assert row["notes"].startswith(text) and "caveats" not in row
    (answer,) = lines_of_json(command("classify", strange, tmp_path / "long.wav", "--format", "jsonl"))
    assert [caveat["code"] for caveat in answer["caveats"]] == ["unfamiliar_recording"]


def test_what_holds_for_all_folders_is_said_once(command, strange, corpus, tmp_path):
    for folder, n in (("many", 5), ("few", 1)):
        (tmp_path / folder).mkdir()
        for i in range(n):
            shutil.copy(corpus.root / "low" / "ann" / "0.wav", tmp_path / folder / f"{i}.wav")
    result = command("classify", strange, tmp_path, "--quiet")
    skipped, line = result.err.splitlines()
    assert skipped == "skipped 1 file without an audio suffix"
    assert line.startswith("warning: these 6 recordings score lower")


@pytest.mark.parametrize("output_format", ["jsonl", "json", "csv"])
def test_a_batch_is_checked_alike_by_jobs_and_by_runs_that_go_on(command, strange, corpus, tmp_path, output_format):
    words = ("classify", strange, corpus.root / "low", "--format", output_format, "--cache", "none")
    alone = command(*words, "--jobs", "1")
    two = command(*words, "--jobs", "2")
    assert (two.out, two.err) == (alone.out, alone.err)
    whole = command(*words, "-o", tmp_path / "whole")
    again = command(*words, "-o", tmp_path / "whole", "--resume", "--jobs", "1")
    assert again.err == whole.err == alone.err
    assert (tmp_path / "whole").read_bytes().decode() == alone.out


def test_the_row_on_the_batch_is_no_clip_to_those_that_read_the_output(command, strange, corpus, tmp_path):
    command("classify", strange, corpus.root / "low", "-o", tmp_path / "low.json")
    assert len(read_classified(tmp_path / "low.json")) == 6
