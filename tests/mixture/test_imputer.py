"""Imputation: the mean of what is missing, draws that keep spread, and intervals that cover."""

import re

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GMMImputer, PooledEstimate, fit_gmm, pool_estimates

RHO = 0.8


def incomplete(n, seed):
    """Return a correlated pair of columns with mean 0; the second is missing where the first is large, mostly."""
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal([0.0, 0.0], [[1.0, RHO], [RHO, 1.0]], size=n)
    rows[rng.uniform(size=n) < 0.8 * (rows[:, 0] > 0), 1] = np.nan
    return rows


def test_single_imputation_is_that_of_the_core():
    rows = incomplete(300, 0)
    mixture, trace = fit_gmm(rows, 2, covariance_type="full", rng=np.random.default_rng(3))
    imputer = GMMImputer(2, random_state=3).fit(rows)
    assert imputer.trace_ == trace
    assert imputer.n_iter_ == trace.n_iter
    np.testing.assert_array_equal(imputer.transform(rows), mixture.impute(rows))
    np.testing.assert_array_equal(imputer.transform(np.ma.masked_invalid(rows)), mixture.impute(rows))
    new = np.array([[0.5, np.nan], [np.nan, np.nan], [1.0, 2.0]])
    np.testing.assert_array_equal(imputer.transform(new), mixture.impute(new))


def test_values_missing_at_random_are_recovered_where_their_mean_is_biased():
    rows = incomplete(4000, 1)
    assert np.nanmean(rows[:, 1]) < -0.2
    complete = GMMImputer(random_state=0).fit_transform(rows)
    # four standard errors of a mean of 4,000, widened by the missing half
    assert abs(complete[:, 1].mean()) < 0.1
    assert SimpleImputer().fit_transform(rows)[:, 1].mean() < -0.2


def test_draws_keep_the_variance_that_means_lose():
    rows = incomplete(4000, 2)
    imputer = GMMImputer(n_imputations=2, random_state=0).fit(rows)
    single, (first, second) = imputer.transform(rows), imputer.transform_multiple(rows)
    # the truth is 1 and 0.8; tolerances are four standard errors
    assert single[:, 1].var() < 0.95
    assert first[:, 1].var() == pytest.approx(1.0, abs=0.12)
    assert np.corrcoef(first.T)[0, 1] == pytest.approx(RHO, abs=0.03)
    assert np.corrcoef(single.T)[0, 1] > RHO + 0.03
    observed = np.isfinite(rows)
    np.testing.assert_array_equal(first[observed], rows[observed])
    assert (first != second)[~observed].all()


def test_tables_are_the_same_for_the_same_seed_and_others_for_another():
    rows = incomplete(50, 3)
    one, two, other = (GMMImputer(n_imputations=2, random_state=seed).fit(rows) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.transform_multiple(rows), one.transform_multiple(rows))
    np.testing.assert_array_equal(one.transform_multiple(rows), two.transform_multiple(rows))
    assert (one.transform_multiple(rows) != other.transform_multiple(rows)).any()
    assert len(one.bootstrap_mixtures_) == 2
    assert (one.bootstrap_mixtures_[0].means != one.mixture_.means).all()


def coverage(n_tables, n_rows, m):
    """Return the shares of 95 % intervals of the second column's mean, 0, that hold it: multiple, single imputation."""
    multiple = single = 0
    for seed in range(n_tables):
        rows = incomplete(n_rows, 1000 + seed)
        imputer = GMMImputer(n_imputations=m, random_state=seed).fit(rows)
        tables = imputer.transform_multiple(rows)[:, :, 1]
        low, high = pool_estimates(tables.mean(axis=1), tables.var(axis=1, ddof=1) / n_rows).interval()
        multiple += low <= 0 <= high
        filled = imputer.transform(rows)[:, 1]
        single += abs(filled.mean()) <= 1.96 * filled.std(ddof=1) / np.sqrt(n_rows)
    return multiple / n_tables, single / n_tables


@pytest.mark.slow
def test_intervals_of_multiple_imputation_cover_and_those_of_single_imputation_do_not():
    multiple, single = coverage(300, 100, 10)
    # 95 %, with a standard error of 1.3 % for 300 tables; a small sample and ten draws may cost some more
    assert multiple > 0.91
    # both are of the same tables, so that their difference has a smaller error
    assert single < multiple - 0.04


def test_intervals_of_multiple_imputation_are_wider_by_the_missing_information():
    rows = incomplete(300, 7)
    tables = GMMImputer(n_imputations=40, random_state=0).fit(rows).transform_multiple(rows)[:, :, 1]
    pooled = pool_estimates(tables.mean(axis=1), tables.var(axis=1, ddof=1) / 300)
    # the regression of the second column on the first, whose mean is known better (Anderson 1957): the variance of
    # the maximum likelihood estimate is s^2 (rho^2 / n + (1 - rho^2) (1 / m + the distance of the means))
    seen = np.isfinite(rows[:, 1])
    x, y = rows[:, 0], rows[seen, 1]
    slope, intercept = np.polyfit(x[seen], y, 1)
    residual = np.sum((y - intercept - slope * x[seen]) ** 2) / (seen.sum() - 2)
    distance = (x.mean() - x[seen].mean()) ** 2 / np.sum((x[seen] - x[seen].mean()) ** 2)
    variance = slope**2 * x.var(ddof=1) / 300 + residual * (1 / seen.sum() + distance)
    # 40 draws give a variance between tables within a quarter
    assert pooled.variance == pytest.approx(variance, rel=0.2)
    assert pooled.estimate == pytest.approx(intercept + slope * x.mean(), abs=0.03)
    assert np.var(rows[seen, 1]) / 300 < 0.75 * pooled.variance


def test_several_components_follow_clumps_where_one_fills_the_gap_between_them():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(c, 0.1, (200, 2)) for c in (-3.0, 3.0)])
    truth = rows[::4, 1].copy()
    rows[::4, 1] = np.nan
    errors = {}
    for k in (1, 2):
        filled = GMMImputer(k, random_state=0).fit(rows).transform(rows)
        errors[k] = np.sqrt(np.mean((filled[::4, 1] - truth) ** 2))
    assert errors[2] < 0.12 < errors[1]


def test_pipelines_take_tables_with_gaps():
    rows = incomplete(400, 4)
    y = np.nan_to_num(rows[:, 0])
    model = make_pipeline(GMMImputer(random_state=0), LinearRegression()).fit(rows, y)
    assert model.score(rows, y) > 0.99
    assert GMMImputer().fit(rows).get_feature_names_out(["a", "b"]).tolist() == ["a", "b"]


def test_data_frames_keep_their_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(incomplete(50, 5), columns=["age", "income"])
    filled = GMMImputer().set_output(transform="pandas").fit_transform(frame)
    assert filled.columns.tolist() == ["age", "income"]
    assert not filled.isna().any(axis=None)


@pytest.mark.parametrize("n", [-1, 2.5, True, "3"])
def test_a_bad_number_of_imputations_is_refused(n):
    with pytest.raises(
        SettingError, match=f"^n_imputations is {re.escape(repr(n))}; expected a number of tables, 0 or"
    ):
        GMMImputer(n_imputations=n).fit([[0.0], [1.0]])


def test_what_cannot_be_imputed_is_refused_with_the_remedy():
    with pytest.raises(SettingError, match=r"^n_imputations is 0; expected 1 or more at the fit: GMMImputer\(n_imput"):
        GMMImputer().fit([[0.0], [1.0]]).transform_multiple([[np.nan]])
    with pytest.raises(MixtureError, match="column 1 has no value in any row; drop it"):
        GMMImputer().fit([[0.0, np.nan], [1.0, np.nan]])
    with pytest.raises(
        MixtureError, match=r"a bootstrap sample of the 4 rows cannot be fitted \(column 1 has no value"
    ):
        GMMImputer(n_imputations=50, random_state=0).fit([[0.0, 1.0], [1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])


# --- Rubin's rules ---------------------------------------------------------------------------------------------------


def test_pooled_estimates_are_those_of_rubins_formulas():
    pooled = pool_estimates([10.0, 12.0, 11.0, 13.0, 9.0], [4.0, 5.0, 4.5, 5.5, 3.5])
    # by hand: W = 4.5, B = 2.5, T = 4.5 + 1.2 * 2.5, df = 4 (1 + 4.5 / 3)^2
    assert pooled.estimate == 11.0
    assert pooled.variance == pytest.approx(7.5)
    assert pooled.degrees_of_freedom == pytest.approx(25.0)
    assert pooled.missing_information == pytest.approx(0.4)
    low, high = pooled.interval()
    # 2.0595 is the 97.5 % quantile of Student's t with 25 degrees of freedom in printed tables
    assert (high - low) / 2 == pytest.approx(2.0595 * np.sqrt(7.5), rel=1e-4)
    assert np.diff(pooled.interval(0.5))[0] < np.diff(pooled.interval(0.99))[0]


def test_estimates_that_agree_have_the_normal_interval():
    pooled = pool_estimates([1.0, 1.0], [0.25, 0.25])
    assert (pooled.degrees_of_freedom, pooled.missing_information) == (np.inf, 0.0)
    assert pooled.interval()[1] == pytest.approx(1 + 0.5 * 1.959964, rel=1e-6)


@pytest.mark.parametrize(
    ("estimates", "variances", "message"),
    [
        ([1.0], [1.0], "estimates and variances have shapes (1,) and (1,); expected one number each for two"),
        ([1.0, 2.0], [1.0], "estimates and variances have shapes (2,) and (1,)"),
        ([1.0, np.nan], [1.0, 1.0], "estimates must be finite, and variances finite and above 0"),
        ([1.0, 2.0], [1.0, 0.0], "estimates must be finite, and variances finite and above 0"),
        (["a", "b"], [1.0, 1.0], "estimates must be real numbers"),
    ],
)
def test_estimates_that_cannot_be_pooled_are_refused(estimates, variances, message):
    with pytest.raises(SettingError, match=f"^{re.escape(message)}"):
        pool_estimates(estimates, variances)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_a_level_outside_its_bounds_is_refused(level):
    with pytest.raises(SettingError, match=f"^level is {level}; expected a number above 0 and below 1$"):
        PooledEstimate(0.0, 1.0, 5.0, 0.5).interval(level)
