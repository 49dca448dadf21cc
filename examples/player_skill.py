"""
Styles of players
=================

A game wants to know how its members play: to match teams, to welcome the new, to notice who changes and who cheats.
This page learns styles of play from established players without labels, and then meets what such clusters meet in
practice: players with few games, players who have not played every mode, players on their way from one style to
another, and players who are like nobody.

**The players are synthetic**: four styles of play, five measures of each player. So the true style is known, and every
membership can be checked.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from gmmaudio.mixture import GaussianMixture, select_gmm
from gmmaudio.mixture.plot import plot_mixture

# %%
# The players
# -----------
# A style is a Gaussian over the true abilities of its players, with its own spread and correlation. What is measured
# is a mean over games. It differs from the ability by the luck of single games, whose variance falls with the number
# of games.

MEASURES = ("hits, %", "pace, km", "kills", "assists", "objective, s")
STYLES = ("rusher", "sniper", "supporter", "captain")
SHARES = np.array([0.40, 0.20, 0.25, 0.15])
MEANS = np.array(
    [
        [24.0, 3.0, 11.0, 3.0, 60.0],
        [40.0, 1.4, 9.0, 2.5, 30.0],
        [22.0, 2.2, 5.0, 8.0, 75.0],
        [28.0, 2.4, 7.5, 5.5, 120.0],
    ]
)
SPREADS = np.array(
    [
        [4.0, 0.45, 2.4, 0.9, 18.0],
        [5.0, 0.25, 1.8, 0.9, 10.0],
        [3.5, 0.30, 1.2, 1.8, 18.0],
        [3.0, 0.25, 1.2, 1.1, 16.0],
    ]
)
# for each style, the correlation of hits with kills, hits with pace, kills with assists
LINKS = np.array(
    [[0.7, -0.3, -0.2], [0.6, -0.2, 0.0], [0.3, 0.0, -0.4], [0.5, 0.0, 0.3]]
)
PER_GAME = np.array([12.0, 0.9, 4.0, 3.0, 45.0])


def make_abilities(n, rng):
    """Return the abilities of players (n, 5), and the style of each (n,)."""
    styles = rng.choice(len(STYLES), size=n, p=SHARES)
    abilities = np.empty((n, len(MEASURES)))
    for k, (kills, pace, assists) in enumerate(LINKS):
        correlation = np.eye(5)
        for i, j, value in ((0, 2, kills), (0, 1, pace), (2, 3, assists)):
            correlation[i, j] = correlation[j, i] = value
        of_style = styles == k
        noise = (
            rng.standard_normal((of_style.sum(), 5)) @ np.linalg.cholesky(correlation).T
        )
        abilities[of_style] = MEANS[k] + SPREADS[k] * noise
    return abilities, styles


def measure(abilities, n_games, rng):
    """Return the means over games of players."""
    return abilities + rng.standard_normal(abilities.shape) * PER_GAME / np.sqrt(
        n_games
    )


rng = np.random.default_rng(0)
abilities, styles = make_abilities(2000, rng)
rows = measure(abilities, 300, rng)

# %%
# Styles without labels
# ---------------------
# The number of styles and the shape of the components are chosen by BIC. k-means gets the same number, on
# standardised measures.

selection = select_gmm(
    rows, [2, 3, 4, 5, 6], ["diag", "full"], init="hierarchical", held_out=0.25
)
print(selection)
mixture = selection.best().mixture
scaler = StandardScaler().fit(rows)
kmeans = KMeans(mixture.n_components, n_init=10, random_state=0).fit(
    scaler.transform(rows)
)

component = mixture.responsibilities(rows).argmax(axis=1)
style_of = [np.bincount(styles[component == k], minlength=4).argmax() for k in range(4)]
style_of_mean = np.array(
    [np.bincount(styles[kmeans.labels_ == k], minlength=4).argmax() for k in range(4)]
)
order = np.argsort(style_of)  # components in the order of the styles
mixture = GaussianMixture(
    mixture.weights[order],
    mixture.means[order],
    mixture.covariances[order],
    mixture.covariance_type,
)
rand_mixture = adjusted_rand_score(
    styles, mixture.responsibilities(rows).argmax(axis=1)
)
rand_kmeans = adjusted_rand_score(styles, kmeans.labels_)
print("\nadjusted Rand index with the true styles:")
print(f"mixture {rand_mixture:.3f}, k-means {rand_kmeans:.3f}")
print(f"{'':10} " + " ".join(f"{name:>12}" for name in MEASURES))
for name, mean in zip(STYLES, mixture.means):
    print(f"{name:10} " + " ".join(f"{value:12.1f}" for value in mean))

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
for ax, pair in zip(axes, ((0, 1), (3, 4))):
    plot_mixture(mixture, rows, pair, names=MEASURES, axes=ax)
    for name, mean in zip(STYLES, mixture.means[:, pair]):
        box = {"color": "w", "alpha": 0.6, "pad": 1}
        ax.annotate(name, mean, ha="center", size=8, weight="bold", bbox=box)

# %%
# Players with few games
# ----------------------
# After three games the measures of a player are mostly luck. A Gaussian plus independent Gaussian noise is a
# Gaussian, so the mixture of *noisy* rows is known as soon as the noise is: its covariances are those of the
# abilities plus that of a single game, divided by the number of games,
#
# .. math:: p(x \mid n) = \sum_k w_k \, \mathcal N(x;\ m_k,\ C_k + S / n).
#
# Without that term the mixture takes luck for style and is much too sure. The table has the share of new players
# whose style is found, and the log-loss of the memberships: the mean of minus the log of the membership in the true
# style, nats.

# in practice: the covariance of single games about the mean of their player
game_covariance = np.diag(PER_GAME**2)


def for_games(mixture, n_games):
    """Return the mixture of measures over some games."""
    noise = game_covariance * (1 / n_games - 1 / 300)
    return GaussianMixture(
        mixture.weights, mixture.means, mixture.covariances + noise, "full"
    )


def log_loss(memberships, styles):
    """Return the mean log-loss of memberships, nats."""
    return float(-np.log(memberships[np.arange(len(styles)), styles]).mean())


new_abilities, new_styles = make_abilities(4000, rng)
few_games = {}
print(
    f"{'games':>5} {'with noise term':>18} {'without':>16} {'k-means':>8}   (found, log-loss)"
)
for n_games in (1, 3, 10, 30, 100):
    new = measure(new_abilities, n_games, rng)
    aware, unaware = (
        for_games(mixture, n_games).responsibilities(new),
        mixture.responsibilities(new),
    )
    by_kmeans = style_of_mean[kmeans.predict(scaler.transform(new))]
    few_games[n_games] = {
        "found": [(m.argmax(axis=1) == new_styles).mean() for m in (aware, unaware)]
        + [(by_kmeans == new_styles).mean()],
        "log_loss": [log_loss(aware, new_styles), log_loss(unaware, new_styles)],
        "largest": [aware.max(axis=1).mean(), unaware.max(axis=1).mean()],
    }
    found, losses = few_games[n_games]["found"], few_games[n_games]["log_loss"]
    print(
        f"{n_games:5d} {found[0]:10.1%} {losses[0]:7.3f} {found[1]:8.1%} {losses[1]:7.3f} {found[2]:8.1%}"
    )

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
games = list(few_games)
for i, (name, look) in enumerate(
    (("noise added to the covariances", "o-"), ("noise ignored", "s--"))
):
    axes[0].plot(
        games,
        [few_games[n]["largest"][i] for n in games],
        look,
        color=f"C{i}",
        label=f"mean largest membership, {name}",
    )
    axes[0].plot(
        games,
        [few_games[n]["found"][i] for n in games],
        ":",
        color=f"C{i}",
        label=f"share found, {name}",
    )
axes[0].set(
    xscale="log",
    xlabel="games",
    ylabel="share",
    ylim=(0.4, 1.02),
    title="How sure, and how often right",
)
axes[0].legend(fontsize=8)
axes[1].plot(
    games,
    [few_games[n]["log_loss"][0] for n in games],
    "o-",
    label="noise added to the covariances",
)
axes[1].plot(
    games, [few_games[n]["log_loss"][1] for n in games], "s--", label="noise ignored"
)
axes[1].axhline(
    -(SHARES * np.log(SHARES)).sum(), color="0.7", label="shares of the styles alone"
)
axes[1].set(
    xscale="log",
    yscale="log",
    xlabel="games",
    ylabel="log-loss, nats",
    title="New players",
)
axes[1].legend(fontsize=8)

# %%
# Modes not played
# ----------------
# Assists and time at the objective exist only in team modes. For who has played alone so far they are missing, and
# the mixture uses its marginal of the other three columns. The missing values can be predicted too (Gaussian mixture
# regression): each component predicts them by a linear regression, and the memberships weight the predictions. The
# covariances of the predictions come with them.

new = measure(new_abilities, 30, rng)
solo, with_thirty = new[:, :3], for_games(mixture, 30)
members_solo = with_thirty.marginal([0, 1, 2]).responsibilities(solo)
members_all = with_thirty.responsibilities(new)
predicted, covariances = with_thirty.predict(solo, [0, 1, 2], return_covariances=True)
filled = np.c_[solo, np.tile(rows[:, 3:].mean(axis=0), (4000, 1))]
centres = scaler.inverse_transform(kmeans.cluster_centers_)[
    kmeans.predict(scaler.transform(filled))
][:, 3:]
line = np.linalg.lstsq(np.c_[np.ones(2000), rows[:, :3]], rows[:, 3:], rcond=None)[0]
errors = {
    "column means": rows[:, 3:].mean(axis=0) - new[:, 3:],
    "k-means, gaps filled by means": centres - new[:, 3:],
    "one linear regression": np.c_[np.ones(4000), solo] @ line - new[:, 3:],
    "mixture": predicted - new[:, 3:],
}
rmse = {name: np.sqrt((error**2).mean(axis=0)) for name, error in errors.items()}
for name, (assists, objective) in rmse.items():
    print(f"{name:30} RMSE: assists {assists:5.2f}, objective {objective:5.1f} s")
solo_found = (members_solo.argmax(axis=1) == new_styles).mean()
all_found = (members_all.argmax(axis=1) == new_styles).mean()
deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
coverage = (np.abs(errors["mixture"]) < 1.645 * deviations).mean(axis=0)
print(
    f"within 1.645 standard deviations: assists {coverage[0]:.1%}, objective {coverage[1]:.1%} (a normal error: 90 %)"
)
print(f"style found: {solo_found:.1%} from three measures, {all_found:.1%} from five")
print(
    f"mean largest membership: {members_solo.max(axis=1).mean():.1%} and {members_all.max(axis=1).mean():.1%}"
)

# %%
# A mean and a deviation are not all: for a player who may be of two styles, the time at the objective has two likely
# values. ``condition`` gives the whole distribution, a mixture again.

doubtful = np.argmin(
    np.abs(members_solo[:, 3] - 0.5) + np.abs(members_solo[:, 2] - 0.5)
)
given = with_thirty.condition([0, 1, 2], solo[doubtful])
shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(STYLES, given.weights))
print(f"player {doubtful}: {shares}")
fig, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
plot_mixture(given, features=1, names=MEASURES[3:], axes=ax)
ax.axvline(predicted[doubtful, 1], color="k", ls="--", lw=1)
ax.set_title("What three measures say of a fourth; dashed: the mean")

# %%
# From one style to another
# -------------------------
# A rusher becomes a captain in forty weeks, with forty games a week. k-means gives one of the two names in each week.
# The memberships say when the name is in doubt, but they do not follow the way step by step: **a membership is not a
# share of a style**. It is the probability that the player belongs to a style as it is, and for most of the way one
# of the two is far more likely. That the player is between styles shows in the density, here as the share of
# established players that are less usual.

weeks = np.arange(41)
way = MEANS[0] + (weeks / 40)[:, None] * (MEANS[3] - MEANS[0])
seen = measure(way, 40, rng)
with_forty = for_games(mixture, 40)
members = with_forty.responsibilities(seen)
usual = np.sort(with_forty.log_density(measure(abilities, 40, rng)))
percentile = np.searchsorted(usual, with_forty.log_density(seen)) / len(usual)
hard = style_of_mean[kmeans.predict(scaler.transform(seen))]

fig, axes = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
for k, name in enumerate(STYLES):
    axes[0].plot(weeks, members[:, k], label=name)
axes[0].scatter(weeks, np.full(41, 1.06), c=[f"C{k}" for k in hard], s=14, marker="s")
axes[0].text(41, 1.06, "k-means", va="center", fontsize=8)
axes[0].set(ylabel="membership", title="A rusher becomes a captain")
axes[0].legend(loc="center left", fontsize=8)
axes[1].plot(weeks, percentile, "k.-")
axes[1].set(xlabel="week", ylabel="share of players\nwho are less usual", ylim=(0, 1))
middle, ends = percentile[14:27].mean(), np.r_[percentile[:7], percentile[-7:]].mean()
print(
    f"share of established players that are less usual: {middle:.1%} half-way, {ends:.1%} at the ends"
)

# %%
# Like nobody
# -----------
# A program that aims for its player hits as a sniper does and runs as a rusher does. Each measure by itself is usual.
# The density sees the combination; the distance to the nearest centre of k-means sees less of it. Both are set to
# suspect 1 % of honest players with 100 games.

cheaters = MEANS[0] + SPREADS[0] * rng.standard_normal((300, 5))
cheaters[:, 0] = rng.normal(38.0, 3.0, 300)
with_hundred = for_games(mixture, 100)
honest, suspects = measure(new_abilities, 100, rng), measure(cheaters, 100, rng)


def distance(rows):
    """Return the distance to the nearest centre of k-means, standard deviations."""
    return kmeans.transform(scaler.transform(rows)).min(axis=1)


caught = {
    "density": (
        with_hundred.log_density(suspects)
        < np.quantile(with_hundred.log_density(honest), 0.01)
    ).mean(),
    "distance to a centre": (
        distance(suspects) > np.quantile(distance(honest), 0.99)
    ).mean(),
}
print(
    "cheaters suspected: "
    + ", ".join(f"{name} {share:.0%}" for name, share in caught.items())
)

# %%
# What a mixture gives here
# -------------------------
# - The number of games enters the covariance, so that one mixture serves the new and the established, and its
#   memberships stay probabilities.
# - Missing modes need no second model: a marginal is the same mixture, and predictions of the missing measures come
#   with it.
# - A density: who is like nobody, or between two styles, is noticed. k-means always has an answer.
#
# It is no better where clusters are round, equal and well apart, and every player has hundreds of games: then k-means
# finds the same styles. With three games neither knows the style. And no clustering says that styles exist at all; a
# mixture fits any smooth crowd with as many components as BIC allows.
#
# Exercises
# ---------
# 1. Estimate ``game_covariance`` from single games of 50 players instead of taking the true one.
# 2. Give the sniper the spread of the rusher. What do BIC and k-means say now?
# 3. A player has 5 games in a team mode and 40 alone. How should the noise term look?

plt.show()
