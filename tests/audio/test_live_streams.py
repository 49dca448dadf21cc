"""Sound on pipes: the same samples as from a file, whatever arrives at once."""

import io
import os
import threading

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_audio, read_raw_blocks, read_stream_blocks
from gmmaudio.errors import AudioError, SettingError

SR = 16_000


def music(n_channels=1, seconds=3.0):
    rng = np.random.default_rng(0)
    return (0.3 * rng.normal(size=(round(seconds * SR), n_channels))).clip(-1, 1).astype(np.float32)


def through_a_pipe(data, function):
    """Return what a function gives for the reading end of a pipe that the data is written to."""
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as file:
        result = function(file)
    writer.join()
    return result


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_pipe_gives_the_samples_of_the_file(tmp_path, kind, subtype, n_channels):
    pytest.importorskip("av")
    path = tmp_path / f"a.{kind.lower()}"
    soundfile.write(path, music(n_channels), SR, format=kind, subtype=subtype)
    found = through_a_pipe(path.read_bytes(), lambda file: np.concatenate(list(read_stream_blocks(file, 8_000))))
    expected = read_audio(path, 8_000)
    # decoders of lossy formats differ in rounding, and in how much of the encoder's padding they leave in
    if kind in ("WAV", "FLAC"):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    else:
        assert abs(len(found) - len(expected)) < 0.1 * 8_000
        assert np.std(found) == pytest.approx(np.std(expected), rel=0.05)


def test_sound_is_given_before_the_pipe_is_closed(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.wav"
    soundfile.write(path, music(seconds=60.0), SR)
    data = path.read_bytes()
    reading, writing = os.pipe()
    written = threading.Event()

    def write():
        with os.fdopen(writing, "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            assert written.wait(60)
            file.write(data[len(data) // 2 :])

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as file:
        blocks = read_stream_blocks(file, SR)
        n = sum(len(next(blocks)) for _ in range(5))
        written.set()
        n += sum(map(len, blocks))
    writer.join()
    assert n == 60 * SR


@pytest.mark.parametrize(("data", "code"), [(b"no sound at all", "not_audio"), (b"", "not_audio")])
def test_what_is_no_sound_is_refused(data, code):
    pytest.importorskip("av")
    with pytest.raises(AudioError) as caught:
        list(read_stream_blocks(io.BytesIO(data), SR))
    assert caught.value.code == code


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("n_bytes", [1, 7, 100_000])
def test_raw_samples_are_the_same_however_they_arrive(n_channels, n_bytes):
    whole = np.round(music(n_channels) * 32767).astype("<i2")

    class Dribble(io.BytesIO):
        def read1(self, _n=-1):
            return self.read(n_bytes if n_bytes > 1 or self.tell() < 2_000 else 100_000)

    found = np.concatenate(list(read_raw_blocks(Dribble(whole.tobytes() + b"\x01"), SR, SR, n_channels=n_channels)))
    np.testing.assert_allclose(found, whole.mean(axis=1) / 32768, atol=1e-6)


@pytest.mark.parametrize(("rate", "n_channels"), [(10, 1), (16_000, 0)])
def test_raw_samples_of_no_known_kind_are_refused(rate, n_channels):
    with pytest.raises(SettingError, match="expected 4000 to 384000 Hz, and 1 or more"):
        list(read_raw_blocks(io.BytesIO(b""), rate, SR, n_channels=n_channels))
