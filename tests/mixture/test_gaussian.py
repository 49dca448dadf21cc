"""Gaussian mixtures as densities: scoring, sampling, criteria, and invalid parameters."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp

from gmmaudio.errors import GmmaudioError, MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm, stacked_log_density
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_joint

TYPES = COVARIANCE_TYPES


# --- against independent references ----------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize(("n_components", "n_features"), [(1, 1), (1, 5), (7, 1), (5, 4), (16, 13)])
def test_log_density_equals_scipy(covariance_type, n_components, n_features):
    mixture = random_mixture(covariance_type, n_components, n_features)
    X = mixture.sample(300, np.random.default_rng(1))
    # float64 rounding of a few dozen products; the worst case measured is 1e-12
    np.testing.assert_allclose(
        mixture.log_density(X), logsumexp(scipy_log_joint(mixture, X), axis=0), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("covariance_type", TYPES)
def test_log_density_far_from_the_origin_equals_scipy(covariance_type):
    mixture = random_mixture(covariance_type, offset=1e7)
    X = mixture.sample(300, np.random.default_rng(1))
    # rows minus means are exact at 1e7; x^2 terms not centred first would be wrong by 1e14 x 1e-16 = 0.01
    np.testing.assert_allclose(
        mixture.log_density(X), logsumexp(scipy_log_joint(mixture, X), axis=0), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("covariance_type", TYPES)
def test_log_density_of_rows_a_million_deviations_away_equals_scipy(covariance_type):
    mixture = random_mixture(covariance_type)
    X = 1e6 * np.random.default_rng(1).normal(size=(50, 3))
    # densities near exp(-1e12): only a log domain survives; rounding is relative to that size
    np.testing.assert_allclose(mixture.log_density(X), logsumexp(scipy_log_joint(mixture, X), axis=0), rtol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_density_integrates_to_one(covariance_type):
    mixture = random_mixture(covariance_type, 3, 2)
    axis = np.linspace(-25, 25, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total = np.exp(mixture.log_density(grid)).sum() * (axis[1] - axis[0]) ** 2
    # a sum over a grid much finer than the standard deviations is exact to far below this
    assert total == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_responsibilities_are_bayes_rule(covariance_type):
    mixture = random_mixture(covariance_type)
    X = mixture.sample(300, np.random.default_rng(1))
    log_joint = scipy_log_joint(mixture, X)
    expected = np.exp(log_joint - logsumexp(log_joint, axis=0)).T
    # rounding only; shares are at most 1
    np.testing.assert_allclose(mixture.responsibilities(X), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_sample_has_the_mean_and_covariance_of_the_mixture(covariance_type):
    mixture = random_mixture(covariance_type)
    X = mixture.sample(200_000, np.random.default_rng(3))
    mean = mixture.weights @ mixture.means
    between = (mixture.weights[:, None] * (mixture.means - mean)).T @ (mixture.means - mean)
    within = np.einsum("k,kij->ij", mixture.weights, matrices_of(mixture))
    # five standard errors of 200,000 rows with standard deviations up to 4: 5 x 4 / sqrt(2e5)
    np.testing.assert_allclose(X.mean(axis=0), mean, atol=0.045)
    # five standard errors of a product of two such features: 5 x 16 x sqrt(2) / sqrt(2e5)
    np.testing.assert_allclose(np.cov(X.T, bias=True), between + within, atol=0.25)


def test_sample_draws_components_by_weight():
    mixture = GaussianMixture([0.2, 0.5, 0.3], [[0.0], [100.0], [200.0]], [[1.0], [1.0], [1.0]])
    drawn = np.round(mixture.sample(50_000, np.random.default_rng(0))[:, 0] / 100).astype(int)
    # five standard errors: 5 x sqrt(0.25 / 50,000)
    np.testing.assert_allclose(np.bincount(drawn) / 50_000, mixture.weights, atol=0.011)


# --- theory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_responsibilities_are_shares_of_one_even_far_away(covariance_type):
    mixture = random_mixture(covariance_type)
    X = np.vstack([mixture.sample(100, np.random.default_rng(1)), np.full((1, 3), 1e9), np.full((1, 3), -1e9)])
    shares = mixture.responsibilities(X)
    assert shares.shape == (102, 4)
    assert shares.min() >= 0
    # a division by their own sum: a few units in the last place
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-14)
    # between two Gaussians of different width or place, one wins everything at such a distance
    np.testing.assert_array_equal(shares[-2:].max(axis=1), 1.0)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_densities_and_responsibilities_of_one_pass_have_the_bits_of_two(covariance_type, kind):
    mixture = random_mixture(covariance_type)
    X = np.vstack([mixture.sample(700, np.random.default_rng(1)), np.full((1, 3), 1e9), np.full((2, 3), np.nan)])
    X[3, 0] = np.nan
    density, shares = mixture.density_and_responsibilities(X.astype(kind))
    np.testing.assert_array_equal(density, mixture.log_density(X.astype(kind)))
    assert density[-1] == 0.0
    # by scipy, where no value is missing
    log_joint = scipy_log_joint(mixture, X[4:700])
    expected = np.exp(log_joint - logsumexp(log_joint, axis=0)).T
    # rounding of products: of float32 1e-7 times a few squared deviations
    np.testing.assert_allclose(shares[4:700], expected, rtol=0, atol=1e-12 if kind is np.float64 else 1e-4)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_order_of_components_does_not_matter(covariance_type):
    mixture = random_mixture(covariance_type)
    order = [2, 0, 3, 1]
    covariances = mixture.covariances if covariance_type == "tied" else mixture.covariances[order]
    other = GaussianMixture(mixture.weights[order], mixture.means[order], covariances, covariance_type)
    X = mixture.sample(100, np.random.default_rng(1))
    # sums in another order: rounding
    np.testing.assert_allclose(other.log_density(X), mixture.log_density(X), rtol=1e-12)
    np.testing.assert_allclose(other.responsibilities(X), mixture.responsibilities(X)[:, order], atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_transformed_mixture_is_the_mixture_of_the_transformed_rows(covariance_type):
    mixture = random_mixture(covariance_type)
    centre = np.array([1.0, -2.0, 30.0])
    scale = np.full(3, 1e-3) if covariance_type == "spherical" else np.array([0.5, 3.0, 1e-3])
    X = mixture.sample(100, np.random.default_rng(1))
    moved = mixture.transform(centre, scale)
    # change of variables: the density of z is that of x times the scale; rounding of z near 3e4
    np.testing.assert_allclose(
        moved.log_density((X - centre) / scale), mixture.log_density(X) + np.log(scale).sum(), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n", [1, 1023, 1024, 1025, 2048, 3001])
def test_scores_do_not_depend_on_block_boundaries(covariance_type, n):
    mixture = random_mixture(covariance_type)
    X = mixture.sample(n, np.random.default_rng(1))
    one_by_one = np.concatenate([mixture.log_density(part) for part in np.array_split(X, min(n, 40))])
    shares = np.concatenate([mixture.responsibilities(part) for part in np.array_split(X, min(n, 40))])
    # BLAS may sum another shape in another order: rounding
    np.testing.assert_allclose(mixture.log_density(X), one_by_one, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mixture.responsibilities(X), shares, atol=1e-12)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_stacked_scoring_equals_scoring_each(covariance_type):
    # different sizes, and class models tens of standard deviations apart
    mixtures = [random_mixture(covariance_type, k, 3, seed=k, offset=20.0 * k) for k in (1, 8, 3, 2)]
    X = np.vstack([m.sample(400, np.random.default_rng(1)) for m in mixtures])
    stacked = stacked_log_density(mixtures, X)
    assert stacked.shape == (1600, 4)
    for i, mixture in enumerate(mixtures):
        # one common centre instead of each mixture's own: x^2 terms lose at most three digits here
        np.testing.assert_allclose(stacked[:, i], mixture.log_density(X), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_scoring_holds_no_matrix_of_rows_by_components(covariance_type):
    mixture = random_mixture(covariance_type, 64, 4)
    X = np.random.default_rng(0).normal(size=(40_000, 4)).astype(np.float32)
    mixture.log_density(X[:10])
    tracemalloc.start()
    mixture.log_density(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the result is 0.3 MB, a chunk in float64 0.3 MB, a block's products 0.6 MB; 40,000 x 64 float64 would be 20 MB
    assert peak < 2e6


# --- sampling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_sample_is_driven_by_its_generator_alone(covariance_type):
    mixture = random_mixture(covariance_type)
    one, same, other = (mixture.sample(20, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.shape == (20, 3)
    np.testing.assert_array_equal(one, same)
    assert not np.isclose(one, other).any()


def test_sample_of_no_rows_is_an_empty_matrix():
    assert random_mixture("full").sample(0, np.random.default_rng(0)).shape == (0, 3)


def test_sample_refuses_a_negative_number_of_rows():
    with pytest.raises(SettingError) as caught:
        random_mixture("diag").sample(-1, np.random.default_rng(0))
    assert str(caught.value) == "n is -1; expected a number of rows, 0 or more"


# --- invalid input ---------------------------------------------------------------------------------------------------


def test_every_kind_of_array_scores_alike(tmp_path):
    mixture = random_mixture("full")
    X = np.round(mixture.sample(1500, np.random.default_rng(1)))
    expected = mixture.log_density(X)
    read_only = X.copy()
    read_only.setflags(write=False)
    padded = np.zeros((3000, 6))
    padded[::2, ::2] = X
    np.save(tmp_path / "rows.npy", X)
    kinds = {
        "list": X.tolist(),
        "int16": X.astype(np.int16),
        "float16": X.astype(np.float16),
        "big-endian": X.astype(">f8"),
        "Fortran": np.asfortranarray(X),
        "non-contiguous": padded[::2, ::2],
        "reversed": X[::-1][::-1],
        "read-only": read_only,
        "memmap": np.load(tmp_path / "rows.npy", mmap_mode="r"),
    }
    for kind, rows in kinds.items():
        # whole numbers are the same in all of these types
        np.testing.assert_array_equal(mixture.log_density(rows), expected, err_msg=kind)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_no_rows_have_no_scores(covariance_type):
    mixture = random_mixture(covariance_type)
    assert mixture.log_density(np.empty((0, 3))).shape == (0,)
    assert mixture.responsibilities(np.empty((0, 3))).shape == (0, 4)


def test_scoring_leaves_the_rows_alone():
    mixture = random_mixture("diag")
    X = np.random.default_rng(0).normal(size=(50, 3))
    before = X.copy()
    mixture.log_density(X)
    mixture.responsibilities(X)
    np.testing.assert_array_equal(X, before)


def test_parameters_are_read_only_copies():
    weights, means, covariances = np.ones(1), np.zeros((1, 2)), np.ones((1, 2))
    mixture = GaussianMixture(weights, means, covariances)
    means[:] = 99.0
    np.testing.assert_array_equal(mixture.means, 0.0)
    for name in ("weights", "means", "covariances"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(mixture, name)[...] = 1.0
        with pytest.raises(AttributeError, match=f"cannot assign to field '{name}'"):
            setattr(mixture, name, weights)


def test_parameters_become_float64():
    mixture = GaussianMixture([1], np.zeros((1, 2), dtype=np.float32), [[1, 2]])
    assert [a.dtype for a in (mixture.weights, mixture.means, mixture.covariances)] == [np.float64] * 3
    assert (mixture.n_components, mixture.n_features, mixture.covariance_type) == (1, 2, "diag")


def with_bad(value, row=1500, column=2):
    X = np.zeros((2000, 3))
    X[row, column] = value
    return X


BAD_ROWS = {
    "one-dimensional": (
        np.zeros(3),
        "rows have shape (3,); expected (n_rows, n_features): one row for each observation; reshape(-1, 1) makes "
        "rows of one feature of them, reshape(1, -1) one row",
    ),
    "three-dimensional": (
        np.zeros((2, 3, 1)),
        "rows have shape (2, 3, 1); expected (n_rows, n_features): one row for each observation",
    ),
    "no columns": (
        np.zeros((2, 0)),
        "rows have shape (2, 0); expected (n_rows, n_features): one row for each observation",
    ),
    "too few features": (np.zeros((5, 2)), "rows have 2 features; the mixture was made for 3"),
    "too many features": (np.zeros((5, 4)), "rows have 4 features; the mixture was made for 3"),
    "infinity": (
        with_bad(np.inf, 0, 1),
        "row 0, column 1 is inf; rows must be finite, or NaN where a value is missing: drop or repair such rows",
    ),
    "negative infinity beside a missing value": (
        np.where(np.arange(3) == 1, np.nan, with_bad(-np.inf, 1700, 0)).astype(np.float32),
        "row 1700, column 0 is -inf; rows must be finite, or NaN where a value is missing: drop or repair such rows",
    ),
    "words": ([["a", "b", "c"]], "rows must be a matrix of real numbers; could not convert string to float: "),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "rows must be a matrix of real numbers; setting an array element"),
}


@pytest.mark.parametrize("method", ["log_density", "responsibilities"])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_refused_by_name(method, case):
    rows, message = BAD_ROWS[case]
    with pytest.raises(MixtureError) as caught:
        getattr(random_mixture("diag"), method)(rows)
    # numpy words the end of the last two
    assert str(caught.value).startswith(message) if case in ("words", "ragged") else str(caught.value) == message


ONE = np.ones(1)


HALVES = np.array([0.5, 0.5])


BAD_MIXTURES = {
    "means not a matrix": (
        (ONE, np.zeros(2), np.ones((1, 2))),
        "means have shape (2,); expected (n_components, n_features)",
    ),
    "too many weights": (
        (HALVES, np.zeros((1, 2)), np.ones((1, 2))),
        "weights (2,) and diag covariances (1, 2) do not fit means (1, 2); expected (1,) and (1, 2)",
    ),
    "diag covariances for full": (
        (ONE, np.zeros((1, 2)), np.ones((1, 2)), "full"),
        "weights (1,) and full covariances (1, 2) do not fit means (1, 2); expected (1,) and (1, 2, 2)",
    ),
    "full covariances for diag": (
        (ONE, np.zeros((1, 2)), np.eye(2)[None]),
        "weights (1,) and diag covariances (1, 2, 2) do not fit means (1, 2); expected (1,) and (1, 2)",
    ),
    "nan mean": (
        (ONE, np.array([[np.nan]]), np.ones((1, 1))),
        "a mixture's weights, means and covariances must be finite",
    ),
    "infinite variance": (
        (ONE, np.zeros((1, 1)), np.array([[np.inf]])),
        "a mixture's weights, means and covariances must be finite",
    ),
    "weights sum to 1.1": (
        (np.array([0.5, 0.6]), np.zeros((2, 1)), np.ones((2, 1))),
        "weights sum to 1.1; expected non-negative weights that sum to 1",
    ),
    "a negative weight": (
        (np.array([1.5, -0.5]), np.zeros((2, 1)), np.ones((2, 1))),
        "weights sum to 1; expected non-negative weights that sum to 1",
    ),
    "no components": (
        (np.zeros(0), np.zeros((0, 1)), np.zeros((0, 1))),
        "weights sum to 0; expected non-negative weights that sum to 1",
    ),
    "a zero variance": (
        (ONE, np.zeros((1, 2)), np.array([[1.0, 0.0]])),
        "diag covariances must be positive (definite)",
    ),
    "an indefinite covariance": (
        (ONE, np.zeros((1, 2)), np.array([[[1.0, 2.0], [2.0, 1.0]]]), "full"),
        "full covariances must be positive (definite)",
    ),
    "a matrix for each tied component": (
        (HALVES, np.zeros((2, 1)), np.ones((2, 1, 1)), "tied"),
        "weights (2,) and tied covariances (2, 1, 1) do not fit means (2, 1); expected (2,) and (1, 1)",
    ),
    "a row for each spherical component": (
        (HALVES, np.zeros((2, 1)), np.ones((2, 1)), "spherical"),
        "weights (2,) and spherical covariances (2, 1) do not fit means (2, 1); expected (2,) and (2,)",
    ),
    "an asymmetric covariance": (
        (ONE, np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.4, 1.0]]]), "full"),
        "full covariances must be positive (definite)",
    ),
}


@pytest.mark.parametrize("case", BAD_MIXTURES)
def test_bad_parameters_are_refused_by_name(case):
    parameters, message = BAD_MIXTURES[case]
    with pytest.raises(MixtureError) as caught:
        GaussianMixture(*parameters)
    assert str(caught.value) == message


def test_unknown_covariance_type_is_refused():
    with pytest.raises(SettingError) as caught:
        GaussianMixture(ONE, np.zeros((1, 1)), np.ones((1, 1)), "sphere")
    assert str(caught.value) == "covariance_type is 'sphere'; expected one of diag, full, tied, spherical"


@pytest.mark.parametrize(
    ("others", "got"),
    [
        ([], "[]"),
        ([("diag", 2), ("diag", 3)], "[(2, 'diag'), (3, 'diag')]"),
        ([("diag", 2), ("full", 2)], "[(2, 'diag'), (2, 'full')]"),
    ],
)
def test_mixtures_of_different_kinds_are_not_stacked(others, got):
    mixtures = [random_mixture(kind, 2, d) for kind, d in others]
    with pytest.raises(MixtureError) as caught:
        stacked_log_density(mixtures, np.zeros((1, 2)))
    expected = f"mixtures to be scored together must share features and covariance type; got {got}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("kind", [MixtureError, SettingError])
def test_errors_are_ours_and_value_errors(kind):
    assert issubclass(kind, GmmaudioError)
    assert issubclass(kind, ValueError)


# --- known defects of peers ------------------------------------------------------------------------------------------


def test_sampling_takes_variances_for_variances_where_pomegranate_took_them_for_deviations():
    # pomegranate's diagonal normal drew with the variance as the deviation
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], [[100.0, 0.01]])
    X = mixture.sample(40_000, np.random.default_rng(0))
    # five standard errors of a deviation: 5 / sqrt(80,000) of it
    np.testing.assert_allclose(X.std(axis=0), [10.0, 0.1], rtol=0.018)


# --- regressions -----------------------------------------------------------------------------------------------------


def test_component_of_weight_zero_has_no_density():
    mixture = GaussianMixture([1.0, 0.0], [[0.0], [100.0]], [[1.0], [1.0]])
    np.testing.assert_allclose(mixture.log_density([[100.0]]), -0.5 * np.log(2 * np.pi) - 5000.0, rtol=1e-12)
    np.testing.assert_array_equal(mixture.responsibilities([[100.0]]), [[1.0, 0.0]])


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


def test_covariance_uneven_by_rounding_is_symmetric():
    covariance = np.cov(np.random.default_rng(0).normal(size=(50, 8)).T)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    mixture = GaussianMixture([1.0], np.zeros((1, 8)), [whiten @ covariance @ whiten.T], "full")
    # the unit matrix, as it should be
    np.testing.assert_allclose(mixture.covariances[0], np.eye(8), atol=1e-9)


def test_bic_counts_rows_that_say_something():
    X = np.random.default_rng(0).normal(size=(50, 2))
    mixture, _ = fit_gmm(X, 2)
    padded = np.vstack([X, np.full((9, 2), np.nan)])
    assert mixture.bic(padded) == pytest.approx(mixture.bic(X), rel=1e-12)
    assert mixture.aic(padded) == pytest.approx(mixture.aic(X), rel=1e-12)
