"""Rows of other programs beside the front ends of this one: the same kinds of model, the same clips, the same folds.

kaldi-native-fbank gives 13 MFCC every 10 ms, whose mean and deviation over the clip are taken out here; openSMILE gives
the 88 functionals of eGeMAPS, one vector for each clip. Both are handed in as ``gmmaudio crossval --rows`` takes them.
They are installed by ``pip install kaldi-native-fbank opensmile``; nothing else of this project needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import click
import numpy as np
import numpy.typing as npt

import gmmaudio
from gmmaudio import Corpus, GivenRows, Recipe
from gmmaudio.corpus import Clip, random_folds
from results.corpora import manifest_of
from results.record import make_record, write_record

Floats = npt.NDArray[np.floating[Any]]
SR = 16_000
N_FOLDS = 5
PROTOCOL = (
    "Five folds by speaker, divided once for all; every system is trained and calibrated inside the training side of a "
    "fold, with the settings of the preset for its kind. Trials are clips joined to about 6 s, or clips as they are. "
    "MFCC of kaldi-native-fbank: 13, every 10 ms, dither off, normalised to mean 0 and deviation 1 over the clip; "
    "eGeMAPS: 88 functionals of openSMILE, a vector for each clip. Intervals are 95 % bootstraps over speakers. One "
    "corpus for each language, so that language and recording cannot be told apart: figures compare front ends, and "
    "claim nothing of languages."
)


@dataclass(frozen=True)
class System:
    """A front end with a kind of model.

    Parameters
    ----------
    front_end : str
        What makes the rows.
    recipe : Recipe
        Settings.
    rows : callable or None
        Makes the rows of a corpus; None is this project's own front end.
    """

    front_end: str
    recipe: Recipe
    rows: Callable[[Corpus], GivenRows] | None = None


def kaldi_rows(corpus: Corpus) -> GivenRows:
    """Return the MFCC of kaldi-native-fbank of every clip, normalised over it."""
    return GivenRows(
        {clip.path: normalised(kaldi_mfcc(samples)) for clip, samples in sounds(corpus)},
        rows_name="kaldi-native-fbank MFCC 13, CMVN",
        rows_rate_hz=100.0,
    )


def kaldi_mfcc(samples: npt.NDArray[np.float32]) -> Floats:
    """Return 13 MFCC of frames of 25 ms every 10 ms, shape (n, 13)."""
    import kaldi_native_fbank as kaldi

    options = kaldi.MfccOptions()
    options.frame_opts.samp_freq = SR
    options.frame_opts.dither = 0.0
    # as many frames as there are steps, so that joined clips keep their length
    options.frame_opts.snip_edges = False
    options.use_energy = False
    online = kaldi.OnlineMfcc(options)
    online.accept_waveform(SR, (32768 * samples).tolist())
    online.input_finished()
    frames: Floats = np.stack([online.get_frame(i) for i in range(online.num_frames_ready)])
    return frames


def normalised(frames: Floats) -> Floats:
    """Return frames without their mean and deviation over the clip."""
    scaled: Floats = (frames - frames.mean(axis=0)) / np.maximum(frames.std(axis=0), 1e-6)
    return scaled


def opensmile_rows(corpus: Corpus) -> GivenRows:
    """Return the functionals of eGeMAPS of every clip, a vector each."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    vectors = {clip.path: smile.process_signal(samples, SR).to_numpy()[0] for clip, samples in sounds(corpus)}
    return GivenRows(vectors, rows_name="openSMILE eGeMAPSv02 functionals")


def sounds(corpus: Corpus) -> Iterator[tuple[Clip, npt.NDArray[np.float32]]]:
    """Yield every clip with its samples."""
    for clip in corpus.clips:
        yield clip, gmmaudio.read_audio(corpus.root / clip.path, SR)


def systems() -> list[System]:
    """Return the systems in the order of the table: of each kind, this project's front end first."""
    frames, supervector = (
        gmmaudio.make_recipe("language", kind=kind, augment=()) for kind in ("frames", "supervector")
    )
    blocks = gmmaudio.make_recipe("language", kind="blocks", trial_s=0)
    return [
        System("gmmaudio: 7 MFCC + SDC, preset `language`", frames),
        System("kaldi-native-fbank: 13 MFCC", frames, kaldi_rows),
        System("gmmaudio: 7 MFCC + SDC, warped, VTLN, preset `language`", supervector),
        System("kaldi-native-fbank: 13 MFCC", supervector, kaldi_rows),
        System("gmmaudio: 7 MFCC + SDC, blocks of 3 s, preset `language`", blocks),
        System("openSMILE: eGeMAPS, one vector", blocks, opensmile_rows),
    ]


def with_folds(corpus: Corpus) -> Corpus:
    """Return a corpus whose column ``fold`` divides it by speaker."""
    units = [clip.group or clip.path for clip in corpus.clips]
    folds = random_folds([clip.label for clip in corpus.clips], units, N_FOLDS, np.random.default_rng(0))
    names = {i: fold.name for fold in folds for i in fold.test}
    clips = (replace(clip, extra={**clip.extra, "fold": names.get(i, "")}) for i, clip in enumerate(corpus.clips))
    return replace(corpus, clips=tuple(clips))


def measure(corpus_name: str) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each system on one corpus."""
    corpus = with_folds(gmmaudio.read_corpus(manifest_of(corpus_name)))
    made: dict[Callable[[Corpus], GivenRows], GivenRows] = {}
    for system in systems():
        rows = None
        if system.rows is not None:
            rows = made.setdefault(system.rows, made.get(system.rows) or system.rows(corpus))
        report = gmmaudio.crossval(
            corpus, system.recipe, rows=rows, fold_column="fold", durations_s=(), open_set=False, n_jobs=1
        )
        row: dict[str, Any] = {
            "corpus": corpus_name,
            "kind": system.recipe.kind_settings.kind,
            "trial_s": system.recipe.trial_s or 0.0,
            "front_end": system.front_end,
            "n": report.n,
            "n_labels": len(report.labels),
            "n_groups": len({clip.unit for clip in report.clips}),
            "n_failed": len(report.failed),
        }
        for key in ("accuracy", "balanced_accuracy", "cllr"):
            row[key] = {"value": report.metrics.values[key], "interval": report.metrics.intervals[key]}
        click.echo(f"{row['kind']}, {row['front_end']}: {100 * row['accuracy']['value']:.1f} % of {row['n']}", err=True)
        yield row


@click.command()
@click.argument("corpora", nargs=-1)
def main(corpora: tuple[str, ...]) -> None:
    """Measure the front ends on CORPORA of speech, and write results/own_rows.json."""
    rows = [row for name in corpora or ("language-indomain",) for row in measure(name)]
    title = "Rows of other programs beside our own front ends, on the same folds"
    packages = ("kaldi-native-fbank", "opensmile")
    click.echo(f"wrote {write_record(make_record('own_rows', title, PROTOCOL, rows, packages))}")


if __name__ == "__main__":
    main()
