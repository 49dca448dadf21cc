"""The facts of a model that a client needs, without what it was trained on file by file."""

from __future__ import annotations

import importlib.util
from typing import Any

from gmmaudio import __version__
from gmmaudio.audio import SUFFIXES
from gmmaudio.models import Model, model_sha256
from gmmaudio.service.service_settings import ServiceSettings


def facts_of(model: Model, settings: ServiceSettings) -> dict[str, Any]:
    """Return the facts of a model and the limits of its service, as plain values.

    Parameters
    ----------
    model : Model
        The model.
    settings : ServiceSettings
        The limits.
    """
    training, frames = model.training, model.features.sound_frames
    groups = {clip.group for clip in training.clips} - {None}
    return {
        "labels": list(model.scorer.labels),
        "kind": training.kind_settings.kind,
        "preset": training.preset,
        "is_calibrated": model.calibration is not None,
        "is_open_set": model.recogniser.is_open_set,
        "sample_rate_hz": frames.sample_rate_hz,
        "n_clips": len(training.clips),
        "n_groups": len(groups) or None,
        "seconds": {label: round(seconds, 1) for label, seconds in training.seconds.items()},
        "sha256": model_sha256(model),
        "version": __version__,
        "suffixes": sorted(SUFFIXES),
        "reads_media": importlib.util.find_spec("av") is not None,
        "needs_token": settings.token is not None,
        "limits": {
            "bytes": settings.max_bytes,
            "duration_s": settings.max_duration_s,
            "explained_s": min(settings.max_duration_s, settings.max_explained_s),
            "time_s": settings.time_limit_s,
        },
    }
