"""Tags of files in every format that writes them, and of damaged and of other files."""

import numpy as np
import pytest
import soundfile

from gmmaudio.audio.file_tags import read_tags
from gmmaudio.errors import AudioError

SR = 8_000
SOUND = np.random.default_rng(0).normal(scale=0.1, size=SR // 2).astype(np.float32)


def by_sndfile(path, **tags):
    with soundfile.SoundFile(path, "w", SR, 1) as sound:
        for name, value in tags.items():
            setattr(sound, name, value)
        sound.write(SOUND)
    return path


def by_ffmpeg(path, codec, **tags):
    av = pytest.importorskip("av", reason="needs the media extra")
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=44_100)
        stream.layout = "mono"
        for start in range(0, 44_100, 1_024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44_100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["flac", "ogg", "wav", "aiff"])
def test_tags_that_libsndfile_wrote_are_read(tmp_path, suffix):
    path = by_sndfile(tmp_path / f"a.{suffix}", artist="Zoë", title="One")
    # libsndfile writes the albums of these two alone
    if suffix in ("flac", "ogg"):
        assert read_tags(by_sndfile(path, artist=" Zoë ", album="Live")) == {"artist": "Zoë", "album": "Live"}
    assert read_tags(by_sndfile(path, artist="Zoë"))["artist"] == "Zoë"


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.m4a", "aac")])
def test_tags_that_ffmpeg_wrote_are_read(tmp_path, name, codec):
    path = by_ffmpeg(tmp_path / name, codec, artist="Zoë", album="Live", title="One")
    assert read_tags(path) == {"artist": "Zoë", "album": "Live"}


def test_the_format_is_told_by_the_bytes_and_not_by_the_name(tmp_path):
    path = by_sndfile(tmp_path / "a.flac", artist="Ann")
    assert read_tags(path.rename(tmp_path / "a.mp3")) == {"artist": "Ann"}


def test_empty_tags_and_files_without_any_have_none(tmp_path):
    assert read_tags(by_sndfile(tmp_path / "a.flac", artist="  ")) == {}
    assert read_tags(by_sndfile(tmp_path / "b.wav")) == {}
    (tmp_path / "c.wav").write_text("these are words")
    assert read_tags(tmp_path / "c.wav") == {}


def test_damaged_tags_raise_nothing(tmp_path):
    whole = by_sndfile(tmp_path / "a.flac", artist="Ann", album="Live").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(20, 400)])
        for place in rng.integers(len(damaged), size=4):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.flac").write_bytes(damaged)
        assert set(read_tags(tmp_path / "b.flac")) <= {"artist", "album"}


@pytest.mark.parametrize(("name", "code"), [("none.wav", "vanished"), ("empty.wav", "empty"), (".", "not_a_file")])
def test_a_file_that_cannot_be_opened_has_its_reason(tmp_path, name, code):
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(AudioError) as refused:
        read_tags(tmp_path / name)
    assert refused.value.code == code
