"""EM on rows that are hard to fit: constant columns, outliers, extreme scales, few distinct rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, fit_gmm
from tests.mixture.conftest import NOISE, assert_same_mixture, assert_sound, bits, clusters, matrices_of, shaped

TYPES = COVARIANCE_TYPES


# --- hard rows -------------------------------------------------------------------------------------------------------


HARD_ROWS = {
    "one constant column": np.column_stack([NOISE, np.full(300, 7.0)]),
    "only constant columns": np.full((50, 2), -3.5),
    "constant at 1e12": np.column_stack([NOISE, np.full(300, 1e12)]),
    "few distinct rows": np.repeat(NOISE[:4], [1, 5, 50, 500], axis=0),
    "two rows": NOISE[:2],
    "fewer rows than features": np.random.default_rng(2).normal(size=(5, 40)),
    "offset 1e8": NOISE + 1e8,
    "scale 1e-6": NOISE * 1e-6,
    "scale 1e6": NOISE * 1e6,
    "scale 1e-150": NOISE * 1e-150,
    "scale 1e150": NOISE * 1e150,
    "scales 1e-100 to 1e100": NOISE * [1e-100, 1.0, 1e100],
    "collinear columns": np.column_stack([NOISE, NOISE.sum(axis=1), -2 * NOISE[:, 0]]),
    "digital silence in noise": np.vstack([NOISE, np.full((100, 3), -600.0), NOISE]),
    "one far outlier": np.vstack([NOISE, [[1e8, -1e8, 0.0]]]),
    "heavy tails": np.random.default_rng(3).standard_cauchy((300, 3)) ** 3,
    "zeros of both signs": np.where(NOISE > 0, 0.0, -0.0),
    "small whole numbers": np.random.default_rng(4).integers(0, 3, (200, 2)),
}


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("case", HARD_ROWS)
def test_hard_rows_are_fitted_soundly(case, init, covariance_type):
    X = HARD_ROWS[case]
    distinct = len(np.unique(X, axis=0))
    for n_components in (1, 3, 20):
        mixture, trace = fit_gmm(X, n_components, covariance_type=covariance_type, init=init, max_iter=15, tol=0)
        assert_sound(X, mixture, trace)
        assert (trace.n_components_asked, trace.n_components) == (n_components, min(n_components, distinct))
        assert trace.n_iter == 15


@pytest.mark.parametrize("covariance_type", TYPES)
def test_silence_does_not_outscore_everything(covariance_type):
    X = HARD_ROWS["digital silence in noise"]
    mixture, _ = fit_gmm(X, 4, covariance_type=covariance_type)
    # no density exceeds that of a Gaussian at the floor in every direction
    ceiling = -0.5 * np.log(2 * np.pi * 1e-3 * X.var(axis=0)).sum()
    # rounding
    assert mixture.log_density(X).max() <= ceiling + 1e-9


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_constant_column_changes_nothing_about_the_others(covariance_type, init):
    X = clusters(900)
    plain, _ = fit_gmm(X, 3, covariance_type=covariance_type, init=init, max_iter=5, tol=0)
    wider, _ = fit_gmm(
        np.column_stack([X, np.full(900, 41.5)]), 3, covariance_type=covariance_type, init=init, max_iter=5, tol=0
    )
    if covariance_type != "spherical":
        # one variance for all columns knows of the constant one
        covariances = shaped(matrices_of(wider)[:, :3, :3], wider.weights, covariance_type)
        narrow = GaussianMixture(wider.weights, wider.means[:, :3], covariances, covariance_type)
        # rounding in longer sums
        assert_same_mixture(narrow, plain, 1e-8)
    np.testing.assert_array_equal(wider.means[:, 3], 41.5)


def test_every_kind_of_array_fits_alike(tmp_path):
    X = np.round(8 * clusters(1200))
    read_only = X.copy()
    read_only.setflags(write=False)
    padded = np.zeros((2400, 6))
    padded[::2, ::2] = X
    np.save(tmp_path / "rows.npy", X)
    kinds = {
        "list": X.tolist(),
        "int64": X.astype(np.int64),
        "big-endian": X.astype(">f8"),
        "non-contiguous": padded[::2, ::2],
        "read-only": read_only,
        "memmap": np.load(tmp_path / "rows.npy", mmap_mode="r"),
        "file": [tmp_path / "rows.npy"],
        "list of arrays": [X[:7], X[7:7], X[7:1000], X[1000:]],
        "function": lambda: iter([X[:500], X[500:]]),
    }
    expected = bits(*fit_gmm(X, 3, max_iter=5))
    for kind, rows in kinds.items():
        # whole numbers are the same in all of these types
        assert bits(*fit_gmm(rows, 3, max_iter=5)) == expected, kind


def test_column_order_in_memory_does_not_matter():
    X = clusters(1200)
    plain, _ = fit_gmm(X, 3, max_iter=5)
    fortran, _ = fit_gmm(np.asfortranarray(X), 3, max_iter=5)
    # rounding
    assert_same_mixture(fortran, plain, rtol=1e-12)


@st.composite
def any_rows(draw):
    """Rows with repeats, ties and constant columns, in float32 and float64."""
    n, d = draw(st.integers(1, 25)), draw(st.integers(1, 4))
    number = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -600.0]), st.floats(-1e6, 1e6, width=32, allow_subnormal=False))
    rows = draw(st.lists(st.lists(number, min_size=d, max_size=d), min_size=n, max_size=n))
    X = np.repeat(np.array(rows), draw(st.sampled_from([1, 3])), axis=0)
    return X.astype(draw(st.sampled_from(["float32", "float64"])))


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(
    X=any_rows(),
    n_components=st.integers(1, 6),
    covariance_type=st.sampled_from(TYPES),
    init=st.sampled_from(["kmeans", "random"]),
    variance_floor=st.sampled_from([1.0, 1e-2, 1e-3, 1e-5]),
    seed=st.integers(0, 3),
)
def test_any_finite_rows_are_fitted_soundly(X, n_components, covariance_type, init, variance_floor, seed):
    mixture, trace = fit_gmm(
        X,
        n_components,
        covariance_type=covariance_type,
        init=init,
        variance_floor=variance_floor,
        max_iter=8,
        tol=0,
        rng=np.random.default_rng(seed),
    )
    assert_sound(X, mixture, trace)
    assert trace.n_components == min(n_components, len(np.unique(X, axis=0)))
