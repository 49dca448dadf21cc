"""Acoustic changes: how much better two Gaussians fit the frames before and after a moment than one fits them all."""

from __future__ import annotations

import numpy as np

from gmmaudio.features import Frames
from gmmaudio.models.linear_algebra import Array, Codes

# seconds on each side that are compared, and from one moment to the next
SIDE_S, STEP_S = 3.0, 0.1
# share of the covariance of both sides in that of each: a steady sound has next to none
SHRINKAGE = 0.05
# variance of every column at least, as a share of the mean variance
MIN_VARIANCE = 1e-4
# of a side of full length: what a shorter side, at an end of the recording, must have
SHORTEST_SIDE = 0.5


def change_scores(cepstra: Frames, centres: Codes, side: int) -> Array:
    """Return the generalised likelihood ratio for a change at each moment, nats for a frame, shape (n,), 0 or more.

    Each side is a Gaussian with a full covariance, shrunk a little to that of both. A change of speaker, of song or of
    room has a ratio above that of the changes inside one. Where a side is too short it is 0.

    Parameters
    ----------
    cepstra : ndarray, shape (n_frames, d)
        Frames before normalisation, of one VTLN warp.
    centres : ndarray, shape (n,), int
        Frame before which the change is assumed.
    side : int
        Frames of each side.

    References
    ----------
    Chen, Gopalakrishnan, "Speaker, environment and channel change detection and clustering via the Bayesian
    information criterion", DARPA Broadcast News Workshop (1998).

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(size=(400, 2)) + np.repeat([0.0, 4.0], 200)[:, None]
    >>> scores = change_scores(frames.astype(np.float32), np.array([100, 200, 300]), 100)
    >>> int(scores.argmax()), bool(scores[1] > 10 * scores[0])
    (1, True)
    """
    n, d = cepstra.shape
    low, high = np.maximum(centres - side, 0), np.minimum(centres + side, n)
    n_before, n_after = centres - low, high - centres
    usable = np.minimum(n_before, n_after) >= max(2, SHORTEST_SIDE * side)
    scores = np.zeros(len(centres))
    if not usable.any():
        return scores
    moments = _Moments(cepstra)
    low, centre, high = low[usable], np.asarray(centres)[usable], high[usable]
    both = moments.covariance(low, high)
    # a column that never moves has no variance
    ridge = (1e-12 + MIN_VARIANCE * np.trace(both, axis1=1, axis2=2)[:, None, None] / d) * np.eye(d)
    both += ridge
    whole = _log_determinant(both)
    ratio = np.zeros(len(low))
    for start, end in ((low, centre), (centre, high)):
        shrunk = (1 - SHRINKAGE) * (moments.covariance(start, end) + ridge) + SHRINKAGE * both
        ratio -= 0.5 * (end - start) * (_log_determinant(shrunk) - whole)
    scores[usable] = np.maximum(ratio / (high - low), 0.0)
    return scores


class _Moments:
    """Covariances of any stretch of frames, from running sums."""

    def __init__(self, cepstra: Frames) -> None:
        # without the mean, which would cost digits
        centred = cepstra.astype(np.float64) - cepstra.mean(axis=0, dtype=np.float64)
        d = centred.shape[1]
        self._sum = np.concatenate([np.zeros((1, d)), np.cumsum(centred, axis=0)])
        products = np.cumsum(centred[:, :, None] * centred[:, None, :], axis=0)
        self._products = np.concatenate([np.zeros((1, d, d)), products])

    def covariance(self, first: Codes, last: Codes) -> Array:
        """Return the covariances of stretches, shape (n, d, d)."""
        n = (last - first)[:, None]
        mean = (self._sum[last] - self._sum[first]) / n
        covariance: Array = (self._products[last] - self._products[first]) / n[:, :, None]
        covariance -= mean[:, :, None] * mean[:, None, :]
        return covariance


def _log_determinant(covariances: Array) -> Array:
    """Return the log of the determinants of positive definite matrices."""
    logs: Array = np.linalg.slogdet(covariances)[1]
    return logs
