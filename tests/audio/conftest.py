"""Audio files in many formats, whole and damaged, shared by the tests of the audio package."""

import ctypes
import functools
import io
import struct
import sys

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_audio
from gmmaudio.errors import AudioError

SR = 16_000
# formats whose samples are decoded exactly: (container, encoding)
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
MEDIA = {"m4a": ("aac", "ipod"), "aac": ("aac", "adts"), "webm": ("libopus", "webm"), "mkv": ("flac", "matroska")}
NOT_AUDIO = "is not audio that an installed decoder reads; leave it out or convert it"
NEEDS_MEDIA = "is a format that libsndfile does not read; install the media extra: pip install 'gmmaudio[media]'"
NO_SAMPLES = "has a header but no samples; record or export it again"
NON_FINITE = "contains samples that are not finite numbers; export the file again"
NOT_A_FILE = "is not a regular file; name an audio file"
BAD_RATE = "expected 4000 to 384000 Hz: the header is damaged, or the file is not audio"
VANISHED = "is not there; check the path"
SEGMENT_REMEDY = "correct the manifest's start and end"
SEGMENTS = [(0.0, 1.0), (0.25, 0.5), (3.33337, 7.77779), (9.5, 10.5), (10.0, 11.9), (11.0, None), (0.0, None)]


def chirp(seconds=1.0, n_channels=1, seed=0):
    """Return a sweep in noise as 16-bit integers, shape (n,) or (n, n_channels): no two moments are alike."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SR)
    phase = np.cumsum(np.linspace(0.02, 2.0, n))
    sound = 0.4 * np.sin(phase)[:, None] + rng.normal(scale=0.05, size=(n, n_channels))
    pcm = np.round(sound * 32767).astype(np.int16)
    return pcm[:, 0] if n_channels == 1 else pcm


def spoiled(index, value):
    samples = chirp() / np.float32(32768)
    samples[index] = value
    return samples


def media_tone(seconds, n_channels=1, sr=48_000):
    tone = 16_384 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * sr)) / sr)
    return np.round(tone if n_channels == 1 else np.stack([tone] * n_channels, axis=1)).astype(np.int16)


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


def frame_starts(content):
    """Return the offsets of the frames of a FLAC by libsndfile, by their numbers, which go up by one."""
    starts, at = [], 0
    while (at := content.find(b"\xff\xf8", at)) >= 0:
        number = len(starts)
        utf8 = bytes([number]) if number < 0x80 else bytes([0xC0 | number >> 6, 0x80 | number & 0x3F])
        if content[at + 4 : at + 4 + len(utf8)] == utf8:
            starts.append(at)
        at += 1
    return starts


def split_ogg(content):
    """Return the pages of an Ogg file, by the lengths in their headers."""
    pages = []
    while content:
        size = 27 + content[26] + sum(content[27 : 27 + content[26]])
        pages.append(content[:size])
        content = content[size:]
    return pages


def ogg_flac(flac, sr=SR, frames_per_page=3, length=None):
    """Return a FLAC file in Ogg pages (mapping version 1.0), with another number of samples in its header if given."""
    starts = frame_starts(flac)
    comment = bytes(4) + bytes(4)
    block = bytearray(flac[8:42])
    if length is not None:
        block[13] &= 0xF0
        block[14:18] = struct.pack(">I", length)
    packets = [b"\x7fFLAC\x01\x00\x00\x01fLaC\x00\x00\x00\x22" + bytes(block), b"\x84\x00\x00\x08" + comment]
    frames = [flac[at:stop] for at, stop in zip(starts, [*starts[1:], len(flac)], strict=True)]
    groups = [[packet] for packet in packets]
    groups += [frames[at : at + frames_per_page] for at in range(0, len(frames), frames_per_page)]
    n_samples = int.from_bytes(flac[18:26], "big") & (1 << 36) - 1
    pages = []
    for sequence, group in enumerate(groups):
        segments = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in group)
        is_last = sequence == len(groups) - 1
        granule = 0 if sequence < 2 else n_samples if is_last else 4096 * frames_per_page * (sequence - 1)
        flags = 2 * (sequence == 0) + 4 * is_last
        head = b"OggS\0" + struct.pack("<BqII", flags, granule, 7, sequence)
        pages.append(with_checksum(head + bytes(4) + bytes([len(segments)]) + segments + b"".join(group)))
    return b"".join(pages)


def with_checksum(page):
    """Return an Ogg page with its checksum, bit by bit (RFC 3533, section 6)."""
    page = page[:22] + bytes(4) + page[26:]
    code = 0
    for byte in page:
        code ^= byte << 24
        for _ in range(8):
            code = (code << 1 ^ (0x104C11DB7 if code & 0x80000000 else 0)) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", code) + page[26:]


@functools.cache
def mp3(seconds, rate, n_channels, seed=0, quiet_s=0.0):
    """Return an mp3 of variable bit rate with a length tag, and the offsets of its frames and of its end."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    # a sweep and noise, which differs little between the channels
    phase = np.cumsum(np.linspace(0.02, 1.0, n))
    sound = np.sin(phase)[:, None] + 0.5 * rng.normal(size=(n, 1)) + 0.05 * rng.normal(size=(n, n_channels))
    level = np.where(np.arange(n) < quiet_s * rate, 1e-4, 0.2 * (1.2 + np.sin(np.arange(n) / rate)))[:, None]
    content = encode(np.clip(level * sound, -0.9, 0.9), rate, *LOSSY["mp3"])
    starts = [0]
    while starts[-1] < len(content):
        header = content[starts[-1] : starts[-1] + 4]
        version = 1 if header[1] & 8 else 2
        table = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        if version == 2:
            table = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
        size = (144 if version == 1 else 72) * 1_000 * table[header[2] >> 4] // rate + (header[2] >> 1 & 1)
        starts.append(starts[-1] + size)
    return content, starts


def read_with_notes(path, sr=SR, **kwargs):
    """Return the samples of a file and its notes by code."""
    notes = []
    samples = read_audio(path, sr, on_note=notes.append, **kwargs)
    return samples, {note.code: note for note in notes}


def encode_media(path, samples, codec, container, sr=SR, bit_rate=None, **options):
    """Write a file by PyAV, or skip where it is not installed."""
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    planes = np.atleast_2d(samples.T).astype(np.float32) / 32768
    layout = {1: "mono", 2: "stereo"}[len(planes)]
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=sr, layout=layout)
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=sr)
        for start in range(0, planes.shape[1], 1024):
            block = np.ascontiguousarray(planes[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = sr, start
            for part in resampler.resample(frame):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def printed(capfd):
    """Return what was written to standard output and error, also by libraries in C, which keep some of it back."""
    ctypes.CDLL(None).fflush(None)
    return tuple(capfd.readouterr())


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
