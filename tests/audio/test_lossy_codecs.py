"""Lossy codecs: aligned, as long and as loud as the original, at the bit rate that is asked for."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import correlate

from gmmaudio.audio import lossy_codecs
from gmmaudio.audio.lossy_codecs import mp3, opus, vorbis

from .test_degrade import RATES, SR, decibels, music

CODECS = {"vorbis": vorbis, "mp3": mp3, "opus": opus}


# --- all codecs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "least"), [(vorbis, 0.97), (mp3, 0.98), (opus, 0.9)])
@pytest.mark.parametrize("sr", [4_000, 7_999, *RATES, 48_000, 96_000, 192_000])
def test_a_copy_is_aligned_and_close_to_the_original(codec, least, sr):
    sound = music(3.0, sr)
    copy = codec(sound, sr)
    assert (len(copy), copy.dtype) == (len(sound), np.float32)
    # measured over these rates: 0.985 to 0.994, 0.992 to 0.996 and 0.92 to 0.98
    assert least < np.corrcoef(sound, copy)[0, 1] < 0.9999
    # the speech coder of Opus shifts the sound by up to 0.1 ms
    assert abs(correlate(copy, sound, "same").argmax() - len(sound) // 2) <= (sr // 10_000 if codec is opus else 0)
    # as loud as before, to a decibel
    assert abs(decibels(copy, sound)) < 1


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("n", [1, 2, 100, 1_151, 1_152, 1_153, 3_999, 4_000, 4_001, 65_537])
def test_a_copy_has_the_length_of_the_original(codec, n):
    tone = (0.5 * np.sin(np.arange(n) / 5 + 1)).astype(np.float32)
    for sr in (SR, 22_050):
        copy = codec(tone, sr)
        assert len(copy) == n
        # the last samples, too, are sound and no padding
        assert n < 1_000 or decibels((copy - tone)[-50:], tone[-50:]) < -5


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_minutes_neither_crash_nor_drift(codec):
    sound = np.tile(music(10.0, SR), 7)
    copy = codec(sound, SR)
    assert len(copy) == 70 * SR
    assert np.corrcoef(sound[-SR:], copy[-SR:])[0, 1] > 0.9


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_the_rate_changes_what_a_codec_drops(codec):
    sound = music(3.0)
    assert not np.array_equal(codec(sound, SR), codec(sound, 22_050))


# powers of two, so that the same numbers are encoded
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("level", [8.0, 2.0**20, 2.0**96])
def test_a_peak_above_full_scale_is_encoded_at_full_scale_and_restored(codec, level):
    sound = music(2.0)
    sound /= np.abs(sound).max()
    assert np.array_equal(codec(sound * np.float32(level), SR), codec(sound, SR) * np.float32(level))


# --- Vorbis -------------------------------------------------------------------------------------------------------


def test_a_better_quality_is_closer_to_the_original():
    sound = music(3.0)
    left = [decibels(vorbis(sound, SR, quality) - sound, sound) for quality in (0.0, 0.4, 0.7, 1.0)]
    assert left == sorted(left, reverse=True)
    assert np.array_equal(vorbis(sound, SR), vorbis(sound, SR, 0.0))
    assert left[0] - left[-1] > 10


def test_a_peak_below_full_scale_is_encoded_at_its_level():
    sound = music(2.0)
    assert not np.allclose(vorbis(sound / 64, SR) * 64, vorbis(sound, SR), rtol=0, atol=1e-2)
    assert not vorbis(sound * np.float32(1e-6), SR).any()


# --- MP3 and Opus -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "sr", "kbps", "written"),
    [
        (mp3, 8_000, 8.0, 8.0),
        (mp3, 8_000, 320.0, 64.0),
        (mp3, 16_000, 24.0, 24.0),
        (mp3, 22_050, 64.0, 64.0),
        (mp3, 22_050, 320.0, 160.0),
        (mp3, 44_100, 8.0, 32.0),
        (mp3, 44_100, 128.0, 128.0),
        (opus, 16_000, 6.0, 6.0),
        (opus, 16_000, 12.0, 12.0),
        (opus, 48_000, 96.0, 96.0),
    ],
)
def test_the_file_has_the_bit_rate_that_is_asked_for(monkeypatch, codec, sr, kbps, written):
    files = []

    def kept():
        files.append(io.BytesIO())
        return files[-1]

    monkeypatch.setattr(lossy_codecs, "io", SimpleNamespace(BytesIO=kept))
    codec(music(8.0, sr), sr, kbps)
    # the packets of Opus vary, and its pages and heads take bits as well
    assert len(files[0].getvalue()) / 1_000 == pytest.approx(written, rel=0.3 if codec is opus else 0.04)


@pytest.mark.parametrize(("codec", "steps"), [(mp3, (8.0, 24.0, 64.0, 160.0)), (opus, (6.0, 12.0, 32.0, 96.0))])
def test_more_bits_are_closer_to_the_original(codec, steps):
    sound = music(3.0)
    left = [decibels(codec(sound, SR, kbps) - sound, sound) for kbps in steps]
    assert left == sorted(left, reverse=True)
    assert left[0] - left[-1] > 10
    assert np.array_equal(codec(sound, SR), codec(sound, SR, 24.0 if codec is mp3 else 12.0))
