"""Clips -> trials: decoded, turned into frames, joined or cut, gated and normalised; bad files named."""

from gmmaudio.trials.building import cut_trial, gather, make_trials, with_features
from gmmaudio.trials.extraction import Degradation, Extracted, Task, check_lengths, extract_clip, extract_clips
from gmmaudio.trials.trial import Material, Piece, Trial, clips_of, units_of

__all__ = [
    "Degradation",
    "Extracted",
    "Material",
    "Piece",
    "Task",
    "Trial",
    "check_lengths",
    "clips_of",
    "cut_trial",
    "extract_clip",
    "extract_clips",
    "gather",
    "make_trials",
    "units_of",
    "with_features",
]
