"""Excerpts: their place by an independent search, their sound, their formats, and hard input."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import excerpts, read_audio, read_info
from gmmaudio.audio.excerpts import find_loudest_part, write_excerpt
from gmmaudio.errors import AudioError, SettingError, WriteError

SR = 8_000


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.uniform(0.01, 0.2, round(seconds * 10)), SR // 10)
    return (levels * rng.normal(size=len(levels))).astype(np.float32)


def written(path, y, sr=SR):
    soundfile.write(path, y, sr, subtype="FLOAT")
    return path


@pytest.mark.parametrize("length_s", [0.5, 2.0, 6.0])
def test_the_loudest_part_is_that_of_a_search_of_all_parts(tmp_path, length_s):
    y = noise(20.0)
    n = round(length_s * SR)
    energies = [np.sum(y[at : at + n].astype(float) ** 2) for at in range(0, len(y) - n + 1, SR // 10)]
    expected = int(np.argmax(energies)) / 10
    start_s, end_s = find_loudest_part(written(tmp_path / "a.wav", y), length_s=length_s)
    assert (start_s, end_s) == pytest.approx((expected, expected + length_s), abs=1e-9)


def test_a_segment_is_searched_by_itself(tmp_path):
    y = 0.01 * noise(20.0)
    y[2 * SR : 4 * SR] += 0.5 * np.sign(noise(2.0))
    y[12 * SR : 14 * SR] += 0.25 * np.sign(noise(2.0))
    path = written(tmp_path / "a.wav", y)
    assert find_loudest_part(path, length_s=2.0) == (2.0, 4.0)
    assert find_loudest_part(path, length_s=2.0, start_s=5.0) == (12.0, 14.0)
    assert find_loudest_part(path, length_s=2.0, end_s=3.0) == (1.0, 3.0)


def test_a_recording_with_less_sound_is_the_part(tmp_path):
    path = written(tmp_path / "a.wav", noise(2.5))
    assert find_loudest_part(path) == (0.0, 2.5)
    assert find_loudest_part(path, start_s=1.0, end_s=2.0) == (1.0, 2.0)


def test_the_middle_of_a_long_recording_is_searched(tmp_path, monkeypatch):
    monkeypatch.setattr(excerpts, "MAX_SCANNED_S", 10.0)
    y = 0.01 * noise(40.0)
    y[: 2 * SR] = 0.9 * np.sign(y[: 2 * SR])
    y[17 * SR : 19 * SR] *= 10
    path = written(tmp_path / "a.wav", y)
    assert find_loudest_part(path, length_s=2.0) == (17.0, 19.0)
    # some files do not declare a length: their beginning is searched
    monkeypatch.setattr(excerpts, "read_info", lambda path: replace(read_info(path), duration_s=None))
    assert find_loudest_part(path, length_s=2.0) == (0.0, 2.0)


def test_no_more_is_decoded_than_the_search_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(excerpts, "MAX_SCANNED_S", 10.0)
    seconds = []
    blocks = excerpts.read_blocks

    def counted(*args, **kwargs):
        for block in blocks(*args, **kwargs):
            seconds.append(len(block) / args[1])
            yield block

    monkeypatch.setattr(excerpts, "read_blocks", counted)
    find_loudest_part(written(tmp_path / "a.wav", noise(300.0)))
    # blocks have about 10 s
    assert sum(seconds) <= 20.0


@pytest.mark.parametrize("length_s", [0.0, 0.09, 121.0, -1.0])
def test_a_length_out_of_bounds_is_refused(tmp_path, length_s):
    with pytest.raises(SettingError, match=r"`length_s` is .*; expected 0.1 to 120 s"):
        find_loudest_part(written(tmp_path / "a.wav", noise(1.0)), length_s=length_s)


def test_an_excerpt_is_the_sound_that_a_model_hears(tmp_path):
    y = np.stack([noise(5.0), noise(5.0, seed=1)], axis=1)
    path = written(tmp_path / "a.wav", y)
    name = write_excerpt(path, tmp_path / "part", start_s=1.0, end_s=3.0)
    expected = read_audio(path, excerpts.EXCERPT_RATE_HZ, start_s=1.0, end_s=3.0)
    found, sr = soundfile.read(tmp_path / name, dtype="float32")
    assert sr == excerpts.EXCERPT_RATE_HZ
    assert found.shape == expected.shape
    # noise is the hardest sound for MP3 (0.972 measured); one that is read from another place has about 0
    assert np.corrcoef(found, expected)[0, 1] > 0.95


def test_where_mp3_cannot_be_written_the_excerpt_is_16_bit_wav(tmp_path, monkeypatch):
    path = written(tmp_path / "a.wav", 3 * noise(2.0))
    if "MP3" in soundfile.available_formats():
        assert write_excerpt(path, tmp_path / "part.of", start_s=0.0, end_s=1.0) == "part.of.mp3"
        assert soundfile.info(tmp_path / "part.of.mp3").format == "MP3"
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "WAV (Microsoft)"})
    assert write_excerpt(path, tmp_path / "part.of", start_s=0.0, end_s=1.0) == "part.of.wav"
    info = soundfile.info(tmp_path / "part.of.wav")
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    expected = np.clip(read_audio(path, excerpts.EXCERPT_RATE_HZ, end_s=1.0), -1, 1)
    # half a step of 16 bits
    np.testing.assert_allclose(soundfile.read(tmp_path / "part.of.wav")[0], expected, atol=1 / 32_767)


def test_the_same_part_gives_the_same_bytes(tmp_path):
    path = written(tmp_path / "a.wav", noise(2.0))
    names = [write_excerpt(path, tmp_path / stem, start_s=0.5, end_s=1.5) for stem in ("a", "b")]
    first, second = ((tmp_path / name).read_bytes() for name in names)
    assert first == second


@pytest.mark.parametrize(
    ("content", "segment", "code"),
    [
        (b"no sound", (0.0, 1.0), "not_audio"),
        (np.zeros(SR), (0.0, 1.0), "silent"),
        (noise(1.0), (5.0, 6.0), "bad_segment"),
        (noise(1.0), (0.5, 0.5), "bad_segment"),
    ],
)
def test_no_file_is_left_where_there_is_no_excerpt(tmp_path, content, segment, code):
    path = tmp_path / "a.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        written(path, content)
    with pytest.raises(AudioError) as caught:
        write_excerpt(path, tmp_path / "part", start_s=segment[0], end_s=segment[1])
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error_of_writing(tmp_path):
    path = written(tmp_path / "a.wav", noise(1.0))
    with pytest.raises(WriteError, match="cannot be written"):
        write_excerpt(path, tmp_path / "none" / "part", start_s=0.0, end_s=1.0)
