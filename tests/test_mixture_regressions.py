"""One test for each defect that was found in the mixture."""

import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, accumulate, fit_gmm, maximise, merge

TYPES = COVARIANCE_TYPES


@pytest.mark.parametrize("covariance_type", TYPES)
def test_going_on_from_a_start_below_the_floor_never_falls(covariance_type):
    X = np.random.default_rng(0).normal(size=(500, 2))
    first, _ = fit_gmm(X, 8, covariance_type=covariance_type, variance_floor=1e-4, max_iter=200, tol=0)
    _, trace = fit_gmm(X, 8, covariance_type=covariance_type, init=first, variance_floor=0.5)
    falls = set(np.flatnonzero(np.diff(trace.log_likelihoods) < -1e-9) + 1)
    # a component that is left with a single row by the wider floor is placed anew
    assert falls <= {iteration for iteration, _ in trace.reseeded}
    # a fall is no convergence
    assert trace.n_iter > 1


def test_component_of_weight_zero_has_no_density():
    mixture = GaussianMixture([1.0, 0.0], [[0.0], [100.0]], [[1.0], [1.0]])
    np.testing.assert_allclose(mixture.log_density([[100.0]]), -0.5 * np.log(2 * np.pi) - 5000.0, rtol=1e-12)
    np.testing.assert_array_equal(mixture.responsibilities([[100.0]]), [[1.0, 0.0]])


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", ["kmeans", "hierarchical"])
@pytest.mark.parametrize("asked", [7, 8, 50])
def test_rows_repeated_unevenly_keep_a_component_each(covariance_type, init, asked):
    distinct = np.random.default_rng(0).normal(size=(7, 3)) * 10
    X = np.repeat(distinct, [1, 2, 3, 4, 5, 6, 100], axis=0)
    mixture, trace = fit_gmm(X, asked, covariance_type=covariance_type, init=init)
    assert trace.reseeded == ()
    away = np.linalg.norm(mixture.means[:, None] - distinct, axis=2).min(axis=0)
    np.testing.assert_allclose(away, 0.0, atol=0.1)


@pytest.mark.parametrize("init", ["kmeans", "hierarchical"])
def test_asking_for_more_than_the_distinct_rows_is_as_good_as_asking_for_them(init):
    X = np.repeat(np.arange(50.0)[:, None], 3, axis=0)
    _, enough = fit_gmm(X, 50, init=init)
    _, more = fit_gmm(X, 51, init=init)
    assert more.n_components == 50
    assert more.log_likelihoods[-1] == pytest.approx(enough.log_likelihoods[-1], rel=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_three_lost_components_are_placed_apart(covariance_type):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal((x, y), size=(400, 2)) for x in (-5, 5) for y in (-5, 5)])
    covariances = {
        "diag": np.full((4, 2), 30.0),
        "full": [30.0 * np.eye(2)] * 4,
        "tied": 30.0 * np.eye(2),
        "spherical": np.full(4, 30.0),
    }[covariance_type]
    start = GaussianMixture(np.full(4, 0.25), [[0, 0], [1e4, 0], [0, 1e4], [1e4, 1e4]], covariances, covariance_type)
    mixture, trace = fit_gmm(X, 4, covariance_type=covariance_type, init=start, tol=1e-6)
    assert trace.reseeded[0] == (1, (1, 2, 3))
    apart = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 1


def test_trace_calls_floored_only_what_rests_on_the_floor():
    X = np.random.default_rng(0).normal(size=(500, 2))
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e3, 1e3]], np.ones((2, 2)))
    mixture, trace = fit_gmm(X, 2, init=start, max_iter=1)
    assert (mixture.covariances > 0.5).all()
    assert trace.floored == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"max_iter": np.inf},
        {"max_iter": np.nan},
        {"max_iter": "3"},
        {"max_iter": None},
        {"n_init": "3"},
        {"tol": "x"},
        {"tol": None},
        {"variance_floor": None},
        {"covariance_type": ["diag"]},
        {"rng": 0},
    ],
    ids=str,
)
def test_settings_of_the_wrong_kind_are_refused(bad):
    with pytest.raises(SettingError):
        fit_gmm(np.random.default_rng(0).normal(size=(20, 2)), 2, **bad)


@pytest.mark.parametrize("name", ["n_components", "n_init", "max_iter"])
def test_whole_numbers_written_as_floats_are_taken_or_refused_by_name(name):
    X = np.random.default_rng(0).normal(size=(20, 2))
    try:
        _, trace = fit_gmm(X, **({"n_components": 2} | {name: 2.0}))
    except SettingError:
        return
    assert isinstance(trace.n_components_asked, int)


@pytest.mark.parametrize(
    "parameters",
    [
        (["a"], [[0.0]], [[1.0]]),
        ([1.0], [[0.0, 1.0], [2.0]], [[1.0]]),
        ([1.0], [[1j]], [[1.0]]),
        ([1.0], np.zeros((1, 0)), np.zeros((1, 0))),
    ],
    ids=["words", "ragged", "complex", "no features"],
)
def test_parameters_that_are_no_numbers_are_refused(parameters):
    with pytest.raises(MixtureError):
        GaussianMixture(*parameters)


@pytest.mark.parametrize("X", [[[1 + 2j, 2.0]], [[10**400, 1]]], ids=["complex", "beyond float64"])
def test_rows_that_are_no_real_numbers_are_refused(X):
    with pytest.raises(MixtureError):
        fit_gmm(X, 1)


# one variance for all columns takes their units as they are
@pytest.mark.parametrize("covariance_type", [name for name in TYPES if name != "spherical"])
@pytest.mark.parametrize("size", [1e20, 1e30])
def test_column_that_varies_by_rounding_does_not_rule_the_fit(covariance_type, size):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(150, 2)), rng.normal(size=(150, 2)) + 9])
    X = np.column_stack([X, size * (1 + 2.2e-7 * rng.integers(0, 3, 300))]).astype(np.float32)
    mixture, _ = fit_gmm(X, 2, covariance_type=covariance_type, tol=0, max_iter=20)
    np.testing.assert_allclose(np.sort(mixture.means[:, :2], axis=0), [[0, 0], [9, 9]], atol=0.5)


@pytest.mark.parametrize("size", [1e17, 1e20, -2.03698542e29])
def test_large_constant_column_scores_as_any_other(size):
    mixture = GaussianMixture([0.1, 0.2, 0.7], np.full((3, 1), size), np.ones((3, 1)))
    np.testing.assert_allclose(mixture.log_density([[size]]), -0.5 * np.log(2 * np.pi), rtol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_row_beyond_all_density_scores_minus_infinity_not_nan(covariance_type):
    covariances = {"diag": [[1.0, 1.0]], "full": [np.eye(2)], "tied": np.eye(2), "spherical": [1.0]}[covariance_type]
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], covariances, covariance_type)
    scores = mixture.log_density([[1e200, -1e200]])
    assert not np.isnan(scores).any()
    assert not np.isnan(mixture.responsibilities([[1e200, -1e200]])).any()


@pytest.mark.parametrize("init", INITS)
def test_column_order_in_memory_does_not_change_a_bit(init):
    X = np.random.default_rng(0).normal(size=(1500, 3))
    plain, _ = fit_gmm(X, 3, init=init, max_iter=5)
    fortran, _ = fit_gmm(np.asfortranarray(X), 3, init=init, max_iter=5)
    np.testing.assert_array_equal(fortran.means, plain.means)


@pytest.mark.parametrize("n", [2, 5])
def test_as_many_equal_rows_as_features_raise_no_warning(n):
    # scipy takes a symmetric matrix of zeros for distances
    mixture, _ = fit_gmm(np.full((n, n), 3.5), 1, init="hierarchical")
    np.testing.assert_array_equal(mixture.means, 3.5)


@pytest.mark.parametrize("seed", range(5))
def test_component_far_wider_than_the_floor_stays_positive_definite(seed):
    # as with variance_floor=0, two far rows among three million (1,732 deviations out) and collinear columns
    X = np.outer([1.0, -1.0], 1732 * np.random.default_rng(seed).uniform(0.5, 1.0, 4))
    first = GaussianMixture([1.0], np.zeros((1, 4)), [np.eye(4)], "full")
    mixture = maximise(accumulate(first, [X]), first, floor=1e-10)
    assert np.linalg.eigvalsh(mixture.covariances[0]).min() > 0


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


def test_covariance_uneven_by_rounding_is_symmetric():
    covariance = np.cov(np.random.default_rng(0).normal(size=(50, 8)).T)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    mixture = GaussianMixture([1.0], np.zeros((1, 8)), [whiten @ covariance @ whiten.T], "full")
    # the unit matrix, as it should be
    np.testing.assert_allclose(mixture.covariances[0], np.eye(8), atol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_component_without_rows_takes_no_part_in_a_pooled_covariance(covariance_type):
    X = np.random.default_rng(0).normal(size=(6, 2))
    covariances = {"diag": np.ones((2, 2)), "full": [np.eye(2)] * 2, "tied": np.eye(2), "spherical": np.ones(2)}
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e3, 1e3]], covariances[covariance_type], covariance_type)
    alone = GaussianMixture(
        [1.0],
        [[0.0, 0.0]],
        covariances["tied"] if covariance_type == "tied" else covariances[covariance_type][:1],
        covariance_type,
    )
    both, one = (maximise(accumulate(first, X), first) for first in (start, alone))
    ours = both.covariances if covariance_type == "tied" else both.covariances[:1]
    np.testing.assert_allclose(ours, one.covariances, rtol=1e-9)
    np.testing.assert_array_equal(both.means[1], [1e3, 1e3])


def test_a_worker_thread_gives_the_bits_of_the_main_thread():
    # threadpoolctl lets one thread set limits: a fit in the main thread must not keep others from it
    X = np.random.default_rng(0).normal(size=(20_000, 39))
    options = {"covariance_type": "full", "init": "random", "tol": 0, "max_iter": 2}
    here, _ = fit_gmm(X, 16, **options)
    with ThreadPoolExecutor(2) as pool:
        there = list(pool.map(lambda _: fit_gmm(X, 16, **options)[0], range(2)))
    for mixture in there:
        np.testing.assert_array_equal(mixture.covariances, here.covariances)


def test_first_fits_in_two_threads_leave_the_libraries_as_they_were():
    # in a fresh process: only there no thread has set a limit yet
    script = (
        "import numpy as np, threading, threadpoolctl\n"
        "from gmmaudio.mixture import fit_gmm\n"
        "threads = lambda: [i['num_threads'] for i in threadpoolctl.threadpool_info() if i['user_api'] == 'blas']\n"
        "before = threads()\n"
        "X = np.random.default_rng(0).normal(size=(3000, 5))\n"
        "work = [threading.Thread(target=fit_gmm, args=(X[: 1000 * (i + 1)], 4)) for i in range(3)]\n"
        "[t.start() for t in work], [t.join() for t in work]\n"
        "assert threads() == before, (before, threads())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("covariance_type", TYPES)
def test_one_heavy_row_does_not_make_the_others_look_lost(covariance_type):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(c, 1.0, size=(20, 2)) for c in (-9.0, 0.0, 9.0)])
    weights = np.ones(60)
    weights[0] = 10_000
    options = {"covariance_type": covariance_type, "max_iter": 8, "tol": 0}
    weighted, trace = fit_gmm(X, 3, weights=weights, **options)
    repeated, repeated_trace = fit_gmm(np.repeat(X, weights.astype(int), axis=0), 3, **options)
    assert trace.reseeded == repeated_trace.reseeded
    np.testing.assert_allclose(weighted.means, repeated.means, rtol=1e-7, atol=1e-7)
    # and fractions of counts are no counts, but no reason to lose anything either
    assert fit_gmm(X, 3, weights=weights / 7, **options)[1].reseeded == trace.reseeded


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_what_is_masked_is_missing(dtype):
    X = np.round(9 * np.random.default_rng(0).normal(size=(60, 2))).astype(dtype)
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    X[mask] = 1_000_000
    ours = fit_gmm(np.ma.masked_array(X, mask), 2, max_iter=3, tol=0)
    expected = fit_gmm(np.where(mask, np.nan, X.astype(float)), 2, max_iter=3, tol=0)
    # float32 rows are float32 until they are seen to be incomplete
    np.testing.assert_allclose(ours[0].means, expected[0].means, rtol=1e-6)


@pytest.mark.parametrize("init", INITS)
def test_weights_of_any_size_are_drawn_by(init):
    X = np.random.default_rng(0).normal(size=(300, 2))
    weights = np.full(300, 1e-300)
    weights[:3] = 1e300
    mixture, _ = fit_gmm(X, 8, init=init, weights=weights, max_iter=3, tol=0)
    assert np.isfinite(mixture.log_density(X)).all()
    with pytest.raises(MixtureError, match="the weights sum to more than float64 holds; divide them by the greatest"):
        fit_gmm(X, 2, weights=np.full(300, 1e308))


@pytest.mark.parametrize("covariance_type", TYPES)
def test_squarem_takes_a_component_without_weight(covariance_type):
    X = np.random.default_rng(0).normal(size=(40, 2))
    covariances = {"diag": np.ones((2, 2)), "full": [np.eye(2)] * 2, "tied": np.eye(2), "spherical": np.ones(2)}
    start = GaussianMixture([1.0, 0.0], [[0.0, 0.0], [1.0, 1.0]], covariances[covariance_type], covariance_type)
    mixture, trace = fit_gmm(X[:4], 2, covariance_type=covariance_type, init=start, accelerate=True, tol=0, max_iter=12)
    assert (np.diff(trace.log_likelihoods) > -1e-9).all()
    assert np.isfinite(mixture.log_density(X)).all()


def test_squarem_stops_only_where_em_itself_stands_still():
    for seed in range(12):
        X = np.random.default_rng(seed).standard_t(3, size=(200, 2))
        mixture, trace = fit_gmm(X, 4, accelerate=True, tol=1e-7, max_iter=5000, rng=np.random.default_rng(seed))
        assert trace.converged
        _, on = fit_gmm(X, 4, init=mixture, tol=0, max_iter=1)
        # one more step of a sequence whose steps shrink
        assert on.log_likelihoods[1] - on.log_likelihoods[0] < 2e-7


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


def test_iterator_behind_a_function_is_found_out():
    rows = iter([np.zeros((50, 2)), np.ones((50, 2))])
    with pytest.raises(MixtureError, match="there were 100 rows at first and 0 later"):
        fit_gmm(lambda: rows, 2)


def test_width_that_changes_between_passes_is_found_out():
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


def test_merging_far_from_zero_loses_no_digits():
    X = np.random.default_rng(0).normal(size=(500, 2)) + 1e8
    mixture, _ = fit_gmm(X, 4)
    np.testing.assert_allclose(merge(mixture, 1).covariances[0], X.var(axis=0), rtol=1e-5)


def test_bic_counts_rows_that_say_something():
    X = np.random.default_rng(0).normal(size=(50, 2))
    mixture, _ = fit_gmm(X, 2)
    padded = np.vstack([X, np.full((9, 2), np.nan)])
    assert mixture.bic(padded) == pytest.approx(mixture.bic(X), rel=1e-12)
    assert mixture.aic(padded) == pytest.approx(mixture.aic(X), rel=1e-12)


@pytest.mark.parametrize("k", [np.int8(127), np.uint8(255), np.int64(3)])
def test_whole_numbers_of_numpy_are_whole_numbers(k):
    X = np.random.default_rng(0).normal(size=(300, 1))
    mixture, trace = fit_gmm(X, k, max_iter=1, n_threads=np.int64(2))
    assert (mixture.n_components, trace.n_components_asked) == (int(k), int(k))


@pytest.mark.parametrize(
    "bad",
    [{"n_components": True}, {"init": np.zeros((2, 3))}, {"mapper": 3}, {"callback": 3}],
    ids=lambda bad: next(iter(bad)),
)
def test_things_of_the_wrong_kind_are_refused_by_name(bad):
    with pytest.raises(SettingError, match=f"{next(iter(bad))} is"):
        fit_gmm(np.random.default_rng(0).normal(size=(20, 2)), **({"n_components": 2} | bad))


@pytest.mark.parametrize("floor", [-1.0, 0.0, np.nan, [1.0, 1.0, 1.0]])
def test_floors_that_are_none_are_refused(floor):
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(SettingError, match=r"floor is .*; expected a variance above 0, or one for each of 2 columns"):
        maximise(accumulate(mixture, np.random.default_rng(0).normal(size=(9, 2))), mixture, floor=floor)


def test_floor_for_each_column_holds_in_each_column():
    X = np.random.default_rng(0).normal(size=(500, 2)) * [1e-3, 1e3]
    for covariance_type, covariances in (("diag", [[1.0, 1.0]]), ("full", [np.eye(2)])):
        mixture = GaussianMixture([1.0], [[0.0, 0.0]], covariances, covariance_type)
        floored = maximise(accumulate(mixture, X), mixture, floor=[4e-6, 1.0])
        variances = floored.covariances[0] if covariance_type == "diag" else np.diagonal(floored.covariances[0])
        assert variances[0] == pytest.approx(4e-6, rel=1e-3)
        assert variances[1] == pytest.approx(X[:, 1].var(), rel=1e-6)


@pytest.mark.parametrize("X", [np.array([["2026-01-01"]], dtype="datetime64[D]"), np.zeros(3, dtype=[("a", "f8")])])
def test_dates_and_records_are_no_numbers(X):
    with pytest.raises(MixtureError, match="rows must be a matrix of real numbers"):
        fit_gmm(X, 1)


def test_tiny_variance_in_float32_overflows_nothing():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [0.0]], [[1e-40], [1.0]])
    X = np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
    np.testing.assert_allclose(mixture.log_density(X), mixture.log_density(X.astype(float)), rtol=1e-6)
