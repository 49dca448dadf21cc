"""MAP adaptation: against Reynolds' equations, limits, hard input, refusals."""

import itertools

import numpy as np
import pytest
import sklearn.exceptions
import sklearn.mixture
from scipy.special import logsumexp

from gmmaudio.errors import GmmaudioError, MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture, SufficientStats, accumulate
from gmmaudio.mixture.adaptation import PARAMETERS, adapt, adapt_gmm
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_density, scipy_log_joint, shaped

TYPES = ("diag", "full", "tied", "spherical")


SUBSETS = [some for n in (1, 2, 3) for some in itertools.combinations(PARAMETERS, n)]


def some_rows(n=60, n_features=2, seed=1, offset=0.0):
    """Return rows with another mean and spread than the mixtures above."""
    return offset + np.random.default_rng(seed).normal(0.7, 1.6, size=(n, n_features))


def small_mixture(covariance_type, seed=0, offset=0.0):
    return random_mixture(covariance_type, 3, 2, seed, offset, scale=2.0)


def responsibilities_by_scipy(mixture, X):
    log_joint = scipy_log_joint(mixture, X)
    return np.exp(log_joint - logsumexp(log_joint, axis=0))


def textbook(ubm, X, relevance, parameters, row_weights=None):
    """Return weights, means and covariances by equations 7 to 14 of Reynolds, Quatieri, Dunn (2000), in matrices."""
    w = np.ones(len(X)) if row_weights is None else row_weights
    post = responsibilities_by_scipy(ubm, X) * w
    n = post.sum(axis=1)
    first = post @ X / n[:, None]
    second = np.einsum("ki,ij,il->kjl", post, X, X) / n[:, None, None]
    alpha = n / (n + relevance)
    means_before, matrices = ubm.means, matrices_of(ubm)
    means = alpha[:, None] * first + (1 - alpha)[:, None] * means_before
    a = alpha[:, None, None]
    before = matrices + means_before[:, :, None] * means_before[:, None, :]
    spread = a * second + (1 - a) * before - means[:, :, None] * means[:, None, :]
    if "means" not in parameters:
        # rows and UBM about the mean that stays
        centred = X[None] - means_before[:, None]
        about = np.einsum("ki,kij,kil->kjl", post, centred, centred) / n[:, None, None]
        spread = a * about + (1 - a) * matrices
    weights = alpha * n / n.sum() + (1 - alpha) * ubm.weights
    return (
        weights / weights.sum() if "weights" in parameters else ubm.weights,
        means if "means" in parameters else ubm.means,
        shaped(spread, (n + relevance) / (n + relevance).sum(), ubm.covariance_type)
        if "covariances" in parameters
        else ubm.covariances,
    )


def assert_mixture(mixture, expected, **tolerance):
    """Compare weights, means and covariances."""
    for name, value in zip(PARAMETERS, expected, strict=True):
        np.testing.assert_allclose(getattr(mixture, name), value, err_msg=name, **tolerance)


def parameters_of(mixture):
    return tuple(getattr(mixture, name) for name in PARAMETERS)


# --- against independent references ----------------------------------------------------------------------------------


def test_adapted_parameters_worked_by_hand():
    # the second component, a hundred standard deviations away, has none of the rows
    ubm = GaussianMixture([0.5, 0.5], [[0.0], [100.0]], [[1.0], [4.0]])
    X = np.array([[1.0], [3.0]])
    adapted = adapt_gmm(ubm, X, relevance=6.0, parameters=PARAMETERS)
    # n = 2, so alpha = 2 / (2 + 6) = 1/4; E[x] = 2, E[x^2] = 5
    # weight 1/4 x 2/2 + 3/4 x 1/2 = 5/8 against 1/2; mean 1/4 x 2 + 3/4 x 0 = 1/2
    # variance 1/4 x 5 + 3/4 x (1 + 0) - 1/4 = 7/4
    # exact but for the rounding of ten operations, with squares of 100 among them
    assert_mixture(adapted, ([5 / 9, 4 / 9], [[0.5], [100.0]], [[1.75], [4.0]]), rtol=1e-10)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("parameters", SUBSETS, ids="-".join)
@pytest.mark.parametrize("relevance", [0.5, 16.0])
def test_adapted_parameters_equal_reynolds_equations(covariance_type, parameters, relevance):
    ubm, X = small_mixture(covariance_type), some_rows()
    row_weights = np.random.default_rng(2).uniform(0.0, 3.0, len(X))
    adapted = adapt_gmm(ubm, X, weights=row_weights, relevance=relevance, parameters=parameters)
    expected = textbook(ubm, X, relevance, parameters, row_weights)
    # float64 rounding of sums over 60 rows; the worst seen is 1e-14
    assert_mixture(adapted, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_adaptation_is_maximum_likelihood_on_the_rows_and_rows_that_stand_for_the_ubm(covariance_type):
    ubm, X, relevance = small_mixture(covariance_type), some_rows(), 5.0
    post = responsibilities_by_scipy(ubm, X)
    d = ubm.n_features
    means, spreads = [], []
    for j, matrix in enumerate(matrices_of(ubm)):
        # 2 d rows, sqrt(d) principal standard deviations to either side, have the component's mean and covariance
        values, vectors = np.linalg.eigh(matrix)
        arms = np.sqrt(d * values)[:, None] * vectors.T
        rows = np.vstack([X, ubm.means[j] + arms, ubm.means[j] - arms])
        mass = np.concatenate([post[j], np.full(2 * d, relevance / (2 * d))])
        means.append(np.average(rows, axis=0, weights=mass))
        spreads.append(np.cov(rows.T, aweights=mass, ddof=0))
    adapted = adapt_gmm(ubm, X, relevance=relevance, parameters=("means", "covariances"))
    covariances = shaped(np.array(spreads), (post.sum(axis=1) + relevance) / (len(X) + 3 * relevance), covariance_type)
    # as above
    assert_mixture(adapted, (ubm.weights, means, covariances), rtol=1e-10, atol=1e-12)


def test_variance_keeps_the_squared_ubm_mean_that_bob_learn_em_forgets():
    # bob.learn.em 3's map_gmm_m_step adds the UBM's mean where equation 13 has its square, finds a negative
    # variance and raises it to its floor of 2e-16
    ubm, X, relevance = GaussianMixture([1.0], [[3.0]], [[1.0]]), np.array([[3.0], [5.0]]), 2.0
    alpha, second, mean = 0.5, (3.0**2 + 5.0**2) / 2, 3.5
    as_bob_does = alpha * second + (1 - alpha) * (1.0 + 3.0) - mean**2
    equation_13 = alpha * second + (1 - alpha) * (1.0 + 3.0**2) - mean**2
    # two rows with mean 3 and variance 1 stand for the UBM
    brute_force = np.var([3.0, 5.0, 2.0, 4.0])
    assert as_bob_does == -1.75
    assert equation_13 == brute_force == 1.25
    adapted = adapt_gmm(ubm, X, relevance=relevance, parameters=("means", "covariances"))
    # rounding of a few operations
    np.testing.assert_allclose(adapted.means, [[3.5]], rtol=1e-14)
    np.testing.assert_allclose(adapted.covariances, [[1.25]], rtol=1e-14)


def test_variance_about_a_mean_that_stays_is_never_that_of_rows_alone():
    # equation 13 as printed, less the square of a mean that is not adapted, would be 0.5 x 25 + 0.5 x 1 - 0 only by
    # luck of the origin: at a mean of 3 and rows at -2 it is 0.5 x 4 + 0.5 x 10 - 9 = -2
    ubm = GaussianMixture([1.0], [[3.0]], [[1.0]])
    adapted = adapt_gmm(ubm, [[-2.0], [-2.0]], relevance=2.0, parameters=("covariances",))
    # mean square about 3: (25 + 25 + 1 + 1) / 4
    np.testing.assert_allclose(adapted.covariances, [[13.0]], rtol=1e-14)


def test_missing_value_counts_as_its_mean_and_spread_given_the_others():
    ubm = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
    adapted = adapt_gmm(ubm, [[2.0, np.nan]], relevance=1.0, parameters=("means", "covariances"))
    # given 2, the second has mean 1.6 and variance 1 - 0.64 = 0.36; half of each moment is the UBM's
    mean = np.array([1.0, 0.8])
    second = 0.5 * np.array([[4.0, 3.2], [3.2, 1.6**2 + 0.36]]) + 0.5 * ubm.covariances[0]
    # rounding of a few operations
    np.testing.assert_allclose(adapted.means[0], mean, rtol=1e-13)
    np.testing.assert_allclose(adapted.covariances[0], second - np.outer(mean, mean), rtol=1e-13)


# --- theory ----------------------------------------------------------------------------------------------------------


def divergence_of_gaussians(mean, matrix, other_mean, other_matrix):
    """Return the Kullback-Leibler divergence of one Gaussian from another, nats."""
    apart = other_mean - mean
    inverse = np.linalg.inv(other_matrix)
    log_dets = np.linalg.slogdet(other_matrix)[1] - np.linalg.slogdet(matrix)[1]
    return 0.5 * (np.trace(inverse @ matrix) + apart @ inverse @ apart - len(mean) + log_dets)


def posterior(mixture, ubm, X, relevance):
    """Return the log posterior density, but for a constant."""
    pull = sum(
        divergence_of_gaussians(*gaussians)
        for gaussians in zip(ubm.means, matrices_of(ubm), mixture.means, matrices_of(mixture), strict=True)
    )
    return scipy_log_density(mixture, X).sum() - relevance * pull


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("parameters", [("means",), ("covariances",), ("means", "covariances")], ids="-".join)
def test_every_pass_raises_the_posterior(covariance_type, parameters):
    ubm, X, relevance = small_mixture(covariance_type), some_rows(), 3.0
    mixtures = [ubm] + [
        adapt_gmm(ubm, X, relevance=relevance, parameters=parameters, n_iter=n) for n in (1, 2, 3, 4, 60)
    ]
    values = [posterior(mixture, ubm, X, relevance) for mixture in mixtures]
    # the early gains are above 1e-3 nats; rounding is below 1e-12
    assert (np.diff(values) > 1e-6).all(), values


@pytest.mark.parametrize("covariance_type", TYPES)
def test_many_passes_end_where_the_posterior_is_highest(covariance_type):
    ubm, X, relevance = small_mixture(covariance_type), some_rows(), 3.0
    adapted = adapt_gmm(ubm, X, relevance=relevance, n_iter=300)
    best = posterior(adapted, ubm, X, relevance)
    for j, i in itertools.product(range(3), range(2)):
        for step in (-1e-3, 1e-3):
            means = adapted.means.copy()
            means[j, i] += step
            moved = GaussianMixture(adapted.weights, means, adapted.covariances, covariance_type)
            # at a summit a step of 1e-3 costs some 1e-6 x curvature, which is relevance / variance or more here
            assert posterior(moved, ubm, X, relevance) < best


@pytest.mark.parametrize("covariance_type", TYPES)
def test_without_relevance_adaptation_is_em_as_in_scikit_learn(covariance_type):
    # wide enough for every component to have some
    ubm, X = small_mixture(covariance_type), 2.5 * some_rows(300)
    inverses = np.linalg.inv(matrices_of(ubm))
    model = sklearn.mixture.GaussianMixture(
        3,
        covariance_type=covariance_type,
        weights_init=ubm.weights,
        means_init=ubm.means,
        precisions_init=shaped(inverses, np.full(3, 1 / 3), covariance_type),
        max_iter=2,
        tol=0.0,
        reg_covar=0.0,
    )
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        model.fit(X)
    adapted = adapt_gmm(ubm, X, relevance=0.0, parameters=PARAMETERS, n_iter=2)
    # rounding of 300 rows in two frames; scikit-learn adds 1e-15 rows to each component
    assert_mixture(adapted, (model.weights_, model.means_, model.covariances_), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("relevance", [1e15, 1e30, 1e300, np.inf])
def test_with_infinite_relevance_adaptation_is_the_ubm(covariance_type, relevance):
    ubm = small_mixture(covariance_type)
    adapted = adapt_gmm(ubm, some_rows(), relevance=relevance, parameters=PARAMETERS)
    # 60 rows in 1e15 count for 6e-14, times squared distances of some tens
    assert_mixture(adapted, parameters_of(ubm), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("relevance", [0.0, 16.0])
def test_component_without_rows_keeps_its_place(covariance_type, relevance):
    near = small_mixture(covariance_type)
    means = near.means.copy()
    # so far that its density underflows to exactly 0
    means[2] += 1e4
    ubm = GaussianMixture(near.weights, means, near.covariances, covariance_type)
    adapted = adapt_gmm(ubm, some_rows(), relevance=relevance, parameters=PARAMETERS)
    # rounding at 1e4
    np.testing.assert_allclose(adapted.means[2], ubm.means[2], rtol=1e-13)
    assert np.abs(adapted.means[:2] - ubm.means[:2]).max(axis=1).min() > 0.01
    ratio = adapted.weights[2] / ubm.weights[2]
    # its weight is only scaled, as all are that they may sum to 1
    total = adapted.weights.sum()
    assert total == pytest.approx(1.0, abs=1e-12)
    assert 0.5 < ratio < 1.0
    if covariance_type != "tied":
        # squares of 1e4 standard deviations, in the UBM's coordinates, cost 8 digits
        np.testing.assert_allclose(adapted.covariances[2], ubm.covariances[2], rtol=1e-6, atol=1e-7)


def test_tied_covariance_without_relevance_is_that_of_the_rows_even_where_a_component_has_none():
    ubm = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1000.0, 0.0]], np.eye(2), "tied")
    X = some_rows()
    adapted = adapt_gmm(ubm, X, relevance=0.0, parameters=PARAMETERS)
    # the whitening spans 1000 standard deviations: 1e6 x 1e-16, and a good deal more for 60 rows
    np.testing.assert_allclose(adapted.covariances, np.cov(X.T, bias=True), rtol=1e-8)
    # no share is less than 1e-261
    np.testing.assert_allclose(adapted.means, [X.mean(axis=0), [1000.0, 0.0]], rtol=1e-10, atol=1e-200)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_more_relevance_keeps_means_nearer(covariance_type):
    ubm, X = small_mixture(covariance_type), some_rows()
    moved = [
        np.linalg.norm(adapt_gmm(ubm, X, relevance=r).means - ubm.means, axis=1) for r in (0.0, 1.0, 4.0, 16.0, 64.0)
    ]
    assert (np.diff(moved, axis=0) < 0).all()


@pytest.mark.parametrize("covariance_type", TYPES)
def test_adaptation_commutes_with_a_change_of_units(covariance_type):
    ubm, X = small_mixture(covariance_type), some_rows()
    scale = np.full(2, 1e-3) if covariance_type == "spherical" else np.array([1e-3, 40.0])
    centre = np.array([7.0, -3.0])
    moved = adapt_gmm(ubm.transform(centre, scale), (X - centre) / scale, parameters=PARAMETERS, n_iter=2)
    adapted = adapt_gmm(ubm, X, parameters=PARAMETERS, n_iter=2).transform(centre, scale)
    # means lie 7,000 of the new units from 0
    assert_mixture(moved, parameters_of(adapted), rtol=1e-9, atol=1e-9)


def test_order_of_rows_does_not_matter():
    ubm, X = small_mixture("full"), some_rows()
    # sums in another order round otherwise
    assert_mixture(
        adapt_gmm(ubm, X[::-1], parameters=PARAMETERS),
        parameters_of(adapt_gmm(ubm, X, parameters=PARAMETERS)),
        rtol=1e-12,
    )


# --- hard input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("parameters", [PARAMETERS, ("covariances",)], ids="-".join)
def test_an_offset_of_a_hundred_million_deviations_costs_nothing(covariance_type, parameters):
    offset = 1e8
    # 26 bits for the offset leave 26 for the fraction: these rows and means are the same number plus the offset
    X = np.round(some_rows() * 1024) / 1024
    near = small_mixture(covariance_type)
    means = np.round(near.means * 1024) / 1024
    near, far = (
        GaussianMixture(near.weights, means + shift, near.covariances, covariance_type) for shift in (0.0, offset)
    )
    near_adapted = adapt_gmm(near, X, parameters=parameters, relevance=2.0, n_iter=3)
    far_adapted = adapt_gmm(far, X + offset, parameters=parameters, relevance=2.0, n_iter=3)
    # numbers near 1e8 are 1.5e-8 apart
    np.testing.assert_allclose(far_adapted.means - offset, near_adapted.means, rtol=0, atol=3e-8)
    np.testing.assert_allclose(far_adapted.covariances, near_adapted.covariances, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(far_adapted.weights, near_adapted.weights, rtol=1e-7)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_float32_rows_adapt_as_float64_ones_do(covariance_type):
    ubm = random_mixture(covariance_type, 8, 5, scale=2.0)
    single = some_rows(3000, 5).astype(np.float32)
    fine = adapt_gmm(ubm, single.astype(np.float64), parameters=PARAMETERS)
    coarse = adapt_gmm(ubm, single, parameters=PARAMETERS)
    # 3,000 rows, each off by 3e-7 of terms of some tens, at random; measured below 4e-6
    assert_mixture(coarse, parameters_of(fine), rtol=2e-5, atol=2e-5)
    # products in float32 were used: they round otherwise
    assert not np.array_equal(coarse.means, fine.means)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("variance_floor", [0.0, 1e-3])
def test_one_row_without_relevance_rests_on_the_floor(covariance_type, variance_floor):
    ubm = GaussianMixture(
        [1.0], [[0.0, 0.0]], {"diag": [[4.0, 4.0]], "full": [4 * np.eye(2)], "tied": 4 * np.eye(2),
                              "spherical": [4.0]}[covariance_type], covariance_type,
    )  # fmt: skip
    adapted = adapt_gmm(
        ubm, np.full((9, 2), 1.1), relevance=0.0, parameters=("means", "covariances"),
        variance_floor=variance_floor,
    )  # fmt: skip
    np.testing.assert_allclose(adapted.means, [[1.1, 1.1]], rtol=1e-12)
    # a share of the UBM's variance of 4, never 0; rounding of an eigendecomposition
    np.testing.assert_allclose(
        matrices_of(adapted)[0], 4 * max(variance_floor, 1e-10) * np.eye(2), rtol=1e-5, atol=1e-18
    )


@pytest.mark.parametrize("covariance_type", TYPES)
def test_floor_never_lifts_a_component_above_the_narrowest_of_the_ubm(covariance_type):
    narrow = np.array([1e-8, 1e-8])
    ubm = GaussianMixture(
        [0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]],
        {"diag": [narrow] * 2, "full": [np.diag(narrow)] * 2, "tied": np.diag(narrow), "spherical": narrow}[
            covariance_type
        ], covariance_type,
    )  # fmt: skip
    adapted = adapt_gmm(ubm, [[0.0, 0.0]], parameters=PARAMETERS, relevance=np.inf, variance_floor=0.1)
    # squares of 1e4 standard deviations in whitened coordinates: 1e8 x 1e-16
    np.testing.assert_allclose(adapted.covariances, ubm.covariances, rtol=1e-6, atol=1e-15)


def test_rows_far_from_every_component_still_move_it():
    ubm = small_mixture("diag")
    adapted = adapt_gmm(ubm, np.full((16, 2), 1e6), relevance=16.0)
    # one component has them all: half way there; far out, none is nearer by enough to share them
    assert np.abs(adapted.means - ubm.means).max() == pytest.approx(5e5, rel=1e-3)


def test_what_is_not_adapted_is_the_ubms_to_the_bit():
    ubm, X = small_mixture("full", offset=0.1), some_rows()
    for parameters in SUBSETS:
        adapted = adapt_gmm(ubm, X, parameters=parameters, n_iter=2)
        same = {name for name in PARAMETERS if np.array_equal(getattr(adapted, name), getattr(ubm, name))}
        assert same == set(PARAMETERS) - set(parameters)


def test_rows_may_come_from_any_source(tmp_path):
    ubm, X = small_mixture("full"), some_rows(9000)
    whole = adapt_gmm(ubm, X, parameters=PARAMETERS, n_iter=2)
    np.save(tmp_path / "a.npy", X[:100])
    np.save(tmp_path / "b.npy", X[100:])
    sources = (
        [X[:5], X[5:]],
        [tmp_path / "a.npy", str(tmp_path / "b.npy")],
        lambda: iter([X[:8999], X[8999:]]),
        X.tolist(),
    )
    for source in sources:
        adapted = adapt_gmm(ubm, source, parameters=PARAMETERS, n_iter=2)
        for value, expected in zip(parameters_of(adapted), parameters_of(whole), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_rows_that_are_all_missing_or_weigh_nothing_are_passed_over():
    ubm, X = small_mixture("full"), some_rows()
    more = np.vstack([[[np.nan, np.nan]], X, [[50.0, 50.0]]])
    weights = np.concatenate([[1.0], np.ones(len(X)), [0.0]])
    # rounding: sums begin elsewhere in a block
    assert_mixture(
        adapt_gmm(ubm, more, weights=weights, parameters=PARAMETERS),
        parameters_of(adapt_gmm(ubm, X, parameters=PARAMETERS)),
        rtol=1e-12,
    )


# --- statistics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("parameters", SUBSETS, ids="-".join)
def test_statistics_of_parts_adapt_as_the_rows_do(covariance_type, parameters):
    ubm, X = small_mixture(covariance_type), some_rows()
    stats = accumulate(ubm, X[:20]) + accumulate(ubm, X[20:])
    adapted = adapt(ubm, stats, relevance=4.0, parameters=parameters)
    # rounding in other whitened coordinates
    assert_mixture(
        adapted, parameters_of(adapt_gmm(ubm, X, relevance=4.0, parameters=parameters)), rtol=1e-10, atol=1e-12
    )


def test_statistics_rest_on_the_same_floor_in_any_units():
    ubm = GaussianMixture([1.0], [[0.0, 0.0]], [[4.0, 900.0]])
    stats = accumulate(ubm, np.ones((5, 2)))
    adapted = adapt(ubm, stats, relevance=0.0, parameters=PARAMETERS, variance_floor=0.01)
    # a share of 0.01 of each column's variance; two roundings
    np.testing.assert_allclose(adapted.covariances, [[0.04, 9.0]], rtol=1e-14)


# --- every parameter changes the outcome -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.arange(60.0)},
        {"relevance": 15.0},
        {"parameters": ("means", "covariances")},
        {"n_iter": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_parameter_changes_the_outcome(change):
    ubm, X = small_mixture("diag"), some_rows()
    plain, changed = adapt_gmm(ubm, X), adapt_gmm(ubm, X, **change)
    differs = [not np.allclose(a, b) for a, b in zip(parameters_of(plain), parameters_of(changed), strict=True)]
    assert any(differs)


@pytest.mark.parametrize(
    "default", [{"relevance": 16.0}, {"parameters": ("means",)}, {"n_iter": 1}, {"variance_floor": 1e-3}]
)
def test_defaults_are_as_documented(default):
    ubm, X = small_mixture("diag"), some_rows()
    if "variance_floor" in default:
        X, other = np.ones((99, 2)), {"relevance": 0.0, "parameters": ("means", "covariances")}
    else:
        other = {}
    for value, expected in zip(
        parameters_of(adapt_gmm(ubm, X, **other)),
        parameters_of(adapt_gmm(ubm, X, **other, **default)),
        strict=True,
    ):
        np.testing.assert_array_equal(value, expected)


def test_floor_changes_the_outcome():
    ubm = GaussianMixture([1.0], [[0.0]], [[1.0]])
    floors = [
        adapt_gmm(ubm, np.ones((5, 1)), relevance=0.0, parameters=PARAMETERS, variance_floor=floor).covariances
        for floor in (0.1, 0.2)
    ]
    # a share of 1, rounded twice
    np.testing.assert_allclose(np.ravel(floors), [0.1, 0.2], rtol=1e-14)


def test_threads_work_and_give_the_same_bits(monkeypatch):
    from gmmaudio.mixture import statistics

    n_threads_of_calls = []
    plain = statistics.thread_map
    monkeypatch.setattr(
        statistics, "thread_map", lambda function, items, n: n_threads_of_calls.append(n) or plain(function, items, n)
    )
    ubm, X = small_mixture("diag"), some_rows(20_000)
    one, two = (adapt_gmm(ubm, X, parameters=PARAMETERS, n_threads=n) for n in (1, 2))
    assert n_threads_of_calls == [1, 2]
    for value, expected in zip(parameters_of(one), parameters_of(two), strict=True):
        np.testing.assert_array_equal(value, expected)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"relevance": -1.0}, "relevance is -1.0; expected a number of rows, 0 or more, such as 16"),
        ({"relevance": np.nan}, "relevance is nan; expected a number of rows, 0 or more, such as 16"),
        (
            {"parameters": "means"},
            "parameters is 'means'; expected some of ('weights', 'means', 'covariances'), such as (\"means\",)",
        ),
        (
            {"parameters": ()},
            "parameters is (); expected some of ('weights', 'means', 'covariances'), such as (\"means\",)",
        ),
        (
            {"parameters": ("variances",)},
            "parameters is ('variances',); expected some of ('weights', 'means', 'covariances'), such as (\"means\",)",
        ),
        ({"variance_floor": -0.1}, "variance_floor is -0.1; expected a share of the global variance, 0 to 1"),
        ({"variance_floor": 1.5}, "variance_floor is 1.5; expected a share of the global variance, 0 to 1"),
        ({"variance_floor": np.nan}, "variance_floor is nan; expected a share of the global variance, 0 to 1"),
        ({"n_iter": 0}, "n_iter is 0; expected a whole number of passes over the rows, 1 or more"),
        ({"n_iter": 1.5}, "n_iter is 1.5; expected a whole number of passes over the rows, 1 or more"),
        ({"n_iter": True}, "n_iter is True; expected a whole number of passes over the rows, 1 or more"),
        ({"n_threads": 0}, "n_threads is 0; expected 1 or more, or -1 for one on each core"),
    ],
)
def test_settings_out_of_bounds_are_refused(setting, message):
    ubm, X = small_mixture("diag"), some_rows()
    with pytest.raises(SettingError) as error:
        adapt_gmm(ubm, X, **setting)
    assert str(error.value) == message
    if not {"n_iter", "n_threads"} & set(setting):
        with pytest.raises(SettingError) as error:
            adapt(ubm, accumulate(ubm, X), **setting)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("X", "weights", "message"),
    [
        (np.empty((0, 2)), None, "there are no rows; at least one is needed"),
        ([[np.nan, np.nan]], None, "there are no rows; at least one is needed"),
        ([[1.0, 2.0, 3.0]], None, "rows have 3 features; "),
        ([[1.0, 2.0]], [0.0], "all weights are 0; at least one row must count"),
        ([[1.0, 2.0]], [1.0, 1.0], "there are 2 weights and 1 rows; expected one for each row"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(X, weights, message):
    with pytest.raises(MixtureError) as error:
        adapt_gmm(small_mixture("diag"), X, weights=weights)
    assert str(error.value).startswith(message)
    assert isinstance(error.value, GmmaudioError)


def test_infinite_rows_are_refused():
    with pytest.raises(MixtureError, match="row 1, column 0 is inf"):
        adapt_gmm(small_mixture("diag"), [[1.0, 2.0], [np.inf, 0.0]])


def test_statistics_of_no_rows_are_refused():
    nothing = SufficientStats(np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2)), 0.0, 0.0, "diag")
    with pytest.raises(MixtureError) as error:
        adapt(small_mixture("diag"), nothing)
    assert str(error.value) == "the statistics are of 0 rows; at least one is needed to adapt to"


def test_statistics_of_another_mixture_are_refused():
    stats = accumulate(small_mixture("full"), some_rows())
    with pytest.raises(MixtureError) as error:
        adapt(small_mixture("diag"), stats)
    assert str(error.value) == ("statistics of full (3, 2) and diag (3, 2) do not add; expected those of one mixture")
