"""Divergences between mixtures: against closed forms and integrals, invariances, bounds and refusals."""

import inspect
import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from gmmaudio.errors import GmmaudioError, MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture, stacked_log_density
from gmmaudio.mixture.divergence import divergences
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_density

TYPES = ("diag", "full", "tied", "spherical")


KINDS = ("jensen_shannon", "symmetric_kl")


def near_mixture(covariance_type, n_components=3, n_features=2, seed=0):
    return random_mixture(covariance_type, n_components, n_features, seed, scale=1.5)


def integral(log_p, log_q, cell, kind):
    """Return the divergence by its definition, summed over cells of a grid."""
    if kind == "symmetric_kl":
        return ((np.exp(log_p) - np.exp(log_q)) * (log_p - log_q)).sum() * cell
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    return 0.5 * (np.exp(log_p) * (log_p - log_m) + np.exp(log_q) * (log_q - log_m)).sum() * cell


def assert_unbiased(pair, kind, expected, n_seeds=30, n_samples=500):
    """Compare the mean over seeds with what is expected, by its standard error."""
    values = [
        divergences(pair, kind=kind, n_samples=n_samples, rng=np.random.default_rng(seed))[0, 1]
        for seed in range(n_seeds)
    ]
    error = np.std(values, ddof=1) / np.sqrt(n_seeds)
    # an error this small can tell a wrong factor or a missing term
    assert error < 0.02 * expected
    # a right estimator fails at four standard errors once in 16,000 seeds, and these seeds are fixed
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)


# --- against independent references ----------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_symmetric_kl_of_single_gaussians_has_the_closed_form(covariance_type):
    pair = [near_mixture(covariance_type, 1, 4, seed) for seed in (1, 2)]
    (m, n), (S, T) = (p.means[0] for p in pair), (matrices_of(p)[0] for p in pair)
    apart, S_inverse, T_inverse = m - n, np.linalg.inv(S), np.linalg.inv(T)
    # both ways together the log determinants cancel
    both_ways = 0.5 * (np.trace(T_inverse @ S + S_inverse @ T) - 8 + apart @ (S_inverse + T_inverse) @ apart)
    assert_unbiased(pair, "symmetric_kl", both_ways)


def test_jensen_shannon_of_two_normals_equals_quadrature():
    def integrand(x):
        p, q = norm.pdf(x), norm.pdf(x, 1.0, 2.0)
        m = (p + q) / 2
        return 0.5 * (p * np.log(p / m) + q * np.log(q / m))

    pair = [GaussianMixture([1.0], [[0.0]], [[1.0]]), GaussianMixture([1.0], [[1.0]], [[4.0]])]
    assert_unbiased(pair, "jensen_shannon", quad(integrand, -20, 20)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_mixtures_of_one_feature_equal_an_integral(kind):
    pair = [near_mixture("diag", 4, 1, seed) for seed in (3, 4)]
    axis = np.linspace(-30, 30, 20_001)
    log_p, log_q = (scipy_log_density(mixture, axis[:, None]) for mixture in pair)
    assert_unbiased(pair, kind, integral(log_p, log_q, axis[1] - axis[0], kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("types", [*zip(TYPES, TYPES, strict=True), ("full", "spherical")], ids="-".join)
def test_mixtures_of_two_features_equal_an_integral(kind, types):
    pair = [near_mixture(covariance_type, 3, 2, seed) for covariance_type, seed in zip(types, (1, 6), strict=True)]
    axis = np.linspace(-20, 20, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    log_p, log_q = (scipy_log_density(mixture, grid) for mixture in pair)
    assert_unbiased(pair, kind, integral(log_p, log_q, (axis[1] - axis[0]) ** 2, kind))


def usual_estimate(pair, kind, n_samples, rng):
    """Return the Monte Carlo estimate of Hershey and Olsen (2007), section 2: each term by rows of its own mixture."""
    p, q = (stacked_log_density(pair, mixture.sample(n_samples, rng)) for mixture in pair)
    log_m = [np.logaddexp(*values.T) - np.log(2) for values in (p, q)]
    if kind == "jensen_shannon":
        return 0.5 * (p[:, 0] - log_m[0]).mean() + 0.5 * (q[:, 1] - log_m[1]).mean()
    return (p[:, 0] - p[:, 1]).mean() + (q[:, 1] - q[:, 0]).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_estimate_of_near_mixtures_has_a_third_of_the_usual_error_and_the_same_mean(kind):
    one = near_mixture("diag", 5, 4)
    near = [one, GaussianMixture(one.weights, one.means + 0.05, 1.1 * one.covariances)]
    ours = [divergences(near, kind=kind, n_samples=500, rng=np.random.default_rng(seed))[0, 1] for seed in range(60)]
    usual = [usual_estimate(near, kind, 500, np.random.default_rng(seed)) for seed in range(60)]
    # measured: a tenth and a fifth
    assert np.std(ours) < np.std(usual) / 3
    # four standard errors of the worse one
    assert np.mean(ours) == pytest.approx(np.mean(usual), abs=4 * np.std(usual) / np.sqrt(60))


# --- theory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_same_mixtures_are_not_apart(kind, covariance_type):
    one, other = near_mixture(covariance_type), near_mixture(covariance_type)
    # the same coefficients score both, but in two places of one product; squares of rounding remain
    np.testing.assert_allclose(divergences([one, other], kind=kind), 0.0, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_components_does_not_matter(kind):
    one = near_mixture("full")
    turned = GaussianMixture(one.weights[::-1], one.means[::-1], one.covariances[::-1], "full")
    # squares of rounding
    np.testing.assert_allclose(divergences([one, turned], kind=kind), 0.0, atol=1e-15)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_mixtures_that_never_meet_are_log_2_apart(covariance_type):
    one = near_mixture(covariance_type)
    far = GaussianMixture(one.weights, one.means + 1e4, one.covariances, covariance_type)
    # no row has a density above exp(-1e6) under the other
    np.testing.assert_array_equal(divergences([one, far]), np.log(2) * (1 - np.eye(2)))


def test_symmetric_kl_still_tells_apart_mixtures_that_never_meet():
    at = [GaussianMixture([1.0], [[x]], [[1.0]]) for x in (0.0, 1e3, 2e3)]
    # the squared distance; n_samples rows move it by 1 in 1e3 / sqrt(n_samples)
    expected = np.square([[0.0, 1e3, 2e3], [1e3, 0.0, 1e3], [2e3, 1e3, 0.0]])
    np.testing.assert_allclose(divergences(at, kind="symmetric_kl"), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_samples", [1, 2, 50])
def test_divergences_stay_within_their_bounds_for_any_rows(kind, n_samples):
    one = near_mixture("full", 3, 5)
    # what little the last ones differ is lost in rounding
    near = [GaussianMixture(one.weights, one.means + step, one.covariances, "full") for step in (1e-7, 1e-8, 1e-12)]
    mixtures = [one, near_mixture("full", 3, 5, 8), *near]
    for seed in range(30):
        result = divergences(mixtures, kind=kind, n_samples=n_samples, rng=np.random.default_rng(seed))
        assert (result >= 0).all()
        assert kind == "symmetric_kl" or (result <= np.log(2)).all()
        np.testing.assert_array_equal(result, result.T)
        np.testing.assert_array_equal(np.diagonal(result), 0.0)


def test_root_of_jensen_shannon_keeps_the_triangle_inequality():
    # it is a metric: Endres, Schindelin, "A new metric for probability distributions", 2003
    roots = np.sqrt(divergences([near_mixture("diag", 3, 2, seed) for seed in range(6)]))
    # an estimate is off by a thousandth or so
    for i, j, k in itertools.permutations(range(6), 3):
        assert roots[i, j] < roots[i, k] + roots[k, j] + 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_divergences_are_the_same_in_other_units(kind, covariance_type):
    mixtures = [near_mixture(covariance_type, seed=seed) for seed in (1, 2, 3)]
    scale = np.full(2, 1e-6) if covariance_type == "spherical" else np.array([1e-6, 300.0])
    moved = [mixture.transform(np.array([5.0, -5.0]), scale) for mixture in mixtures]
    # the same random numbers draw the same rows in other units; means are 1e7 standard deviations from 0
    np.testing.assert_allclose(
        divergences(moved, kind=kind, n_samples=500), divergences(mixtures, kind=kind, n_samples=500), rtol=1e-7
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_divergences_are_the_same_in_slanted_units(kind, covariance_type):
    mixtures = [near_mixture(covariance_type, seed=seed) for seed in (1, 2, 3)]
    # lower triangular, so that the root of a covariance goes where the covariance goes
    slant = np.array([[2.0, 0.0], [-30.0, 0.5]])
    moved = [
        GaussianMixture(m.weights, m.means @ slant.T, slant @ m.covariances @ slant.T, covariance_type)
        for m in mixtures
    ]
    # covariances of condition 1e4 or so
    np.testing.assert_allclose(
        divergences(moved, kind=kind, n_samples=500), divergences(mixtures, kind=kind, n_samples=500), rtol=1e-8
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_does_not_depend_on_the_list_or_its_order(kind):
    mixtures = [near_mixture("diag", k, 2, seed) for k, seed in ((1, 1), (4, 2), (2, 3), (7, 4))]
    whole = divergences(mixtures, kind=kind, n_samples=500)
    for order in ([2, 0, 3, 1], [3, 1]):
        some = divergences([mixtures[i] for i in order], kind=kind, n_samples=500)
        # products run in other whitened coordinates
        np.testing.assert_allclose(some, whole[np.ix_(order, order)], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_mixtures_of_two_types_compare_as_those_of_one(kind):
    a, b = (near_mixture("diag", seed=seed) for seed in (1, 2))
    b_full = GaussianMixture(b.weights, b.means, matrices_of(b), "full")
    # the same rows and densities, in other whitened coordinates
    np.testing.assert_allclose(divergences([a, b_full], kind=kind), divergences([a, b], kind=kind), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_error_falls_with_the_root_of_the_samples_and_below_its_bound(kind):
    pair = [near_mixture("diag", seed=seed) for seed in (1, 2)]
    deviation = [
        np.std([divergences(pair, kind=kind, n_samples=n, rng=np.random.default_rng(i))[0, 1] for i in range(100)])
        for n in (50, 800)
    ]
    # sixteen times the rows; a deviation of 100 numbers is known to 7 %, a ratio of two to 10 %
    assert 3.0 < deviation[0] / deviation[1] < 5.4
    if kind == "jensen_shannon":
        assert (deviation < np.log(2) / 2 / np.sqrt([50, 800])).all()


# --- hard input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_an_offset_of_a_hundred_million_deviations_costs_little(kind, covariance_type):
    mixtures = [near_mixture(covariance_type, seed=seed) for seed in (1, 2)]
    far = [GaussianMixture(m.weights, m.means + 1e8, m.covariances, covariance_type) for m in mixtures]
    # means and rows near 1e8 are rounded to 1.5e-8
    np.testing.assert_allclose(
        divergences(far, kind=kind, n_samples=500), divergences(mixtures, kind=kind, n_samples=500), rtol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_components_of_weight_zero_do_no_harm(kind):
    one, other = near_mixture("diag", seed=1), near_mixture("diag", seed=2)
    more = GaussianMixture(
        np.append(one.weights, 0.0),
        np.vstack([one.means, [[9.0, 9.0]]]),
        np.vstack([one.covariances, [[1.0, 1.0]]]),
    )
    np.testing.assert_allclose(
        divergences([more, other], kind=kind, n_samples=500),
        divergences([one, other], kind=kind, n_samples=500),
        rtol=1e-9,
    )


def test_divergence_of_a_mixture_from_itself_is_zero():
    np.testing.assert_array_equal(divergences([near_mixture("full")]), [[0.0]])


# --- every parameter changes the outcome -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"kind": "symmetric_kl"}, {"n_samples": 9_999}, {"rng": np.random.default_rng(1)}],
    ids=lambda change: next(iter(change)),
)
def test_parameter_changes_the_outcome(change):
    pair = [near_mixture("diag", seed=seed) for seed in (1, 2)]
    assert divergences(pair, **change)[0, 1] != divergences(pair)[0, 1]


def test_defaults_are_as_documented():
    pair = [near_mixture("diag", seed=seed) for seed in (1, 2)]
    stated = divergences(pair, kind="jensen_shannon", n_samples=10_000, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(divergences(pair), stated)
    assert "0.0035 nats at 10,000" in inspect.getdoc(divergences)
    assert round(np.log(2) / 2 / np.sqrt(10_000), 4) == 0.0035


def test_a_generator_goes_on_from_call_to_call():
    pair, rng = [near_mixture("diag", seed=seed) for seed in (1, 2)], np.random.default_rng(0)
    first, second = (divergences(pair, n_samples=50, rng=rng)[0, 1] for _ in range(2))
    assert first != second


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"kind": "hellinger"}, "kind is 'hellinger'; expected one of jensen_shannon, symmetric_kl"),
        ({"kind": ["symmetric_kl"]}, "kind is ['symmetric_kl']; expected one of jensen_shannon, symmetric_kl"),
        ({"n_samples": 0}, "n_samples is 0; expected a number of rows for each mixture, 1 or more"),
        ({"n_samples": 1e3}, "n_samples is 1000.0; expected a number of rows for each mixture, 1 or more"),
        ({"n_samples": True}, "n_samples is True; expected a number of rows for each mixture, 1 or more"),
        ({"rng": 0}, "rng is 0; expected a numpy.random.Generator, such as numpy.random.default_rng(0)"),
    ],
)
def test_settings_out_of_bounds_are_refused(setting, message):
    with pytest.raises(SettingError) as error:
        divergences([near_mixture("diag")], **setting)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("mixtures", "message"),
    [
        ([], "there are no mixtures; expected at least one"),
        (
            [near_mixture("diag", 2, 3), near_mixture("full", 2, 2)],
            "the mixtures have [2, 3] features; expected mixtures over the same features",
        ),
    ],
)
def test_mixtures_that_cannot_be_compared_are_refused(mixtures, message):
    with pytest.raises(MixtureError) as error:
        divergences(mixtures)
    assert str(error.value) == message
    assert isinstance(error.value, GmmaudioError)
