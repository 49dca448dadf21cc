"""A preset, a head on vectors, and the mean of both: the same clips and folds, nothing tuned.

The vectors are mean and deviation of 20 MFCC, which anybody can make, and those of files that another program made,
such as ``benchmarks/musicnn_vectors.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

import gmmaudio
from gmmaudio import Corpus, GivenVectors, Report
from gmmaudio.evaluation import ScoredClip, make_report
from results.corpora import manifest_of
from results.record import make_record, write_record

SR = 22_050
N_REPEATS = 5
PRESETS = {"genre": "genre", "language-indomain": "language"}
MFCC = "20 MFCC, mean and deviation"
METRICS = ("accuracy", "log_loss", "ece")
PROTOCOL = (
    "Held out by artist or speaker: by the column `fold` of the corpus, or by five folds, divided {n} times (genre) or "
    "once (language). The preset and the head on vectors are trained and calibrated inside the training side of a "
    "fold, with default settings, and the mean is that of their probabilities. MFCC: librosa, 22,050 Hz. musicnn "
    "0.1.0: `MSD_musicnn`, trained on tags of the Million Song Dataset, which may hold some of these artists; layer "
    "`penultimate`, 200 columns, mean over parts of 3 s. Intervals are 95 % bootstraps over artists or speakers."
)


@dataclass(frozen=True)
class Division:
    """A corpus and how it is divided.

    Parameters
    ----------
    corpus : str
        Folder of GMMAUDIO_DATA.
    fold_column : str or None
        Column that holds the folds; None makes five.
    repeats : int
        Times that it is divided.
    """

    corpus: str
    fold_column: str | None = None
    repeats: int = 1

    @property
    def name(self) -> str:
        """How it is divided, in words."""
        times = "" if self.repeats == 1 else f", {self.repeats} times"
        return f"column `{self.fold_column}`" if self.fold_column else f"five folds{times}"


DIVISIONS = (Division("genre", "fold"), Division("genre", None, N_REPEATS), Division("language-indomain"))


def mfcc_vectors(corpus: Corpus) -> GivenVectors:
    """Return mean and deviation of 20 MFCC of every clip, 40 columns."""
    import librosa

    arrays = {}
    for clip in corpus.clips:
        mfcc = librosa.feature.mfcc(y=gmmaudio.read_audio(corpus.root / clip.path, SR), sr=SR)
        arrays[clip.path] = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])
    return GivenVectors(arrays, MFCC)


def of_vectors(both: ScoredClip, sound: ScoredClip) -> ScoredClip:
    """Return the prediction of the head on vectors alone: twice the mean less that of the sound."""
    mean, first = both.probability or {}, sound.probability or {}
    # rounding may leave a little less than nothing
    second = {label: max(2 * p - first[label], 1e-15) for label, p in mean.items()}
    total = sum(second.values())
    probability = {label: p / total for label, p in second.items()}
    scores = {label: float(np.log(p)) for label, p in probability.items()}
    best = max(probability, key=lambda label: probability[label])
    return replace(both, predicted=best, probability=probability, scores=scores, rejected=None)


def alone(both: Report, sound: Report) -> Report:
    """Return the report of the head on vectors alone."""
    first = {(clip.name, clip.repeat): clip for clip in sound.clips}
    clips = [of_vectors(clip, first[clip.name, clip.repeat]) for clip in both.clips]
    return make_report(clips, both.labels, both.protocol)


def measure(division: Division, given: Mapping[str, Path], cache: Path | None) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each system on one division."""
    corpus, preset = gmmaudio.read_corpus(manifest_of(division.corpus)), PRESETS[division.corpus]
    options: dict[str, Any] = {"fold_column": division.fold_column, "repeats": division.repeats, "durations_s": ()}
    options |= {"open_set": False, "leave_sources_out": False, "n_jobs": 1, "cache": cache}
    sound = gmmaudio.crossval(corpus, preset, **options)
    yield row_of(division, "none", f"preset `{preset}`", sound)
    named = {MFCC: mfcc_vectors(corpus)}
    if division.corpus == "genre":
        named |= {name: GivenVectors(path, name) for name, path in given.items()}
    for name, vectors in named.items():
        both = gmmaudio.crossval(corpus, preset, vectors=vectors, **options)
        yield row_of(division, name, "vectors alone", alone(both, sound))
        yield row_of(division, name, "mean", both)


def row_of(division: Division, vectors: str, system: str, report: Report) -> dict[str, Any]:
    """Return the numbers of a system as plain values."""
    row: dict[str, Any] = {"corpus": division.corpus, "division": division.name, "vectors": vectors, "system": system}
    row |= {"n": report.n, "n_labels": len(report.labels), "n_groups": len({clip.unit for clip in report.clips})}
    for key in METRICS:
        row[key] = {"value": report.metrics.values[key], "interval": report.metrics.intervals.get(key)}
    click.echo(f"{division.corpus}, {division.name}, {vectors}, {system}: {row}", err=True)
    return row


@click.command()
@click.option("--vectors", "files", multiple=True, metavar="NAME=FILE", help="Vectors of the corpus genre.")
@click.option("--corpus", "corpora", multiple=True, type=click.Choice(list(PRESETS)), help="Of these only.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder where features and folds are kept.")
def main(files: tuple[str, ...], corpora: tuple[str, ...], cache: Path | None) -> None:
    """Measure a preset, a head on vectors and their mean, and write results/vectors.json."""
    given = {name: Path(path) for name, path in (text.split("=", 1) for text in files)}
    chosen = [division for division in DIVISIONS if division.corpus in (corpora or PRESETS)]
    rows = [row for division in chosen for row in measure(division, given, cache)]
    title = "A preset, a head on vectors beside its sound, and the mean of both"
    click.echo(f"wrote {write_record(make_record('vectors', title, PROTOCOL.format(n=N_REPEATS), rows))}")


if __name__ == "__main__":
    main()
