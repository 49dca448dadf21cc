"""Provenance of an evaluation: clips with content hashes, folds, settings, versions, machine and time."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from threadpoolctl import threadpool_info

from gmmaudio.corpus import Clip, Corpus, Fold
from gmmaudio.trials import Trial, TrialSet


@dataclass(frozen=True)
class Clock:
    """The start of a run.

    Parameters
    ----------
    began : str
        Date and time, ISO 8601, UTC.
    ticks : float
        Value of a monotonic clock, seconds.

    Examples
    --------
    >>> Clock.start().seconds < 60
    True
    """

    began: str
    ticks: float

    @classmethod
    def start(cls) -> Clock:
        """Return a clock that starts now.

        Returns
        -------
        Clock
            Current date and time.
        """
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic())

    @property
    def seconds(self) -> float:
        """Seconds since the start, rounded to tenths."""
        return round(time.monotonic() - self.ticks, 1)


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the libraries on which its numbers depend.

    Returns
    -------
    dict of str to str
        Name -> version.

    Examples
    --------
    >>> list(versions())[:3]
    ['gmmaudio', 'numpy', 'scipy']
    """
    names = ("gmmaudio", "numpy", "scipy", "librosa", "soundfile", "soxr", "scikit-learn")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def machine() -> str:
    """Return system, processor and kernels of the numeric libraries, on which the last bits of numbers can depend.

    Returns
    -------
    str
        Names, separated by commas.

    Examples
    --------
    >>> machine().split(", ")[0] == platform.system()
    True
    """
    kernels = sorted({str(pool.get("architecture")) for pool in threadpool_info() if pool.get("architecture")})
    return ", ".join([platform.system(), platform.machine(), *kernels])


def run_record(
    kind: str,
    corpus: Corpus,
    trial_set: TrialSet,
    options: Mapping[str, Any],
    divisions: Sequence[Sequence[Fold]] = (),
) -> dict[str, Any]:
    """Return the record from which an evaluation can be run again (:func:`gmmaudio.reproduce`), as plain values.

    Parameters
    ----------
    kind : {"crossval", "evaluate"}
        Kind of evaluation.
    corpus : Corpus
        Folder of the clips, and the findings on the corpus.
    trial_set : TrialSet
        Clips, hashes of their samples, and trials.
    options : mapping
        All arguments of the function that was run, as plain values.
    divisions : sequence of sequence of Fold
        The folds of every repeat; trials that a fold neither scores nor leaves out are trained on.

    Returns
    -------
    dict
        Plain values for the JSON of a report.

    Examples
    --------
    >>> from pathlib import Path
    >>> clip = Clip("1.wav", "en")
    >>> trial_set = TrialSet([], [], (), (clip,), (None,))
    >>> record = run_record("evaluate", Corpus(Path("my_music"), (clip,)), trial_set, {"split": None})
    >>> record["kind"], record["root"], record["manifest"][0]["sha256"]
    ('evaluate', 'my_music', None)
    """
    return {
        "kind": kind,
        "root": str(corpus.root),
        "findings": [asdict(finding) for finding in corpus.findings],
        "options": dict(options),
        "manifest": [
            _manifest_row(clip, sha256) for clip, sha256 in zip(trial_set.clips, trial_set.sha256, strict=True)
        ],
        "trials": [trial.name for trial in trial_set.trials],
        "folds": [
            _fold(repeat, fold, trial_set.trials) for repeat, division in enumerate(divisions) for fold in division
        ],
    }


def _manifest_row(clip: Clip, sha256: str | None) -> dict[str, Any]:
    """Return the fields of a clip and the hash of its samples, without the fields that a split sets."""
    row = asdict(clip) | {"extra": dict(clip.extra), "sha256": sha256}
    return {name: value for name, value in row.items() if name not in ("held_out_by", "fold")}


def _fold(repeat: int, fold: Fold, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return a fold as indices into the list of trials."""
    return {
        "repeat": repeat,
        "name": fold.name,
        "test": list(fold.test),
        "left_out": list(fold.left_out(len(trials))),
    }
