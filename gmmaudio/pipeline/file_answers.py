"""The answers of a model for single files under a limit of length: prediction, timeline and explanation."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from gmmaudio.corpus import Clip
from gmmaudio.evaluation import FailedInput
from gmmaudio.models import Model, Prediction
from gmmaudio.models.explanations import Explanation
from gmmaudio.pipeline.classification import classify_file, file_extraction
from gmmaudio.pipeline.explanation_run import explain_file, own_windows
from gmmaudio.pipeline.timeline_run import TimelineSettings, scan_file
from gmmaudio.timelines import Timeline
from gmmaudio.trials import Extraction, as_failure


@dataclass(frozen=True)
class FileAnswers:
    """The answers of a model for single files, the same as those of the functions for many files.

    They are made in this process, without a cache.

    Parameters
    ----------
    model : Model
        The model, which takes sound.
    min_duration_s : float
        Shortest decoded length, seconds.
    max_duration_s : float
        Longest decoded length, seconds; what is longer fails with the code ``too_long``.

    Raises
    ------
    SettingError
        If the shortest length is outside its bounds, or the model takes rows that are given.

    Examples
    --------
    >>> import gmmaudio
    >>> answers = FileAnswers(gmmaudio.train("my_music", preset="genre").model, max_duration_s=5.0)
    >>> answers.classify("song.wav").code
    'too_long'
    """

    model: Model
    min_duration_s: float = 0.5
    max_duration_s: float = math.inf

    def __post_init__(self) -> None:
        self.model.check_of_sound()
        self._extraction()

    def classify(self, path: str | os.PathLike[str]) -> Prediction:
        """Return the prediction for a file, as :func:`gmmaudio.classify`.

        Parameters
        ----------
        path : path-like
            An audio file.
        """
        return classify_file(self.model, None, None, self._extraction(), Clip(os.fspath(path), "")).result

    def timeline(self, path: str | os.PathLike[str]) -> Timeline | FailedInput:
        """Return the timeline of a file, as :func:`gmmaudio.timeline`, or its failure.

        Parameters
        ----------
        path : path-like
            An audio file.
        """
        settings = TimelineSettings(min_duration_s=self.min_duration_s, max_duration_s=self.max_duration_s)
        try:
            return scan_file(self.model, settings, Path(path), os.fspath(path))
        except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop others
            return as_failure(os.fspath(path), error)

    def explain(self, path: str | os.PathLike[str]) -> Explanation:
        """Return the explanation of the prediction for a file, as :func:`gmmaudio.explain`.

        Parameters
        ----------
        path : path-like
            An audio file.
        """
        clip = Clip(os.fspath(path), "")
        return explain_file(self.model, self._extraction(), clip, own_windows(self.model))[0]

    def _extraction(self) -> Extraction:
        """Return the settings under which files are decoded."""
        tables = self.model.front_end_tables()
        return file_extraction(
            self.model.features, tables, self.min_duration_s, None, max_duration_s=self.max_duration_s
        )
