"""Gaussian mixtures on plain arrays, without audio.

Mixtures are fitted by EM (:func:`fit_gmm`), selected (:func:`select_gmm`), adapted (:func:`adapt_gmm`), compared
(:func:`divergences`), merged and split, and saved (:func:`save_mixture`). :class:`GMMEstimator`,
:class:`GMMArrayClassifier` and :class:`GMMImputer` are scikit-learn estimators, and import scikit-learn when they are
first used. :mod:`gmmaudio.mixture.plot` draws mixtures.

Examples
--------
>>> COVARIANCE_TYPES
('diag', 'full', 'tied', 'spherical')
>>> INITS
('kmeans', 'hierarchical', 'binary', 'random')
"""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.mixture.adaptation import adapt, adapt_gmm
    from gmmaudio.mixture.array_classifier import GMMArrayClassifier
    from gmmaudio.mixture.components import merge, split
    from gmmaudio.mixture.conditional_draws import draw_missing
    from gmmaudio.mixture.covariance import COVARIANCE_TYPES
    from gmmaudio.mixture.divergence import divergences
    from gmmaudio.mixture.em import EMStep, check_settings, fit_gmm
    from gmmaudio.mixture.em_trace import EMTrace
    from gmmaudio.mixture.estimator import GMMEstimator
    from gmmaudio.mixture.gaussian import GaussianMixture
    from gmmaudio.mixture.imputer import GMMImputer, PooledEstimate, pool_estimates
    from gmmaudio.mixture.init import INITS
    from gmmaudio.mixture.mixture_file import SavedMixture, load_mixture, save_mixture
    from gmmaudio.mixture.selection import Candidate, Selection, select_gmm
    from gmmaudio.mixture.sklearn_exchange import from_sklearn, to_sklearn
    from gmmaudio.mixture.stability import Stability, measure_stability
    from gmmaudio.mixture.stack import MixtureStack, stacked_log_density
    from gmmaudio.mixture.statistics import SufficientStats, accumulate, maximise
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.mixture.adaptation": "adapt adapt_gmm",
            "gmmaudio.mixture.array_classifier": "GMMArrayClassifier",
            "gmmaudio.mixture.components": "merge split",
            "gmmaudio.mixture.conditional_draws": "draw_missing",
            "gmmaudio.mixture.covariance": "COVARIANCE_TYPES",
            "gmmaudio.mixture.divergence": "divergences",
            "gmmaudio.mixture.em": "EMStep check_settings fit_gmm",
            "gmmaudio.mixture.em_trace": "EMTrace",
            "gmmaudio.mixture.estimator": "GMMEstimator",
            "gmmaudio.mixture.gaussian": "GaussianMixture",
            "gmmaudio.mixture.imputer": "GMMImputer PooledEstimate pool_estimates",
            "gmmaudio.mixture.init": "INITS",
            "gmmaudio.mixture.mixture_file": "SavedMixture load_mixture save_mixture",
            "gmmaudio.mixture.selection": "Candidate Selection select_gmm",
            "gmmaudio.mixture.sklearn_exchange": "from_sklearn to_sklearn",
            "gmmaudio.mixture.stability": "Stability measure_stability",
            "gmmaudio.mixture.stack": "MixtureStack stacked_log_density",
            "gmmaudio.mixture.statistics": "SufficientStats accumulate maximise",
        },
    )

__all__ = [
    "COVARIANCE_TYPES",
    "INITS",
    "Candidate",
    "EMStep",
    "EMTrace",
    "GMMArrayClassifier",
    "GMMEstimator",
    "GMMImputer",
    "GaussianMixture",
    "MixtureStack",
    "PooledEstimate",
    "SavedMixture",
    "Selection",
    "Stability",
    "SufficientStats",
    "accumulate",
    "adapt",
    "adapt_gmm",
    "check_settings",
    "divergences",
    "draw_missing",
    "fit_gmm",
    "from_sklearn",
    "load_mixture",
    "maximise",
    "measure_stability",
    "merge",
    "pool_estimates",
    "save_mixture",
    "select_gmm",
    "split",
    "stacked_log_density",
    "to_sklearn",
]
