r"""
From tables to sound
====================

A mixture needs a table, and sound is a long list of numbers. This page makes the table: it cuts a sound into short
frames and describes each frame by 13 numbers. Then it fits a mixture to the frames, looks at the responsibilities over
time, and shows why the rows of such a table must not be treated as independent.

You need no knowledge of sound, but the responsibilities of :doc:`page 2 </generated/learn/02_hard_and_soft>` and the
criteria of :doc:`page 5 </generated/learn/05_how_many>`.
"""

# %%
# Two songs
# ---------
# Sound in a computer is a list of *samples*: the pressure of the air, here 16,000 times a second. Both songs are
# *synthetic*: each is computed below, eight seconds of it. The first has plucked strings and a hi-hat (a small cymbal,
# a short hiss), the second an organ and a drum. A note is a sum of harmonics: sine waves whose frequencies are whole
# multiples of the lowest one. The length of the songs, and of the stretches that are held out below, were chosen so
# that the effects are large.

# sphinx_gallery_thumbnail_number = 3

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from gmmaudio.features import extract, make_features
from gmmaudio.mixture import fit_gmm, select_gmm

RATE = 16_000  # samples a second
SEMITONES = np.array([0, 3, 5, 7, 10, 12])  # a pentatonic scale
SCALE = 220.0 * 2.0 ** (SEMITONES / 12)  # hertz


def note(hertz, seconds, decay, brightness, rng):
    """Return 12 harmonics, each ``brightness`` times as strong as the one below."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    harmonics = np.arange(1, 13)
    phases = rng.uniform(0.0, 2.0 * np.pi, 12)
    waves = np.sin(2.0 * np.pi * hertz * harmonics * time_s[:, None] + phases)
    ends = np.minimum(1.0, np.minimum(time_s / 0.005, (seconds - time_s) / 0.02))
    return waves @ brightness ** (harmonics - 1.0) * np.exp(-decay * time_s) * ends


def hi_hat(rng):
    """Return a hiss that fades within a twentieth of a second."""
    time_s = np.arange(round(0.12 * RATE)) / RATE
    return rng.normal(size=len(time_s)) * np.exp(-60.0 * time_s)


def drum():
    """Return a low tone that falls and fades."""
    time_s = np.arange(round(0.25 * RATE)) / RATE
    tone = np.sin(2.0 * np.pi * 55.0 * time_s + 8.0 * np.exp(-25.0 * time_s))
    return tone * np.exp(-14.0 * time_s)


def add(song, at_s, sound):
    """Add a sound to a song from a time on."""
    start = round(at_s * RATE)
    n = min(len(sound), len(song) - start)
    song[start : start + n] += sound[:n]


def strings(seconds, rng):
    """Return a plucked string every half second, and a hi-hat between them."""
    song = 0.003 * rng.normal(size=round(seconds * RATE))
    for at_s in np.arange(0.0, seconds, 0.5):
        add(song, at_s, 0.2 * note(rng.choice(SCALE), 1.0, 5.0, 0.7, rng))
        add(song, at_s + 0.25, 0.12 * hi_hat(rng))
    return song.astype(np.float32)


def organ(seconds, rng):
    """Return a chord of three notes every two seconds, and a drum every half second."""
    song = 0.003 * rng.normal(size=round(seconds * RATE))
    for at_s in np.arange(0.0, seconds, 2.0):
        for hertz in rng.choice(SCALE / 2, 3, replace=False):
            add(song, at_s, 0.08 * note(hertz, 2.0, 0.0, 0.6, rng))
    for at_s in np.arange(0.0, seconds, 0.5):
        add(song, at_s, 0.4 * drum())
    return song.astype(np.float32)


song_a = strings(8.0, np.random.default_rng(0))
song_b = organ(8.0, np.random.default_rng(1))
print(f"{len(song_a)} samples each, from {song_a.min():.2f} to {song_a.max():.2f}")

# %%


class Player:
    """A sound that a page or a notebook can play."""

    def __init__(self, samples):
        file = io.BytesIO()
        soundfile.write(file, samples, RATE, format="MP3")
        self.encoded = base64.b64encode(file.getvalue()).decode()

    def _repr_html_(self):
        return f'<audio controls src="data:audio/mpeg;base64,{self.encoded}"></audio>'


Player(song_a)

# %%
Player(song_b)

# %%
# A frame
# -------
# A song changes all the time, but over some hundredths of a second it is nearly the same. A **frame** is such a short
# piece. Here a frame has 512 samples, 32 milliseconds, and the next one begins 16 milliseconds later. A *window*, a
# curve that is 1 in the middle and 0 at the ends, is multiplied with it so that its ends fade. The Fourier transform
# then says how strong each frequency is in it: its *spectrum*. Power is given in *decibel*, ten times its decimal
# logarithm.

at = round(0.6 * RATE)
frame = song_a[at : at + 512] * np.hanning(512)
decibel = 10.0 * np.log10(np.abs(np.fft.rfft(frame)) ** 2 + 1e-6)

figure, (first, second, third) = plt.subplots(3, figsize=(8, 7), layout="constrained")
first.plot(np.arange(len(song_a)) / RATE, song_a, linewidth=0.4)
first.axvspan(at / RATE, (at + 512) / RATE, color="tab:orange")
first.set(xlabel="time, s", title="song A; one frame of it in orange", xlim=(0, 8))
second.plot(1000.0 * np.arange(512) / RATE, frame)
second.set(xlabel="time in the frame, ms", title="that frame under its window")
third.plot(np.fft.rfftfreq(512, 1.0 / RATE) / 1000.0, decibel)
third.set(xlabel="frequency, kHz", ylabel="power, dB")
third.set_title("its spectrum: the harmonics of the string")
plt.show()

# %%
# Thirteen numbers for a frame
# ----------------------------
# The 257 numbers of a spectrum are too many, and neighbours are nearly equal. The classic short description is the
# **mel-frequency cepstral coefficients** (MFCC; Davis and Mermelstein 1980):
#
# 1. sum the power in some tens of bands, which are narrow at low frequencies and wide at high ones, as hearing is (the
#    mel scale);
# 2. take the logarithm, since loudness is heard in ratios;
# 3. take the cosine transform, which writes the logarithms of the bands as a sum of cosine waves over the bands, and
#    keep its first numbers. The first, c0, is the overall level; the next say how power is distributed between low and
#    high; later ones say more detail.
#
# ``make_features`` holds the settings. ``extract`` returns the table: ``values`` with a row for each frame, and
# ``time_s``, where the middle of each frame is.

features = make_features(
    sample_rate_hz=RATE,
    window_s=0.032,
    hop_s=0.016,
    n_mels=40,
    fmax_hz=8000.0,
    n_mfcc=13,
)
table_a, table_b = extract(song_a, features), extract(song_b, features)
n_rows, n_columns = table_a.values.shape
print(f"{n_rows} rows, {n_columns} columns; a frame every 16 ms. The first three rows:")
print(table_a.values[:3].round())

look = {"aspect": "auto", "origin": "lower", "vmin": -3, "vmax": 3, "cmap": "RdBu_r"}
figure, pair = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
for axes, table, name in zip(pair, (table_a, table_b), "AB", strict=True):
    standard = (table.values - table.values.mean(axis=0)) / table.values.std(axis=0)
    image = axes.imshow(standard.T, extent=(0, 8, -0.5, 12.5), **look)
    axes.set(ylabel="MFCC", title=f"song {name}", yticks=range(0, 13, 3))
pair[1].set_xlabel("time, s")
figure.colorbar(image, ax=pair, label="standard deviations from the mean of the song")
plt.show()

# %%
# The picture shows the table lying on its side: each of its columns of pixels is a frame. From here on a song is a
# table like any other, and everything on the pages before applies.
#
# What the components are
# -----------------------
# A mixture of six components is fitted to the frames of song A, with the default ``covariance_type="diag"`` as on all
# of this page. Nobody tells EM about strings or hi-hats.

mixture_a, _ = fit_gmm(table_a.values, 6)
responsibilities = mixture_a.responsibilities(table_a.values)

shown = table_a.time_s < 4.0
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
names = [f"component {k}" for k in range(6)]
axes.stackplot(table_a.time_s[shown], responsibilities[shown].T, labels=names)
for at_s in np.arange(0.0, 4.0, 0.5):
    axes.axvline(at_s, color="black", linewidth=0.8)
axes.set(xlabel="time, s; a line where a string is plucked", ylabel="responsibility")
axes.set(xlim=(0, 4), ylim=(0, 1))
axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, frameon=False)
plt.show()

# %%
# The components take turns in the rhythm of the song. To see what each stands for, count in which part of a beat it
# has its frames: a string is plucked at 0 seconds of each beat of half a second, the hi-hat is struck at 0.25.

phase = table_a.time_s % 0.5
print("component   weight   share of its responsibility by time after the pluck, s")
print("                     0.00-0.05  0.05-0.15  0.15-0.25  0.25-0.30  0.30-0.50")
edges = [0.0, 0.05, 0.15, 0.25, 0.3, 0.5]
for k in np.argsort(-mixture_a.weights):
    counts, _ = np.histogram(phase, edges, weights=responsibilities[:, k])
    cells = "".join(f"{share:10.0%} " for share in counts / counts.sum())
    print(f"{k:9d}   {mixture_a.weights[k]:6.2f}   {cells}")

# %%
# One component has the hi-hat and the moments after it, some share the sounding string, and the others have the quiet
# ends of the notes. The mixture found the *sounds* that the song is made of, without knowing what sounds are. It does
# not know their order: if the frames were shuffled, the likelihood of a mixture would be the same. A Gaussian mixture
# of frames describes timbre (the colour of a sound), not melody or rhythm.

peak = responsibilities.argmax(axis=1)
in_hat = (phase > 0.26) & (phase < 0.29)
hat = np.bincount(peak[in_hat], minlength=6).argmax()
assert (peak[in_hat] == hat).mean() > 0.8
assert (peak[phase < 0.15] == hat).mean() < 0.05

# %%
# Which song is it?
# -----------------
# Fit one mixture to the first four seconds of each song, and score the frames of a medley of seconds that neither has
# seen: two of song A, two of song B, and so on. The difference of the two log densities is the **log-likelihood
# ratio**: above zero, song A explains the frame better.

first_half = table_a.time_s < 4.0
model_a, _ = fit_gmm(table_a.values[first_half], 6)
model_b, _ = fit_gmm(table_b.values[first_half], 6)

third, fourth = slice(4 * RATE, 6 * RATE), slice(6 * RATE, 8 * RATE)
parts = [song_a[third], song_b[third], song_a[fourth], song_b[fourth]]
medley = extract(np.concatenate(parts), features)
ratio = model_a.log_density(medley.values) - model_b.log_density(medley.values)
from_a = (medley.time_s < 2.0) | ((medley.time_s >= 4.0) & (medley.time_s < 6.0))

figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
axes.plot(medley.time_s, ratio, linewidth=0.8)
axes.axhline(0.0, color="black", linewidth=0.8)
for start in (0, 4):
    shade = axes.axvspan(start, start + 2, color="tab:orange", alpha=0.15)
axes.set(xlabel="time, s", ylabel="log-likelihood ratio, nats", xlim=(0, 8))
axes.legend([shade], ["song A plays"], loc="upper right")
plt.show()

right = ((ratio > 0) == from_a).mean()
print(f"{right:.1%} of the frames are assigned to the right song")
assert right > 0.95

# %%
# These two songs share no instrument, so nearly every single frame is enough. Real songs of two genres share most of
# their sounds, and only the mean over many frames tells them apart: :doc:`page 8 </generated/learn/08_classes>`.
#
# Frames are not independent
# --------------------------
# A frame overlaps with the next one by half, and a note lasts for many frames. How alike are rows that follow each
# other?

standard = (table_a.values - table_a.values.mean(axis=0)) / table_a.values.std(axis=0)
for lag in (1, 2, 4, 8, 16):
    correlation = (standard[lag:] * standard[:-lag]).mean()
    print(f"{16 * lag:4d} ms apart: mean correlation of the columns {correlation:.2f}")
assert (standard[1:] * standard[:-1]).mean() > 0.7

# %%
# BIC counts 501 rows as 501 independent observations, which they are not. It sees evidence in what is only repetition,
# and asks for too many components. Held-out *frames* do not help when they are drawn at random, because the neighbours
# of each held-out frame are in the fit. Hold out whole beats of the song instead: ``groups`` keeps the rows of a group
# on one side. A quarter is held out, and the result is the mean of five such divisions.

sizes = [1, 2, 4, 8, 16, 32]
beat = (table_a.time_s // 0.5).astype(int)


def held_out_by(groups):
    """Return the log density of held-out frames for each size, over five divisions."""
    scores = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        selection = select_gmm(
            table_a.values, sizes, groups=groups, held_out=0.25, rng=rng
        )
        scores.append([candidate.held_out for candidate in selection.rows])
    return np.mean(scores, axis=0)


whole = select_gmm(table_a.values, sizes, held_out=0)
frames_out, beats_out = held_out_by(None), held_out_by(beat)
by_bic = whole.best("bic").n_components
by_frames, by_beats = sizes[frames_out.argmax()], sizes[beats_out.argmax()]
print(f"best by BIC: {by_bic} components")
print(f"best by held-out frames: {by_frames} components")
print(f"best by held-out beats: {by_beats} components")
assert by_beats < min(by_bic, by_frames)

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
fitted = [candidate.log_likelihood for candidate in whole.rows]
axes.plot(sizes, fitted, marker="o", label="frames of the fit")
axes.plot(sizes, frames_out, marker="o", label="held-out frames, drawn at random")
axes.plot(sizes, beats_out, marker="o", label="held-out beats")
axes.set(xlabel="components", ylabel="log density of a frame, nats", xscale="log")
axes.set_xticks(sizes, [str(k) for k in sizes])
axes.minorticks_off()
axes.legend()
plt.show()

# %%
# BIC and held-out frames ask for many components, and held-out beats for few: most of the components only describe
# these very notes. (32 is the most that was tried.)
#
# The same holds one level up: the seconds of a song are alike, the songs of an album are alike, and the albums of an
# artist are alike. Whoever wants to know how a model does with a *new artist* has to hold out artists. The next page
# is about that.
#
# Questions
# ---------
# 1. Reverse song A in time (``song_a[::-1]``) and make its table. Which of mixture, responsibilities and
#    responsibilities over time stay nearly the same, and why?
# 2. Halve the volume of song A. Which column changes, and does ``model_a`` still recognise it? Try
#    ``make_features(..., normalise="c0")``, which subtracts the mean of c0 over the song.
# 3. Choose 64 components for half a second of sound. How many does ``fit_gmm`` keep, what does ``trace.floored`` say
#    (components whose variances are all at the floor), and what is the likelihood of other frames?
#
# Next page: :doc:`one mixture for each class </generated/learn/08_classes>`.
#
# References
# ----------
# Davis, Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
# spoken sentences", *IEEE Trans. ASSP* 28 (1980).
