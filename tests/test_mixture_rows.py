"""Where rows come from and who computes them: the same bits for every source, thread and process; weights."""

import multiprocessing
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, accumulate, fit_gmm, maximise
from gmmaudio.mixture.rows import CHUNK_ROWS, read_chunks

TYPES = COVARIANCE_TYPES


def crowd(n=20_000, d=6, dtype="float32", seed=0):
    """Return rows of which each chunk's sums round differently in another order."""
    rng = np.random.default_rng(seed)
    return (rng.standard_t(5, size=(n, d)) * np.geomspace(0.1, 10, d) + 3).astype(dtype)


def first_mixture(covariance_type, k=8, d=6, seed=0):
    rng = np.random.default_rng(seed)
    covariances = {
        "diag": np.full((k, d), 9.0),
        "full": np.array([9.0 * np.eye(d)] * k),
        "tied": 9.0 * np.eye(d),
        "spherical": np.full(k, 9.0),
    }[covariance_type]
    return GaussianMixture(np.full(k, 1 / k), 3 + 2 * rng.normal(size=(k, d)), covariances, covariance_type)


def bits(mixture, trace):
    return b"".join(a.tobytes() for a in (mixture.weights, mixture.means, mixture.covariances)), trace


# --- one result, however it is computed --------------------------------------------------------------------------


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
def test_threads_and_pools_give_the_same_bits(covariance_type):
    X, start = crowd(50_000), first_mixture(covariance_type)
    options = {"covariance_type": covariance_type, "init": start, "max_iter": 2, "tol": 0}
    expected = bits(*fit_gmm(X, 8, **options))
    for n_threads in (2, 3, -1):
        assert bits(*fit_gmm(X, 8, n_threads=n_threads, **options)) == expected, n_threads
    with ThreadPoolExecutor(2) as pool:
        assert bits(*fit_gmm(X, 8, mapper=pool.map, **options)) == expected
    for limit in (1, 2):
        with threadpool_limits(limit):
            assert bits(*fit_gmm(X, 8, **options)) == expected, limit


def test_processes_give_the_same_bits():
    X, start = crowd(50_000), first_mixture("diag")
    # a fresh interpreter each: forking one that runs threads is no good
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        elsewhere = accumulate(start, X, mapper=pool.imap)
    here = accumulate(start, X)
    np.testing.assert_array_equal(elsewhere.f, here.f)
    np.testing.assert_array_equal(elsewhere.s, here.s)
    assert elsewhere.log_likelihood == here.log_likelihood


def test_statistics_of_parts_add_up_to_a_fit_done_by_hand():
    # what a cluster does: a part of the rows on each machine, their sums brought together
    X, start = crowd(30_000, dtype="float64"), first_mixture("diag")
    mixture = start
    for _ in range(3):
        stats = [accumulate(mixture, part) for part in np.array_split(X, 4)]
        mixture = maximise(stats[0] + stats[1] + stats[2] + stats[3], mixture)
    fitted, _ = fit_gmm(X, 8, init=start, max_iter=3, tol=0, variance_floor=0)
    # the same sums in another order and frame
    np.testing.assert_allclose(mixture.means, fitted.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mixture.covariances, fitted.covariances, rtol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_memory_over_the_rows_does_not_grow_with_them(covariance_type):
    d, k = (39, 256) if covariance_type == "diag" else (12, 32)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, d)).astype(np.float32)
    start = GaussianMixture(np.full(k, 1 / k), rng.normal(size=(k, d)), np.ones((k, d)))
    if covariance_type != "diag":
        start = fit_gmm(X[:2000], k, covariance_type=covariance_type, max_iter=1)[0]
    peaks = []
    fit_gmm(X[:1000], k, covariance_type=covariance_type, init=start, max_iter=1)
    for n in (20_000, 60_000):
        tracemalloc.start()
        fit_gmm(X[:n], k, covariance_type=covariance_type, init=start, max_iter=1, tol=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # a chunk and its whitened copy are 4 MB at 39 columns, sums of 256 components 0.2 MB; the bound asked for is 50 MiB
    assert max(peaks) < 16e6
    assert peaks[1] - peaks[0] < 2e5


def test_scoring_from_many_threads_leaves_the_libraries_as_they_were():
    mixture, X = first_mixture("diag"), crowd(2000)
    before = [(info["filepath"], info["num_threads"]) for info in threadpool_info()]
    expected = mixture.log_density(X)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: mixture.log_density(X), range(60)):
            np.testing.assert_array_equal(scores, expected)
    assert [(info["filepath"], info["num_threads"]) for info in threadpool_info()] == before


# --- weights -----------------------------------------------------------------------------------------------------


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


# --- sources that cannot be used ---------------------------------------------------------------------------------


def test_chunks_are_of_one_size_and_know_their_place():
    parts = [np.zeros((n, 2)) for n in (5, 0, CHUNK_ROWS, 1, 2 * CHUNK_ROWS)]
    chunks = list(read_chunks(parts))
    assert [len(chunk.rows) for chunk in chunks] == [CHUNK_ROWS] * 3 + [6]
    assert [chunk.start for chunk in chunks] == [0, CHUNK_ROWS, 2 * CHUNK_ROWS, 3 * CHUNK_ROWS]


def test_generator_is_refused_with_its_cure():
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


def test_parts_of_unlike_width_are_refused():
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


def test_statistics_of_unlike_mixtures_do_not_add():
    X = crowd(100)
    with pytest.raises(MixtureError, match=r"statistics of diag \(8, 6\) and full \(8, 6\) do not add"):
        accumulate(first_mixture("diag"), X) + accumulate(first_mixture("full"), X)


def test_maximise_refuses_another_mixtures_statistics():
    stats = accumulate(first_mixture("diag"), crowd(100))
    with pytest.raises(
        MixtureError, match=r"the previous mixture is diag \(4, 6\) and the statistics are diag \(8, 6\)"
    ):
        maximise(stats, first_mixture("diag", k=4))


@pytest.mark.parametrize("n_threads", [0, -2, 1.5, True, "2"])
def test_numbers_of_threads_that_mean_nothing_are_refused(n_threads):
    with pytest.raises(SettingError, match="expected 1 or more, or -1 for one on each core"):
        accumulate(first_mixture("diag"), crowd(100), n_threads=n_threads)


# --- callbacks ---------------------------------------------------------------------------------------------------


def test_callback_sees_every_step_and_a_checkpoint_goes_on_where_it_was():
    X, start, steps = crowd(9000, dtype="float64"), first_mixture("diag"), []
    mixture, trace = fit_gmm(X, 8, init=start, max_iter=6, tol=0, callback=steps.append)
    assert [step.iteration for step in steps] == list(range(7))
    assert tuple(step.log_likelihood for step in steps) == trace.log_likelihoods
    np.testing.assert_array_equal(steps[-1].mixture.means, mixture.means)
    resumed, _ = fit_gmm(X, 8, init=steps[2].mixture, max_iter=4, tol=0)
    # into the rows' units and back once more: rounding
    np.testing.assert_allclose(resumed.means, mixture.means, rtol=1e-9, atol=1e-9)


def test_callback_is_told_which_start():
    steps = []
    fit_gmm(crowd(500), 2, n_init=3, max_iter=1, tol=0, callback=steps.append)
    assert [(step.start, step.iteration) for step in steps] == [(i, j) for i in range(3) for j in range(2)]


def test_function_may_fill_one_buffer_again_and_again():
    X, buffer = crowd(20_000), np.empty((700, 6), np.float32)

    def refill():
        for start in range(0, len(X), 700):
            part = X[start : start + 700]
            buffer[: len(part)] = part
            yield buffer[: len(part)]

    ours, expected = (accumulate(first_mixture("diag"), source, n_threads=2) for source in (refill, X))
    np.testing.assert_array_equal(ours.f, expected.f)


def test_equal_rows_of_unlike_dtypes_are_equal():
    parts = [np.repeat([[0.0], [1.0]], CHUNK_ROWS, axis=0).astype(dtype) for dtype in ("float32", "float64")]
    _, trace = fit_gmm(parts, 3)
    assert trace.n_components == 2
