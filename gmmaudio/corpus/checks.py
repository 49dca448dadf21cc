"""Checks of a corpus: its labels, its groups, and audio that it holds twice."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gmmaudio.errors import CorpusError
from gmmaudio.findings import Finding, first_of, some_names
from gmmaudio.names import difference, normal, quoted, similar_names, skeleton, split_names
from gmmaudio.values import shown

# sets of labels that look alike that are listed
MAX_SETS = 5
MAX_LABELS, MAX_LABEL_LENGTH = 5000, 1000
# what stands in the place of a label where an input has none
ANSWERS = ("error", "failed", "mixed", "unknown")
# categories of Unicode: control characters, lone surrogates, separators of lines and paragraphs
UNFIT = ("Cc", "Cs", "Zl", "Zp")


def check_labels(labels: Sequence[str]) -> tuple[Finding, ...]:
    """Return the findings on labels: names that are nearly the same or those of splits, and labels of a single clip.

    Parameters
    ----------
    labels : sequence of str
        Label of every clip.

    Returns
    -------
    tuple of Finding
        Empty where there is nothing to report.

    Raises
    ------
    CorpusError
        If there are fewer than two labels, or each is the name of a split.

    Examples
    --------
    >>> print(check_labels(["Jazz", "jazz", "rock", "rock"])[0])
    labels 'Jazz' (1), 'jazz' (1) differ only by case or spaces; give them one name
    """
    counts = Counter(labels)
    if not counts:
        raise CorpusError("no clip is left to use; see the failures and findings above")
    splits = split_names(counts)
    if len(splits) == len(counts):
        raise CorpusError(
            f"every label is the name of a split ({some_names(splits)}); expected classes: name the folder of one "
            "split, or write a manifest with the columns path, label and split"
        )
    if len(counts) < 2:
        raise CorpusError(
            f"only one label, {next(iter(counts), 'none')!r}; expected two or more: add a folder or rows of another"
        )
    check_names(counts)
    return (
        *check_similar_labels(counts),
        *_check_split_labels(splits),
        *_check_answer_labels(counts),
        *_check_single_clips(counts),
    )


def check_names(labels: Iterable[str]) -> None:
    r"""Raise CorpusError where labels cannot be those of a model.

    Parameters
    ----------
    labels : iterable of str
        Different labels.

    Raises
    ------
    CorpusError
        If there are more than 5,000, two have the same NFC form, or one is empty, longer than 1,000 characters, or
        holds a control character, a line separator or a byte that is no text.

    Examples
    --------
    >>> check_names(["jazz", "me\ttal"])
    Traceback (most recent call last):
    gmmaudio.errors.CorpusError: the label 'me\ttal' holds '\t'; expected one line without control characters: rename it
    """
    names = list(labels)
    if len(names) > MAX_LABELS:
        raise CorpusError(f"there are {len(names)} labels; expected at most {MAX_LABELS}")
    if len({normal(name) for name in names}) < len(set(names)):
        raise CorpusError("two labels differ only by the normal form of Unicode (NFC); expected one spelling of each")
    for name in names:
        unfit = next((character for character in name if unicodedata.category(character) in UNFIT), None)
        if unfit is not None:
            raise CorpusError(
                f"the label {shown(name)} holds {unfit!r}; expected one line without control characters: rename it"
            )
        if not 0 < len(name.strip()) <= len(name) <= MAX_LABEL_LENGTH:
            raise CorpusError(f"the label {shown(name)} is of {len(name)} characters; expected 1 to {MAX_LABEL_LENGTH}")


def check_similar_labels(counts: Mapping[str, int]) -> tuple[Finding, ...]:
    """Return a finding for each set of labels that look alike.

    Parameters
    ----------
    counts : mapping of str to int
        Label -> number of its clips.

    Returns
    -------
    tuple of Finding
        Empty where there is nothing to report.

    Examples
    --------
    >>> print(*check_similar_labels({"1": 3, "1.0": 0}))
    labels '1' (3), '1.0' (0) differ only by how a number is written; give them one name
    """
    sets = similar_names(counts)
    more = f" (and {len(sets) - MAX_SETS} other sets of labels look alike)"
    return tuple(
        Finding(
            "similar_labels",
            "warning",
            f"labels {', '.join(f'{quoted(name)} ({counts[name]})' for name in names)} differ only by "
            f"{difference(names)}{more if i == MAX_SETS and i < len(sets) else ''}",
            "give them one name",
        )
        for i, names in enumerate(sets[:MAX_SETS], start=1)
    )


def check_similar_values(column: str, values: Iterable[str | None]) -> tuple[Finding, ...]:
    """Return the finding on values of a column that look alike, and are taken as different.

    Parameters
    ----------
    column : str
        Name of the column.
    values : iterable of str or None
        Value of every clip.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(*check_similar_values("split", ["train", "Train", "test"]))
    values of the column 'split' differ only by case or spaces: 'Train'; 'train'; give them one name
    """
    alike = [name for names in similar_names(value for value in values if value) for name in names]
    if not alike:
        return ()
    return (
        Finding(
            "similar_values",
            "warning",
            f"values of the column {column!r} differ only by {difference(alike)}: {first_of([*map(quoted, alike)])}",
            "give them one name",
        ),
    )


def _check_split_labels(splits: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding on labels that are names of splits."""
    if not splits:
        return ()
    return (
        Finding(
            "label_named_as_split",
            "warning",
            f"labels are called as parts of a corpus usually are: {some_names(splits)}",
            "if they are splits, name the folder of one, or write a manifest with a column split",
        ),
    )


def _check_answer_labels(labels: Iterable[str]) -> tuple[Finding, ...]:
    """Return the finding on labels that are words for answers without a label."""
    found = sorted(label for label in labels if skeleton(label) in ANSWERS)
    if not found:
        return ()
    return (
        Finding(
            "label_named_as_answer",
            "warning",
            f"labels are called as answers without a label are: {some_names(found)}; who reads answers cannot tell "
            "these apart",
            "give them another name, such as other",
        ),
    )


def _check_single_clips(counts: Mapping[str, int]) -> tuple[Finding, ...]:
    """Return the finding on labels of one clip."""
    single = sorted(label for label, n in counts.items() if n == 1)
    if not single:
        return ()
    return (
        Finding(
            "single_clip_label",
            "warning",
            f"one clip only for {some_names(single)}: a model may learn that recording instead of the label",
            "add more",
        ),
    )


def check_same_audio(paths: Sequence[str], labels: Sequence[str], hashes: Sequence[str]) -> tuple[Finding, ...]:
    """Return the findings on clips that decode to the same samples.

    Parameters
    ----------
    paths, labels : sequence of str
        Path and label of every clip.
    hashes : sequence of str
        Hash of the decoded samples of every clip.

    Returns
    -------
    tuple of Finding
        At most one on clips of two labels, and one on clips of one label.

    Examples
    --------
    >>> print(*check_same_audio(["a.wav", "b.wav"], ["jazz", "rock"], ["f3", "f3"]))
    same audio under two labels: a.wav (jazz) = b.wav (rock); remove it from the wrong label
    """
    n_of_hash = Counter(hashes)
    # in the order in which they first occur
    copies: dict[str, list[int]] = {content: [] for content, n in n_of_hash.items() if n > 1}
    for i, content in enumerate(hashes):
        if content in copies:
            copies[content].append(i)
    across: list[str] = []
    within: list[str] = []
    for members in copies.values():
        text = " = ".join(f"{paths[i]} ({labels[i]})" for i in members)
        (across if len({labels[i] for i in members}) > 1 else within).append(text)
    findings = []
    if across:
        findings.append(
            Finding(
                "same_audio_two_labels",
                "warning",
                f"same audio under two labels: {first_of(across)}",
                "remove it from the wrong label",
            )
        )
    if within:
        findings.append(Finding("same_audio_twice", "warning", f"same audio twice: {first_of(within)}", "keep one"))
    return tuple(findings)


def check_file_groups(paths: Sequence[str], groups: Sequence[str | None]) -> tuple[Finding, ...]:
    """Return the finding on files whose segments belong to several groups.

    Parameters
    ----------
    paths : sequence of str
        Path of every clip.
    groups : sequence of str or None
        Group of every clip; None where unknown.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(*check_file_groups(["a.wav", "./a.wav", "b.wav"], ["ann", "bob", "bob"]))
    one file in several groups: a.wav ('ann', 'bob'): it may be on both sides of a split; give all its segments \
one group
    """
    first: dict[str, str] = {}
    several: dict[str, set[str]] = {}
    for path, group in zip(paths, groups, strict=True):
        if group is not None:
            file = posixpath.normpath(path)
            if first.setdefault(file, group) != group:
                several.setdefault(file, {first[file]}).add(group)
    divided = [f"{path} ({', '.join(map(repr, sorted(members)))})" for path, members in sorted(several.items())]
    if not divided:
        return ()
    return (
        Finding(
            "file_in_several_groups",
            "alarm",
            f"one file in several groups: {first_of(divided)}: it may be on both sides of a split",
            "give all its segments one group",
        ),
    )


def check_shared_audio(
    splits: Iterable[tuple[Iterable[tuple[str, str]], Iterable[tuple[str, str]]]],
) -> tuple[Finding, ...]:
    """Return the finding on clips of the two sides of a split that decode to the same samples.

    Parameters
    ----------
    splits : iterable of (train, test)
        Each side an iterable of pairs: path, and hash of the decoded samples.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(*check_shared_audio([([("a.wav", "f3")], [("b.wav", "f3")])]))
    same audio on both sides of a split: a.wav = b.wav; give both one group, or keep one
    """
    pairs: dict[str, None] = {}
    for train, test in splits:
        path_of = {content: path for path, content in train}
        for path, content in test:
            if content in path_of:
                pairs[" = ".join(sorted((path, path_of[content])))] = None
    if not pairs:
        return ()
    return (
        Finding(
            "same_audio_on_both_sides",
            "alarm",
            f"same audio on both sides of a split: {first_of(list(pairs))}",
            "give both one group, or keep one",
        ),
    )
