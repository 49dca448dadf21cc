r"""
One Gaussian: in one, two and many dimensions
=============================================

A Gaussian mixture is a sum of Gaussians, so this course begins with a single one. The page goes from a histogram to a
density, from a variance to a covariance matrix, and from there to the Mahalanobis distance: the distance that a
Gaussian measures with. It ends in many dimensions, where Gaussians behave in ways that nobody expects from pictures.

You need numpy, and you know what a mean, a standard deviation, a matrix product and the inverse of a matrix are.
"""

# %%
# A histogram
# -----------
# Old Faithful is a geyser in the Yellowstone National Park. The table has 272 eruptions: how long each lasted, and how
# long visitors then waited for the next one, both in minutes. This page takes the waiting times after the *long*
# eruptions, those of more than three minutes.

# sphinx_gallery_thumbnail_number = 5

import matplotlib.pyplot as plt
import numpy as np
from old_faithful import COLUMNS, ROWS
from scipy import stats

from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.plot import plot_mixture

long = ROWS[ROWS[:, 0] > 3.0]
waiting = long[:, 1]
print(f"{len(ROWS)} eruptions, {len(waiting)} of them long")

# %%
# A histogram counts the values in intervals, its *bins*. The heights depend on two things that say nothing about the
# geyser: how many rows there are, and how wide the bins are. Divided by both, they do not:
#
# .. math:: \text{height of a bin} = \frac{\text{values in the bin}}{\text{all values} \times \text{width of the bin}}
#
# The *area* of a bar is then the share of the values in it, and all areas sum to 1. A curve with this property is a
# **density**. The three histograms below have very different counts and about the same heights of density. (Bins that
# are narrower have fewer values each, so their heights vary more by chance.)

figure, axes = plt.subplots(
    2, 3, figsize=(9, 4.6), layout="constrained", sharex=True, sharey="row"
)
for column, width in enumerate((4.0, 2.0, 1.0)):
    edges = np.arange(56.0, 100.1, width)
    axes[0, column].hist(waiting, bins=edges, color="#bbbbbb")
    axes[0, column].set_title(f"bins of {width:.0f} min", fontsize="medium")
    heights, _, _ = axes[1, column].hist(
        waiting, bins=edges, density=True, color="#3a80c2"
    )
    axes[1, column].set_xlabel("waiting, minutes")
    assert np.isclose((heights * width).sum(), 1.0)
axes[0, 0].set_ylabel("count")
axes[1, 0].set_ylabel("density, 1/min")
plt.show()

# %%
# A density has a unit: share *per minute*. It is no probability and may be larger than 1. Measured in hours, the same
# waiting times have a density that is 60 times as high, because the axis is 60 times as short.
#
# The Gaussian
# ------------
# The Gaussian (or normal) density is a bell curve with two parameters, the mean :math:`\mu` and the variance
# :math:`\sigma^2`:
#
# .. math:: N(x \mid \mu, \sigma^2) = (2 \pi \sigma^2)^{-1/2} \exp\left(-\frac{(x - \mu)^2}{2 \sigma^2}\right)
#
# The exponent does the work: it falls with the squared distance from the mean, measured in standard deviations
# :math:`\sigma`. The factor in front only makes the area 1.


def gaussian(x, mean, variance):
    """Return the Gaussian density at x."""
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


mean, variance = waiting.mean(), waiting.var()
print(f"mean {mean:.2f} min, standard deviation {np.sqrt(variance):.2f} min")

at = np.linspace(55, 105, 301)
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.hist(
    waiting,
    bins=np.arange(56.0, 100.1, 2.0),
    density=True,
    color="#cccccc",
    label="waiting times",
)
axes.plot(
    at, gaussian(at, mean, variance), color="black", linewidth=2, label="Gaussian"
)
for sigmas, shade in ((2, 0.15), (1, 0.25)):
    inside = np.abs(at - mean) <= sigmas * np.sqrt(variance)
    axes.fill_between(
        at, gaussian(at, mean, variance), where=inside, color="#3a80c2", alpha=shade
    )
axes.set(xlabel="waiting, minutes", ylabel="density, 1/min")
axes.legend()
plt.show()

# %%
# The shaded areas reach one and two standard deviations to both sides. A Gaussian has fixed shares there, and these
# rows come close:

for sigmas in (1, 2, 3):
    share = (np.abs(waiting - mean) <= sigmas * np.sqrt(variance)).mean()
    theory = stats.norm.cdf(sigmas) - stats.norm.cdf(-sigmas)
    print(f"within {sigmas} standard deviations: {share:6.1%}; in theory {theory:5.1%}")

# %%
# Why the mean and the variance
# -----------------------------
# Other values of :math:`\mu` and :math:`\sigma^2` would give a bell curve too. The best one, by definition, makes the
# observed rows as probable as possible: it has the highest **likelihood**, the product of the densities of all rows.
# This product is far too small for a computer once there are some hundred rows, as numbers in numpy end near
# :math:`10^{-308}`. So one takes its logarithm, the **log-likelihood**, which turns the product into a sum. The sum
# grows with the number of rows, so it is divided by that number:

density = gaussian(waiting, mean, variance)
print("product of the densities of the rows:", np.prod(density))
print("the same with every row twice:       ", np.prod(density) * np.prod(density))
print(f"mean log density of a row:            {np.log(density).mean():.4f} nats")

# %%
# (Natural logarithms are measured in *nats*.) This *mean log density of a row* is what the library prints and returns
# as log-likelihood, and what the word means on these pages where nothing else is said. Move the mean or the standard
# deviation away from those of the rows, and it falls:

figure, axes = plt.subplots(1, 2, figsize=(8, 3.0), layout="constrained", sharey=True)
means, deviations = np.linspace(mean - 6, mean + 6, 101), np.linspace(3.5, 12, 101)
axes[0].plot(means, [np.log(gaussian(waiting, m, variance)).mean() for m in means])
axes[0].axvline(mean, color="black", linestyle=":")
axes[0].set(xlabel="mean, minutes", ylabel="mean log density, nats")
axes[1].plot(
    deviations, [np.log(gaussian(waiting, mean, s**2)).mean() for s in deviations]
)
axes[1].axvline(np.sqrt(variance), color="black", linestyle=":")
axes[1].set(xlabel="standard deviation, minutes")
plt.show()

# %%
# The highest points are exactly at the mean of the rows and at their standard deviation (with a division by
# :math:`n`, not by :math:`n - 1`). So fitting *one* Gaussian takes no search: compute a mean and a variance. This is
# what ``fit_gmm`` does for one component. It returns two things, the fitted mixture and the course of the fit, which
# page 3 looks at.

mixture, _ = fit_gmm(waiting[:, None], 1)
print(mixture.means, mixture.covariances)
assert np.allclose([mixture.means[0, 0], mixture.covariances[0, 0]], [mean, variance])

# %%
# ``waiting[:, None]`` is a table of one column: this library always takes *rows*, a matrix with one observation in each
# line. The means and the variances have a row for each component, here one. (The second array is named
# ``covariances``, because in several columns there is more than variances, as the next section shows.)
#
# Two dimensions: the covariance
# ------------------------------
# Each eruption has two numbers. Their means are a vector :math:`\mu`. For the spread, two variances are not enough:
# after a longer eruption, the wait is longer too. The **covariance matrix** has the variances on its diagonal and,
# beside it, how the columns vary together:
#
# .. math:: \Sigma = \frac{1}{n} \sum_i (x_i - \mu) (x_i - \mu)^\top

centre = long.mean(axis=0)
centred = long - centre
covariance = centred.T @ centred / len(long)
print(covariance.round(3))
correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
print(f"correlation {correlation:.2f}")

# %%
# The *correlation* is the covariance divided by both standard deviations, a number between -1 and 1 without a unit.
#
# The density is the bell curve again, with the matrix in the place of the variance. :math:`D` is the number of columns
# and :math:`|\Sigma|` the determinant of the matrix, which grows with the area that the rows cover:
#
# .. math::
#
#     N(x \mid \mu, \Sigma) = (2 \pi)^{-D/2} \, |\Sigma|^{-1/2}
#     \exp\left(-\frac{1}{2} (x - \mu)^\top \Sigma^{-1} (x - \mu)\right)
#
# Lines of equal density are ellipses. Their axes point along the *eigenvectors* of :math:`\Sigma`, the directions of
# the largest and the smallest variance. The *eigenvalues* are these variances, and their roots are half the lengths of
# the axes of the ellipse of one standard deviation. ``plot_mixture`` draws the ellipses of one and of two standard
# deviations. A simpler matrix allows fewer shapes. These are three of the four *covariance types* of the library; the
# fourth, ``tied``, needs several components (page 5). Where nothing is said, ``fit_gmm`` takes ``diag``:

figure, axes = plt.subplots(
    1, 3, figsize=(9.5, 3.4), layout="constrained", sharex=True, sharey=True
)
titles = {
    "spherical": "circles: 1 number",
    "diag": "along the axes: 2 numbers",
    "full": "any ellipse: 3 numbers",
}
# both columns in units of their standard deviation, for a circle needs one unit
standard = centred / long.std(axis=0)
for drawn, (covariance_type, title) in zip(axes, titles.items(), strict=True):
    one, _ = fit_gmm(standard, 1, covariance_type=covariance_type)
    plot_mixture(
        one,
        standard,
        names=[f"{name.split(',')[0]}, standardised" for name in COLUMNS],
        axes=drawn,
    )
    drawn.set_title(f"{covariance_type}\n{title}", fontsize="medium")
    drawn.set_aspect("equal")
    value = one.log_density(standard).mean()
    print(f"{covariance_type:10} mean log density {value:.4f} nats")
axes[1].set_ylabel("")
axes[2].set_ylabel("")
plt.show()

# %%
# A column is *standardised* when its mean is subtracted and it is divided by its standard deviation. After that, the
# circle and the ellipse along the axes are the same. Only the full matrix knows the correlation, and it has the highest
# likelihood.
#
# The Mahalanobis distance
# ------------------------
# How far is a point from the middle of the data? The distance of a ruler depends on units: with eruptions in seconds,
# every difference in the first column would count 60 times as much. And it ignores the correlation. The exponent of the
# density contains a better distance, the **Mahalanobis distance** :math:`d`:
#
# .. math:: d(x)^2 = (x - \mu)^\top \Sigma^{-1} (x - \mu)
#
# It counts standard deviations, in the direction in which the point lies. Two points at the same distance by a ruler
# can be very different by this one:


def mahalanobis(x):
    """Return the Mahalanobis distance of rows from the long eruptions."""
    away = x - centre
    return np.sqrt(((away @ np.linalg.inv(covariance)) * away).sum(axis=1))


step = 1.6 * long.std(axis=0)
points = centre + step * [[1, 1], [1, -1]]
for name, distance in zip("AB", mahalanobis(points), strict=True):
    print(f"{name}: Mahalanobis distance {distance:.2f}")
in_seconds = centred * [60, 1]
seconds_covariance = in_seconds.T @ in_seconds / len(long)
squared = ((in_seconds @ np.linalg.inv(seconds_covariance)) * in_seconds).sum(axis=1)
assert np.allclose(np.sqrt(squared), mahalanobis(long)), "the unit does not matter"

# %%
# Another way to see it: turn and stretch the rows until their covariance is the identity matrix. This is called
# *whitening*. There the ellipses are circles, and the Mahalanobis distance is the distance of a ruler. The matrix below
# turns the axes of the ellipse onto those of the picture, divides each by its standard deviation, and turns back.

eigenvalues, eigenvectors = np.linalg.eigh(covariance)
whiten = eigenvectors / np.sqrt(eigenvalues) @ eigenvectors.T
white, white_points = centred @ whiten, (points - centre) @ whiten
assert np.allclose(white.T @ white / len(white), np.eye(2))
assert np.allclose(np.linalg.norm(white_points, axis=1), mahalanobis(points))

figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.9), layout="constrained")
one = GaussianMixture([1.0], [centre], [covariance], "full")
plot_mixture(one, long, names=COLUMNS, deviations=(1, 2, 3), axes=axes[0])
plot_mixture(
    GaussianMixture([1.0], [[0, 0]], [np.eye(2)], "full"),
    white,
    names=["whitened 1", "whitened 2"],
    deviations=(1, 2, 3),
    axes=axes[1],
)
for drawn, place in zip(axes, (points, white_points), strict=True):
    drawn.plot(*place.T, "x", color="#c2671f", markersize=9, markeredgewidth=2.5)
    for name, (x, y) in zip("AB", place, strict=True):
        drawn.annotate(
            name,
            (x, y),
            xytext=(7, 5),
            textcoords="offset points",
            color="#c2671f",
            fontweight="bold",
        )
axes[1].set_aspect("equal")
axes[0].set_title(
    "rows, and ellipses of 1, 2 and 3 standard deviations", fontsize="medium"
)
axes[1].set_title("whitened: the ellipses are circles", fontsize="medium")
plt.show()

# %%
# The squared distance of a row is a sum of :math:`D` squares, one for each whitened column. For rows of a Gaussian such
# sums follow a known distribution, named chi-squared with :math:`D` degrees of freedom. In two dimensions the share
# within distance :math:`d` is :math:`1 - \exp(-d^2 / 2)`. Note that one standard deviation holds 68 % of the rows in
# one dimension, but only 39 % in two:

for d in (1, 2, 3):
    share = (mahalanobis(long) <= d).mean()
    theory = 1 - np.exp(-(d**2) / 2)
    print(f"within distance {d}: {share:6.1%} of the rows, {theory:6.1%} in theory")

# %%
# Many dimensions are strange
# ---------------------------
# A table has tens of columns as soon as it describes sounds (page 7) or the customers of a shop. From here to the last
# section the data are *synthetic*: rows of a Gaussian with mean 0 and variance 1 in each of :math:`D` columns, where
# everything is known. How far are rows from the mean, where the density is highest?

rng = np.random.default_rng(0)
print("columns  mean distance  share within distance 1")
figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
for dimensions, colour in (
    (1, "#3a80c2"),
    (2, "#c2671f"),
    (10, "#2b9163"),
    (100, "#c25285"),
):
    distances = np.linalg.norm(rng.normal(size=(20_000, dimensions)), axis=1)
    label = "1 column" if dimensions == 1 else f"{dimensions} columns"
    axes.hist(distances, bins=60, density=True, alpha=0.6, color=colour, label=label)
    near = stats.chi2.cdf(1.0, dimensions)
    print(f"{dimensions:7} {distances.mean():14.2f} {near:27.2g}")
axes.set(xlabel="distance from the mean", ylabel="density")
axes.legend()
plt.show()

# %%
# In one dimension most rows are near the mean. In 100 dimensions *none* is: all rows lie in a thin shell at a distance
# of about 10, the root of the number of columns, since the squared distance is a sum of 100 squares with mean 1. The
# density is still highest at the mean, but there is hardly any space there, and ever more of it further out. So a new
# row is not suspicious because it is "far from the mean"; it is suspicious if its distance is not near the root of
# :math:`D`.
#
# **Small differences add up.** Take two Gaussians whose means differ by half a standard deviation in every column. In
# one dimension it is hard to tell from which of them a row came. In 100 dimensions it is nearly always certain:

print("columns   nearer mean is right   median certainty")
for dimensions in (1, 2, 10, 100):
    pair = GaussianMixture(
        [0.5, 0.5],
        [np.zeros(dimensions), np.full(dimensions, 0.5)],
        np.ones((2, dimensions)),
    )
    rows = rng.normal(size=(5_000, dimensions))
    first = pair.responsibilities(rows)[:, 0]
    certainty = np.median(np.maximum(first, 1 - first))
    print(f"{dimensions:7} {(first > 0.5).mean():22.1%} {certainty:18.4f}")

# %%
# The "certainty" is the probability that a row came from the more probable one of the two Gaussians, where each has
# half of the rows; the next page explains it. This is why models of many columns are so sure of themselves, also where
# they should not be: the columns of real data are not as independent as these, and page 8 shows what to do about it.
#
# **A covariance needs many rows.** A full matrix of :math:`D` columns has :math:`D (D + 1) / 2` numbers. Estimated from
# few rows, it is badly wrong, in a way that always looks the same: directions in which the rows happen to vary little
# get a variance that is much too small, and directions in which they happen to vary much one that is too large. The
# true variances here are all 1.

dimensions = 50
figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
for n in (40, 60, 200, 5_000):
    rows = rng.normal(size=(n, dimensions))
    spectrum = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1]
    axes.plot(range(1, dimensions + 1), spectrum, label=f"{n} rows")
    low = max(spectrum[-1], 0.0)
    print(f"{n:5} rows: variances from {low:.3f} to {spectrum[0]:.3f}")
axes.axhline(1.0, color="black", linestyle=":", label="truth")
axes.set(xlabel="direction (eigenvector)", ylabel="variance (eigenvalue)")
axes.legend()
plt.show()

# %%
# With 40 rows in 50 dimensions the smallest variances are 0, and the density has no finite value at all. The library
# keeps every variance above a small share of that of all rows (``variance_floor``), and has covariance types with fewer
# numbers. Page 5 chooses between them.
#
# One Gaussian is not enough
# --------------------------
# Back to the geyser, now with all eruptions. One Gaussian has to cover short and long waits with one bell, and has its
# highest density where there are hardly any rows:

figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained", sharey=True)
for drawn, n_components in zip(axes, (1, 2), strict=True):
    mixture, trace = fit_gmm(ROWS[:, 1:], n_components)
    plot_mixture(mixture, ROWS[:, 1:], names=COLUMNS[1:], axes=drawn)
    value = trace.log_likelihoods[-1]
    drawn.set_title(f"components: {n_components}; {value:.3f} nats", fontsize="medium")
axes[1].set_ylabel("")
plt.show()

# %%
# Two Gaussians describe the rows much better. Each has a *weight*, its share of the rows, and the black curve is the
# sum of both. That is a **Gaussian mixture**.
#
# Questions
# ---------
# 1. Compute the density of the waiting times in hours. By how much does the mean log density of a row change, and why
#    does it not matter when two models of the same rows are compared?
# 2. Point B is inconspicuous in each column by itself. Print how many standard deviations it is from the mean in each.
#    What does that say about checking columns one by one for outliers?
# 3. In 100 dimensions, draw 20,000 rows and look for the one that is nearest to the mean. How near is it? How many rows
#    would you need for one within distance 1?
#
# Next page: :doc:`hard and soft clustering </generated/learn/02_hard_and_soft>`.
#
# References
# ----------
# Härdle, *Smoothing Techniques with Implementation in S* (1991): the table. Mahalanobis, "On the generalised distance
# in statistics", *Proceedings of the National Institute of Sciences of India* 2 (1936). Bishop, *Pattern Recognition
# and Machine Learning* (2006), section 2.3; section 1.4 on many dimensions.
