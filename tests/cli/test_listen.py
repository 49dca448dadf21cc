"""``gmmaudio listen``: raw samples on a pipe, a microphone that stands for one, formats, and what is refused."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tests.audio.stand_in import StandIn
from tests.cli.conftest import GMMAUDIO, lines_of_json

SR = 22050


@pytest.fixture(scope="module")
def sound(corpus):
    """Four seconds of low, then of high, full scale -1 to 1."""
    clips = [soundfile.read(corpus.root / label / "cy" / "0.wav", dtype="float32")[0] for label in ("low", "high")]
    return np.concatenate([np.resize(clip, 4 * SR) for clip in clips])


@pytest.fixture(scope="module")
def raw(sound):
    return np.round(sound * 32767).astype("<i2").tobytes()


@pytest.fixture
def microphone(sound, monkeypatch):
    stand_in = StandIn(sound[:, None], SR)
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)
    return stand_in


def raw_words(model_file, *words):
    return ("listen", model_file, "--raw", SR, "--window", "1", *words)


def test_a_line_for_every_second(command, model_file, raw):
    result = command(*raw_words(model_file), stdin=raw)
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    assert [line[0] for line in lines] == [f"00:00:0{i}.0" for i in range(1, 9)]
    assert [line[-1] for line in lines] == [*4 * ["low"], *4 * ["high"]]
    assert {line[2] for line in lines} == {"%"}


def test_lines_of_json_have_the_window_and_what_classify_answers(command, model_file, raw, tmp_path):
    heard = lines_of_json(command(*raw_words(model_file, "--format", "jsonl"), stdin=raw))
    assert [(line["start"], line["end"]) for line in heard] == [(i, i + 1) for i in range(8)]
    assert [*heard[0]] == ["start", "end", "status", "label", "probability"]
    samples = np.frombuffer(raw, dtype="<i2")
    for i, line in enumerate(heard):
        soundfile.write(tmp_path / "a.wav", samples[i * SR : (i + 1) * SR], SR, subtype="PCM_16")
        (alone,) = lines_of_json(command("classify", model_file, tmp_path / "a.wav", "--format", "jsonl"))
        assert (line["label"], line["status"]) == (alone["label"], alone["status"])
        assert line["probability"] == round(alone["probability"][line["label"]], 4)


def test_silence_and_unknown_are_said_in_brackets(command, model_file, model, raw, tmp_path):
    from gmmaudio.models import OpenSetThreshold, save_model

    assert command(*raw_words(model_file), stdin=bytes(4 * SR)).out.splitlines()[-1] == (
        "00:00:02.0   100.0 %  [silence]"
    )
    strict = replace(model, open_set=OpenSetThreshold("score", 1e9, 0.05, 0.9, 20, 20, ""))
    save_model(strict, tmp_path / "strict.gmm")
    result = command(*raw_words(tmp_path / "strict.gmm"), stdin=raw)
    assert {line.split()[-1] for line in result.out.splitlines()} == {"[unknown]"}


def test_a_label_cannot_drive_the_terminal(command, model_file, model, raw, monkeypatch):
    from gmmaudio import models

    scorer = replace(model.scorer, labels=("a\u202eb", "silence", "[silence]"))
    monkeypatch.setattr(models, "load_model", lambda _path: replace(model, scorer=scorer))
    result = command(*raw_words(model_file), stdin=raw)
    assert result.code == 0
    assert "\u202e" not in result.out
    # a label of that name is not the status
    assert "  [silence]" not in result.out
    heard = lines_of_json(command(*raw_words(model_file, "--format", "jsonl"), stdin=raw))
    assert {line["status"] for line in heard} == {"ok"}
    assert len({line["label"] for line in heard}) == 2


def test_every_option_changes_the_lines(command, model_file, raw, microphone):
    def out(*words, base=("--raw", SR)):
        result = command("listen", model_file, *base, "--format", "jsonl", *words, stdin=raw)
        assert result.code == 0
        return lines_of_json(result)

    plain = out()
    assert len(plain) == 8
    assert len(out("--raw", 2 * SR)) == 4
    assert len(out("--channels", "2")) == 4
    assert out("--window", "3") != plain
    assert len(out("--hop", "0.5")) == 16
    assert len(out("--seconds", "3")) == 3
    assert out("--prior", "mid=0.9") != plain
    microphone.sound = microphone.sound[::-1]
    assert [line["label"] for line in out("--seconds", "8", base=())] == [*4 * ["high"], *4 * ["low"]]
    assert out("--device", "USB", "--seconds", "1", base=()) != plain
    assert [stream.settings["device"] for stream in microphone.streams] == [1, 2]


def test_a_short_window_is_remarked_on(command, model_file, raw):
    result = command("listen", model_file, "--raw", SR, "--window", "0.5", stdin=raw)
    assert result.code == 0
    assert result.err.startswith("note: windows of 0.5 s: the model was calibrated on 1 s")


def test_a_microphone_is_named_and_closed(command, model_file, microphone):
    result = command("listen", model_file, "--device", "2", "--seconds", "2")
    assert (result.code, result.err) == (0, f"listening to USB at {SR} Hz; Ctrl-C ends\n")
    assert [line.split()[-1] for line in result.out.splitlines()] == ["low", "low"]
    assert not microphone.streams[0].active


def test_sound_that_is_lost_is_said_once_for_each_reason(command, model_file, microphone):
    microphone.sound, microphone.overflow_at = np.tile(microphone.sound, (5, 1)), {3, 4}
    result = command("listen", model_file, "--seconds", "2")
    assert result.code == 0
    assert result.err.count("warning: sound is lost, as answers take longer") == 1
    assert result.err.count("(input overflow)") == 1


def test_microphones_are_listed_without_a_model(command, microphone):
    microphone.devices[2]["name"] = "USB\x1b[2J"
    result = command("listen", "--list-devices")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"  1  Built-in  {SR} Hz, 2 channels  default\n  2  USB\\x1b[2J  {SR} Hz, 1 channel\n"
    microphone.devices[:] = []
    result = command("listen", "--list-devices")
    assert (result.code, result.out, result.err) == (0, "", "no microphone is found\n")


def test_without_the_extra_the_cure_is_named(command, model_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = command("listen", model_file)
    assert result.code == 2
    assert result.err == (
        "gmmaudio: a microphone needs sounddevice; install the live extra: pip install 'gmmaudio[live]', or pipe raw "
        "samples in with --raw\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--raw", "16000", "--device", "1"], 2, "--device is a microphone, and --raw is standard input"),
        (["--raw", "10"], 2, "raw samples at 10 Hz in 1 channels; expected 4000 to 384000 Hz"),
        (["--raw", "16000", "--channels", "0"], 2, "in 0 channels"),
        (["--raw", "16000", "--window", "0"], 2, "--window is 0; expected 0.2 to 3600 s"),
        (["--raw", "16000", "--hop", "9"], 2, "--hop is 9; expected 0.02 s to the window's 1 s"),
        (["--raw", "16000", "--seconds", "-1"], 2, "--seconds is -1; expected more than 0 s"),
        (["--raw", "16000", "--prior", "jazz=1"], 2, "expected labels of the model"),
        (["--raw", "16000"], 3, "0 s of sound; at least 0.5 s is needed"),
        (["--device", "9"], 3, "no microphone is found (Error querying device 9); see --list-devices"),
        (["--device", "webcam"], 2, "--device is 'webcam'"),
        (["--channels", "3"], 2, "--channels is 3; expected 1 to 2, which Built-in has"),
    ],
)
@pytest.mark.usefixtures("microphone")
def test_what_cannot_be_heard_is_refused(command, model_file, words, code, message):
    result = command("listen", model_file, *words)
    assert (result.code, result.out) == (code, "")
    assert message in result.err


@contextlib.contextmanager
def started(*words):
    """Run the command with pipes, and kill it in the end so that no test hangs."""
    with subprocess.Popen(
        [*GMMAUDIO, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # what a terminal gives, however the tests were started
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        killer = threading.Timer(120, process.kill)
        killer.start()
        try:
            yield process
            assert killer.is_alive()
        finally:
            killer.cancel()
            process.kill()


def test_a_line_comes_as_soon_as_its_sound_is_there_and_the_end_of_input_ends(model_file, raw):
    with started(*raw_words(model_file, "--format", "jsonl")) as process:
        # each second is written after the line of the one before was read
        for i in range(8):
            process.stdin.write(raw[2 * SR * i : 2 * SR * (i + 1)])
            process.stdin.flush()
            line = json.loads(process.stdout.readline())
            assert (line["end"], line["label"]) == (i + 1, "low" if i < 4 else "high")
        out, err = process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


def test_sound_of_another_rate_is_a_tenth_of_a_second_late_at_most(model_file, sound):
    from scipy.signal import resample_poly

    data = np.round(resample_poly(sound, 2, 1) * 32767).astype("<i2").tobytes()
    with started("listen", model_file, "--raw", 2 * SR, "--format", "jsonl") as process:
        process.stdin.write(data[: round(1.1 * 4 * SR) // 2 * 2])
        process.stdin.flush()
        line = json.loads(process.stdout.readline())
        assert (line["end"], line["label"]) == (1.0, "low")
        out, _ = process.communicate(data[round(1.1 * 4 * SR) // 2 * 2 :])
    assert process.returncode == 0
    assert [json.loads(line)["end"] for line in out.splitlines()] == [float(i) for i in range(2, 9)]


def test_the_keyboard_ends_it_with_130(model_file, raw):
    with started(*raw_words(model_file)) as process:
        process.stdin.write(raw[: 3 * SR])
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"00:00:01.0")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"\nstopped\n")


def test_a_reader_that_closes_the_pipe_ends_it_with_141(model_file, raw):
    with started(*raw_words(model_file)) as process:
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(raw)
            process.stdin.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")
