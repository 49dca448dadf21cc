"""Training clips and groups that are nearest to a clip, where a component answers for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.density_parts import component_distances
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.score_parts import Answers

# a component with less than this many rows of a clip says nothing of it
MIN_ROWS = 0.5
# two clips are compared where components that answer for both answer for at least this share of the rows of the first
MIN_SHARED = 0.5


@dataclass(frozen=True)
class Neighbour:
    """A training clip or group, and its distance.

    Parameters
    ----------
    name : str
        Path of the clip, or name of the group.
    distance : float
        Mahalanobis distance between the means of the rows for which the component answers, in its standard deviations.

    Examples
    --------
    >>> Neighbour("jazz/1.wav", 0.5).name
    'jazz/1.wav'
    """

    name: str
    distance: float


@dataclass(frozen=True, eq=False)
class Centres:
    """The mean of the rows that each component of a mixture answers for.

    Parameters
    ----------
    counts : ndarray, shape (n_components,)
        Sum of responsibilities: about the number of rows.
    means : ndarray, shape (n_components, d)
        Mean of the rows by responsibility; zeros where there are none.
    """

    counts: Array
    means: Array


@dataclass(frozen=True, eq=False)
class KnownClip:
    """A training clip, and where its rows lie.

    Parameters
    ----------
    path, label : str
        As in the training summary.
    group : str or None
        Its group; None where it is unknown.
    centres : Centres
        Under the mixture of its label, or the UBM.
    """

    path: str
    label: str
    group: str | None
    centres: Centres


def centres_of(answers: Answers) -> Centres:
    """Return the mean of the rows that each component answers for.

    Parameters
    ----------
    answers : Answers
        Of the rows of a clip.

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[-9.0], [9.0]], [[1.0], [1.0]])
    >>> rows = np.array([[-9.0], [-8.0], [9.5]])
    >>> centres_of(Answers(mixture, rows, mixture.responsibilities(rows))).means.round(3).ravel()
    array([-8.5,  9.5])
    """
    counts = answers.shares.sum(axis=0)
    sums = answers.shares.T @ np.asarray(answers.rows, dtype=np.float64)
    return Centres(counts, sums / np.where(counts > 0, counts, 1.0)[:, None])


def pool(centres: Sequence[Centres]) -> Centres:
    """Return the means over the rows of several clips.

    Parameters
    ----------
    centres : sequence of Centres
        Of the clips, at least one.

    Examples
    --------
    >>> one, three = Centres(np.ones(1), np.array([[1.0]])), Centres(np.full(1, 3.0), np.array([[5.0]]))
    >>> pool([one, three]).means
    array([[4.]])
    """
    counts = np.sum([each.counts for each in centres], axis=0)
    sums = np.sum([each.counts[:, None] * each.means for each in centres], axis=0)
    return Centres(counts, sums / np.where(counts > 0, counts, 1.0)[:, None])


def nearest(
    mixture: GaussianMixture, k: int, centres: Centres, others: Mapping[str, Centres], n: int
) -> tuple[Neighbour, ...]:
    """Return the clips or groups nearest to a clip where a component answers, nearest first.

    Those that have no rows there are left out.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    k : int
        Index of the component.
    centres : Centres
        Of the clip.
    others : mapping of str to Centres
        Of the clips or groups by name.
    n : int
        Number of neighbours at most.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[4.0]])
    >>> here, near, far = (Centres(np.ones(1), np.array([[mean]])) for mean in (1.0, 2.0, 9.0))
    >>> nearest(mixture, 0, here, {"far.wav": far, "near.wav": near}, 1)
    (Neighbour(name='near.wav', distance=0.5),)
    """
    names = [name for name, other in others.items() if other.counts[k] >= MIN_ROWS]
    if not names or centres.counts[k] < MIN_ROWS:
        return ()
    means = np.stack([others[name].means[k] for name in names])
    distances = component_distances(mixture, k, means, centres.means[k])
    ranked = sorted(zip(distances.tolist(), names, strict=True))
    return tuple(Neighbour(name, distance) for distance, name in ranked[:n])


def overall_distances(mixture: GaussianMixture, centres: Centres, others: Mapping[str, Centres]) -> dict[str, float]:
    """Return the distances of clips or groups from a clip over all components, by name.

    The distance is the root of the mean square of the Mahalanobis distances between the means of the rows that a
    component answers for, weighted by the rows of the clip. Components without rows of both are left out; where they
    answer for more than half of the clip, there is no distance.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    centres : Centres
        Of the clip.
    others : mapping of str to Centres
        Of the clips or groups by name.

    Returns
    -------
    dict of str to float
        In standard deviations of the components; names without a distance are left out.

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [9.0]], [[4.0], [1.0]])
    >>> here = Centres(np.array([3.0, 1.0]), np.array([[1.0], [9.0]]))
    >>> there = Centres(np.array([2.0, 2.0]), np.array([[3.0], [11.0]]))
    >>> elsewhere = Centres(np.array([0.0, 2.0]), np.array([[0.0], [9.0]]))
    >>> {name: round(d, 3) for name, d in overall_distances(mixture, here, {"a": there, "b": elsewhere}).items()}
    {'a': 1.323}
    """
    names = list(others)
    if not names:
        return {}
    counts, means = np.stack([others[name].counts for name in names]), np.stack([others[name].means for name in names])
    both = (counts >= MIN_ROWS) & (centres.counts >= MIN_ROWS)
    squares = np.zeros(both.shape)
    for k in np.flatnonzero(both.any(axis=0)).tolist():
        squares[:, k] = component_distances(mixture, k, means[:, k], centres.means[k]) ** 2
    weights = np.where(both, centres.counts, 0.0)
    total = weights.sum(axis=1)
    known = np.flatnonzero(total >= MIN_SHARED * centres.counts.sum()).tolist()
    return {names[i]: float(np.sqrt((weights[i] * squares[i]).sum() / total[i])) for i in known}
