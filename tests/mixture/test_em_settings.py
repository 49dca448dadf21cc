"""The settings of EM: what each changes, and which values are refused."""

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, fit_gmm
from tests.mixture.conftest import CROWD, NOISE, assert_same_mixture, clusters, spread_start

TYPES = COVARIANCE_TYPES


# --- settings --------------------------------------------------------------------------------------------------------


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
    # into the rows' whitened coordinates and back: rounding
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


def normal_and_repeated_rows():
    """Return normal rows and two rows that are repeated often, in columns of different units."""
    rows = np.random.default_rng(0).normal(size=(400, 3))
    repeated = np.repeat([[9.0, 9.0, 9.0], [-9.0, 9.0, -9.0]], 50, axis=0)
    return np.vstack([rows, repeated]) * [1e-3, 1.0, 1e3]


@pytest.mark.parametrize("floor", [1.0, 0.2, 1e-3])
def test_diagonal_variances_stay_above_a_share_of_the_global_ones(floor):
    X = normal_and_repeated_rows()
    mixture, trace = fit_gmm(X, 7, variance_floor=floor)
    share = mixture.covariances / X.var(axis=0)
    # reached by the repeated rows, up to rounding
    assert share.min() == pytest.approx(floor, rel=1e-6)
    assert trace.floored == tuple(np.flatnonzero((share < floor * (1 + 1e-6)).all(axis=1)))
    assert trace.floored


@pytest.mark.parametrize("floor", [0.2, 1e-3])
def test_full_eigenvalues_stay_above_a_share_of_the_global_variance(floor):
    X = normal_and_repeated_rows()
    mixture, trace = fit_gmm(X, 7, covariance_type="full", variance_floor=floor)
    deviation = X.std(axis=0)
    values = np.linalg.eigvalsh(mixture.covariances / deviation / deviation[:, None])
    assert values.min() == pytest.approx(floor, rel=1e-6)
    assert trace.floored == tuple(np.flatnonzero(values[:, -1] < floor * (1 + 1e-6)))
    assert trace.floored


# --- what is refused -------------------------------------------------------------------------------------------------


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
        (
            np.zeros(5),
            "rows have shape (5,); expected (n_rows, n_features): one row for each observation; reshape(-1, 1) makes "
            "rows of one feature of them, reshape(1, -1) one row",
        ),
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
        ({"n_components": 2.5}, "`n_components` is 2.5; expected a whole number"),
        ({"n_init": 0}, "n_init is 0; expected a whole number, 1 or more"),
        ({"max_iter": -1}, "max_iter is -1; expected a whole number, 0 or more"),
        ({"tol": -1e-3}, "tol is -0.001; expected 0 or more"),
        ({"tol": np.nan}, "`tol` is nan; expected a finite number"),
        ({"tol": np.inf}, "`tol` is inf; expected a finite number"),
        (
            {"variance_floor": -0.1},
            "variance_floor is -0.1; expected a share of the global variance, 0 to 1",
        ),
        ({"variance_floor": 2}, "variance_floor is 2; expected a share of the global variance, 0 to 1"),
        ({"variance_floor": np.nan}, "`variance_floor` is nan; expected a finite number"),
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


# --- regressions -----------------------------------------------------------------------------------------------------


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
    with pytest.raises(SettingError, match=f"`{next(iter(bad))}` is"):
        fit_gmm(np.random.default_rng(0).normal(size=(20, 2)), **({"n_components": 2} | bad))
