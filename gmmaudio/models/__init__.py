"""Models: kinds of scorers, their calibration and open-set threshold, presets, recipes and the model file."""

from gmmaudio.models.calibration import Calibration, fit_calibration
from gmmaudio.models.file import from_bytes, load_model, model_sha256, save_model, to_bytes
from gmmaudio.models.fitting import Fitted, fit_trials, learn_rejection
from gmmaudio.models.heads import Linear, Mixtures
from gmmaudio.models.inner_folds import OutOfFold, nested_scores
from gmmaudio.models.kinds import fit_scorer
from gmmaudio.models.kinds.block_gaussian import Projection
from gmmaudio.models.kinds.frame_gmm import Identity, gmm_classifier
from gmmaudio.models.kinds.kind_settings import BACK_ENDS, KINDS, SHARED, ClassifierConfig
from gmmaudio.models.kinds.supervector import Supervectors
from gmmaudio.models.model import Model, Prediction, Recogniser, TrainingClip, TrainingSummary
from gmmaudio.models.open_set import Rejection, fit_rejection
from gmmaudio.models.presets import PRESETS, Preset, preset_of
from gmmaudio.models.recipe import Recipe, make_recipe
from gmmaudio.models.scorer import Classifier
from gmmaudio.models.tuning import Tuned, tune
from gmmaudio.models.ubm import BACKGROUND, Traces

__all__ = [
    "BACKGROUND",
    "BACK_ENDS",
    "KINDS",
    "PRESETS",
    "SHARED",
    "Calibration",
    "Classifier",
    "ClassifierConfig",
    "Fitted",
    "Identity",
    "Linear",
    "Mixtures",
    "Model",
    "OutOfFold",
    "Prediction",
    "Preset",
    "Projection",
    "Recipe",
    "Recogniser",
    "Rejection",
    "Supervectors",
    "Traces",
    "TrainingClip",
    "TrainingSummary",
    "Tuned",
    "fit_calibration",
    "fit_rejection",
    "fit_scorer",
    "fit_trials",
    "from_bytes",
    "gmm_classifier",
    "learn_rejection",
    "load_model",
    "make_recipe",
    "model_sha256",
    "nested_scores",
    "preset_of",
    "save_model",
    "to_bytes",
    "tune",
]
