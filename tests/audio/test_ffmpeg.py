"""Decoding by FFmpeg, with and without the media extra, and the errors for content that no decoder reads."""

import re
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.audio import ffmpeg, read_audio, read_blocks, read_info
from gmmaudio.audio.ffmpeg import FfmpegDecoder
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


def test_a_track_that_begins_in_the_middle_stops_nothing(tmp_path, monkeypatch):
    path = encode_media(tmp_path / "clip", chirp(3.0), "pcm_s16le", "matroska")
    whole, n_calls = read_audio(path, SR), 0
    packets = FfmpegDecoder._packets

    class Container:
        """A container whose first packets end in PyAV's error at a track of which it does not know the number."""

        def __init__(self, container):
            self.container = container

        def __getattr__(self, name):
            return getattr(self.container, name)

        def demux(self, stream):
            nonlocal n_calls
            n_calls += 1
            for i, packet in enumerate(self.container.demux(stream)):
                yield packet
                if n_calls < 3 and i == 1:
                    raise IndexError("list index out of range")

    def of_new_tracks(decoder):
        decoder._container = Container(decoder._container)
        return packets(decoder)

    monkeypatch.setattr(FfmpegDecoder, "_packets", of_new_tracks)
    assert np.array_equal(read_audio(path, SR), whole)
    assert n_calls == 3


# --- segments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 1.0), (1.23456, 2.34567), (2.0, None), (0.0, 3.05)])
def test_a_segment_of_a_media_format_is_a_slice(tmp_path, start_s, end_s):
    pcm = chirp(3.0)
    path = encode_media(tmp_path / "clip.mkv", pcm, "flac", "matroska")
    expected = pcm[round(start_s * SR) : None if end_s is None else round(end_s * SR)] / np.float32(32768)
    assert np.array_equal(read_audio(path, SR, start_s=start_s, end_s=end_s), expected)


LATE = [("aac", "ipod"), ("alac", "ipod"), ("libopus", "matroska"), ("flac", "matroska"), ("pcm_s16le", "matroska")]


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize(("start_s", "end_s"), [(21.12345, 23.5), (27.0, None)])
def test_a_late_segment_is_a_slice_of_the_whole(tmp_path, name, start_s, end_s):
    noise = np.random.default_rng(0).normal(scale=3_000, size=28 * 48_000).astype(np.int16)
    path = encode_media(tmp_path / "clip", noise, *name, sr=48_000)
    whole = read_audio(path, 48_000)
    expected = whole[round(start_s * 48_000) : None if end_s is None else round(end_s * 48_000)]
    assert np.array_equal(read_audio(path, 48_000, start_s=start_s, end_s=end_s), expected)


@pytest.mark.parametrize("name", [("aac", "ipod"), ("libopus", "matroska")])
def test_a_late_segment_is_reached_by_a_seek(tmp_path, monkeypatch, name):
    path = encode_media(tmp_path / "clip", media_tone(28.0), *name, sr=48_000)
    n_frames = {"start": 0, "late": 0}
    counted = FfmpegDecoder._frames

    def count(kind):
        def frames(self):
            for frame in counted(self):
                n_frames[kind] += 1
                yield frame

        return frames

    for kind, start_s in (("start", 0.0), ("late", 26.0)):
        monkeypatch.setattr(FfmpegDecoder, "_frames", count(kind))
        read_audio(path, 48_000, start_s=start_s, end_s=start_s + 1.0)
    # a second before the segment, and those that show the grid of the frames
    assert n_frames["start"] < n_frames["late"] < 4 * n_frames["start"]


def test_sound_before_a_segment_is_not_kept(tmp_path, monkeypatch):
    path = encode_media(tmp_path / "clip", media_tone(60.0, 2), "pcm_s16le", "matroska", sr=48_000)
    tracemalloc.start()
    try:
        read_audio(path, 48_000, start_s=57.0, end_s=58.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # the second itself takes 0.4 MB for each copy, the minute 23 MB
    assert peak < 4e6


def test_of_several_audio_tracks_the_default_one_is_read(tmp_path):
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w", format="matroska") as out:
        streams = [out.add_stream("flac", rate=SR, layout="mono") for _ in range(2)]
        for index, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if index == 1 else 0
        for index, stream in enumerate(streams):
            tone = np.sin(2 * np.pi * 440 * (index + 1) * np.arange(SR) / SR)
            frame = av.AudioFrame.from_ndarray(np.round(tone * 20_000).astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts = SR, 0
            for packet in (*stream.encode(frame), *stream.encode(None)):
                out.mux(packet)
    samples = read_audio(path, SR)
    assert np.abs(np.fft.rfft(samples)).argmax() == 880


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m4a", "aac", "webm", "mkv"])
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_place_is_left_out_and_counted(tmp_path, name, seed):
    rng = np.random.default_rng(seed)
    noise = np.random.default_rng(1).normal(scale=3_000, size=60 * 48_000).astype(np.int16)
    path = encode_media(tmp_path / "clip", noise, *MEDIA[name], sr=48_000)
    content = bytearray(path.read_bytes())
    at = int(rng.integers(len(content) // 4, len(content) // 2))
    content[at : at + 777] = rng.bytes(777)
    notes = []
    samples = read_audio(keep(tmp_path / "damaged", bytes(content)), 48_000, on_note=notes.append)
    whole = read_audio(path, 48_000)
    assert [note.code for note in notes] == ["lost"]
    assert 0 < notes[0].seconds < 6.0
    # a codec may repair a frame, a stream without time stamps lose five of 21 ms, and Matroska rounds to milliseconds
    assert len(samples) / 48_000 + notes[0].seconds == pytest.approx(len(whole) / 48_000, abs=0.15)
    assert np.array_equal(samples[: 10 * 48_000], whole[: 10 * 48_000])
    assert np.array_equal(samples[-48_000:], whole[-48_000:])


def test_a_media_file_that_lost_more_than_a_tenth_is_damaged(tmp_path):
    path = encode_media(tmp_path / "clip", media_tone(10.0), *MEDIA["m4a"], sr=48_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 4] = np.random.default_rng(0).bytes(len(content) // 4)
    code, message = refusal(keep(tmp_path / "damaged", bytes(content)))
    assert code == "damaged"
    assert re.fullmatch(r"\d\.\d\d s lost in .* at most 10% may be lost: copy or record it again", message)


def test_sound_that_only_damage_gives_is_left_out(tmp_path, monkeypatch):
    samples = media_tone(10.0) // 4
    samples[5 * 48_000 : 11 * 24_000] *= 4
    path = encode_media(tmp_path / "clip", samples, *MEDIA["m4a"], sr=48_000)
    monkeypatch.setattr(ffmpeg, "MAX_DECODED_MAGNITUDE", 0.3)
    notes = []
    samples = read_audio(path, 48_000, on_note=notes.append)
    assert [note.code for note in notes] == ["lost"]
    assert notes[0].seconds == pytest.approx(0.5, abs=0.06)
    assert np.abs(samples).max() < 0.3


def test_an_avi_declares_more_than_its_index_counts(tmp_path):
    path = encode_media(tmp_path / "clip", media_tone(60.0, sr=22_050), "pcm_s16le", "avi", sr=22_050)
    assert len(read_audio(path, 22_050)) == 60 * 22_050


# --- streams that change --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "container"), [("ac3", "ac3"), ("eac3", "eac3"), ("aac", "mpegts"), ("mp2", "mpeg")])
def test_a_stream_may_go_on_with_other_channels(tmp_path, codec, container):
    mono = encode_media(tmp_path / "clip", media_tone(2.0), codec, container, sr=48_000).read_bytes()
    stereo = encode_media(tmp_path / "clip", media_tone(2.0, 2), codec, container, sr=48_000).read_bytes()
    for content in (mono + stereo, stereo + mono + stereo):
        path = keep(tmp_path / "joined", content)
        samples = read_audio(path, 48_000)
        n_pieces = 2 if content.startswith(mono) else 3
        assert len(samples) / 48_000 == pytest.approx(2.0 * n_pieces, abs=0.2)
        assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.354, abs=0.03)


@pytest.mark.parametrize(("codec", "container"), [("ac3", "ac3"), ("aac", "mpegts"), ("mp2", "mpeg")])
def test_a_stream_that_goes_on_with_another_rate_is_refused(tmp_path, codec, container):
    first = encode_media(tmp_path / "clip", media_tone(2.0), codec, container, sr=48_000).read_bytes()
    second = encode_media(tmp_path / "clip", media_tone(2.0), codec, container, sr=44_100).read_bytes()
    assert refusal(keep(tmp_path / "joined", first + second))[0] == "mixed_rates"


def test_a_segment_outside_a_media_file_is_bad_segment(tmp_path):
    path = encode_media(tmp_path / "clip.m4a", media_tone(1.0), "aac", "ipod", sr=48_000)
    assert refusal(path, start_s=1.5, end_s=2.5) == (
        "bad_segment",
        f"the segment 1.5-2.5 s lies outside the file, which has 1.00 s; {SEGMENT_REMEDY}",
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
        "starts like an audio file but cannot be decoded (MP4: no whole moov box, the index: the recorder was stopped, "
        "or the end of the file is missing); copy it again",
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
@pytest.mark.parametrize("name", ["m4a", "webm", "mkv"])
def test_a_cut_media_file_is_truncated(tmp_path, name, kept):
    options = {"movflags": "faststart"} if name == "m4a" else {}
    path = encode_media(tmp_path / "clip", media_tone(5.0), *MEDIA[name], sr=48_000, **options)
    content = path.read_bytes()
    code, message = refusal(keep(tmp_path / "cut", content[: round(kept * len(content))]))
    assert code == "truncated"
    assert re.fullmatch(
        r"only \d+ of \d+ bytes of its (segment|mdat box) are left of a longer file; copy or export the file again",
        message,
    )


def test_a_stream_without_a_length_may_end_within_a_packet(tmp_path):
    path = encode_media(tmp_path / "clip", media_tone(5.0), *MEDIA["aac"], sr=48_000)
    content = path.read_bytes()
    notes = []
    samples = read_audio(keep(tmp_path / "cut", content[: round(0.5 * len(content))]), 48_000, on_note=notes.append)
    # what is decoded of the whole file, to the last whole packet of 1,024 samples
    whole = read_audio(path, 48_000)
    assert len(samples) == pytest.approx(len(whole) / 2, rel=0.1)
    assert np.array_equal(samples, whole[: len(samples)])
    end_s = len(samples) / 48_000
    assert [note.code for note in notes] == ["cut_off"]
    assert notes[0].text == f"ends within a packet, after {end_s:.2f} s"
    assert notes[0].seconds == pytest.approx(end_s)


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
