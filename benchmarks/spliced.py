"""Long recordings with known turns, spliced from clips of speakers and artists whom the model of the same fold lacks.

``python -m benchmarks.spliced FOLDER --split dev`` writes, for every corpus and fold, the model and the recordings::

    FOLDER/genre/fold-0/model.safetensors     trained on the other folds
                        recordings.csv        path, kind, gap, duration_s
                        truth.csv             path, start, end, label: the turns
                        truth.rttm            the same turns
                        turns-00.flac ...     the recordings

The split ``dev`` is for choosing settings, ``test`` for what is reported: other folds, so other speakers and artists.
The same seed gives the same bytes.

A turn is of one label: the clips of one speaker or artist in random order, and where these have all been heard, those
of the next. Clips are joined without pauses, brought to one level (each speaker's by one gain), and their edges faded
over 5 ms. Turns last 3 to 60 s, drawn log-uniformly; neighbours are of other labels. Between them is nothing, or 0.3 to
2 s of digital silence, or as long of noise 40 dB below the turns. Kinds of recordings:

- ``turns``: 3 to 10 minutes of turns, every label as likely;
- ``mixture``: 35 minutes of turns of four labels, shares 36, 30, 24 and 10 %;
- ``one label``: 3 to 5 minutes of one label, several speakers or artists;
- ``one group``: the same of one speaker or artist, whose clips recur in another order.
"""

from __future__ import annotations

import csv
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import lfilter

import gmmaudio
from gmmaudio.corpus import Clip, Corpus, Fold, plan_split
from gmmaudio.models import Recipe
from gmmaudio.pipeline import CrossvalOptions
from results.corpora import manifest_of

SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "dev": {"language-indomain": ("0", "1"), "genre": ("0", "1")},
    "test": {"language-indomain": ("2", "3", "4"), "genre": ("2", "3")},
}
GAPS = ("none", "digital", "noise")
TURN_S, GAP_S = (3.0, 60.0), (0.3, 2.0)
TURNS_MIN, LABEL_MIN, MIXTURE_MIN = (3.0, 10.0), (3.0, 5.0), 35.0
SHARES = (0.36, 0.30, 0.24, 0.10)
# root mean square of a turn, of full scale, and of the noise between turns
LEVEL, NOISE_LEVEL = 0.05, 0.0005
FADE_S = 0.005

Array = npt.NDArray[np.float32]
# the clips of each group of each label
Material = Mapping[str, Mapping[str, Sequence[Array]]]


@dataclass(frozen=True)
class Turn:
    """A stretch of one label, seconds from the start of the recording."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, eq=False)
class Recording:
    """Samples, mono, with the turns that they were spliced from."""

    name: str
    kind: str
    gap: str
    samples: Array
    sr: int
    turns: tuple[Turn, ...]

    @property
    def duration_s(self) -> float:
        """Length, seconds."""
        return len(self.samples) / self.sr


@dataclass(frozen=True)
class Task:
    """A corpus, how it is divided into folds, and the settings of its models."""

    corpus: Corpus
    division: CrossvalOptions
    recipe: Recipe

    def folds(self) -> dict[str, Fold]:
        """Return the folds by name."""
        clips = plan_split(self.corpus.clips, fold_column=self.division.fold_column)
        units = [clip.held_out_by or clip.path for clip in clips]
        folds = self.division.divide([clip.label for clip in clips], units, [clip.fold for clip in clips], 0)
        return {fold.name: fold for fold in folds}

    def clips(self, indices: Sequence[int]) -> Corpus:
        """Return the corpus with some of its clips only."""
        return replace(self.corpus, clips=tuple(self.corpus.clips[i] for i in indices))


def tasks() -> dict[str, Task]:
    """Return the tasks by the name of their corpus."""
    return {
        "language-indomain": Task(
            gmmaudio.read_corpus(manifest_of("language-indomain")),
            CrossvalOptions(folds=5),
            gmmaudio.make_recipe("language", trial_s=6.0),
        ),
        "genre": Task(
            gmmaudio.read_corpus(manifest_of("genre")),
            CrossvalOptions(fold_column="fold"),
            gmmaudio.make_recipe("genre"),
        ),
    }


def read_material(root: Path, clips: Sequence[Clip]) -> tuple[Material, int]:
    """Return the samples of clips by label and group, and their sample rate, which is one for all."""
    material: dict[str, dict[str, list[Array]]] = defaultdict(lambda: defaultdict(list))
    rates = set()
    for clip in clips:
        samples, sr = soundfile.read(root / clip.path, dtype="float32", always_2d=True)
        material[clip.label][clip.group or clip.path].append(samples.mean(axis=1))
        rates.add(sr)
    (rate,) = rates
    return material, rate


def join_clips(groups: Sequence[Sequence[Array]], n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of the clips of one group after another, both in random order, again and again."""
    parts: list[Array] = []
    left = n
    while left:
        for i in rng.permutation(len(groups)):
            gain = LEVEL / max(float(np.sqrt(np.mean(np.square(np.concatenate(groups[i]))))), 1e-6)
            for k in rng.permutation(len(groups[i])):
                part = faded(excerpt(groups[i][k], left, rng) * np.float32(gain), sr)
                parts.append(part)
                left -= len(part)
                if not left:
                    return np.concatenate(parts)
    return np.zeros(0, np.float32)


def excerpt(clip: Array, n: int, rng: np.random.Generator) -> Array:
    """Return n samples in a row from anywhere in a clip, or all where it is shorter."""
    first = rng.integers(len(clip) - n + 1) if len(clip) > n else 0
    return clip[first : first + n]


def faded(samples: Array, sr: int) -> Array:
    """Return samples that rise from zero and fall to it."""
    n = min(round(FADE_S * sr), len(samples) // 2)
    ramp = np.linspace(0, 1, n, endpoint=False, dtype=np.float32)
    middle = np.ones(len(samples) - 2 * n, np.float32)
    shaped: Array = samples * np.concatenate([ramp, middle, ramp[::-1]])
    return shaped


def pause(gap: str, sr: int, rng: np.random.Generator) -> Array:
    """Return what lies between two turns: nothing, zeros, or noise that falls off above 500 Hz."""
    if gap == "none":
        return np.zeros(0, np.float32)
    n = round(rng.uniform(*GAP_S) * sr)
    if gap == "digital":
        return np.zeros(n, np.float32)
    pole = np.exp(-2 * np.pi * 500 / sr)
    noise = lfilter([1.0], [1.0, -pole], rng.standard_normal(n))
    result: Array = (NOISE_LEVEL / np.sqrt(np.mean(np.square(noise))) * noise).astype(np.float32)
    return result


def even_turns(labels: Sequence[str], total_s: float, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Yield label and seconds of turns, every other label as likely as the next."""
    label, left_s = "", total_s
    while left_s > 0:
        label = str(rng.choice([name for name in labels if name != label]))
        seconds = turn_seconds(left_s, rng)
        yield label, seconds
        left_s -= seconds


def shared_turns(seconds: Mapping[str, float], rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Yield label and seconds of turns that add up to given seconds of each label."""
    left, label = dict(seconds), ""
    while left:
        others = [name for name in left if name != label] or list(left)
        weights = np.array([left[name] for name in others])
        label = str(rng.choice(others, p=weights / weights.sum()))
        turn_s = turn_seconds(left[label], rng)
        yield label, turn_s
        left[label] -= turn_s
        if left[label] <= 0:
            del left[label]


def turn_seconds(left_s: float, rng: np.random.Generator) -> float:
    """Return the length of a turn, all of what is left where the rest would be too short for another."""
    seconds = float(np.exp(rng.uniform(*np.log(TURN_S))))
    return left_s if left_s - seconds < TURN_S[0] else seconds


def splice(
    name: str,
    kind: str,
    gap: str,
    material: Material,
    sr: int,
    plan: Sequence[tuple[str, float]],
    rng: np.random.Generator,
) -> Recording:
    """Return the recording of planned turns."""
    parts: list[Array] = []
    turns: list[Turn] = []
    at = 0
    for i, (label, seconds) in enumerate(plan):
        between = pause(gap, sr, rng) if i else np.zeros(0, np.float32)
        sound = join_clips(list(material[label].values()), round(seconds * sr), sr, rng)
        parts += [between, sound]
        start = at + len(between)
        at = start + len(sound)
        turns.append(Turn(start / sr, at / sr, label))
    return Recording(name, kind, gap, np.clip(np.concatenate(parts), -1, 1), sr, joined(turns))


def joined(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return turns with those of one label that touch as one."""
    result = [turns[0]]
    for before, after in pairwise(turns):
        if before.label == after.label and before.end_s == after.start_s:
            result[-1] = replace(result[-1], end_s=after.end_s)
        else:
            result.append(after)
    return tuple(result)


def recordings(
    material: Material, sr: int, seed: Sequence[int], *, n_turns: int = 6, mixture: bool = False, uniform: bool = True
) -> Iterator[Recording]:
    """Yield the recordings of a fold, each from random numbers of its own.

    Parameters
    ----------
    material : mapping
        Clips by label and group.
    sr : int
        Their sample rate, Hz.
    seed : sequence of int
        Seed of the fold.
    n_turns : int
        Recordings of turns; the kinds of gaps take turns.
    mixture : bool
        Also the long mixture, of four labels at random.
    uniform : bool
        Also recordings of one label each, and of one group each.
    """
    labels = sorted(material)
    for i in range(n_turns):
        rng = np.random.default_rng([*seed, 0, i])
        plan = list(even_turns(labels, 60 * rng.uniform(*TURNS_MIN), rng))
        yield splice(f"turns-{i:02}", "turns", GAPS[i % len(GAPS)], material, sr, plan, rng)
    if mixture:
        rng = np.random.default_rng([*seed, 1])
        chosen = rng.permutation(labels)[: len(SHARES)]
        parts = {str(label): 60 * MIXTURE_MIN * share for label, share in zip(chosen, SHARES, strict=True)}
        yield splice("mixture", "mixture", "none", material, sr, list(shared_turns(parts, rng)), rng)
    for i, label in enumerate(labels if uniform else ()):
        rng = np.random.default_rng([*seed, 2, i])
        group = str(rng.choice(sorted(material[label])))
        for kind, groups in (("one label", material[label]), ("one group", {group: material[label][group]})):
            plan = [(label, 60 * rng.uniform(*LABEL_MIN))]
            name = f"{kind.replace(' ', '-')}-{i:02}"
            yield splice(name, kind, "none", {label: groups}, sr, plan, rng)


def write_recordings(folder: Path, spliced: Iterator[Recording]) -> None:
    """Write recordings as FLAC, with their list and their turns."""
    rows: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    lines: list[str] = []
    for recording in spliced:
        path = f"{recording.name}.flac"
        soundfile.write(folder / path, recording.samples, recording.sr, subtype="PCM_16")
        rows.append({"path": path, "kind": recording.kind, "gap": recording.gap, "duration_s": recording.duration_s})
        for turn in recording.turns:
            turns.append({"path": path, "start": turn.start_s, "end": turn.end_s, "label": turn.label})
            times = f"{turn.start_s:.4f} {turn.end_s - turn.start_s:.4f}"
            lines.append(f"SPEAKER {recording.name} 1 {times} <NA> <NA> {turn.label} <NA> <NA>\n")
    write_rows(folder / "recordings.csv", rows)
    write_rows(folder / "truth.csv", turns)
    (folder / "truth.rttm").write_text("".join(lines), encoding="utf-8")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def train_model(task: Task, fold: Fold, path: Path, n_jobs: int) -> None:
    """Write the model of a fold, trained on its training side."""
    result = gmmaudio.train(task.clips(fold.train), task.recipe, n_jobs=n_jobs)
    # all recordings are spliced from clips of the sources that were trained on
    gmmaudio.save_model(result.model.in_domain(), path)


def fold_seed(seed: int, corpus: str, fold: str) -> tuple[int, ...]:
    """Return the seed of a fold's recordings."""
    return seed, zlib.crc32(f"{corpus}/{fold}".encode())


def make_fold(
    folder: Path, task: Task, corpus: str, fold: Fold, *, first: bool, seed: int = 0, n_turns: int = 6, n_jobs: int = 2
) -> None:
    """Write the model and the recordings of a fold; the first of a split has the mixture too."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.safetensors"
    if not model.exists():
        train_model(task, fold, model, n_jobs)
    held_out = task.clips(fold.test)
    material, sr = read_material(held_out.root, held_out.clips)
    seeds = fold_seed(seed, corpus, fold.name)
    write_recordings(folder, recordings(material, sr, seeds, n_turns=n_turns, mixture=first))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--split", type=click.Choice(list(SPLITS)), default="dev", show_default=True)
@click.option("--corpus", "only", multiple=True, type=click.Choice(list(SPLITS["dev"])), help="Default: all.")
@click.option("--seed", default=0, show_default=True, help="Of the splices; models have their own.")
@click.option("--n-turns", default=6, show_default=True, help="Recordings of turns in each fold.")
@click.option("-j", "--jobs", default=2, show_default=True)
def main(folder: Path, split: str, only: tuple[str, ...], seed: int, n_turns: int, jobs: int) -> None:
    """Write models and spliced recordings into FOLDER; a model that is there is kept."""
    for corpus, task in tasks().items():
        if only and corpus not in only:
            continue
        folds = task.folds()
        for i, name in enumerate(SPLITS[split][corpus]):
            target = folder / corpus / f"fold-{name}"
            make_fold(target, task, corpus, folds[name], first=not i, seed=seed, n_turns=n_turns, n_jobs=jobs)
            click.echo(f"wrote {target}")


if __name__ == "__main__":
    main()
