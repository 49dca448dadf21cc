"""Fitting Gaussian mixtures: against references and published numbers, in theory, and on hard input."""

import tracemalloc
import warnings

import numpy as np
import pytest
import sklearn.mixture
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris
from threadpoolctl import threadpool_limits

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, INITS, GaussianMixture, accumulate, fit_gmm, maximise
from gmmaudio.mixture.covariance import covariance_of

TYPES = COVARIANCE_TYPES

# Minutes between eruptions of Old Faithful: R's `faithful$waiting` (Azzalini and Bowman 1990), 272 values.
OLD_FAITHFUL = """
79 54 74 62 85 55 88 85 51 85 54 84 78 47 83 52 62 84 52 79 51 47 78 69 74 83 55 76 78 79 73 77 66 80 74 52 48 80 59 90
80 58 84 58 73 83 64 53 82 59 75 90 54 80 54 83 71 64 77 81 59 84 48 82 60 92 78 78 65 73 82 56 79 71 62 76 60 78 76 83
75 82 70 65 73 88 76 80 48 86 60 90 50 78 63 72 84 75 51 82 62 88 49 83 81 47 84 52 86 81 75 59 89 79 59 81 50 85 59 87
53 69 77 56 88 81 45 82 55 90 45 83 56 89 46 82 51 86 53 79 81 60 82 77 76 59 80 49 96 53 77 77 65 81 71 70 81 93 53 89
45 86 58 78 66 76 63 88 52 93 49 57 77 68 81 81 73 50 85 74 55 77 83 83 51 78 84 46 83 55 81 57 76 84 77 81 87 77 51 78
60 82 91 53 78 46 77 84 49 83 71 80 49 75 64 76 53 94 55 76 50 82 54 75 78 79 78 78 70 79 70 54 86 50 90 54 54 77 79 64
75 47 86 63 85 82 57 82 67 74 54 83 73 73 88 80 71 83 56 79 78 84 58 83 43 60 75 81 46 90 46 74
"""


def clusters(n=1500, d=3, seed=0):
    """Return rows in three groups, five deviations apart and unlike in size and shape."""
    rng = np.random.default_rng(seed)
    sizes = [n // 2, n // 3, n - n // 2 - n // 3]
    centres = 5.0 * np.array([np.zeros(d), np.ones(d), np.where(np.arange(d) % 2, 1.0, -1.0)])
    groups = [
        c + rng.normal(size=(m, d)) @ rng.normal(scale=0.7, size=(d, d)) for c, m in zip(centres, sizes, strict=True)
    ]
    return rng.permutation(np.vstack(groups))


def spread_start(X, n_components, covariance_type, seed=0):
    """Return a start: rows drawn at random, with uneven weights and half the global covariance."""
    rng = np.random.default_rng(seed)
    covariance = 0.5 * np.atleast_2d(np.cov(X.T, bias=True))
    means = X[rng.choice(len(X), n_components, replace=False)]
    weights = rng.dirichlet(np.full(n_components, 5.0))
    return GaussianMixture(
        weights, means, shaped(np.array([covariance] * n_components), weights, covariance_type), covariance_type
    )


def shaped(matrices, weights, covariance_type):
    """Return covariance matrices (k, d, d) in the shape of a type: what it can hold of them."""
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    return {
        "full": matrices,
        "diag": diagonals,
        "tied": np.einsum("k,kij->ij", weights, matrices),
        "spherical": diagonals.mean(axis=1),
    }[covariance_type]


def matrices_of(mixture):
    """Return the covariance matrices (k, d, d) of a mixture, written out here and not by the code under test."""
    k, d = mixture.means.shape
    return {
        "full": lambda c: c,
        "diag": lambda c: np.array([np.diag(row) for row in c]),
        "tied": lambda c: np.array([c] * k),
        "spherical": lambda c: np.array([v * np.eye(d) for v in c]),
    }[mixture.covariance_type](mixture.covariances)


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


def assert_same_mixture(a, b, rtol, any_order=False):
    if any_order:
        distance = np.linalg.norm((a.means[:, None] - b.means) / b.means.std(axis=0), axis=2)
        order = linear_sum_assignment(distance)[1]
        covariances = covariance_of(b.covariance_type).take(b.covariances, order)
        b = GaussianMixture(b.weights[order], b.means[order], covariances, b.covariance_type)
    np.testing.assert_allclose(a.weights, b.weights, rtol=rtol)
    np.testing.assert_allclose(a.means, b.means, rtol=rtol, atol=rtol * np.abs(b.means).max())
    np.testing.assert_allclose(a.covariances, b.covariances, rtol=rtol, atol=rtol * np.abs(b.covariances).max())


def assert_never_falls(trace, rounding=1e-9):
    """Likelihoods rise at every iteration that is not marked as re-seeded."""
    values = np.array(trace.log_likelihoods)
    falls = set(np.flatnonzero(np.diff(values) < -rounding * (1 + np.abs(values).max())) + 1)
    assert falls <= {iteration for iteration, _ in trace.reseeded}


def assert_sound(X, mixture, trace):
    """What holds of every fit, however hard the rows."""
    # a row's log density is right to 1e-4 in float32, and the errors of few rows do not average out
    assert_never_falls(trace, 1e-9 if X.dtype == np.float64 else 1e-5)
    assert mixture.n_components == trace.n_components <= trace.n_components_asked
    scores = mixture.log_density(X)
    assert np.isfinite(scores).all()
    # the trace is of the mixture returned; products of float64 in two frames of reference, or of float32
    rounding = 1e-6 if X.dtype == np.float64 else 1e-5
    assert scores.mean() == pytest.approx(trace.log_likelihoods[-1], rel=rounding, abs=rounding)
    assert mixture.weights.sum() == pytest.approx(1.0, abs=1e-12)


# --- against independent references ------------------------------------------------------------------------------


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


def test_old_faithful_equals_the_published_fit():
    X = np.array(OLD_FAITHFUL.split(), dtype=float)[:, None]
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


@pytest.mark.parametrize("floor", [0.3, 1e-3])
def test_diagonal_m_step_is_the_best_variance_above_the_floor(floor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) * [1.0, 0.1]
    first = GaussianMixture([0.4, 0.6], [[0.5, 0.0], [-0.5, 0.1]], np.ones((2, 2)))
    shares = first.responsibilities(X)
    mixture = maximise(accumulate(first, [X]), first, floor=floor)
    np.testing.assert_allclose(mixture.weights, shares.mean(axis=0), rtol=1e-12)
    # the second feature's variance is 0.01: the floor binds there in one case and nowhere in the other
    assert (mixture.covariances == floor).sum() == (2 if floor == 0.3 else 0)
    for k in range(2):
        for j in range(2):

            def loss(p, share=shares[:, k], x=X[:, j]):
                return 0.5 * (share @ (np.log(p[1]) + (x - p[0]) ** 2 / p[1])) / share.sum()

            best = minimize(loss, [0.1, 1.0], bounds=[(None, None), (floor, None)], options={"ftol": 1e-15})
            # the search stops within 1e-8 of the optimum in value, so within 1e-4 of its place
            np.testing.assert_allclose([mixture.means[k, j], mixture.covariances[k, j]], best.x, atol=1e-4)
            assert loss([mixture.means[k, j], mixture.covariances[k, j]]) <= best.fun + 1e-12


def test_full_m_step_is_the_best_covariance_with_eigenvalues_above_the_floor():
    X = np.random.default_rng(0).normal(size=(300, 2)) @ np.array([[1.0, 0.5], [0.0, 0.1]])
    first = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)], "full")
    scatter = np.cov(X.T, bias=True)
    floor = 0.1
    assert np.linalg.eigvalsh(scatter)[0] < floor
    mixture = maximise(accumulate(first, [X]), first, floor=floor)

    def expected_log_density(covariance):
        return -0.5 * (np.linalg.slogdet(covariance)[1] + np.trace(np.linalg.solve(covariance, scatter)))

    grid = []
    for angle in np.linspace(0, np.pi, 90):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for high in np.geomspace(floor, 5, 60):
            for low in floor * np.array([1.0, 1.1, 1.5, 3.0]):
                grid.append(expected_log_density(turn @ np.diag([high, low]) @ turn.T))
    ours = expected_log_density(mixture.covariances[0])
    assert np.linalg.eigvalsh(mixture.covariances[0])[0] == pytest.approx(floor, rel=1e-9)
    # nothing on the grid is better, and the grid is fine enough to come close
    assert max(grid) <= ours + 1e-12
    assert max(grid) == pytest.approx(ours, abs=5e-3)


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


# --- theory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("variance_floor", [1e-3, 0.3])
def test_likelihood_never_falls_and_moves(covariance_type, init, variance_floor):
    # one smooth crowd: no start is near a maximum
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
    # rounding between the rows' frame of reference and the mixture's
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
    monkeypatch.setattr("gmmaudio.mixture.rows.CHUNK_ROWS", 3 * block_rows)
    other, other_trace = fit_gmm(X, 4, **options)
    # the same sums with other partial sums
    assert_same_mixture(other, plain, rtol=1e-10)
    np.testing.assert_allclose(other_trace.log_likelihoods, plain_trace.log_likelihoods, rtol=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_memory_does_not_grow_with_the_rows(covariance_type):
    X = np.random.default_rng(0).normal(size=(80_000, 3)).astype(np.float32)
    start = spread_start(X[:1000], 64, covariance_type)
    peaks = []
    fit_gmm(X[:2000], 64, covariance_type=covariance_type, init=start, max_iter=1)
    for n in (20_000, 80_000):
        tracemalloc.start()
        fit_gmm(X[:n], 64, covariance_type=covariance_type, init=start, max_iter=2, tol=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # a chunk of 8,192 x 3 is 0.2 MB in float64, a block of 512 x 64 0.3 MB; all rows by components would be 10 and
    # 41 MB, rows in float64 2 MB
    assert max(peaks) < 1.5e6
    assert abs(peaks[1] - peaks[0]) < 5e4


@pytest.mark.parametrize("init", INITS)
def test_starts_take_a_bounded_sample_of_the_rows(init):
    X = np.random.default_rng(0).normal(size=(120_000, 8)).astype(np.float32)
    fit_gmm(X[:500], 2, init=init, max_iter=0)
    peaks = []
    for n in (40_000, 120_000):
        tracemalloc.start()
        fit_gmm(X[:n], 16, init=init, max_iter=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # drawing the sample may hold an index a row, twice (8 bytes); rows in float64 would be 64 bytes each, 5 MB more
    assert peaks[1] - peaks[0] < 80_000 * 17 + 1e5


# --- settings ----------------------------------------------------------------------------------------------------


CROWD = np.random.default_rng(7).standard_t(4, size=(600, 2))


@pytest.mark.parametrize(
    "changed",
    [
        {"n_components": 5},
        {"covariance_type": "full"},
        {"covariance_type": "tied"},
        {"covariance_type": "spherical"},
        {"weights": np.linspace(0.1, 3.0, 600)},
        {"accelerate": True},
        {"init": "hierarchical"},
        {"init": "binary"},
        {"init": "random"},
        {"init": spread_start(CROWD, 4, "diag")},
        {"n_init": 8},
        {"max_iter": 3},
        {"tol": 1e-2},
        {"variance_floor": 0.3},
        {"rng": np.random.default_rng(1)},
    ],
    ids=lambda changed: "-".join(f"{k}={v if isinstance(v, str | int | float) else '..'}" for k, v in changed.items()),
)
def test_every_setting_changes_the_fit(changed):
    default = {"n_components": 4, "init": "kmeans", "max_iter": 30}
    plain, _ = fit_gmm(CROWD, **default)
    other, _ = fit_gmm(CROWD, **(default | changed))
    assert other.covariances.shape != plain.covariances.shape or not np.allclose(
        np.sort(other.covariances, axis=0), np.sort(plain.covariances, axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("max_iter", [0, 1, 7, 60])
def test_zero_tolerance_runs_exactly_max_iter(covariance_type, max_iter):
    # in 60 iterations one Gaussian has long stopped rising
    X = np.random.default_rng(0).normal(size=(200, 2))
    _, trace = fit_gmm(X, 1, covariance_type=covariance_type, max_iter=max_iter, tol=0)
    assert trace.n_iter == max_iter
    assert len(trace.log_likelihoods) == max_iter + 1
    assert not trace.converged


@pytest.mark.parametrize("covariance_type", TYPES)
def test_no_iterations_return_the_start(covariance_type):
    X = clusters()
    start = spread_start(X, 3, covariance_type)
    mixture, _ = fit_gmm(X, 3, covariance_type=covariance_type, init=start, max_iter=0)
    # into the rows' frame of reference and back: rounding
    assert_same_mixture(mixture, start, rtol=1e-12)


@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-5])
def test_fit_stops_at_the_first_rise_below_tol_nats_a_feature(tol):
    start = spread_start(CROWD, 3, "diag")
    _, trace = fit_gmm(CROWD, 3, init=start, max_iter=1000, tol=tol)
    rises = np.diff(trace.log_likelihoods)
    assert trace.converged
    assert rises[-1] < 2 * tol
    assert (rises[:-1] >= 2 * tol).all()


def test_fit_that_runs_out_of_iterations_has_not_converged():
    _, trace = fit_gmm(CROWD, 4, max_iter=2, tol=1e-9)
    assert (trace.n_iter, trace.converged) == (2, False)


@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_more_starts_are_never_worse_and_sometimes_better(init):
    ends = {}
    for n_init in (1, 2, 5):
        ends[n_init] = np.array(
            [
                fit_gmm(CROWD, 6, init=init, n_init=n_init, max_iter=30, rng=np.random.default_rng(seed))[
                    1
                ].log_likelihoods[-1]
                for seed in range(6)
            ]
        )
    # the first start of many is the only start of one
    assert (ends[2] >= ends[1]).all()
    assert (ends[5] >= ends[2]).all()
    assert (ends[5] > ends[1]).any()


def crowd_and_repeated_rows():
    """Return a crowd beside two rows that are repeated often, in unlike units."""
    crowd = np.random.default_rng(0).normal(size=(400, 3))
    repeated = np.repeat([[9.0, 9.0, 9.0], [-9.0, 9.0, -9.0]], 50, axis=0)
    return np.vstack([crowd, repeated]) * [1e-3, 1.0, 1e3]


@pytest.mark.parametrize("floor", [1.0, 0.2, 1e-3])
def test_diagonal_variances_stay_above_a_share_of_the_global_ones(floor):
    X = crowd_and_repeated_rows()
    mixture, trace = fit_gmm(X, 7, variance_floor=floor)
    share = mixture.covariances / X.var(axis=0)
    # reached by the repeated rows, up to rounding
    assert share.min() == pytest.approx(floor, rel=1e-6)
    assert trace.floored == tuple(np.flatnonzero((share < floor * (1 + 1e-6)).all(axis=1)))
    assert trace.floored


@pytest.mark.parametrize("floor", [0.2, 1e-3])
def test_full_eigenvalues_stay_above_a_share_of_the_global_variance(floor):
    X = crowd_and_repeated_rows()
    mixture, trace = fit_gmm(X, 7, covariance_type="full", variance_floor=floor)
    deviation = X.std(axis=0)
    values = np.linalg.eigvalsh(mixture.covariances / deviation / deviation[:, None])
    assert values.min() == pytest.approx(floor, rel=1e-6)
    assert trace.floored == tuple(np.flatnonzero(values[:, -1] < floor * (1 + 1e-6)))
    assert trace.floored


# --- determinism -------------------------------------------------------------------------------------------------


def bits(mixture, trace):
    return b"".join(a.tobytes() for a in (mixture.weights, mixture.means, mixture.covariances)), trace


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


# --- components that lose their rows -----------------------------------------------------------------------------


def two_groups(n=400):
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(-5, 1, (n, 2)), rng.normal(5, 1, (n, 2))])


def start_with_a_lost_component(covariance_type):
    covariances = shaped(np.array([30.0 * np.eye(2)] * 2), np.full(2, 0.5), covariance_type)
    return GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1e4, 1e4]], covariances, covariance_type)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_component_without_rows_is_placed_anew_and_named(covariance_type):
    X = two_groups()
    start = start_with_a_lost_component(covariance_type)
    mixture, trace = fit_gmm(X, 2, covariance_type=covariance_type, init=start)
    assert trace.reseeded == ((1, (1,)),)
    assert_sound(X, mixture, trace)
    # half the rows each, to a row
    np.testing.assert_allclose(mixture.weights, 0.5, atol=1e-3)
    np.testing.assert_allclose(np.sort(mixture.means, axis=0), [[-5, -5], [5, 5]], atol=0.2)
    _, alone = fit_gmm(X, 1, covariance_type=covariance_type)
    # two groups ten deviations apart in one Gaussian cost far more than half a nat a row
    assert trace.log_likelihoods[-1] > alone.log_likelihoods[-1] + 0.5


def test_two_lost_components_are_placed_apart():
    X = np.vstack([two_groups(), two_groups() * [1, -1]])
    start = GaussianMixture([0.2, 0.3, 0.5], [[0, 0], [1e4, 0], [0, 1e4]], np.full((3, 2), 30.0))
    mixture, trace = fit_gmm(X, 3, init=start, tol=1e-6)
    assert trace.reseeded == ((1, (1, 2)),)
    assert_sound(X, mixture, trace)
    # a share each, and no two stand on one another (the groups are ten apart)
    assert mixture.weights.min() > 0.1
    apart = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=2)[np.triu_indices(3, 1)]
    assert apart.min() > 5


def test_component_on_a_single_row_is_placed_anew_and_named():
    X = np.vstack([np.random.default_rng(0).normal(size=(500, 2)), [[40.0, 40.0]]])
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [40.0, 40.0]], np.ones((2, 2)))
    mixture, trace = fit_gmm(X, 2, init=start, max_iter=4, tol=0)
    assert trace.reseeded == ((1, (1,)),)
    # the only fall is where the trace says so, and there is one
    assert trace.log_likelihoods[1] < trace.log_likelihoods[0]
    assert_sound(X, mixture, trace)
    assert mixture.weights.min() > 2 / 501


@pytest.mark.parametrize("covariance_type", TYPES)
def test_no_component_is_placed_anew_in_the_last_iteration(covariance_type):
    # it would be returned before it had seen a row
    X = two_groups()
    start = start_with_a_lost_component(covariance_type)
    mixture, trace = fit_gmm(X, 2, covariance_type=covariance_type, init=start, max_iter=1, tol=0)
    assert trace.reseeded == ()
    assert_sound(X, mixture, trace)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("asked", [4, 50])
def test_more_components_than_distinct_rows_keep_one_for_each(covariance_type, init, asked):
    X = np.repeat([[0.0, 0.0], [1.0, 5.0], [2.0, -5.0]], 10, axis=0)
    mixture, trace = fit_gmm(X, asked, covariance_type=covariance_type, init=init)
    assert (trace.n_components_asked, trace.n_components, mixture.n_components) == (asked, 3, 3)
    assert_sound(X, mixture, trace)
    # every row's component stands on it, up to rounding
    np.testing.assert_allclose(mixture.means[np.argsort(mixture.means[:, 0])], X[::10], atol=1e-9)
    np.testing.assert_allclose(mixture.weights, 1 / 3, rtol=1e-9)


def test_as_many_components_as_distinct_rows_are_all_kept():
    _, trace = fit_gmm(np.repeat([[0.0], [1.0], [2.0]], 10, axis=0), 3)
    assert (trace.n_components_asked, trace.n_components) == (3, 3)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_one_row_gives_one_component_on_it(covariance_type, init):
    mixture, trace = fit_gmm([[3.0, -1.0, 1e6]], 4, covariance_type=covariance_type, init=init)
    assert (trace.n_components_asked, trace.n_components) == (4, 1)
    np.testing.assert_array_equal(mixture.means, [[3.0, -1.0, 1e6]])
    assert np.isfinite(mixture.log_density([[3.0, -1.0, 1e6], [0.0, 0.0, 0.0]])).all()


# --- hard rows ---------------------------------------------------------------------------------------------------

NOISE = np.random.default_rng(1).normal(size=(300, 3))
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


# --- what is refused ---------------------------------------------------------------------------------------------


def rows_with(value):
    X = np.zeros((2000, 3))
    X[1200, 2] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.full((3, 2), np.nan), "there are no rows; at least one is needed"),
        (
            rows_with(-np.inf),
            "row 1200, column 2 is -inf; rows must be finite, or NaN where a value is missing: "
            "drop or repair such rows",
        ),
        (np.zeros(5), "rows have shape (5,); expected (n_rows, n_features): one row for each observation"),
        (np.zeros((0, 3)), "there are no rows; at least one is needed"),
        (np.zeros((4, 0)), "rows have shape (4, 0); expected (n_rows, n_features): one row for each observation"),
    ],
    ids=["nan", "inf", "one-dimensional", "no rows", "no columns"],
)
def test_rows_that_cannot_be_fitted_are_refused(X, message):
    with pytest.raises(MixtureError) as caught:
        fit_gmm(X, 1)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_components": 0}, "n_components is 0; expected a whole number, 1 or more"),
        ({"n_components": 2.5}, "n_components is 2.5; expected a whole number, 1 or more"),
        ({"n_init": 0}, "n_init is 0; expected a whole number, 1 or more"),
        ({"max_iter": -1}, "max_iter is -1; expected a whole number, 0 or more"),
        ({"tol": -1e-3}, "tol is -0.001; expected 0 or more"),
        ({"tol": np.nan}, "tol is nan; expected 0 or more"),
        ({"tol": np.inf}, "tol is inf; expected 0 or more"),
        (
            {"variance_floor": -0.1},
            "variance_floor is -0.1; expected a share of the global variance, 0 to 1",
        ),
        ({"variance_floor": 2}, "variance_floor is 2; expected a share of the global variance, 0 to 1"),
        ({"variance_floor": np.nan}, "variance_floor is nan; expected a share of the global variance, 0 to 1"),
        ({"covariance_type": "cubic"}, "covariance_type is 'cubic'; expected one of diag, full, tied, spherical"),
        (
            {"init": "k-means"},
            "init is 'k-means'; expected one of kmeans, hierarchical, binary, random, or a GaussianMixture",
        ),
        ({"n_threads": 0}, "n_threads is 0; expected 1 or more, or -1 for one on each core"),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_bad_settings_are_refused(bad, message):
    with pytest.raises(SettingError) as caught:
        fit_gmm(NOISE, **({"n_components": 2} | bad))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given_type", "n_components", "n_features", "got"),
    [("diag", 3, 3, "(3, 'diag', 3)"), ("full", 2, 3, "(2, 'full', 3)"), ("diag", 2, 2, "(2, 'diag', 2)")],
    ids=["components", "covariance type", "features"],
)
def test_given_start_that_does_not_fit_is_refused(given_type, n_components, n_features, got):
    start = spread_start(NOISE[:, :n_features], n_components, given_type)
    with pytest.raises(MixtureError) as caught:
        fit_gmm(NOISE, 2, init=start)
    assert str(caught.value) == (
        f"init is a mixture of (components, covariance, features) {got}; expected (2, 'diag', 3)"
    )
