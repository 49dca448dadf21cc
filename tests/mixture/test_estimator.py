"""The scikit-learn estimators: their results, their settings and what they refuse."""

import inspect
import re

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chisquare, multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import BayesianGaussianMixture
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.naive_bayes import GaussianNB

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import (
    GaussianMixture,
    GMMArrayClassifier,
    GMMEstimator,
    GMMImputer,
    estimator_settings,
    fit_gmm,
    from_sklearn,
)
from tests.mixture.conftest import matrices_of, random_mixture, scipy_log_density, table

TYPES = ("diag", "full", "tied", "spherical")


INITS = ("kmeans", "hierarchical", "binary", "random")


BOTH = (GMMEstimator, GMMArrayClassifier)


# --- the density estimator -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_estimator_is_the_core(covariance_type, dtype):
    X, _ = table()
    X = X.astype(dtype)
    mixture, trace = fit_gmm(X, 3, covariance_type=covariance_type, rng=np.random.default_rng(7))
    model = GMMEstimator(3, covariance_type=covariance_type, random_state=7).fit(X)
    assert model.trace_ == trace
    assert (model.n_iter_, model.converged_) == (trace.n_iter, trace.converged)
    assert (model.n_components_, model.n_features_in_) == (3, 3)
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(model, f"{name}_"), getattr(mixture, name))
        np.testing.assert_array_equal(getattr(model.mixture_, name), getattr(mixture, name))
    np.testing.assert_array_equal(model.score_samples(X), mixture.log_density(X))
    np.testing.assert_array_equal(model.predict_proba(X), mixture.responsibilities(X))
    np.testing.assert_array_equal(model.predict(X), mixture.responsibilities(X).argmax(axis=1))
    np.testing.assert_array_equal(clone(model).fit_predict(X), model.predict(X))
    assert model.score(X) == mixture.log_density(X).mean()
    assert (model.bic(X), model.aic(X)) == (mixture.bic(X), mixture.aic(X))


def test_one_component_has_the_mean_and_covariance_of_the_rows():
    X, _ = table()
    weights = np.random.default_rng(0).uniform(size=len(X))
    model = GMMEstimator(covariance_type="full").fit(X, sample_weight=weights)
    # float64 rounding of sums over 240 rows
    np.testing.assert_allclose(model.means_[0], np.average(X, axis=0, weights=weights), rtol=1e-11)
    np.testing.assert_allclose(model.covariances_[0], np.cov(X.T, aweights=weights, ddof=0), rtol=1e-11)


def test_fit_predict_uses_weights():
    X, _ = table()
    weights = (X[:, 0] > 0).astype(float)
    model = GMMEstimator(2, random_state=0)
    np.testing.assert_array_equal(model.fit_predict(X, sample_weight=weights), model.predict(X))
    assert model.means_[:, 0].min() > 0


def test_fewer_distinct_rows_keep_fewer_components():
    model = GMMEstimator(5, random_state=0).fit([[0.0], [0.0], [1.0], [1.0], [1.0]])
    assert (model.n_components_, model.weights_.shape, model.predict_proba([[0.0]]).shape) == (2, (2,), (1, 2))


def test_samples_follow_the_weights_means_and_covariances():
    model = GMMEstimator(4, random_state=3)
    model.mixture_ = random_mixture("full")
    model.weights_ = model.mixture_.weights
    X, components = model.sample(20_000)
    assert X.shape == (20_000, 3)
    counts = np.bincount(components, minlength=4)
    # a fixed seed; the probability of a worse fit by chance
    assert chisquare(counts, 20_000 * model.weights_).pvalue > 0.01
    for k in range(4):
        drawn, matrix = X[components == k], matrices_of(model.mixture_)[k]
        error = np.sqrt(np.diag(matrix) / len(drawn))
        # four standard errors
        assert (np.abs(drawn.mean(axis=0) - model.mixture_.means[k]) < 4 * error).all()
        spread = np.sqrt(np.diag(matrix))
        assert (np.abs(np.cov(drawn.T) - matrix) < 4 * np.sqrt(2 / len(drawn)) * np.outer(spread, spread)).all()


def test_samples_name_their_components():
    X = np.repeat([[0.0], [100.0], [300.0]], [10, 20, 30], axis=0) + np.arange(60)[:, None] / 60
    model = GMMEstimator(3, random_state=0).fit(X)
    rows, components = model.sample(50)
    np.testing.assert_array_equal(model.predict(rows), components)
    assert len(np.unique(components)) == 3


def test_a_component_of_weight_zero_is_never_drawn():
    model = GMMEstimator(random_state=0)
    model.mixture_ = GaussianMixture([0.0, 1.0], [[0.0], [1.0]], [[1.0], [1.0]])
    model.weights_ = model.mixture_.weights
    assert set(model.sample(9)[1]) == {1}


@pytest.mark.parametrize("make", [lambda: 5, lambda: np.random.RandomState(5), lambda: np.random.default_rng(5)])
def test_a_seed_repeats_the_fit_and_the_samples(make):
    X, _ = table()
    one, two = (GMMEstimator(3, init="random", random_state=make(), max_iter=5, tol=0.0).fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.means_, two.means_)
    np.testing.assert_array_equal(one.sample(4)[0], two.sample(4)[0])


def test_an_int_is_the_seed_of_the_core_and_of_every_sample():
    X, _ = table()
    mixture, _ = fit_gmm(X, 3, init="random", rng=np.random.default_rng(5))
    model = GMMEstimator(3, init="random", random_state=5).fit(X)
    np.testing.assert_array_equal(model.means_, mixture.means)
    np.testing.assert_array_equal(model.sample(4)[0], model.sample(4)[0])


def test_without_a_seed_every_sample_is_another():
    model = GMMEstimator().fit([[0.0], [1.0]])
    assert (model.sample(2)[0] != model.sample(2)[0]).all()
    np.testing.assert_array_equal(model.sample()[0].shape, (1, 1))


# --- the classifier --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("priors", [None, [0.2, 0.5, 0.3]])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_diagonal_component_is_naive_bayes(weighted, priors):
    X, y = table()
    weights = np.random.default_rng(0).uniform(size=len(X)) if weighted else None
    theirs = GaussianNB(priors=priors, var_smoothing=0.0).fit(X, y, sample_weight=weights)
    ours = GMMArrayClassifier(priors=priors).fit(X, y, sample_weight=weights)
    # float64 rounding of sums over 240 rows
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **close)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), **close)
    np.testing.assert_allclose(ours.decision_function(X), theirs.predict_joint_log_proba(X), **close)
    np.testing.assert_allclose(ours.priors_, theirs.class_prior_, **close)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, y) == theirs.score(X, y)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_several_components_follow_bayes_rule(covariance_type):
    X, y = table()
    model = GMMArrayClassifier(2, covariance_type=covariance_type, random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert [m.covariance_type for m in model.mixtures_] == [covariance_type] * 3
    counts = np.array([(y == label).sum() for label in "abc"])
    joint = np.column_stack([scipy_log_density(m, X) for m in model.mixtures_]) + np.log(counts / counts.sum())
    by_hand = np.exp(joint) / np.exp(joint).sum(axis=1, keepdims=True)
    # float64 rounding through a few products on either side
    np.testing.assert_allclose(model.predict_proba(X), by_hand, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(by_hand), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(model.decision_function(X), joint, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(model.predict(X), np.array(list("abc"))[by_hand.argmax(axis=1)])


def test_each_class_has_the_mixture_that_the_core_fits_to_its_rows():
    X, y = table()
    model = GMMArrayClassifier(2, random_state=4).fit(X, y)
    rng = np.random.default_rng(4)
    for i, label in enumerate("abc"):
        mixture, trace = fit_gmm(X[y == label], 2, rng=rng)
        np.testing.assert_array_equal(model.mixtures_[i].means, mixture.means)
        assert model.traces_[i] == trace
        assert model.n_iter_[i] == trace.n_iter


def test_two_classes_have_one_decision():
    X, y = table()
    X, y = X[y != "c"], y[y != "c"]
    model = GMMArrayClassifier(2, random_state=0).fit(X, y)
    log_proba = model.predict_log_proba(X)
    # differences of numbers below 100
    np.testing.assert_allclose(model.decision_function(X), log_proba[:, 1] - log_proba[:, 0], atol=1e-11)
    np.testing.assert_array_equal(model.predict(X), np.where(model.decision_function(X) > 0, "b", "a"))


def test_decisions_tell_apart_what_probabilities_do_not():
    model = GMMArrayClassifier().fit([[-1.0], [1.0], [99.0], [101.0]], [0, 0, 1, 1])
    far = [[200.0], [300.0]]
    assert np.ptp(model.predict_proba(far)[:, 1]) == 0
    assert model.decision_function(far)[1] > model.decision_function(far)[0] + 1


def test_a_prior_of_zero_rules_a_class_out():
    X, y = table()
    model = GMMArrayClassifier(priors=[0.5, 0.0, 0.5]).fit(X, y)
    assert (model.predict_proba(X)[:, 1] == 0).all()
    assert (model.predict_log_proba(X)[:, 1] == -np.inf).all()
    assert "b" not in model.predict(X)


def test_classes_without_weight_are_left_out():
    X, y = table()
    weights = (y != "b").astype(float)
    weighted = GMMArrayClassifier(random_state=0).fit(X, y, sample_weight=weights)
    removed = GMMArrayClassifier(random_state=0).fit(X[y != "b"], y[y != "b"])
    assert weighted.classes_.tolist() == ["a", "c"]
    # the same rows summed with weights of 1
    np.testing.assert_allclose(weighted.predict_proba(X), removed.predict_proba(X), rtol=1e-10, atol=1e-14)


def test_a_class_of_one_row_and_a_single_class_are_allowed():
    model = GMMArrayClassifier(3).fit([[0.0], [1.0], [2.0], [9.0]], [0, 0, 0, 1])
    assert [m.n_components for m in model.mixtures_] == [3, 1]
    assert model.predict([[9.0], [0.0]]).tolist() == [1, 0]
    assert GMMArrayClassifier().fit([[0.0], [1.0]], ["x", "x"]).predict([[5.0]]).tolist() == ["x"]


# --- missing values --------------------------------------------------------------------------------------------------


def with_missing(X, share=0.2):
    """Return the rows with a share of their values missing."""
    return np.where(np.random.default_rng(9).uniform(size=X.shape) < share, np.nan, X)


def test_missing_values_are_left_out_of_means_and_variances():
    X = with_missing(table()[0])
    model = GMMEstimator(tol=1e-14).fit(X)
    # where EM stops: each iteration leaves a fifth of the way, and tol is met within 1e-7 of the end
    np.testing.assert_allclose(model.means_[0], np.nanmean(X, axis=0), rtol=1e-6)
    np.testing.assert_allclose(model.covariances_[0], np.nanvar(X, axis=0), rtol=1e-6)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_density_of_an_incomplete_row_is_that_of_what_is_there(covariance_type):
    X, _ = table()
    model = GMMEstimator(2, covariance_type=covariance_type, random_state=0).fit(with_missing(X))
    m, observed = model.mixture_, [0, 2]
    parts = zip(m.weights, m.means[:, observed], matrices_of(m)[:, observed][:, :, observed], strict=True)
    expected = logsumexp([np.log(w) + multivariate_normal(a, c).logpdf(X[:, observed]) for w, a, c in parts], axis=0)
    partial = np.column_stack([X[:, 0], np.full(len(X), np.nan), X[:, 2]])
    # float64 rounding through a few products on either side
    np.testing.assert_allclose(model.score_samples(partial), expected, rtol=1e-9, atol=1e-9)


def test_probabilities_of_a_row_without_values_are_the_priors():
    X, y = table()
    nothing = np.full((2, 3), np.nan)
    model = GMMArrayClassifier(2, random_state=0).fit(with_missing(X), y)
    # the softmax of logarithms
    np.testing.assert_allclose(model.predict_proba(nothing), [model.priors_] * 2, rtol=1e-14)
    density = GMMEstimator(2, random_state=0).fit(np.concatenate([X, nothing]))
    assert density.score_samples(nothing).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(density.predict_proba(nothing), [density.weights_] * 2, rtol=1e-14)


def test_missing_values_cost_a_classifier_little():
    X, y = table(600)
    X_test, y_test = table(600, seed=1)
    model = GMMArrayClassifier(2, random_state=0).fit(with_missing(X), y)
    # the largest class is 0.46 of the rows, and complete training rows score 0.80
    assert model.score(X_test, y_test) > 0.7


# --- every parameter -------------------------------------------------------------------------------------------------


START = GaussianMixture([0.4, 0.4, 0.2], [[0.0] * 3, [3.0] * 3, [1.0] * 3], np.ones((3, 3)))


# one component more than there are clumps, so that starts lead to different places
BASE = {"n_components": 3, "init": "random", "random_state": 1, "max_iter": 6, "tol": 1e-9}


CHANGES = {
    "n_components": 2,
    "covariance_type": "spherical",
    "init": START,
    "n_init": 8,
    "max_iter": 1,
    "tol": 0.1,
    "variance_floor": 0.9,
    "accelerate": True,
    "random_state": 2,
}


def outcome(kind, **settings):
    X, y = table()
    model = kind(**{**BASE, **settings}).fit(X, y)
    return model.score_samples(X) if kind is GMMEstimator else model.predict_proba(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few iterations are meant
@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("kind", BOTH)
def test_every_parameter_changes_the_outcome(kind, name):
    assert np.abs(outcome(kind) - outcome(kind, **{name: CHANGES[name]})).max() > 1e-4


def test_priors_change_the_outcome():
    X, y = table()
    even = GMMArrayClassifier(priors=np.full(3, 1 / 3)).fit(X, y)
    assert even.priors_.tolist() == [1 / 3] * 3
    assert np.abs(even.predict_proba(X) - GMMArrayClassifier().fit(X, y).predict_proba(X)).max() > 0.1


@pytest.mark.parametrize("kind", BOTH)
def test_threads_are_asked_for_and_change_no_bit(kind, monkeypatch):
    n_threads_of_calls = []

    def spy(*args, **settings):
        n_threads_of_calls.append(settings["n_threads"])
        return fit_gmm(*args, **settings)

    X, y = table(20_000)
    monkeypatch.setattr(estimator_settings, "fit_gmm", spy)
    one, two = (kind(2, random_state=0, max_iter=3, tol=0.0, n_threads=n).fit(X, y) for n in (1, 2))
    assert sorted(set(n_threads_of_calls)) == [1, 2]
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_parameters_and_defaults_are_those_of_the_core():
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(fit_gmm).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    ours = GMMEstimator().get_params()
    assert ours.pop("n_components") == 1
    assert ours.pop("random_state") is None
    left_out = {"weights", "rng", "mapper", "callback", "checkpoints"}
    for name in ("weights_init", "means_init", "precisions_init"):
        assert ours.pop(name) is None
    assert ours.pop("warm_start") is False
    assert ours == {name: value for name, value in defaults.items() if name not in left_out}
    shared = {**ours, "n_components": 1, "random_state": None}
    assert GMMArrayClassifier().get_params() == {**shared, "priors": None}
    assert GMMImputer().get_params() == {**shared, "covariance_type": "full", "n_imputations": 0}


# --- errors and warnings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components is 0; expected a whole number, 1 or more"),
        ({"covariance_type": "round"}, "covariance_type is 'round'; expected one of diag, full, tied, spherical"),
        ({"n_threads": 0}, "n_threads is 0; expected 1 or more, or -1 for one on each core"),
        (
            {"random_state": "dice"},
            "random_state is 'dice'; expected an int of 0 or more, a numpy.random.RandomState or Generator, or None",
        ),
        (
            {"random_state": -1},
            "random_state is -1; expected an int of 0 or more, a numpy.random.RandomState or Generator, or None",
        ),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_bad_settings_are_refused_by_fit(kind, settings, message):
    model = kind(**settings)
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        model.fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([0.5, 0.5], "priors have shape (2,); expected (3,): one for each of the classes a, b, c"),
        ([0.5, 0.2, 0.2], "priors are [0.5, 0.2, 0.2]; expected shares of 0 or more that sum to 1"),
        ([1.5, -0.5, 0.0], "priors are [1.5, -0.5, 0.0]; expected shares of 0 or more that sum to 1"),
        ([np.nan, 0.5, 0.5], "priors are [nan, 0.5, 0.5]; expected shares of 0 or more that sum to 1"),
        ({"a": 1.0}, "priors are {'a': 1.0}; expected an array of numbers, or None"),
    ],
)
def test_bad_priors_are_refused(priors, message):
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        GMMArrayClassifier(priors=priors).fit(*table())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -1.0], r"^weight 1 is -1\.0; weights must be finite, and 0 or more$"),
        ([1.0], r"^sample_weight\.shape == \(1,\), expected \(2,\)!$"),
        ([1.0, np.nan], r"^Input sample_weight contains NaN"),
        # the words of newer scikit-learns, or ours under older ones
        (
            [0.0, 0.0],
            r"^Sample weights must contain at least one non-zero number\.$|^all weights are 0; at least one row",
        ),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_bad_weights_are_refused(kind, weights, message):
    with pytest.raises(ValueError, match=message):
        kind().fit([[0.0], [1.0]], [0, 1], sample_weight=weights)


@pytest.mark.parametrize("kind", BOTH)
def test_infinity_is_refused_and_nan_is_not(kind):
    model = kind().fit([[0.0, 1.0], [1.0, np.nan], [2.0, 0.0], [np.nan, 3.0]], [0, 0, 1, 1])
    for method in (model.predict, model.predict_proba):
        assert np.isfinite(method([[np.nan, 1.0]])).all()
        with pytest.raises(ValueError, match="Input X contains infinity"):
            method([[np.inf, 1.0]])
    with pytest.raises(ValueError, match="Input X contains infinity"):
        kind().fit([[0.0], [-np.inf]], [0, 1])


def test_a_column_without_a_value_is_refused_with_its_class():
    X = [[0.0, 1.0], [1.0, 2.0], [0.0, np.nan], [2.0, np.nan]]
    with pytest.raises(MixtureError, match=r"^class b: column 1 has no value in any row; drop it$"):
        GMMArrayClassifier().fit(X, ["a", "a", "b", "b"])
    with pytest.raises(MixtureError, match=r"^there are no rows; at least one is needed$"):
        GMMEstimator().fit([[np.nan], [np.nan]])


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, None])
def test_a_bad_number_of_samples_is_refused(n_samples):
    model = GMMEstimator().fit([[0.0], [1.0]])
    message = f"n_samples is {n_samples!r}; expected a number of rows, 1 or more"
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        model.sample(n_samples)


@pytest.mark.parametrize(
    "method",
    [
        "score_samples",
        "score",
        "predict",
        "predict_proba",
        "transform",
        "impute",
        "bic",
        "aic",
        "icl",
        "sample",
        "save",
    ],
)
def test_an_unfitted_estimator_says_so(method):
    with pytest.raises(NotFittedError, match="This GMMEstimator instance is not fitted yet"):
        getattr(GMMEstimator(), method)(1 if method == "sample" else [[0.0]])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_an_unfitted_classifier_says_so(method):
    with pytest.raises(NotFittedError, match="This GMMArrayClassifier instance is not fitted yet"):
        getattr(GMMArrayClassifier(), method)([[0.0]])


def test_numbers_without_classes_are_refused():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        GMMArrayClassifier().fit([[0.0], [1.0]], [0.1, 0.2])


def test_other_models_are_refused():
    with pytest.raises(SettingError, match=r"^model is a BayesianGaussianMixture; expected a fitted sklearn\.mixture"):
        from_sklearn(BayesianGaussianMixture())
    with pytest.raises(NotFittedError):
        from_sklearn(SklearnMixture())


def test_running_out_of_iterations_warns():
    X, y = table()
    message = (
        "stopped after max_iter=2 iterations and did not converge (tol=1e-09 nats for each row and feature); "
        "increase max_iter or tol"
    )
    with pytest.warns(ConvergenceWarning, match=f"^EM {re.escape(message)}$"):
        model = GMMEstimator(3, max_iter=2, tol=1e-9, random_state=0).fit(X)
    assert not model.converged_
    with pytest.warns(ConvergenceWarning, match=f"^EM of class c {re.escape(message)}$"):
        GMMArrayClassifier(2, max_iter=2, tol=1e-9, random_state=0).fit(X[y == "c"], y[y == "c"])


def test_running_exactly_as_many_iterations_as_asked_is_no_warning():
    X, _ = table()
    assert GMMEstimator(3, max_iter=2, tol=0.0, random_state=0).fit(X).n_iter_ == 2
    assert GMMEstimator(3, max_iter=0, random_state=0).fit(X).n_iter_ == 0


def test_names_are_found_where_they_were_before_they_moved():
    from gmmaudio.mixture import estimator

    assert estimator.GMMArrayClassifier is GMMArrayClassifier
    assert estimator.from_sklearn is from_sklearn
    with pytest.raises(AttributeError, match=r"module 'gmmaudio\.mixture\.estimator' has no attribute 'to_mclust'"):
        _ = estimator.to_mclust
