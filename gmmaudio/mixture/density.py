"""Log densities of rows under one or more mixtures, from coefficients that are made once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.mixture.covariance import Array, Floats
from gmmaudio.mixture.missing import log_joint_observed
from gmmaudio.mixture.product import LogJoint, Workspace, log_sums
from gmmaudio.mixture.rows import read_chunks

Rows = slice | npt.NDArray[np.intp]


def log_densities(joint: LogJoint, rows: Floats, work: Workspace | None = None) -> Array:
    """Return the log density of every row under every mixture, shape (n, n_mixtures), nats.

    Parameters
    ----------
    joint : LogJoint
        Coefficients of the mixtures.
    rows : ndarray, shape (n, n_features), float32 or float64
        Rows; n may be 0. NaN is a missing value: the density is that of the observed values, 0 nats where there are
        none.
    work : Workspace, optional
        Arrays of an earlier call for ``joint``, which are overwritten.

    Raises
    ------
    MixtureError
        If a number is infinite.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> joint = GaussianMixture([1.0], [[0.0]], [[1.0]]).log_joint(False)
    >>> log_densities(joint, np.array([[0.0], [np.nan]])).round(3)
    array([[-0.919],
           [ 0.   ]])
    """
    result = np.empty((len(rows), len(joint.parameters)))
    with one_thread():
        for block, values, shared in score_blocks(joint, rows, work):
            result[block] = (log_sums(values, joint.edges)[0] + shared).T
    # for a row without any value, the sum is that of the weights: 1 up to rounding errors
    result[np.isnan(rows).all(axis=1)] = 0.0
    return result


def score_blocks(joint: LogJoint, rows: Floats, work: Workspace | None = None) -> Iterator[tuple[Rows, Floats, Array]]:
    """Yield (indices of rows, log joint (n_components, n), shared term (n_mixtures or 1, n)) of blocks of rows.

    The log density under a mixture is the log of the summed exponentials of its components' log joint, plus the
    shared term. A far row comes twice, and the last time is exact.

    Parameters
    ----------
    joint : LogJoint
        Coefficients of the mixtures.
    rows : ndarray, shape (n, n_features), float32 or float64
        Rows; NaN is a missing value.
    work : Workspace, optional
        Arrays of an earlier call for ``joint``, which are overwritten.
    """
    work, log_scale = work or Workspace(joint), np.log(joint.whitening.scale)
    for chunk in read_chunks(rows, all_rows=True):
        for chunk_slice, part in chunk.blocks():
            start = chunk.start + chunk_slice.start
            rows_slice = slice(start, start + len(part))
            if chunk.has_missing and np.isnan(part).any():
                z = joint.whitening.whiten(part)
                values: Floats = np.vstack([log_joint_observed(joint.covariance, p, z) for p in joint.parameters])
                yield rows_slice, values, -(~np.isnan(z) @ log_scale)[None]
            else:
                block = work.evaluate(part)
                yield rows_slice, block.values, joint.shared_term(block.moments) - log_scale.sum()
            far, z = joint.far_rows(part)
            if len(far):
                yield start + far, joint.far_values(z), -(~np.isnan(z) @ log_scale)[None]
