"""Clips as vectors: a UBM adapted to each clip, token bigrams, and nuisance directions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from gmmaudio.mixture import GaussianMixture
from gmmaudio.models.chunked_rows import ChunkedRows, in_chunks
from gmmaudio.models.linear_algebra import Array, Codes, Matrix, signed_axes
from gmmaudio.models.running_moments import label_means

# expected counts below this are none
MIN_COUNT = 1e-9
# share of the greatest variance below which a direction is rounding error of single precision
MIN_VARIANCE = 1e-6
# length of a vector below which it is rounding error of single precision
MIN_LENGTH = 1e-6
# nuisance directions are estimated from this many clips at most: the work grows with their cube
MAX_NUISANCE_CLIPS = 1500
# columns of vectors that are in double precision at a time
COLUMNS_AT_ONCE = 1024
# rows of a clip whose responsibilities are in memory at a time
CLIP_ROWS = 8192


def split_warps(values: Matrix, n_warps: int) -> list[Matrix]:
    """Return the VTLN warps that rows hold side by side, shape (n, d) each.

    Parameters
    ----------
    values : ndarray, shape (n, n_warps * d)
        Rows.
    n_warps : int
        Warps that a row holds.

    Examples
    --------
    >>> [warp.tolist() for warp in split_warps(np.array([[1.0, 2.0, 3.0, 4.0]]), 2)]
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    return np.split(values, n_warps, axis=1)


def select_warp(ubm: GaussianMixture, values: Matrix, n_warps: int) -> Matrix:
    """Return the VTLN warp of a clip that is most likely under a UBM, shape (n, d).

    Warps assume vocal tracts of different lengths; selecting one for each clip makes speakers more alike.

    Parameters
    ----------
    ubm : GaussianMixture
        UBM over one warp.
    values : ndarray, shape (n, n_warps * d)
        Rows of one clip, at least one.
    n_warps : int
        Warps that a row holds; of equally likely ones the first is taken.

    References
    ----------
    Lee, Rose, "A frequency warping approach to speaker normalization", IEEE Transactions on Speech and Audio
    Processing 6 (1998).

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> select_warp(ubm, np.array([[2.0, 0.5], [2.0, -0.5]]), 2).ravel()
    array([ 0.5, -0.5])
    """
    if n_warps == 1:
        return values
    return split_warps(values, n_warps)[selected_warp(ubm, values, n_warps)]


def selected_warp(ubm: GaussianMixture, values: Matrix, n_warps: int) -> int:
    """Return the index of the VTLN warp that :func:`select_warp` selects.

    Parameters
    ----------
    ubm, values, n_warps
        As for :func:`select_warp`.

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> selected_warp(ubm, np.array([[2.0, 0.5], [2.0, -0.5]]), 2)
    1
    """
    if n_warps == 1:
        return 0
    likelihoods = [float(ubm.log_density(warp).mean()) for warp in split_warps(values, n_warps)]
    return likelihoods.index(max(likelihoods))


@dataclass(frozen=True, eq=False)
class SelectedWarps(Sequence[Matrix]):
    """One VTLN warp of each clip, a view of its rows that is made when it is asked for.

    Parameters
    ----------
    rows : sequence of ndarray, shape (n_i, n_warps * d)
        Rows of every clip.
    n_warps : int
        Warps that a row holds.
    selected : tuple of int
        Index of the warp of every clip.

    Examples
    --------
    >>> SelectedWarps([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])], 2, (0, 1))[1]
    array([[4.]])
    """

    rows: Sequence[Matrix]
    n_warps: int
    selected: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.selected)

    @overload
    def __getitem__(self, i: int) -> Matrix: ...

    @overload
    def __getitem__(self, i: slice) -> SelectedWarps: ...

    def __getitem__(self, i: int | slice) -> Matrix | SelectedWarps:
        if isinstance(i, slice):
            return SelectedWarps(self.rows[i], self.n_warps, self.selected[i])
        return split_warps(self.rows[i], self.n_warps)[self.selected[i]]


def vector_size(ubm: GaussianMixture, bigram_lag: int) -> int:
    """Return the length of a clip's :func:`supervector`.

    Parameters
    ----------
    ubm : GaussianMixture
        UBM.
    bigram_lag : int
        As for :func:`supervector`.

    Examples
    --------
    >>> vector_size(GaussianMixture(np.full(3, 1 / 3), np.zeros((3, 2)), np.ones((3, 2))), 8)
    15
    """
    return int(ubm.means.size) + (ubm.n_components**2 if bigram_lag else 0)


def supervector(ubm: GaussianMixture, values: Matrix, relevance: float, bigram_lag: int = 0) -> npt.NDArray[np.float32]:
    """Return the adapted means and the token bigrams of a clip, shape (K * D,) or (K * D + K * K,).

    The first part is the adapted means less the UBM's, in its standard deviations and weights, of unit length. The
    second is the root of shares that sum to 1; zeros where the clip has no two rows that far apart.

    Parameters
    ----------
    ubm : GaussianMixture
        UBM, diagonal.
    values : ndarray, shape (n, D)
        Rows of one clip, at least one.
    relevance : float
        Rows that each component of the UBM counts for.
    bigram_lag : int
        Rows from one component to the one that follows it; 0 leaves bigrams out.

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    >>> supervector(ubm, np.array([[3.0, 4.0]]), 8.0).round(3)
    array([0.6, 0.8], dtype=float32)
    """
    shares = (ubm.responsibilities(values[i : i + CLIP_ROWS]) for i in range(0, len(values), CLIP_ROWS))
    return _supervector(ubm, values, shares, relevance, bigram_lag)


def warped_supervector(
    ubm: GaussianMixture, values: Matrix, n_warps: int, relevance: float, bigram_lag: int = 0
) -> npt.NDArray[np.float32]:
    """Return the :func:`supervector` of the VTLN warp of a clip that :func:`select_warp` selects.

    Density and responsibilities of a warp are computed together, but for very long clips.

    Parameters
    ----------
    ubm : GaussianMixture
        UBM over one warp, diagonal.
    values : ndarray, shape (n, n_warps * D)
        Rows of one clip, at least one.
    n_warps : int
        Warps that a row holds.
    relevance, bigram_lag
        As for :func:`supervector`.

    Examples
    --------
    >>> ubm = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    >>> warped_supervector(ubm, np.array([[9.0, 0.0, 3.0, 4.0]]), 2, 8.0).round(3)
    array([0.6, 0.8], dtype=float32)
    """
    if n_warps == 1 or len(values) > CLIP_ROWS:
        return supervector(ubm, select_warp(ubm, values, n_warps), relevance, bigram_lag)
    passes = ((warp, *ubm.density_and_responsibilities(warp)) for warp in split_warps(values, n_warps))
    selected, _, shares = max(passes, key=lambda each: float(each[1].mean()))
    return _supervector(ubm, selected, [shares], relevance, bigram_lag)


def _supervector(
    ubm: GaussianMixture, values: Matrix, shares: Iterable[Array], relevance: float, bigram_lag: int
) -> npt.NDArray[np.float32]:
    """Return the supervector of a clip from its responsibilities, some rows at a time."""
    n_components, start = ubm.n_components, 0
    n, sums, pairs = np.zeros(n_components), np.zeros(ubm.means.shape), np.zeros((n_components, n_components))
    before = np.zeros((0, n_components))
    for part in shares:
        rows = np.asarray(values[start : start + len(part)], dtype=np.float64)
        n, sums, start = n + part.sum(axis=0), sums + part.T @ rows, start + len(part)
        if bigram_lag:
            both = np.concatenate([before, part]) if len(before) else part
            pairs = pairs + both[:-bigram_lag].T @ both[bigram_lag:]
            before = both[-bigram_lag:]
    shift = (sums - n[:, None] * ubm.means) / (n[:, None] + relevance)
    vector = _unit_length((np.sqrt(ubm.weights[:, None] / ubm.covariances) * shift).reshape(1, -1))[0]
    if bigram_lag:
        counts = pairs.ravel()
        vector = np.concatenate([vector, np.sqrt(counts / max(counts.sum(), MIN_COUNT))])
    return np.asarray(vector, dtype=np.float32)


def bigram_weight(n_rows: Sequence[int] | Codes, relevance: float, bigram_lag: int) -> npt.NDArray[np.float32]:
    """Return the weight of the token bigrams of clips, shape (n_clips, 1), 0 (there are none) to 1.

    Parameters
    ----------
    n_rows : sequence of int
        Rows of every clip.
    relevance : float
        Bigrams of which the weight is a half.
    bigram_lag : int
        Rows from one component to the one that follows it.

    Examples
    --------
    >>> bigram_weight([5, 24], 8.0, 8).ravel().round(2)
    array([0.  , 0.67], dtype=float32)
    """
    n = np.maximum(np.asarray(n_rows, dtype=np.float32)[:, None] - bigram_lag, 0)
    return np.asarray(n / (n + relevance), dtype=np.float32)


def centre_parts(vectors: Matrix, mean: Matrix, n_means: int, weight: Matrix) -> Matrix:
    """Return vectors less a mean, shape (n, d): the first ``n_means`` numbers of unit length, the others of ``weight``.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Result of :func:`supervector`.
    mean : ndarray, shape (d,)
        Subtracted.
    n_means : int
        Numbers of the first part.
    weight : ndarray, shape (n, 1)
        Result of :func:`bigram_weight`.

    Examples
    --------
    >>> centre_parts(np.array([[3.0, 4.0, 2.0]]), np.zeros(3), 2, np.array([[0.5]]))
    array([[0.6, 0.8, 0.5]])
    """
    centred = vectors - mean
    return np.concatenate([_unit_length(centred[:, :n_means]), weight * _unit_length(centred[:, n_means:])], axis=1)


def project_out(vectors: Matrix, directions: Matrix) -> Matrix:
    """Return vectors with nuisance directions projected out, of unit length, shape (n, d).

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Vectors.
    directions : ndarray, shape (n_directions, d)
        Orthonormal.

    References
    ----------
    Solomonoff, Quillen, Campbell, "Channel compensation for SVM speaker recognition", Odyssey 2004 (NAP).

    Examples
    --------
    >>> project_out(np.array([[3.0, 4.0]]), np.array([[1.0, 0.0]]))
    array([[0., 1.]])
    """
    return _unit_length(vectors - (vectors @ directions.T) @ directions)


def _unit_length(vectors: Matrix) -> Matrix:
    """Return vectors scaled to unit length; one of no length is 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Matrix = np.where(length > MIN_LENGTH, vectors / np.maximum(length, MIN_LENGTH, dtype=length.dtype), 0)
    return unit


def draw_nuisance_clips(n_clips: int, rng: np.random.Generator) -> Codes:
    """Return the indices of the clips that nuisance directions are estimated from, ascending: all, or a random part.

    Parameters
    ----------
    n_clips : int
        Number of clips.
    rng : numpy.random.Generator
        Chooses the part.

    Examples
    --------
    >>> draw_nuisance_clips(3, np.random.default_rng(0)), len(draw_nuisance_clips(50_000, np.random.default_rng(0)))
    (array([0, 1, 2]), 1500)
    """
    if n_clips <= MAX_NUISANCE_CLIPS:
        return np.arange(n_clips)
    return np.sort(rng.choice(n_clips, MAX_NUISANCE_CLIPS, replace=False))


def estimate_nuisance_directions(vectors: Matrix | ChunkedRows, codes: Codes, n: int) -> Matrix:
    """Return the orthonormal directions in which vectors of one label differ most, shape (at most n, d), float32.

    Parameters
    ----------
    vectors : ndarray, shape (n_clips, d), or ChunkedRows
        Vectors of clips, those of :func:`draw_nuisance_clips` where there are many.
    codes : ndarray, shape (n_clips,), int
        Label of every clip.
    n : int
        Directions wanted; at most a fifth of the clips are given.

    Examples
    --------
    >>> vectors = np.array([[0.0, 1.0], [0.0, -1.0], [3.0, 1.0], [3.0, -1.0], [3.0, 0.0]], dtype=np.float32)
    >>> estimate_nuisance_directions(vectors, np.array([0, 0, 1, 1, 1]), 1).round(3) + 0.0
    array([[0., 1.]], dtype=float32)
    """
    # a part of the clips may lack a label
    _, codes = np.unique(codes, return_inverse=True)
    chunks = in_chunks(vectors)
    means = label_means(chunks, codes)
    centred = chunks.map(lambda part, chunk: chunk - means[codes[part]], chunks.shape[1]).whole()
    values, left = np.linalg.eigh(np.asarray(centred @ centred.T, dtype=np.float64))
    kept = [i for i in range(len(values) - 1, -1, -1) if values[i] > MIN_VARIANCE * max(values[-1], 1e-300)]
    kept = kept[: min(n, len(vectors) // 5)]
    # some columns at a time: the product is one of double precision, for which they are copied
    parts = [
        centred[:, i : i + COLUMNS_AT_ONCE].T.astype(np.float64) @ left[:, kept]
        for i in range(0, centred.shape[1], COLUMNS_AT_ONCE)
    ]
    directions: Matrix = (signed_axes(np.concatenate(parts) / np.sqrt(values[kept])).T).astype(np.float32)
    return np.ascontiguousarray(directions)
