"""Ranks in sliding windows: against counting in every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri

from gmmaudio.errors import FeatureError
from gmmaudio.features import feature_warping, window_ranks
from gmmaudio.features.normalise import _normal_quantiles
from gmmaudio.features.window_ranks import twice_middle_ranks


def counted(values, size):
    """Return the number of smaller values in the window of each, plus that of those not larger."""
    n = len(values)
    result = np.zeros(values.shape, dtype=int)
    for t in range(n):
        first = min(max(t - size // 2, 0), n - size)
        window = values[first : first + size]
        result[t] = np.sum(window < values[t], axis=0) + np.sum(window <= values[t], axis=0)
    return result


def divide(monkeypatch, short_windows):
    """Make a trial short or long, divide it after a few rows and columns, and add up bytes after a few numbers."""
    for name, number in (("SHORT_WINDOWS", short_windows), ("STRIDE", 4), ("RUN", 3), ("TABLE_BYTES", 150)):
        monkeypatch.setattr(window_ranks, name, number)
    monkeypatch.setattr(window_ranks, "BLOCK_RANKS", 12)
    monkeypatch.setattr(window_ranks, "MAX_BYTE", 5)


# few different numbers: ties everywhere; both zeros, which are equal, and the ends of the range
NUMBERS = st.sampled_from(
    np.array([-np.inf, -3e38, -1.5, -1e-45, -0.0, 0.0, 1e-45, 1.0, np.inf], dtype=np.float32).tolist()
)


@st.composite
def trials(draw):
    """Draw values and the size of their windows."""
    n, d = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    elements = draw(st.sampled_from([NUMBERS, st.floats(width=32, allow_nan=False)]))
    return draw(arrays(np.float32, (n, d), elements=elements)), draw(st.integers(1, n))


@pytest.mark.parametrize("short_windows", [None, 0, 100])
def test_ranks_are_those_counted_in_every_window(short_windows):
    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(trials())
    def check(trial):
        with pytest.MonkeyPatch.context() as monkeypatch:
            if short_windows is not None:
                divide(monkeypatch, short_windows)
            assert np.array_equal(twice_middle_ranks(*trial), counted(*trial))

    check()


@pytest.mark.parametrize("size", [1, 3, 4, 41, 300, 301])
@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("n", [301, 302, 342, 601, 602, 603, 1_600])
def test_ranks_of_trials_of_several_windows(n, decimals, size):
    values = np.round(np.random.default_rng(n).normal(size=(n, 3)), decimals).astype(np.float32)
    values[:, 1] = 7
    values[: n // 2, 2] = 0
    assert np.array_equal(twice_middle_ranks(values, size), counted(values, size))


def test_columns_do_not_depend_on_each_other(monkeypatch):
    values = np.round(np.random.default_rng(0).normal(size=(90, 70)), 1).astype(np.float32)
    expected = np.concatenate([twice_middle_ranks(values[:, k : k + 1], 31) for k in range(70)], axis=1)
    assert np.array_equal(twice_middle_ranks(values, 31), expected)
    for short_windows in (0, 100):
        divide(monkeypatch, short_windows)
        assert np.array_equal(twice_middle_ranks(np.asfortranarray(values), 31), expected)


def test_a_window_of_more_rows_than_16_bits_count():
    n = 2**16 + 1
    values = np.random.default_rng(0).permutation(n).astype(np.float32)[:, None]
    assert np.array_equal(twice_middle_ranks(values, n), 2 * values + 1)
    size = n - 8
    ranks = twice_middle_ranks(values, size)[:, 0]
    for t in (0, size // 2 - 1, size // 2 + 5, n - 1):
        first = min(max(t - size // 2, 0), n - size)
        assert ranks[t] == 2 * (values[first : first + size] < values[t]).sum() + 1


def test_a_trial_without_columns_has_no_ranks():
    assert twice_middle_ranks(np.zeros((5, 0), dtype=np.float32), 3).shape == (5, 0)


@pytest.mark.parametrize("sizes", [range(1, 400), (1_000, 3_001)])
def test_quantiles_are_those_of_scipy(sizes):
    for size in sizes:
        expected = ndtri(np.arange(1, 2 * size) / (2 * size)).astype(np.float32)
        assert np.array_equal(_normal_quantiles(size)[1:], expected)


@pytest.mark.parametrize("n", [5, 400])
def test_warping_has_the_bits_of_the_definition(n):
    values = np.round(np.random.default_rng(n).normal(size=(n, 4)), 1).astype(np.float32)
    size = min(301, n)
    result = feature_warping(values, 301)
    assert np.array_equal(result, ndtri(counted(values, size) / (2 * size)).astype(np.float32))
    # sums along an axis depend on the order in memory, in the last bit
    assert (result.dtype, result.flags.c_contiguous) == (np.float32, True)


def test_what_is_not_a_number_is_refused_and_infinity_has_a_rank():
    values = np.zeros((3, 2), dtype=np.float32)
    values[1, 1] = np.nan
    with pytest.raises(FeatureError, match="one that is not has no rank"):
        feature_warping(values, 3)
    values[1, 1] = np.inf
    assert feature_warping(values, 3)[1, 1] == np.float32(ndtri(5 / 6))
