"""The contenders of ``mixture.py``: each fits some iterations from a start, and returns a function that scores rows.

numpy and the peers are imported inside, in the child that measures: a child's peak memory starts from its parent's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating]
    Doubles = npt.NDArray[np.float64]
    Score = Callable[[Array], Array]

OURS = "gmmaudio float32"


class Start(NamedTuple):
    """Parameters of a mixture, (K,), (K, D) and (K, D) or (K, D, D)."""

    weights: Doubles
    means: Doubles
    covariances: Doubles


def ours(X: Array, start: Start, n_iter: int, n_threads: int = 1) -> Score:
    """Return the scorer of our fit."""
    from gmmaudio.mixture import GaussianMixture, fit_gmm

    mixture = GaussianMixture(*start, covariance_type=kind_of(start))
    if n_iter:
        mixture, _ = fit_gmm(
            X,
            len(start.weights),
            covariance_type=kind_of(start),
            init=mixture,
            max_iter=n_iter,
            tol=0.0,
            variance_floor=0.0,
            n_threads=n_threads,
        )
    return mixture.log_density


def by_sklearn(X: Array, start: Start, n_iter: int) -> Score:
    """Return the scorer of scikit-learn's fit."""
    import numpy as np
    from sklearn.mixture import GaussianMixture

    weights, means, covariances = (v.astype(X.dtype) for v in start)
    precisions = 1 / covariances if covariances.ndim == 2 else np.linalg.inv(start.covariances).astype(X.dtype)
    model = GaussianMixture(
        len(weights),
        covariance_type=kind_of(start),
        weights_init=weights / weights.sum(),
        means_init=means,
        precisions_init=precisions,
        tol=0.0,
        reg_covar=1e-6,
        max_iter=max(n_iter, 1),
    )
    if n_iter:
        model.fit(X)
    else:
        # a model that is given, not fitted, is what its fitted attributes say
        model._initialize(X, None)
        model.covariances_ = covariances
    score: Score = model.score_samples
    return score


def by_pomegranate(X: Array, start: Start, n_iter: int) -> Score:
    """Return the scorer of pomegranate's fit."""
    import torch  # type: ignore[import-not-found]
    from pomegranate.distributions import Normal  # type: ignore[import-not-found]
    from pomegranate.gmm import GeneralMixtureModel  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    weights, means, covariances = (torch.from_numpy(v.astype(X.dtype)) for v in start)
    kind = kind_of(start)
    model = GeneralMixtureModel(
        [Normal(m, c, covariance_type=kind) for m, c in zip(means, covariances, strict=True)],
        priors=weights / weights.sum(),
        max_iter=n_iter,
        tol=-float("inf"),
    )
    rows = torch.from_numpy(X)
    if n_iter:
        model.fit(rows)
    return lambda X: model.log_probability(torch.from_numpy(X)).numpy()


def by_hmmlearn(X: Array, start: Start, n_iter: int) -> Score:
    """Return the scorer of hmmlearn's fit: a hidden Markov model of a single state."""
    import numpy as np
    from hmmlearn.base import BaseHMM  # type: ignore[import-not-found]
    from hmmlearn.hmm import GMMHMM  # type: ignore[import-not-found]

    class Given(GMMHMM):  # type: ignore[misc]
        def _init(self, X: Array, lengths: Any = None) -> None:
            # the original runs k-means ten times here, whatever start is given
            BaseHMM._init(self, X, lengths)
            self._init_covar_priors()
            self._fix_priors_shape()

    model = Given(
        1, len(start.weights), covariance_type=kind_of(start), n_iter=n_iter, tol=-np.inf, params="wmc", init_params=""
    )
    model.startprob_, model.transmat_ = np.ones(1), np.ones((1, 1))
    model.weights_, model.means_, model.covars_ = (v[None].copy() for v in start)
    if n_iter:
        model.fit(X)
    # its public score is the sum over rows only
    return lambda X: model._compute_log_likelihood(X)[:, 0]


def by_torchgmm(X: Array, start: Start, n_iter: int) -> Score:
    """Return the scorer of torchgmm's fit from the start's means; scoring uses all of the start."""
    import torch
    from torchgmm.bayes import GaussianMixture  # type: ignore[import-not-found]
    from torchgmm.bayes.core import cholesky_precision  # type: ignore[import-not-found]
    from torchgmm.bayes.gmm.model import (  # type: ignore[import-not-found]
        GaussianMixtureModel,
        GaussianMixtureModelConfig,
    )

    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    weights, means, covariances = (torch.from_numpy(v.astype(X.dtype)) for v in start)
    kind = kind_of(start)
    model = GaussianMixture(
        len(weights),
        covariance_type=kind,
        init_means=means,
        convergence_tolerance=0.0,
        covariance_regularization=1e-6,
        trainer_params={"max_epochs": n_iter, "accelerator": "cpu", "enable_progress_bar": False},
    )
    if n_iter:
        model.fit(X)
    else:
        model.model_ = GaussianMixtureModel(GaussianMixtureModelConfig(*means.shape, kind))
        model.model_.component_probs.copy_(weights)
        model.model_.means.copy_(means)
        model.model_.precisions_cholesky.copy_(cholesky_precision(covariances, kind))
    return lambda X: -model.score_samples(X)[0].numpy()


CONTENDERS: dict[str, tuple[Callable[..., Score], str]] = {
    OURS: (ours, "float32"),
    "gmmaudio float64": (ours, "float64"),
    "scikit-learn float32": (by_sklearn, "float32"),
    "scikit-learn float64": (by_sklearn, "float64"),
    "pomegranate float32": (by_pomegranate, "float32"),
    "hmmlearn float64": (by_hmmlearn, "float64"),
    "torchgmm float32": (by_torchgmm, "float32"),
}


def kind_of(start: Start) -> str:
    """Return the covariance type of a start."""
    return "diag" if start.covariances.ndim == 2 else "full"
