"""EM against independent references, in theory, and for determinism; its callback."""

import signal
import threading
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
import sklearn.mixture
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris
from threadpoolctl import threadpool_info, threadpool_limits

from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, fit_gmm
from tests.mixture.conftest import (
    assert_same_mixture,
    assert_sound,
    bits,
    clusters,
    crowd,
    first_mixture,
    matrices_of,
    shaped,
    spread_start,
)

TYPES = COVARIANCE_TYPES


def textbook_em(X, start, n_iter):
    """Return weights, means, covariance matrices and likelihoods by EM as in Bishop, section 9.2.2."""
    weights, means = start.weights, start.means
    matrices = matrices_of(start)
    likelihoods = []
    for iteration in range(n_iter + 1):
        log_joint = np.array(
            [
                np.log(w) + np.atleast_1d(multivariate_normal(m, c).logpdf(X))
                for w, m, c in zip(weights, means, matrices, strict=True)
            ]
        )
        log_density = logsumexp(log_joint, axis=0)
        likelihoods.append(log_density.mean())
        if iteration == n_iter:
            break
        shares = np.exp(log_joint - log_density)
        n = shares.sum(axis=1)
        weights, means = n / len(X), shares @ X / n[:, None]
        centred = [X - m for m in means]
        matrices = np.array([(s[:, None] * z).T @ z / s.sum() for s, z in zip(shares, centred, strict=True)])
        covariances = shaped(matrices, weights, start.covariance_type)
        matrices = matrices_of(GaussianMixture(weights, means, covariances, start.covariance_type))
    return weights, means, covariances, likelihoods


# --- against independent references ----------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_iter", [1, 12])
def test_fit_equals_textbook_em(covariance_type, n_iter):
    # not a multiple of the rows in a block
    X = clusters(2500)
    start = spread_start(X, 4, covariance_type)
    weights, means, covariances, likelihoods = textbook_em(X, start, n_iter)
    mixture, trace = fit_gmm(
        X, 4, covariance_type=covariance_type, init=start, max_iter=n_iter, tol=0, variance_floor=0
    )
    # both in float64: rounding, doubled a little by each iteration; 2e-13 measured
    np.testing.assert_allclose(trace.log_likelihoods, likelihoods, rtol=1e-10)
    assert_same_mixture(mixture, GaussianMixture(weights, means, covariances, covariance_type), rtol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_iter", [1, 30])
def test_fit_equals_scikit_learn_from_the_same_start(covariance_type, n_iter):
    X = clusters(2000)
    start = spread_start(X, 4, covariance_type)
    peer = sklearn.mixture.GaussianMixture(
        4,
        covariance_type=covariance_type,
        tol=0,
        reg_covar=0,
        max_iter=n_iter,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=1 / start.covariances
        if covariance_type in ("diag", "spherical")
        else np.linalg.inv(start.covariances),
    )
    with warnings.catch_warnings():
        # it warns when it ran as many iterations as it was asked for
        warnings.simplefilter("ignore")
        peer.fit(X)
    mixture, trace = fit_gmm(
        X, 4, covariance_type=covariance_type, init=start, max_iter=n_iter, tol=0, variance_floor=0
    )
    # the peer adds 2e-15 to every count and does not centre; both far below 1e-6
    assert_same_mixture(
        mixture, GaussianMixture(peer.weights_, peer.means_, peer.covariances_, covariance_type), rtol=1e-6
    )
    assert trace.log_likelihoods[-1] == pytest.approx(peer.score(X), rel=1e-9)


def test_old_faithful_equals_the_published_fit(faithful):
    X = faithful[:, 1:]
    assert (len(X), X.sum()) == (272, 19284)
    mixture, trace = fit_gmm(X, 2, max_iter=1000, tol=1e-12, variance_floor=0)
    order = np.argsort(mixture.means[:, 0])
    # Benaglia et al., "mixtools", Journal of Statistical Software 32(6), 2009, section 2: normalmixEM(waiting);
    # it stops at a rise of 1e-8, which leaves the last printed digit open
    np.testing.assert_allclose(mixture.weights[order], [0.3608868, 0.6391132], atol=1e-5)
    np.testing.assert_allclose(mixture.means[order, 0], [54.61489, 80.09109], atol=1e-4)
    np.testing.assert_allclose(np.sqrt(mixture.covariances[order, 0]), [5.871241, 5.867718], atol=1e-4)
    assert 272 * trace.log_likelihoods[-1] == pytest.approx(-1034.002, abs=1e-3)


@pytest.mark.parametrize(
    ("covariance_type", "n_components", "bic", "n_parameters"),
    [
        ("diag", 1, -1522.1202, 8),
        ("diag", 2, -857.5515, 17),
        ("full", 1, -829.9782, 14),
        ("full", 2, -574.0178, 29),
        ("full", 3, -580.8396, 44),
        ("tied", 1, -829.9782, 14),
        ("spherical", 1, -1804.0854, 5),
    ],
)
def test_iris_equals_the_bic_that_mclust_prints(covariance_type, n_components, bic, n_parameters):
    # R: Mclust(iris[, 1:4], modelNames = c("VVI", "VVV", "EEE", "VII")); its BIC is 2 log L - parameters x log n
    X = load_iris().data
    _, trace = fit_gmm(
        X,
        n_components,
        covariance_type=covariance_type,
        init="hierarchical",
        max_iter=1000,
        tol=1e-9,
        variance_floor=0,
    )
    ours = 2 * 150 * trace.log_likelihoods[-1] - n_parameters * np.log(150)
    # mclust stops at a relative rise of 1e-5, just below the maximum
    assert ours == pytest.approx(bic, abs=0.01)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(("offset", "dtype"), [(1e3, "float32"), (3e3, "float32"), (1e8, "float64")])
def test_variance_is_right_far_from_the_origin(covariance_type, offset, dtype):
    # scikit-learn 1.9 reads 2.69 for 1.01 here at 1e3 in float32 and raises with two components: it subtracts
    # E[x]^2 from E[x^2] (its issue 30382)
    X = (offset + np.random.default_rng(0).normal(size=(5000, 2))).astype(dtype)
    expected = X.astype(np.float64).var(axis=0)
    for n_components in (1, 2):
        mixture, _ = fit_gmm(X, n_components, covariance_type=covariance_type)
        mean = mixture.weights @ mixture.means
        within = np.diagonal(matrices_of(mixture), axis1=1, axis2=2)
        total = mixture.weights @ (within + (mixture.means - mean) ** 2)
        if covariance_type == "spherical":
            total, expected = total.mean(), expected.mean()
        # means are stored to 1e-8 at 1e8; all else is rounding, that of float32 sums of 5,000 terms included
        np.testing.assert_allclose(total, expected, rtol=1e-6)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_fit_recovers_the_mixture_that_made_the_rows(covariance_type):
    matrices = np.array([[[1.0, 0.6], [0.6, 1.0]], [[0.5, 0.0], [0.0, 2.0]], [[1.5, -0.5], [-0.5, 0.7]]])
    covariances = shaped(matrices, np.array([0.5, 0.3, 0.2]), covariance_type)
    truth = GaussianMixture([0.5, 0.3, 0.2], [[-5.0, 0.0], [0.0, 4.0], [5.0, 0.0]], covariances, covariance_type)
    X = truth.sample(30_000, np.random.default_rng(1))
    mixture, trace = fit_gmm(X, 3, covariance_type=covariance_type)
    order = np.argsort(mixture.means[:, 0])
    # five standard errors of 6,000 rows: 5 sqrt(0.25 / 30,000), 5 sqrt(2 / 6,000), 5 x 2 sqrt(2 / 6,000)
    np.testing.assert_allclose(mixture.weights[order], truth.weights, atol=0.015)
    np.testing.assert_allclose(mixture.means[order], truth.means, atol=0.09)
    np.testing.assert_allclose(matrices_of(mixture)[order], matrices_of(truth), atol=0.18)
    # the maximum lies above the truth, by about half its parameters (17) over the rows
    assert 0 < trace.log_likelihoods[-1] - truth.log_density(X).mean() < 17 / 30_000


# --- theory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("variance_floor", [1e-3, 0.3])
def test_likelihood_never_falls_and_moves(covariance_type, init, variance_floor):
    # rows without clusters: no start is near a maximum
    X = np.random.default_rng(0).standard_t(4, size=(1500, 3))
    mixture, trace = fit_gmm(
        X, 5, covariance_type=covariance_type, init=init, max_iter=40, tol=0, variance_floor=variance_floor
    )
    assert_sound(X, mixture, trace)
    assert trace.reseeded == ()
    assert trace.log_likelihoods[-1] - trace.log_likelihoods[0] > 0.02
    # more than one step of it
    assert trace.log_likelihoods[-1] - trace.log_likelihoods[1] > 0.005


@pytest.mark.parametrize("covariance_type", TYPES)
def test_trace_starts_at_the_given_start_and_ends_at_the_mixture(covariance_type):
    X = clusters()
    start = spread_start(X, 3, covariance_type)
    mixture, trace = fit_gmm(X, 3, covariance_type=covariance_type, init=start, max_iter=7, tol=0)
    assert trace.n_iter == 7
    # rounding between the rows' whitened coordinates and the mixture's
    assert trace.log_likelihoods[0] == pytest.approx(start.log_density(X).mean(), rel=1e-10)
    assert trace.log_likelihoods[-1] == pytest.approx(mixture.log_density(X).mean(), rel=1e-10)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n_iter", [1, 9])
def test_mixture_has_the_moments_of_the_rows_after_every_m_step(covariance_type, n_iter):
    X = clusters()
    mixture, _ = fit_gmm(
        X,
        4,
        covariance_type=covariance_type,
        init=spread_start(X, 4, covariance_type),
        max_iter=n_iter,
        tol=0,
        variance_floor=0,
    )
    mean = mixture.weights @ mixture.means
    between = (mixture.weights[:, None] * (mixture.means - mean)).T @ (mixture.means - mean)
    # an identity of the M-step: rounding only
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-10)
    total = np.einsum("k,kij->ij", mixture.weights, matrices_of(mixture)) + between
    expected = np.cov(X.T, bias=True)
    if covariance_type == "diag":
        total, expected = np.diagonal(total), np.diagonal(expected)
    elif covariance_type == "spherical":
        total, expected = np.trace(total), np.trace(expected)
    np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_units_and_offsets_do_not_matter(covariance_type, init):
    X = clusters()
    centre, scale = np.array([1e3, -1e5, 0.0]), np.array([1e-4, 1.0, -1e7])
    if covariance_type == "spherical":
        # which knows one unit only
        scale = np.full(3, 1e3)
    plain, plain_trace = fit_gmm(X, 3, covariance_type=covariance_type, init=init)
    moved, moved_trace = fit_gmm(X * scale + centre, 3, covariance_type=covariance_type, init=init)
    back = moved.transform(centre, scale)
    # rows keep 9 digits at an offset of 1e5; the groups are too far apart for any start to turn on the rest
    assert_same_mixture(back, plain, rtol=1e-6, any_order=True)
    shift = np.log(np.abs(scale)).sum()
    np.testing.assert_allclose(np.add(moved_trace.log_likelihoods, shift), plain_trace.log_likelihoods, rtol=1e-7)


def test_full_fit_follows_any_linear_map():
    X = clusters()
    matrix = np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 3.0], [0.0, 1.0, 1.0]])
    start = spread_start(X, 3, "full")
    mapped_start = GaussianMixture(
        start.weights, start.means @ matrix.T, _symmetric(matrix @ start.covariances @ matrix.T), "full"
    )
    options = {"covariance_type": "full", "max_iter": 20, "tol": 0, "variance_floor": 0}
    plain, _ = fit_gmm(X, 3, init=start, **options)
    mapped, _ = fit_gmm(X @ matrix.T, 3, init=mapped_start, **options)
    expected = GaussianMixture(
        plain.weights, plain.means @ matrix.T, _symmetric(matrix @ plain.covariances @ matrix.T), "full"
    )
    # without a floor a full mixture knows no axes: rounding only
    assert_same_mixture(mapped, expected, rtol=1e-8)


def _symmetric(matrices):
    return (matrices + matrices.transpose(0, 2, 1)) / 2


@pytest.mark.parametrize("covariance_type", TYPES)
def test_order_and_multiplicity_of_rows_do_not_matter(covariance_type):
    X = clusters()
    options = {
        "covariance_type": covariance_type,
        "init": spread_start(X, 4, covariance_type),
        "max_iter": 20,
        "tol": 0,
    }
    plain, trace = fit_gmm(X, 4, **options)
    shuffled, _ = fit_gmm(np.random.default_rng(9).permutation(X), 4, **options)
    thrice, thrice_trace = fit_gmm(np.repeat(X, 3, axis=0), 4, **options)
    # sums in another order
    assert_same_mixture(shuffled, plain, rtol=1e-9)
    assert_same_mixture(thrice, plain, rtol=1e-9)
    np.testing.assert_allclose(thrice_trace.log_likelihoods, trace.log_likelihoods, rtol=1e-10)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_order_of_features_does_not_matter(covariance_type):
    X = clusters()
    order = [2, 0, 1]
    plain, _ = fit_gmm(X, 3, covariance_type=covariance_type)
    turned, _ = fit_gmm(X[:, order], 3, covariance_type=covariance_type)
    covariances = shaped(matrices_of(plain)[:, order][:, :, order], plain.weights, covariance_type)
    # sums in another order; the groups are too far apart for k-means to turn on it
    expected = GaussianMixture(plain.weights, plain.means[:, order], covariances, covariance_type)
    assert_same_mixture(turned, expected, 1e-8, any_order=True)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("block_rows", [1, 37, 1499, 1500, 1501])
def test_fit_does_not_depend_on_block_boundaries(covariance_type, block_rows, monkeypatch):
    X = clusters(1500)
    start = spread_start(X, 4, covariance_type)
    options = {"covariance_type": covariance_type, "init": start, "max_iter": 4, "tol": 0}
    plain, plain_trace = fit_gmm(X, 4, **options)
    monkeypatch.setattr("gmmaudio.mixture.rows.BLOCK_ROWS", block_rows)
    monkeypatch.setattr("gmmaudio.mixture.sources.CHUNK_ROWS", 3 * block_rows)
    other, other_trace = fit_gmm(X, 4, **options)
    # the same sums with other partial sums
    assert_same_mixture(other, plain, rtol=1e-10)
    np.testing.assert_allclose(other_trace.log_likelihoods, plain_trace.log_likelihoods, rtol=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_memory_does_not_grow_with_the_rows(covariance_type, monkeypatch):
    # more rows than are kept, whose columns take 12 bytes each
    monkeypatch.setattr("gmmaudio.mixture.kept.KEPT_BYTES", 12 * 10_000)
    X = np.random.default_rng(0).normal(size=(80_000, 3)).astype(np.float32)
    start = spread_start(X[:1000], 64, covariance_type)
    peaks = []
    fit_gmm(X[:2000], 64, covariance_type=covariance_type, init=start, max_iter=1)
    for n in (20_000, 80_000):
        tracemalloc.start()
        fit_gmm(X[:n], 64, covariance_type=covariance_type, init=start, max_iter=2, tol=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # a chunk of 8,192 x 3 is 0.2 MB in float64, a block of 2,048 x 64 0.5 MB, 1 MB in float64; all rows by components
    # would be 10 and 41 MB, rows in float64 2 MB
    assert max(peaks) < 3e6
    assert abs(peaks[1] - peaks[0]) < 5e4


# --- determinism -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_same_seed_gives_the_same_bits_and_no_seed_is_seed_zero(covariance_type, init):
    X = np.random.default_rng(0).normal(size=(3000, 3))
    options = {"covariance_type": covariance_type, "init": init, "max_iter": 5}
    default = bits(*fit_gmm(X, 4, **options))
    np.random.seed(99)  # noqa: NPY002 - the global state must not matter
    assert bits(*fit_gmm(X, 4, **options)) == default
    assert bits(*fit_gmm(X, 4, rng=np.random.default_rng(0), **options)) == default


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_thread_count_does_not_change_a_bit(covariance_type, init):
    # wide enough for BLAS to share the products among threads
    X = np.random.default_rng(0).normal(size=(6000, 20))
    results = []
    for limit in (1, 2):
        with threadpool_limits(limit):
            results.append(bits(*fit_gmm(X, 24, covariance_type=covariance_type, init=init, max_iter=3, tol=0)))
    assert results[0] == results[1]


def test_fit_leaves_rows_start_and_global_random_state_alone():
    X = clusters(300)
    start = spread_start(X, 3, "diag")
    before, state = X.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    means = start.means.copy()
    fit_gmm(X, 3, init=start)
    fit_gmm(X, 3)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(start.means, means)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


# --- callbacks -------------------------------------------------------------------------------------------------------


def test_callback_gets_every_step_and_a_checkpoint_continues_the_fit():
    X, start, steps = crowd(9000, dtype="float64"), first_mixture("diag"), []
    mixture, trace = fit_gmm(X, 8, init=start, max_iter=6, tol=0, callback=steps.append)
    assert [step.iteration for step in steps] == list(range(7))
    assert tuple(step.log_likelihood for step in steps) == trace.log_likelihoods
    np.testing.assert_array_equal(steps[-1].mixture.means, mixture.means)
    resumed, _ = fit_gmm(X, 8, init=steps[2].mixture, max_iter=4, tol=0)
    # into the rows' units and back once more: rounding
    np.testing.assert_allclose(resumed.means, mixture.means, rtol=1e-9, atol=1e-9)


def test_callback_gets_the_index_of_the_start():
    steps = []
    fit_gmm(crowd(500), 2, n_init=3, max_iter=1, tol=0, callback=steps.append)
    assert [(step.start, step.iteration) for step in steps] == [(i, j) for i in range(3) for j in range(2)]


class StopError(Exception):
    """An exception that no code but the test raises."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopError])
@pytest.mark.parametrize("iteration", [0, 3])
@pytest.mark.parametrize(
    "options",
    [{}, {"n_threads": 2}, {"n_threads": 2, "accelerate": True}, {"n_init": 2, "init": "random"}, {"mapper": map}],
    ids=["one thread", "two threads", "accelerated", "two starts", "mapper"],
)
def test_an_exception_in_the_callback_ends_the_fit(error, iteration, options):
    limits = [(info["filepath"], info["num_threads"]) for info in threadpool_info()]
    threads, steps = set(threading.enumerate()), []
    raised = error("stop")

    def callback(step):
        steps.append((step.start, step.iteration))
        if step.iteration == iteration:
            raise raised

    with pytest.raises(error) as caught:
        # three chunks
        fit_gmm(crowd(20_000), 4, max_iter=9, tol=0, callback=callback, **options)
    assert caught.value is raised
    assert steps == [(0, i) for i in range(iteration + 1)]
    assert set(threading.enumerate()) == threads
    assert [(info["filepath"], info["num_threads"]) for info in threadpool_info()] == limits


def test_a_fit_after_one_that_was_stopped_gives_the_same_bits():
    X = crowd(20_000)
    expected = bits(*fit_gmm(X, 4, max_iter=3, n_threads=2))

    def callback(step):
        raise StopError

    with pytest.raises(StopError):
        fit_gmm(X, 4, max_iter=3, n_threads=2, callback=callback)
    assert bits(*fit_gmm(X, 4, max_iter=3, n_threads=2)) == expected


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_during_an_iteration_ends_the_fit(n_threads, request):
    # a job in the background starts with this signal ignored
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    limits = [(info["filepath"], info["num_threads"]) for info in threadpool_info()]
    threads, steps, X = set(threading.enumerate()), [], crowd(40_000)

    def source():
        yield X[:30_000]
        if len(steps) == 3:
            # as the terminal does, while the threads work on the chunks before
            signal.raise_signal(signal.SIGINT)
        yield X[30_000:]

    with pytest.raises(KeyboardInterrupt):
        fit_gmm(source, 4, max_iter=50, tol=0, n_threads=n_threads, callback=steps.append)
    assert len(steps) == 3
    assert set(threading.enumerate()) == threads
    assert [(info["filepath"], info["num_threads"]) for info in threadpool_info()] == limits


# --- regressions -----------------------------------------------------------------------------------------------------


def test_trace_lists_only_components_at_the_floor():
    X = np.random.default_rng(0).normal(size=(500, 2))
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e3, 1e3]], np.ones((2, 2)))
    mixture, trace = fit_gmm(X, 2, init=start, max_iter=1)
    assert (mixture.covariances > 0.5).all()
    assert trace.floored == ()


@pytest.mark.parametrize("init", INITS)
def test_column_order_in_memory_does_not_change_a_bit(init):
    X = np.random.default_rng(0).normal(size=(1500, 3))
    plain, _ = fit_gmm(X, 3, init=init, max_iter=5)
    fortran, _ = fit_gmm(np.asfortranarray(X), 3, init=init, max_iter=5)
    np.testing.assert_array_equal(fortran.means, plain.means)
