"""The segmenters that ``timeline.py`` sets gmmaudio's timeline beside: each turns a recording into a timeline.

- ``10 s windows, vote``: `classify` on windows of 10 s one after another, the most probable label of each;
- ``10 s windows, Viterbi``: the same, the path of labels that is most probable where a change costs;
- ``windows each second, Viterbi``: the same on windows that overlap, each for the second in its middle;
- ``ruptures``: change points of the posteriors of those windows by its ``KernelCPD`` with a linear kernel (PELT), the
  most probable label between two of them;
- ``pyAudioAnalysis``: its ``mid_term_file_classification``, segments of a fixed size of 1 s, with a support vector
  machine that its ``extract_features_and_train`` trains on the clips that the model of gmmaudio was trained on.

None of them answers that a label is unknown, or has a state for silence.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

import gmmaudio
from benchmarks.spliced import Task, write_rows
from gmmaudio.corpus import Fold
from gmmaudio.errors import FeatureError
from gmmaudio.features import RawFrames, make_rows, raw_frames
from gmmaudio.models import Model
from gmmaudio.timelines import Timeline, TimelineSegment

PEER = "pyAudioAnalysis"
VOTE, VITERBI, SLIDING, RUPTURES = (
    "10 s windows, vote",
    "10 s windows, Viterbi",
    "windows each second, Viterbi",
    "ruptures",
)
VOTE_S, HOP_S = 10.0, 1.0
# seconds of a segment and of a short-term window of pyAudioAnalysis, as its documentation has them
PEER_S, PEER_SHORT_S = 1.0, 0.05
PEER_FILE = "pyAudioAnalysis.csv"
SHORTEST_S = 0.5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Posteriors of labels in windows, and the times between which each window's label holds.

    Parameters
    ----------
    posteriors : ndarray, shape (n, n_labels)
        Rows sum to 1.
    edges : ndarray, shape (n + 1,)
        Seconds, ascending, from 0 to the end of the recording.
    """

    posteriors: Array
    edges: Array


@dataclass(frozen=True, eq=False)
class Case:
    """A spliced recording, its turns, and the model of its fold."""

    corpus: str
    fold: str
    path: Path
    kind: str
    gap: str
    truth: Timeline
    model: Model
    kept: dict[tuple[float, float], Windows] = field(default_factory=dict)

    @cached_property
    def frames(self) -> RawFrames:
        """The frames of the recording."""
        settings = self.model.features.frames
        samples = gmmaudio.read_audio(self.path, settings.sample_rate_hz)
        return raw_frames([samples], settings, self.model.front_end_tables())

    def windows(self, window_s: float, hop_s: float) -> Windows:
        """Return the posteriors of windows, which are kept."""
        key = (window_s, hop_s)
        if key not in self.kept:
            self.kept[key] = score_windows(self.model, self.frames, self.truth.duration_s, window_s, hop_s)
        return self.kept[key]


def read_cases(folder: Path, corpus: str) -> list[Case]:
    """Return the recordings of a fold that ``spliced.make_fold`` wrote."""
    model = gmmaudio.load_model(folder / "model.safetensors")
    turns = read_segments(folder / "truth.csv")
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return [
        Case(
            corpus,
            folder.name,
            folder / row["path"],
            row["kind"],
            row["gap"],
            Timeline(turns[row["path"]], duration_s=float(row["duration_s"])),
            model,
        )
        for row in rows
    ]


def read_segments(path: Path) -> dict[str, tuple[TimelineSegment, ...]]:
    """Return the segments of each recording in a table."""
    segments: dict[str, tuple[TimelineSegment, ...]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            segment = TimelineSegment(float(row["start"]), float(row["end"]), row["label"])
            segments[row["path"]] = (*segments.get(row["path"], ()), segment)
    return segments


def score_windows(model: Model, frames: RawFrames, duration_s: float, window_s: float, hop_s: float) -> Windows:
    """Return the posteriors of windows; where they overlap, each holds for what is nearest to its middle."""
    last_s = duration_s - (window_s if hop_s < window_s else SHORTEST_S)
    starts = np.arange(0, max(last_s, 0) + 1e-9, hop_s)
    posteriors = np.stack([posterior(model, frames, start, start + window_s) for start in starts])
    inner = starts[1:] + (window_s - hop_s) / 2
    return Windows(posteriors, np.concatenate([[0.0], inner, [duration_s]]))


def posterior(model: Model, frames: RawFrames, start_s: float, end_s: float) -> Array:
    """Return the probability of each label in a window, all equal where no frame passes the gate."""
    per_s, labels = model.features.frames.frames_per_s, model.scorer.labels
    try:
        rows = make_rows([frames.slice(round(start_s * per_s), round(end_s * per_s))], model.features)
    except FeatureError:
        return np.full(len(labels), 1 / len(labels))
    probability = model.predict(rows).probability or {}
    return np.array([probability[label] for label in labels])


def as_timeline(windows: Windows, chosen: npt.NDArray[np.intp], labels: Sequence[str]) -> Timeline:
    """Return the timeline in which neighbouring windows of one label are one segment.

    Parameters
    ----------
    windows : Windows
        Posteriors and edges of n windows.
    chosen : ndarray, shape (n,)
        Column of the label of each.
    labels : sequence of str
        Labels of the columns.
    """
    changes = [0, *(np.flatnonzero(np.diff(chosen)) + 1).tolist(), len(chosen)]
    segments = [
        TimelineSegment(
            float(windows.edges[first]),
            float(windows.edges[last]),
            labels[chosen[first]],
            probability=min(float(windows.posteriors[first:last, chosen[first]].mean()), 1.0),
        )
        for first, last in pairwise(changes)
    ]
    return Timeline(tuple(segments), duration_s=float(windows.edges[-1]))


def viterbi(posteriors: Array, penalty: float) -> npt.NDArray[np.intp]:
    """Return the column of each row with the greatest sum of log posteriors, less a penalty for each change.

    Parameters
    ----------
    posteriors : ndarray, shape (n, n_labels)
        Probabilities.
    penalty : float
        Nats.
    """
    scores = np.log(np.maximum(posteriors, 1e-12))
    best, back = scores[0], np.zeros(scores.shape, np.intp)
    for i in range(1, len(scores)):
        leader = int(best.argmax())
        stays = best >= best[leader] - penalty
        back[i] = np.where(stays, np.arange(scores.shape[1]), leader)
        best = np.where(stays, best, best[leader] - penalty) + scores[i]
    path = [int(best.argmax())]
    for i in range(len(scores) - 1, 0, -1):
        path.append(int(back[i, path[-1]]))
    return np.array(path[::-1], np.intp)


def by_vote(case: Case, _: None) -> Timeline:
    """Return the timeline of the most probable label of each window of 10 s."""
    windows = case.windows(VOTE_S, VOTE_S)
    return as_timeline(windows, windows.posteriors.argmax(axis=1), case.model.scorer.labels)


def by_viterbi(case: Case, setting: tuple[float, float, float]) -> Timeline:
    """Return the timeline of the most probable path; the setting is window and hop, seconds, and penalty, nats."""
    window_s, hop_s, penalty = setting
    windows = case.windows(window_s, hop_s)
    return as_timeline(windows, viterbi(windows.posteriors, penalty), case.model.scorer.labels)


def by_ruptures(case: Case, setting: tuple[float, float]) -> Timeline:
    """Return the timeline of the change points of posteriors; the setting is the window, seconds, and the penalty."""
    import ruptures  # type: ignore[import-not-found]

    window_s, penalty = setting
    windows = case.windows(window_s, HOP_S)
    n = len(windows.posteriors)
    ends = (
        ruptures.KernelCPD(kernel="linear", min_size=2).fit(windows.posteriors).predict(pen=penalty) if n > 4 else [n]
    )
    chosen = np.zeros(n, np.intp)
    for first, last in pairwise([0, *ends]):
        chosen[first:last] = np.log(np.maximum(windows.posteriors[first:last], 1e-12)).sum(axis=0).argmax()
    return as_timeline(windows, chosen, case.model.scorer.labels)


def by_peer(case: Case, _: None) -> Timeline:
    """Return the timeline that pyAudioAnalysis gave, which ``run_peer`` wrote."""
    segments = read_segments(case.path.parent / PEER_FILE)[case.path.name]
    return Timeline(segments, duration_s=case.truth.duration_s).support()


@dataclass(frozen=True)
class Segmenter:
    """What gives the timeline of a case under a setting, and the settings to choose from."""

    run: Callable[[Case, Any], Timeline]
    settings: Sequence[Any] = (None,)


def segmenters(window_s: float) -> Mapping[str, Segmenter]:
    """Return the segmenters by name.

    Parameters
    ----------
    window_s : float
        Length of gmmaudio's windows, seconds; overlapping windows are of this length or of 10 s.
    """
    lengths = sorted({window_s, VOTE_S})
    penalties = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
    return {
        VOTE: Segmenter(by_vote),
        VITERBI: Segmenter(by_viterbi, [(VOTE_S, VOTE_S, penalty) for penalty in penalties]),
        SLIDING: Segmenter(by_viterbi, [(length, HOP_S, penalty) for length in lengths for penalty in penalties]),
        RUPTURES: Segmenter(
            by_ruptures,
            [(length, penalty) for length in lengths for penalty in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)],
        ),
        PEER: Segmenter(by_peer),
    }


def run_peer(folder: Path, task: Task, fold: Fold) -> None:
    """Write the segments that pyAudioAnalysis, trained on a fold, finds in the recordings of its folder."""
    from pyAudioAnalysis import audioSegmentation, audioTrainTest  # type: ignore[import-not-found]

    rows: list[dict[str, Any]] = []
    # it prints every segment
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = str(Path(name, "model"))
        classes = write_classes(Path(name), task, fold)
        audioTrainTest.extract_features_and_train(classes, PEER_S, PEER_S, PEER_SHORT_S, PEER_SHORT_S, "svm", model)
        for path in sorted([*folder.glob("turns-*.flac"), *folder.glob("mixture.flac")]):
            wav = Path(name, "recording.wav")
            seconds = as_wav(path, wav)
            flags, names, *_ = audioSegmentation.mid_term_file_classification(str(wav), model, "svm")
            times = [min(i * PEER_S, seconds) for i in range(len(flags))]
            for flag, start, end in zip(flags, times, [*times[1:], seconds], strict=True):
                label = os.path.basename(names[int(flag)])  # noqa: PTH119 (its names of classes are paths)
                if end > start:
                    rows.append({"path": path.name, "start": start, "end": end, "label": label})
    write_rows(folder / PEER_FILE, rows)


def write_classes(folder: Path, task: Task, fold: Fold) -> list[str]:
    """Return folders with the training clips of each label as WAV files."""
    corpus = task.clips(fold.train)
    for i, clip in enumerate(corpus.clips):
        target = folder / clip.label
        target.mkdir(exist_ok=True)
        as_wav(corpus.root / clip.path, target / f"{i:04}.wav")
    return [str(folder / label) for label in sorted({clip.label for clip in corpus.clips})]


def as_wav(path: Path, target: Path) -> float:
    """Return the seconds of a recording that was written again as 16-bit WAV."""
    samples, sr = soundfile.read(path, dtype="int16", always_2d=True)
    soundfile.write(target, samples[:, 0], sr, subtype="PCM_16")
    seconds: float = len(samples) / sr
    return seconds
