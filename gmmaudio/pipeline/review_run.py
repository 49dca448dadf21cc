"""A review of classified clips by a listener: the clips, and excerpts of them that a browser plays."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from gmmaudio.audio.excerpts import find_loudest_part, write_excerpt
from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.corpus import Clip
from gmmaudio.errors import AudioError, WorkerError
from gmmaudio.evaluation import FailedInput
from gmmaudio.files import find_path
from gmmaudio.json_text import to_json
from gmmaudio.pipeline.classified_rows import ClassifiedClip
from gmmaudio.pipeline.review_choice import ReviewSettings, choose_clips
from gmmaudio.trials import as_failure, fail_crashed, file_limits

EXCERPT_FOLDER = "excerpts"
# digits of the name of an excerpt: two clips of 10,000 share one with a probability of 3e-12
N_DIGITS = 16
# decoding of two minutes, and the encoding of an excerpt, seconds
EXCERPT_WORK_S = 0.4
NOT_TEXT = "has a name that is no text, which no table can hold; rename it"


@dataclass(frozen=True)
class ReviewClip:
    """A clip of a review.

    Parameters
    ----------
    key : str
        What answers are kept by, and the name of the excerpt without its suffix.
    path : str
        The file, an absolute path.
    group : str
        Group for the corpus that is saved; empty where it is unknown.
    label : str or None
        Predicted label; None where the clip is unknown.
    ranked : tuple of (str, float)
        The most likely labels with their probabilities, 0..1, best first; empty where they are not known.
    excerpt : str
        Name of the file of the excerpt.
    start_s : float
        Start of the excerpt in the file, seconds.
    """

    key: str
    path: str
    group: str
    label: str | None
    ranked: tuple[tuple[str, float], ...]
    excerpt: str = ""
    start_s: float = 0.0


@dataclass(frozen=True)
class Review:
    """Clips for a listener.

    Parameters
    ----------
    clips : tuple of ReviewClip
        In the order in which they are heard.
    labels : tuple of str
        All labels of the results, sorted.
    groups : {"column", "folder", "none"}
        Source of the groups.
    failed : tuple of FailedInput
        Clips of which no excerpt could be written; they are not in the review.
    """

    clips: tuple[ReviewClip, ...]
    labels: tuple[str, ...]
    groups: str
    failed: tuple[FailedInput, ...] = ()

    @property
    def sha256(self) -> str:
        """The hash of the clips and the labels, by which a browser keeps the answers of this review."""
        return hashlib.sha256(to_json([self.labels, *map(asdict, self.clips)]).encode()).hexdigest()


def plan_review(
    clips: Sequence[ClassifiedClip], settings: ReviewSettings, root: str | os.PathLike[str] | None = None
) -> Review:
    """Return the review of classified clips, without excerpts.

    Parameters
    ----------
    clips : sequence of ClassifiedClip
        Classified clips.
    settings : ReviewSettings
        Which clips are chosen.
    root : path-like or None
        Folder that paths are relative to where there is no such file in the current folder.

    Raises
    ------
    SettingError
        If bounds are given and the clips have no probabilities.
    CorpusError
        If no clip can be chosen.

    Examples
    --------
    >>> clips = [ClassifiedClip(f"my_music/jazz/{i}.wav", "ok", "jazz", {"jazz": 0.5}, "jazz") for i in range(20)]
    >>> review = plan_review(clips, ReviewSettings(per_label=3))
    >>> len(review.clips), review.labels, review.groups
    (3, ('jazz',), 'none')
    """
    # a file that is named in two ways is one clip
    of_path = {_absolute(clip.path, root): clip for clip in reversed(clips)}
    paths, clips = list(of_path), list(of_path.values())
    source, groups = _groups_of(clips, paths)
    chosen = choose_clips(clips, groups, settings)
    place = {id(clip): i for i, clip in enumerate(clips)}
    labels = {label for clip in clips for label in (*clip.probability, clip.label, clip.best_label) if label}
    return Review(
        tuple(
            ReviewClip(
                key=hashlib.sha256(os.fsencode(paths[place[id(clip)]])).hexdigest()[:N_DIGITS],
                path=paths[place[id(clip)]],
                group=groups[place[id(clip)]],
                label=clip.label,
                ranked=tuple(clip.ranked[:3]),
            )
            for clip in chosen
        ),
        tuple(sorted(labels)),
        source,
    )


def write_excerpts(
    review: Review,
    folder: str | os.PathLike[str],
    excerpt_s: float,
    *,
    n_jobs: int | None = None,
    progress: Progress = quiet,
) -> Review:
    """Write an excerpt of every clip, its loudest part, and return the review with them.

    Parameters
    ----------
    review : Review
        The review; clips whose sound cannot be used become its failures.
    folder : path-like
        Folder to write to, which exists. Files of the same name are replaced.
    excerpt_s : float
        Length of the excerpts, seconds.
    n_jobs : int or None
        Worker processes, 1 or more, or -1 for one each core; None takes threads for little work, and worker processes
        for much.
    progress : Progress
        Shows progress.

    Raises
    ------
    WriteError
        If an excerpt cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> clip = ClassifiedClip("my_music/jazz/album0/01.wav", "ok", "jazz", {"jazz": 0.5}, "jazz")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     review = write_excerpts(plan_review([clip], ReviewSettings()), folder, 1.0, n_jobs=1)
    ...     [path.name == review.clips[0].excerpt for path in Path(folder).iterdir()]
    [True]
    """
    run = RunContext(n_jobs, progress)
    results = run.map(
        partial(_write_one, Path(folder).absolute(), excerpt_s),
        [Clip(clip.path, "", extra={"key": clip.key}) for clip in review.clips],
        "writing excerpts",
        on_crash=_fail_crashed,
        estimate=partial(_work_of, len(review.clips)),
        limits=partial(file_limits, Path()),
    )
    clips, failed = [], []
    for clip, result in zip(review.clips, results, strict=True):
        if isinstance(result, FailedInput):
            failed.append(result)
        else:
            name, start_s = result
            clips.append(replace(clip, excerpt=name, start_s=start_s))
    return replace(review, clips=tuple(clips), failed=(*review.failed, *failed))


def is_excerpt_name(name: str) -> bool:
    """Return whether a file of the folder of excerpts has a name that a review gives.

    Parameters
    ----------
    name : str
        Name of the file.

    Examples
    --------
    >>> is_excerpt_name("0123456789abcdef.mp3"), is_excerpt_name("song.mp3")
    (True, False)
    """
    return re.fullmatch(rf"[0-9a-f]{{{N_DIGITS}}}\.(mp3|wav)", name) is not None


def _write_one(folder: Path, excerpt_s: float, clip: Clip) -> tuple[str, float] | FailedInput:
    """Write the excerpt of a clip, and return the file's name and the start of the excerpt, or the failure."""
    try:
        clip.path.encode("utf-8")
        start_s, end_s = find_loudest_part(clip.path, length_s=excerpt_s)
        return write_excerpt(clip.path, folder / clip.extra["key"], start_s=start_s, end_s=end_s), start_s
    except UnicodeEncodeError:
        return FailedInput(clip.path, "unreadable", NOT_TEXT)
    except AudioError as error:
        return as_failure(clip.path, error)


def _fail_crashed(clip: Clip, error: WorkerError) -> FailedInput:
    """Return the failure of a file whose worker process died."""
    return fail_crashed(clip, error).result


def _work_of(n_clips: int) -> float:
    """Return about how long some excerpts take in one thread, seconds."""
    return EXCERPT_WORK_S * n_clips


def _absolute(path: str, root: str | os.PathLike[str] | None) -> str:
    """Return the absolute path of a file: in the current folder, or where it is not there in another one."""
    here = find_path(path)
    if root is not None and not here.exists():
        beside = find_path(Path(root) / path)
        here = beside if beside.exists() else here
    # links stay, and dots go
    return os.path.abspath(here)  # noqa: PTH100


def _groups_of(clips: Sequence[ClassifiedClip], paths: Sequence[str]) -> tuple[str, list[str]]:
    """Return the source of groups, and the group of every clip: of the column, or the folder below the common one."""
    if any(clip.group for clip in clips):
        return "column", [clip.group or "" for clip in clips]
    folders = [os.path.dirname(path) for path in paths]  # noqa: PTH120 - there may be many
    if len(set(folders)) < 2:
        return "none", [""] * len(clips)
    common = os.path.commonpath(folders)
    names = {folder: Path(os.path.relpath(folder, common)).as_posix() for folder in folders}
    return "folder", [Path(common).name if names[folder] == "." else names[folder] for folder in folders]
