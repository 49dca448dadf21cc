"""Which clips are trained on and which are scored: splits, groups and folds.

A fold never cuts through a group (an artist, a speaker, an album), and never scores a label that a model could not
have learned from another group.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gmmaudio.corpus.clip import Clip
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.findings import some_names

NOTHING_SCORED = (
    "no label can be scored: each needs clips of two groups or more; record another speaker or artist, "
    'or take every file for a group, for an optimistic metric (`group_by="none"`)'
)


@dataclass(frozen=True)
class Fold:
    """One division of a corpus; indices into its items.

    Parameters
    ----------
    name : str
        Number of the fold, value of the fold column, or the group left out.
    train, test : tuple of int
        Items to train on and to score; what is in neither is left out of this fold.
    """

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]


def select_split(clips: Sequence[Clip], wanted: str | None, default: str) -> tuple[Clip, ...]:
    """Return the clips of a split.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    wanted : str or None
        Name of the split asked for; None for the default.
    default : {"train", "test"}
        ``train`` takes clips whose split is empty or ``train``; ``test`` takes ``test`` where the corpus has a split
        column, and everything where it has none.

    Raises
    ------
    CorpusError
        If the split asked for has no clips.
    """
    if wanted is not None:
        chosen = tuple(clip for clip in clips if (clip.split or "") == wanted)
    elif default == "train":
        chosen = tuple(clip for clip in clips if clip.split in (None, "", "train"))
    else:
        known = any(clip.split for clip in clips)
        chosen = tuple(clip for clip in clips if not known or clip.split == "test")
    if not chosen:
        names = sorted({clip.split or "(empty)" for clip in clips})
        raise CorpusError(f"no clip has split {wanted or default!r}; the corpus has {', '.join(names)} (`split`)")
    return chosen


def plan_split(
    clips: Sequence[Clip],
    *,
    default: str = "train",
    split: str | None = None,
    group_by: str | None = None,
    fold_column: str | None = None,
) -> tuple[Clip, ...]:
    """Return the clips of a split, each with what keeps it on one side of a fold, and its fold.

    What the corpus says of a clip (``group``, ``source``, ``split``) stays as it is.

    Parameters
    ----------
    clips : sequence of Clip
        All clips of a corpus.
    default : {"train", "test"}
        Which clips are taken where no split is named, see :func:`select_split`. A training split with a fold column
        takes all clips: the column says which are scored.
    split : str or None
        Name of the split to take.
    group_by : str or None
        What is held out together: a column of the manifest; ``parent``, the folder that a file is in; ``none``, every
        file by itself; None takes the corpus's groups.
    fold_column : str or None
        Column that holds the fold of each clip.

    Raises
    ------
    CorpusError
        If the split has no clips, or some clips lack a value in the column to group by.

    Examples
    --------
    >>> clips = [Clip("ann/1.wav", "en", group="ann"), Clip("bob/1.wav", "en", split="test")]
    >>> [(clip.path, clip.held_out_by) for clip in plan_split(clips, group_by="parent")]
    [('ann/1.wav', 'ann')]
    """
    take_all = split is None and fold_column is not None and default == "train"
    chosen = clips if take_all else select_split(clips, split, default)
    folds = [clip.column(fold_column) if fold_column else None for clip in chosen]
    return tuple(
        replace(clip, held_out_by=held_out_by, fold=fold)
        for clip, held_out_by, fold in zip(chosen, _held_out_by(chosen, group_by), folds, strict=True)
    )


def _held_out_by(clips: Sequence[Clip], group_by: str | None) -> list[str | None]:
    """Return what each clip is held out by, None where it is unknown."""
    if group_by is None:
        return [clip.group for clip in clips]
    if group_by == "none":
        return [None for _ in clips]
    if group_by == "parent":
        return [Path(clip.path).parent.as_posix() for clip in clips]
    values = [clip.column(group_by) for clip in clips]
    missing = [clip.path for clip, value in zip(clips, values, strict=True) if not value]
    if missing:
        raise CorpusError(
            f"{some_names(missing)} without a value in the column {group_by!r}; fill it, or name another (`group_by`)"
        )
    return values


def group_keys(groups: Sequence[str | None], paths: Sequence[str]) -> tuple[str, ...]:
    """Return a group for every item; where it is unknown, all pieces of one file are a group.

    Examples
    --------
    >>> group_keys(["bob", None], ["a.wav", "b.wav"])
    ('bob', 'file b.wav')
    """
    return tuple(
        f"file {posixpath.normpath(path)}" if group is None else group
        for group, path in zip(groups, paths, strict=True)
    )


def scored_labels(labels: Sequence[str], groups: Sequence[str]) -> frozenset[str]:
    """Return the labels with two groups or more: only those can be learned from one and tested on another."""
    seen: dict[str, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        seen[label].add(group)
    return frozenset(label for label, members in seen.items() if len(members) > 1)


def random_folds(labels: Sequence[str], groups: Sequence[str], n_folds: int, rng: np.random.Generator) -> list[Fold]:
    """Return a random division into folds that keeps groups whole and labels balanced.

    Groups come in random order, each to the fold where it adds least to the sum of squared label shares. (Dealing them
    out largest first balances a little better, and gives the same division for every seed.)

    Parameters
    ----------
    labels, groups : sequence of str
        Of every item.
    n_folds : int
        At least 2.
    rng : numpy.random.Generator
        Decides the order and breaks ties.

    Raises
    ------
    SettingError
        If there are more folds than groups to fill them.
    CorpusError
        If no label can be scored.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> folds = random_folds(["a", "a", "b", "b"], ["1", "2", "3", "4"], 2, rng)
    >>> [len(fold.test) for fold in folds]
    [2, 2]
    """
    scored = scored_labels(labels, groups)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        if label in scored:
            counts[group][label] += 1
    if not counts:
        raise CorpusError(NOTHING_SCORED)
    if not 2 <= n_folds <= len(counts):
        raise SettingError(
            f"`folds` is {n_folds}; expected 2 to {len(counts)}, the number of groups with labels that can be scored"
        )
    names = sorted(scored)
    totals = np.array([sum(c[label] for c in counts.values()) for label in names], dtype=float)
    filled = np.zeros((n_folds, len(names)))
    fold_of: dict[str, str] = {}
    order = sorted(counts)
    # groups of several labels bind most, and come first; otherwise the order is random
    for i in sorted(rng.permutation(len(order)), key=lambda i: -len(counts[order[i]])):
        share = np.array([counts[order[i]][label] for label in names]) / totals
        cost = (2 * filled * share + share * share).sum(axis=1)
        best = np.flatnonzero(cost <= cost.min() + 1e-12)
        # of equal folds the emptiest, or some would stay empty
        load = filled[best].sum(axis=1)
        fold = int(rng.choice(best[load <= load.min() + 1e-12]))
        filled[fold] += share
        fold_of[order[i]] = str(fold)
    return _folds([fold_of.get(group) for group in groups], labels, groups)


def leave_one_group_out(labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return one fold for each group, in which that group alone is scored.

    Raises
    ------
    CorpusError
        If no label has two groups.
    """
    return _folds(list(groups), labels, groups)


def column_folds(values: Sequence[str | None], labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return the division that a column of the corpus gives; items without a value are only trained on.

    Raises
    ------
    CorpusError
        If the column has fewer than two values, or no fold can be scored.
    """
    if len({value for value in values if value}) < 2:
        raise CorpusError("the fold column has fewer than two values; name another (`fold_column`)")
    return _folds([value or None for value in values], labels, groups)


def straddling_groups(values: Sequence[str | None], groups: Sequence[str]) -> list[str]:
    """Return the groups that have more than one value, sorted: those a fold column cuts through."""
    seen: dict[str, set[str]] = defaultdict(set)
    for value, group in zip(values, groups, strict=True):
        if value:
            seen[group].add(value)
    return sorted(group for group, members in seen.items() if len(members) > 1)


def _folds(fold_of: Sequence[str | None], labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return the folds; a group that is scored in a fold is not trained on in it, whatever its other labels."""
    scored = scored_labels(labels, groups)
    items = range(len(labels))
    folds = []
    for name in sorted({f for f in fold_of if f is not None}, key=_natural):
        held = [i for i in items if fold_of[i] == name and labels[i] in scored]
        out = {groups[i] for i in held}
        train = tuple(i for i in items if groups[i] not in out and (fold_of[i] != name or labels[i] not in scored))
        known = {labels[i] for i in train}
        test = tuple(i for i in held if labels[i] in known)
        if test and len(known) > 1:
            folds.append(Fold(name, train, test))
    if not folds:
        raise CorpusError(NOTHING_SCORED)
    return folds


def _natural(name: str) -> tuple[int, float, str]:
    """Sort numbers by value before names."""
    return (0, float(name), name) if name.isdecimal() else (1, 0.0, name)
