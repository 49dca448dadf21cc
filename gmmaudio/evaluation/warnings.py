"""Checks of an evaluation by labels, groups, sources and predictions alone: what may make its metrics wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from gmmaudio.evaluation.records import ScoredClip
from gmmaudio.findings import Finding, some_names
from gmmaudio.names import difference, quoted, similar_names

# below this an interval is a rough indication: see docs/decisions/0006-intervals.md
FEW_GROUPS = 10


def check_groups(
    labels: Sequence[str], groups: Sequence[str | None], trained: Sequence[str | None] = ()
) -> tuple[Finding, ...]:
    """Return the findings on groups: whether they are known, and labels that have only one.

    Parameters
    ----------
    labels : sequence of str
        Label of every clip, those of training included.
    groups : sequence of str or None
        Group of every clip; None where unknown.
    trained : sequence of str or None
        Groups of the clips that a model was trained on, where they are other clips.

    Examples
    --------
    >>> print(check_groups(["a", "a", "b", "b"], ["1", "2", "3", "3"])[0])
    one group only for 'b': the model or the metric may be about that one artist or speaker; add another
    """
    if any(group is None for group in groups):
        return (
            Finding(
                "groups_unknown",
                "alarm",
                "groups unknown: this metric may be optimistic",
                'add a group column, or name the groups (`group_by="parent"`)',
            ),
        )
    single = [label for label, members in _values_of(labels, groups).items() if len(members) == 1]
    findings = [*_suspicious_groups([group for group in (*groups, *trained) if group is not None]), *one_group(single)]
    findings.append(Finding("groups_known", "passed", f"groups are known: {len({*groups})} of them"))
    if not single:
        findings.append(Finding("labels_have_two_groups", "passed", "every label has two groups or more"))
    return tuple(findings)


def one_group(labels: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding that labels have one group each; nothing where there are none.

    Parameters
    ----------
    labels : sequence of str
        The labels with one group.

    Examples
    --------
    >>> print(*one_group(["fado"]))
    one group only for 'fado': the model or the metric may be about that one artist or speaker; add another
    """
    if not labels:
        return ()
    return (
        Finding(
            "one_group",
            "warning",
            f"one group only for {some_names(labels)}: the model or the metric may be about that one artist or speaker",
            "add another",
        ),
    )


def check_open_set(
    clips: Sequence[ScoredClip], out_of_set: Sequence[ScoredClip], threshold: str = "", remedy: str = ""
) -> tuple[Finding, ...]:
    """Return the finding on the open set: how many clips were classified as unknown.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions for clips of known labels.
    out_of_set : sequence of ScoredClip
        Predictions for clips of labels that the model does not have.
    threshold : str
        Why the threshold is off, or that there is none.
    remedy : str
        What to do about that.

    Examples
    --------
    >>> clip = ScoredClip("1", ("1",), "a", None, "1", None, "", 0, "a", {"a": 1.0}, rejected=True)
    >>> print(check_open_set([clip], [])[0])
    1 of 1 predictions for clips of known labels were classified as unknown (coverage 0.0 %)
    """
    flags = [clip.rejected for clip in (*clips, *out_of_set)]
    if None in flags:
        return (
            Finding("open_set_not_measured", "information", f"no clip is classified as unknown: {threshold}", remedy),
        )
    accepted = [clip for clip in clips if not clip.rejected]
    details = [f"coverage {100 * len(accepted) / len(clips):.1f} %"]
    if accepted:
        n_correct = sum(clip.correct for clip in accepted)
        details.append(f"accuracy among the rest {100 * n_correct / len(accepted):.1f} %")
    if out_of_set:
        names = some_names(sorted({clip.label for clip in out_of_set}))
        n_caught = sum(bool(clip.rejected) for clip in out_of_set)
        details.append(
            f"{n_caught} of {len(out_of_set)} clips of labels that the model does not have, {names}, were too"
        )
    return (
        Finding(
            "open_set_counts",
            "information",
            f"{len(clips) - len(accepted)} of {len(clips)} predictions for clips of known labels were classified as "
            f"unknown ({'; '.join([*details, *filter(None, [threshold])])})",
            remedy,
        ),
    )


def _suspicious_groups(groups: Sequence[str]) -> list[Finding]:
    """Return the signs that groups are not artists or speakers: one clip each, names nearly the same."""
    similar = [name for names in similar_names(groups) for name in names]
    findings = []
    if len(set(groups)) == len(groups) > 1:
        findings.append(
            Finding(
                "single_clip_groups",
                "warning",
                "every group has one clip only: if these are files rather than artists or speakers, this metric may "
                "be optimistic",
                "name the artists or speakers as groups",
            )
        )
    if similar:
        findings.append(
            Finding(
                "similar_groups",
                "warning",
                f"groups {_names(similar)} differ only by {difference(similar)}: if they are one, this metric may be "
                "optimistic",
                "give them one name",
            )
        )
    return findings


def check_sources(
    labels: Sequence[str], sources: Sequence[str | None], *, left_out: bool = False
) -> tuple[Finding, ...]:
    """Return the findings on sources: labels that have only one, while the corpus has several.

    Parameters
    ----------
    labels : sequence of str
        Label of every clip, those of training included.
    sources : sequence of str or None
        Recording condition or corpus of every clip; None where unknown.
    left_out : bool
        Whether sources are left out beside the division that is checked, which then is no remedy.

    Examples
    --------
    >>> print(*check_sources(["en", "fr"], ["radio", "phone"]))
    label and source are confounded for every label: this metric may measure the recording, not the label; add clips \
of another source
    """
    known = {source for source in sources if source}
    if not known:
        return ()
    return (*_check_similar_sources(known), *_check_confounded(labels, sources, left_out=left_out))


def _check_similar_sources(sources: Iterable[str]) -> tuple[Finding, ...]:
    """Return the finding on sources whose names look alike."""
    similar = [name for names in similar_names(sources) for name in names]
    if not similar:
        return ()
    return (
        Finding(
            "similar_sources",
            "warning",
            f"sources {_names(similar)} differ only by {difference(similar)}: if they are one, whether label and "
            "source are confounded was not checked",
            "give them one name",
        ),
    )


def _names(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, quoted so that they can be told apart, and the number of the others."""
    shown = ", ".join(map(quoted, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _check_confounded(labels: Sequence[str], sources: Sequence[str | None], *, left_out: bool) -> tuple[Finding, ...]:
    """Return the finding on labels that have one source each, where some sources are known."""
    known = {source for source in sources if source}
    n_unknown = sum(not source for source in sources)
    if n_unknown:
        return (
            Finding(
                "source_unknown",
                "information",
                f"the source of {n_unknown} clips is unknown: whether label and source are confounded was not checked",
                "fill the source column",
            ),
        )
    if len(known) == 1:
        return (
            Finding(
                "one_source",
                "passed",
                f"all clips are of one source, {next(iter(known))!r}, which therefore predicts no label",
            ),
        )
    sources_of = _values_of(labels, sources)
    single = [label for label, members in sources_of.items() if len(members) == 1]
    predicts_all = all(len(members) == 1 for members in _values_of([str(s) for s in sources], labels).values())
    if not single and not predicts_all:
        return (Finding("labels_have_two_sources", "passed", "every label has clips of two sources or more"),)
    who = "every label" if predicts_all or len(single) == len(sources_of) else some_names(single)
    # where no label has two sources, none can be left out
    can_leave_out = len(single) < len(sources_of) and not left_out
    leave_out = 'leave a source out (`folds="loo"`, `group_by="source"`), or ' if can_leave_out else ""
    return (
        Finding(
            "source_confounded",
            "alarm",
            f"label and source are confounded for {who}: this metric may measure the recording, not the label",
            f"{leave_out}add clips of another source",
        ),
    )


def check_split_groups(
    sides: Iterable[tuple[Iterable[str | None], Iterable[str | None]]], of: str = ""
) -> tuple[Finding, ...]:
    """Return the findings on groups that have clips on both sides of a split.

    Parameters
    ----------
    sides : iterable of (train, test)
        Groups of the clips on either side, a pair for each fold; None where unknown, which is not checked.
    of : str
        Words that follow ``group`` in the text.

    Examples
    --------
    >>> print(*check_split_groups([(["ann", "bob"], ["bob"])]))
    1 group is on both sides of a split ('bob'): this metric may be optimistic; keep groups whole
    """
    shared: set[str] = set()
    n_tested = 0
    for train, test in sides:
        tested = {group for group in test if group is not None}
        n_tested += len(tested)
        shared |= tested.intersection(group for group in train if group is not None)
    if shared:
        who = f"1 group{of} is" if len(shared) == 1 else f"{len(shared)} groups{of} are"
        return (
            Finding(
                "group_on_both_sides",
                "alarm",
                f"{who} on both sides of a split ({some_names(sorted(shared))}): this metric may be optimistic",
                "keep groups whole",
            ),
        )
    if not n_tested:
        return ()
    return (Finding("no_group_on_both_sides", "passed", f"no group{of} is on both sides of a split"),)


def check_fold_groups(groups: Sequence[str | None], folds: Sequence[tuple[int, str]]) -> tuple[Finding, ...]:
    """Return the findings on groups that are scored in several folds of one repeat.

    In each of these folds, the group's clips of the other folds may have been trained on.

    Parameters
    ----------
    groups : sequence of str or None
        Group of every prediction; None where unknown, which is not checked.
    folds : sequence of (int, str)
        Repeat and fold of every prediction.

    Examples
    --------
    >>> print(*check_fold_groups(["ann", "ann"], [(0, "1"), (0, "2")]))
    1 group is scored in several folds ('ann'): clips of a group may have been trained on where others of it are \
scored; keep groups whole
    """
    folds_of: dict[tuple[str, int], set[str]] = defaultdict(set)
    for group, (repeat, fold) in zip(groups, folds, strict=True):
        if group is not None:
            folds_of[group, repeat].add(fold)
    divided = sorted({group for (group, _), members in folds_of.items() if len(members) > 1})
    if not divided:
        if not folds_of or len({fold for _, fold in folds}) < 2:
            return ()
        return (Finding("no_group_in_two_folds", "passed", "no group is scored in two folds"),)
    who = "1 group is" if len(divided) == 1 else f"{len(divided)} groups are"
    return (
        Finding(
            "group_in_several_folds",
            "alarm",
            f"{who} scored in several folds ({some_names(divided)}): clips of a group may have been trained on where "
            "others of it are scored",
            "keep groups whole",
        ),
    )


def check_predictions(clips: Sequence[ScoredClip]) -> tuple[Finding, ...]:
    """Return the findings on predictions that contradict their scores, and on true labels that were no candidates.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Every prediction.

    Examples
    --------
    >>> clip = ScoredClip("1", ("1",), "a", None, "1", None, "", 0, "b", {"b": 1.0})
    >>> print(check_predictions([clip])[-1])
    'a' is a true label, but a candidate of no clip; check how it is spelt
    """
    ranked = [(clip, scores) for clip in clips for scores in (clip.scores, clip.probability or {}) if scores]
    contradicted = list(dict.fromkeys(c.name for c, s in ranked if s.get(c.predicted) != max(s.values())))
    candidates = {label for _, scores in ranked for label in scores}
    never = sorted({clip.label for clip in clips} - candidates) if ranked else []
    findings = []
    if contradicted:
        who = "1 prediction is" if len(contradicted) == 1 else f"{len(contradicted)} predictions are"
        findings.append(
            Finding(
                "prediction_not_best",
                "warning",
                f"{who} not the label with the highest score or probability ({some_names(contradicted)}): accuracy is "
                "of the predictions, all metrics of scores are not",
            )
        )
    n_lost = len({clip.name for clip, scores in ranked if clip.label not in scores})
    if n_lost:
        findings.append(
            Finding(
                "label_not_scored",
                "warning",
                f"the true label was no candidate of {n_lost} clips: Cllr and log-loss are infinite there, and not "
                "shown",
            )
        )
    if never:
        findings.append(
            Finding(
                "label_never_candidate",
                "warning",
                f"{some_names(never)} is a true label, but a candidate of no clip",
                "check how it is spelt",
            )
        )
    return tuple(findings)


def check_labels_meet(clips: Sequence[ScoredClip]) -> tuple[Finding, ...]:
    """Return the finding that no true label is one that is predicted, or a candidate.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Every prediction.

    Examples
    --------
    >>> clip = ScoredClip("1", ("1",), "1", None, "1", None, "", 0, "1.0", {"1.0": 0.0})
    >>> print(*check_labels_meet([clip]))
    no true label ('1') is among the predicted ones ('1.0'): every prediction counts as wrong; spell the labels of \
both alike
    """
    true, predicted = {clip.label for clip in clips}, {clip.predicted for clip in clips}
    if true & predicted:
        return ()
    predicted.update(*(clip.scores for clip in clips), *(clip.probability or {} for clip in clips))
    if true & predicted:
        return ()
    return (
        Finding(
            "no_label_in_common",
            "alarm",
            f"no true label ({_names(sorted(true))}) is among the predicted ones ({_names(sorted(predicted))}): every "
            "prediction counts as wrong",
            "spell the labels of both alike",
        ),
    )


def check_n_groups(clips: Sequence[ScoredClip]) -> tuple[Finding, ...]:
    """Return the finding that intervals are drawn from too few groups to be more than a rough indication.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Every prediction.
    """
    n_groups = len({clip.unit for clip in clips})
    if n_groups == 1 or n_groups >= FEW_GROUPS:
        return ()
    return (
        Finding(
            "few_groups",
            "warning",
            f"the interval rests on {n_groups} groups only: it is a rough indication",
            "add groups",
        ),
    )


def _values_of(labels: Sequence[str], values: Sequence[str | None]) -> dict[str, set[str | None]]:
    """Return the values that each label has, labels sorted."""
    values_of: dict[str, set[str | None]] = defaultdict(set)
    for label, value in zip(labels, values, strict=True):
        values_of[label].add(value)
    return dict(sorted(values_of.items()))


# what every report checks of its predictions
SCORED_CLIP_CHECKS: tuple[Callable[[Sequence[ScoredClip]], tuple[Finding, ...]], ...] = (check_n_groups,)


def check_scored_clips(clips: Sequence[ScoredClip]) -> tuple[Finding, ...]:
    """Return the findings of all :data:`SCORED_CLIP_CHECKS`, in their order.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Every prediction.

    Examples
    --------
    >>> clips = [ScoredClip(unit, (unit,), "a", unit, unit, None, "", 0, "a", {}) for unit in ("ann", "bob")]
    >>> print(*check_scored_clips(clips))
    the interval rests on 2 groups only: it is a rough indication; add groups
    """
    return tuple(finding for check in SCORED_CLIP_CHECKS for finding in check(clips))
