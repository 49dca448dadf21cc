r"""
EM by hand
==========

The parameters of a mixture cannot be computed by a formula, because nobody knows which row belongs to which component.
The EM algorithm finds them by repeating two steps that *are* formulas. This page writes both in numpy, runs them beside
``fit_gmm`` and compares the numbers, and shows a picture of every iteration.

From the :doc:`last page </generated/learn/02_hard_and_soft>` you need the responsibilities.
"""

# %%
# The circle
# ----------
# With known responsibilities the parameters would be easy: each component is one Gaussian, fitted to the rows with the
# responsibilities as weights. With known parameters the responsibilities would be easy: Bayes' rule. Neither is known,
# so EM begins with some parameters and goes around the circle:
#
# * **E-step** (expectation): compute the responsibilities from the parameters.
# * **M-step** (maximisation): compute the parameters from the responsibilities.
#
# The rows are the 272 eruptions of Old Faithful again. The start is bad on purpose: both means are at places where
# there are no eruptions, so that there is something to see.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from old_faithful import COLUMNS, ROWS

from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.plot import (
    animate_em,
    plot_mixture,
    plot_responsibilities,
    plot_trace,
)

X = ROWS
n_features = X.shape[1]
weights = np.array([0.5, 0.5])
means = np.array([[2.0, 80.0], [4.5, 60.0]])
covariances = np.array([np.diag(X.var(axis=0))] * 2)
start = GaussianMixture(weights, means, covariances, "full")

figure, axes = plt.subplots(figsize=(5, 3.8), layout="constrained")
plot_mixture(start, X, names=COLUMNS, axes=axes)
axes.set_title("the start")
plt.show()

# %%
# The E-step
# ----------
# The responsibilities need :math:`w_k N(x_i \mid \mu_k, \Sigma_k)` for each row and each component. In many columns
# such densities are too small for a computer, so everything is done in logarithms:
#
# .. math::
#
#     \log N(x \mid \mu, \Sigma) = -\frac{1}{2} \left[ D \log 2 \pi + \log |\Sigma|
#     + (x - \mu)^\top \Sigma^{-1} (x - \mu) \right]
#
# The last term is the squared Mahalanobis distance of page 1.


def log_joint(X, weights, means, covariances):
    """Return log(w_k N(x_i)) for every row i and component k."""
    columns = []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        away = X - mean
        squared = ((away @ np.linalg.inv(covariance)) * away).sum(axis=1)
        log_determinant = np.linalg.slogdet(covariance)[1]
        columns.append(
            np.log(weight)
            - 0.5 * (X.shape[1] * np.log(2 * np.pi) + log_determinant + squared)
        )
    return np.array(columns).T


# %%
# The density of a row is the sum over components, and the responsibilities are the shares in this sum:
#
# .. math::
#
#     p(x_i) = \sum_k w_k N(x_i \mid \mu_k, \Sigma_k), \qquad
#     r_{ik} = \frac{w_k N(x_i \mid \mu_k, \Sigma_k)}{p(x_i)}
#
# To sum numbers that are given as logarithms, take out the largest one first; then at least one of the exponentials is
# 1 and nothing is lost. This is called *log-sum-exp*.


def e_step(X, weights, means, covariances):
    """Return the responsibilities (n, K), and the log density of every row (n,)."""
    joint = log_joint(X, weights, means, covariances)
    largest = joint.max(axis=1, keepdims=True)
    log_density = largest[:, 0] + np.log(np.exp(joint - largest).sum(axis=1))
    return np.exp(joint - log_density[:, None]), log_density


responsibilities, log_density = e_step(X, weights, means, covariances)
assert np.allclose(responsibilities, start.responsibilities(X), atol=1e-12)
assert np.allclose(log_density, start.log_density(X), atol=1e-12)
print("responsibilities of the first three rows:")
print(responsibilities[:3].round(3))

# %%
# The M-step
# ----------
# Three sums over the rows are all that is needed, the *sufficient statistics*: how many rows a component has in effect,
# their sum, and the sum of their products.
#
# .. math:: n_k = \sum_i r_{ik}, \qquad f_k = \sum_i r_{ik} \, x_i, \qquad s_k = \sum_i r_{ik} \, x_i x_i^\top
#
# .. math:: w_k = \frac{n_k}{n}, \qquad \mu_k = \frac{f_k}{n_k}, \qquad \Sigma_k = \frac{s_k}{n_k} - \mu_k \mu_k^\top
#
# These are the mean and the covariance of page 1, with weights.


def m_step(X, responsibilities):
    """Return the weights, means and covariances for given responsibilities."""
    n = responsibilities.sum(axis=0)
    f = responsibilities.T @ X
    s = np.array([(X * r[:, None]).T @ X for r in responsibilities.T])
    means = f / n[:, None]
    covariances = s / n[:, None, None] - means[:, :, None] * means[:, None, :]
    return n / len(X), means, covariances


# %%
# Around the circle
# -----------------
# EM stops when an iteration raises the mean log density of a row by less than ``tol`` times the number of columns. That
# is all of it:

tol = 1e-4
course = []
while True:
    responsibilities, log_density = e_step(X, weights, means, covariances)
    course.append((log_density.mean(), weights, means, covariances))
    if len(course) > 1 and course[-1][0] - course[-2][0] < tol * n_features:
        break
    weights, means, covariances = m_step(X, responsibilities)

print(f"{len(course) - 1} iterations")
print("weights", weights.round(4))
print("means  ", means.round(4).tolist())

# %%
# ``fit_gmm`` does the same from the same start. Its ``callback`` is called with the state before the first iteration
# and after each one, so that all numbers of all iterations can be compared with those above:

steps = []
mixture, trace = fit_gmm(
    X, 2, covariance_type="full", init=start, tol=tol, callback=steps.append
)

print("iteration   log density: by hand         fit_gmm   parameters differ by")
assert len(steps) == len(course)
for step, (value, *parameters) in zip(steps, course, strict=True):
    theirs = (step.mixture.weights, step.mixture.means, step.mixture.covariances)
    largest = max(
        np.abs(a - b).max() / np.abs(b).max()
        for a, b in zip(theirs, parameters, strict=True)
    )
    by_library = step.log_likelihood
    print(f"{step.iteration:9} {value:22.10f} {by_library:15.10f} {largest:22.1e}")
    assert np.isclose(step.log_likelihood, value, rtol=1e-11)
    assert largest < 1e-11

# %%
# They agree to the rounding of the last digits. (The library does more than this page. It standardises the columns
# before it begins, because the difference :math:`s_k / n_k - \mu_k \mu_k^\top` loses digits where means are far from 0,
# and gives the result in the original units. It has a lower limit for variances, which is not reached here. And it puts
# a component that has lost all its rows in another place.)
#
# Every iteration
# ---------------
# The colour of a point is mixed from the colours of the components by its responsibilities. At first both components
# want everything, and hardly move. Then one of them has a few more of the long eruptions than the other, gets more of
# them, and from there it goes fast.

figure, axes = plt.subplots(
    3, 5, figsize=(11, 6.6), layout="constrained", sharex=True, sharey=True
)
for drawn, step in zip(axes.flat, steps, strict=True):
    plot_responsibilities(step.mixture, X, axes=drawn).get_legend().remove()
    drawn.set_title(
        f"iteration {step.iteration}: {step.log_likelihood:.3f}", fontsize="medium"
    )
    drawn.set(xlabel="", ylabel="", xlim=(1, 5.8), ylim=(35, 105))
figure.supxlabel(COLUMNS[0])
figure.supylabel(COLUMNS[1])
plt.show()

# %%
# The same as a film, with the likelihood beside it. ``to_jshtml`` makes a piece of a web page with buttons, which a
# notebook shows with ``IPython.display.HTML(film)``; ``animation.save("em.gif", writer="pillow")`` would write a file.

figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.8), layout="constrained")
animation = animate_em(X, steps, names=COLUMNS, axes=axes)
film = animation.to_jshtml()

# %%
# The likelihood never falls
# --------------------------
# No iteration made the likelihood worse. This is no accident. For *any* shares :math:`r_{ik}` that sum to 1 over the
# components, this number is never above the log-likelihood:
#
# .. math::
#
#     F(r, w, \mu, \Sigma) = \frac{1}{n} \sum_i \sum_k r_{ik} \log \frac{w_k N(x_i \mid \mu_k, \Sigma_k)}{r_{ik}}
#     \;\le\; \frac{1}{n} \sum_i \log p(x_i)
#
# (The logarithm of a mean is at least the mean of the logarithms: Jensen's inequality. Here the mean is over the
# components, with the weights :math:`r_{ik}`.) The E-step chooses the :math:`r_{ik}` for which both sides are *equal*:
# with the responsibilities every fraction is :math:`p(x_i)`. The M-step chooses the parameters for which :math:`F` is
# highest, since for given shares :math:`F` is a weighted log-likelihood of Gaussians, and the weighted mean and
# covariance maximise that as on page 1. So neither step lowers :math:`F`, and after each E-step :math:`F` is the
# log-likelihood:


def lower_bound(X, responsibilities, weights, means, covariances):
    """Return F for responsibilities and parameters that need not belong together."""
    log_shares = np.log(np.maximum(responsibilities, 1e-300))
    return (
        (responsibilities * (log_joint(X, weights, means, covariances) - log_shares))
        .sum(axis=1)
        .mean()
    )


print("iteration   F after the M-step   F after the E-step = log-likelihood")
stairs = [course[0][0]]
for i in range(1, len(course)):
    old, _ = e_step(X, *course[i - 1][1:])
    after_m = lower_bound(X, old, *course[i][1:])
    new, log_density = e_step(X, *course[i][1:])
    after_e = lower_bound(X, new, *course[i][1:])
    print(f"{i:9} {after_m:20.4f} {after_e:20.4f}")
    assert stairs[-1] <= after_m + 1e-12 <= after_e + 2e-12
    assert np.isclose(after_e, log_density.mean(), rtol=1e-12)
    stairs += [after_m, after_e]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
plot_trace(trace, axes=axes[0])
axes[0].set_title("log-likelihood by iteration", fontsize="medium")
zoom = slice(2 * 5, 2 * 9 + 1)
at = np.arange(len(stairs))[zoom] / 2
axes[1].plot(at, stairs[zoom], color="#999999")
axes[1].plot(
    at[::2],
    stairs[zoom][::2],
    "o",
    color="#3a80c2",
    label="after an E-step: the log-likelihood",
)
axes[1].plot(
    at[1::2],
    stairs[zoom][1::2],
    "s",
    color="#c2671f",
    label="after an M-step: below it",
)
axes[1].set(xlabel="iteration")
axes[1].set_title("the lower bound F, iterations 5 to 9", fontsize="medium")
axes[1].legend(fontsize="small")
plt.show()

# %%
# When to stop
# ------------
# EM rises, but it may rise slowly for a while. Look at the iterations 1 to 4 above: from there the mixture improves by
# more than half a nat, and nothing shows it yet. So a stop at a small rise can come too early. It does with the same
# means and the covariance of *all* rows, a tilted ellipse, for both components:

tilted = np.cov(X.T, bias=True)
plateau = GaussianMixture(
    [0.5, 0.5], [[2.0, 80.0], [4.5, 60.0]], [tilted, tilted], "full"
)
traces = {}
for tol in (1e-4, 1e-6):
    found, traces[f"tol={tol:g}"] = fit_gmm(
        X, 2, covariance_type="full", init=plateau, tol=tol, max_iter=1000
    )
    one = traces[f"tol={tol:g}"]
    print(f"tol={tol:g}: {one.n_iter} iterations, {one.log_likelihoods[-1]:.4f} nats")
    print(f"    means {found.means.round(2).tolist()}")
assert (
    traces["tol=1e-06"].log_likelihoods[-1] - traces["tol=0.0001"].log_likelihoods[-1]
    > 0.3
)

figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
plot_trace(traces, axes=axes)
axes.set_ylim(-4.9, -4.1)
plt.show()

# %%
# (The two curves are the same up to the dot at which the first one stops.) "Converged" means: the last iteration
# changed little. It does not mean that nothing better exists. Two remedies: a
# smaller ``tol`` with a higher ``max_iter`` (``accelerate=True`` makes the long way shorter), and a better start. The
# starts of the library would never have begun at such a place; the next page is about them.
#
# Questions
# ---------
# 1. Replace the M-step's covariances by their diagonals. Which line of ``m_step`` changes, and does the likelihood
#    still never fall? Compare with ``covariance_type="diag"``.
# 2. Start with both components at the same place: equal weights, means and covariances. What does EM do, and why can it
#    never leave?
# 3. Make the responsibilities hard: 1 for the largest of a row, 0 for the others. Which algorithm of page 2 does this
#    resemble, and which parameters does that algorithm not have?
#
# Next page: :doc:`starts </generated/learn/04_starts>`.
#
# References
# ----------
# Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", *JRSS B* 39 (1977). Neal,
# Hinton, "A view of the EM algorithm that justifies incremental, sparse, and other variants", in *Learning in Graphical
# Models* (1998): the lower bound.
