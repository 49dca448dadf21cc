"""
Colours of a picture
====================

An old task: paint a picture with few colours. k-means is made for it, and this page measures by how much a mixture is
worse. Then it shows what a mixture of colours does that a palette cannot: a soft palette, the share of each colour in a
pixel, a colour channel that was lost, and the colours that do not belong.

The picture is ``china.jpg``, which is part of scikit-learn: the Summer Palace in Beijing, by danielbuechele, CC BY 2.0.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_image

from gmmaudio.mixture import fit_gmm, select_gmm

# %%
# A palette
# ---------
# The rows are pixels: red, green and blue, 0 to 255. Both methods learn eight colours from 10,000 pixels drawn at
# random, then paint every second pixel of every second line: 68,000. The distortion is the mean square error of a
# value; PSNR is the same in decibels, higher is better.

picture = load_sample_image("china.jpg")[::2, ::2]
pixels = picture.reshape(-1, 3).astype(np.float64)
rng = np.random.default_rng(0)
sample = pixels[rng.choice(len(pixels), 10_000, replace=False)]

mixture, _ = fit_gmm(sample, 8, covariance_type="full")
kmeans = KMeans(8, n_init=3, random_state=0).fit(sample)
memberships = mixture.responsibilities(pixels)

painted = {
    "k-means": kmeans.cluster_centers_[kmeans.predict(pixels)],
    "mixture, most probable colour": mixture.means[memberships.argmax(axis=1)],
    "mixture, soft palette": memberships @ mixture.means,
}
distortion = {
    name: np.mean((colours - pixels) ** 2) for name, colours in painted.items()
}
for name, error in distortion.items():
    print(
        f"{name:30} distortion {error:6.1f}, PSNR {10 * np.log10(255**2 / error):.1f} dB"
    )

# %%
# k-means wins with one colour for each pixel, as it must: the distortion is what it minimises. A mixture gives a
# component to every kind of pixel, narrow ones for the sky and wide ones for the trees, whose pixels then lie far
# from their mean.
#
# The soft palette mixes the eight colours of a pixel by its memberships. It is smooth where the sky changes slowly,
# but it is no longer a picture of eight colours, and no smaller as a file.


def show(ax, colours, title):
    """Draw a picture."""
    ax.imshow(np.clip(colours, 0, 255).reshape(picture.shape).astype(np.uint8))
    ax.set_title(title, fontsize=10)
    ax.axis("off")


fig, axes = plt.subplots(2, 2, figsize=(9, 6.3), layout="constrained")
show(axes[0, 0], pixels, "the picture")
for ax, (name, colours) in zip(axes.flat[1:], painted.items()):
    show(ax, colours, f"{name}, PSNR {10 * np.log10(255**2 / distortion[name]):.1f} dB")

# %%
# How many colours?
# -----------------
# The distortion of k-means falls with every colour, so it does not say when to stop. A density can be judged on
# pixels that it was not fitted to. Neighbouring pixels are alike, so whole blocks of 32 x 32 pixels are held out;
# single pixels would have their neighbours in the training rows.

height, width = picture.shape[:2]
block = (np.arange(height)[:, None] // 32) * 100 + np.arange(width)[None, :] // 32
chosen = rng.choice(len(pixels), 6000, replace=False)
numbers = [2, 4, 8, 16, 32]
selection = select_gmm(
    pixels[chosen],
    numbers,
    ["full"],
    groups=block.ravel()[chosen],
    held_out=0.25,
    tol=1e-3,
)
inertia = [
    KMeans(k, n_init=1, random_state=0).fit(sample).inertia_ / len(sample) / 3
    for k in numbers
]
held_out = [candidate.held_out for candidate in selection.rows]
for k, error, likelihood in zip(numbers, inertia, held_out):
    print(
        f"{k:3d} colours: distortion of k-means {error:6.1f}, held-out likelihood {likelihood:.3f} nats a pixel"
    )

# %%
# A lost channel
# --------------
# The red values of the picture are lost. A mixture predicts them from green and blue: in each component by a linear
# regression, weighted by the memberships that green and blue alone give. The palette of k-means can answer with the
# red of the nearest colour, as seen in green and blue. A single linear regression is what a statistician would try
# first, and comes close. The errors are those of all pixels, one in seven of which was in the sample.

nearest = (
    ((pixels[:, None, 1:] - kmeans.cluster_centers_[None, :, 1:]) ** 2)
    .sum(axis=2)
    .argmin(axis=1)
)
line = np.linalg.lstsq(
    np.c_[np.ones(len(sample)), sample[:, 1:]], sample[:, 0], rcond=None
)[0]
red = {
    "nearest colour of k-means": kmeans.cluster_centers_[nearest, 0],
    "linear regression": np.c_[np.ones(len(pixels)), pixels[:, 1:]] @ line,
    "mixture": mixture.predict(pixels[:, 1:], [1, 2])[:, 0],
}
red_rmse = {
    name: np.sqrt(np.mean((values - pixels[:, 0]) ** 2)) for name, values in red.items()
}
for name, error in red_rmse.items():
    print(f"red from green and blue by {name:26} RMSE {error:5.1f}")

fig, axes = plt.subplots(1, 3, figsize=(10, 2.7), layout="constrained")
for ax, (name, values) in zip(axes, red.items()):
    show(ax, np.c_[values, pixels[:, 1:]], f"red by {name}, RMSE {red_rmse[name]:.1f}")

# %%
# Colours that do not belong
# --------------------------
# A stamp of 12 x 12 pixels is put into the lower right corner: a strong violet. Every palette has a nearest colour
# for it. The density says that it belongs to none; the picture on the right is the log density of each pixel, dark
# for colours that are unlike those of the picture.

stamped = pixels.copy().reshape(picture.shape)
stamped[-40:-28, -40:-28] = (150, 40, 190)
density = mixture.log_density(stamped.reshape(-1, 3)).reshape(height, width)
of_stamp = density[-40:-28, -40:-28].mean()
rarer = np.mean(mixture.log_density(pixels) < of_stamp)
print(
    f"log density of the stamp {of_stamp:.0f} nats; {rarer:.3%} of the pixels of the picture are less likely"
)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
show(axes[0], stamped, "with a stamp")
image = axes[1].imshow(np.maximum(density, -40), cmap="magma")
axes[1].set_title("log density", fontsize=10)
axes[1].axis("off")
fig.colorbar(image, ax=axes[1], label="nats")

# %%
# What a mixture gives here
# -------------------------
# - Shares of colours in a pixel, and from them smooth transitions.
# - A number of colours that was judged on other pixels.
# - Conditional means: a lost channel is predicted much better than by a palette, and a little better than by one
#   regression. None of the three brings the red of the pagoda back: what is not in green and blue is lost.
# - A density, by which what does not belong is found.
#
# It is no better for what the task was: with one of eight colours for each pixel, k-means has less than half of the
# distortion. Use k-means for a palette.
#
# Exercises
# ---------
# 1. Start EM from the k-means palette with spherical covariances that all are equal and very small. What comes out,
#    and why?
# 2. Predict two lost channels from one. Which colours go wrong?
# 3. Weigh the distortion by how the eye sees: convert the pixels to CIELAB first. Does the order of the methods
#    change?

plt.show()
