"""Predictions as columns: arrays of scores and probabilities, and plain values, from which they are made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.records import ScoredClip

# fields of a prediction that are plain values
PLAIN = (
    "name",
    "paths",
    "label",
    "group",
    "unit",
    "source",
    "fold",
    "repeat",
    "predicted",
    "duration_s",
    "rejected",
    "start_s",
    "end_s",
    "nearest_group",
)
NAMED = ("scores", "probability")


def to_columns(clips: Sequence[ScoredClip]) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Any]]:
    """Return predictions as arrays and plain values for JSON.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions of one recogniser.

    Returns
    -------
    arrays : dict of str to ndarray, shape (n, n_labels), float64
        ``scores``, and ``probability`` where there is one.
    record : dict
        ``labels``, and a list for each other field.

    Raises
    ------
    SettingError
        If they have scores, or probabilities, of unlike labels.

    Examples
    --------
    >>> clip = ScoredClip("1.wav", ("1.wav",), "en", "ann", "ann", None, "1", 0, "en", {"en": -1.0, "fr": -np.inf})
    >>> arrays, record = to_columns([clip])
    >>> arrays["scores"], record["labels"], from_columns(arrays, record) == [clip]
    (array([[ -1., -inf]]), ['en', 'fr'], True)
    """
    labels = list(clips[0].scores) if clips else []
    arrays = {}
    for name in NAMED:
        values = [getattr(clip, name) for clip in clips]
        if any(value is not None for value in values):
            if not all(value is not None and list(value) == labels for value in values):
                raise SettingError("predictions of one recogniser have the same labels in the same order")
            arrays[name] = np.array([list(value.values()) for value in values], dtype=np.float64)
    return arrays, {"labels": labels, **{name: [getattr(clip, name) for clip in clips] for name in PLAIN}}


def from_columns(arrays: Mapping[str, npt.NDArray[np.float64]], record: Mapping[str, Any]) -> list[ScoredClip]:
    """Return the predictions that :func:`to_columns` gave as arrays and plain values.

    Parameters
    ----------
    arrays, record
        Results of :func:`to_columns`.

    Examples
    --------
    >>> from_columns(*to_columns([]))
    []
    """
    labels = record["labels"]
    named = {name: [dict(zip(labels, row, strict=True)) for row in arrays[name].tolist()] for name in arrays}
    columns = {name: record[name] for name in PLAIN} | named
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [ScoredClip(**{**row, "paths": tuple(row["paths"])}) for row in rows]
