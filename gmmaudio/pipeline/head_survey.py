"""Heads of all files of a corpus, and the sound of a small sample of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np

from gmmaudio.audio import Samples, read_blocks
from gmmaudio.audio.head_facts import HeadFacts, read_head
from gmmaudio.audio.sound_facts import find_band_limit, measure_level
from gmmaudio.compute import Progress, RunContext, quiet, thread_map
from gmmaudio.corpus import Clip
from gmmaudio.errors import AudioError, CorpusError
from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding

# files on a network answer one after another
N_THREADS = 8
# what is decoded of a file of the sample: from its middle, at the rate of the presets for music
SAMPLE_S, SAMPLE_RATE_HZ = 10.0, 22_050
# about how long that takes, seconds
SAMPLE_WORK_S = 0.05
# a part of a file that is silent says nothing of the others
SILENCE_DB = -90.0
# files that are decoded of all labels together
MAX_SAMPLE = 320
# more inputs than this share that need an extra are a setting to correct, and no bad files
MAX_MISSING = 0.1


@dataclass(frozen=True)
class SoundFacts:
    """Facts of the sound of one file of the sample.

    Parameters
    ----------
    label : str
        Label of its clip.
    level_db : float
        Root of the mean square, decibels below full scale.
    band_hz : float
        Frequency at which the spectrum ends, hertz, up to 11,025.
    """

    label: str
    level_db: float
    band_hz: float


def read_heads(
    root: Path, clips: Sequence[Clip], progress: Progress = quiet
) -> tuple[dict[str, HeadFacts], tuple[FailedInput, ...]]:
    """Return the facts in the head of every file of clips, and the files that have none.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        Clips; the head of a file is read once, however many segments it has.
    progress : Progress
        Shows progress.

    Returns
    -------
    heads : dict of str to HeadFacts
        Path of the clip -> facts.
    failed : tuple of FailedInput
        Files whose head cannot be read.

    Examples
    --------
    >>> heads, failed = read_heads(Path("my_music"), [Clip("jazz/album0/01.wav", "jazz"), Clip("no.wav", "jazz")])
    >>> heads["jazz/album0/01.wav"].sample_rate_hz, failed[0].code
    (22050, 'vanished')
    """

    def read(path: str) -> HeadFacts | FailedInput:
        try:
            return read_head(Path(root, path))
        except AudioError as error:
            return FailedInput(path, error.code, str(error))

    paths = list(dict.fromkeys(clip.path for clip in clips))
    # a pair has no duration, by which a display would count it as decoded sound
    pairs = ((path, found) for path, found in zip(paths, thread_map(read, paths, N_THREADS), strict=True))
    heads: dict[str, HeadFacts] = {}
    failed: list[FailedInput] = []
    for path, found in progress(pairs, len(paths), "reading heads"):
        if isinstance(found, FailedInput):
            failed.append(found)
        else:
            heads[path] = found
    return heads, tuple(failed)


def check_extra(failed: Iterable[FailedInput], n_files: int, *, stops: bool = False) -> tuple[Finding, ...]:
    """Return the finding on files that need the ``media`` extra, where they are more than a tenth of all.

    Parameters
    ----------
    failed : iterable of FailedInput
        Files whose head cannot be read.
    n_files : int
        Number of all files.
    stops : bool
        Whether the finding is an error.

    Raises
    ------
    CorpusError
        With the text of the finding.

    Examples
    --------
    >>> print(*check_extra([FailedInput("1.m4a", "needs_media", "")], 2))
    1 of 2 files are of formats that libsndfile does not read, such as 1.m4a; install the media extra: \
pip install 'gmmaudio[media]'
    """
    needing = [item.path for item in failed if item.code == "needs_media"]
    if len(needing) <= MAX_MISSING * n_files:
        return ()
    finding = Finding(
        "media_extra_missing",
        "alarm",
        f"{len(needing)} of {n_files} files are of formats that libsndfile does not read, such as {needing[0]}",
        "install the media extra: pip install 'gmmaudio[media]'",
    )
    if stops:
        raise CorpusError(str(finding))
    return (finding,)


def choose_sample(clips: Sequence[Clip], n_per_label: int) -> list[Clip]:
    """Return a few clips of each label, from as many groups as there are, the same in every run.

    Parameters
    ----------
    clips : sequence of Clip
        Clips whose groups are in ``held_out_by``.
    n_per_label : int
        Clips of each label, 0 or more; fewer where all labels would have more than 320.

    Examples
    --------
    >>> clips = [Clip(f"{i}.wav", "en", held_out_by=group) for i, group in enumerate("aaaab")]
    >>> sorted(clip.held_out_by for clip in choose_sample(clips, 2))
    ['a', 'b']
    """
    by_label: dict[str, dict[str | None, list[Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        by_label[clip.label][clip.held_out_by].append(clip)
    rng = np.random.default_rng(0)
    n = min(n_per_label, MAX_SAMPLE // max(1, len(by_label)))
    chosen: list[Clip] = []
    for _, groups in sorted(by_label.items()):
        shuffled = [[members[i] for i in rng.permutation(len(members))] for members in groups.values()]
        shuffled = [shuffled[i] for i in rng.permutation(len(shuffled))]
        # the first of every group, then the second of every group
        chosen += [clip for row in zip_longest(*shuffled) for clip in row if clip is not None][:n]
    return chosen


def read_sample(
    root: Path, chosen: Sequence[Clip], heads: Mapping[str, HeadFacts], run: RunContext
) -> tuple[SoundFacts, ...]:
    """Return the facts of the sound of clips, of ten seconds from the middle of each; without those that fail.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    chosen : sequence of Clip
        Clips to decode.
    heads : mapping of str to HeadFacts
        Facts of their files, as :func:`read_heads` returns them.
    run : RunContext
        Threads or worker processes, and progress.

    Examples
    --------
    >>> clip = Clip("metal/album0/01.wav", "metal")
    >>> heads, _ = read_heads(Path("my_music"), [clip])
    >>> round(read_sample(Path("my_music"), [clip], heads, RunContext(n_jobs=1))[0].band_hz)
    11025
    """
    items = [(clip, heads[clip.path].duration_s) for clip in chosen if clip.path in heads]
    facts = run.map(partial(_measure, root), items, "decoding a sample", estimate=lambda: len(items) * SAMPLE_WORK_S)
    return tuple(each for each in facts if each is not None)


def _measure(root: Path, item: tuple[Clip, float | None]) -> SoundFacts | None:
    """Return the facts of the sound of one clip; None where it fails, which a run says."""
    clip, duration_s = item
    end_s = clip.end_s if clip.end_s is not None else duration_s
    start_s = clip.start_s
    if end_s is not None:
        start_s = max(start_s, (start_s + end_s - SAMPLE_S) / 2)
    y: list[Samples] = []
    try:
        # closed where there is enough: a file may have no declared length
        with closing(read_blocks(Path(root, clip.path), SAMPLE_RATE_HZ, start_s=start_s, end_s=clip.end_s)) as blocks:
            for block in blocks:
                y.append(block)
                if sum(map(len, y)) >= SAMPLE_S * SAMPLE_RATE_HZ:
                    break
    except AudioError:
        return None
    sound = np.concatenate(y)[: round(SAMPLE_S * SAMPLE_RATE_HZ)]
    level_db = measure_level(sound)
    return SoundFacts(clip.label, level_db, find_band_limit(sound, SAMPLE_RATE_HZ)) if level_db > SILENCE_DB else None
