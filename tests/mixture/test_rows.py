"""Sources of rows: the same bits for every source; weights; sources that cannot be used."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.errors import MixtureError
from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, accumulate, fit_gmm
from gmmaudio.mixture.rows import read_chunks
from gmmaudio.mixture.sources import CHUNK_ROWS
from tests.mixture.conftest import bits, crowd, first_mixture

TYPES = COVARIANCE_TYPES


# --- one result, however it is computed ------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_source_of_the_same_rows_gives_the_same_bits(covariance_type, dtype, tmp_path):
    X = crowd(dtype=dtype)
    np.save(tmp_path / "all.npy", X)
    paths = []
    for i, part in enumerate(np.array_split(X, 7)):
        paths.append(tmp_path / f"{i}.npy")
        np.save(paths[-1], part)
    sources = {
        "Fortran order": np.asfortranarray(X),
        "memory map": np.load(tmp_path / "all.npy", mmap_mode="r"),
        "list of arrays": [X[:1], X[1:CHUNK_ROWS], X[CHUNK_ROWS:-3], X[-3:]],
        "tuple of files": tuple(paths),
        "files named by strings": [str(path) for path in paths],
        "function": lambda: (X[i : i + 999] for i in range(0, len(X), 999)),
        "function over files": lambda: (np.load(path) for path in paths),
    }
    options = {"covariance_type": covariance_type, "max_iter": 2, "tol": 0}
    expected = bits(*fit_gmm(X, 8, **options))
    for name, source in sources.items():
        assert bits(*fit_gmm(source, 8, **options)) == expected, name


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(cuts=st.lists(st.integers(0, 20_000), max_size=6).map(sorted))
def test_statistics_do_not_depend_on_where_rows_are_cut(cuts):
    X, mixture = crowd(), first_mixture("diag")
    whole, parts = accumulate(mixture, X), accumulate(mixture, np.split(X, cuts))
    for name in ("n", "f", "s", "log_likelihood", "n_rows"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("covariance_type", TYPES)
def test_memory_over_the_rows_does_not_grow_with_them(covariance_type, monkeypatch):
    # more rows than are kept
    monkeypatch.setattr("gmmaudio.mixture.kept.KEPT_BYTES", 2**20)
    d, k = (39, 256) if covariance_type == "diag" else (12, 32)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, d)).astype(np.float32)
    start = GaussianMixture(np.full(k, 1 / k), rng.normal(size=(k, d)), np.ones((k, d)))
    if covariance_type != "diag":
        start = fit_gmm(X[:2000], k, covariance_type=covariance_type, max_iter=1)[0]
    peaks = []
    fit_gmm(X[:1000], k, covariance_type=covariance_type, init=start, max_iter=1)
    # of fewer rows not all that is held at once has its full size
    for n in (30_000, 60_000):
        tracemalloc.start()
        fit_gmm(X[:n], k, covariance_type=covariance_type, init=start, max_iter=1, tol=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # a chunk and its whitened copy are 4 MB at 39 columns, sums of 256 components 0.2 MB; the bound asked for is 50 MiB
    assert max(peaks) < 16e6
    assert peaks[1] - peaks[0] < 2e5


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_weight_is_repetition(covariance_type, init):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(c, 1.0, size=(60, 2)) for c in (-4.0, 0.0, 5.0)])
    times = rng.integers(0, 4, len(X))
    repeated = np.repeat(X, times, axis=0)
    options = {"covariance_type": covariance_type, "init": init, "max_iter": 10, "tol": 0}
    weighted, trace = fit_gmm(X, 3, weights=times, **options)
    plain, plain_trace = fit_gmm(repeated, 3, **options)
    # sums in another order
    np.testing.assert_allclose(weighted.means, plain.means, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(weighted.covariances, plain.covariances, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(trace.log_likelihoods, plain_trace.log_likelihoods, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-200, 1e-6, 1.0, 1e6, 1e200])
def test_unit_of_weights_does_not_matter(dtype, unit):
    X = crowd(9000, dtype=dtype)
    weights = np.random.default_rng(1).gamma(1.0, size=len(X))
    start = first_mixture("diag")
    plain, plain_trace = fit_gmm(X, 8, weights=weights, init=start, max_iter=3, tol=0)
    other, trace = fit_gmm(X, 8, weights=unit * weights, init=start, max_iter=3, tol=0)
    # rounding of the weights
    np.testing.assert_allclose(other.means, plain.means, rtol=1e-6 if dtype == "float32" else 1e-10, atol=1e-6)
    np.testing.assert_allclose(trace.log_likelihoods, plain_trace.log_likelihoods, rtol=1e-7)


def test_rows_of_weight_zero_are_as_good_as_absent():
    X = crowd(9000, dtype="float64")
    weights = np.where(np.arange(len(X)) % 3, 1.0, 0.0)
    X[::3] = 1e6
    with_zeros, _ = fit_gmm(X, 4, weights=weights, max_iter=5, tol=0)
    without, _ = fit_gmm(X[weights > 0], 4, max_iter=5, tol=0)
    np.testing.assert_allclose(with_zeros.means, without.means, rtol=1e-8)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(4), "there are 4 weights and 5 rows or more; expected one for each row"),
        (np.ones(6), "there are 6 weights and 5 rows; expected one for each row"),
        (np.ones((5, 1)), "weights have shape (5, 1); expected (n_rows,): one for each row"),
        ([1, 1, -1, 1, 1], "weight 2 is -1.0; weights must be finite, and 0 or more"),
        ([1, 1, 1, np.nan, 1], "weight 3 is nan; weights must be finite, and 0 or more"),
        (np.zeros(5), "all weights are 0; at least one row must count"),
        (["a"] * 5, "weights must be real numbers; could not convert string to float: 'a'"),
    ],
    ids=["too few", "too many", "matrix", "negative", "nan", "zeros", "words"],
)
def test_bad_weights_are_refused(weights, message):
    for use in (lambda X, w: fit_gmm(X, 2, weights=w), lambda X, w: accumulate(first_mixture("diag", 2, 1), X, w)):
        with pytest.raises(MixtureError) as caught:
            use(np.arange(5.0)[:, None], weights)
        assert str(caught.value).startswith(message)


# --- sources that cannot be used -------------------------------------------------------------------------------------


def test_chunks_are_of_one_size_and_know_their_place():
    parts = [np.zeros((n, 2)) for n in (5, 0, CHUNK_ROWS, 1, 2 * CHUNK_ROWS)]
    chunks = list(read_chunks(parts))
    assert [len(chunk.rows) for chunk in chunks] == [CHUNK_ROWS] * 3 + [6]
    assert [chunk.start for chunk in chunks] == [0, CHUNK_ROWS, 2 * CHUNK_ROWS, 3 * CHUNK_ROWS]


def test_generator_is_refused():
    with pytest.raises(MixtureError) as caught:
        fit_gmm((row for row in [np.zeros((2, 2))]), 1)
    assert str(caught.value) == (
        "a generator can be read once, and rows are read many times; pass a function that makes one"
    )


def test_function_that_gives_other_rows_later_is_refused():
    sizes = iter([100, 100, 100, 100, 99, 99, 99])
    with pytest.raises(MixtureError) as caught:
        fit_gmm(lambda: [np.random.default_rng(0).normal(size=(next(sizes), 2))], 2)
    assert str(caught.value) == (
        "there were 100 rows at first and 99 later; expected a source that gives the same rows each time"
    )


def test_parts_of_different_width_are_refused():
    with pytest.raises(MixtureError) as caught:
        fit_gmm([np.zeros((3, 2)), np.zeros((3, 4))], 1)
    assert str(caught.value) == "rows have 2 features at first and 4 later; expected one width"


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_file_that_is_no_array_is_named(content, tmp_path):
    path = tmp_path / "rows.npy"
    path.write_bytes(content)
    for source in ([path], [tmp_path / "absent.npy"]):
        with pytest.raises(MixtureError, match=r"npy: cannot be read .*; expected a \.npy file of rows"):
            fit_gmm(source, 1)


# --- callbacks -------------------------------------------------------------------------------------------------------


def test_function_may_reuse_one_buffer():
    X, buffer = crowd(20_000), np.empty((700, 6), np.float32)

    def refill():
        for start in range(0, len(X), 700):
            part = X[start : start + 700]
            buffer[: len(part)] = part
            yield buffer[: len(part)]

    ours, expected = (accumulate(first_mixture("diag"), source, n_threads=2) for source in (refill, X))
    np.testing.assert_array_equal(ours.f, expected.f)


def test_equal_rows_of_different_dtypes_are_equal():
    parts = [np.repeat([[0.0], [1.0]], CHUNK_ROWS, axis=0).astype(dtype) for dtype in ("float32", "float64")]
    _, trace = fit_gmm(parts, 3)
    assert trace.n_components == 2


# --- regressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("X", [[[1 + 2j, 2.0]], [[10**400, 1]]], ids=["complex", "beyond float64"])
def test_rows_that_are_no_real_numbers_are_refused(X):
    with pytest.raises(MixtureError):
        fit_gmm(X, 1)


# one variance for all columns takes their units as they are
@pytest.mark.parametrize("covariance_type", [name for name in TYPES if name != "spherical"])
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_column_that_varies_by_rounding_does_not_dominate_the_fit(covariance_type, size):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(150, 2)), rng.normal(size=(150, 2)) + 9])
    X = np.column_stack([X, size * (1 + 2.2e-7 * rng.integers(0, 3, 300))]).astype(np.float32)
    mixture, _ = fit_gmm(X, 2, covariance_type=covariance_type, tol=0, max_iter=20)
    np.testing.assert_allclose(np.sort(mixture.means[:, :2], axis=0), [[0, 0], [9, 9]], atol=0.5)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-160, 1e150])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_any_scale_whose_variance_is_a_number_is_fitted(scale, covariance_type):
    X = np.random.default_rng(0).normal(size=(50, 2)) * scale
    mixture, _ = fit_gmm(X, 2, covariance_type=covariance_type)
    assert np.isfinite(mixture.log_density(X)).all()


@pytest.mark.parametrize("scale", [1e160, 1e307])
def test_a_column_whose_variance_is_no_number_is_named(scale):
    X = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, scale]
    with pytest.raises(MixtureError, match="column 1 has a standard deviation of"):
        fit_gmm(X, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_masked_values_are_missing(dtype):
    X = np.round(9 * np.random.default_rng(0).normal(size=(60, 2))).astype(dtype)
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    X[mask] = 1_000_000
    ours = fit_gmm(np.ma.masked_array(X, mask), 2, max_iter=3, tol=0)
    expected = fit_gmm(np.where(mask, np.nan, X.astype(float)), 2, max_iter=3, tol=0)
    # float32 rows are float32 until they are seen to be incomplete
    np.testing.assert_allclose(ours[0].means, expected[0].means, rtol=1e-6)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: None, "the function gave None; expected an iterator over matrices of rows"),
        (lambda: 3, "the function gave 3; expected an iterator over matrices of rows"),
    ],
    ids=["nothing", "a number"],
)
def test_functions_that_give_no_rows_are_refused(source, message):
    with pytest.raises(MixtureError) as caught:
        fit_gmm(source, 2)
    assert str(caught.value) == message


def test_function_may_give_one_matrix():
    X = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_array_equal(fit_gmm(lambda: X, 2)[0].means, fit_gmm(X, 2)[0].means)


def test_iterator_behind_a_function_is_refused():
    rows = iter([np.zeros((50, 2)), np.ones((50, 2))])
    with pytest.raises(MixtureError, match="there were 100 rows at first and 0 later"):
        fit_gmm(lambda: rows, 2)


def test_width_that_changes_between_passes_is_refused():
    widths = iter([2, 3, 3, 3])
    with pytest.raises(MixtureError, match="rows have 3 features"):
        fit_gmm(lambda: [np.random.default_rng(0).normal(size=(50, next(widths)))], 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_spherical_mixture_of_flat_columns(dtype):
    X = np.array([[3e7, 1.0], [3e7, 1.0]], dtype=dtype)
    if dtype == "float32":
        X[1, 0] += 4
    mixture, _ = fit_gmm(X, 1, covariance_type="spherical")
    assert np.isfinite(mixture.log_density(X)).all()


@pytest.mark.parametrize("kind", ["int16", "float16", ">f8"])
def test_numbers_of_other_kinds_are_cast_chunk_by_chunk(kind):
    X = np.round(50 * np.random.default_rng(0).normal(size=(80_000, 20))).astype(kind)
    mixture, _ = fit_gmm(X[:2000], 2, max_iter=1)
    accumulate(mixture, X[:100])
    tracemalloc.start()
    accumulate(mixture, X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # a chunk is 1.3 MB in float64, all rows 13 MB
    assert peak < 6e6


@pytest.mark.parametrize("X", [np.array([["2026-01-01"]], dtype="datetime64[D]"), np.zeros(3, dtype=[("a", "f8")])])
def test_dates_and_records_are_no_numbers(X):
    with pytest.raises(MixtureError, match="rows must be a matrix of real numbers"):
        fit_gmm(X, 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "folder"])
def test_rows_are_read_from_regular_files_only(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MixtureError, match=r"name a regular file; expected a \.npy file of rows"):
        fit_gmm([tmp_path / name], 1)


HUGE = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1" + b"0" * 30 + b")}"


@pytest.mark.parametrize("header", [b"(((", b"{'descr': ", b"'''", HUGE])
def test_a_npy_file_whose_header_is_of_no_array_is_refused(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "rows.npy").write_bytes(content)
    with pytest.raises(MixtureError, match=r"cannot be read .*; expected a \.npy file of rows"):
        fit_gmm([tmp_path / "rows.npy"], 1)


def test_an_archive_of_arrays_is_no_matrix(tmp_path):
    np.savez(tmp_path / "rows.npz", np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(MixtureError, match="holds several arrays"):
        fit_gmm([tmp_path / "rows.npz"], 1)


def test_a_signalling_nan_is_a_missing_value_without_a_warning():
    rows = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    quiet = rows.copy()
    rows.view(np.uint32)[3, 1], quiet[3, 1] = 0x7FA00000, np.nan
    one, two = (fit_gmm(each, 2)[0] for each in (rows, quiet))
    assert np.array_equal(one.means, two.means)
