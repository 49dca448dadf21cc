"""Checkpoints of a fit: the sums of its iterations, and what EM from a start has come to.

EM is a function of the rows and the start. A fit that is called again goes through the same mixtures, so that the sums
of the iterations that were done are found by their mixtures, and nothing of its inner state is to be restored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gmmaudio.compute import Checkpoints, digest_of, recall, resume
from gmmaudio.compute.checkpoints import Arrays, Record
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.statistics import SufficientStats

# the sums of shorter passes are computed again: there may be many
PASS_S = 1.0
PARAMETERS = ("weights", "means", "covariances")
SUMS = ("n", "f", "s")
# fields of a trace that are floats, which may be no numbers
FLOATS = ("log_likelihoods", "min_variances")

# A mixture of whitened rows, and the trace of EM that it comes from.
Fitted = tuple[GaussianMixture, EMTrace]


@dataclass(frozen=True, eq=False)
class Replay:
    """The checkpoints of the fits to one set of rows, in whitened coordinates.

    Parameters
    ----------
    checkpoints : Checkpoints or None
        Where they are kept; None keeps none.
    rows : str
        Digest of the rows and their weights.

    Examples
    --------
    >>> mixture = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> Replay(None, "").finished(mixture, {}) is None
    True
    """

    checkpoints: Checkpoints | None
    rows: str

    def statistics(self, mixture: GaussianMixture, compute: Callable[[], SufficientStats]) -> SufficientStats:
        """Return the statistics of the rows under a mixture, which are kept where they take long.

        Parameters
        ----------
        mixture : GaussianMixture
            Of whitened rows.
        compute : callable
            Returns the statistics.
        """
        if self.checkpoints is None:
            return compute()
        key = self._key("sums of EM", mixture)

        def restore(arrays: Arrays, record: Record) -> SufficientStats:
            return _restore_sums(arrays, record, mixture)

        return resume(self.checkpoints, key, compute, _describe_sums, restore, least_s=PASS_S)

    def finished(self, start: GaussianMixture, settings: Mapping[str, Any]) -> Fitted | None:
        """Return the mixture and the trace that an earlier fit came to from a start; None where that is not known.

        Parameters
        ----------
        start : GaussianMixture
            Of whitened rows.
        settings : mapping
            All else that the course of EM depends on, as plain values.
        """
        if self.checkpoints is None:
            return None
        return recall(self.checkpoints, self._key("end of EM", start, **settings), _restore_fit)

    def keep(self, start: GaussianMixture, settings: Mapping[str, Any], compute: Callable[[], Fitted]) -> Fitted:
        """Return the mixture and the trace that EM from a start comes to, which are kept where they take long.

        Parameters
        ----------
        start, settings
            As for :meth:`finished`.
        compute : callable
            Runs EM.
        """
        if self.checkpoints is None:
            return compute()
        return resume(self.checkpoints, self._key("end of EM", start, **settings), compute, _describe_fit, _restore_fit)

    def _key(self, kind: str, mixture: GaussianMixture, **settings: Any) -> dict[str, Any]:
        """Return the key of what depends on the rows and on a mixture."""
        parameters = digest_of(mixture.covariance_type, *(getattr(mixture, name) for name in PARAMETERS))
        return {"kind": kind, "rows": self.rows, "mixture": parameters, **settings}


def _describe_sums(stats: SufficientStats) -> tuple[Arrays, Record]:
    """Return statistics as arrays and plain values."""
    arrays = {name: getattr(stats, name) for name in SUMS}
    arrays |= {"totals": np.array([stats.log_likelihood, stats.n_rows], dtype=np.float64)}
    arrays |= {} if stats.origin is None else {"origin": stats.origin}
    return arrays, {"covariance_type": stats.covariance_type}


def _restore_sums(arrays: Arrays, record: Record, mixture: GaussianMixture) -> SufficientStats:
    """Return the statistics under a mixture that arrays and plain values describe."""
    log_likelihood, n_rows = arrays["totals"].tolist()
    n, f, s = (arrays[name] for name in SUMS)
    # second moments have the shape of covariances, also where they are pooled
    shapes = [mixture.weights.shape, mixture.means.shape, mixture.covariances.shape]
    if [n.shape, f.shape, s.shape] != shapes or record["covariance_type"] != mixture.covariance_type:
        raise ValueError("sums of another mixture")
    return SufficientStats(n, f, s, log_likelihood, n_rows, record["covariance_type"], arrays.get("origin"))


def _describe_fit(fitted: Fitted) -> tuple[Arrays, Record]:
    """Return a mixture and the trace of its fit as arrays and plain values."""
    mixture, trace = fitted
    plain = asdict(trace)
    arrays = {name: getattr(mixture, name) for name in PARAMETERS}
    arrays |= {name: np.array(plain.pop(name), dtype=np.float64) for name in FLOATS}
    return arrays, {"covariance_type": mixture.covariance_type, "trace": plain}


def _restore_fit(arrays: Arrays, record: Record) -> Fitted:
    """Return the mixture and the trace of its fit that arrays and plain values describe."""
    weights, means, covariances = (arrays[name] for name in PARAMETERS)
    mixture = GaussianMixture(weights, means, covariances, record["covariance_type"])
    trace: dict[str, Any] = {name: _as_tuples(value) for name, value in record["trace"].items()}
    floats: dict[str, Any] = {name: tuple(arrays[name].tolist()) for name in FLOATS}
    return mixture, EMTrace(**trace, **floats)


def _as_tuples(value: Any) -> Any:
    """Return plain values with tuples for lists."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
