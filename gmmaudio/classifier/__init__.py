"""Rows of many clips -> a classifier -> scores; three kinds behind one interface, ``fit`` and ``score``.

``frames`` fits one mixture for each label; ``blocks`` standardises, projects and fits one for each, or one Gaussian
each with a covariance in common; ``supervector`` adapts one background mixture to each clip and compares how its means
moved. A classifier is a transform and one or two heads, whatever its kind.
"""

from gmmaudio.classifier.base import Classifier, gmm_classifier
from gmmaudio.classifier.config import BACK_ENDS, KINDS, SHARED, ClassifierConfig
from gmmaudio.classifier.heads import Linear, Mixtures
from gmmaudio.classifier.training import BACKGROUND, Traces, fit
from gmmaudio.classifier.transforms import Identity, Projection, Supervectors

__all__ = [
    "BACKGROUND",
    "BACK_ENDS",
    "KINDS",
    "SHARED",
    "Classifier",
    "ClassifierConfig",
    "Identity",
    "Linear",
    "Mixtures",
    "Projection",
    "Supervectors",
    "Traces",
    "fit",
    "gmm_classifier",
]
