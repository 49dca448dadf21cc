r"""
Missing values
==============

Tables have holes. The two habits, dropping rows with a hole and filling holes with the column's mean, both change what
the table says. A mixture needs neither: EM can use exactly the values that are there. This page measures the three
side by side, shows what no method can repair, and fills holes several times over so that the uncertainty is not lost.

You need the steps of :doc:`EM by hand </generated/learn/03_em>`, and the standard errors and intervals of the
:doc:`last page </generated/learn/05_how_many>`.
"""

# %%
# A table whose truth is known
# ----------------------------
# All rows on this page but the last table are *synthetic*: they are drawn from a mixture of two groups in four
# columns, which are correlated in each group. Holes are then made by hand, so that every result can be compared with
# the truth.

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from sklearn.datasets import load_wine

from gmmaudio.mixture import GaussianMixture, GMMImputer, fit_gmm, pool_estimates


def correlated(deviations, correlation):
    """Return a covariance matrix of columns that all have the same correlation."""
    matrix = np.full((len(deviations), len(deviations)), correlation)
    np.fill_diagonal(matrix, 1.0)
    return matrix * np.outer(deviations, deviations)


truth = GaussianMixture(
    weights=[0.6, 0.4],
    means=[[0.0, 0.0, 0.0, 0.0], [4.0, 2.0, -3.0, 2.0]],
    covariances=[
        correlated([1.0, 1.0, 1.5, 1.0], 0.7),
        correlated([1.0, 1.5, 1.0, 1.0], 0.5),
    ],
    covariance_type="full",
)
rows = truth.sample(300, np.random.default_rng(0))
is_hole = np.random.default_rng(1).random(rows.shape) < 0.3
holed = np.where(is_hole, np.nan, rows)

is_complete = ~np.isnan(holed).any(axis=1)
print(f"{is_hole.mean():.0%} of the values are missing")
print(f"{is_complete.sum()} of {len(rows)} rows are complete")

# %%
# With 30 % of the values gone, about three rows of four have a hole: a row of four columns is complete with a
# probability of :math:`0.7^4 = 0.24`. Whoever drops the rows with a hole throws away many values that are there.
#
# What EM does with a hole
# ------------------------
# The density of a row with holes is the density of the values that are there. For a Gaussian it is found by leaving
# out the columns that are missing from its mean and its covariance. ``log_density`` does that for every NaN. Doing it
# by hand gives the same number (``mixture.marginal([0, 3])`` makes the same smaller mixture):

mixture, trace = fit_gmm(holed, 2, covariance_type="full", init="hierarchical")
row = np.array([3.0, np.nan, np.nan, 1.0])
there = [0, 3]
smaller = GaussianMixture(
    mixture.weights,
    mixture.means[:, there],
    mixture.covariances[:, there][:, :, there],
    covariance_type="full",
)
by_hand = smaller.log_density(row[None, there])[0]
print(f"{mixture.log_density(row[None])[0]:.6f} {by_hand:.6f}")
assert np.isclose(mixture.log_density(row[None])[0], by_hand)

# %%
# So the likelihood is known without filling anything, and EM climbs it as on the pages before. This is called *exact
# EM* below. The sums of the M-step (page 3) need :math:`x_i` and :math:`x_i x_i^\top`. Where values are missing, the
# E-step puts their *expected* values there, their means given what was observed (Ghahramani and Jordan 1994). Let
# :math:`o` be the observed and :math:`h` the missing columns of a row, :math:`m` the mean and :math:`C` the covariance
# of component :math:`k`, and :math:`C_{ho}` the part of it with the rows of :math:`h` and the columns of :math:`o`. If
# the row came from component :math:`k`, its missing values have this mean and this covariance:
#
# .. math:: E[x_h \mid x_o, k] = m_h + C_{ho} C_{oo}^{-1} (x_o - m_o)
#
# .. math:: \mathrm{Cov}[x_h \mid x_o, k] = C_{hh} - C_{ho} C_{oo}^{-1} C_{oh}
#
# The first line is a linear regression of the missing columns on the observed ones, and the second is what it leaves
# open. The second is what a filled table lacks: EM adds it to :math:`x_h x_h^\top`, and so to the covariance; a filled
# hole pretends that it is zero.
#
# Three ways, one picture
# -----------------------
# ``impute`` fills each hole with the mean that the mixture expects: the means of the components as above, weighted by
# the responsibilities. Compare it with the column's mean:

mean_filled = np.where(is_hole, np.nanmean(holed, axis=0), rows)
em_filled = mixture.impute(holed)

panels = {
    "the truth": rows,
    "filled with the column's mean": mean_filled,
    "filled by the mixture": em_filled,
}
filled = is_hole[:, :2].any(axis=1)
figure, trio = plt.subplots(1, 3, figsize=(10, 3.8), sharey=True, layout="constrained")
for axes, (title, table) in zip(trio, panels.items(), strict=True):
    axes.scatter(*table[~filled, :2].T, s=9, color="tab:gray", label="both observed")
    axes.scatter(*table[filled, :2].T, s=9, color="tab:orange", label="a hole or two")
    axes.set(title=title, xlabel="column 0", xlim=(-4.5, 7.5))
trio[0].set_ylabel("column 1")
trio[0].legend(loc="upper left", fontsize="small")
plt.show()

for name, table in panels.items():
    correlation = np.corrcoef(table[:, :2].T)[0, 1]
    print(f"{name:30}: correlation of the first two columns {correlation:.2f}")

# %%
# The mean draws a cross through the picture, much of it at places where no row ever was: between the groups. It lowers
# the correlation. The mixture puts the rows near their groups. It raises the correlation a little, because it puts them
# exactly where a regression predicts them: more on that below.
#
# Error against the share that is missing
# ---------------------------------------
# How good is a fitted mixture :math:`q`? The truth :math:`p` is known, so compare log densities on 20,000 fresh rows:
#
# .. math:: \frac{1}{n} \sum_{i} \left( \log p(x_i) - \log q(x_i) \right)
#
# This is zero for the truth, and grows as the fit gets worse (it estimates the Kullback-Leibler divergence). Each
# point is the mean of five tables of 300 rows, in which the same share of the values is missing at random places. Bars
# are standard errors (page 5).

fresh = truth.sample(20_000, np.random.default_rng(2))
highest = truth.log_density(fresh).mean()


def error_of(table):
    """Return how far a mixture fitted to a table is from the truth, nats a row."""
    fitted, _ = fit_gmm(table, 2, covariance_type="full", init="hierarchical")
    return highest - fitted.log_density(fresh).mean()


def errors_of(share, seed):
    """Return the errors of exact EM, of filling with the mean and of dropping rows."""
    complete = truth.sample(300, np.random.default_rng(seed))
    chance = np.random.default_rng([seed, round(100 * share)])
    hole = chance.random(complete.shape) < share
    table = np.where(hole, np.nan, complete)
    filled = np.where(hole, np.nanmean(table, axis=0), complete)
    return error_of(table), error_of(filled), error_of(table[~hole.any(axis=1)])


shares = (0.0, 0.1, 0.2, 0.3, 0.4)
errors = np.array([[errors_of(share, seed) for seed in range(5)] for share in shares])
mean = errors.mean(axis=1)
standard_error = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
look = {"marker": "o", "capsize": 3}
methods = ("exact EM", "fill with the mean, then EM", "drop rows, then EM")
for j, name in enumerate(methods):
    axes.errorbar(shares, mean[:, j], standard_error[:, j], label=name, **look)
axes.set(xlabel="share of values missing", ylabel="error, nats a row", yscale="log")
axes.legend()
plt.show()

print("missing   exact EM   mean   dropping")
for share, line in zip(shares, mean, strict=True):
    print(f"{share:7.0%}   {line[0]:8.3f} {line[1]:6.3f} {line[2]:10.3f}")
assert (mean[1:, 0] < mean[1:, 2]).all()
assert (mean[1:, 2] < mean[1:, 1]).all()

# %%
# Without holes the three are the same. Filling with the mean is the worst of all from the first holes on, since its
# error does not come from too few rows: with more rows it would stay. Dropping rows is honest here but wasteful, until
# so few complete rows are left that the fit breaks down.
#
# Why it matters how holes come about
# -----------------------------------
# So far a hole came by the throw of a coin. Rubin (1976) names three cases:
#
# * **missing completely at random** (MCAR): a hole depends on nothing. A sensor fails now and then.
# * **missing at random** (MAR): a hole depends on values that *were* observed. A costly test is done only where a
#   cheap one was high.
# * **missing not at random** (MNAR): a hole depends on the value that is missing. People with a high income do not
#   state it.
#
# Column 1 of the synthetic rows has a mean of 0.8. It gets holes in each of these ways: of 1,000 rows, about half.
# With so much missing, EM converges slowly, so ``tol`` is lower here and ``accelerate`` extrapolates.

true_mean = truth.weights @ truth.means[:, 1]
assert np.isclose(true_mean, 0.8)


def rising(values):
    """Return the probability of a hole, which rises with the values from 0.1 to 0.9."""
    return 0.1 + 0.8 / (1.0 + np.exp(-1.5 * (values - np.median(values))))


def estimates_of(mechanism, seed):
    """Return the mean of column 1: without holes, by the rows left, and by a mixture."""
    rng = np.random.default_rng(seed)
    table = truth.sample(1000, rng)
    without_holes = table[:, 1].mean()
    decides = {"MCAR": np.zeros(1000), "MAR": table[:, 0], "MNAR": table[:, 1]}
    table[rng.random(1000) < rising(decides[mechanism]), 1] = np.nan
    settings = {"covariance_type": "full", "init": "hierarchical"}
    settings |= {"tol": 1e-7, "max_iter": 1000, "accelerate": True}
    fitted, _ = fit_gmm(table, 2, **settings)
    return without_holes, np.nanmean(table[:, 1]), fitted.weights @ fitted.means[:, 1]


print("mean of column 1, truth 0.80 (± standard error over 8 tables)")
print("                MCAR           MAR           MNAR")
found = {}
for name in ("MCAR", "MAR", "MNAR"):
    found[name] = np.array([estimates_of(name, seed) for seed in range(8)])
for j, name in enumerate(("no holes", "drop rows", "exact EM")):
    line = f"{name:12}"
    for estimates in found.values():
        error = estimates[:, j].std(ddof=1) / np.sqrt(8)
        line += f"{estimates[:, j].mean():8.2f} ± {error:.2f}"
    print(line)
assert abs(found["MAR"][:, 2].mean() - true_mean) < 0.15
assert abs(found["MAR"][:, 1].mean() - true_mean) > 0.5
assert abs(found["MNAR"][:, 2].mean() - true_mean) > 0.15

# %%
# Compare each column with its first line: by chance, the eight tables themselves have a mean that is a little too high.
#
# * MCAR: every method is right about the mean.
# * MAR: dropping rows is wrong, however many rows there are. EM is right, because the observed columns tell what is
#   missing and the likelihood uses them.
# * MNAR: EM is better, but wrong too. Nothing in the table says that high values are missing, and no method can know
#   it without a model of *why* values are missing.
#
# The three cannot be told apart from the table alone. Find out how the holes came about.

# %%
# Filling is not knowing
# ----------------------
# EM needs no filled table. Some other program may: then ``impute`` gives the best single guess of each value. But a
# guess is not an observation. A filled column varies too little, and an interval computed from it is too short.
#
# **Multiple imputation** (Rubin 1987) fills the table several times, each time with values *drawn* from what the
# mixture expects. The parameters of the mixture are uncertain too. So each time the mixture is fitted anew, to as many
# rows drawn *with replacement* from the table (a *bootstrap* sample). Every filled table is analysed as if it were
# complete, and the results are combined. With :math:`q_j` the estimate of table :math:`j` of :math:`J`, and :math:`w_j`
# its squared standard error:
#
# .. math:: \bar q = \frac{1}{J} \sum_j q_j
#
# .. math:: T = \frac{1}{J} \sum_j w_j + \left(1 + \frac{1}{J}\right) \frac{1}{J - 1} \sum_j (q_j - \bar q)^2
#
# The second part of :math:`T` is what the holes add: where the tables disagree, the interval gets longer.

N_TABLES = 5


def interval_of(values):
    """Return the 95 % interval of the mean of a column that is taken for complete."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    # Student's t: 1.96 for very many rows, and somewhat more for few
    half = stats.t.ppf(0.975, len(values) - 1) * error
    return values.mean() - half, values.mean() + half


def combined_interval(tables):
    """Return the 95 % interval of the mean of column 1, from filled tables."""
    columns = tables[:, :, 1]
    squared_errors = columns.var(axis=1, ddof=1) / columns.shape[1]
    return pool_estimates(columns.mean(axis=1), squared_errors).interval()


# %%
# ``GMMImputer`` fits the mixtures and draws the tables, and ``pool_estimates`` has the two formulas (and the degrees
# of freedom: with few tables an interval has to be longer). A 95 % interval should hold the truth in 95 of 100 tables.
# Here are 40 tables of 200 rows; 60 % of column 1 is missing.


def intervals_of(seed):
    """Return three intervals of the mean of column 1, of one synthetic table."""
    rng = np.random.default_rng(seed)
    table = truth.sample(200, rng)
    table[rng.random(200) < 0.6, 1] = np.nan
    imputer = GMMImputer(
        2, init="hierarchical", n_imputations=N_TABLES, random_state=seed
    ).fit(table)
    by_mean = np.where(np.isnan(table[:, 1]), np.nanmean(table[:, 1]), table[:, 1])
    once, several = imputer.transform(table), imputer.transform_multiple(table)
    return interval_of(by_mean), interval_of(once[:, 1]), combined_interval(several)


intervals = np.array([intervals_of(seed) for seed in range(40)])
holds = (intervals[:, :, 0] <= true_mean) & (true_mean <= intervals[:, :, 1])
print("95 % intervals of the mean     hold the truth   mean length")
methods = ("filled with the mean", "filled by the mixture", "multiple imputation")
for j, name in enumerate(methods):
    length = np.diff(intervals[:, j]).mean()
    print(f"{name:30}   {holds[:, j].sum():3d} of {len(holds)}   {length:12.2f}")
assert holds[:, 2].sum() > holds[:, 0].sum()

# %%
# The intervals of filled tables are short and miss the truth too often; those of multiple imputation are longer and
# right about as often as they claim. (40 tables are few: the number itself is uncertain by about three.)
#
# A real table
# ------------
# So far the truth was a mixture. For the wine table of scikit-learn, 178 wines and 13 chemical measurements, nobody
# knows what it is. But holes can be made in it, and what was there is known. How far off is each way of filling?

wine = load_wine().data
wine = (wine - wine.mean(axis=0)) / wine.std(axis=0)
hole = np.random.default_rng(0).random(wine.shape) < 0.2
table = np.where(hole, np.nan, wine)
guesses = {"mean of the column": np.where(hole, np.nanmean(table, axis=0), wine)}
for covariance_type, k in (("full", 1), ("diag", 3)):
    fitted, _ = fit_gmm(table, k, covariance_type=covariance_type, init="hierarchical")
    guesses[f"mixture: {covariance_type}, {k}"] = fitted.impute(table)

print(f"{hole.sum()} values removed; error in standard deviations of their column:")
off = {}
for name, guess in guesses.items():
    off[name] = np.sqrt(np.mean((guess - wine)[hole] ** 2))
    print(f"{name:20} {off[name]:.2f}")
assert off["mixture: full, 1"] < 0.9 * off["mean of the column"]

# %%
# The error of the mean is about one standard deviation by definition. A mixture is better, since the other twelve
# measurements of a wine tell something about the missing one. It is far from zero, though, which is the very reason to
# keep the uncertainty. This check, removing values that are known, works for any table.
#
# Questions
# ---------
# 1. Why is filling with the mean harmless for the *mean* of a column under MCAR, but not for its variance? Derive how
#    much too small the variance is when a share :math:`s` is filled.
# 2. Make column 1 missing where column 0 is above 3, always. Is that MAR? Can EM still estimate the mean of column 1,
#    and what does it have to rely on?
# 3. Change ``N_TABLES`` to 2 and to 20. How do the lengths of the intervals change, and how many of them hold the
#    truth?
#
# Next page: :doc:`from tables to sound </generated/learn/07_sound>`.
#
# References
# ----------
# Rubin, "Inference and missing data", *Biometrika* 63 (1976). Rubin, *Multiple Imputation for Nonresponse in Surveys*
# (1987). Ghahramani, Jordan, "Learning from incomplete data", MIT A.I. Memo 1509 (1994). Little, Rubin, *Statistical
# Analysis with Missing Data* (2002).
