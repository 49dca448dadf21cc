"""Clips added to a corpus, and labels of its clips corrected."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gmmaudio.corpus.clip import Clip, Corpus, respell_clips


def add_clips(corpus: Corpus, added: Corpus) -> Corpus:
    """Return a corpus with the clips of another one; a clip that it has already takes the label of the other.

    A clip is the same where file, start and end are the same. It keeps the group, source and split that it has. New
    clips have paths relative to the corpus where they lie below its folder, and absolute ones elsewhere.

    Parameters
    ----------
    corpus : Corpus
        The corpus.
    added : Corpus
        Clips to add, such as those of a review.

    Returns
    -------
    Corpus
        The clips of the corpus in their order, then the new ones; the findings of both.

    Examples
    --------
    >>> corpus = Corpus(Path("/music"), (Clip("1.wav", "jazz"), Clip("2.wav", "rock")))
    >>> review = Corpus(Path("/home"), (Clip("/music/2.wav", "jazz"), Clip("/music/new/3.wav", "rock")))
    >>> [(clip.path, clip.label) for clip in add_clips(corpus, review).clips]
    [('1.wav', 'jazz'), ('2.wav', 'jazz'), ('new/3.wav', 'rock')]
    """
    labels = {_place(added.root, clip): clip.label for clip in added.clips}
    kept = [replace(clip, label=labels.get(_place(corpus.root, clip), clip.label)) for clip in corpus.clips]
    known = {_place(corpus.root, clip) for clip in corpus.clips}
    root = os.path.abspath(corpus.root)  # noqa: PTH100 - links stay, and dots go
    new = [
        replace(clip, path=_below(root, place[0]))
        for clip in added.clips
        if (place := _place(added.root, clip)) not in known
    ]
    findings = dict.fromkeys((*corpus.findings, *added.findings))
    return Corpus(corpus.root, respell_clips([*kept, *new]), tuple(findings), corpus.n_skipped + added.n_skipped)


def _place(root: Path, clip: Clip) -> tuple[str, float, float | None]:
    """Return the absolute path of a clip, and its segment."""
    return os.path.abspath(root / clip.path), clip.start_s, clip.end_s  # noqa: PTH100


def _below(root: str, path: str) -> str:
    """Return a path relative to a folder, or as it is where it lies elsewhere."""
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
