"""Division of a corpus into training and test clips: splits, groups and folds.

A fold never divides a group (an artist, a speaker, an album), and never scores a label that a model could not have
learned from another group.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gmmaudio.corpus.all_but import AllBut
from gmmaudio.corpus.clip import COLUMNS, Clip, respell_clips
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.findings import some_names
from gmmaudio.names import did_you_mean, normal, respell

NOTHING_SCORED = (
    "no label can be scored: each needs clips of two groups or more; record another speaker or artist, "
    'or treat every file as a group, which makes the metric optimistic (`group_by="none"`)'
)


@dataclass(frozen=True)
class Fold:
    """Indices of the training items and the test items of one fold.

    Parameters
    ----------
    name : str
        Number of the fold, value of the fold column, or the group that is left out.
    train, test : sequence of int
        Indices of items to train on and to score; an item in neither is left out of this fold.

    Examples
    --------
    >>> fold = Fold("0", train=(0, 1), test=(2,))
    >>> fold.test, fold.left_out(4)
    ((2,), (3,))
    """

    name: str
    train: Sequence[int]
    test: tuple[int, ...]

    @property
    def trained_on(self) -> Container[int]:
        """The indices of ``train``, for quick tests of membership."""
        return self.train if isinstance(self.train, AllBut) else frozenset(self.train)

    def left_out(self, n_items: int) -> tuple[int, ...]:
        """Return the indices of the items that are neither trained on nor scored.

        Parameters
        ----------
        n_items : int
            Number of items.

        Returns
        -------
        tuple of int
            Sorted.
        """
        train = self.train
        outside = train.left_out if isinstance(train, AllBut) else frozenset(range(n_items)).difference(train)
        return tuple(sorted(outside.difference(self.test)))


def select_split(clips: Sequence[Clip], split: str | None, default: str) -> tuple[Clip, ...]:
    """Return the clips of a split.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    split : str or None
        Name of the split; None for the default.
    default : {"train", "test"}
        ``train`` selects the clips whose split is empty or ``train``. ``test`` selects the split ``test`` where the
        corpus has a split column, and all clips where it has none.

    Returns
    -------
    tuple of Clip
        Clips in their order.

    Raises
    ------
    CorpusError
        If the split has no clips.

    Examples
    --------
    >>> clips = [Clip("1.wav", "en", split="train"), Clip("2.wav", "en", split="test")]
    >>> [clip.path for clip in select_split(clips, None, "test")]
    ['2.wav']
    """
    if split is not None:
        chosen = tuple(clip for clip in clips if normal(clip.split or "") == normal(split))
    elif default == "train":
        chosen = tuple(clip for clip in clips if clip.split in (None, "", "train"))
    else:
        has_splits = any(clip.split for clip in clips)
        chosen = tuple(clip for clip in clips if not has_splits or clip.split == "test")
    if not chosen:
        names = sorted({clip.split or "(empty)" for clip in clips})
        raise CorpusError(f"no clip has split {split or default!r}; the corpus has {', '.join(names)} (`split`)")
    return chosen


def plan_split(
    clips: Sequence[Clip],
    *,
    default: str = "train",
    split: str | None = None,
    group_by: str | None = None,
    fold_column: str | None = None,
) -> tuple[Clip, ...]:
    """Return the clips of a split with their fields ``held_out_by`` and ``fold`` set.

    All other fields, such as ``group``, ``source`` and ``split``, keep their values; names with one NFC form take the
    spelling that comes first.

    Parameters
    ----------
    clips : sequence of Clip
        All clips of a corpus.
    default : {"train", "test"}
        Clips that are selected where no split is named, see :func:`select_split`. With a fold column ``train`` selects
        all clips, as the column determines which are scored.
    split : str or None
        Name of the split.
    group_by : str or None
        Clips that are held out together: those with one value in this column of the manifest; ``parent``, those in one
        folder; ``none``, every file by itself; None, those of one group of the corpus. (``tag:artist`` is a column that
        :mod:`gmmaudio.pipeline.tag_groups` fills.)
    fold_column : str or None
        Column that holds the fold of each clip.

    Returns
    -------
    tuple of Clip
        Clips in their order.

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
    clips = respell_clips(clips)
    select_all = split is None and fold_column is not None and default == "train"
    chosen = clips if select_all else select_split(clips, split, default)
    folds = respell(clip.column(fold_column) if fold_column else None for clip in chosen)
    return tuple(
        replace(clip, held_out_by=held_out_by, fold=fold)
        for clip, held_out_by, fold in zip(chosen, respell(_held_out_by(chosen, group_by)), folds, strict=True)
    )


def _held_out_by(clips: Sequence[Clip], group_by: str | None) -> list[str | None]:
    """Return the value by which each clip is held out; None where it is unknown."""
    if group_by is None:
        return [clip.group for clip in clips]
    if group_by == "none":
        return [None for _ in clips]
    if group_by == "parent":
        return [Path(clip.path).parent.as_posix() for clip in clips]
    values = [clip.column(group_by) for clip in clips]
    missing = [clip.path for clip, value in zip(clips, values, strict=True) if not value]
    if missing:
        known = {*COLUMNS, *(name for clip in clips for name in clip.extra)}
        nearest = "" if group_by in known else did_you_mean(group_by, sorted(known))
        raise CorpusError(
            f"{some_names(missing)} without a value in the column {group_by!r}; fill it, or name another (`group_by`)"
            + (f".{nearest}" if nearest else "")
        )
    return values


def group_keys(groups: Sequence[str | None], paths: Sequence[str]) -> tuple[str, ...]:
    """Return a group for every item; where it is unknown, all segments of one file are a group.

    Parameters
    ----------
    groups : sequence of str or None
        Group of every item; None where it is unknown.
    paths : sequence of str
        Path of every item.

    Returns
    -------
    tuple of str
        One for each item.

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
    """Return the labels with two groups or more: only those can be learned from one group and scored on another.

    Parameters
    ----------
    labels, groups : sequence of str
        Label and group of every item.

    Returns
    -------
    frozenset of str
        Labels that can be scored.

    Examples
    --------
    >>> scored_labels(["en", "en", "fr"], ["ann", "bob", "cy"])
    frozenset({'en'})
    """
    groups_of: dict[str, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        groups_of[label].add(group)
    return frozenset(label for label, members in groups_of.items() if len(members) > 1)


def random_folds(labels: Sequence[str], groups: Sequence[str], n_folds: int, rng: np.random.Generator) -> list[Fold]:
    """Return a random division into folds that keeps groups whole and labels balanced.

    Groups are assigned in random order, each to the fold where it adds least to the sum of squared label shares. (To
    assign the largest first would balance a little better, and give the same division for every seed.)

    Parameters
    ----------
    labels, groups : sequence of str
        Label and group of every item.
    n_folds : int
        Number of folds, at least 2.
    rng : numpy.random.Generator
        Random numbers for the order of the groups, and to break ties.

    Returns
    -------
    list of Fold
        Folds that can be scored; at most ``n_folds``.

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
    column = {label: k for k, label in enumerate(names)}
    n_of_label = Counter(label for label in labels if label in scored)
    totals = np.array([n_of_label[label] for label in names], dtype=float)
    filled = np.zeros((n_folds, len(names)))
    fold_of: dict[str, str] = {}
    order = sorted(counts)
    # groups of several labels are the hardest to balance, and come first; otherwise the order is random
    for i in sorted(rng.permutation(len(order)), key=lambda i: -len(counts[order[i]])):
        of_labels = np.array([column[label] for label in counts[order[i]]])
        share = np.array(list(counts[order[i]].values())) / totals[of_labels]
        cost = (2 * filled[:, of_labels] * share + share * share).sum(axis=1)
        best = np.flatnonzero(cost <= cost.min() + 1e-12)
        # of equal folds the emptiest, or some would stay empty
        load = filled[best].sum(axis=1)
        fold = int(rng.choice(best[load <= load.min() + 1e-12]))
        filled[fold, of_labels] += share
        fold_of[order[i]] = str(fold)
    return _folds([fold_of.get(group) for group in groups], labels, groups)


def leave_one_group_out(labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return one fold for each group, in which that group alone is scored.

    Parameters
    ----------
    labels, groups : sequence of str
        Label and group of every item.

    Returns
    -------
    list of Fold
        Folds that can be scored, by name.

    Raises
    ------
    CorpusError
        If no label has two groups.

    Examples
    --------
    >>> folds = leave_one_group_out(["en", "en", "fr", "fr"], ["ann", "bob", "cy", "dee"])
    >>> [(fold.name, fold.test) for fold in folds]
    [('ann', (0,)), ('bob', (1,)), ('cy', (2,)), ('dee', (3,))]
    """
    return _folds(list(groups), labels, groups)


def column_folds(values: Sequence[str | None], labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return the folds that a column of the corpus defines; items without a value are only trained on.

    Parameters
    ----------
    values : sequence of str or None
        Value of the column for every item.
    labels, groups : sequence of str
        Label and group of every item.

    Returns
    -------
    list of Fold
        Folds that can be scored, by name.

    Raises
    ------
    CorpusError
        If the column has fewer than two values, or no fold can be scored.

    Examples
    --------
    >>> folds = column_folds(["1", "2", "1", "2"], ["en", "en", "fr", "fr"], ["ann", "bob", "cy", "dee"])
    >>> [(fold.name, fold.train, fold.test) for fold in folds]
    [('1', (1, 3), (0, 2)), ('2', (0, 2), (1, 3))]
    """
    if len({value for value in values if value}) < 2:
        raise CorpusError("the fold column has fewer than two values; name another (`fold_column`)")
    return _folds([value or None for value in values], labels, groups)


def straddling_groups(values: Sequence[str | None], groups: Sequence[str]) -> list[str]:
    """Return the groups that a fold column divides, sorted.

    Parameters
    ----------
    values : sequence of str or None
        Value of the column for every item.
    groups : sequence of str
        Group of every item.

    Returns
    -------
    list of str
        Groups with more than one value.

    Examples
    --------
    >>> straddling_groups(["1", "2", "2"], ["ann", "ann", "bob"])
    ['ann']
    """
    values_of: dict[str, set[str]] = defaultdict(set)
    for value, group in zip(values, groups, strict=True):
        if value:
            values_of[group].add(value)
    return sorted(group for group, members in values_of.items() if len(members) > 1)


def _folds(fold_of: Sequence[str | None], labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return the folds; a group that is scored in a fold is not trained on in it, whatever its other labels."""
    scored, n_of_label = scored_labels(labels, groups), Counter(labels)
    held_out_in, members = defaultdict(list), defaultdict(list)
    for i, (name, label, group) in enumerate(zip(fold_of, labels, groups, strict=True)):
        members[group].append(i)
        if name is not None and label in scored:
            held_out_in[name].append(i)
    folds = []
    for name in sorted(held_out_in, key=natural_order):
        held_out = held_out_in[name]
        left_out = frozenset(i for group in {groups[i] for i in held_out} for i in members[group])
        n_left_out = Counter(labels[i] for i in left_out)
        lost = {label for label, n in n_left_out.items() if n == n_of_label[label]}
        test = tuple(i for i in held_out if labels[i] not in lost)
        if test and len(n_of_label) - len(lost) > 1:
            folds.append(Fold(name, AllBut(len(labels), left_out), test))
    if not folds:
        raise CorpusError(NOTHING_SCORED)
    return folds


def natural_order(name: str) -> tuple[int, float, str]:
    """Return a sorting key by which numbers come before names, and are sorted by value.

    Parameters
    ----------
    name : str
        Name of a fold.

    Examples
    --------
    >>> sorted(["b", "10", "9"], key=natural_order)
    ['9', '10', 'b']
    """
    return (0, float(name), name) if name.isdecimal() else (1, 0.0, name)
