"""What a reader of results should know of a corpus: labels, groups and audio that stands twice."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from gmmaudio.errors import CorpusError
from gmmaudio.findings import first_of, some_names


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return what should be said of the labels of clips: near-doubles and classes of one.

    Raises
    ------
    CorpusError
        If there are fewer than two classes.

    Examples
    --------
    >>> check_labels(["Jazz", "jazz", "rock", "rock"])[0]
    "labels 'Jazz' (1), 'jazz' (1) differ only by case or spaces; give them one name"
    """
    counts = Counter(labels)
    if not counts:
        raise CorpusError("no clip is left to use; see the failures and notes above")
    if len(counts) < 2:
        raise CorpusError(
            f"only one class, {next(iter(counts), 'none')!r}; at least two are needed to tell apart: "
            "add a folder or a label for another"
        )
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        alike[" ".join(label.casefold().split())].append(label)
    notes = [
        f"labels {', '.join(f'{name!r} ({counts[name]})' for name in names)} differ only by case or spaces; "
        "give them one name"
        for names in alike.values()
        if len(names) > 1
    ]
    single = sorted(label for label, n in counts.items() if n == 1)
    if single:
        notes.append(f"one clip only for {some_names(single)}; add more, or what is learned is that recording")
    return tuple(notes)


def same_audio_notes(paths: Sequence[str], labels: Sequence[str], hashes: Sequence[str]) -> tuple[str, ...]:
    """Return what should be said of clips whose decoded sound is the same.

    Parameters
    ----------
    paths, labels : sequence of str
        Of every clip.
    hashes : sequence of str
        Of the decoded samples of every clip.

    Examples
    --------
    >>> same_audio_notes(["a.wav", "b.wav"], ["jazz", "rock"], ["f3", "f3"])
    ('same audio in two classes: a.wav (jazz) = b.wav (rock); remove it from the class it is not',)
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for i, content in enumerate(hashes):
        alike[content].append(i)
    across: list[str] = []
    within: list[str] = []
    for members in alike.values():
        if len(members) > 1:
            named = " = ".join(f"{paths[i]} ({labels[i]})" for i in members)
            (across if len({labels[i] for i in members}) > 1 else within).append(named)
    return (
        *first_of(across, "same audio in two classes", "remove it from the class it is not"),
        *first_of(within, "same audio twice", "keep one"),
    )


def file_notes(paths: Sequence[str], groups: Sequence[str | None]) -> tuple[str, ...]:
    """Return which files stand in several groups: their pieces may be on both sides of a split.

    Parameters
    ----------
    paths : sequence of str
        Of every clip.
    groups : sequence of str or None
        Of every clip; None where unknown.

    Examples
    --------
    >>> file_notes(["a.wav", "./a.wav", "b.wav"], ["ann", "bob", "bob"])
    ("one file in several groups: a.wav ('ann', 'bob'); give all its pieces one group",)
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for path, group in zip(paths, groups, strict=True):
        if group is not None:
            seen[posixpath.normpath(path)].add(group)
    cut = [
        f"{path} ({', '.join(map(repr, sorted(members)))})"
        for path, members in sorted(seen.items())
        if len(members) > 1
    ]
    return first_of(cut, "one file in several groups", "give all its pieces one group")


def leak_notes(splits: Iterable[tuple[Iterable[tuple[str, str]], Iterable[tuple[str, str]]]]) -> tuple[str, ...]:
    """Return which clips are on both sides of a split by their decoded sound.

    Parameters
    ----------
    splits : iterable of (train, test)
        Each side an iterable of (path, hash).

    Examples
    --------
    >>> leak_notes([([("a.wav", "f3")], [("b.wav", "f3")])])
    ('same audio on both sides of a split: a.wav = b.wav; give both one group, or keep one',)
    """
    pairs: dict[str, None] = {}
    for train, test in splits:
        trained = {content: path for path, content in train}
        for path, content in test:
            if content in trained:
                pairs[" = ".join(sorted((path, trained[content])))] = None
    return first_of(list(pairs), "same audio on both sides of a split", "give both one group, or keep one")
