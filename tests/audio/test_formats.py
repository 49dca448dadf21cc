"""Reason codes with their messages, bounds of headers, suffixes."""

import errno
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gmmaudio import audio
from gmmaudio.audio import check_header, read_audio, read_blocks, read_info
from gmmaudio.errors import AudioError, GmmaudioError
from tests.audio.conftest import (
    BAD_RATE,
    NEEDS_MEDIA,
    NO_SAMPLES,
    NON_FINITE,
    NOT_A_FILE,
    NOT_AUDIO,
    SEGMENT_REMEDY,
    SR,
    VANISHED,
    chirp,
    content_of,
    encode,
    keep,
    patched,
    refusal,
    spoiled,
)


def _refuse_to_open(monkeypatch):
    def open_(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", open_)


# a file for each reason: its content (None: no file), the arguments of read_audio, and the message
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
        "starts like an audio file but cannot be decoded (WAV: no data chunk); copy it again",
    ),
    "bad_header": (
        patched(encode(chirp()), 24, "<I", 1),
        {},
        f"declares a sample rate of 1 Hz; {BAD_RATE}",
    ),
    "mixed_rates": (
        encode(chirp(), SR, "FLAC") + encode(chirp(), 22_050, "FLAC"),
        {},
        "holds joined recordings with sample rates of 16000 and 22050 Hz; expected one rate: split it, or export it "
        "at one rate",
    ),
    "no_samples": (encode(chirp(0.0)), {}, NO_SAMPLES),
    "truncated": (
        encode(chirp())[: 44 + SR],
        {},
        "only 0.50 s are left of a longer file; copy or export the file again",
    ),
    "non_finite": (encode(spoiled(100, np.nan), SR, "WAV", "FLOAT"), {}, NON_FINITE),
    "silent": (encode(np.zeros(SR)), {}, "1.00 s of silence; check the recording, or leave it out"),
    "too_short": (
        encode(chirp(0.3)),
        {"min_duration_s": 0.5},
        "0.3 s of sound; at least 0.5 s is needed (`min_duration_s`)",
    ),
    "too_long": (encode(chirp()), {"max_duration_s": 0.9}, "more than 0.9 s of sound; cut it into parts"),
    "bad_segment": (
        encode(chirp()),
        {"start_s": 1.5, "end_s": 2.0},
        f"the segment 1.5-2 s lies outside the file, which has 1.00 s; {SEGMENT_REMEDY}",
    ),
}


@pytest.mark.parametrize("code", audio.REASONS)
def test_every_reason_has_its_message(tmp_path, monkeypatch, no_media, code):
    assert code in REFUSALS, f"reason {code} has no file in this table"
    content, arguments, message = REFUSALS[code]
    path = tmp_path / "clip"
    if content is not None:
        path.write_bytes(content)
    elif code == "not_a_file":
        path.mkdir()
    if code == "unreadable":
        _refuse_to_open(monkeypatch)
    assert refusal(path, **arguments) == (code, message)
    with pytest.raises(AudioError) as caught:
        list(read_blocks(path, SR, **arguments))
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize("code", ["vanished", "not_a_file", "unreadable", "empty", "not_audio", "needs_media"])
def test_read_info_raises_the_same_reason(tmp_path, monkeypatch, no_media, code):
    test_every_reason_has_its_message(tmp_path, monkeypatch, no_media, code)
    with pytest.raises(AudioError) as caught:
        read_info(tmp_path / "clip")
    assert caught.value.code == code


def test_reasons_in_the_source_are_the_documented_ones():
    source = "".join(path.read_text(encoding="utf-8") for path in Path(audio.__file__).parent.glob("*.py"))
    raised = set(re.findall(r"AudioError\(\s*\"(\w+)\"", source))
    assert raised == set(audio.REASONS) == set(REFUSALS)
    assert all(audio.REASONS.values())


def test_an_audio_error_is_a_gmmaudio_error_and_an_oserror_with_its_message(tmp_path):
    with pytest.raises(OSError, match="is not there") as caught:
        read_audio(tmp_path / "clip", SR)
    assert isinstance(caught.value, GmmaudioError)
    assert str(caught.value) == caught.value.message == VANISHED


# --- headers out of bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1, 3_999, 384_001, 2**31 - 1])
def test_a_rate_out_of_bounds_is_refused_before_decoding(tmp_path, monkeypatch, rate):
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
def test_channels_out_of_bounds_are_refused_before_decoding(tmp_path, monkeypatch, n_channels):
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_args, **_kwargs: pytest.fail("decoded"))
    content = patched(patched(encode(chirp()), 22, "<H", n_channels), 32, "<H", 2 * n_channels)
    assert refusal(keep(tmp_path / "clip.wav", content)) == (
        "bad_header",
        f"declares {n_channels} channels; expected 1 to 64: export it as mono or stereo",
    )


@pytest.mark.parametrize(
    ("rate", "n_channels", "reason"),
    [
        (0, 1, f"declares a sample rate of 0 Hz; {BAD_RATE}"),
        (-44_100, 1, f"declares a sample rate of -44100 Hz; {BAD_RATE}"),
        (44_100, 0, "declares 0 channels; expected 1 to 64: export it as mono or stereo"),
        (44_100, 65, "declares 65 channels; expected 1 to 64: export it as mono or stereo"),
    ],
)
def test_check_header_refuses(rate, n_channels, reason):
    with pytest.raises(AudioError) as caught:
        check_header(rate, n_channels)
    assert (caught.value.code, caught.value.message) == ("bad_header", reason)


@pytest.mark.parametrize(("rate", "n_channels"), [(4_000, 1), (384_000, 64)])
def test_check_header_accepts_the_bounds(rate, n_channels):
    check_header(rate, n_channels)


# --- suffixes -------------------------------------------------------------------------------------------------------


def test_suffixes_are_lower_case_with_a_dot():
    assert {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".caf", ".au", ".w64", ".m4a", ".webm"} <= audio.SUFFIXES
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in audio.SUFFIXES)


# --- a file without its name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_byte", [0x01, 0x7F, 0x80, 0xFF])
def test_a_chunk_size_beyond_the_file_is_read_without_output(tmp_path, capfd, top_byte):
    # libsndfile steps over the sound of a W64 by its 64-bit size, here to before the start or beyond any file
    path = keep(tmp_path / "clip.w64", patched(content_of("w64"), 103, "B", top_byte))
    assert np.array_equal(read_audio(path, SR), chirp() / np.float32(32768))
    assert capfd.readouterr() == ("", "")


def test_a_caf_with_a_chunk_beyond_the_file_is_refused(tmp_path, media_or_not, capfd):
    content = content_of("caf", 1.0)
    at = content.find(b"data")
    path = keep(tmp_path / "clip.caf", content[:at] + b"junk" + struct.pack(">q", 2**62) + content[at + 12 :])
    assert refusal(path)[0] in audio.REASONS
    assert "Traceback" not in capfd.readouterr().err
