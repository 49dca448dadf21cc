"""The digest of trials: by content, from the hashes of their samples, without a pass over their rows."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence

from gmmaudio.trials.trial import Segment, Trial


def digest_trials(trials: Sequence[Trial]) -> str:
    """Return the SHA-256 of all that a fit or a prediction takes from trials, beside the settings of their rows.

    It covers their order, names, labels, groups and sources; the hashes of the samples of their clips, and which of the
    frames are theirs; the number of rows, and the first and the last of these; and all vectors that were given.

    Parameters
    ----------
    trials : sequence of Trial
        Trials, whose degraded copies count too.

    Returns
    -------
    str
        Hexadecimal digits.

    Examples
    --------
    >>> digest_trials([])[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for trial in trials:
        for each in (trial, *trial.copies):
            digest.update(_identity(each))
        if trial.vectors is not None:
            digest.update(f"{trial.vectors.frames}{trial.vectors.values.shape}".encode())
            digest.update(trial.vectors.values.tobytes())
        digest.update(b"\n")
    return digest.hexdigest()


def _identity(trial: Trial) -> bytes:
    """Return the bytes that stand for one trial."""
    segments = [_part(segment) for segment in trial.segments]
    ends = zlib.crc32(trial.rows.values[[0, -1]].tobytes()) if trial.n_rows else 0
    return json.dumps([trial.name, trial.unit, trial.duration_s, trial.n_rows, ends, segments]).encode()


def _part(segment: Segment) -> list[object]:
    """Return the plain values that stand for a segment of a clip."""
    item, clip = segment.extracted, segment.extracted.clip
    return [
        [clip.path, clip.label, clip.group, clip.held_out_by, clip.source],
        [item.sha256, item.n_frames, segment.first, segment.last, segment.duration_s],
    ]
