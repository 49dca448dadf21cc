"""The estimators against scikit-learn: its checks, its mixture and its tools."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from gmmaudio.mixture import GMMArrayClassifier, GMMEstimator, GMMImputer, fit_gmm, from_sklearn, to_sklearn
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_density, table

TYPES = ("diag", "full", "tied", "spherical")
INITS = ("kmeans", "hierarchical", "binary", "random")
BOTH = (GMMEstimator, GMMArrayClassifier)


# --- scikit-learn's own checks ---------------------------------------------------------------------------------------


# Checks that skip themselves, and what each says it lacks; none is skipped on our side.
SKIPPED = {
    "check_sample_weights_pandas_series": "pandas is not installed",
    "check_classifier_data_not_an_array": "pandas is not installed",
    "check_array_api_input": "SCIPY_ARRAY_API is not set",
}


def failures(estimator):
    """Return what scikit-learn's checks find, without what SKIPPED explains."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(results) > 40
    failed = []
    for result in results:
        name, status, message = result["check_name"], result["status"], str(result["exception"])
        explained = status == "skipped" and message.startswith(SKIPPED.get(name, "?"))
        if not explained and status != "passed":
            failed.append((name, status, message))
    return failed


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("kind", BOTH)
def test_scikit_learns_checks_pass(kind, covariance_type):
    assert failures(kind(covariance_type=covariance_type)) == []


@pytest.mark.parametrize("n_imputations", [0, 2])
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_scikit_learns_checks_pass_for_the_imputer(covariance_type, n_imputations):
    assert failures(GMMImputer(covariance_type=covariance_type, n_imputations=n_imputations)) == []


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # tables made to be hard
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
@pytest.mark.parametrize("kind", BOTH)
def test_scikit_learns_checks_pass_to_several_components(kind, covariance_type):
    assert failures(kind(3, covariance_type=covariance_type, max_iter=20)) == []


def test_the_checks_detect_a_fault(monkeypatch):
    monkeypatch.setattr(GMMEstimator, "score_samples", lambda self, X: np.arange(len(X), dtype=float))
    assert "check_methods_subset_invariance" in [name for name, _, _ in failures(GMMEstimator())]


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("kind", BOTH)
def test_a_weight_is_a_repetition(kind, covariance_type, init):
    X, y = table()
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    order = np.random.default_rng(2).permutation(len(X))
    # so few iterations that rounding cannot grow
    model = kind(3, covariance_type=covariance_type, init=init, max_iter=8, tol=0.0, random_state=0)
    weighted = clone(model).fit(X[order], y[order], sample_weight=weights[order])
    repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    plain = clone(model).fit(X, y)
    score = "score_samples" if kind is GMMEstimator else "decision_function"
    # sums of the same terms in another order, through 8 iterations; the worst measured is 3e-12
    np.testing.assert_allclose(getattr(weighted, score)(X), getattr(repeated, score)(X), rtol=1e-8, atol=1e-8)
    assert np.abs(getattr(plain, score)(X) - getattr(repeated, score)(X)).max() > 0.01


# --- against scikit-learn's mixture ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_to_sklearn_scores_like_us_and_like_scipy(covariance_type, n_features):
    mixture = random_mixture(covariance_type, n_features=n_features)
    X = mixture.sample(200, np.random.default_rng(1))
    theirs = to_sklearn(mixture)
    # float64 rounding through a few products on either side
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(theirs.score_samples(X), scipy_log_density(mixture, X), **close)
    np.testing.assert_allclose(theirs.score_samples(X), mixture.log_density(X), **close)
    np.testing.assert_allclose(theirs.predict_proba(X), mixture.responsibilities(X), **close)
    np.testing.assert_array_equal(theirs.predict(X), mixture.responsibilities(X).argmax(axis=1))
    assert theirs.bic(X) == pytest.approx(mixture.bic(X), rel=1e-11)
    assert theirs.aic(X) == pytest.approx(mixture.aic(X), rel=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_to_sklearn_sets_what_a_fit_sets(covariance_type):
    mixture = random_mixture(covariance_type)
    X = mixture.sample(500, np.random.default_rng(1))
    ours, fitted = to_sklearn(mixture), SklearnMixture(4, covariance_type=covariance_type, random_state=0).fit(X)
    assert set(vars(fitted)) <= set(vars(ours))
    shapes = {name: np.shape(getattr(fitted, name)) for name in vars(fitted) if name != "lower_bounds_"}
    assert {name: np.shape(getattr(ours, name)) for name in shapes} == shapes
    for precision, matrix in zip(precisions(ours), matrices_of(mixture), strict=True):
        # an inverse loses as many digits as the condition number has, here below 100
        np.testing.assert_allclose(precision @ matrix, np.eye(3), atol=1e-11)
    assert ours.sample(7)[0].shape == (7, 3)
    assert ours.converged_
    assert ours.n_iter_ == 0
    assert ours.lower_bound_ == -np.inf
    ours.means_ += 1.0  # a copy, and one that may be changed
    assert not np.shares_memory(ours.means_, mixture.means)


def precisions(model):
    """Return the inverse covariance of every component as scikit-learn keeps it, as matrices."""
    k, d = model.means_.shape
    return {
        "full": lambda p: p,
        "diag": lambda p: [np.diag(row) for row in p],
        "tied": lambda p: [p] * k,
        "spherical": lambda p: [v * np.eye(d) for v in p],
    }[model.covariance_type](model.precisions_)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_there_and_back_is_exact(covariance_type):
    mixture = random_mixture(covariance_type)
    back = from_sklearn(to_sklearn(mixture))
    assert back.covariance_type == covariance_type
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mixture, name))


@pytest.mark.parametrize("covariance_type", TYPES)
def test_from_sklearn_scores_like_the_model_it_came_from(covariance_type):
    X, _ = table()
    theirs = SklearnMixture(3, covariance_type=covariance_type, random_state=0, tol=1e-2).fit(X)
    ours = from_sklearn(theirs)
    # float64 rounding through a few products on either side
    np.testing.assert_allclose(ours.log_density(X), theirs.score_samples(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.responsibilities(X), theirs.predict_proba(X), rtol=1e-9, atol=1e-9)
    assert ours.bic(X) == pytest.approx(theirs.bic(X), rel=1e-11)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_estimator_finds_what_scikit_learn_finds_from_the_same_start(covariance_type):
    X, _ = table()
    start, _ = fit_gmm(X, 2, covariance_type=covariance_type, max_iter=0)
    precisions_init = to_sklearn(start).precisions_
    theirs = SklearnMixture(
        2, covariance_type=covariance_type, weights_init=start.weights, means_init=start.means,
        precisions_init=precisions_init, reg_covar=0.0, tol=1e-10, max_iter=3000,
    ).fit(X)  # fmt: skip
    ours = GMMEstimator(
        2, covariance_type=covariance_type, init=start, variance_floor=0.0, tol=1e-11, max_iter=3000, random_state=0
    ).fit(X)
    assert ours.converged_
    # where EM stops: within a few hundred times tol of the maximum where it converges slowly
    assert ours.score(X) == pytest.approx(theirs.score(X), abs=1e-7)
    np.testing.assert_allclose(ours.means_, theirs.means_, atol=1e-3)


# --- scikit-learn's tools --------------------------------------------------------------------------------------------


def test_a_scaler_in_a_pipeline_changes_nothing():
    X, y = table()
    plain = GMMArrayClassifier(2, random_state=0).fit(X, y)
    piped = make_pipeline(StandardScaler(), GMMArrayClassifier(2, random_state=0)).fit(1000 * X + 5000, y)
    # where EM stops is the same; rounding of the scaled rows goes through its iterations
    np.testing.assert_allclose(piped.predict_proba(1000 * X + 5000), plain.predict_proba(X), atol=1e-6)


def test_cross_validation_tells_classes_and_not_noise():
    X, y = table(600)
    model = make_pipeline(StandardScaler(), GMMArrayClassifier(2, random_state=0))
    scores = cross_val_score(model, X, y, cv=3)
    noise = cross_val_score(model, X, np.random.default_rng(0).permutation(y), cv=3)
    # the largest class is 0.46 of the rows
    assert scores.min() > 0.68
    assert noise.max() < 0.6


def test_a_grid_search_finds_the_number_of_components():
    X = np.random.default_rng(0).permutation(np.concatenate([np.linspace(m, m + 1, 60) for m in (0.0, 5.0, 10.0)]))
    search = GridSearchCV(GMMEstimator(random_state=0, variance_floor=0.01), {"n_components": [1, 2, 3]}, cv=3)
    search.fit(X[:, None])
    assert search.best_params_ == {"n_components": 3}
    assert search.best_score_ == pytest.approx(
        np.mean([search.cv_results_[f"split{i}_test_score"][2] for i in range(3)])
    )


def test_a_grid_search_passes_weights_on():
    X, y = table()
    weights = (X[:, 0] > 0).astype(float)
    search = GridSearchCV(GMMArrayClassifier(random_state=0), {"covariance_type": ["diag", "full"]}, cv=2)
    search.fit(X, y, sample_weight=weights)
    alone = clone(search.best_estimator_).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("kind", BOTH)
def test_clones_and_pickles(kind):
    X, y = table()
    model = kind(2, covariance_type="tied", random_state=0).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))  # noqa: S301 our own bytes
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    np.testing.assert_array_equal(fresh.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_a_mixture_as_start_survives_a_clone():
    X, _ = table()
    start, _ = fit_gmm(X, 2, max_iter=1, tol=0.0)
    model = clone(GMMEstimator(2, init=start, max_iter=0)).fit(X)
    # into the whitened coordinates of the fit and back
    np.testing.assert_allclose(model.means_, start.means, rtol=1e-12)


def test_another_number_of_columns_is_refused():
    X, _ = table()
    model = GMMEstimator().fit(X)
    with pytest.raises(ValueError, match=re.escape("X has 2 features, but GMMEstimator is expecting 3 features")):
        model.score_samples(X[:, :2])


def test_the_core_does_without_scikit_learn():
    code = "import sys, gmmaudio.mixture; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
