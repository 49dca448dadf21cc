"""Gaussian mixtures on plain arrays, without audio.

Mixtures are fitted by EM (:func:`fit_gmm`), selected (:func:`select_gmm`), adapted (:func:`adapt_gmm`), compared
(:func:`divergences`), merged and split. scikit-learn estimators are in :mod:`gmmaudio.mixture.estimator`, which
imports scikit-learn.

Examples
--------
>>> COVARIANCE_TYPES
('diag', 'full', 'tied', 'spherical')
>>> INITS
('kmeans', 'hierarchical', 'binary', 'random')
"""

from gmmaudio.mixture.adaptation import adapt, adapt_gmm
from gmmaudio.mixture.components import merge, split
from gmmaudio.mixture.covariance import COVARIANCES
from gmmaudio.mixture.divergence import divergences
from gmmaudio.mixture.em import EMStep, EMTrace, check_settings, fit_gmm
from gmmaudio.mixture.gaussian import GaussianMixture, stacked_log_density
from gmmaudio.mixture.init import INITS
from gmmaudio.mixture.selection import Candidate, Selection, select_gmm
from gmmaudio.mixture.statistics import SufficientStats, accumulate, maximise

COVARIANCE_TYPES = tuple(COVARIANCES)

__all__ = [
    "COVARIANCE_TYPES",
    "INITS",
    "Candidate",
    "EMStep",
    "EMTrace",
    "GaussianMixture",
    "Selection",
    "SufficientStats",
    "accumulate",
    "adapt",
    "adapt_gmm",
    "check_settings",
    "divergences",
    "fit_gmm",
    "maximise",
    "merge",
    "select_gmm",
    "split",
    "stacked_log_density",
]
