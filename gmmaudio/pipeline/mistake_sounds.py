"""Short sounds of the mistakes of a report, in files that its page plays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gmmaudio.audio.excerpts import find_loudest_part, write_excerpt
from gmmaudio.compute import RunContext
from gmmaudio.corpus import Clip
from gmmaudio.errors import AudioError, WorkerError
from gmmaudio.evaluation import FailedInput, Report
from gmmaudio.evaluation.report import N_MISTAKES
from gmmaudio.files import find_path
from gmmaudio.trials import as_failure, fail_crashed, file_limits

# seconds: long enough to tell a style or a language
SOUND_S = 6.0
SUFFIXES = (".mp3", ".wav")


@dataclass(frozen=True)
class MistakeSounds:
    """The sounds that were written, and the clips that have none.

    Parameters
    ----------
    names : mapping of str to str
        Name of a clip -> name of the file with its sound.
    failed : tuple of FailedInput
        Clips that could not be read.
    """

    names: Mapping[str, str]
    failed: tuple[FailedInput, ...]


def sound_names() -> list[str]:
    """Return the names of all files that :func:`write_mistake_sounds` may write.

    Examples
    --------
    >>> sound_names()[:3]
    ['mistake-01.mp3', 'mistake-01.wav', 'mistake-02.mp3']
    """
    return [_stem(i) + suffix for i in range(N_MISTAKES) for suffix in SUFFIXES]


def write_mistake_sounds(report: Report, folder: str | os.PathLike[str]) -> MistakeSounds:
    """Write a sound for each of the mistakes that a report lists: the loudest seconds of what was scored.

    Of clips that were joined to one trial the first is heard. A clip has one sound, however many repeats it was
    mistaken in, and none where it is not known where in its file it lies.

    Parameters
    ----------
    report : Report
        Of a run whose record has the folder of its clips.
    folder : path-like
        Existing folder.

    Raises
    ------
    WriteError
        If a sound cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import gmmaudio
    >>> from dataclasses import replace
    >>> report = gmmaudio.crossval("my_music", gmmaudio.make_recipe(n_components=1), folds=3, group_by="parent")
    >>> wrong = replace(report, clips=(replace(report.clips[0], predicted="rock"), *report.clips[1:]))
    >>> with tempfile.TemporaryDirectory() as made:
    ...     sounds = write_mistake_sounds(wrong, made)
    ...     [path.name for path in Path(made).iterdir()] == list(sounds.names.values())
    True
    """
    root = Path(str(report.run.get("root", "")))
    mistakes = {clip.name: clip for clip in report.mistakes if clip.start_s is not None}
    heard = [
        Clip(clip.paths[0], "", start_s=clip.start_s or 0.0, end_s=clip.end_s, extra={"stem": _stem(i)})
        for i, clip in enumerate(mistakes.values())
    ]
    results = RunContext(1).map(
        partial(_write_one, root, Path(folder)),
        heard,
        "writing sounds",
        on_crash=_fail_crashed,
        limits=partial(file_limits, root),
    )
    pairs = list(zip(mistakes, results, strict=True))
    return MistakeSounds(
        {name: result for name, result in pairs if isinstance(result, str)},
        tuple(result for _, result in pairs if isinstance(result, FailedInput)),
    )


def _stem(i: int) -> str:
    """Return the name of the i-th sound, without its suffix."""
    return f"mistake-{i + 1:02d}"


def _write_one(root: Path, folder: Path, clip: Clip) -> str | FailedInput:
    """Write the sound of a clip, and return the file's name, or the failure."""
    path = find_path(root / clip.path)
    try:
        start_s, end_s = find_loudest_part(path, length_s=SOUND_S, start_s=clip.start_s, end_s=clip.end_s)
        return write_excerpt(path, folder / clip.extra["stem"], start_s=start_s, end_s=end_s)
    except AudioError as error:
        return as_failure(clip.path, error)


def _fail_crashed(clip: Clip, error: WorkerError) -> FailedInput:
    """Return the failure of a file whose worker process died."""
    return fail_crashed(clip, error).result
