"""Gaussian mixtures on plain arrays; nothing here knows of sound."""

from gmmaudio.mixture.em import EMTrace, check_settings, fit_gmm, maximise
from gmmaudio.mixture.gaussian import GaussianMixture, stacked_log_density
from gmmaudio.mixture.init import INITS
from gmmaudio.mixture.statistics import SufficientStats, accumulate

__all__ = [
    "INITS",
    "EMTrace",
    "GaussianMixture",
    "SufficientStats",
    "accumulate",
    "check_settings",
    "fit_gmm",
    "maximise",
    "stacked_log_density",
]
