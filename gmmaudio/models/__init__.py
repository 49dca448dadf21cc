"""Models: kinds of scorers, their calibration and open-set threshold, presets, recipes and the model file."""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.models.calibration import Calibration, fit_calibration
    from gmmaudio.models.clip_statistics import Background, ClipStatistics, Shard, fit_statistics, without_rows
    from gmmaudio.models.explanations import Explanation, explain_rows
    from gmmaudio.models.familiarity import Familiarity, fit_familiarity
    from gmmaudio.models.file import from_bytes, holds_statistics, load_model, model_sha256, save_model, to_bytes
    from gmmaudio.models.fitting import Fitted, fit_trials, learn_limits, learn_open_set_threshold
    from gmmaudio.models.heads import Head, Linear, Mixtures
    from gmmaudio.models.inner_folds import OutOfFold, out_of_fold_scores
    from gmmaudio.models.kind import Candidate, Kind
    from gmmaudio.models.kind_settings import EmSettings, KindSettings
    from gmmaudio.models.kinds import KINDS, find_kind, fit_scorer, settings_from_dict
    from gmmaudio.models.kinds.block_gaussian import SHARED, BlockGaussianSettings, Projection
    from gmmaudio.models.kinds.frame_gmm import FrameGmmSettings, Identity, gmm_scorer
    from gmmaudio.models.kinds.supervector import Supervectors, SupervectorSettings
    from gmmaudio.models.model import Model, Prediction, Recogniser, TrainingClip, TrainingSummary
    from gmmaudio.models.open_set import OpenSetThreshold, fit_open_set_threshold
    from gmmaudio.models.partial_fits import Fit
    from gmmaudio.models.presets import PRESETS, Preset, preset_of
    from gmmaudio.models.recipe import Recipe, make_recipe
    from gmmaudio.models.scorer import Scorer, Transform
    from gmmaudio.models.source_shift import SourceShift
    from gmmaudio.models.statistics_file import load_statistics, save_statistics
    from gmmaudio.models.training_rows import TrainingRows
    from gmmaudio.models.tuning import Tuned, tune
    from gmmaudio.models.ubm import UBM, Traces
    from gmmaudio.models.vector_fitting import fit_checked_head, fit_vector_head
    from gmmaudio.models.vector_head import VectorHead
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.models.calibration": "Calibration fit_calibration",
            "gmmaudio.models.clip_statistics": "Background ClipStatistics Shard fit_statistics without_rows",
            "gmmaudio.models.explanations": "Explanation explain_rows",
            "gmmaudio.models.file": "from_bytes holds_statistics load_model model_sha256 save_model to_bytes",
            "gmmaudio.models.familiarity": "Familiarity fit_familiarity",
            "gmmaudio.models.fitting": "Fitted fit_trials learn_limits learn_open_set_threshold",
            "gmmaudio.models.heads": "Head Linear Mixtures",
            "gmmaudio.models.inner_folds": "OutOfFold out_of_fold_scores",
            "gmmaudio.models.kind": "Candidate Kind",
            "gmmaudio.models.kind_settings": "EmSettings KindSettings",
            "gmmaudio.models.kinds": "KINDS find_kind fit_scorer settings_from_dict",
            "gmmaudio.models.kinds.block_gaussian": "SHARED BlockGaussianSettings Projection",
            "gmmaudio.models.kinds.frame_gmm": "FrameGmmSettings Identity gmm_scorer",
            "gmmaudio.models.kinds.supervector": "Supervectors SupervectorSettings",
            "gmmaudio.models.model": "Model Prediction Recogniser TrainingClip TrainingSummary",
            "gmmaudio.models.open_set": "OpenSetThreshold fit_open_set_threshold",
            "gmmaudio.models.partial_fits": "Fit",
            "gmmaudio.models.presets": "PRESETS Preset preset_of",
            "gmmaudio.models.recipe": "Recipe make_recipe",
            "gmmaudio.models.scorer": "Scorer Transform",
            "gmmaudio.models.source_shift": "SourceShift",
            "gmmaudio.models.statistics_file": "load_statistics save_statistics",
            "gmmaudio.models.training_rows": "TrainingRows",
            "gmmaudio.models.tuning": "Tuned tune",
            "gmmaudio.models.ubm": "UBM Traces",
            "gmmaudio.models.vector_fitting": "fit_checked_head fit_vector_head",
            "gmmaudio.models.vector_head": "VectorHead",
        },
    )

__all__ = [
    "KINDS",
    "PRESETS",
    "SHARED",
    "UBM",
    "Background",
    "BlockGaussianSettings",
    "Calibration",
    "Candidate",
    "ClipStatistics",
    "EmSettings",
    "Explanation",
    "Familiarity",
    "Fit",
    "Fitted",
    "FrameGmmSettings",
    "Head",
    "Identity",
    "Kind",
    "KindSettings",
    "Linear",
    "Mixtures",
    "Model",
    "OpenSetThreshold",
    "OutOfFold",
    "Prediction",
    "Preset",
    "Projection",
    "Recipe",
    "Recogniser",
    "Scorer",
    "Shard",
    "SourceShift",
    "SupervectorSettings",
    "Supervectors",
    "Traces",
    "TrainingClip",
    "TrainingRows",
    "TrainingSummary",
    "Transform",
    "Tuned",
    "VectorHead",
    "explain_rows",
    "find_kind",
    "fit_calibration",
    "fit_checked_head",
    "fit_familiarity",
    "fit_open_set_threshold",
    "fit_scorer",
    "fit_statistics",
    "fit_trials",
    "fit_vector_head",
    "from_bytes",
    "gmm_scorer",
    "holds_statistics",
    "learn_limits",
    "learn_open_set_threshold",
    "load_model",
    "load_statistics",
    "make_recipe",
    "model_sha256",
    "out_of_fold_scores",
    "preset_of",
    "save_model",
    "save_statistics",
    "settings_from_dict",
    "to_bytes",
    "tune",
    "without_rows",
]
