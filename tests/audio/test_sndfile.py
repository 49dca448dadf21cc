"""Decoding by libsndfile: samples, segments, truncated files, headers with errors."""

import io
import re
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_audio, read_blocks, read_info, sndfile
from tests.audio.conftest import (
    FORMATS,
    LOSSY,
    SEGMENTS,
    SR,
    chirp,
    content_of,
    encode,
    keep,
    patched,
    printed,
    refusal,
    wav,
)


def smooth_sweep(seconds):
    """Return a sweep without noise: its mp3 frames borrow bits from those before."""
    return np.round(16_000 * np.sin(np.cumsum(np.linspace(0.01, 2, round(seconds * SR))))).astype(np.int16)


# --- samples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_samples_equal_those_of_soundfile(tmp_path, name):
    path = keep(tmp_path / "clip", content_of(name, 3.0))
    with path.open("rb") as handle:
        expected, _ = soundfile.read(handle, dtype="float32")
    samples = read_audio(path, SR)
    assert samples.dtype == np.float32
    # one unit of float32 at full scale: mpg123 rounds differently after a seek; the others are equal
    np.testing.assert_allclose(samples, expected, rtol=0, atol=2e-7 if name == "mp3" else 0)


# mp3 is left out: mpg123 drops what a frame borrows from those before it when soundfile seeks after every block
@pytest.mark.parametrize("block_s", [0.05, 0.37, 1000.0])
@pytest.mark.parametrize("rate", [SR, 11_025])
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "mp3"])
def test_the_length_of_blocks_has_no_effect(tmp_path, monkeypatch, name, rate, block_s):
    path = keep(tmp_path / "clip", content_of(name, 3.0))
    expected = read_audio(path, rate)
    monkeypatch.setattr(sndfile, "BLOCK_S", block_s)
    assert np.array_equal(read_audio(path, rate), expected)


def test_reading_in_blocks_takes_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(sndfile, "BLOCK_S", 0.5)
    path = wav(tmp_path / "clip.wav", chirp(20.0, 2))
    list(read_blocks(path, 8_000))  # imports and caches
    tracemalloc.start()
    try:
        n = sum(len(block) for block in read_blocks(path, 8_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 20 * 8_000
    # half a second of stereo is 64 kB and there are a few copies of it; the whole would be 2.6 MB
    assert peak < 600_000


@pytest.mark.parametrize("block_s", [0.5, 10.0])
def test_an_mp3_in_blocks_equals_the_whole_of_soundfile(tmp_path, monkeypatch, block_s):
    monkeypatch.setattr(sndfile, "BLOCK_S", block_s)
    path = keep(tmp_path / "clip", encode(smooth_sweep(32.0), SR, *FORMATS["mp3"]))
    expected, _ = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
    # one unit of float32 at full scale, as for the other mp3
    np.testing.assert_allclose(read_audio(path, SR), expected, rtol=0, atol=2e-7)


def test_bytes_after_the_sound_are_ignored(tmp_path):
    pcm = chirp()
    for container in ("WAV", "AIFF", "CAF", "AU", "FLAC"):
        path = keep(tmp_path / "clip", encode(pcm, SR, container) + b"TAG" + b"x" * 125)
        assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))


# --- streams without a length ---------------------------------------------------------------------------------------


# lengths that FFmpeg, arecord, SoX and others write to a header to which they cannot return
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000, 0xFFFFFFDB])
def test_a_wav_written_to_a_pipe_is_read(tmp_path, length):
    pcm = chirp()
    content = patched(patched(encode(pcm), 4, "<I", length), 40, "<I", length)
    path = keep(tmp_path / "clip.wav", content)
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))
    assert read_info(path).duration_s == 1.0


def test_an_au_written_to_a_pipe_is_read(tmp_path):
    pcm = chirp()
    path = keep(tmp_path / "clip.au", patched(encode(pcm, SR, "AU"), 8, ">I", 0xFFFFFFFF))
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))


def test_an_mp3_without_a_length_tag_is_read(tmp_path):
    # constant bit rate, as most encoders of old wrote it; the first frame of a tagged file is the tag
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", SR, 1, format="MP3", bitrate_mode="CONSTANT", compression_level=0.5) as sound:
        sound.write(chirp(5.0))
    content = out.getvalue()
    second = content.find(content[:2], 4)
    assert b"Info" in content[:second]
    samples = read_audio(keep(tmp_path / "clip", content[second:]), SR)
    # the tag also declared the padding at both ends: about 0.1 s
    assert 5.0 <= len(samples) / SR < 5.2


# --- segments -------------------------------------------------------------------------------------------------------


# mp3 is left out: mpg123 does not decode what a frame borrows from those before the seek
@pytest.mark.parametrize(("start_s", "end_s"), SEGMENTS)
@pytest.mark.parametrize("name", [name for name in LOSSY if name != "mp3"])
def test_a_segment_of_a_lossy_format_is_a_slice(tmp_path, name, start_s, end_s):
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    expected = read_audio(path, SR)[round(start_s * SR) : None if end_s is None else round(end_s * SR)]
    segment = read_audio(path, SR, start_s=start_s, end_s=end_s)
    # Opus decodes 80 ms before a seek, by when its predictors have nearly caught up; the others are equal
    np.testing.assert_allclose(segment, expected, rtol=0, atol=5e-3 if name == "opus" else 0)


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 6.0), (7.777, 9.0), (20.123, None), (0.3, 1.0)])
def test_a_segment_of_an_mp3_is_a_slice(tmp_path, start_s, end_s):
    path = keep(tmp_path / "clip", encode(smooth_sweep(32.0), SR, *FORMATS["mp3"]))
    expected, _ = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
    expected = expected[round(start_s * SR) : None if end_s is None else round(end_s * SR)]
    np.testing.assert_allclose(read_audio(path, SR, start_s=start_s, end_s=end_s), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("start_s", [0.5, 1.5])
def test_a_segment_of_a_format_that_cannot_seek_is_a_slice(tmp_path, start_s):
    with soundfile.SoundFile(tmp_path / "clip.wav", "w", SR, 1, "GSM610", format="WAV") as sound:
        sound.write(chirp(3.0))
    path = tmp_path / "clip.wav"
    whole = read_audio(path, SR)
    assert np.array_equal(read_audio(path, SR, start_s=start_s, end_s=2.0), whole[round(start_s * SR) : 2 * SR])


# --- truncated files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.97, 0.9, 0.5, 0.1])
@pytest.mark.parametrize("name", ["wav", "wav24", "wav_float", "wavex", "aiff", "au", "w64", "ulaw", "aifc"])
def test_a_file_shorter_than_its_header_declares_is_truncated(tmp_path, name, kept):
    content = content_of(name, 3.0)
    path = keep(tmp_path / "clip", content[: round(kept * len(content))])
    # the message rounds to 0.01 s, and the header is at most 0.01 s of sound
    code, message = refusal(path)
    assert code == "truncated"
    match = re.fullmatch(r"only (\d\.\d\d) s are left of a longer file; copy or export the file again", message)
    assert float(match[1]) == pytest.approx(3.0 * kept, abs=0.02)


@pytest.mark.parametrize(
    ("container", "layout", "outer", "inner"), [("WAV", "<I", (4, -8), (40, -44)), ("AIFF", ">I", (4, -8), (42, -46))]
)
def test_sound_declared_longer_than_the_file_is_truncated_even_if_the_outer_size_is_right(
    tmp_path, container, layout, outer, inner
):
    content = encode(chirp(), SR, container)
    assert struct.unpack_from(layout, content, outer[0]) == (len(content) + outer[1],)
    assert struct.unpack_from(layout, content, inner[0]) == (len(content) + inner[1],)
    half = content[: len(content) // 2]
    assert refusal(keep(tmp_path / "clip", patched(half, outer[0], layout, len(half) + outer[1])))[0] == "truncated"


@pytest.mark.parametrize("missing", [1, 2, 100])
def test_a_wav_without_its_last_bytes_is_truncated(tmp_path, missing):
    path = keep(tmp_path / "clip.wav", encode(chirp())[:-missing])
    assert refusal(path)[0] == "truncated"


@pytest.mark.parametrize("kept", [0.995, 0.9, 0.5, 0.1])
def test_a_cut_flac_is_truncated(tmp_path, kept):
    content = encode(chirp(3.0), SR, "FLAC")
    code, message = refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))
    assert code == "truncated"
    assert re.fullmatch(r"only \d\.\d\d s are left of 3\.00 s declared; copy or export the file again", message)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.2])
def test_a_cut_mp3_is_truncated(tmp_path, kept):
    content = content_of("mp3", 5.0)
    code, message = refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))
    assert code == "truncated"
    # frames are declared, of which the last one is padding
    assert re.fullmatch(r"only \d\.\d\d s are left of 5\.08 s declared; copy or export the file again", message)


@pytest.mark.parametrize("kept", [0.97, 0.5])
def test_a_cut_rf64_is_truncated(tmp_path, kept):
    content = content_of("rf64", 3.0)
    assert refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))[0] == "truncated"


def test_a_segment_before_the_end_of_a_truncated_file_is_read(tmp_path):
    pcm = chirp(3.0)
    path = keep(tmp_path / "clip.wav", encode(pcm)[:-SR])
    assert np.array_equal(read_audio(path, SR, start_s=0.5, end_s=2.0), pcm[8_000:32_000] / np.float32(32768))


@pytest.mark.parametrize(("kept", "start_s"), [(0.5, 2.0), (0.9, 2.9), (0.5, 1.6)])
def test_a_segment_of_a_cut_flac_is_truncated(tmp_path, kept, start_s):
    content = content_of("flac", 3.0)
    assert refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]), start_s=start_s)[0] == "truncated"


# --- headers with errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("excess", [1, 8, 44])
def test_a_wav_with_a_wrong_outer_size_and_whole_data_is_read(tmp_path, excess):
    pcm = chirp()
    path = keep(tmp_path / "clip.wav", patched(encode(pcm), 4, "<I", 36 + 2 * SR + excess))
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))


def test_a_wav_without_its_pad_byte_is_read(tmp_path):
    content = encode(chirp()[:-1] / np.float32(32768), SR, "WAV", "PCM_U8")
    assert len(content) % 2 == 0
    assert len(read_audio(keep(tmp_path / "clip.wav", content[:-1]), SR)) == SR - 1


@pytest.mark.parametrize("offset_value", [0x1234, 0x0270])
def test_a_wav_of_an_unknown_encoding_is_refused_with_a_reason(tmp_path, media_or_not, offset_value):
    path = keep(tmp_path / "clip.wav", patched(encode(chirp()), 20, "<H", offset_value))
    # some versions of FFmpeg decode 0x0270, which is ATRAC3, and find no whole packet
    assert refusal(path)[0] in {"damaged", "not_audio", "bad_header", "truncated"}


def test_a_dump_of_a_sampler_is_no_recording_and_is_not_printed(tmp_path, capfd, media_or_not):
    content = bytearray(encode(chirp(0.5), SR, "SDS"))
    content[200:] = bytes(len(content) - 200)
    assert refusal(keep(tmp_path / "clip", bytes(content)))[0] == "not_audio"
    assert printed(capfd) == ("", "")
