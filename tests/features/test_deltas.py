"""Deltas and shifted deltas: against librosa and slow loops, at edges and at the ends of parts."""

import librosa
import numpy as np
import pytest

from gmmaudio.features import (
    extract,
    make_rows,
    raw_frames,
    same_frames,
    shifted_deltas,
)
from gmmaudio.features.deltas import derivatives
from tests.features.conftest import (
    QUICK,
    noise,
)


@pytest.mark.parametrize("width", [3, 5, 9])
@pytest.mark.parametrize("n_deltas", [1, 2])
def test_deltas_equal_librosas_away_from_the_edges(n_deltas, width):
    rows = extract(noise(8_000), QUICK.replace(n_deltas=n_deltas, delta_frames=width))
    mfcc, half = rows.values[:, :8], width // 2
    assert np.array_equal(mfcc, raw_frames([noise(8_000)], QUICK.frames).values)
    for order in range(1, n_deltas + 1):
        expected = librosa.feature.delta(mfcc.T, width=width, order=order).T
        # the same filter over the other axis; sums of a few cepstra of 100 in float32
        np.testing.assert_allclose(
            rows.values[half:-half, 8 * order : 8 * (order + 1)], expected[half:-half], rtol=0, atol=1e-4
        )


def test_a_delta_is_the_slope_of_a_line_through_its_window_beyond_an_edge_the_edge_frame():
    rows = extract(noise(8_000), QUICK.replace(n_deltas=1, delta_frames=5))
    mfcc = rows.values[:, :8].astype(np.float64)
    at = np.arange(len(mfcc))
    near = sum(k * mfcc[np.clip(at + k, 0, len(mfcc) - 1)] for k in (-2, -1, 1, 2)) / 10
    # as above
    np.testing.assert_allclose(rows.values[:, 8:], near, rtol=0, atol=1e-4)


@pytest.mark.parametrize("width", [3, 5, 9, 21, 101])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n", [2, 7, 300])
def test_deltas_are_librosas_to_the_last_place_also_at_the_edges(n, order, width):
    cepstra = np.random.default_rng(n).normal(-300, 50, size=(n, 13)).astype(np.float32)
    expected = librosa.feature.delta(cepstra, width=width, order=order, axis=0, mode="nearest")
    # both sum in float64, in another order; a sum that vanishes leaves its rounding
    np.testing.assert_allclose(derivatives(cepstra, width, order), expected, rtol=2**-23, atol=1e-10)
    if width == 9:
        assert np.mean(derivatives(cepstra, width, order) == expected) > 0.99


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_a_constant_are_zero(order):
    assert np.abs(derivatives(np.full((5, 2), 123.0, np.float32), 9, order)).max() < 1e-12


@pytest.mark.parametrize("n", [1, 128, 500])
def test_a_clip_shorter_than_the_window_of_a_delta_has_deltas(n):
    rows = extract(noise(n), QUICK.replace(n_deltas=2, delta_frames=101))
    assert rows.values.shape == (1 + n // 128, 24)
    assert np.isfinite(rows.values).all()


@pytest.mark.parametrize("ndpk", [(7, 1, 3, 7), (1, 1, 1, 1), (3, 2, 1, 4), (8, 5, 10, 3)])
@pytest.mark.parametrize("n_frames", [1, 2, 5, 60])
def test_shifted_deltas_equal_a_double_loop(n_frames, ndpk):
    n, d, p, k = ndpk
    cepstra = np.random.default_rng(0).normal(size=(n_frames, 8)).astype(np.float32)
    expected = np.zeros((n_frames, n * k), dtype=np.float32)
    for t in range(n_frames):
        for i in range(k):
            ahead = cepstra[min(max(t + i * p + d, 0), n_frames - 1)]
            back = cepstra[min(max(t + i * p - d, 0), n_frames - 1)]
            expected[t, i * n : (i + 1) * n] = ahead[:n] - back[:n]
    shifted = shifted_deltas(cepstra, *ndpk)
    assert shifted.dtype == np.float32
    assert np.array_equal(shifted, expected)


def test_shifted_deltas_are_appended_after_deltas():
    rows = extract(noise(8_000), QUICK.replace(n_deltas=1, sdc=(7, 1, 3, 7)))
    assert rows.values.shape[1] == 8 + 8 + 49
    assert np.array_equal(rows.values[:, 16:], shifted_deltas(rows.values[:, :8], 7, 1, 3, 7))


DIFFERING = [
    {"n_deltas": 1},
    {"n_deltas": 2, "delta_frames": 21},
    {"sdc": (7, 1, 3, 7)},
    {"sdc": (3, 9, 2, 2), "n_deltas": 1, "vtln": (0.9,)},
    {"n_deltas": 2, "descriptors": ("onset", "centroid")},
]


@pytest.mark.parametrize("settings", DIFFERING, ids=str)
def test_deltas_at_the_end_of_a_part_depend_on_frames_beyond_it(settings):
    config = QUICK.replace(**settings)
    raw = raw_frames([noise(20_000)], config.frames)
    whole = make_rows([raw], config)
    parts = [raw.slice(0, 3), raw.slice(3, 60), raw.slice(60, 61), raw.slice(61, None)]
    assert np.array_equal(make_rows(parts, config).values, whole.values)
    assert np.array_equal(make_rows([raw.slice(20, None).slice(5, 40)], config).values, whole.values[25:60])
    # raw frames are small: differences of them are made when they are needed
    assert raw.values.shape[1] < config.n_features


def test_the_same_frames_serve_other_deltas():
    raw = raw_frames([noise(8_000)], QUICK.frames)
    config = QUICK.replace(n_deltas=1, sdc=(7, 1, 3, 7))
    assert same_frames(config.frames, QUICK.frames)
    assert np.array_equal(make_rows([raw], config).values, extract(noise(8_000), config).values)
