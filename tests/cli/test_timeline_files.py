"""``gmmaudio timeline``: formats, files, standard input, and what is refused."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess

import numpy as np
import pytest
import soundfile

import gmmaudio
from tests.cli.conftest import GMMAUDIO, lines_of_json, rows_of_csv

FORMATS = ("text", "csv", "jsonl", "json", "audacity", "textgrid", "eaf", "rttm", "srt", "html")
SUFFIXES = (".txt", ".csv", ".jsonl", ".json", ".labels.txt", ".TextGrid", ".eaf", ".rttm", ".srt", ".html")


@pytest.fixture(scope="module")
def recording(corpus, tmp_path_factory):
    """A recording of low, 8 s of it, then as much of high, then of low again."""
    folder = tmp_path_factory.mktemp("recording")
    parts, sr = [], None
    for label in ("low", "high", "low"):
        y, sr = soundfile.read(corpus.root / label / "cy" / "0.wav")
        mono = y if y.ndim == 1 else y.mean(axis=1)
        parts.append(np.tile(mono, 1 + 8 * sr // len(mono))[: 8 * sr])
    soundfile.write(folder / "long.wav", np.concatenate(parts), sr)
    return folder / "long.wav"


def test_a_recording_is_labelled_over_time(command, model_file, recording):
    result = command("timeline", model_file, recording)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith(f"{recording}, 00:24.0: ")
    assert [line.split()[-1] for line in lines[2:]] == ["low", "high", "low"]


def test_all_formats_are_written_beside_each_other(command, model_file, recording, tmp_path):
    pytest.importorskip("pympi")
    names = [word for name in FORMATS for word in ("--format", name)]
    result = command("timeline", model_file, recording, "-o", tmp_path / "out", *names)
    assert (result.code, result.err) == (0, "")
    written = [tmp_path / "out" / f"long.wav{suffix}" for suffix in SUFFIXES]
    assert result.out.splitlines() == [str(path) for path in written]
    line = gmmaudio.timeline(gmmaudio.load_model(model_file), recording)
    rows = list(csv.DictReader(io.StringIO(written[1].read_text(encoding="utf-8"), newline="")))
    assert [(row["label"], row["start"]) for row in rows] == [
        (part.label, f"{part.start_s:.3f}") for part in line.segments
    ]
    page = written[9].read_text(encoding="utf-8")
    assert "<audio" in page
    assert "recording0/long.wav" in page


def test_two_recordings_are_one_table_on_standard_output(command, model_file, recording, good):
    result = command("timeline", model_file, recording, good, "--format", "csv")
    assert result.code == 0
    assert list(dict.fromkeys(row["path"] for row in rows_of_csv(result))) == [str(recording), str(good)]
    result = command("timeline", model_file, recording, good, "--format", "jsonl")
    assert {row["label"] for row in lines_of_json(result)} <= {"low", "mid", "high"}


def test_options_change_the_answer(command, model_file, recording):
    def ends(*words):
        return [
            row["end"] for row in lines_of_json(command("timeline", model_file, recording, "--format", "jsonl", *words))
        ]

    plain = command("timeline", model_file, recording, "--format", "jsonl").out
    assert len(ends()) == 3
    assert len(ends("--min-turn", "20")) < 3
    for words in (("--window", "3"), ("--hop", "1.5"), ("--prior", "mid=0.9")):
        assert command("timeline", model_file, recording, "--format", "jsonl", *words).out != plain
    refused = command("timeline", model_file, recording, "--min-duration", "60")
    assert refused.code == 3
    assert "skipped [too_short]" in refused.err


def test_the_output_does_not_depend_on_the_jobs(command, model_file, recording, good, tmp_path):
    results = [
        command("timeline", model_file, recording, good, "--output", tmp_path / str(n), "-j", n, "--quiet")
        for n in (1, 2)
    ]
    assert [result.code for result in results] == [0, 0]
    one, two = (sorted((tmp_path / str(n)).iterdir()) for n in (1, 2))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert command("timeline", model_file, recording, "-j", "0").code == 2


def test_a_short_window_is_remarked_on(command, model_file, recording):
    result = command("timeline", model_file, recording, "--window", "0.5")
    assert result.code == 0
    assert result.err.startswith(f"note {recording}: windows of 0.5")


def test_a_figure_is_drawn(command, model_file, recording, tmp_path):
    pytest.importorskip("matplotlib")
    for suffix, head in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")):
        result = command("timeline", model_file, recording, "--figure", tmp_path / f"figure{suffix}")
        assert (result.code, result.err) == (0, "")
        assert (tmp_path / f"figure{suffix}").read_bytes().startswith(head)


def test_a_bad_file_is_named_and_stops_no_other(command, model_file, recording, tmp_path):
    shutil.copy(recording, tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("no sound")
    result = command("timeline", model_file, tmp_path / "b.wav", tmp_path / "a.wav", "-o", tmp_path / "out")
    assert result.code == 1
    assert result.out == f"{tmp_path}/out/a.wav.csv\n"
    assert result.err.startswith(f"skipped [not_audio] {tmp_path}/b.wav: ")
    assert result.err.endswith("1 input failed\n")
    assert command("timeline", model_file, tmp_path / "b.wav").code == 3


def test_segments_of_a_pipe_come_as_they_settle(model_file, corpus):
    pytest.importorskip("av")
    low, high = (soundfile.read(corpus.root / label / "cy" / "0.wav") for label in ("low", "high"))
    (sound, sr), (other, _) = low, high
    header = io.BytesIO()
    long = np.concatenate([np.resize(sound, 20 * sr), np.resize(other, 20 * sr)])
    soundfile.write(header, np.tile(long, 6), sr, format="WAV", subtype="PCM_16")
    data = header.getvalue()
    process = subprocess.Popen(
        [*GMMAUDIO, "timeline", str(model_file), "-", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    # the first turn is written while half of the recording is still to come
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert (first["label"], first["start"], first["path"]) == ("low", 0.0, "-")
    assert first["end"] == pytest.approx(20.0, abs=0.5)
    process.stdin.write(data[len(data) // 2 :])
    process.stdin.close()
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    assert [json.loads(line)["label"] for line in rest.splitlines()] == ["high", *5 * ["low", "high"]]


def test_a_pipe_without_sound_is_refused(command, model_file):
    pytest.importorskip("av")
    result = command("timeline", model_file, "-", stdin=b"no sound at all")
    assert result.code == 3
    assert result.err.startswith("skipped [not_audio] -: ")


def test_a_table_has_its_header_where_the_first_file_fails(command, model_file, recording):
    result = command("timeline", model_file, "gone.wav", recording, "--format", "csv")
    assert result.code == 1
    assert result.out.startswith("path,start,end,status,label,probability,tolerance\n")


def test_a_folder_of_several_is_no_single_annotation(command, model_file, recording, tmp_path):
    for name in ("a.wav", "b.wav"):
        shutil.copy(recording, tmp_path / name)
    result = command("timeline", model_file, tmp_path, "--format", "textgrid")
    assert (result.code, result.out) == (2, "")
    assert "--format textgrid holds one recording" in result.err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_pipe_that_waits(model_file, corpus, number, code):
    pytest.importorskip("av")
    y, sr = soundfile.read(corpus.root / "low" / "cy" / "0.wav")
    file = io.BytesIO()
    soundfile.write(file, np.resize(y, 300 * sr), sr, format="WAV", subtype="PCM_16")
    data = file.getvalue()
    with subprocess.Popen(
        [*GMMAUDIO, "timeline", str(model_file), "-", "--format", "jsonl", "--window", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        # the command has read what was written where the pipe, which holds much less, has taken all of it
        process.stdin.write(data[: len(data) - 1_000_000])
        process.stdin.flush()
        process.send_signal(number)
        assert process.wait(60) == code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav", "--format", "csv", "--format", "srt"], "Standard output takes one --format; name a folder with -o"),
        (["a.wav", "b.wav", "--format", "srt"], "--format srt holds one recording; name a folder with -o for several."),
        (["a.wav", "--hop", "nan"], "--hop"),
        (["a.wav", "--hop", "8"], "--hop"),
        (["-", "a.wav"], "Standard input is followed by itself"),
        (["-", "--format", "srt"], "and one of the formats text, csv, jsonl, rttm."),
        (["a.wav", "--figure", "a.bmp"], "a.bmp"),
        (["a.wav", "--window", "0"], "--window"),
        (["a.wav", "--min-turn", "-1"], "--min-turn"),
    ],
)
def test_what_does_not_go_together_is_refused(command, model_file, words, message):
    result = command("timeline", model_file, *words)
    assert result.code == 2
    assert message in result.err


def test_two_files_of_one_name_are_refused(command, model_file, recording, tmp_path):
    (tmp_path / "other").mkdir()
    shutil.copy(recording, tmp_path / "other" / "long.wav")
    result = command("timeline", model_file, recording, tmp_path / "other" / "long.wav", "-o", tmp_path / "out")
    assert result.code == 2
    assert "would be written to" in result.err
    assert not (tmp_path / "out").exists()


def test_a_recording_is_not_overwritten(command, model_file, recording, tmp_path):
    shutil.copy(recording, tmp_path / "a.wav")
    shutil.copy(recording, tmp_path / "a.wav.csv")
    result = command("timeline", model_file, tmp_path / "a.wav", tmp_path / "a.wav.csv", "-o", tmp_path)
    assert result.code == 2
    assert "would overwrite the input" in result.err
