r"""
Hard and soft clustering
========================

Clustering puts rows into groups that nobody has named beforehand. *Hard* clustering, such as k-means, gives each row
one group. *Soft* clustering by a mixture gives each row a probability for every group. This page shows both on data
where they agree and on data where they do not, and measures the difference.

From the :doc:`first page </generated/learn/01_one_gaussian>` you need the Gaussian density and its ellipses.
"""

# %%
# Hard clustering by k-means
# --------------------------
# k-means looks for :math:`K` centres, one for each group; :math:`K` is given. It begins with :math:`K` rows as centres,
# and repeats two steps until nothing changes:
#
# 1. every row goes to its nearest centre;
# 2. every centre moves to the mean of its rows.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from old_faithful import COLUMNS, ROWS
from sklearn.metrics import adjusted_rand_score

from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.plot import plot_responsibilities


def kmeans_once(rows, k, rng):
    """Return the group of every row by k-means from random rows, the centres and the mean squared distance."""
    centres = rows[rng.choice(len(rows), k, replace=False)]
    for _ in range(100):
        squared = ((rows[:, None, :] - centres) ** 2).sum(axis=2)
        groups = squared.argmin(axis=1)
        # a centre that has lost all its rows stays where it is
        moved = [
            rows[groups == j].mean(axis=0) if (groups == j).any() else centres[j]
            for j in range(k)
        ]
        if np.allclose(moved, centres):
            break
        centres = np.array(moved)
    return groups, centres, squared.min(axis=1).mean()


def kmeans(rows, k, seed=0):
    """Return the groups and the centres of the best of twenty runs."""
    rng = np.random.default_rng(seed)
    runs = [kmeans_once(rows, k, rng) for _ in range(20)]
    return min(runs, key=lambda run: run[2])[:2]


# %%
# The result depends on the rows that it begins with, so the best of twenty runs is taken. (In the library k-means is
# one of the ways to start EM; page 4 is about starts.) Because a ruler's distance depends on units, the two columns of
# Old Faithful are standardised first: minus their mean, divided by their standard deviation.

standard = (ROWS - ROWS.mean(axis=0)) / ROWS.std(axis=0)
hard, centres = kmeans(standard, 2)
print("rows in each group:", np.bincount(hard))

# %%
# Soft clustering by responsibilities
# -----------------------------------
# A mixture of :math:`K` Gaussians has the density
#
# .. math:: p(x) = \sum_{k=1}^{K} w_k \, N(x \mid \mu_k, \Sigma_k), \qquad w_k \ge 0, \quad \sum_k w_k = 1
#
# Read it as a story of two steps: first a component :math:`k` is drawn with probability :math:`w_k`, its *weight*;
# then a row is drawn from this component. The row is seen, the component is not. The probability that row :math:`x`
# came from component :math:`k` is the share of this component in the density at :math:`x` (Bayes' rule). It is called
# the **responsibility** of the component for the row:
#
# .. math:: r_k(x) = \frac{w_k \, N(x \mid \mu_k, \Sigma_k)}{\sum_j w_j \, N(x \mid \mu_j, \Sigma_j)}
#
# The responsibilities of a row sum to 1. ``fit_gmm`` finds the weights, means and covariances; the next page shows how.

mixture, _ = fit_gmm(standard, 2, covariance_type="full")
soft = mixture.responsibilities(standard)
print("responsibilities of the first rows:")
print(soft[:4].round(4))
print(
    "sums of the columns:",
    soft.sum(axis=0).round(1),
    "rows in effect;  weights:",
    mixture.weights.round(3),
)
assert np.allclose(soft.sum(axis=1), 1.0)

# %%
# (The 0 and 1 above are rounded; no responsibility is exactly 0 or 1.) For most eruptions there is hardly a doubt, and
# the two methods agree:

harder = soft.argmax(axis=1)
score = adjusted_rand_score(hard, harder)
doubtful = soft.max(axis=1) < 0.99
print(f"agreement of k-means and the mixture: adjusted Rand index {score:.3f}")
print(f"rows with no responsibility of 99 % or more: {doubtful.sum()} of {len(ROWS)}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
names = [f"{name.split(',')[0]}, standardised" for name in COLUMNS]
colours = np.array(["#3a80c2", "#c2671f"])
# the same colour for the same cluster: the component with the greater mean is number 1
order = np.argsort(mixture.means[:, 0])
mixture = GaussianMixture(
    mixture.weights[order], mixture.means[order], mixture.covariances[order], "full"
)
axes[0].scatter(
    *standard.T, s=10, color=colours[(hard == centres[:, 0].argmax()).astype(int)]
)
axes[0].plot(*centres.T, "kx", markersize=10, markeredgewidth=2.5)
axes[0].set(xlabel=names[0], ylabel=names[1], title="k-means: one group each")
plot_responsibilities(mixture, standard, names=names, axes=axes[1])
axes[1].set(title="mixture: colours mixed by responsibility", ylabel="")
plt.show()

# %%
# The **adjusted Rand index** compares two groupings by the pairs of rows that are together in both: 1 for the same
# groups (whatever their numbers are), about 0 for groups by chance.
#
# Where they differ
# -----------------
# k-means has no ellipses: in its eyes every group is round, as wide as the others and as large. Each of these
# assumptions can be wrong. The next three tables are *synthetic*: drawn from known mixtures, so that the true groups
# and even the true probabilities are known. ``n_init=3`` keeps the best of three fits (page 4), and ``tol=1e-7`` runs
# each nearly to its end: where clusters overlap, the last small rises of the likelihood still move them (page 3).


def draw(mixture, n, seed):
    """Return rows of a mixture, and the component that each was drawn from."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(mixture.n_components, size=n, p=mixture.weights)
    rows = np.empty((n, mixture.n_features))
    for k in range(mixture.n_components):
        of_k = groups == k
        rows[of_k] = rng.multivariate_normal(
            mixture.means[k], mixture.covariances[k], size=of_k.sum()
        )
    return rows, groups


stretched = np.array([[4.0, 3.6], [3.6, 4.0]])
truths = {
    "stretched": GaussianMixture(
        [0.5, 0.5], [[-1.2, 1.2], [1.2, -1.2]], [stretched, stretched], "full"
    ),
    "unequal width": GaussianMixture(
        [0.5, 0.5], [[0, 0], [3.5, 0]], [0.1 * np.eye(2), 4.0 * np.eye(2)], "full"
    ),
    "unequal size": GaussianMixture(
        [0.93, 0.07], [[0, 0], [3.2, 0]], [1.0 * np.eye(2), 0.3 * np.eye(2)], "full"
    ),
}

figure, axes = plt.subplots(
    3, 3, figsize=(9.5, 9.2), layout="constrained", sharex="row", sharey="row"
)
print("rows in the right group     k-means   mixture   best possible")
for row, (name, truth) in enumerate(truths.items()):
    rows, groups = draw(truth, 1000, seed=row)
    by_kmeans, middles = kmeans(rows, 2)
    fitted, _ = fit_gmm(
        rows, 2, covariance_type="full", n_init=3, tol=1e-7, max_iter=1000
    )
    by_mixture = fitted.responsibilities(rows).argmax(axis=1)
    by_truth = truth.responsibilities(rows).argmax(axis=1)
    # groups have no names: the better of the two ways to number them counts
    right = [
        max((found == groups).mean(), (found != groups).mean())
        for found in (by_kmeans, by_mixture, by_truth)
    ]
    print(f"{name:25} {right[0]:9.1%} {right[1]:9.1%} {right[2]:15.1%}")
    assert right[1] > right[0]
    if (by_kmeans == groups).mean() < 0.5:
        by_kmeans, middles = 1 - by_kmeans, middles[::-1]
    if (by_mixture == groups).mean() < 0.5:
        fitted = GaussianMixture(
            fitted.weights[::-1], fitted.means[::-1], fitted.covariances[::-1], "full"
        )
    axes[row, 0].scatter(*rows.T, s=5, color=colours[groups])
    axes[row, 0].set_ylabel(name, fontsize="large")
    axes[row, 1].scatter(*rows.T, s=5, color=colours[by_kmeans])
    axes[row, 1].plot(*middles.T, "kx", markersize=10, markeredgewidth=2.5)
    plot_responsibilities(fitted, rows, axes=axes[row, 2]).get_legend().remove()
    axes[row, 2].set(xlabel="", ylabel="")
    for drawn in axes[row]:
        drawn.set_aspect("equal")
for column, title in enumerate(("truth", "k-means", "mixture")):
    axes[0, column].set_title(title)
plt.show()

# %%
# * **Stretched**: k-means cuts across both clusters, because the ends of a long cluster are nearer to the centre of
#   the other one. The mixture learns the covariance.
# * **Unequal width**: k-means gives the wide cluster's rows near the narrow one away. The mixture sees a dense cluster
#   inside the reach of a wide one, and knows that a row some way off the dense middle is more probable in the wide one.
# * **Unequal size**: k-means likes groups of equal size, and cuts the large cluster. The mixture learns the weights.
#
# The last column shows what is possible: where clusters overlap, even one who knows the true mixture is wrong about
# some rows. No method is right more often than that *on average*. In a single table of 1000 rows a fitted mixture may,
# by luck, be right about a row or two more than the true one, as in the last table here.
#
# What soft memberships are good for
# ----------------------------------
# If in the end each row gets its most probable group, why keep probabilities? Because they say *how sure* the answer
# is, and being sure can be checked. Two round clusters that overlap (synthetic):

truth = GaussianMixture([0.7, 0.3], [[0, 0], [2.5, 0]], [np.eye(2), np.eye(2)], "full")
rows, groups = draw(truth, 20_000, seed=7)
fitted, _ = fit_gmm(rows, 2, covariance_type="full", tol=1e-7, max_iter=1000)
right_one = fitted.means[:, 0].argmax()
belief = fitted.responsibilities(rows)[:, right_one]

edges = np.linspace(0, 1, 11)
bins = np.digitize(belief, edges[1:-1])
counts = np.bincount(bins, minlength=10)
said = np.bincount(bins, belief, minlength=10) / counts
was = np.bincount(bins, groups == 1, minlength=10) / counts
print("responsibility     rows   mean responsibility   share that is in the group")
for low, n, expected, share in zip(edges, counts, said, was, strict=False):
    print(f"{low:6.1f} to {low + 0.1:.1f} {n:10} {expected:21.1%} {share:28.1%}")
assert np.abs(said - was).max() < 0.06

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
plot_responsibilities(
    fitted, rows[:500], 0, names=["first column", "second column"], axes=axes[0]
)
axes[0].get_legend().remove()
axes[0].set_title("responsibilities along the first column", fontsize="medium")
axes[1].plot([0, 1], [0, 1], color="#999999", linestyle=":")
axes[1].plot(said, was, marker="o")
axes[1].set(
    xlabel="responsibility", ylabel="share of rows in the group", aspect="equal"
)
axes[1].set_title("of rows with 30 %, about 30 % are in the group", fontsize="medium")
plt.show()

# %%
# The responsibilities are *calibrated*: of the rows to which the mixture gives 30 %, about 30 % belong to the group.
# Hard groups cannot say this. They also bias what is computed from them. The size and the middle of the smaller
# cluster, once from the rows of its hard group and once with every row weighted by its responsibility:

_, middles = kmeans(rows, 2)
nearest = (
    np.linalg.norm(rows[:, None] - middles, axis=2).argmin(axis=1)
    == middles[:, 0].argmax()
)
print("                     share   first column of the middle")
print(f"truth              {0.3:7.3f} {2.5:11.2f}")
print(f"k-means            {nearest.mean():7.3f} {rows[nearest, 0].mean():11.2f}")
middle = belief @ rows[:, 0] / belief.sum()
print(f"responsibilities   {belief.mean():7.3f} {middle:11.2f}")
assert abs(belief.mean() - 0.3) < abs(nearest.mean() - 0.3)

# %%
# k-means as a limit
# ------------------
# The two are relatives. Take a mixture of round components of the same variance and the same weight, and let the
# variance shrink: the responsibilities become 0 or 1, by which centre is nearest. That is step 1 of k-means.

print("variance   below 99 % sure   same group as the nearest centre")
for variance in (4.0, 1.0, 0.1, 0.001):
    round_ones = GaussianMixture([0.5, 0.5], middles, [variance, variance], "spherical")
    shares = round_ones.responsibilities(rows)
    distances = np.linalg.norm(rows[:, None] - middles, axis=2)
    agree = (shares.argmax(axis=1) == distances.argmin(axis=1)).mean()
    unsure = (shares.max(axis=1) < 0.99).mean()
    print(f"{variance:8g} {unsure:18.1%} {agree:34.0%}")
    assert agree == 1

# %%
# So use k-means where clusters are round, alike and well apart, or where only a fast first grouping is needed. Use a
# mixture where they are not, where rows may lie between groups, or where you need probabilities, a density, or answers
# for rows with missing values (page 6). How a mixture is *fitted* is the next page.
#
# Questions
# ---------
# 1. Do the geyser again without standardising. How many rows change their group by k-means, and how many by the
#    mixture? Why is the mixture not affected?
# 2. Move the clusters of the calibration example to a distance of 1 (``[1, 0]`` for ``[2.5, 0]``), and leave out its
#    assertion. Are the responsibilities of the fitted mixture still calibrated? Try 400 rows and 100,000 rows, and
#    compare the likelihood of the fit with that of ``truth``. Then fit with ``covariance_type="tied"``, one covariance
#    for both components, and ``tol=1e-8, accelerate=True``. Why does it help, and when would it not?
# 3. Draw two half moons (``sklearn.datasets.make_moons``). Neither method finds them with two groups. How many
#    components does a mixture need to describe their density, and what would you do to get two groups out of it?
#
# Next page: :doc:`EM by hand </generated/learn/03_em>`.
#
# References
# ----------
# Lloyd, "Least squares quantization in PCM", *IEEE Trans. Information Theory* 28 (1982): k-means. Hubert, Arabie,
# "Comparing partitions", *Journal of Classification* 2 (1985): the adjusted Rand index. McLachlan, Peel, *Finite
# Mixture Models* (2000).
