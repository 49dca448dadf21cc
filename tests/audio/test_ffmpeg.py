"""Decoding by FFmpeg, with and without the media extra, and the errors for content that no decoder reads."""

import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.audio import read_audio, read_blocks, read_info
from tests.audio.conftest import (
    FORMATS,
    MEDIA,
    NEEDS_MEDIA,
    NOT_AUDIO,
    SEGMENT_REMEDY,
    SR,
    chirp,
    content_of,
    encode,
    encode_media,
    keep,
    media_tone,
    refusal,
    streamed_flac,
    wav,
)


def png():
    """Return an image of 8 x 8 pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(72))) + chunk(b"IEND", b"")


# --- samples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("name", MEDIA)
def test_media_formats_keep_level_and_frequency(tmp_path, name, n_channels):
    path = encode_media(tmp_path / "clip", media_tone(3.0, n_channels), *MEDIA[name], sr=48_000)
    info = read_info(path)
    assert (info.sample_rate_hz, info.n_channels) == (48_000, n_channels)
    samples = read_audio(path, 8_000)
    assert samples.dtype == np.float32
    # encoders add up to two frames of 1,024 samples
    assert len(samples) / 8_000 == pytest.approx(3.0, abs=0.05)
    middle = samples[4_000:20_000]
    time = np.arange(len(middle)) / 8_000
    basis = np.stack([np.sin(2 * np.pi * 440 * time), np.cos(2 * np.pi * 440 * time)], axis=1)
    (a, b), *_ = np.linalg.lstsq(basis, middle, rcond=None)
    # a lossy codec at its default bit rate changes a tone by less than 0.2 dB and adds noise 30 dB below it
    assert np.hypot(a, b) == pytest.approx(0.5, rel=0.02)
    assert np.std(middle - basis @ [a, b]) < 0.01


def test_a_lossless_media_format_is_decoded_exactly(tmp_path):
    pcm = chirp(12.0, 2)
    path = encode_media(tmp_path / "clip.mkv", pcm, "flac", "matroska")
    samples = read_audio(path, SR)
    # as for channels in general
    np.testing.assert_allclose(samples, pcm.mean(axis=1) / 32768, rtol=0, atol=1.2e-7)
    assert np.array_equal(np.concatenate(list(read_blocks(path, SR))), samples)
    assert len(list(read_blocks(path, SR))) > 1


@pytest.mark.parametrize("order", [1, -1])
def test_an_aac_stream_of_variable_bit_rate_is_read_whole(tmp_path, order):
    sound = np.concatenate([np.zeros(10 * 48_000), np.random.default_rng(0).normal(scale=8_000, size=20 * 48_000)])[
        ::order
    ]
    path = encode_media(tmp_path / "clip.aac", sound.clip(-32768, 32767).astype(np.int16), "aac", "adts", sr=48_000)
    assert read_info(path).duration_s is None
    assert len(read_audio(path, 48_000)) / 48_000 == pytest.approx(30.0, abs=0.05)
    assert len(read_audio(path, 48_000, start_s=18.0, end_s=22.0)) == 4 * 48_000


# --- segments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 1.0), (1.23456, 2.34567), (2.0, None), (0.0, 3.05)])
def test_a_segment_of_a_media_format_is_a_slice(tmp_path, start_s, end_s):
    pcm = chirp(3.0)
    path = encode_media(tmp_path / "clip.mkv", pcm, "flac", "matroska")
    expected = pcm[round(start_s * SR) : None if end_s is None else round(end_s * SR)] / np.float32(32768)
    assert np.array_equal(read_audio(path, SR, start_s=start_s, end_s=end_s), expected)


def test_a_segment_outside_a_media_file_is_bad_segment(tmp_path):
    path = encode_media(tmp_path / "clip.m4a", media_tone(1.0), "aac", "ipod", sr=48_000)
    assert refusal(path, start_s=1.5, end_s=2.5) == (
        "bad_segment",
        f"the segment 1.5-2.5 s lies outside the file, which has 1.00 s; {SEGMENT_REMEDY}",
    )


def test_a_segment_outside_a_file_of_unknown_length_is_bad_segment(tmp_path):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    path = keep(tmp_path / "clip.flac", streamed_flac(chirp()))
    assert refusal(path, start_s=2.0, end_s=3.0) == (
        "bad_segment",
        f"the segment 2-3 s lies outside the file; {SEGMENT_REMEDY}",
    )


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_silent_or_short_media_file_is_refused(tmp_path):
    path = encode_media(tmp_path / "clip.mkv", np.zeros(SR, dtype=np.int16), "flac", "matroska")
    assert refusal(path) == ("silent", "1.00 s of silence; check the recording, or leave it out")
    path = encode_media(tmp_path / "clip.mkv", chirp(0.3), "flac", "matroska")
    assert refusal(path, min_duration_s=0.5)[0] == "too_short"


def test_an_m4a_without_its_index_is_damaged(tmp_path):
    content = encode_media(tmp_path / "clip.m4a", media_tone(2.0), "aac", "ipod", sr=48_000).read_bytes()
    assert refusal(keep(tmp_path / "cut.m4a", content[: len(content) // 2])) == (
        "damaged",
        "starts like an audio file but cannot be decoded (Format not recognised); copy it again",
    )


def test_a_video_without_sound_is_not_audio(tmp_path):
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    with av.open(str(tmp_path / "film.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="yuv420p")
        out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    assert refusal(tmp_path / "film.mp4") == ("not_audio", "contains no audio stream; leave it out")


@pytest.mark.parametrize("kept", [0.9, 0.5])
@pytest.mark.parametrize("name", ["m4a", "aac", "webm", "mkv"])
def test_a_cut_media_file_is_truncated(tmp_path, name, kept):
    options = {"movflags": "faststart"} if name == "m4a" else {}
    path = encode_media(tmp_path / "clip", media_tone(5.0), *MEDIA[name], sr=48_000, **options)
    content = path.read_bytes()
    code, message = refusal(keep(tmp_path / "cut", content[: round(kept * len(content))]))
    assert code == "truncated"
    assert re.fullmatch(
        r"decoding fails \d\.\d\d s into the file \(.+\); copy it again"
        r"|\d\.\d\d s decoded of 5\.\d\d s declared; copy or export the file again",
        message,
    )


def test_a_cut_flac_without_a_length_is_truncated(tmp_path):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    content = streamed_flac(chirp(3.0))
    code, message = refusal(keep(tmp_path / "cut.flac", content[: len(content) // 2]))
    assert code == "truncated"
    assert re.fullmatch(r"decoding fails \d\.\d\d s into the file \(.+\); copy it again", message)


def test_a_playlist_is_not_followed_to_another_file(tmp_path, monkeypatch, media_or_not):
    monkeypatch.chdir(tmp_path)
    wav(Path("other.wav"))
    assert refusal(keep(Path("clip.wav"), b"ffconcat version 1.0\nfile other.wav\n"))[0] == "not_audio"


def test_a_session_description_is_not_waited_for(tmp_path, media_or_not):
    text = (
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=audio 5004 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
    assert refusal(keep(tmp_path / "clip.wav", text)) == ("not_audio", NOT_AUDIO)  # 20 s of waiting, then "truncated"


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_a_cut_caf_is_refused(tmp_path, media_or_not, kept):
    content = content_of("caf", 3.0)
    assert refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))[0] in {"truncated", "damaged"}


# --- streams without a length ---------------------------------------------------------------------------------------


def test_a_flac_written_to_a_pipe_is_read_by_the_media_extra(tmp_path):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    pcm = chirp(12.0)
    path = keep(tmp_path / "clip.flac", streamed_flac(pcm))
    assert read_info(path).duration_s is None
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))
    assert np.array_equal(read_audio(path, SR, start_s=1.0, end_s=2.0), pcm[SR : 2 * SR] / np.float32(32768))


def test_a_flac_written_to_a_pipe_needs_the_media_extra(tmp_path, no_media):
    path = keep(tmp_path / "clip.flac", streamed_flac(chirp()))
    assert refusal(path) == ("needs_media", NEEDS_MEDIA)


def test_a_variable_rate_mp3_without_a_length_tag_is_read_whole(tmp_path):
    content = content_of("mp3", 30.0)
    second = content.find(content[:2], 4)
    assert b"Xing" in content[:second]
    assert len(read_audio(keep(tmp_path / "clip", content[second:]), SR)) / SR == pytest.approx(30.0, abs=0.2)


# --- without the media extra ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x20ftypisom",
        b"\x1aE\xdf\xa3",
        b"\xff\xf1\x4c\x80",
        b"\xff\xf9\x4c\x80",
        b"0&\xb2u\x8ef\xcf\x11",
        b"RIFF\x00\x10\x00\x00AVI LIST",
        b"#!AMR\n",
        b"wvpk",
        b"MAC ",
        b"FLV\x01",
    ],
    ids=["mp4", "matroska", "aac", "aac_mpeg2", "asf", "avi", "amr", "wavpack", "ape", "flv"],
)
def test_without_the_media_extra_its_formats_are_recognised(tmp_path, no_media, head):
    assert refusal(keep(tmp_path / "clip", head + bytes(200))) == ("needs_media", NEEDS_MEDIA)


@pytest.mark.parametrize("name", MEDIA)
def test_without_the_media_extra_a_whole_file_needs_it(tmp_path, monkeypatch, name):
    path = encode_media(tmp_path / "clip.wav", media_tone(0.5), *MEDIA[name], sr=48_000)
    monkeypatch.setitem(sys.modules, "av", None)
    assert refusal(path) == ("needs_media", NEEDS_MEDIA)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_libsndfile_need_no_media_extra(tmp_path, no_media, name):
    assert len(read_audio(keep(tmp_path / "clip", content_of(name)), SR)) >= SR


# --- content that no decoder reads ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"Dear diary, today I recorded nothing.\n" * 100,
        bytes(20_000),
        np.random.default_rng(0).bytes(20_000),
        b"%PDF-1.7\n" * 50,
        b"PK\x03\x04" + bytes(500),
        b'{"label": "jazz"}',
    ],
    ids=["byte", "text", "zeros", "random", "pdf", "zip", "json"],
)
def test_other_content_is_not_audio(tmp_path, media_or_not, content):
    # a known suffix makes it no sound
    assert refusal(keep(tmp_path / "clip.wav", content)) == ("not_audio", NOT_AUDIO)


def test_an_image_is_not_audio(tmp_path, media_or_not):
    code, message = refusal(keep(tmp_path / "cover.wav", png()))
    assert code == "not_audio"
    assert message in {NOT_AUDIO, "contains no audio stream; leave it out"}


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF",
        b"RIFF\x24\x00\x00\x00WAVE",
        encode(chirp())[:30],
        b"OggS" + bytes(100),
        encode(chirp(), SR, "OGG", "VORBIS")[:200],
        b"FORM" + bytes(100),
        b".snd" + bytes(2),
        b"caff\x00\x01\x00\x00" + bytes(20),
        b"ID3" + bytes(50),
        b"\xff\xfb\x90\x00" + bytes(50),
    ],
    ids=["riff", "no_data", "cut_fmt", "ogg", "cut_vorbis", "form", "au", "caf", "id3", "mp3"],
)
def test_the_head_of_a_format_without_its_body_is_damaged(tmp_path, media_or_not, content):
    code, message = refusal(keep(tmp_path / "clip", content))
    assert code == "damaged"
    assert re.fullmatch(
        r"starts like an audio file but cannot be decoded \(.+[^.]\); copy it again", message, flags=re.DOTALL
    )


@pytest.mark.parametrize(
    "suffix", ["ul", "al", "sln", "sw", "ub", "g722", "gsm", "g729", "bit", "tco", "302", "flac", "ac3", "sbc", "aptx"]
)
def test_text_is_not_audio_whatever_the_suffix(tmp_path, media_or_not, suffix):
    path = keep(tmp_path / f"clip.{suffix}", b"Dear diary, today I recorded nothing.\n" * 200)
    assert refusal(path)[0] == "not_audio"
