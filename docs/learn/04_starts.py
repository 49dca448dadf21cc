r"""
Starts, and where EM ends from them
===================================

EM climbs: each iteration raises the likelihood. It ends at a top, but mountains have many tops, and which one EM
reaches depends on where it starts. This page shows the tops, compares the four ways to start that the library has, and
says what ``n_init`` buys.

You know EM from the :doc:`last page </generated/learn/03_em>`.
"""

# %%
# A mountain with several tops
# ----------------------------
# To see a likelihood as a mountain, only two parameters may be free. So take a *synthetic* table of one column with
# three clusters, and fit two components to it, of which only the means are learned. Both weights stay at 1/2 and both
# variances at 2. Two components cannot cover three clusters well, which is what makes several tops. The map below shows
# the log-likelihood for every pair of means, and the way of EM from ten starts.

# sphinx_gallery_thumbnail_number = 4

import matplotlib.pyplot as plt
import numpy as np

from gmmaudio.mixture import INITS, fit_gmm
from gmmaudio.mixture.plot import plot_mixture

rng = np.random.default_rng(0)
column = np.concatenate(
    [rng.normal(-8, 1, 80), rng.normal(0, 1, 60), rng.normal(8, 1, 70)]
)


def log_joint(means):
    """Return log(1/2 N(x; mean, 2)) of every row (last axis) and each of two means (first axis)."""
    away = column - np.asarray(means)[:, None]
    return np.log(0.5) - 0.5 * (np.log(2 * np.pi * 2) + away**2 / 2)


def path_of_means(means):
    """Return the pairs of means that EM passes through."""
    path = [means]
    while len(path) < 200:
        joint = log_joint(means)
        shares = np.exp(joint - np.logaddexp(*joint))
        moved = shares @ column / shares.sum(axis=1)
        path.append(moved)
        if np.abs(moved - means).max() < 1e-6:
            break
        means = moved
    return np.array(path)


grid = np.linspace(-11, 11, 121)
parts = log_joint(grid)
# the log of a sum of two numbers that are given as logarithms, for every pair of means
heights = np.logaddexp(parts[:, None], parts[None, :]).mean(axis=2)
paths = [path_of_means(means) for means in rng.uniform(-10, 10, size=(10, 2))]

figure, axes = plt.subplots(
    1, 2, figsize=(9.5, 4.2), layout="constrained", width_ratios=(1, 1.15)
)
axes[0].hist(column, bins=40, color="#cccccc")
axes[0].set(xlabel="column", ylabel="rows", title="three clusters")
levels = heights.max() - np.geomspace(8, 0.02, 14)
axes[1].contourf(
    grid, grid, heights, levels=[*levels, heights.max()], cmap="Blues", extend="min"
)
for path in paths:
    axes[1].plot(*path.T, color="black", linewidth=0.8, marker=".", markersize=3)
    axes[1].plot(*path[0], "o", color="white", markeredgecolor="black")
    axes[1].plot(*path[-1], "^", color="#c2671f", markersize=9)
axes[1].set(xlabel="first mean", ylabel="second mean", aspect="equal")
axes[1].set_title("log-likelihood: EM from starts ○ to ends ▲", fontsize="medium")
plt.show()

ends = {tuple(sorted(path[-1].round(2))) for path in paths}
for low, high in sorted(ends):
    value = np.logaddexp(*log_joint((low, high))).mean()
    print(f"means {low:5.2f} and {high:5.2f}: log-likelihood {value:.4f}")
assert len(ends) == 2

# %%
# The map is a mirror image of itself, because the components have no names: swapping both means is the same mixture.
# That is no problem. But beside that there are *different* tops: one component covers the left and the middle cluster
# and the other the right one, or the other way around. From a start near the saddle between them, the pass from one top
# to the other, a small difference decides.
#
# Four ways to start
# ------------------
# ``init`` of ``fit_gmm`` chooses the start:
#
# ================  ====================================================================================
# ``init``          the start
# ================  ====================================================================================
# ``kmeans``        centres drawn far from each other (k-means++), then k-means; the default
# ``hierarchical``  every row is a cluster; the two clusters whose union is tightest are joined, and so
#                   on until K are left (Ward's method); no chance is involved
# ``binary``        one cluster is split along its longest direction, and so on until K are there; each
#                   time k-means puts the borders right; no chance is involved
# ``random``        K rows drawn at random are the means; all components have the same weight and are
#                   as wide as all rows together
# ================  ====================================================================================
#
# The first three give each row a group, and the mixture of these groups is the start. ``max_iter=0`` returns a start
# itself. Here on nine round clusters (synthetic), above the starts and below where EM goes from them:

centres = 4.0 * np.array([[i, j] for i in range(3) for j in range(3)])
nine = centres[rng.integers(9, size=450)] + rng.normal(size=(450, 2))

figure, axes = plt.subplots(
    2, 4, figsize=(11, 5.6), layout="constrained", sharex=True, sharey=True
)
for column_axes, init in zip(axes.T, INITS, strict=True):
    for drawn, max_iter in zip(column_axes, (0, 300), strict=True):
        mixture, trace = fit_gmm(
            nine, 9, covariance_type="full", init=init, max_iter=max_iter, tol=1e-5
        )
        plot_mixture(mixture, nine, deviations=[2], names=["x", "y"], axes=drawn)
        words = "start" if max_iter == 0 else f"after {trace.n_iter} iterations"
        drawn.set_title(
            f"{init}, {words}\n{trace.log_likelihoods[-1]:.3f} nats", fontsize="medium"
        )
        drawn.set(xlabel="", ylabel="", xlim=(-4, 12), ylim=(-4, 12))
plt.show()

# %%
# Luck
# ----
# ``kmeans`` and ``random`` draw random numbers (``rng``). With another seed they may end elsewhere. Two tables are
# fitted from twelve seeds each: the nine clusters, and two rings, for which eight components are no true model but a
# way to describe a shape.

angle, radius = (
    rng.uniform(0, 2 * np.pi, 400),
    np.where(rng.random(400) < 0.4, 1.0, 3.0),
)
rings = np.c_[radius * np.cos(angle), radius * np.sin(angle)] + 0.15 * rng.normal(
    size=(400, 2)
)
tables = {"nine clusters": (nine, 9), "two rings": (rings, 8)}
N_SEEDS = 12


def fits_of(rows, n_components, init):
    """Return the mixtures from all seeds and their likelihoods, ascending."""
    found = []
    # without chance, one seed is as good as twelve
    for seed in range(N_SEEDS if init in ("kmeans", "random") else 1):
        generator = np.random.default_rng(seed)
        mixture, trace = fit_gmm(
            rows,
            n_components,
            covariance_type="full",
            init=init,
            max_iter=200,
            rng=generator,
        )
        found.append((trace.log_likelihoods[-1], seed, mixture))
    found.sort(key=lambda fit: fit[:2])
    return [fit[2] for fit in found], np.array([fit[0] for fit in found])


results = {
    (name, init): fits_of(rows, k, init)
    for name, (rows, k) in tables.items()
    for init in INITS
}
print("table           start           worst     median       best   different ends")
for (name, init), (_, likelihoods) in results.items():
    n_ends = len(np.unique(likelihoods.round(3)))
    cells = "".join(
        f"{value:11.4f}"
        for value in (likelihoods[0], np.median(likelihoods), likelihoods[-1])
    )
    print(f"{name:15} {init:12}{cells} {n_ends:10} of {len(likelihoods)}")

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
for drawn, name in zip(axes, tables, strict=True):
    for place, init in enumerate(INITS):
        likelihoods = results[name, init][1]
        spread = 0.25 if len(likelihoods) > 1 else 0.0
        drawn.plot(
            likelihoods,
            place + np.linspace(-spread, spread, len(likelihoods)),
            "o",
            markersize=5,
            alpha=0.7,
        )
    drawn.set_yticks(range(len(INITS)), INITS)
    drawn.invert_yaxis()
    drawn.set(xlabel="log density of a row at the end, nats", title=name)
plt.show()

# %%
# Each point is a fit; further right is better. (Ends that agree to three decimals count as one in the table.) On the
# clusters, starts that look at the data mostly find nearly the same end; random starts end elsewhere, and mostly lower.
# On the rings there is no obvious grouping: the ends differ, and a start without chance is stuck with the one that it
# gets, be it good or bad. No start is the best on every table. Two ends on the rings, the worst and the best of all:

everything = [
    (value, mixture)
    for init in INITS
    for mixture, value in zip(*results["two rings", init], strict=True)
]
worst, best = (
    min(everything, key=lambda fit: fit[0]),
    max(everything, key=lambda fit: fit[0]),
)
figure, axes = plt.subplots(
    1, 2, figsize=(8, 4), layout="constrained", sharex=True, sharey=True
)
for drawn, (value, mixture) in zip(axes, (worst, best), strict=True):
    plot_mixture(mixture, rings, deviations=[2], names=["x", "y"], axes=drawn)
    drawn.set(aspect="equal", title=f"{value:.3f} nats")
plt.show()

# %%
# What n_init buys
# ----------------
# ``n_init`` runs EM from that many starts and keeps the fit with the highest likelihood; it costs as many times the
# time. What to expect from the best of :math:`n` starts can be read from the twelve fits: draw :math:`n` of them many
# times, and take the mean of the best. This mean has a formula, so nothing needs to be drawn.


def expected_best(likelihoods, n):
    """Return the mean of the highest of n fits drawn with replacement."""
    # the best of n is at most the i-th of m sorted values with probability (i/m)^n
    chances = np.diff((np.arange(len(likelihoods) + 1) / len(likelihoods)) ** n)
    return chances @ likelihoods


figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
sizes = np.arange(1, 11)
for drawn, name in zip(axes, tables, strict=True):
    for init in INITS:
        likelihoods = results[name, init][1]
        drawn.plot(
            sizes,
            [expected_best(likelihoods, n) for n in sizes],
            marker=".",
            label=init,
        )
    drawn.set(xlabel="n_init", ylabel="expected best, nats", title=name)
axes[1].legend(fontsize="small")
plt.show()

kept, trace = fit_gmm(rings, 8, covariance_type="full", n_init=10, max_iter=200)
print(f"rings, kmeans, n_init=10: {trace.log_likelihoods[-1]:.4f} nats")

# %%
# For ``hierarchical`` and ``binary`` ``n_init`` is of no use: all starts are the same.
#
# Higher is not always better
# ---------------------------
# A very high likelihood can be a bad sign. A component that stands on a few rows which happen to be equal has a tiny
# variance, so an enormous density there. Without a lower limit of variances, the more starts one tries, the more such
# places are found. Sixty rows of *one* Gaussian (synthetic), rounded to one decimal as many instruments do, and fitted
# with six components:

rows, others = rng.normal(size=(60, 1)).round(1), rng.normal(size=(2000, 1))
print("variance_floor      these rows   other rows   smallest std. deviation")
for floor in (0.0, 1e-3, 1e-1):
    found, trace = fit_gmm(
        rows, 6, init="random", n_init=20, variance_floor=floor, max_iter=300
    )
    smallest = np.sqrt(found.covariances.min())
    of_others = found.log_density(others).mean()
    values = f"{trace.log_likelihoods[-1]:15.3f} {of_others:12.3f} {smallest:25.5f}"
    print(f"{floor:14g} {values}")
single = fit_gmm(rows, 1)[0]
values = [single.log_density(table).mean() for table in (rows, others)]
print(f"one component: {values[0]:15.3f} {values[1]:12.3f}")

# %%
# The first two columns are mean log densities of a row, in nats. The default floor is a thousandth of the variance of
# all rows. (With 0, the library still keeps a tiny one, since there is no density with a variance of 0.) It bounds what
# a few equal rows can gain, but it does not make six components right: the other rows do not gain by it. They gain by a
# floor of a tenth, and most by a single component. The remedy against *too many* components is the subject of the next
# page.
#
# In short
# --------
# * Leave ``init="kmeans"``, and take ``n_init`` of 5 to 10 if time allows.
# * Up to a few thousand rows ``hierarchical`` is a good start too, and the same every time.
# * ``binary`` is the same every time too, and takes any number of rows.
# * Compare the likelihoods of two seeds. If they differ, so would everything that you say about the clusters.
# * If you know something about the clusters, say it: ``init`` may be a ``GaussianMixture``.
#
# Questions
# ---------
# 1. Move the middle cluster of the first table to 1. What happens to the lower of the two tops, and why?
# 2. Run the nine clusters with ``random`` and ``n_init=20``. Is it better than ``kmeans`` with ``n_init=1``? How much
#    longer does it take (``time.perf_counter``)?
# 3. Scale the first column of ``nine`` by 1000. Does the result change? Why not, although k-means depends on units?
#
# Next page: :doc:`how many components </generated/learn/05_how_many>`.
#
# References
# ----------
# Arthur, Vassilvitskii, "k-means++: the advantages of careful seeding", *SODA* (2007). Ward, "Hierarchical grouping to
# optimize an objective function", *JASA* 58 (1963). Linde, Buzo, Gray, "An algorithm for vector quantizer design",
# *IEEE Trans. Communications* 28 (1980): binary splitting. Biernacki, Celeux, Govaert, "Choosing starting values for
# the EM algorithm for getting the highest likelihood in multivariate Gaussian mixture models", *Computational
# Statistics and Data Analysis* 41 (2003).
