"""The gates: by level, above the noise, with margins, and by the probability of speech."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.features import (
    RawFrames,
    extract,
    make_rows,
    raw_frames,
)
from gmmaudio.features.gate import passing_frames
from tests.features.conftest import (
    GATED,
    QUICK,
    noise,
    raw_of,
    raw_of_levels,
    rows_of,
)


def test_the_gate_drops_exactly_the_frames_of_digital_silence():
    # frames of 256 samples side by side: number t covers 256 t - 128 to 256 t + 127
    config = QUICK.replace(hop_s=0.032, gate_range_db=60.0)
    samples = noise(256 * 40)
    samples[256 * 10 - 128 : 256 * 30 - 128] = 0.0
    ungated = extract(samples, config.replace(gate_range_db=None))
    rows = extract(samples, config)
    sounding = np.r_[0:10, 30:41]
    assert np.array_equal(rows.values, ungated.values[sounding])
    assert np.array_equal(rows.time_s, ungated.time_s[sounding])


@pytest.mark.parametrize(
    ("percentile", "range_db", "lowest"), [(100.0, 20.0, 80), (50.0, 20.0, 30), (98.0, 32.0, 66), (0.0, 0.5, 0)]
)
def test_the_gate_is_a_percentile_of_the_levels_minus_a_range(percentile, range_db, lowest):
    config = QUICK.replace(gate_percentile=percentile, gate_range_db=range_db)
    levels = np.random.default_rng(0).permutation(101)  # 0 to 100 dB: the percentile is the level
    rows = make_rows([raw_of_levels(levels)], config)
    assert np.array_equal(rows.values[:, 0], np.flatnonzero(levels >= lowest))


def test_without_a_gate_nothing_is_dropped():
    assert len(make_rows([raw_of_levels([0.0, -100.0, 50.0])], QUICK)) == 3


def test_the_gate_measures_a_clip_by_its_own_level():
    config = QUICK.replace(gate_range_db=30.0)
    loud, soft = (
        raw_frames([noise(8_000, 1)], config.frames),
        raw_frames([noise(8_000, 2) * np.float32(0.001)], config.frames),
    )
    rows = make_rows([loud, soft], config)
    alone = [make_rows([loud], config), make_rows([soft], config)]
    assert np.array_equal(rows.values, np.concatenate([part.values for part in alone]))
    assert np.array_equal(rows.time_s, np.concatenate([part.time_s for part in alone]))
    # the soft clip lies 60 dB below the loud one: measured together it would be gone
    assert len(alone[1]) > 30
    joined = RawFrames(*(np.concatenate(pair) for pair in zip(_arrays(loud), _arrays(soft), strict=True)))
    assert len(make_rows([joined], config)) == len(alone[0])


def _arrays(raw):
    return raw.values, raw.level_db, raw.time_s


@pytest.mark.parametrize("level", [-100.0, 0.0, 37.5])
def test_the_gate_keeps_a_clip_of_one_level_whole(level):
    rows = make_rows([raw_of_levels(np.full(50, level))], QUICK.replace(gate_range_db=0.1, gate_percentile=98.0))
    assert len(rows) == 50


def test_the_margin_of_a_gap_is_dropped_too():
    level = np.full(50, 0.0)
    level[[0, 20, 21, 30, 49]] = -90.0
    config = QUICK.replace(gate_range_db=60.0, gate_margin=2)
    dropped = {0, 1, 2, *range(18, 24), *range(28, 33), 47, 48, 49}
    raw = raw_of_levels(level)
    expected = [t for i, t in enumerate(raw.time_s) if i not in dropped]
    np.testing.assert_array_equal(make_rows([raw], config).time_s, expected)
    # sounds of one frame would be nothing but margin, and hits of four lose half: what is loud is kept
    hits = np.tile(np.repeat([0.0, -90.0], [4, 6]), 5)
    assert len(make_rows([raw_of_levels(hits)], config)) == 20
    assert len(make_rows([raw_of_levels(np.tile(np.repeat([0.0, -90.0], [8, 6]), 5))], config)) == 22
    level = np.full(50, -90.0)
    level[[7, 30]] = 0.0
    assert len(make_rows([raw_of_levels(level)], config)) == 2


def test_frames_that_straddle_inserted_silence_are_dropped():
    config = QUICK.replace(gate_range_db=60.0, gate_margin=2)
    y = noise(40_000)
    gapped = y.copy()
    gapped[10_000:20_000] = 0.0
    whole, cut = extract(y, config), extract(gapped, config)
    kept = np.isin(whole.time_s, cut.time_s)
    np.testing.assert_array_equal(cut.values, whole.values[kept])
    assert not np.array_equal(extract(gapped, config.replace(gate_margin=0)).values, cut.values)


@pytest.mark.parametrize("gain", [0.125, 0.01])
def test_the_gate_drops_the_same_frames_at_any_gain(gain):
    config = QUICK.replace(gate_range_db=6.0, gate_percentile=90.0)
    rows = extract(noise(30_000), config)
    assert 0 < len(rows) < 200
    assert np.array_equal(extract(noise(30_000) * np.float32(gain), config).time_s, rows.time_s)


@pytest.mark.parametrize(
    ("range_db", "floor_db", "lowest"),
    [
        (None, 3.0, 13),  # above the quiet tenth, 10
        (32.0, 3.0, 68),  # the range asks for more
        (95.0, 12.5, 22.5),
        (None, 40.0, 20),  # 100 is not twice 40 above 10: twice 40 below it
        (None, 60.0, -20),  # that is below everything
    ],
)
def test_the_floor_of_the_gate_lies_above_the_quiet_tenth(range_db, floor_db, lowest):
    config = QUICK.replace(gate_range_db=range_db, gate_floor_db=floor_db)
    levels = np.random.default_rng(0).permutation(101)  # 0 to 100 dB: the percentile is the level
    rows = make_rows([raw_of_levels(levels)], config)
    assert np.array_equal(rows.values[:, 0], np.flatnonzero(levels >= lowest))


@pytest.mark.parametrize("level", [-100.0, 0.0, 37.5])
def test_the_floor_of_the_gate_keeps_a_clip_of_one_level_whole(level):
    assert len(make_rows([raw_of_levels(np.full(50, level))], QUICK.replace(gate_floor_db=2.0))) == 50


def test_the_quiet_tenth_is_not_that_of_digital_silence():
    config = QUICK.replace(gate_range_db=32.0, gate_percentile=98.0, gate_floor_db=2.0)
    levels = np.r_[np.full(60, 0.0), np.full(40, -10.0)]
    assert len(make_rows([raw_of_levels(levels)], config)) == 60
    # a cut or a mute as long as the sound does not change which of its frames pass
    for silence in (-200.0, -80.0):
        rows = make_rows([raw_of_levels(np.r_[levels, np.full(30, silence)])], config)
        assert rows.values[:, 0].tolist() == list(range(60))
    # what a quiet room may be counts
    assert len(make_rows([raw_of_levels(np.r_[levels, np.full(30, -63.0)])], config)) == 100


def test_pauses_filled_with_noise_are_dropped():
    rng = np.random.default_rng(0)
    bursts = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], 4_000)
    samples = (bursts * rng.normal(size=24_000) + 0.1 * rng.normal(size=24_000)).astype(np.float32)
    config = QUICK.replace(gate_range_db=32.0, gate_percentile=98.0)
    shares = [
        bursts[(extract(samples, each).time_s * 8_000).astype(int).clip(max=23_999)].mean()
        for each in (config, config.replace(gate_floor_db=3.0))
    ]
    # the noise is 20 dB below: within the range, so all of it is kept
    assert shares[0] == pytest.approx(4 / 6, abs=0.02)
    # some frames at an edge hold both
    assert shares[1] > 0.97


def test_frames_without_speech_are_dropped_beside_soft_ones():
    speech = [0.9, 0.5, 0.49, 0.0, 0.7]
    raw = raw_of(np.arange(5)[:, None], [0, 0, 0, 0, -50], speech)
    config = GATED.replace(gate_range_db=20.0)
    assert make_rows([raw], config.replace(gate_range_db=None)).values[:, 0].tolist() == [0, 1, 4]
    assert make_rows([raw], config).values[:, 0].tolist() == [0, 1]
    assert make_rows([raw], config.replace(speech_gate=0.6)).values[:, 0].tolist() == [0]
    assert make_rows([raw], config.replace(speech_gate=0.0)).values[:, 0].tolist() == [0, 1, 2, 3]


def test_of_a_clip_without_speech_the_most_speech_like_frames_are_kept():
    none = raw_of(np.arange(5)[:, None], [0, 0, 0, 0, -50], [0.1, 0.3, 0.3, 0.2, 0.4])
    some = raw_of(np.arange(5)[:, None] + 10, None, [0.9, 0.1, 0.1, 0.1, 0.1])
    config = GATED.replace(gate_range_db=20.0)
    # the most speech-like frame of all is too soft
    assert make_rows([none, some], config).values[:, 0].tolist() == [1, 2, 10]


def test_frames_made_without_the_gate_cannot_be_gated():
    with pytest.raises(SettingError) as caught:
        make_rows([raw_of(rows_of(5))], GATED)
    assert str(caught.value) == "the frames hold no probability of speech; make them with `measure_speech`"


@pytest.mark.parametrize("n", [1, 2, 3, 50, 333])
def test_thresholds_are_percentiles_of_numpy(n):
    rng = np.random.default_rng(n)
    for percentile, range_db, floor_db in rng.uniform((0, 1, 0.5), (100, 40, 6), size=(40, 3)):
        rows = QUICK.replace(gate_range_db=range_db, gate_percentile=percentile, gate_floor_db=floor_db).rows
        level_db = rng.normal(scale=15, size=n).astype(np.float32)
        reference = np.percentile(level_db, percentile)
        audible = level_db[level_db >= reference - 2 * range_db]
        floor = min(np.percentile(audible, 10) + floor_db, reference - 2 * floor_db)
        # a percentile lies between two levels, and may differ by a step of float32 from one rounded otherwise
        expected = level_db >= max(reference - range_db, floor)
        raw = raw_of_levels(level_db)
        assert np.array_equal(passing_frames(raw, rows), expected)
