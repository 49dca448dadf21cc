"""Trials of clips: clips decoded to frames, joined or cut, gated and normalised; unusable files are listed."""

from gmmaudio.trials.building import (
    TrialSettings,
    build_trial_set,
    check_made_trials,
    cut_trial,
    joining_key,
    make_trials,
    with_features,
)
from gmmaudio.trials.clip_cache import ClipCache, warn_of
from gmmaudio.trials.extraction import (
    Answer,
    Degradation,
    Extracted,
    Extraction,
    as_failure,
    check_lengths,
    extract_clip,
    extract_clips,
    fail_crashed,
)
from gmmaudio.trials.given_rows import ROWS_REASONS, ROWS_SUFFIXES, GivenRows
from gmmaudio.trials.given_vectors import ClipVectors, GivenVectors, check_same_vectors, check_width, read_vectors
from gmmaudio.trials.row_extraction import RowExtraction, check_same_rows, extract_rows, trials_of_rows
from gmmaudio.trials.spool import DEFAULT_MEMORY_BYTES, Spool
from gmmaudio.trials.trial import Segment, Trial, TrialSet, TrialVectors, clips_of, units_of
from gmmaudio.trials.trial_digest import digest_trials
from gmmaudio.trials.workload import estimate_work, file_limits, sound_s

__all__ = [
    "DEFAULT_MEMORY_BYTES",
    "ROWS_REASONS",
    "ROWS_SUFFIXES",
    "Answer",
    "ClipCache",
    "ClipVectors",
    "Degradation",
    "Extracted",
    "Extraction",
    "GivenRows",
    "GivenVectors",
    "RowExtraction",
    "Segment",
    "Spool",
    "Trial",
    "TrialSet",
    "TrialSettings",
    "TrialVectors",
    "as_failure",
    "build_trial_set",
    "check_lengths",
    "check_made_trials",
    "check_same_rows",
    "check_same_vectors",
    "check_width",
    "clips_of",
    "cut_trial",
    "digest_trials",
    "estimate_work",
    "extract_clip",
    "extract_clips",
    "extract_rows",
    "fail_crashed",
    "file_limits",
    "joining_key",
    "make_trials",
    "read_vectors",
    "sound_s",
    "trials_of_rows",
    "units_of",
    "warn_of",
    "with_features",
]
