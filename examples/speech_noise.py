"""
Speech and noise
================

Where in a recording does someone speak? The usual first answer is a threshold on the level. This page describes every
10 ms by four numbers, fits a mixture to them without any labels, and measures the time that it gets wrong against the
truth, against the level, and against k-means; then against mixtures and logistic regression that were trained with
labels.

**The sound is synthetic**: syllables of a source and formants, in coloured noise. So the truth is known to the sample,
and so is what makes a recording hard: the level of the noise, and whether it is steady. Measures,
window and components were chosen on other recordings of the same kind, after other measures had lost to k-means.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter
from scipy.stats import t
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gmmaudio.evaluation import compare_segments
from gmmaudio.mixture import GMMArrayClassifier, fit_gmm
from gmmaudio.timelines import Timeline, TimelineSegment

# %%
# The sound
# ---------
# A syllable is a vowel (a pulse train through three formants), often after a fricative (noise of high frequencies).
# Syllables follow each other in utterances of one to three seconds, with pauses between them. The noise falls with
# frequency, and is steady, or swells and falls as a passing car does. ``snr_db`` is the ratio of the mean powers of
# utterances and noise.

SR, HOP, WINDOW = 8000, 80, 256
VOWELS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
)


def resonate(y, frequency, width):
    """Return samples after a resonance, hertz."""
    radius = np.exp(-np.pi * width / SR)
    return lfilter(
        [1 - radius],
        [1, -2 * radius * np.cos(2 * np.pi * frequency / SR), radius**2],
        y,
    )


def make_syllable(pitch, rng):
    """Return the samples of a syllable."""
    n = int(SR * rng.uniform(0.12, 0.22))
    phase = np.cumsum(pitch * (1 + 0.1 * np.linspace(0.5, -0.5, n)) / SR)
    source = np.diff(np.floor(phase), prepend=0.0) + 0.02 * rng.standard_normal(n)
    formants = VOWELS[rng.integers(len(VOWELS))]
    vowel = (
        sum(resonate(source, f, 90) / (i + 1) for i, f in enumerate(formants))
        * np.hanning(n) ** 0.5
    )
    vowel /= np.sqrt(np.mean(vowel**2))
    if rng.random() > 0.5:
        return vowel
    m = int(SR * rng.uniform(0.05, 0.1))
    return np.r_[0.3 * np.diff(rng.standard_normal(m + 1)) * np.hanning(m), vowel]


def make_recording(seconds, snr_db, swells, rng):
    """Return samples and a truth for every sample."""
    n = int(seconds * SR)
    speech, truth = np.zeros(n), np.zeros(n, dtype=bool)
    at = int(SR * rng.uniform(0.5, 1.5))
    while at < n - 3 * SR:
        start, end, pitch = (
            at,
            at + int(SR * rng.uniform(1.0, 3.0)),
            rng.uniform(100, 220),
        )
        while at < end:
            syllable = make_syllable(pitch * rng.uniform(0.9, 1.1), rng) * rng.uniform(
                0.5, 1.0
            )
            speech[at : at + len(syllable)] += syllable[: n - at]
            at += len(syllable) + int(SR * rng.uniform(0.0, 0.06))
        truth[start:at] = True
        at += int(SR * rng.uniform(0.6, 2.5))
    noise = lfilter([1], [1, -0.8], rng.standard_normal(n))
    if swells:
        centres = rng.uniform(0, seconds, 2)
        swell = np.exp(-0.5 * ((np.arange(n) / SR - centres[:, None]) / 1.8) ** 2).max(
            axis=0
        )
        noise *= 10 ** (15 * swell / 20)
    gain = np.sqrt(
        np.mean(speech[truth] ** 2) / np.mean(noise**2) / 10 ** (snr_db / 10)
    )
    return speech + gain * noise, truth


# %%
# Four numbers for each frame
# ---------------------------
# Over the 0.2 s around every frame: the mean level in decibels; how much it goes up and down, as syllables make it
# do; the mean harmonicity, the greatest correlation of a frame with itself one pitch period later; and the mean
# flatness of the spectrum. No one of them tells speech from noise: fricatives are not harmonic, and a car is loud.

SPAN = 21


def average(values):
    """Return the mean of values over 0.2 s."""
    return np.convolve(
        np.pad(values, SPAN // 2, mode="edge"), np.ones(SPAN) / SPAN, mode="valid"
    )


def frame_rows(y):
    """Return level, modulation, harmonicity and flatness of every frame (n, 4), and the centres of frames, samples."""
    starts = np.arange(0, len(y) - WINDOW, HOP)
    frames = y[starts[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, 2 * WINDOW)) ** 2 + 1e-9
    correlation = np.fft.irfft(power)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(WINDOW), 2 * WINDOW)) ** 2)
    lags = slice(SR // 250, SR // 80)
    harmonicity = (
        correlation[:, lags] / correlation[:, :1] / (window[lags] / window[0])
    ).max(axis=1)
    level = 10 * np.log10(power.mean(axis=1))
    flatness = np.log(power).mean(axis=1) - np.log(power.mean(axis=1))
    modulation = np.sqrt(np.maximum(average(level**2) - average(level) ** 2, 0))
    rows = [
        average(level),
        np.log(modulation + 0.3),
        average(harmonicity),
        average(flatness),
    ]
    return np.stack(rows, axis=1), starts + WINDOW // 2


rng = np.random.default_rng(1)
y, truth = make_recording(20, 5, True, rng)
rows, centres = frame_rows(y)

# %%
# Without labels
# --------------
# A mixture of two components is fitted to the frames of the one recording. Which of them is speech, no mixture can
# know; here it is the one with more harmonicity. k-means gets the same rows, standardised, and the same rule. The
# level gets a threshold half-way between its 10th and 90th percentile, and, as a bound, the threshold that makes the
# fewest errors, chosen with the truth.


def speech_odds(rows):
    """Return the log odds of speech of every frame, nats."""
    mixture, _ = fit_gmm(rows, 2, covariance_type="full", n_init=2)
    speech = mixture.responsibilities(rows)[:, mixture.means[:, 2].argmax()]
    return np.log(np.maximum(speech, 1e-9) / np.maximum(1 - speech, 1e-9))


def find_by_kmeans(rows):
    """Return the decision for every frame by k-means."""
    kmeans = KMeans(2, n_init=2, random_state=0).fit(
        StandardScaler().fit_transform(rows)
    )
    return kmeans.labels_ == kmeans.cluster_centers_[:, 2].argmax()


def best_threshold(level, is_speech):
    """Return the threshold on the level that makes the fewest errors."""
    return min(
        np.quantile(level, np.linspace(0.02, 0.98, 97)),
        key=lambda at: np.mean((level > at) != is_speech),
    )


def decide(rows, is_speech):
    """Return the decision of every method for every frame."""
    level = rows[:, 0]
    return {
        "level": level > np.percentile(level, [10, 90]).mean(),
        "level, best threshold": level > best_threshold(level, is_speech),
        "k-means": find_by_kmeans(rows),
        "mixture": speech_odds(rows) > 0,
    }


decisions = decide(rows, truth[centres])
odds = speech_odds(rows)
wrong, doubtful = decisions["mixture"] != truth[centres], np.abs(odds) < 5
print(
    f"wrong: {wrong[doubtful].mean():.0%} of the {doubtful.mean():.0%} with log odds within 5, "
    f"{wrong[~doubtful].mean():.1%} of the others"
)

fig, axes = plt.subplots(
    4,
    1,
    figsize=(9, 7),
    sharex=True,
    height_ratios=[1, 1, 1, 0.8],
    layout="constrained",
)
time_s = np.arange(len(y)) / SR
axes[0].plot(time_s, y, lw=0.3, color="0.3")
axes[0].set(ylabel="samples", title="A voice and two passing cars, SNR 5 dB")
axes[1].plot(centres / SR, rows[:, 0])
axes[1].set(ylabel="level, dB")
axes[2].plot(centres / SR, np.clip(odds, -10, 10), color="C3")
axes[2].axhline(0, color="0.6", lw=0.8)
axes[2].set(ylabel="log odds\nof speech")
for i, (name, decision) in enumerate({"truth": truth[centres], **decisions}.items()):
    axes[3].fill_between(
        centres / SR,
        -i,
        -i + 0.8 * decision,
        step="mid",
        color="k" if name == "truth" else f"C{i}",
    )
axes[3].set(
    yticks=-np.arange(5) + 0.4,
    yticklabels=["truth", *decisions],
    xlabel="s",
    xlim=(0, 20),
)
for ax in axes[:3]:
    ax.fill_between(
        centres / SR,
        0,
        1,
        where=truth[centres],
        transform=ax.get_xaxis_transform(),
        color="0.9",
        zorder=0,
    )

# %%
# Errors
# ------
# Six recordings of 20 s for each of four conditions; the share of frames with the wrong answer, its mean over
# recordings and a 95 % interval (t).

CONDITIONS = {
    "steady, 15 dB": (15, False),
    "steady, 0 dB": (0, False),
    "cars, 15 dB": (15, True),
    "cars, 5 dB": (5, True),
}
N_RECORDINGS = 6
errors = {name: {method: [] for method in decisions} for name in CONDITIONS}
for name, (snr_db, swells) in CONDITIONS.items():
    for _ in range(N_RECORDINGS):
        samples, is_speech = make_recording(20, snr_db, swells, rng)
        frames, at = frame_rows(samples)
        for method, decision in decide(frames, is_speech[at]).items():
            errors[name][method].append(np.mean(decision != is_speech[at]))


def mean_and_half(values):
    """Return the mean and half of its 95 % interval."""
    return np.mean(values), t.ppf(0.975, len(values) - 1) * np.std(
        values, ddof=1
    ) / np.sqrt(len(values))


print(f"{'':16}" + "".join(f"{method:>24}" for method in decisions))
for name, by_method in errors.items():
    cells = [mean_and_half(values) for values in by_method.values()]
    print(f"{name:16}" + "".join(f"{mean:16.1%} ± {half:5.1%}" for mean, half in cells))

# %%
# With labels
# -----------
# Where labelled recordings exist, one mixture for speech and one for noise give a log likelihood ratio for each
# frame. They are trained on eight recordings of all conditions and scored on twelve others, beside logistic
# regression on the same four numbers.


def labelled(n, rng):
    """Return frames and truth of n recordings of each condition."""
    parts = [
        make_recording(20, *condition, rng)
        for condition in CONDITIONS.values()
        for _ in range(n)
    ]
    frames = [frame_rows(samples) for samples, _ in parts]
    return [(rows, is_speech[at]) for (rows, at), (_, is_speech) in zip(frames, parts)]


training, test = labelled(2, rng), labelled(3, rng)
X, is_speech = (np.concatenate(parts) for parts in zip(*training))
models = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "one mixture for each class": GMMArrayClassifier(
        4, covariance_type="full", random_state=0
    ),
}
supervised = {}
for name, model in models.items():
    model.fit(X, is_speech)
    supervised[name] = [np.mean(model.predict(frames) != at) for frames, at in test]
    mean, half = mean_and_half(supervised[name])
    print(f"{name:28} {mean:6.1%} ± {half:.1%}")

# %%
# Segments
# --------
# Segments are what one wants in the end. The frames of the first recording become a timeline, gaps below 0.3 s joined
# over. It can be written for Audacity, Praat or ELAN, and is compared with the truth in seconds.


def to_timeline(decision):
    """Return the timeline of decisions for frames."""
    edges = np.flatnonzero(np.diff(np.r_[False, decision, False]))
    times = (edges * HOP + (WINDOW - HOP) / 2) / SR
    return Timeline(
        tuple(TimelineSegment(a, b, "speech") for a, b in zip(times[::2], times[1::2])),
        duration_s=20.0,
    )


line = to_timeline(decisions["mixture"]).support(0.3)
counts = compare_segments(to_timeline(truth[centres]), line)
print(line.to_text())
print(
    f"missed {counts.missed_s:.1f} s, false alarms {counts.false_alarm_s:.1f} s, of {counts.sound_s:.1f} s of speech"
)

# %%
# What a mixture gives here
# -------------------------
# - It joins measures of different units, spreads and correlations without a scale for each. k-means takes all as
#   equally important, and looks for two clusters of one size; at low levels of speech the frames are not like that.
# - Log odds: another cost of misses and false alarms is another threshold on the same curve, and frames of doubt are
#   known.
# - It needs no labels, and follows the recording.
#
# It is no better in steady noise: there a good threshold on the level is all one needs, and at 15 dB k-means makes
# fewer errors than the mixture, whose broad component of speech takes the ends of utterances into it. A mixture
# without labels finds the two most frequent kinds of frames, and these are speech and noise only by luck of the
# recording: the rule by harmonicity is ours, and music would fool it. Where labels exist, use them. Real speech is
# harder than this: gmmaudio's gate of speech is a trained detector (``pip install 'gmmaudio[vad]'``).
#
# Exercises
# ---------
# 1. Join the log odds over time by the forward-backward algorithm of a hidden Markov chain with two states.
# 2. Choose the number of components by BIC on the frames of one recording. Is the best mixture the best detector?
# 3. Draw missed time against false alarms for all thresholds on the log odds.

plt.show()
