"""
Background of a frame stream
============================

A fixed camera, or the view of a game from a fixed place: what moves there? The usual answer keeps a running mean of
each pixel and reports what differs from it. That fails where the background itself moves: a flickering lamp, water,
leaves. Stauffer and Grimson (1999) gave each place a mixture, learned on-line; this page does so with sufficient
statistics that forget, and measures precision and recall against the truth.

**The stream is synthetic**: a lamp that flickers, water with waves, light that fades slowly, and five objects that
cross. Stream and settings were chosen with the results in view: the numbers show the effect, and are no benchmark.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from gmmaudio.mixture import GaussianMixture, SufficientStats, accumulate, maximise

# %%
# The stream
# ----------
# 200 frames of 32 x 48 pixels, grey values 0 to 255. The upper third is sky and slowly darkens; in the middle is a
# sign whose lamp is on or off; the lower third is water, on which bright and dark stripes drift. Objects appear after
# frame 60, and are grey, white or dark: not unlike parts of the background.

HEIGHT, WIDTH, N_FRAMES, FIRST = 32, 48, 200, 60
OBJECTS = (
    (-10.0, 4, 0.9, 140.0),
    (60.0, 13, -1.0, 60.0),
    (-30.0, 22, 1.1, 225.0),
    (110.0, 23, -1.0, 118.0),
    (-75.0, 3, 1.2, 225.0),
)


def make_stream(rng):
    """Return frames (n, height, width) and a truth of the same shape."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    frames, truth = (
        np.empty((N_FRAMES, HEIGHT, WIDTH)),
        np.zeros((N_FRAMES, HEIGHT, WIDTH), dtype=bool),
    )
    is_on = True
    for i in range(N_FRAMES):
        frame = np.where(row < 12, 200 - 0.15 * i, 150.0) - 0.8 * row
        is_on = is_on if rng.random() > 0.2 else not is_on
        frame[13:19, 16:32] = 210.0 if is_on else 90.0
        waves = np.sin(0.9 * row + 0.35 * column - 0.9 * i) > 0.3
        frame[20:] = np.where(waves, 170.0, 70.0)[20:]
        for start, top, speed, grey in OBJECTS:
            left = start + speed * (i - FIRST)
            inside = (
                (row >= top)
                & (row < top + 6)
                & (column >= left)
                & (column < left + 7)
                & (i >= FIRST)
            )
            frame[inside], truth[i] = grey, truth[i] | inside
        frames[i] = frame + rng.normal(0, 5.0, frame.shape)
    return frames, truth


rng = np.random.default_rng(0)
frames, truth = make_stream(rng)

# %%
# A running mean, and a running Gaussian
# --------------------------------------
# Both look at each pixel alone and forget with the same rate, a fiftieth a frame. The mean reports a difference in
# grey values; the Gaussian (Wren et al. 1997) divides it by the running standard deviation of the pixel. Frames are
# scored before they are learned.

RATE = 0.02


def running_scores(frames):
    """Return the difference to the running mean, and the same in running standard deviations."""
    mean, variance = frames[0].copy(), np.full(frames[0].shape, 100.0)
    difference, standardised = np.empty(frames.shape), np.empty(frames.shape)
    for i, frame in enumerate(frames):
        difference[i] = np.abs(frame - mean)
        standardised[i] = difference[i] / np.sqrt(variance)
        rate = max(RATE, 1 / (i + 1))
        variance += rate * ((frame - mean) ** 2 - variance)
        mean += rate * (frame - mean)
        variance = np.maximum(variance, 9.0)
    return difference, standardised


# %%
# A mixture for each block
# ------------------------
# Each block of 4 x 4 pixels has a mixture of three components, started from its first 20 frames. Every fifth frame is
# an E-step on the 80 grey values of the last five: their sufficient statistics are added to the old ones, which are
# multiplied by 0.9 first, so that they forget at the same rate; the M-step makes the new mixture. No frame is kept.
#
# .. math:: n_k \leftarrow 0.9\, n_k + \sum_i r_{ik}, \qquad f_k \leftarrow 0.9\, f_k + \sum_i r_{ik} x_i, \qquad
#           s_k \leftarrow 0.9\, s_k + \sum_i r_{ik} x_i^2
#
# What is seen often is background: components are ordered by weight over standard deviation, and the first that have
# 80 % of the weight together are the background (Stauffer and Grimson 1999). The score of a pixel is minus its log
# density under these.

BLOCK, BATCH = 4, 5
DECAY = (1 - RATE) ** BATCH


def in_blocks(frames):
    """Return the grey values of frames as (n_blocks, n_frames, 16)."""
    n = len(frames)
    parts = frames.reshape(n, HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK).transpose(
        1, 3, 0, 2, 4
    )
    return parts.reshape(-1, n, BLOCK * BLOCK)


def from_blocks(values):
    """Return values (n_blocks, n_frames, 16) as frames."""
    n = values.shape[1]
    parts = values.reshape(HEIGHT // BLOCK, WIDTH // BLOCK, n, BLOCK, BLOCK).transpose(
        2, 0, 3, 1, 4
    )
    return parts.reshape(n, HEIGHT, WIDTH)


def forget(stats, share):
    """Return statistics of which a share is kept."""
    return SufficientStats(
        share * stats.n,
        share * stats.f,
        share * stats.s,
        share * stats.log_likelihood,
        share * stats.n_rows,
    )


def background_of(mixture):
    """Return the components that are the background, as a mixture of their own."""
    order = np.argsort(-mixture.weights / np.sqrt(mixture.covariances[:, 0]))
    n = 1 + np.searchsorted(np.cumsum(mixture.weights[order]), 0.8)
    kept = order[:n]
    weights = mixture.weights[kept] / mixture.weights[kept].sum()
    return GaussianMixture(weights, mixture.means[kept], mixture.covariances[kept])


def start(rows):
    """Return a mixture and its statistics after some iterations on the first rows."""
    middles = np.quantile(rows, [0.1, 0.5, 0.9])
    mixture = GaussianMixture(
        np.full(3, 1 / 3),
        middles[:, None] + [[-1.0], [0.0], [1.0]],
        np.full((3, 1), 200.0),
    )
    for _ in range(10):
        stats = accumulate(mixture, rows)
        mixture = maximise(stats, mixture, floor=16.0)
    return mixture, stats


def mixture_scores(blocks):
    """Return minus the log density of every grey value under the background of its block, nats."""
    scores = np.zeros(blocks.shape)
    for block, score in zip(blocks, scores):
        mixture, stats = start(block[:20].reshape(-1, 1))
        for at in range(20, blocks.shape[1], BATCH):
            new = block[at : at + BATCH]
            score[at : at + BATCH] = (
                -background_of(mixture)
                .log_density(new.reshape(-1, 1))
                .reshape(new.shape)
            )
            stats = forget(stats, DECAY) + accumulate(mixture, new.reshape(-1, 1))
            mixture = maximise(stats, mixture, floor=16.0)
    return scores


began = time.process_time()
difference, standardised = running_scores(frames)
running_s, began = time.process_time() - began, time.process_time()
density = from_blocks(mixture_scores(in_blocks(frames)))
mixture_s = time.process_time() - began
print(
    f"processor time: running mean and Gaussian {running_s:.2f} s, mixtures of {HEIGHT * WIDTH // BLOCK**2} blocks "
    f"{mixture_s:.1f} s"
)

# %%
# Precision and recall
# --------------------
# Nothing moves before frame 60, so each method gets the threshold that 0.5 % of the pixels of the frames 30 to 59
# pass, in the whole picture alike. The curves and the areas under them do not depend on a threshold.

scores = {
    "running mean": difference,
    "running Gaussian": standardised,
    "mixture": density,
}
regions = {
    "whole picture": slice(0, 32),
    "sky": slice(0, 12),
    "sign and wall": slice(12, 20),
    "water": slice(20, 32),
}
found = {
    name: score > np.quantile(score[30:FIRST], 0.995) for name, score in scores.items()
}


def precision_recall(detected, true):
    """Return precision, recall and F1 of detected pixels."""
    hits = (detected & true).sum()
    precision, recall = hits / max(detected.sum(), 1), hits / true.sum()
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


table = {
    name: {
        part: precision_recall(mask[FIRST:, rows], truth[FIRST:, rows])
        for part, rows in regions.items()
    }
    for name, mask in found.items()
}
print(f"{'precision, recall, F1':22}" + "".join(f"{part:^24}" for part in regions))
for name, by_part in table.items():
    print(
        f"{name:22}"
        + "".join(f"{p:8.2f}{r:6.2f}{f:6.2f}    " for p, r, f in by_part.values())
    )


def curve(score, rows=slice(None)):
    """Return recall, precision, and the mean precision at the pixels to be found (the area under the curve)."""
    values, true = score[FIRST:, rows].ravel(), truth[FIRST:, rows].ravel()
    is_hit = true[np.argsort(-values)]
    recall, precision = (
        np.cumsum(is_hit) / is_hit.sum(),
        np.cumsum(is_hit) / np.arange(1, len(is_hit) + 1),
    )
    return recall, precision, precision[is_hit].mean()


area = {
    name: {part: curve(score, rows)[2] for part, rows in regions.items()}
    for name, score in scores.items()
}
print(f"\n{'area under the curve':22}" + "".join(f"{part:^24}" for part in regions))
for name, by_part in area.items():
    print(
        f"{name:22}" + "".join(f"{value:14.2f}          " for value in by_part.values())
    )

fig, axes = plt.subplots(2, 3, figsize=(10, 5), layout="constrained")
shown = 115
for ax, (name, image) in zip(
    axes.flat, {"frame 115": frames[shown], "truth": truth[shown]}.items()
):
    ax.imshow(image, cmap="gray")
    ax.set_title(name, fontsize=10)
for ax, (name, mask) in zip((axes[0, 2], axes[1, 0], axes[1, 1]), found.items()):
    ax.imshow(mask[shown], cmap="gray")
    ax.set_title(name, fontsize=10)
for ax in axes.flat[:5]:
    ax.axis("off")
for name, score in scores.items():
    recall, precision, _ = curve(score)
    axes[1, 2].plot(recall[50::50], precision[50::50], label=name)
axes[1, 2].set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
axes[1, 2].legend(loc="lower left", fontsize=8)

# %%
# What the mixtures learned
# -------------------------
# In a block of the sky the three components nearly coincide, and follow the light. In a block of the water they are
# the bright and the dark stripes; a running mean sees the middle of these, a grey that hardly occurs.

for name, block in {"sky": 2 * 12 + 1, "water": 6 * 12 + 3}.items():
    rows = in_blocks(frames)[block][40:60].reshape(-1, 1)
    mixture, _ = start(rows)
    seen = [
        (float(w), float(m), float(np.sqrt(v)))
        for w, m, v in zip(
            mixture.weights, *np.c_[mixture.means, mixture.covariances].T
        )
    ]
    print(f"{name:6}" + ", ".join(f"{w:.0%} at {m:.0f} ± {s:.0f}" for w, m, s in seen))

# %%
# What a mixture gives here
# -------------------------
# - Backgrounds with several states: both faces of the lamp and both colours of the water are background, and the grey
#   between them is not. One Gaussian has to be wide enough for both, and then misses what lies in between.
# - On-line learning with a few numbers for each block. Sufficient statistics add, so that forgetting is a factor and
#   an update is an addition; k-means on-line has a mean only, and no width by which to say that a value is unusual.
#
# It is no better where the background stands still: in the sky the running mean, with a threshold of its own, is even
# a little better, and takes a small part of the time. What stops for long becomes background here as in all three.
# And a mixture for each block knows nothing of the next block, nor of waves; single pixels that are wrong are left
# for a median filter, and a neural network that has seen many scenes will segment objects far better than any model
# of single pixels.
#
# References
# ----------
# - Stauffer, Grimson, "Adaptive background mixture models for real-time tracking", CVPR (1999).
# - Wren, Azarbayejani, Darrell, Pentland, "Pfinder: real-time tracking of the human body", IEEE Trans. PAMI 19
#   (1997).
#
# Exercises
# ---------
# 1. Let an object stop for 60 frames. When does each method forget it, and how does that depend on the rate?
# 2. Remove false single pixels with a 3 x 3 median filter, for all methods. Who gains most?
# 3. Give each row the mean of its neighbours as a second column, with full covariances. Does it help in the water?

plt.show()
