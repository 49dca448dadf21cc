"""Starts, warm starts, bounds and precisions of the estimator, step by step beside scikit-learn's."""

import re

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, GMMEstimator, fit_gmm, to_sklearn
from tests.mixture.conftest import matrices_of, table

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few iterations are meant
X, _ = table()
# three components that are far from where EM ends
MEANS = np.array([[0.0, 0.5, 1.0], [3.0, 3.0, 3.0], [1.0, 2.0, 0.0]])
WEIGHTS = np.array([0.2, 0.5, 0.3])


def start_of(covariance_type):
    """Return the parameters of a start as both libraries take them."""
    covariances = {
        "diag": np.full((3, 3), 2.0),
        "full": np.array([np.eye(3) + 0.3] * 3),
        "tied": np.eye(3) + 0.3,
        "spherical": np.array([1.0, 2.0, 3.0]),
    }[covariance_type]
    precisions = to_sklearn(GaussianMixture(WEIGHTS, MEANS, covariances, covariance_type)).precisions_
    return {"weights_init": WEIGHTS, "means_init": MEANS, "precisions_init": precisions}


def pair(covariance_type, n_iter, **settings):
    """Return both libraries' estimators for exactly so many iterations."""
    shared = {"covariance_type": covariance_type, "max_iter": n_iter, "tol": 0.0, "random_state": 0, **settings}
    return GMMEstimator(3, variance_floor=0.0, **shared), SklearnMixture(3, reg_covar=0.0, **shared)


def assert_same(ours, theirs):
    # sums of the same terms in another order, through a few iterations
    np.testing.assert_allclose(ours.weights_, theirs.weights_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(ours.means_, theirs.means_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.precisions_, theirs.precisions_, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n_iter", [1, 4])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_every_iteration_from_a_given_start_is_scikit_learns(covariance_type, n_iter):
    ours, theirs = (model.fit(X) for model in pair(covariance_type, n_iter, **start_of(covariance_type)))
    assert_same(ours, theirs)
    assert ours.n_iter_ == theirs.n_iter_ == n_iter
    # theirs are the likelihoods before each iteration, ours those after it
    assert len(ours.lower_bounds_) == n_iter
    assert ours.lower_bound_ == ours.lower_bounds_[-1]
    assert ours.lower_bound_ == pytest.approx(theirs.score(X), rel=1e-9)
    if n_iter > 1:
        assert ours.lower_bounds_[-2] == pytest.approx(theirs.lower_bound_, rel=1e-9)
    if hasattr(theirs, "lower_bounds_"):  # scikit-learn 1.7
        np.testing.assert_allclose(ours.lower_bounds_[:-1], theirs.lower_bounds_[1:], rtol=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_warm_starts_go_on_where_the_last_fit_ended_as_scikit_learns_do(covariance_type):
    start = start_of(covariance_type)
    ours, theirs = pair(covariance_type, 2, warm_start=True, **start)
    for _ in range(3):
        assert_same(ours.fit(X), theirs.fit(X))
    whole, _ = pair(covariance_type, 6, **start)
    np.testing.assert_allclose(ours.means_, whole.fit(X).means_, rtol=1e-7, atol=1e-8)
    cold, _ = pair(covariance_type, 2, **start)
    assert np.abs(cold.fit(X).fit(X).means_ - ours.means_).max() > 1e-3


def test_a_warm_start_ignores_other_starts_and_their_number():
    model = GMMEstimator(3, init="random", n_init=5, random_state=0, max_iter=3, tol=0.0, warm_start=True).fit(X)
    before = model.lower_bound_
    model.set_params(random_state=9, init="kmeans").fit(X)
    assert model.lower_bound_ >= before
    mixture, _ = fit_gmm(X, 3, init="random", n_init=5, max_iter=3, tol=0.0, rng=np.random.default_rng(0))
    expected, _ = fit_gmm(X, 3, init=mixture, max_iter=3, tol=0.0)
    np.testing.assert_array_equal(model.means_, expected.means)


def test_a_warm_start_goes_on_with_the_components_that_were_kept():
    few = np.array([[0.0], [1.0], [1.0]])
    model = GMMEstimator(5, random_state=0, warm_start=True).fit(few).fit(few)
    assert model.n_components_ == 2
    with pytest.raises(
        MixtureError, match=r"^init is a mixture of \(components, covariance, features\) \(2, 'diag', 1"
    ):
        model.set_params(n_components=3).fit(few)


# clumps so far apart that every start ends in them
CLUMPS = np.concatenate([np.random.default_rng(k).normal(20 * k, 1, (40, 2)) for k in range(3)])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_means_alone_give_the_components_their_order_as_in_scikit_learn(order):
    means = np.array([[0.0, 0.0], [20.0, 20.0], [40.0, 40.0]])[order]
    settings = {"means_init": means, "max_iter": 200, "random_state": 0}
    ours = GMMEstimator(3, tol=1e-9, variance_floor=0.0, **settings).fit(CLUMPS)
    theirs = SklearnMixture(3, tol=1e-9, covariance_type="diag", reg_covar=0.0, **settings).fit(CLUMPS)
    np.testing.assert_allclose(ours.means_, theirs.means_, rtol=1e-6)
    np.testing.assert_allclose(ours.means_, means, atol=1)


@pytest.mark.parametrize(
    "given", [{"weights_init": [0.8, 0.1, 0.1]}, {"precisions_init": np.full((3, 2), 1e-3)}, {"means_init": CLUMPS[:3]}]
)
def test_each_part_replaces_that_of_the_start_and_no_other(given):
    model = GMMEstimator(3, max_iter=0, random_state=0, **given).fit(CLUMPS)
    plain = GMMEstimator(3, max_iter=0, random_state=0).fit(CLUMPS)
    names = {"weights_init": "weights_", "means_init": "means_", "precisions_init": "precisions_"}
    for parameter, attribute in names.items():
        expected = given.get(parameter, getattr(plain, attribute))
        # the rounding of whitening
        np.testing.assert_allclose(getattr(model, attribute), expected, rtol=1e-9, atol=1e-9)


def test_the_best_of_several_starts_is_kept_with_a_part_given():
    settings = {"init": "random", "weights_init": np.full(6, 1 / 6), "max_iter": 3, "tol": 0.0, "random_state": 1}
    one, several = (GMMEstimator(6, n_init=n, **settings).fit(X) for n in (1, 6))
    assert several.lower_bound_ > one.lower_bound_ + 1e-3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights_init": [0.5, 0.5]}, "weights_init has shape (2,); expected (3,): 3 components of 3 features, diag"),
        ({"weights_init": [0.5, 0.4, 0.4]}, "weights_init: weights sum to 1.3; expected non-negative weights that"),
        ({"weights_init": [1.5, -0.5, 0.0]}, "weights_init: weights sum to 1"),
        ({"means_init": np.zeros((3, 2))}, "means_init has shape (3, 2); expected (3, 3): 3 components of 3 features"),
        ({"means_init": np.full((3, 3), np.nan)}, "means_init: a mixture's weights, means and covariances must be fin"),
        ({"means_init": "middle"}, "means_init must be real numbers"),
        ({"means_init": np.ma.masked_array(MEANS, MEANS > 2)}, "means_init must be real numbers; some are masked"),
        ({"precisions_init": np.eye(3)}, None),
        ({"precisions_init": -np.ones((3, 3))}, "precisions_init: diag covariances must be positive"),
        ({"precisions_init": np.zeros((3, 3))}, "precisions_init: a mixture's weights, means and covariances must be"),
        (
            {"covariance_type": "full", "precisions_init": np.zeros((3, 3, 3))},
            "precisions_init: Singular matrix",
        ),
    ],
)
def test_starts_that_are_none_are_refused_by_name(given, message):
    model = GMMEstimator(**{"n_components": 3, "random_state": 0, **given})
    if message is None:  # zeros off the diagonal are precisions of 0
        message = "precisions_init: a mixture's weights"
    with pytest.raises(SettingError, match=f"^{re.escape(message)}"):
        model.fit(X)


# --- responsibilities as features, and rows of one dimension ---------------------------------------------------------


def test_the_transform_is_the_responsibilities_with_names():
    model = GMMEstimator(3, random_state=0).fit(X)
    np.testing.assert_array_equal(model.transform(X), model.mixture_.responsibilities(X))
    np.testing.assert_array_equal(GMMEstimator(3, random_state=0).fit_transform(X), model.transform(X))
    names = ["gmmestimator0", "gmmestimator1", "gmmestimator2"]
    assert model.get_feature_names_out().tolist() == names
    piped = make_pipeline(StandardScaler(), GMMEstimator(3, random_state=0)).fit(X)
    assert piped.transform(X).shape == (240, 3)
    assert piped.get_feature_names_out().tolist() == names


def test_data_frames_come_back_as_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = GMMEstimator(2, random_state=0).set_output(transform="pandas").fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.transform(frame).columns.tolist() == ["gmmestimator0", "gmmestimator1"]


def test_imputation_and_icl_are_those_of_the_mixture():
    model = GMMEstimator(2, covariance_type="full", random_state=0).fit(X)
    partial = X.copy()
    partial[::3, 1] = np.nan
    np.testing.assert_array_equal(model.impute(partial), model.mixture_.impute(partial))
    masked = np.ma.masked_invalid(partial)
    np.testing.assert_array_equal(model.impute(masked), model.impute(partial))
    np.testing.assert_array_equal(model.transform(masked), model.transform(partial))
    assert model.icl(masked) == model.icl(partial) == model.mixture_.icl(partial)


def test_precisions_are_inverses():
    model = GMMEstimator(2, covariance_type="full", random_state=0).fit(X)
    for precision, matrix in zip(model.precisions_, matrices_of(model.mixture_), strict=True):
        np.testing.assert_allclose(precision @ matrix, np.eye(3), atol=1e-11)


@pytest.mark.parametrize("method", ["fit", "fit_predict", "transform", "predict", "impute"])
def test_one_dimensional_rows_are_refused_with_the_remedy(method):
    model = GMMEstimator(1) if method.startswith("fit") else GMMEstimator(1).fit([[0.0], [1.0]])
    with pytest.raises(ValueError, match=r"(?s)Expected 2D array, got 1D array.*reshape\(-1, 1\)"):
        getattr(model, method)(np.zeros(3))
    with pytest.raises(MixtureError, match=r"reshape\(-1, 1\) makes rows of one feature of them"):
        fit_gmm(np.zeros(3), 1)
