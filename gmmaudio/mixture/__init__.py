"""Gaussian mixtures on plain arrays; nothing here knows of sound."""

from gmmaudio.mixture.covariance import COVARIANCES
from gmmaudio.mixture.edit import merge, split
from gmmaudio.mixture.em import EMStep, EMTrace, check_settings, fit_gmm
from gmmaudio.mixture.gaussian import GaussianMixture, stacked_log_density
from gmmaudio.mixture.init import INITS
from gmmaudio.mixture.statistics import SufficientStats, accumulate, maximise

COVARIANCE_TYPES = tuple(COVARIANCES)

__all__ = [
    "COVARIANCE_TYPES",
    "INITS",
    "EMStep",
    "EMTrace",
    "GaussianMixture",
    "SufficientStats",
    "accumulate",
    "check_settings",
    "fit_gmm",
    "maximise",
    "merge",
    "split",
    "stacked_log_density",
]
