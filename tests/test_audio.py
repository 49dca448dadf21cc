"""Files into samples: what is read, how it is cut and resampled, and the reason for every file that is refused."""

import contextlib
import errno
import functools
import io
import os
import re
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from gmmaudio import audio
from gmmaudio.audio import AudioInfo, check_header, read_audio, read_blocks, read_info, sndfile
from gmmaudio.errors import AudioError, GmmaudioError, SettingError

SR = 16_000
# Formats whose samples come back as they went in: (container, encoding).
LOSSLESS = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "wav_float": ("WAV", "FLOAT"),
    "wavex": ("WAVEX", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "flac24": ("FLAC", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "alac": ("CAF", "ALAC_16"),
    "au": ("AU", "PCM_16"),
}
LOSSY = {
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ulaw": ("WAV", "ULAW"),
    "aifc": ("AIFF", "ULAW"),
    "adpcm": ("WAV", "MS_ADPCM"),
}
FORMATS = LOSSLESS | LOSSY

NOT_AUDIO = "is not audio that an installed decoder reads; leave it out or convert it"
NEEDS_MEDIA = "is a format that libsndfile does not read; install the media extra: pip install 'gmmaudio[media]'"
NO_SAMPLES = "has a header but no samples; record or export it again"
NON_FINITE = "contains samples that are not finite numbers; export the file again"
NOT_A_FILE = "is not a regular file; name an audio file"
BAD_RATE = "expected 4000 to 384000 Hz: the header is damaged, or the file is not audio"
VANISHED = "is not there; check the path"
SEGMENT_REMEDY = "correct the manifest's start and end"


def chirp(seconds=1.0, n_channels=1, seed=0):
    """Return a sweep in noise as 16-bit integers, shape (n,) or (n, n_channels): no two moments are alike."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SR)
    phase = np.cumsum(np.linspace(0.02, 2.0, n))
    sound = 0.4 * np.sin(phase)[:, None] + rng.normal(scale=0.05, size=(n, n_channels))
    pcm = np.round(sound * 32767).astype(np.int16)
    return pcm[:, 0] if n_channels == 1 else pcm


def encode(samples, sr=SR, container="WAV", encoding="PCM_16"):
    """Return the bytes of a sound file."""
    out = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(out, "w", samplerate=sr, channels=channels, format=container, subtype=encoding) as sound:
        # libsndfile overruns its stack when Vorbis is written in large blocks
        for start in range(0, len(samples), sr):
            sound.write(samples[start : start + sr])
    return out.getvalue()


@functools.cache
def content_of(name, seconds=1.0, n_channels=1):
    """Return the bytes of a chirp in one of FORMATS."""
    pcm = chirp(seconds, n_channels)
    return encode(pcm / np.float32(32768) if name == "wav_float" else pcm, SR, *FORMATS[name])


def keep(path, content):
    path.write_bytes(content)
    return path


def wav(path, samples=None, sr=SR, encoding="PCM_16"):
    return keep(path, encode(chirp() if samples is None else samples, sr, "WAV", encoding))


def patched(content, offset, layout, value):
    """Return the bytes with one number of a header replaced."""
    content = bytearray(content)
    struct.pack_into(layout, content, offset, value)
    return bytes(content)


def streamed_flac(samples):
    """Return a FLAC as written to a pipe: its header declares no number of samples."""
    content = bytearray(encode(samples, container="FLAC"))
    content[21] &= 0xF0  # the low 4 bits of byte 21 and all of 22-25 are the 36 bits of the number
    content[22:26] = bytes(4)
    return bytes(content)


def png():
    """Return an image of 8 x 8 pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(72))) + chunk(b"IEND", b"")


def encode_media(path, samples, codec, container, sr=SR, **options):
    """Write a file by PyAV, or skip where it is not installed."""
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    planes = np.atleast_2d(samples.T).astype(np.float32) / 32768
    layout = {1: "mono", 2: "stereo"}[len(planes)]
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=sr, layout=layout)
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=sr)
        for start in range(0, planes.shape[1], 1024):
            block = np.ascontiguousarray(planes[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = sr, start
            for part in resampler.resample(frame):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def refusal(path, sr=SR, **kwargs):
    """Return the code and the message with which a file is refused."""
    with pytest.raises(AudioError) as caught:
        read_audio(path, sr, **kwargs)
    return caught.value.code, caught.value.message


@pytest.fixture
def no_media(monkeypatch):
    """PyAV as if it were not installed."""
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.fixture(params=["with_media", "without_media"])
def media_or_not(request, monkeypatch):
    """Both installations: with the media extra (skipped where there is none) and without."""
    if request.param == "without_media":
        monkeypatch.setitem(sys.modules, "av", None)
    else:
        pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    return request.param


# --- samples ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_back_the_very_samples(tmp_path, name):
    pcm = chirp(12.0)  # more than one block
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    samples = read_audio(path, SR)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, pcm / np.float32(32768))


@pytest.mark.parametrize("name", FORMATS)
def test_samples_equal_soundfiles(tmp_path, name):
    path = keep(tmp_path / "clip", content_of(name, 3.0))
    with path.open("rb") as handle:
        expected, _ = soundfile.read(handle, dtype="float32")
    samples = read_audio(path, SR)
    assert samples.dtype == np.float32
    # one unit of float32 at full scale: mpg123 rounds otherwise once it has been told to seek; the others are equal
    np.testing.assert_allclose(samples, expected, rtol=0, atol=2e-7 if name == "mp3" else 0)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 48_000])
def test_resampled_samples_equal_soxrs_over_block_edges(tmp_path, rate):
    pcm = chirp(23.0)  # two block edges
    path = wav(tmp_path / "clip.wav", pcm)
    samples = read_audio(path, rate)
    expected = soxr.resample(pcm / np.float32(32768), SR, rate, quality="HQ")
    assert samples.dtype == np.float32
    # equal with soxr 1.1; a few units of float32 are left for a version that adds in another order
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(44_100, 16_000), (16_000, 22_050), (8_000, 16_000), (48_000, 8_000)]
)
def test_resampling_keeps_the_level_frequency_and_length_of_a_tone(tmp_path, rate_in, rate_out):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_in) / rate_in + 0.3)
    samples = read_audio(wav(tmp_path / "tone.wav", tone, rate_in, "FLOAT"), rate_out)
    assert len(samples) == 2 * rate_out
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_out) / rate_out + 0.3)
    middle = slice(rate_out // 5, -rate_out // 5)  # away from the edges, where the filter runs in and out
    # soxr's HQ filter ripples by less than 0.01 dB, 0.0006 of 0.5; 1 Hz off would be apart by the whole amplitude
    np.testing.assert_allclose(samples[middle], expected[middle], rtol=0, atol=6e-4)


def test_resampling_removes_a_tone_above_the_new_nyquist_frequency(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 7_000 * np.arange(2 * 48_000) / 48_000)
    samples = read_audio(wav(tmp_path / "tone.wav", tone, 48_000, "FLOAT"), 8_000)
    # HQ rejects by 100 dB, 5e-6 of 0.5; the tone's start and end are steps, and left out
    assert np.abs(samples[1_600:-1_600]).max() < 1e-5


@pytest.mark.parametrize("n_channels", [2, 3, 6])
def test_channels_are_averaged(tmp_path, n_channels):
    pcm = chirp(1.0, n_channels)
    samples = read_audio(wav(tmp_path / "clip.wav", pcm), SR)
    # the mean of 16-bit numbers, rounded once more: a unit of float32 at full scale
    np.testing.assert_allclose(samples, pcm.mean(axis=1) / 32768, rtol=0, atol=1.2e-7)


def test_64_channels_are_read(tmp_path):
    pcm = chirp(0.1, 64)
    samples = read_audio(wav(tmp_path / "clip.wav", pcm), SR)
    # as above
    np.testing.assert_allclose(samples, pcm.mean(axis=1) / 32768, rtol=0, atol=1.2e-7)


@pytest.mark.parametrize("rate", [SR, 11_025])
@pytest.mark.parametrize("name", FORMATS)
def test_blocks_joined_are_the_whole(tmp_path, name, rate):
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    blocks = list(read_blocks(path, rate))
    assert len(blocks) > 1
    assert all(block.ndim == 1 and block.dtype == np.float32 for block in blocks)
    assert np.array_equal(np.concatenate(blocks), read_audio(path, rate))


# mp3 is left out: mpg123 drops what a frame borrows from those before it when soundfile seeks after every block
@pytest.mark.parametrize("block_s", [0.05, 0.37, 1000.0])
@pytest.mark.parametrize("rate", [SR, 11_025])
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "mp3"])
def test_the_length_of_blocks_leaves_no_trace(tmp_path, monkeypatch, name, rate, block_s):
    path = keep(tmp_path / "clip", content_of(name, 3.0))
    expected = read_audio(path, rate)
    monkeypatch.setattr(sndfile, "BLOCK_S", block_s)
    assert np.array_equal(read_audio(path, rate), expected)


def test_reading_in_blocks_needs_the_memory_of_blocks(tmp_path, monkeypatch):
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


# --- what the header declares -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_read_info_tells_rate_channels_and_duration(tmp_path, name):
    info = read_info(keep(tmp_path / "clip", content_of(name, 1.5, 2)))
    assert (info.sample_rate_hz, info.n_channels, info.format) == (SR, 2, FORMATS[name][0])
    # ADPCM comes in blocks of 1,012 samples, the others declare the very length
    assert info.duration_s == pytest.approx(1.5, abs=1_012 / SR if name == "adpcm" else 0)


def test_read_info_does_not_decode(tmp_path, monkeypatch):
    path = wav(tmp_path / "clip.wav")
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_args, **_kwargs: pytest.fail("decoded"))
    assert read_info(path) == AudioInfo(SR, 1, 1.0, "WAV")


# --- content, not names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "name"),
    [
        ("FLAC", "a.mp3"),
        ("FLAC", "a.wav"),
        ("WAV", "a.raw"),
        ("WAV", "a"),
        ("WAV", "a.txt"),
        ("WAV", "a.flac"),
        ("AIFF", "a.au"),
        ("AU", "a.ogg"),
        ("CAF", "a.mat"),
    ],
)
def test_content_beats_extension(tmp_path, container, name):
    pcm = chirp()
    path = keep(tmp_path / name, encode(pcm, SR, container))
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))
    assert read_info(path).format == container


def test_raw_samples_without_a_header_are_no_sound_file_whatever_their_name(tmp_path, no_media):
    path = keep(tmp_path / "a.raw", chirp().tobytes())
    assert refusal(path) == ("not_audio", NOT_AUDIO)


@pytest.mark.parametrize(
    "name",
    [
        "ünï ç 中文 🎵.wav",
        "new\nline.wav",
        "-x.wav",
        "--help",
        " ",
        "%s%d{0}.wav",
        "*?[a].wav",
        "'\";$(x).wav",
        "http:a.wav",
        os.fsdecode(b"\xff\xfe\xe9.wav"),
        "a" * 240 + ".wav",
    ],
    ids=ascii,
)
def test_any_file_name_is_read(tmp_path, name):
    pcm = chirp(0.1)
    try:
        path = wav(tmp_path / name, pcm)
    except (OSError, UnicodeError) as error:
        pytest.skip(f"this file system refuses the name: {error}")
    for given in (path, str(path)):
        assert np.array_equal(read_audio(given, SR), pcm / np.float32(32768))


@pytest.mark.parametrize("name", ["-x.wav", "file:x.wav", "0"])
def test_a_relative_name_is_no_option_url_or_descriptor(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    wav(Path(name), chirp(0.1))
    assert len(read_audio(name, SR)) == SR // 10


def test_a_link_to_a_file_is_read(tmp_path):
    target = wav(tmp_path / "clip.wav")
    link = tmp_path / "link"
    try:
        link.symlink_to(target)
    except OSError as error:
        pytest.skip(f"this file system has no symbolic links: {error}")
    assert len(read_audio(link, SR)) == SR


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed by Linux only")
def test_files_are_closed_after_success_failure_and_abandonment(tmp_path):
    good, bad = wav(tmp_path / "good.wav", chirp(25.0)), keep(tmp_path / "bad.wav", b"RIFF")
    empty, silent = keep(tmp_path / "empty.wav", b""), wav(tmp_path / "silent.wav", np.zeros(SR))
    read_audio(good, SR)
    read_info(good)
    for path in (bad, empty, silent):
        refusal(path)
    abandoned = read_blocks(good, SR)
    next(abandoned)
    abandoned.close()
    still_open = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor of this very listing
            still_open.append(link.readlink().parent)
    assert tmp_path not in still_open


# --- streams without a length -------------------------------------------------------------------------------------


# what FFmpeg, arecord, SoX and others leave in a header that they cannot go back to
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


def test_a_flac_written_to_a_pipe_is_read_by_the_media_extra(tmp_path):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    pcm = chirp(12.0)
    path = keep(tmp_path / "clip.flac", streamed_flac(pcm))
    assert read_info(path).duration_s is None
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))
    assert np.array_equal(read_audio(path, SR, start_s=1.0, end_s=2.0), pcm[SR : 2 * SR] / np.float32(32768))


def test_a_flac_written_to_a_pipe_without_the_media_extra_tells_how_to_get_it(tmp_path, no_media):
    path = keep(tmp_path / "clip.flac", streamed_flac(chirp()))
    assert refusal(path) == ("needs_media", NEEDS_MEDIA)


def test_bytes_after_the_sound_are_no_sound(tmp_path):
    pcm = chirp()
    for container in ("WAV", "AIFF", "CAF", "AU", "FLAC"):
        path = keep(tmp_path / "clip", encode(pcm, SR, container) + b"TAG" + b"x" * 125)
        assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))


# --- segments -----------------------------------------------------------------------------------------------------

SEGMENTS = [(0.0, 1.0), (0.25, 0.5), (3.33337, 7.77779), (9.5, 10.5), (10.0, 11.9), (11.0, None), (0.0, None)]


@pytest.mark.parametrize(("start_s", "end_s"), SEGMENTS)
@pytest.mark.parametrize("name", LOSSLESS)
def test_a_segment_is_a_slice(tmp_path, name, start_s, end_s):
    pcm = chirp(12.0)
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    expected = pcm[round(start_s * SR) : None if end_s is None else round(end_s * SR)] / np.float32(32768)
    assert np.array_equal(read_audio(path, SR, start_s=start_s, end_s=end_s), expected)


# mp3 is left out: mpg123 does not decode what a frame borrows from those before the seek
@pytest.mark.parametrize(("start_s", "end_s"), SEGMENTS)
@pytest.mark.parametrize("name", [name for name in LOSSY if name != "mp3"])
def test_a_segment_of_a_lossy_format_is_a_slice(tmp_path, name, start_s, end_s):
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    expected = read_audio(path, SR)[round(start_s * SR) : None if end_s is None else round(end_s * SR)]
    segment = read_audio(path, SR, start_s=start_s, end_s=end_s)
    # Opus decodes 80 ms before a seek, by when its predictors have nearly caught up; the others are equal
    np.testing.assert_allclose(segment, expected, rtol=0, atol=5e-3 if name == "opus" else 0)


def test_a_segment_is_cut_before_it_is_resampled(tmp_path):
    pcm = chirp(3.0)
    path = wav(tmp_path / "clip.wav", pcm)
    samples = read_audio(path, 8_000, start_s=0.5, end_s=2.25)
    assert len(samples) == 14_000
    # as for the whole
    expected = soxr.resample(pcm[8_000:36_000] / np.float32(32768), SR, 8_000)
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("end_s", [1.0, 1.05, 1.1])
def test_an_end_just_after_the_files_end_is_the_files_end(tmp_path, end_s):
    # manifests round, and lossy encoders pad: 0.1 s is let pass
    assert len(read_audio(wav(tmp_path / "clip.wav"), SR, end_s=end_s)) == SR


@pytest.mark.parametrize(
    ("start_s", "end_s", "segment"),
    [
        (1.0, None, "1-"),
        (1.05, None, "1.05-"),
        (1.5, 2.5, "1.5-2.5"),
        (0.0, 1.11, "0-1.11"),
        (0.5, 1.25, "0.5-1.25"),
        (1e9, 2e9, "1e+09-2e+09"),
        (0.5, 0.5, "0.5-0.5"),
        (0.75, 0.25, "0.75-0.25"),
    ],
)
def test_a_segment_outside_the_file_is_bad_segment(tmp_path, start_s, end_s, segment):
    path = wav(tmp_path / "clip.wav")
    assert refusal(path, start_s=start_s, end_s=end_s) == (
        "bad_segment",
        f"the segment {segment} s lies outside the file, which has 1.00 s; {SEGMENT_REMEDY}",
    )


def test_a_segment_outside_a_file_of_unknown_length_is_bad_segment(tmp_path):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    path = keep(tmp_path / "clip.flac", streamed_flac(chirp()))
    assert refusal(path, start_s=2.0, end_s=3.0) == (
        "bad_segment",
        f"the segment 2-3 s lies outside the file; {SEGMENT_REMEDY}",
    )


# --- the reason for every refusal ---------------------------------------------------------------------------------


def _refuse_to_open(monkeypatch):
    def open_(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", open_)


def _spoiled(index, value):
    samples = chirp() / np.float32(32768)
    samples[index] = value
    return samples


# A file for each reason: what to write (None: nothing), how to read it, and what is said.
REFUSALS = {
    "vanished": (None, {}, VANISHED),
    "not_a_file": (None, {}, NOT_A_FILE),
    "unreadable": (encode(chirp()), {}, "cannot be read (Permission denied); check its permissions"),
    "empty": (b"", {}, "has no bytes; copy the file again"),
    "not_audio": (b"Dear diary, today I recorded nothing.\n" * 100, {}, NOT_AUDIO),
    "needs_media": (b"\x00\x00\x00\x18ftypM4A " + bytes(400), {}, NEEDS_MEDIA),
    "damaged": (
        b"RIFF\x24\x00\x00\x00WAVE",
        {},
        "starts like an audio file but cannot be decoded (Error in WAV file. No 'data' chunk marker); copy it again",
    ),
    "bad_header": (
        patched(encode(chirp()), 24, "<I", 1),
        {},
        f"declares a sample rate of 1 Hz; {BAD_RATE}",
    ),
    "no_samples": (encode(chirp(0.0)), {}, NO_SAMPLES),
    "truncated": (
        encode(chirp())[: 44 + SR],
        {},
        "only 0.50 s are left of a longer file; copy or export the file again",
    ),
    "non_finite": (encode(_spoiled(100, np.nan), SR, "WAV", "FLOAT"), {}, NON_FINITE),
    "silent": (encode(np.zeros(SR)), {}, "1.00 s of silence; check the recording, or leave it out"),
    "too_short": (
        encode(chirp(0.3)),
        {"min_duration_s": 0.5},
        "0.3 s of sound; at least 0.5 s is needed (`min_duration_s`)",
    ),
    "bad_segment": (
        encode(chirp()),
        {"start_s": 1.5, "end_s": 2.0},
        f"the segment 1.5-2 s lies outside the file, which has 1.00 s; {SEGMENT_REMEDY}",
    ),
}


@pytest.mark.parametrize("code", audio.REASONS)
def test_every_reason_is_given_with_its_message(tmp_path, monkeypatch, no_media, code):
    assert code in REFUSALS, f"reason {code} has no file here that meets it"
    content, how, message = REFUSALS[code]
    path = tmp_path / "clip"
    if content is not None:
        path.write_bytes(content)
    elif code == "not_a_file":
        path.mkdir()
    if code == "unreadable":
        _refuse_to_open(monkeypatch)
    assert refusal(path, **how) == (code, message)
    with pytest.raises(AudioError) as caught:
        list(read_blocks(path, SR, **how))
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize("code", ["vanished", "not_a_file", "unreadable", "empty", "not_audio", "needs_media"])
def test_read_info_gives_the_reason_too(tmp_path, monkeypatch, no_media, code):
    test_every_reason_is_given_with_its_message(tmp_path, monkeypatch, no_media, code)
    with pytest.raises(AudioError) as caught:
        read_info(tmp_path / "clip")
    assert caught.value.code == code


def test_reasons_named_in_the_source_are_those_documented():
    source = "".join(path.read_text(encoding="utf-8") for path in Path(audio.__file__).parent.glob("*.py"))
    raised = set(re.findall(r"AudioError\(\s*\"(\w+)\"", source))
    assert raised == set(audio.REASONS) == set(REFUSALS)
    assert all(audio.REASONS.values())


def test_an_audio_error_is_ours_and_an_oserror_and_reads_as_its_message(tmp_path):
    with pytest.raises(OSError, match="is not there") as caught:
        read_audio(tmp_path / "clip", SR)
    assert isinstance(caught.value, GmmaudioError)
    assert str(caught.value) == caught.value.message == VANISHED


# --- files that cannot be opened ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none.wav", "none/none.wav", "clip.wav/none.wav", "nul\0.wav", "dangling"])
def test_a_path_that_leads_nowhere_is_vanished(tmp_path, name):
    wav(tmp_path / "clip.wav")
    with contextlib.suppress(OSError):
        (tmp_path / "dangling").symlink_to(tmp_path / "gone.wav")
    assert refusal(tmp_path / name) == ("vanished", VANISHED)


def test_a_file_that_vanishes_between_two_looks_is_vanished(tmp_path, monkeypatch):
    path = wav(tmp_path / "clip.wav")
    look = Path.stat

    def stat(self, **kwargs):
        result = look(self, **kwargs)
        self.unlink()
        return result

    monkeypatch.setattr(Path, "stat", stat)
    assert refusal(path) == ("vanished", VANISHED)


@pytest.mark.parametrize("path", ["", ".", os.devnull])
def test_a_folder_or_device_is_not_a_file(path):
    assert refusal(path) == ("not_a_file", NOT_A_FILE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert refusal(tmp_path / "pipe.wav") == ("not_a_file", NOT_A_FILE)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_unreadable(tmp_path):
    path = wav(tmp_path / "clip.wav")
    path.chmod(0)
    assert refusal(path) == ("unreadable", "cannot be read (Permission denied); check its permissions")


def test_links_in_a_circle_are_unreadable(tmp_path):
    path = tmp_path / "clip.wav"
    try:
        path.symlink_to(path)
    except OSError as error:
        pytest.skip(f"this file system has no symbolic links: {error}")
    assert refusal(path)[0] == "unreadable"


# --- content that is no sound -------------------------------------------------------------------------------------


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
def test_what_is_no_sound_is_not_audio(tmp_path, media_or_not, content):
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


# --- headers beyond belief ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1, 3_999, 384_001, 2**31 - 1])
def test_a_rate_beyond_belief_is_refused_before_anything_is_decoded(tmp_path, monkeypatch, rate):
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_args, **_kwargs: pytest.fail("decoded"))
    path = keep(tmp_path / "clip.wav", patched(encode(chirp()), 24, "<I", rate))
    assert refusal(path) == (
        "bad_header",
        f"declares a sample rate of {rate} Hz; {BAD_RATE}",
    )


@pytest.mark.parametrize("rate", [4_000, 384_000])
def test_the_slowest_and_the_fastest_rate_are_read(tmp_path, rate):
    pcm = chirp()
    path = keep(tmp_path / "clip.wav", patched(encode(pcm), 24, "<I", rate))
    assert np.array_equal(read_audio(path, rate), pcm / np.float32(32768))


@pytest.mark.parametrize("n_channels", [65, 1_024])
def test_channels_beyond_belief_are_refused_before_anything_is_decoded(tmp_path, monkeypatch, n_channels):
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_args, **_kwargs: pytest.fail("decoded"))
    content = patched(patched(encode(chirp()), 22, "<H", n_channels), 32, "<H", 2 * n_channels)
    assert refusal(keep(tmp_path / "clip.wav", content)) == (
        "bad_header",
        f"declares {n_channels} channels; expected 1 to 64: export it as mono or stereo",
    )


@pytest.mark.parametrize(
    ("rate", "n_channels", "said"),
    [
        (0, 1, f"declares a sample rate of 0 Hz; {BAD_RATE}"),
        (-44_100, 1, f"declares a sample rate of -44100 Hz; {BAD_RATE}"),
        (44_100, 0, "declares 0 channels; expected 1 to 64: export it as mono or stereo"),
        (44_100, 65, "declares 65 channels; expected 1 to 64: export it as mono or stereo"),
    ],
)
def test_check_header_refuses(rate, n_channels, said):
    with pytest.raises(AudioError) as caught:
        check_header(rate, n_channels)
    assert (caught.value.code, caught.value.message) == ("bad_header", said)


@pytest.mark.parametrize(("rate", "n_channels"), [(4_000, 1), (384_000, 64)])
def test_check_header_lets_the_bounds_pass(rate, n_channels):
    check_header(rate, n_channels)


# --- truncated files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.97, 0.9, 0.5, 0.1])
@pytest.mark.parametrize("name", ["wav", "wav24", "wav_float", "wavex", "aiff", "au", "w64", "ulaw", "aifc"])
def test_a_file_shorter_than_its_header_declares_is_truncated(tmp_path, name, kept):
    content = content_of(name, 3.0)
    path = keep(tmp_path / "clip", content[: round(kept * len(content))])
    # what is said rounds to 0.01 s, and the header is 0.01 s of sound at the most
    code, message = refusal(path)
    assert code == "truncated"
    said = re.fullmatch(r"only (\d\.\d\d) s are left of a longer file; copy or export the file again", message)
    assert float(said[1]) == pytest.approx(3.0 * kept, abs=0.02)


@pytest.mark.parametrize(
    ("container", "layout", "outer", "inner"), [("WAV", "<I", (4, -8), (40, -44)), ("AIFF", ">I", (4, -8), (42, -46))]
)
def test_sound_declared_longer_than_the_file_is_truncated_though_the_outer_size_fits(
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
    assert re.fullmatch(r"decoding fails \d\.\d\d s or more into the file \(.+[^.]\); copy or export it again", message)


@pytest.mark.parametrize("kept", [0.995, 0.9, 0.5])
@pytest.mark.parametrize("name", ["ogg", "opus"])
def test_a_cut_ogg_is_truncated(tmp_path, name, kept):
    # its header declares no length: the last page is found to be cut short
    content = content_of(name, 5.0)
    code, message = refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))
    assert code == "truncated"
    assert re.fullmatch(r"only \d\.\d\d s are left of a longer file; copy or export the file again", message)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.2])
def test_a_cut_mp3_is_truncated(tmp_path, kept):
    content = content_of("mp3", 5.0)
    code, message = refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))
    assert code == "truncated"
    assert re.fullmatch(r"\d\.\d\d s decoded of 5\.00 s declared; copy or export the file again", message)


def test_an_mp3_without_a_length_tag_is_read(tmp_path):
    # constant bit rate, as most encoders of old wrote it; the first frame of a tagged file is the tag
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", SR, 1, format="MP3", bitrate_mode="CONSTANT", compression_level=0.5) as sound:
        sound.write(chirp(5.0))
    content = out.getvalue()
    second = content.find(content[:2], 4)
    assert b"Info" in content[:second]
    samples = read_audio(keep(tmp_path / "clip", content[second:]), SR)
    # the tag also told what the encoder had added at both ends: some 0.1 s
    assert 5.0 <= len(samples) / SR < 5.2


def test_a_segment_of_a_truncated_file_that_is_there_is_read(tmp_path):
    pcm = chirp(3.0)
    path = keep(tmp_path / "clip.wav", encode(pcm)[:-SR])
    assert np.array_equal(read_audio(path, SR, start_s=0.5, end_s=2.0), pcm[8_000:32_000] / np.float32(32768))


# --- sound that cannot be used ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wav", "aiff", "au", "w64", "rf64", "caf", "ogg"])
def test_a_header_without_samples_is_no_samples(tmp_path, name):
    path = keep(tmp_path / "clip", content_of(name, 0.0))
    assert refusal(path) == ("no_samples", NO_SAMPLES)
    assert read_info(path).duration_s == 0.0


@pytest.mark.parametrize("rate", [SR, 8_000])
@pytest.mark.parametrize("index", [0, 100, -1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_not_finite_is_refused(tmp_path, value, index, rate):
    path = wav(tmp_path / "clip.wav", _spoiled(index, value), encoding="FLOAT")
    assert refusal(path, rate) == ("non_finite", NON_FINITE)


def test_one_channel_that_is_not_finite_is_refused(tmp_path):
    samples = np.stack([_spoiled(5, np.nan), chirp() / np.float32(32768)], axis=1)
    assert refusal(wav(tmp_path / "clip.wav", samples, encoding="FLOAT")) == ("non_finite", NON_FINITE)


def test_a_double_beyond_float32_is_refused(tmp_path):
    samples = _spoiled(5, 0.0).astype(np.float64)
    samples[5] = 1e300
    assert refusal(wav(tmp_path / "clip.wav", samples, encoding="DOUBLE")) == ("non_finite", NON_FINITE)


def test_what_is_not_finite_outside_the_segment_does_no_harm(tmp_path):
    path = wav(tmp_path / "clip.wav", _spoiled(100, np.nan), encoding="FLOAT")
    assert len(read_audio(path, SR, start_s=0.5)) == SR // 2


@pytest.mark.parametrize("rate", [SR, 8_000])
@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(SR),
        np.full(SR, 0.5),
        np.full(SR, -1.0),
        # the last bits of a 16-bit converter: 3 steps peak to peak
        np.random.default_rng(0).integers(-2, 2, SR).astype(np.int16),
        0.25 + np.random.default_rng(0).integers(0, 4, SR) / 32768,
        np.stack([chirp(), -chirp()], axis=1),
    ],
    ids=["zeros", "offset", "full_scale_offset", "last_bits", "last_bits_on_an_offset", "channels_that_cancel"],
)
def test_silence_is_refused_whatever_its_offset(tmp_path, samples, rate):
    path = wav(tmp_path / "clip.wav", samples)
    assert refusal(path, rate) == ("silent", "1.00 s of silence; check the recording, or leave it out")


def test_the_softest_sound_is_not_silence(tmp_path):
    samples = np.random.default_rng(0).integers(-2, 3, SR).astype(np.int16)  # 4 steps peak to peak
    assert np.array_equal(read_audio(wav(tmp_path / "clip.wav", samples), SR), samples / np.float32(32768))


def test_silence_is_judged_over_all_blocks(tmp_path):
    # each block is constant; only together do they move
    samples = np.concatenate([np.full(10 * SR, 0.0), np.full(10 * SR, 0.5)])
    assert len(read_audio(wav(tmp_path / "clip.wav", samples), SR)) == 20 * SR


def test_silence_is_judged_within_the_segment(tmp_path):
    path = wav(tmp_path / "clip.wav", np.concatenate([chirp(), np.zeros(SR, dtype=np.int16)]))
    assert len(read_audio(path, SR)) == 2 * SR
    assert refusal(path, start_s=1.0)[0] == "silent"
    assert len(read_audio(path, SR, end_s=1.0)) == SR


@pytest.mark.parametrize("rate", [8_000, SR, 48_000])
def test_the_least_duration_is_of_the_decoded_sound(tmp_path, rate):
    path = wav(tmp_path / "clip.wav", chirp(0.5))
    assert len(read_audio(path, rate, min_duration_s=0.5)) == rate // 2
    assert refusal(path, rate, min_duration_s=0.75) == (
        "too_short",
        "0.5 s of sound; at least 0.75 s is needed (`min_duration_s`)",
    )


def test_the_least_duration_is_of_the_segment(tmp_path):
    path = wav(tmp_path / "clip.wav", chirp(2.0))
    assert refusal(path, start_s=0.5, end_s=1.0, min_duration_s=1.0) == (
        "too_short",
        "0.5 s of sound; at least 1 s is needed (`min_duration_s`)",
    )


def test_one_sample_below_the_least_duration_is_too_short(tmp_path):
    path = wav(tmp_path / "clip.wav", chirp()[:-1])
    assert refusal(path, min_duration_s=1.0)[0] == "too_short"


# --- the media extra ----------------------------------------------------------------------------------------------

MEDIA = {"m4a": ("aac", "ipod"), "aac": ("aac", "adts"), "webm": ("libopus", "webm"), "mkv": ("flac", "matroska")}


def media_tone(seconds, n_channels=1, sr=48_000):
    tone = 16_384 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * sr)) / sr)
    return np.round(tone if n_channels == 1 else np.stack([tone] * n_channels, axis=1)).astype(np.int16)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("name", MEDIA)
def test_media_formats_are_read_at_their_level_and_frequency(tmp_path, name, n_channels):
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
    # what a lossy codec at its default bit rate does to a tone: less than 0.2 dB, and noise 30 dB below
    assert np.hypot(a, b) == pytest.approx(0.5, rel=0.02)
    assert np.std(middle - basis @ [a, b]) < 0.01


def test_a_lossless_media_format_gives_back_the_very_samples(tmp_path):
    pcm = chirp(12.0, 2)
    path = encode_media(tmp_path / "clip.mkv", pcm, "flac", "matroska")
    samples = read_audio(path, SR)
    # as for channels in general
    np.testing.assert_allclose(samples, pcm.mean(axis=1) / 32768, rtol=0, atol=1.2e-7)
    assert np.array_equal(np.concatenate(list(read_blocks(path, SR))), samples)
    assert len(list(read_blocks(path, SR))) > 1


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


def test_a_film_without_sound_is_not_audio(tmp_path):
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
def test_without_the_media_extra_its_formats_tell_how_to_get_it(tmp_path, no_media, head):
    assert refusal(keep(tmp_path / "clip", head + bytes(200))) == ("needs_media", NEEDS_MEDIA)


@pytest.mark.parametrize("name", MEDIA)
def test_without_the_media_extra_a_real_file_tells_how_to_get_it(tmp_path, monkeypatch, name):
    path = encode_media(tmp_path / "clip.wav", media_tone(0.5), *MEDIA[name], sr=48_000)
    monkeypatch.setitem(sys.modules, "av", None)
    assert refusal(path) == ("needs_media", NEEDS_MEDIA)


@pytest.mark.parametrize("name", FORMATS)
def test_what_libsndfile_reads_needs_no_media_extra(tmp_path, no_media, name):
    assert len(read_audio(keep(tmp_path / "clip", content_of(name)), SR)) >= SR


# --- what a folder is walked for ----------------------------------------------------------------------------------


def test_suffixes_are_lower_case_with_a_dot():
    assert {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".caf", ".au", ".w64", ".m4a", ".webm"} <= audio.SUFFIXES
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in audio.SUFFIXES)


# --- damage at random ---------------------------------------------------------------------------------------------


def damage(content, rng):
    """Return the bytes with a random piece cut off, dropped or overwritten; headers are hit as often as sound."""
    content = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(content[: rng.integers(len(content))])
    if kind == 1:
        at = rng.integers(len(content))
        return bytes(content[:at] + content[at + rng.integers(1, 200) :])
    reach = len(content) if kind == 2 else min(len(content), 120)
    for _ in range(rng.integers(1, 6)):
        content[rng.integers(reach)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
    return bytes(content)


def outcome(path, rng):
    """Return the reason code for which a file is refused, or "read" where it gives finite samples."""
    try:
        samples = read_audio(path, int(rng.choice([8_000, SR, 22_050])))
    except AudioError as error:
        assert error.code in audio.REASONS
        assert error.message
        return error.code
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) > 0
    assert np.isfinite(samples).all()
    return "read"


def outcomes(folder, names, n, seed):
    rng = np.random.default_rng(seed)
    whole = [content_of(name, 0.5) for name in names]
    return [outcome(keep(folder / "clip", damage(whole[i % len(whole)], rng)), rng) for i in range(n)]


def test_damaged_files_give_finite_samples_or_a_reason(tmp_path, media_or_not):
    met = outcomes(tmp_path, ["wav", "flac", "ogg", "mp3"], 300, seed=0)
    # the damage reaches all: what is read nevertheless, headers and lengths
    assert {"read", "damaged", "truncated"} <= set(met)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "wav_float"])
def test_many_damaged_files_give_finite_samples_or_a_reason(tmp_path, no_media, name):
    met = set(outcomes(tmp_path, [name], 1_500, seed=1))
    assert "read" in met
    assert len(met) > 2


# One test for each defect that the first version of the module had.


def smooth_sweep(seconds):
    """Return a sweep without noise: its mp3 frames borrow bits from those before."""
    return np.round(16_000 * np.sin(np.cumsum(np.linspace(0.01, 2, round(seconds * SR))))).astype(np.int16)


@pytest.mark.parametrize("block_s", [0.5, 10.0])
def test_an_mp3_in_blocks_equals_soundfiles_whole(tmp_path, monkeypatch, block_s):
    monkeypatch.setattr(sndfile, "BLOCK_S", block_s)
    path = keep(tmp_path / "clip", encode(smooth_sweep(32.0), SR, *FORMATS["mp3"]))
    expected, _ = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
    # one unit of float32 at full scale, as for the other mp3
    np.testing.assert_allclose(read_audio(path, SR), expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 6.0), (7.777, 9.0), (20.123, None), (0.3, 1.0)])
def test_a_segment_of_an_mp3_is_a_slice(tmp_path, start_s, end_s):
    path = keep(tmp_path / "clip", encode(smooth_sweep(32.0), SR, *FORMATS["mp3"]))
    expected, _ = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
    expected = expected[round(start_s * SR) : None if end_s is None else round(end_s * SR)]
    np.testing.assert_allclose(read_audio(path, SR, start_s=start_s, end_s=end_s), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kept", "start_s"), [(0.5, 2.0), (0.9, 2.9), (0.5, 1.6)])
def test_a_segment_of_a_cut_flac_is_refused_with_a_reason(tmp_path, kept, start_s):
    content = content_of("flac", 3.0)
    assert refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]), start_s=start_s)[0] == "truncated"


@pytest.mark.parametrize("start_s", [0.5, 1.5])
def test_a_segment_of_a_format_that_cannot_seek_is_a_slice(tmp_path, start_s):
    with soundfile.SoundFile(tmp_path / "clip.wav", "w", SR, 1, "GSM610", format="WAV") as sound:
        sound.write(chirp(3.0))
    path = tmp_path / "clip.wav"
    whole = read_audio(path, SR)
    assert np.array_equal(read_audio(path, SR, start_s=start_s, end_s=2.0), whole[round(start_s * SR) : 2 * SR])


@pytest.mark.parametrize(
    "suffix", ["ul", "al", "sln", "sw", "ub", "g722", "gsm", "g729", "bit", "tco", "302", "flac", "ac3", "sbc", "aptx"]
)
def test_words_are_not_audio_whatever_the_suffix(tmp_path, media_or_not, suffix):
    path = keep(tmp_path / f"clip.{suffix}", b"Dear diary, today I recorded nothing.\n" * 200)
    assert refusal(path)[0] == "not_audio"


def test_a_playlist_does_not_lead_to_another_file(tmp_path, monkeypatch, media_or_not):
    monkeypatch.chdir(tmp_path)
    wav(Path("other.wav"))
    assert refusal(keep(Path("clip.wav"), b"ffconcat version 1.0\nfile other.wav\n"))[0] == "not_audio"


def test_a_session_description_is_not_waited_for(tmp_path, media_or_not):
    text = (
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=audio 5004 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
    assert refusal(keep(tmp_path / "clip.wav", text)) == ("not_audio", NOT_AUDIO)  # 20 s of waiting, then "truncated"


@pytest.mark.parametrize("order", [1, -1])
def test_an_aac_stream_of_uneven_bit_rate_is_read_whole(tmp_path, order):
    sound = np.concatenate([np.zeros(10 * 48_000), np.random.default_rng(0).normal(scale=8_000, size=20 * 48_000)])[
        ::order
    ]
    path = encode_media(tmp_path / "clip.aac", sound.clip(-32768, 32767).astype(np.int16), "aac", "adts", sr=48_000)
    assert read_info(path).duration_s is None
    assert len(read_audio(path, 48_000)) / 48_000 == pytest.approx(30.0, abs=0.05)
    assert len(read_audio(path, 48_000, start_s=18.0, end_s=22.0)) == 4 * 48_000


def test_a_variable_rate_mp3_without_a_length_tag_is_read_whole(tmp_path):
    content = content_of("mp3", 30.0)
    second = content.find(content[:2], 4)
    assert b"Xing" in content[:second]
    assert len(read_audio(keep(tmp_path / "clip", content[second:]), SR)) / SR == pytest.approx(30.0, abs=0.2)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_a_cut_caf_is_refused(tmp_path, media_or_not, kept):
    content = content_of("caf", 3.0)
    assert refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))[0] in {"truncated", "damaged"}


@pytest.mark.parametrize("kept", [0.97, 0.5])
def test_a_cut_rf64_is_truncated(tmp_path, kept):
    content = content_of("rf64", 3.0)
    assert refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))[0] == "truncated"


@pytest.mark.parametrize("excess", [1, 8, 44])
def test_a_wav_whose_outer_size_is_wrong_and_whose_data_are_whole_is_read(tmp_path, excess):
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
    assert refusal(path)[0] in {"damaged", "not_audio", "bad_header"}


def test_a_caf_that_leads_before_its_start_is_refused_with_a_reason(tmp_path, media_or_not, capfd):
    content = content_of("caf", 1.0)
    at = content.find(b"data")
    path = keep(tmp_path / "clip.caf", content[:at] + b"junk" + struct.pack(">q", 2**62) + content[at + 12 :])
    assert refusal(path)[0] in audio.REASONS
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("top_byte", [0x01, 0x7F, 0x80, 0xFF])
def test_a_size_that_leads_out_of_the_file_is_survived_in_silence(tmp_path, capfd, top_byte):
    # libsndfile steps over the sound of a W64 by its 64-bit size, here to before the start or beyond any file
    path = keep(tmp_path / "clip.w64", patched(content_of("w64"), 103, "B", top_byte))
    assert np.array_equal(read_audio(path, SR), chirp() / np.float32(32768))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rate", [SR, 8_000, 48_000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_numbers_near_the_end_of_float32_are_refused(tmp_path, n_channels, rate):
    samples = np.full((SR, n_channels), 3.4e38, np.float32)
    samples[::7] *= -1
    assert refusal(wav(tmp_path / "clip.wav", samples.squeeze(), encoding="FLOAT"), rate)[0] == "non_finite"


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [(-1.0, None), (-0.5, 0.5), (0.0, 0.0), (0.0, -1.0), (np.nan, None), (0.0, np.nan), (0.0, np.inf), (np.inf, None)],
)
def test_a_segment_that_is_none_is_bad_segment(tmp_path, start_s, end_s):
    assert refusal(wav(tmp_path / "clip.wav"), start_s=start_s, end_s=end_s)[0] == "bad_segment"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FORMATS, "m4a", "aac", "webm", "mkv", "streamed_flac"])
def test_many_damaged_segments_give_finite_samples_or_a_reason(tmp_path, media_or_not, name):
    rng = np.random.default_rng(3)
    if name in MEDIA:
        content = (
            encode_media(tmp_path / "whole", media_tone(0.5), *MEDIA[name], sr=48_000).read_bytes()
            if media_or_not == "with_media"
            else pytest.skip("the media extra is what encodes these files")
        )
    else:
        content = streamed_flac(chirp(0.5)) if name == "streamed_flac" else content_of(name, 0.5)
    for _ in range(600):
        path = keep(tmp_path / "clip", damage(content, rng))
        how = [{}, {"start_s": 0.3}, {"end_s": 0.4}, {"start_s": 0.2, "end_s": 0.45}][rng.integers(4)]
        try:
            samples = read_audio(path, int(rng.choice([8_000, SR, 22_050])), **how)
        except AudioError as error:
            assert error.code in audio.REASONS
        else:
            assert np.isfinite(samples).all()


@pytest.mark.parametrize("sr", [0, -1, 10**9])
def test_a_rate_that_no_resampler_survives_is_refused(tmp_path, sr):
    with pytest.raises(SettingError, match=f"sr is {sr}; expected 4000 to 384000 Hz"):
        read_audio(wav(tmp_path / "clip.wav"), sr)
