r"""
How many components, and of which shape
=======================================

A mixture has two settings that EM does not learn: the number of components :math:`K` and the type of their covariance.
This page chooses them by three criteria, BIC, ICL and the likelihood of held-out rows. On a real table the three do
not agree, and the page shows why: they answer different questions.

You know likelihoods and starts from the :doc:`last page </generated/learn/04_starts>`.
"""

# %%
# The table
# ---------
# Old Faithful is a geyser in the Yellowstone National Park. Each of the 272 rows is one eruption: how long it lasted,
# and how long it took until the next one began. The table is in the file ``old_faithful.py`` beside this page.

# sphinx_gallery_thumbnail_number = 4

import matplotlib.pyplot as plt
import numpy as np
from old_faithful import COLUMNS, ROWS

from gmmaudio.mixture import COVARIANCE_TYPES, fit_gmm, select_gmm
from gmmaudio.mixture.plot import plot_mixture, plot_selection

print(f"{len(ROWS)} rows, {ROWS.shape[1]} columns: {COLUMNS[0]}; {COLUMNS[1]}")
print("means              ", ROWS.mean(axis=0).round(3))
# divided by n - 1, as R does
print("standard deviations", ROWS.std(axis=0, ddof=1).round(3))

# %%
# The likelihood cannot choose
# ----------------------------
# A mixture with one more component can do everything that the smaller one does, and more. So the likelihood of the
# rows that it was fitted to rises with :math:`K`, up to one component for each row. The likelihood of *other* rows
# does not. To see it, every second eruption is kept for the fit, and the others are held out.

kept, held = ROWS[::2], ROWS[1::2]
sizes = np.arange(1, 13)
fits = [fit_gmm(kept, int(k), covariance_type="full", n_init=3)[0] for k in sizes]
on_kept = [mixture.log_density(kept).mean() for mixture in fits]
on_held = [mixture.log_density(held).mean() for mixture in fits]

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.plot(sizes, on_kept, marker="o", label="136 rows of the fit")
axes.plot(sizes, on_held, marker="o", label="136 other rows")
axes.set(xlabel="components", ylabel="mean log density of a row, nats")
axes.set_title("Only other rows show what is too much")
axes.legend()
plt.show()

print("from 2 to 12 components, nats a row:")
print(f"  rows of the fit {on_kept[-1] - on_kept[1]:+.2f}")
print(f"  other rows      {on_held[-1] - on_held[1]:+.2f}")
assert on_kept[-1] > on_kept[1]
assert on_held[-1] < on_held[1]

# %%
# The log density is measured in *nats*, the unit of the natural logarithm: one nat more means a density
# :math:`e \approx 2.7` times as high.
#
# Four shapes
# -----------
# The covariance type says what the components may look like. It also sets how many numbers have to be learned: with
# :math:`D` columns a full covariance matrix has :math:`D (D + 1) / 2` numbers, and each component has its own.
#
# ==============  ==========================================================  =========================
# type            a component is                                              numbers for :math:`K` of them
# ==============  ==========================================================  =========================
# ``spherical``   a circle (a ball)                                           :math:`K`
# ``diag``        an ellipse along the axes                                   :math:`K D`
# ``tied``        an ellipse in any direction, the same for all components    :math:`D (D + 1) / 2`
# ``full``        an ellipse in any direction, its own                        :math:`K D (D + 1) / 2`
# ==============  ==========================================================  =========================
#
# To these come :math:`K D` numbers of the means and :math:`K - 1` weights, as the last weight follows from the others.
# Together they are the *free parameters* of the mixture.

settings = {"init": "hierarchical", "max_iter": 500, "tol": 1e-6}
shapes = ("spherical", "diag", "tied", "full")
figure, grid = plt.subplots(2, 2, figsize=(8, 6.4), sharey=True, layout="constrained")
for axes, shape in zip(grid.flat, shapes, strict=True):
    mixture, _ = fit_gmm(ROWS, 3, covariance_type=shape, **settings)
    plot_mixture(mixture, ROWS, names=COLUMNS, axes=axes)
    axes.set_title(f"{shape}: {mixture.n_parameters} free parameters")
    axes.set_xlim(0.0, 7.0)
    axes.label_outer()
plt.show()

# %%
# The circles of ``spherical`` look like wide ellipses here, as the two axes of the picture have different scales. A
# spherical component has one variance for all columns: what it needs for the waiting, several minutes in each
# direction, it also gives to the eruption. So it suits only columns in the same unit that vary by about as much.
#
# In two dimensions ``full`` costs little. With 39 columns, as frames of sound may have, a full matrix holds 780
# numbers, and a diagonal one 39: there ``diag`` with more components is the usual choice.
assert 39 * 40 // 2 == 780

# %%
# BIC: a price for every parameter
# --------------------------------
# The Bayesian information criterion (Schwarz 1978) charges each of the :math:`p` free parameters :math:`\log n`:
#
# .. math:: \mathrm{BIC} = -2 \log L + p \log n
#
# where :math:`\log L` is the log likelihood of all :math:`n` rows. Lower is better. (R's mclust prints the negative.)
# It approximates which model is most probable given the rows. ``select_gmm`` fits every candidate and prints a table,
# in which ``*`` marks the best of each column. The log likelihood in it is the mean of a row, as always; ICL and
# held-out rows are explained below, AIC in the first question.

selection = select_gmm(ROWS, [1, 2, 3, 4, 5], COVARIANCE_TYPES, held_out=0, **settings)
print(selection)

# %%
# The best BIC has three components with tied covariances. That is what mclust finds too: its vignette prints "EEE, 3
# components" with a BIC of 2314.316 for this table (EEE is its name for ``tied``).
best = selection.best("bic")
assert (best.covariance_type, best.n_components) == ("tied", 3)
assert abs(best.bic - 2314.316) < 0.05

figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
plot_selection(selection, axes=axes)
axes.set(ylim=(2290, 2640), title="spherical is far above the picture")
plt.show()

# %%
# How far is the second best away? A difference in BIC above 10 is usually read as very strong evidence, and one below 2
# as not worth a mention (Kass and Raftery 1995). Here it is in between:

ordered = sorted(selection.rows, key=lambda candidate: candidate.bic)
for candidate in ordered[:4]:
    above = candidate.bic - best.bic
    print(f"{candidate.covariance_type:5} {candidate.n_components}: best + {above:.1f}")

# %%
# ICL: components that do not overlap
# -----------------------------------
# BIC asks for a good *density*. It does not mind two components that overlap, as long as their sum fits. Whoever wants
# *clusters*, one label for each row, minds. The integrated completed likelihood (Biernacki, Celeux and Govaert 2000)
# adds a second price, twice the *entropy* of the responsibilities :math:`r_{ik}`, a measure of doubt:
#
# .. math:: \mathrm{ICL} = \mathrm{BIC} - 2 \sum_{i} \sum_{k} r_{ik} \log r_{ik}
#
# A row that belongs to one component adds nothing; a row that two components share equally adds
# :math:`2 \log 2 \approx 1.4`.

clustered = selection.best("icl")
assert (clustered.covariance_type, clustered.n_components) == ("full", 2)

figure, pair = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
by_criterion = {"BIC": best, "ICL": clustered}
for axes, (criterion, candidate) in zip(pair, by_criterion.items(), strict=True):
    unsure = candidate.mixture.responsibilities(ROWS).max(axis=1) < 0.9
    plot_mixture(candidate.mixture, ROWS, names=COLUMNS, axes=axes)
    axes.scatter(*ROWS[unsure].T, s=14, color="black")
    shape, k = candidate.covariance_type, candidate.n_components
    axes.set_title(f"best by {criterion}: {shape}, {k}")
    axes.label_outer()
    print(f"{criterion}: {unsure.sum()} rows without a responsibility above 0.9")
pair[0].legend(
    [pair[0].collections[-1]], ["no responsibility above 0.9"], loc="upper left"
)
plt.show()

# %%
# By BIC the long eruptions are two overlapping components, because their cloud is not quite Gaussian. By ICL they are
# one cluster, as most people would say who look at the picture. Neither answer is wrong.
#
# Held-out rows, with an interval
# -------------------------------
# The likelihood of rows that were not fitted to needs no theory of large samples, and is what counts where the mixture
# is used to score *new* rows. One division into two parts is a matter of luck, though. Ten-fold cross-validation holds
# out every row once.

candidates = [(shape, k) for shape in ("tied", "full") for k in (1, 2, 3, 4)]
fold = np.random.default_rng(0).permutation(len(ROWS)) % 10
scores = np.empty((len(candidates), len(ROWS)))
for i in range(10):
    kept, held = ROWS[fold != i], ROWS[fold == i]
    for j, (shape, k) in enumerate(candidates):
        mixture, _ = fit_gmm(kept, k, covariance_type=shape, init="hierarchical")
        scores[j, fold == i] = mixture.log_density(held)

# %%
# Two candidates were scored on the same rows, so compare them row by row. The mean difference has a *standard error*,
# :math:`s / \sqrt{n}` with :math:`s` the standard deviation of the differences: about as much as it would vary from one
# draw of :math:`n` rows to the next. An interval of 1.96 standard errors to both sides holds the true difference in
# about 95 of 100 such draws.

reference = scores[candidates.index(("tied", 3))]
differences = scores - reference
half_width = 1.96 * differences.std(axis=1, ddof=1) / np.sqrt(len(ROWS))
print("type   K   held-out log density   difference to tied 3, nats a row")
for j, (shape, k) in enumerate(candidates):
    difference = f"{differences[j].mean():+.3f} ± {half_width[j]:.3f}"
    print(f"{shape:5}  {k}   {scores[j].mean():20.3f}   {difference}")

# %%
# One component is clearly worse. Four tied components are a little worse than three: a small difference, but larger
# than its interval. The other candidates, two tied components and two, three or four full ones, cannot be told from
# three tied ones: no difference is larger than its interval. 272 rows do not decide it. That is a result too, and an
# honest report of this table says so.
for candidate in (("tied", 2), ("full", 2), ("full", 3), ("full", 4)):
    j = candidates.index(candidate)
    assert abs(differences[j].mean()) < half_width[j]
for candidate in (("tied", 1), ("full", 1), ("tied", 4)):
    j = candidates.index(candidate)
    assert differences[j].mean() < -half_width[j]

# %%
# When the criteria must disagree
# -------------------------------
# On *synthetic* rows the truth is known. Here there are two clusters, and neither is Gaussian: along the first column
# each has the long tail of a gamma distribution. Ten such tables are drawn, and each criterion chooses :math:`K` for
# each of them. This kind of table was chosen because the criteria differ on it; on other kinds they differ less.


def skewed_clusters(rng, n=400):
    """Return n rows from two clusters, half of them each."""
    rows = np.column_stack([rng.gamma(2.0, 1.0, n), rng.normal(size=n)])
    rows[n // 2 :, 1] += 6.0
    return rows


criteria = ("bic", "icl", "held_out")
chosen = {criterion: [] for criterion in criteria}
for seed in range(10):
    rng = np.random.default_rng(seed)
    drawn = skewed_clusters(rng)
    choice = select_gmm(drawn, range(1, 7), ["full"], init="hierarchical", rng=rng)
    for criterion in criteria:
        chosen[criterion].append(choice.best(criterion).n_components)

print("components     1   2   3   4   5   6   (of 10 tables, two clusters each)")
for criterion in criteria:
    print(
        f"{criterion:10}"
        + "".join(f"{chosen[criterion].count(k):4d}" for k in range(1, 7))
    )
assert np.median(chosen["icl"]) == 2
assert np.median(chosen["bic"]) > 2

# %%
# ``select_gmm`` holds out a fifth of the rows here, its default. BIC and held-out rows ask for more components than
# clusters, because one Gaussian cannot follow the tail. (Held-out rows mostly choose six, the most that were tried;
# they may want more.) That is right for a density. As a *number of clusters* it is wrong, and ICL comes closer. No
# criterion finds "the true :math:`K`" where the components are not what the clusters are.

figure, pair = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for axes, criterion in zip(pair, ("bic", "icl"), strict=True):
    mixture = choice.best(criterion).mixture
    plot_mixture(mixture, drawn, axes=axes)
    axes.set_title(f"best by {criterion.upper()}: {mixture.n_components} components")
    axes.label_outer()
plt.show()

# %%
# Which criterion for what
# ------------------------
# ============================================  ==================================================================
# what the mixture is for                       criterion
# ============================================  ==================================================================
# a density: scores, classification,            held-out likelihood; BIC where the rows are few or time is short
# missing values
# clusters that people will interpret           ICL, and the same fit from several starts
# rows that are not independent                 held-out likelihood with whole groups held out
#                                               (``select_gmm(..., groups=...)``); BIC, AIC and ICL ask for too much
# ============================================  ==================================================================
#
# The last line is about sound, where one frame is much like the next: :doc:`page 7 </generated/learn/07_sound>` shows
# it.
#
# Questions
# ---------
# 1. Add ``"aic"`` to ``criteria`` above. AIC charges 2 for a parameter instead of :math:`\log n`. From which :math:`n`
#    on is BIC stricter, and what does AIC choose here?
# 2. Draw the skewed clusters with ``n=60`` and with ``n=2000``. Which criteria change their choice, and why should
#    they?
# 3. Repeat the selection of Old Faithful with ``init="kmeans", n_init=5``. Which candidates get a better BIC, and what
#    does that say about a table of criteria?
#
# Next page: :doc:`missing values </generated/learn/06_missing_values>`.
#
# References
# ----------
# Schwarz, "Estimating the dimension of a model", *Annals of Statistics* 6 (1978). Biernacki, Celeux, Govaert,
# "Assessing a mixture model for clustering with the integrated completed likelihood", *IEEE Trans. PAMI* 22 (2000).
# Kass, Raftery, "Bayes factors", *JASA* 90 (1995). Scrucca, Fop, Murphy, Raftery, "mclust 5", *The R Journal* 8
# (2016).
