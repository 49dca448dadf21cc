"""A model and files -> predictions, one at a time, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gmmaudio.compute import ordered_map
from gmmaudio.corpus import Clip
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, Rows, make_rows
from gmmaudio.models import Model, Prediction
from gmmaudio.trials import Task, check_lengths, extract_clip


@dataclass(frozen=True)
class Classified:
    """What a model says of one file.

    Parameters
    ----------
    path : str
        As it was given.
    prediction : Prediction
        Label and scores.
    duration_s : float
        Decoded length, seconds.
    """

    path: str
    prediction: Prediction
    duration_s: float


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows of one file.

    Parameters
    ----------
    path : str
        As it was given.
    rows : Rows
        Gated and normalised.
    duration_s : float
        Decoded length, seconds.
    """

    path: str
    rows: Rows
    duration_s: float


def classify(
    model: Model,
    paths: Sequence[str],
    *,
    priors: Mapping[str, float] | None = None,
    min_duration_s: float = 0.5,
    n_jobs: int = 1,
) -> Iterator[Classified | FailedInput]:
    """Yield what a model says of each file, or why it says nothing, in the order of the paths.

    Parameters
    ----------
    model : Model
        What to ask.
    paths : sequence of str
        Audio files.
    priors : mapping of str to float or None
        As for :meth:`gmmaudio.model.Recogniser.predict`.
    min_duration_s : float
        Least decoded length, seconds.
    n_jobs : int
        Worker processes.

    Raises
    ------
    SettingError
        If the priors do not go with the model.
    """
    check_lengths(min_duration_s)
    if priors is not None:
        model.recogniser.prior_of(priors)
    tasks = [Task(Path(), Clip(path, ""), model.features, min_duration_s) for path in paths]
    return ordered_map(partial(_classify, model, priors), tasks, n_jobs)


def read_rows(
    config: FeatureSettings, paths: Sequence[str], *, min_duration_s: float = 0.5, n_jobs: int = 1
) -> Iterator[FileRows | FailedInput]:
    """Yield the rows of each file, or why there are none, in the order of the paths.

    Parameters
    ----------
    config : FeatureSettings
        The front end.
    paths : sequence of str
        Audio files.
    min_duration_s : float
        Least decoded length, seconds.
    n_jobs : int
        Worker processes.
    """
    check_lengths(min_duration_s)
    return ordered_map(_rows, [Task(Path(), Clip(path, ""), config, min_duration_s) for path in paths], n_jobs)


def _rows(task: Task) -> FileRows | FailedInput:
    """Return the rows of one file, or why there are none."""
    found = extract_clip(task)
    if isinstance(found, FailedInput):
        return found
    return FileRows(task.clip.path, make_rows([found.raw], task.config), found.duration_s)


def _classify(model: Model, priors: Mapping[str, float] | None, task: Task) -> Classified | FailedInput:
    """Return what the model says of one file, or why it says nothing."""
    found = _rows(task)
    if isinstance(found, FailedInput):
        return found
    return Classified(task.clip.path, model.predict(found.rows, priors), found.duration_s)
