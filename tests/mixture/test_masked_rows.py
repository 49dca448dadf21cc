"""Masked values are missing values at every entry of the package, whatever lies under the mask."""

import numpy as np
import pytest
from scipy import sparse

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import (
    COVARIANCE_TYPES,
    GaussianMixture,
    GMMArrayClassifier,
    GMMEstimator,
    SufficientStats,
    accumulate,
    adapt,
    adapt_gmm,
    fit_gmm,
    from_sklearn,
    maximise,
    select_gmm,
    stacked_log_density,
    to_sklearn,
)
from gmmaudio.mixture.components import take
from gmmaudio.mixture.rows import first_distinct_rows, summarise
from gmmaudio.mixture.selection import responsibility_entropy
from gmmaudio.mixture.sources import CHUNK_ROWS
from tests.mixture.conftest import blobs, random_mixture

UNDER_THE_MASK = -9999.0
MASKED = "some are masked: leave them out, or replace them by numbers"


def incomplete(n=300):
    """Return rows with NaN, and the same rows with masked values that are far off."""
    X = blobs(n)
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    mask[:3] = True
    return np.where(mask, np.nan, X), np.ma.masked_array(np.where(mask, UNDER_THE_MASK, X), mask)


def numbers_of(mixture):
    return np.concatenate([mixture.weights, mixture.means.ravel(), mixture.covariances.ravel()])


MIXTURE = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [3.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]])
CLASSES = np.arange(300) % 2


def fitted():
    return GMMEstimator(2, random_state=0).fit(blobs())


def classifier():
    return GMMArrayClassifier(2, random_state=0).fit(blobs(300), CLASSES)


ENTRIES = {
    "fit_gmm": lambda X: numbers_of(fit_gmm(X, 2)[0]),
    "fit_gmm, hierarchical": lambda X: numbers_of(fit_gmm(X, 2, init="hierarchical")[0]),
    "fit_gmm, from a mixture": lambda X: numbers_of(fit_gmm(X, 2, init=MIXTURE)[0]),
    "fit_gmm, accelerated": lambda X: numbers_of(fit_gmm(X, 2, accelerate=True)[0]),
    "log_density": MIXTURE.log_density,
    "responsibilities": MIXTURE.responsibilities,
    "impute": MIXTURE.impute,
    "bic": MIXTURE.bic,
    "aic": MIXTURE.aic,
    "stacked_log_density": lambda X: stacked_log_density([MIXTURE, MIXTURE], X),
    "accumulate": lambda X: np.concatenate([accumulate(MIXTURE, X).f.ravel(), accumulate(MIXTURE, X).s.ravel()]),
    "adapt_gmm": lambda X: numbers_of(adapt_gmm(MIXTURE, X, parameters=("weights", "means", "covariances"))),
    "select_gmm": lambda X: [row.bic for row in select_gmm(X, [1, 2], held_out=0.2).rows],
    "the entropy": lambda X: responsibility_entropy(MIXTURE, X),
    "a summary": lambda X: np.concatenate([summarise(X).low, summarise(X).high, summarise(X).observed]),
    "distinct rows": lambda X: first_distinct_rows(X, None, 50),
    "GMMEstimator.fit": lambda X: numbers_of(GMMEstimator(2, random_state=0).fit(X).mixture_),
    "GMMEstimator.fit_predict": lambda X: GMMEstimator(2, random_state=0).fit_predict(X),
    "GMMEstimator.score_samples": lambda X: fitted().score_samples(X),
    "GMMEstimator.score": lambda X: fitted().score(X),
    "GMMEstimator.predict_proba": lambda X: fitted().predict_proba(X),
    "GMMEstimator.predict": lambda X: fitted().predict(X),
    "GMMEstimator.bic": lambda X: fitted().bic(X),
    "GMMEstimator.aic": lambda X: fitted().aic(X),
    "GMMArrayClassifier.fit": lambda X: numbers_of(GMMArrayClassifier(2, random_state=0).fit(X, CLASSES).mixtures_[1]),
    "GMMArrayClassifier.decision_function": lambda X: classifier().decision_function(X),
    "GMMArrayClassifier.predict_log_proba": lambda X: classifier().predict_log_proba(X),
    "GMMArrayClassifier.predict_proba": lambda X: classifier().predict_proba(X),
    "GMMArrayClassifier.predict": lambda X: classifier().predict(X),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_masked_is_missing_at_every_entry(entry):
    missing, masked = incomplete()
    expected = ENTRIES[entry](missing)
    np.testing.assert_array_equal(ENTRIES[entry](masked), expected)
    # without masked values it is an array as any other
    complete = blobs(300)
    np.testing.assert_array_equal(ENTRIES[entry](np.ma.masked_array(complete)), ENTRIES[entry](complete))


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool"])
def test_masked_is_missing_for_every_dtype_and_covariance(covariance_type, dtype):
    X = np.round(blobs(300)).astype(dtype)
    mask = np.random.default_rng(1).random(X.shape) < 0.2
    missing = np.where(mask, np.nan, X.astype(np.float64))
    expected = fit_gmm(missing.astype("float32") if dtype == "float32" else missing, 2, covariance_type=covariance_type)
    ours = fit_gmm(np.ma.masked_array(X, mask), 2, covariance_type=covariance_type)
    np.testing.assert_array_equal(numbers_of(ours[0]), numbers_of(expected[0]))


def test_masked_is_missing_in_every_source():
    missing, masked = incomplete(3 * CHUNK_ROWS)
    expected = numbers_of(fit_gmm(missing, 2, max_iter=3)[0])
    sources = {
        "array": masked,
        "list of arrays": [masked[:100], masked[100:9000], missing[9000:]],
        "function": lambda: (masked[start : start + 999] for start in range(0, len(masked), 999)),
        "function that gives one": lambda: masked,
        "Fortran order": np.ma.masked_array(np.asfortranarray(masked.data), masked.mask),
    }
    for name, source in sources.items():
        np.testing.assert_array_equal(numbers_of(fit_gmm(source, 2, max_iter=3)[0]), expected, err_msg=name)


@pytest.mark.parametrize("fit", [lambda X: fit_gmm(X, 2)[0], lambda X: GMMEstimator(2, random_state=0).fit(X).mixture_])
def test_masked_rows_and_masked_numbers_in_lists_are_missing(fit):
    missing, masked = incomplete()
    rows = [
        [np.ma.masked if hidden else x for x, hidden in zip(*row, strict=True)]
        for row in zip(masked.data.tolist(), masked.mask, strict=True)
    ]
    for source in (list(masked), rows, np.array(rows, dtype=object)):
        np.testing.assert_array_equal(numbers_of(fit(source)), numbers_of(fit(missing)))


def test_a_large_masked_array_is_filled_chunk_by_chunk():
    import tracemalloc

    X = np.ma.masked_array(np.zeros((80_000, 20)), np.zeros((80_000, 20), bool))
    X.mask[::3, 4] = True
    X[:, 0] = np.arange(80_000) % 7
    mixture = GaussianMixture([1.0], np.zeros((1, 20)), np.ones((1, 20)))
    accumulate(mixture, X[:100])
    tracemalloc.start()
    accumulate(mixture, X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # a chunk is 1.3 MB, all rows 13 MB
    assert peak < 8e6


# --- where nothing may be missing ------------------------------------------------------------------------------------


def hidden(values):
    """Return the values with the last one masked."""
    array = np.ma.masked_array(values, False)
    array.mask.flat[-1] = True
    return array


STATS = accumulate(MIXTURE, blobs())
REFUSALS = {
    "weights of rows": lambda: fit_gmm(blobs(300), 2, weights=hidden(np.ones(300))),
    "weights of statistics": lambda: accumulate(MIXTURE, blobs(300), hidden(np.ones(300))),
    "weights of adaptation": lambda: adapt_gmm(MIXTURE, blobs(300), weights=hidden(np.ones(300))),
    "weights of a selection": lambda: select_gmm(blobs(300), [1], weights=hidden(np.ones(300))),
    "groups": lambda: select_gmm(blobs(300), [1], groups=hidden(np.arange(300) % 9)),
    "groups by name": lambda: select_gmm(blobs(300), [1], groups=[*"ab" * 149, "c", np.ma.masked]),
    "sample weights": lambda: GMMEstimator().fit(blobs(300), sample_weight=hidden(np.ones(300))),
    "sample weights of a classifier": lambda: GMMArrayClassifier().fit(
        blobs(300), CLASSES, sample_weight=hidden(np.ones(300))
    ),
    "classes": lambda: GMMArrayClassifier().fit(blobs(300), hidden(CLASSES)),
    "priors": lambda: GMMArrayClassifier(priors=hidden([0.5, 0.5])).fit(blobs(300), CLASSES),
    "weights of a mixture": lambda: GaussianMixture(hidden([0.5, 0.5]), MIXTURE.means, MIXTURE.covariances),
    "means of a mixture": lambda: GaussianMixture([0.5, 0.5], hidden(MIXTURE.means), MIXTURE.covariances),
    "covariances of a mixture": lambda: GaussianMixture([0.5, 0.5], MIXTURE.means, hidden(MIXTURE.covariances)),
    "a list of masked means": lambda: GaussianMixture([1.0], [hidden([0.0, 1.0])], [[1.0, 1.0]]),
    "a centre": lambda: MIXTURE.transform(hidden([0.0, 1.0]), np.ones(2)),
    "a scale": lambda: MIXTURE.transform(np.zeros(2), hidden([1.0, 1.0])),
    "components": lambda: take(MIXTURE, hidden([0, 1])),
    "sums of rows": lambda: maximise(SufficientStats(STATS.n, hidden(STATS.f), STATS.s, 0.0, 600)),
    "sums to adapt to": lambda: adapt(MIXTURE, SufficientStats(hidden(STATS.n), STATS.f, STATS.s, 0.0, 600)),
    "a floor": lambda: maximise(STATS, floor=hidden([1.0, 1.0])),
}


@pytest.mark.parametrize("use", REFUSALS)
def test_masked_values_are_refused_where_none_may_be_missing(use):
    with pytest.raises((MixtureError, SettingError), match=f"{MASKED}$"):
        REFUSALS[use]()


def test_a_scikit_learn_mixture_with_masked_means_is_refused():
    model = to_sklearn(MIXTURE)
    model.means_ = hidden(model.means_)
    with pytest.raises(MixtureError, match=f"means must be real numbers; {MASKED}"):
        from_sklearn(model)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_parameters_that_are_complex_are_refused_without_a_warning(covariance_type):
    mixture = random_mixture(covariance_type)
    with pytest.raises(MixtureError, match="covariances must be real numbers; they are complex128"):
        GaussianMixture(mixture.weights, mixture.means, mixture.covariances + 1j, covariance_type)
    with pytest.raises(MixtureError, match="means must be real numbers; they are complex128"):
        GaussianMixture(mixture.weights, mixture.means + 1j, mixture.covariances, covariance_type)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((9, 2)) * 1j,
        np.ma.masked_array(np.ones((9, 2)) * 1j, np.eye(9, 2)),
        np.full((9, 2), "2026-01-01", "datetime64[D]"),
        np.full((9, 2), 3, "timedelta64[s]"),
        np.zeros(9, [("a", "f8"), ("b", "f8")]),
        np.full((9, 2), "a"),
        sparse.csr_matrix(np.eye(9)),
        np.full((9, 2), np.inf),
        np.ma.masked_array(np.full((9, 2), np.inf), np.eye(9, 2)),
        [[1.0, object()]],
    ],
    ids=["complex", "masked complex", "dates", "times", "records", "words", "sparse", "infinite", "masked", "objects"],
)
@pytest.mark.parametrize("entry", ["fit_gmm", "log_density", "adapt_gmm", "GMMEstimator.fit", "GMMEstimator.predict"])
def test_rows_that_are_no_real_numbers_are_refused_at_every_entry(X, entry):
    # scikit-learn has its own errors for some of them; warnings are errors here
    with pytest.raises((ValueError, TypeError)):
        ENTRIES[entry](X)


@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[s]"])
@pytest.mark.parametrize("entry", ["fit_gmm", "log_density", "adapt_gmm", "GMMEstimator.fit", "GMMEstimator.predict"])
def test_data_frames_of_dates_are_refused_at_every_entry(kind, entry):
    # a cast would turn dates into nanoseconds
    pandas = pytest.importorskip("pandas")
    dates = np.arange(9).astype(kind)
    for frame in (pandas.DataFrame({"a": dates, "b": dates}), pandas.DataFrame({"a": dates, "b": np.ones(9)})):
        with pytest.raises((MixtureError, TypeError)):
            ENTRIES[entry](frame)
    with pytest.raises((ValueError, TypeError)):
        ENTRIES[entry](pandas.Series(dates))
