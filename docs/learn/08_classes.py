r"""
One mixture for each class
==========================

A mixture for each class makes a classifier: a clip gets the class under which it is most probable. The classifier takes
ten lines. To know how good it is takes more care, and most of this page is about that: why a random split promises too
much, and how scores become probabilities that can be relied on.
"""

# %%
# Clips, artists, classes
# -----------------------
# All data on this page is *synthetic*, so that the right answers are known. A *clip*, a piece of sound, is a table of
# frames as on the :doc:`page before </generated/learn/07_sound>`, here 30 frames of six numbers. What matters is how
# the clips come about:
#
# * each of three genres has two kinds of sound, at fixed places;
# * each **artist** moves them by a personal offset: a voice, an instrument, a studio;
# * each clip moves them a little more.
#
# How far was chosen so that the effects below are large enough to see. In a corpus of your own they may be smaller, or
# larger.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np

from gmmaudio.corpus import random_folds
from gmmaudio.evaluation import bootstrap_intervals, log_loss, reliability_curve
from gmmaudio.mixture import fit_gmm
from gmmaudio.models import fit_calibration

GENRES = np.array(["folk", "metal", "swing"])
N_COLUMNS, N_FRAMES = 6, 30
PLACES = np.random.default_rng(42).normal(size=(3, 2, N_COLUMNS))


def draw_corpus(n_artists, n_clips, seed):
    """Return the frames of clips of ``n_artists`` of each genre, genres as numbers, artists."""
    rng = np.random.default_rng(seed)
    clips, genres, artists = [], [], []
    for genre in range(3):
        for i in range(n_artists):
            of_artist = rng.normal(size=N_COLUMNS)
            for _ in range(n_clips):
                of_clip = of_artist + 0.4 * rng.normal(size=N_COLUMNS)
                kinds = rng.integers(2, size=N_FRAMES)
                noise = rng.normal(size=(N_FRAMES, N_COLUMNS))
                clips.append(PLACES[genre, kinds] + of_clip + noise)
                genres.append(genre)
                artists.append(f"{GENRES[genre]} artist {i}")
    return np.array(clips), np.array(genres), np.array(artists)


clips, genres, artists = draw_corpus(n_artists=10, n_clips=6, seed=0)
print(f"{len(clips)} clips of {len(set(artists))} artists")

figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
middles = clips.mean(axis=1)
for genre, name in enumerate(GENRES):
    for i in range(4):
        own = middles[artists == f"{name} artist {i}"]
        for middle in own:
            star = np.array([own.mean(axis=0), middle])
            axes.plot(star[:, 0], star[:, 1], color=f"C{genre}", linewidth=0.8)
        points = axes.scatter(own[:, 0], own[:, 1], s=16, color=f"C{genre}")
    points.set_label(name)
axes.set(xlabel="column 0", ylabel="column 1")
axes.set_title("a point is a clip, a star is an artist (four of each genre)")
axes.legend()
plt.show()

# %%
# The classifier
# --------------
# Fit one mixture to all frames of each genre. The score of a clip under a genre is the mean log density of its frames,
# and the highest score wins:
#
# .. math:: \hat{c} = \arg\max_c \; \frac{1}{T} \sum_{t=1}^{T} \log p(x_t \mid c)
#
# Here :math:`T` is the number of frames. The hat marks the answer, and :math:`\arg\max_c` is the class for which what
# follows is highest. This is the *maximum likelihood* classification of the clip where frames are independent. (Real
# frames are not. The rule is used all the same, since it works; what suffers are the probabilities, below.) It is also
# Bayes' rule for classes that are equally frequent.


def train(clips, genres):
    """Return a mixture for each genre."""
    return [fit_gmm(np.concatenate(clips[genres == genre]), 4)[0] for genre in range(3)]


def score(mixtures, clips):
    """Return the mean log density of each clip under each mixture, (n_clips, 3)."""
    frames = clips.reshape(-1, N_COLUMNS)
    columns = [m.log_density(frames).reshape(len(clips), -1) for m in mixtures]
    return np.stack([column.mean(axis=1) for column in columns], axis=1)


def accuracy(scores, genres):
    """Return the share of clips whose highest score is that of their genre."""
    return (scores.argmax(axis=1) == genres).mean()


model = train(clips, genres)
on_itself = accuracy(score(model, clips), genres)
print(f"accuracy on the clips that it was trained on: {on_itself:.0%}")

# %%
# That number is worth nothing: the mixtures have seen these clips. So hold some out.
#
# A random split
# --------------
# Five-fold cross-validation divides the clips into five parts at random, and scores each part by mixtures that were
# trained on the other four.


def cross_validate(clips, genres, groups):
    """Return the scores of clips by mixtures trained on none of their group."""
    scores = np.empty((len(clips), 3))
    for fold in random_folds(GENRES[genres], groups, 5, np.random.default_rng(0)):
        one_side, other_side = list(fold.train), list(fold.test)
        trained = train(clips[one_side], genres[one_side])
        scores[other_side] = score(trained, clips[other_side])
    return scores


each_alone = [f"clip {i}" for i in range(len(clips))]
random_scores = cross_validate(clips, genres, each_alone)
print(f"random split: {accuracy(random_scores, genres):.0%}")

# %%
# What does this promise? That a clip of an artist *who is in the training data* is classified so well. Of the five
# other clips of its artist, about four are among the training clips. In the picture above, they are close to it, and
# the centre of the star gives the genre away: the mixtures learn artists, and the split lets them.
#
# Who asks for the genre of a song usually asks about other artists. So whole artists have to be held out:

group_scores = cross_validate(clips, genres, list(artists))
print(f"artists held out: {accuracy(group_scores, genres):.0%}")

# %%
# Which of the two is right? Here it can be checked, as new artists cost nothing. The model that was trained on all
# clips classifies clips of 300 artists it has never met:

new_clips, new_genres, new_artists = draw_corpus(n_artists=100, n_clips=2, seed=1000)
new_scores = score(model, new_clips)
print(f"300 new artists: {accuracy(new_scores, new_genres):.0%}")

# %%
# The random split is far off. Held-out artists are nearer, but too high as well. Is that a fault of the method, or
# luck?
#
# How sure is the estimate?
# -------------------------
# An accuracy without an interval is half an answer. The interval must be made over what was drawn at random: artists,
# not clips. Six clips of one artist tend to be right or wrong together, so they say less than six clips of six
# artists. The *bootstrap* draws as many groups as there are, with replacement, computes the accuracy of the drawn
# groups, and repeats that many times. How much the results vary estimates the standard error (page 5), and from that
# follows the interval. ``bootstrap_intervals`` does this, here with a group for each artist and, for comparison, with
# one for each clip. Six corpora, each of 30 artists:


def interval(scores, genres, groups):
    """Return the 95 % interval of the accuracy, by the bootstrap over groups."""
    true, predicted = GENRES[genres], GENRES[scores.argmax(axis=1)]
    rng = np.random.default_rng(0)
    intervals = bootstrap_intervals(true, predicted, groups, list(GENRES), rng)
    return intervals["accuracy"]


rows = []
for seed in range(6):
    corpus, labels, owners = draw_corpus(n_artists=10, n_clips=6, seed=seed)
    for groups in (each_alone, list(owners)):
        scores = cross_validate(corpus, labels, groups)
        rows.append((accuracy(scores, labels), *interval(scores, labels, groups)))
    of_new_artists = score(train(corpus, labels), new_clips)
    rows.append((accuracy(of_new_artists, new_genres), np.nan, np.nan))
found = np.array(rows).reshape(6, 3, 3)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for j, name in enumerate(("random split", "artists held out")):
    value, low, high = found[:, j].T
    at, look = np.arange(6) + (-0.12, 0.12)[j], {"fmt": "o", "capsize": 4}
    axes.errorbar(at, value, [value - low, high - value], label=name, **look)
axes.scatter(range(6), found[:, 2, 0], marker="D", color="black", label="new artists")
axes.axhline(1 / 3, color="gray", linestyle=":", label="guessing")
axes.set(xlabel="corpus", ylabel="accuracy", ylim=(0.25, 1.0))
figure.legend(loc="outside lower center", ncols=4, frameon=False)
plt.show()

holds = (found[:, :2, 1] <= found[:, 2:, 0]) & (found[:, 2:, 0] <= found[:, :2, 2])
print("intervals that hold the accuracy on new artists:")
print(
    f"random split {holds[:, 0].sum()} of 6, artists held out {holds[:, 1].sum()} of 6"
)
assert holds[:, 0].sum() == 0
assert holds[:, 1].sum() >= 5

# %%
# The black diamonds are the truth: the accuracy on the 300 new artists. The random split is above it every time, and
# its short interval makes that worse: it is sure of a wrong number. Held-out artists are above the truth in some
# corpora and below it in others: that is luck, and their wide interval says how much of it to expect with 30 artists.
# More *clips* of each artist would hardly make it narrower; more artists would.
#
# The same holds for speakers of a language, and for anything else that comes in families: patients, machines, days. In
# ``gmmaudio crossval`` the option ``--group-by`` keeps them together.
#
# Scores are not probabilities
# ----------------------------
# How sure may one be of a *single* answer? If the 30 frames of a clip were independent, their log densities would add
# up, and Bayes' rule would give the probability of each genre from the sum. Frames are far from independent, since all
# of them carry the offset of one artist. So these probabilities are far too extreme.


def softmax(values):
    """Return the exponentials of each row, divided by their sum."""
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


as_if_independent = softmax(N_FRAMES * new_scores)
confident = as_if_independent.max(axis=1) > 0.99
right = new_scores.argmax(axis=1) == new_genres
print(f"{confident.mean():.0%} of the answers come with a probability above 99 %;")
print(f"{right[confident].mean():.0%} of these are right")

# %%
# **Calibration** learns how much a difference between scores is worth. The simplest one has a single number, the scale
# :math:`a` (its inverse is known as the temperature; Guo et al. 2017):
#
# .. math:: P(c \mid x) = \frac{\exp(a \, s_c)}{\sum_j \exp(a \, s_j)}
#
# where :math:`s_c` is the score of the clip under class :math:`c`. With :math:`a = T` this is Bayes' rule for
# independent frames, as above. The scale is fitted so that the *log-loss*, the mean of
# :math:`-\log P(\text{true class})`, is smallest, and on scores of held-out artists: scores of the training clips are
# too good, and would make :math:`a` too large. What is learned from 30 artists is as uncertain as their accuracy, so
# this corpus has 90.

clips, genres, artists = draw_corpus(n_artists=30, n_clips=4, seed=6)
group_scores = cross_validate(clips, genres, list(artists))
new_scores = score(train(clips, genres), new_clips)
as_if_independent = softmax(N_FRAMES * new_scores)

calibration = fit_calibration(group_scores, genres, list(artists), method="temperature")
calibrated = calibration.probability(new_scores)
before, after = (log_loss(p, new_genres) for p in (as_if_independent, calibrated))
print(f"the scale is {calibration.scale:.2f}; the sum over frames has {N_FRAMES}")
print(f"log-loss before {before:.2f}, after {after:.2f}; guessing has {np.log(3):.2f}")
assert after < np.log(3) < before

# %%
# A **reliability diagram** shows it. Answers are sorted into bins by their probability; for each bin the accuracy is
# drawn. Calibrated probabilities lie on the diagonal: of the answers with 70 %, 70 % are right. The *expected
# calibration error* (ECE) is the mean distance from it, over all answers.

curves = {
    "before": reliability_curve(as_if_independent, new_genres),
    "after": reliability_curve(calibrated, new_genres),
}
figure, pair = plt.subplots(1, 2, figsize=(8, 4.2), sharey=True, layout="constrained")
for axes, (name, curve) in zip(pair, curves.items(), strict=True):
    axes.plot([0, 1], [0, 1], color="gray", linestyle=":")
    axes.scatter(curve.confidence, curve.accuracy, s=curve.n, alpha=0.6)
    axes.set(title=f"{name} calibration: ECE {curve.ece:.2f}", aspect="equal")
    axes.set(xlabel="probability of the answer", xlim=(0.3, 1.03), ylim=(0.3, 1.03))
pair[0].set_ylabel("share of right answers")
plt.show()
assert curves["after"].ece < curves["before"].ece / 2

# %%
# The larger a point, the more answers it stands for. Before, most of the answers claim certainty. After, they claim
# about what they keep. The answers themselves are the same, as the order of the scores is: calibration does not make a
# classifier better, it makes it honest. With honest probabilities one can decide, for example, to leave doubtful clips
# to a person.
#
# The whole job
# -------------
# ``gmmaudio`` does all of this page for folders of audio: MFCC, a mixture for each label, folds that keep groups
# whole, intervals over groups, calibration on held-out folds, and one thing more, the answer "unknown" where a clip is
# like none of the classes.
#
# .. code-block:: text
#
#     gmmaudio crossval my_music --group-by parent --report report.html
#     gmmaudio train my_music --group-by parent -o genre.safetensors
#     gmmaudio classify genre.safetensors song.mp3 --top 3
#
# Questions
# ---------
# 1. Set the artists' offset to zero (``0.0 * rng.normal(...)``), and multiply that of the clips by 1.1 instead of 0.4,
#    so that clips are about as hard to classify. What happens to the difference between the two splits, and why?
# 2. Draw corpora of 30 artists with 2, 6 and 20 clips each, and of 99 artists with 2 clips (``n_artists`` is that of
#    each genre), from several seeds. When does the interval of held-out artists become shorter?
# 3. Fit the calibration to scores of a random split of the last corpus, with each of its clips as its own group. Is
#    its scale larger or smaller? What does the diagram of the new artists look like?
#
# This is the last page of the course. Go on with the :doc:`applications </generated/applications/index>`.
#
# References
# ----------
# Reynolds, Rose, "Robust text-independent speaker identification using Gaussian mixture speaker models", *IEEE Trans.
# Speech and Audio Processing* 3 (1995). Flexer, Schnitzer, "Effects of album and artist filters in audio similarity
# computed for very large music databases", *Computer Music Journal* 34 (2010). Guo, Pleiss, Sun, Weinberger, "On
# calibration of modern neural networks", *ICML* (2017).
