import numpy as np
import pytest

from gmmaudio.features import RawFrames, make_features
from gmmaudio.models.silence import SilenceDetector

FEATURES = make_features(hop_s=0.01)
RATE = FEATURES.frames.frames_per_s


def found(seconds_and_levels, speech=None, features=FEATURES, piece=97):
    level_db = np.concatenate([np.full(round(s * RATE), level, dtype=np.float32) for s, level in seconds_and_levels])
    detector, n = SilenceDetector(features), len(level_db)
    for start in range(0, n, piece):
        part = level_db[start : start + piece]
        probability = None if speech is None else speech[start : start + piece]
        detector.add(RawFrames(np.zeros((len(part), 20), dtype=np.float32), part, part, probability))
    detector.finish()
    assert detector.n_known == n
    return [(round(first / RATE, 1), round(last / RATE, 1)) for first, last in detector.stretches(0, n)]


@pytest.mark.parametrize("piece", [1, 97, 10_000])
def test_a_long_pause_far_below_the_sound_is_silence(piece):
    assert found([(4, -20), (3, -75), (5, -25)], piece=piece) == [(4.0, 7.0)]


def test_a_short_pause_and_a_quiet_passage_are_not():
    assert found([(4, -20), (1.5, -75), (5, -25)]) == []
    assert found([(4, -20), (3, -65), (5, -25)]) == []


def test_digital_silence_is_silent_beside_nothing_louder():
    assert found([(5, -100)]) == [(0.0, 5.0)]


def test_the_reference_looks_ahead_three_seconds_and_back_a_minute():
    assert found([(2, -75), (4, -20)]) == [(0.0, 2.0)]
    # a minute after the last sound the noise of the room is all there is
    # (the last but one of the loud seconds is the reference)
    assert found([(5, -20), (100, -75)])[0] == pytest.approx((5.0, 64.0), abs=0.2)


def test_one_bang_is_no_reference():
    assert found([(10, -65), (0.5, -5), (20, -65)]) == []


def test_without_speech_it_is_silent_where_the_front_end_has_a_speech_gate():
    speech = np.repeat(np.float32([0.9, 0.1, 0.9]), 300)
    gated = make_features(hop_s=0.01, sample_rate_hz=16000, speech_gate=0.5, fmax_hz=8000.0)
    level = [(900 / RATE, -20)]
    assert found(level, speech=speech) == []
    (stretch,) = found(level, speech=speech, features=gated)
    assert stretch == pytest.approx((3.0, 6.0), abs=0.1)


def test_shares_and_stretches_across_what_was_forgotten():
    detector = SilenceDetector(FEATURES)
    level_db = np.repeat(np.float32([-20, -90, -20]), round(4 * RATE))
    detector.add(RawFrames(np.zeros((len(level_db), 20), dtype=np.float32), level_db, level_db))
    detector.finish()
    first, last = round(4 * RATE), round(8 * RATE)
    assert detector.share(first - 100, first + 100) == 0.5
    detector.forget(last - 50)
    assert detector.stretches(last - 50, last + 50) == [(last - 50, last)]
    assert detector.share(last - 50, last) == 1.0
