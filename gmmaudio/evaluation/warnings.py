"""What may make a figure wrong, read from labels, groups and sources alone; and what was looked for and not found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gmmaudio.evaluation.records import ScoredClip

UNKNOWN_GROUPS = "groups unknown: this figure may be optimistic (add a group column, or --group-by parent)"


@dataclass(frozen=True)
class Findings:
    """Warnings, and checks that found nothing.

    Parameters
    ----------
    guards : tuple of str
        What may make the figures wrong, each with a cure.
    passed : tuple of str
        What was looked for and not found.
    """

    guards: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        return Findings(self.guards + other.guards, self.passed + other.passed)


def group_findings(labels: Sequence[str], groups: Sequence[str | None], trained: Sequence[str | None] = ()) -> Findings:
    """Return what the groups of clips say of a figure: whether they are known, and labels that have only one.

    Parameters
    ----------
    labels : sequence of str
        Of every clip, those of training included.
    groups : sequence of str or None
        Of every clip; None where unknown.
    trained : sequence of str or None
        Groups of clips that a model was trained on, where it is another set.

    Examples
    --------
    >>> group_findings(["a", "a", "b", "b"], ["1", "2", "3", "3"]).guards
    ("one group only for 'b': what is learned or measured of it is that one artist or speaker; add another",)
    """
    if any(group is None for group in groups):
        return Findings((UNKNOWN_GROUPS,))
    found = _members(labels, groups)
    single = [label for label, members in found.items() if len(members) == 1]
    known = (f"groups are known: {len({*groups})} of them",)
    odd = _odd_groups([group for group in (*groups, *trained) if group is not None])
    if not single:
        return odd + Findings((), (*known, "every label has two groups or more"))
    return odd + Findings(
        (
            f"one group only for {_some(single)}: what is learned or measured of it is that one artist or speaker; "
            "add another",
        ),
        known,
    )


def _odd_groups(groups: Sequence[str]) -> Findings:
    """Return what makes one doubt that groups are artists or speakers: one clip each, names nearly the same."""
    alike: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        alike[" ".join(group.casefold().split())].add(group)
    doubles = [name for members in alike.values() if len(members) > 1 for name in sorted(members)]
    warnings = []
    if len(set(groups)) == len(groups) > 1:
        warnings.append(
            "every group has one clip only: if these are files rather than artists or speakers, this figure may be "
            "optimistic"
        )
    if doubles:
        warnings.append(
            f"groups {_some(doubles)} differ only by case or spaces: if they are one, this figure may be optimistic"
        )
    return Findings(tuple(warnings))


def source_findings(labels: Sequence[str], sources: Sequence[str | None]) -> Findings:
    """Return which labels have one source only, while the corpus has several.

    Parameters
    ----------
    labels : sequence of str
        Of every clip, those of training included.
    sources : sequence of str or None
        Of every clip: the recording condition or corpus; None where unknown.

    Examples
    --------
    >>> print(source_findings(["en", "fr"], ["radio", "phone"]).guards[0])
    class and source are confounded for every label: this figure may measure the recording, not the class; \
add clips of another source
    """
    known = {source for source in sources if source}
    if not known:
        return Findings()
    n_unknown = sum(not source for source in sources)
    if n_unknown:
        return Findings((f"the source of {n_unknown} clips is unknown: whether it tells a label cannot be told",))
    if len(known) == 1:
        return Findings((), (f"all clips are of one source, {next(iter(known))!r}: none tells a label",))
    found = _members(labels, sources)
    single = [label for label, members in found.items() if len(members) == 1]
    told = all(len(members) == 1 for members in _members([str(source) for source in sources], labels).values())
    if not single and not told:
        return Findings((), ("every label has clips of two sources or more",))
    who = "every label" if told or len(single) == len(found) else _some(single)
    # where no label has two sources, none can be left out
    cure = "" if len(single) == len(found) else "leave a source out (--folds loo --group-by source), or "
    return Findings(
        (
            f"class and source are confounded for {who}: this figure may measure the recording, not the class; {cure}"
            "add clips of another source",
        )
    )


def side_findings(sides: Iterable[tuple[Iterable[str | None], Iterable[str | None]]], of: str = "") -> Findings:
    """Return which groups stand on both sides of a split.

    Parameters
    ----------
    sides : iterable of (train, test)
        Groups of the clips on either side, a pair for each fold; None where unknown, which is not looked at.
    of : str
        What stands behind ``group`` in the text.

    Examples
    --------
    >>> side_findings([(["ann", "bob"], ["bob"])]).guards
    ("1 group is on both sides of a split ('bob'): this figure may be optimistic",)
    """
    shared: set[str] = set()
    n_seen = 0
    for train, test in sides:
        tested = {group for group in test if group is not None}
        n_seen += len(tested)
        shared |= tested.intersection(group for group in train if group is not None)
    if shared:
        who = f"1 group{of} is" if len(shared) == 1 else f"{len(shared)} groups{of} are"
        return Findings((f"{who} on both sides of a split ({_some(sorted(shared))}): this figure may be optimistic",))
    return Findings((), (f"no group{of} is on both sides of a split",)) if n_seen else Findings()


def fold_findings(groups: Sequence[str | None], folds: Sequence[tuple[int, str]]) -> Findings:
    """Return which groups are scored in several folds of one repeat: in each, the others may have been trained on.

    Parameters
    ----------
    groups : sequence of str or None
        Of every prediction; None where unknown, which is not looked at.
    folds : sequence of (int, str)
        Repeat and fold of every prediction.

    Examples
    --------
    >>> fold_findings(["ann", "ann"], [(0, "1"), (0, "2")]).guards
    ("1 group is scored in several folds ('ann'): its clips may have been trained on where others of it are scored",)
    """
    seen: dict[tuple[str, int], set[str]] = defaultdict(set)
    for group, (repeat, fold) in zip(groups, folds, strict=True):
        if group is not None:
            seen[group, repeat].add(fold)
    cut = sorted({group for (group, _), members in seen.items() if len(members) > 1})
    if not cut:
        many = len({fold for _, fold in folds}) > 1
        return Findings((), ("no group is scored in two folds",)) if many and seen else Findings()
    many_of = "1 group is" if len(cut) == 1 else f"{len(cut)} groups are"
    its = "its" if len(cut) == 1 else "their"
    return Findings(
        (
            f"{many_of} scored in several folds ({_some(cut)}): {its} clips may have been trained on where others of "
            f"{'it' if len(cut) == 1 else 'them'} are scored",
        )
    )


def decision_findings(clips: Sequence[ScoredClip]) -> Findings:
    """Return how many predictions are not the best by score or probability, and true labels that are never candidates.

    Examples
    --------
    >>> clip = ScoredClip("1", ("1",), "a", None, "1", None, "", 0, "b", {"b": 1.0})
    >>> decision_findings([clip]).guards[1:]
    ("'a' is no candidate of any clip, though it is the true label of some: is it spelt alike?",)
    """
    given = [(clip, ranked) for clip in clips for ranked in (clip.scores, clip.probability or {}) if ranked]
    odd = list(dict.fromkeys(c.name for c, ranked in given if ranked.get(c.predicted) != max(ranked.values())))
    candidates = {label for _, ranked in given for label in ranked}
    strangers = sorted({clip.label for clip in clips} - candidates) if given else []
    warnings = []
    if odd:
        who = "1 prediction is" if len(odd) == 1 else f"{len(odd)} predictions are"
        warnings.append(
            f"{who} not the label with the highest score or probability ({_some(odd)}): accuracy is of the "
            "predictions, all that is computed from scores is not"
        )
    n_lost = len({clip.name for clip, ranked in given if clip.label not in ranked})
    if n_lost:
        warnings.append(
            f"the true label was no candidate of {n_lost} clips: Cllr and log-loss are infinite there, and not shown"
        )
    if strangers:
        warnings.append(
            f"{_some(strangers)} is no candidate of any clip, though it is the true label of some: is it spelt alike?"
        )
    return Findings(tuple(warnings))


def _members(labels: Sequence[str], values: Sequence[str | None]) -> dict[str, set[str | None]]:
    """Return the values that each label has, labels sorted."""
    found: dict[str, set[str | None]] = defaultdict(set)
    for label, value in zip(labels, values, strict=True):
        found[label].add(value)
    return dict(sorted(found.items()))


def _some(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, quoted, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
