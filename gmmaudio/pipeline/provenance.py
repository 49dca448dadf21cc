"""What an evaluation was made from: clips with content hashes, folds, settings, versions, the machine, the time."""

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
    """When something began.

    Parameters
    ----------
    began : str
        ISO 8601, UTC.
    ticks : float
        Of a clock that only goes forward, seconds.
    """

    began: str
    ticks: float

    @classmethod
    def start(cls) -> Clock:
        """Return the time now."""
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic())

    @property
    def seconds(self) -> float:
        """Seconds since."""
        return round(time.monotonic() - self.ticks, 1)


def versions() -> dict[str, str]:
    """Return the versions of this package and of the libraries whose numbers it rests on."""
    names = ("gmmaudio", "numpy", "scipy", "librosa", "soundfile", "soxr", "scikit-learn")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def machine() -> str:
    """Return what the last bits of a number can depend on: system, processor, kernels of the numeric libraries."""
    kernels = sorted({str(pool.get("architecture")) for pool in threadpool_info() if pool.get("architecture")})
    return ", ".join([platform.system(), platform.machine(), *kernels])


def run_record(
    kind: str,
    corpus: Corpus,
    trial_set: TrialSet,
    options: Mapping[str, Any],
    divisions: Sequence[Sequence[Fold]] = (),
) -> dict[str, Any]:
    """Return what ``gmmaudio reproduce`` needs to run an evaluation again, as plain values.

    Parameters
    ----------
    kind : {"crossval", "evaluate"}
        What was run.
    corpus : Corpus
        Where the clips are, and what should be said of them.
    trial_set : TrialSet
        The clips to read again, and what came of them; those that were not decoded have no hash.
    options : mapping
        All arguments of the function that was run, as plain values.
    divisions : sequence of sequence of Fold
        The folds of every repeat; trials that a fold neither scores nor leaves out are trained on.
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
    """Return what the corpus says of a clip, and the hash of its samples; what a split decided is decided anew."""
    row = asdict(clip) | {"extra": dict(clip.extra), "sha256": sha256}
    return {name: value for name, value in row.items() if name not in ("held_out_by", "fold")}


def _fold(repeat: int, fold: Fold, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return one fold: places in the list of trials."""
    kept = {*fold.train, *fold.test}
    return {
        "repeat": repeat,
        "name": fold.name,
        "test": list(fold.test),
        "left_out": [i for i in range(len(trials)) if i not in kept],
    }
