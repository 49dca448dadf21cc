"""The segmenters that ``timeline.py`` sets gmmaudio's timeline beside: each turns a recording into a timeline.

- ``10 s windows, vote``: `classify` on windows of 10 s one after another, the most probable label of each;
- ``10 s windows, Viterbi``: the same, the path of labels that is most probable where a change costs;
- ``windows each second, Viterbi``: the same on windows that overlap, each for the second in its middle;
- ``ruptures``: change points of the posteriors of those windows by its ``KernelCPD`` with a linear kernel (PELT), the
  most probable label between two of them;
- ``pyAudioAnalysis``: its ``mid_term_file_classification``, segments of a fixed size of 1 s, with a support vector
  machine on its features, trained on the clips that the model of gmmaudio was trained on.

None of them answers that a label is unknown, or has a state for silence.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import pickle
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

import gmmaudio
from benchmarks.spliced import Task, write_rows
from gmmaudio.corpus import Corpus, Fold
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
# the grid of pyAudioAnalysis 0.3.14
COSTS = (0.001, 0.01, 0.5, 1.0, 5.0, 10.0, 20.0)
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

    @cached_property
    def frames(self) -> RawFrames:
        """The frames of the recording."""
        settings = self.model.features.sound_frames
        samples = gmmaudio.read_audio(self.path, settings.sample_rate_hz)
        return raw_frames([samples], settings, self.model.front_end_tables())

    def windows(self, window_s: float, hop_s: float) -> Windows:
        """Return the posteriors of windows, which are kept beside the recording."""
        kept = self.path.with_suffix(f".{window_s:g}-{hop_s:g}.npz")
        if not kept.exists():
            made = score_windows(self.model, self.frames, self.truth.duration_s, window_s, hop_s)
            np.savez(kept, posteriors=made.posteriors, edges=made.edges)
        with np.load(kept) as arrays:
            return Windows(arrays["posteriors"], arrays["edges"])


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
    """Write the segments that pyAudioAnalysis, trained on a fold, finds in the spliced recordings of its folder."""
    from pyAudioAnalysis import audioSegmentation  # type: ignore[import-not-found]

    rows: list[dict[str, Any]] = []
    # it prints every segment
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = train_peer(Path(name), task.clips(fold.train))
        for path in sorted([*folder.glob("turns-*.flac"), *folder.glob("mixture.flac")]):
            wav = Path(name, "recording.wav")
            seconds = as_wav(path, wav)
            flags, labels, *_ = audioSegmentation.mid_term_file_classification(str(wav), model, "svm")
            times = [min(i * PEER_S, seconds) for i in range(len(flags))]
            for flag, start, end in zip(flags, times, [*times[1:], seconds], strict=True):
                if end > start:
                    rows.append({"path": path.name, "start": start, "end": end, "label": labels[int(flag)]})
    write_rows(folder / PEER_FILE, rows)


def train_peer(folder: Path, corpus: Corpus) -> str:
    """Return the path of pyAudioAnalysis' model of a corpus, as its ``extract_features_and_train`` makes it.

    C is chosen from its grid by macro-F1 on folds by group: its own random divisions fail where one of them lacks two
    labels or more.
    """
    from pyAudioAnalysis import MidTermFeatures, audioTrainTest
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    labels = sorted({clip.label for clip in corpus.clips})
    for i, clip in enumerate(corpus.clips):
        (folder / clip.label).mkdir(exist_ok=True)
        as_wav(corpus.root / clip.path, folder / clip.label / f"{i:04}.wav")
    sizes = (PEER_S, PEER_S, PEER_SHORT_S, PEER_SHORT_S)
    features, _, files = MidTermFeatures.multiple_directory_feature_extraction(
        [str(folder / label) for label in labels], *sizes, compute_beat=False
    )
    X, y = audioTrainTest.features_to_matrix(features)
    groups = np.array([corpus.clips[int(Path(name).stem)].group for name in itertools.chain(*files)])
    usable = np.isfinite(X).all(axis=1)
    X, y, groups = X[usable], y[usable], groups[usable]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SVC(kernel="linear")),
        {"svc__C": COSTS},
        scoring="f1_macro",
        cv=StratifiedGroupKFold(4, shuffle=True, random_state=0),
    ).fit(X, y, groups=groups)
    scaler = StandardScaler().fit(X)
    machine = audioTrainTest.train_svm(scaler.transform(X), y, search.best_params_["svc__C"])
    model = folder / "model"
    model.write_bytes(pickle.dumps(machine))
    statistics = (scaler.mean_.tolist(), scaler.scale_.tolist())
    audioTrainTest.save_parameters(f"{model}MEANS", *statistics, labels, *sizes, False)
    return str(model)


def as_wav(path: Path, target: Path) -> float:
    """Return the seconds of a recording that was written again as 16-bit WAV."""
    samples, sr = soundfile.read(path, dtype="int16", always_2d=True)
    soundfile.write(target, samples[:, 0], sr, subtype="PCM_16")
    seconds: float = len(samples) / sr
    return seconds
