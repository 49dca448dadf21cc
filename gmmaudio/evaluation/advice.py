"""Advice: what the results of an evaluation mean for new clips, in words, each statement with its evidence.

Every rule is a function of a report, and silent where its evidence is missing or is not clear. The thresholds stand
below with their reasons; ``docs/decisions/0035-advice.md`` has the cases for which they were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmmaudio.evaluation.confusion import CONFUSED_DISTANCE
from gmmaudio.evaluation.expectations import expectation
from gmmaudio.evaluation.statements import N_NAMED, Advice, label_names, plural, share_text
from gmmaudio.findings import first_of, some_names

if TYPE_CHECKING:
    from gmmaudio.evaluation.report import Report
    from gmmaudio.evaluation.slices import Slice

# recall below a half: a clip of the label is more often missed than found; precision below a half: the label is more
# often wrong than right where it is predicted
UNSAFE_SHARE = 0.5
# of fewer clips one more or less moves recall or precision by over 20 percentage points
MIN_CLIPS = 5
# with fewer groups, each is more than a third of what is known of the label; also the bound of the check of a corpus
MIN_GROUPS = 3
# with fewer groups, a fold holds out a quarter or more of what the label is learned from
FEW_LABEL_GROUPS = 5
# confusions of two labels: fewer are one odd album
MIN_CONFUSED = 3
# a fifth of the clips of a label: less is not what keeps the label from being recognised
CONFUSED_SHARE = 0.2
# a doubling of the training audio that gains less than this is not worth its work: of 50 clips, one
FLAT_GAIN = 0.02
# one clip in ten: smaller losses under a degradation are within what folds and seeds change
ROBUSTNESS_LOSS = 0.1
# condition of robustness -> the augmentation that trains on copies like it
AUGMENTATION_OF = {
    "band limit 4 kHz": "band",
    "gain -20 dB": "gain",
    "noise 20 dB": "noise",
    "noise 10 dB": "noise",
    "Vorbis": "codec",
    "MP3": "mp3",
    "Opus": "opus",
}


def advise(report: Report) -> tuple[Advice, ...]:
    """Return the advice that a report supports: what to expect, labels that are not safe, what to add.

    Parameters
    ----------
    report : Report
        Metrics, predictions, findings and slices; its own advice is not looked at.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clips = [ScoredClip(f"{i}.wav", (), label, f"g{i}", f"g{i}", None, "1", 0, "rock", {})
    ...          for i, label in enumerate(["jazz"] * 6 + ["rock"] * 6)]
    >>> protocol = Protocol("by hand", "group", 0, ("1",), 1, ("jazz", "rock"), ())
    >>> [advice.code for advice in advise(make_report(clips, ["jazz", "rock"], protocol))]
    ['accuracy_expected', 'not_above_chance', 'label_missed']
    """
    if len(report.labels) < 2:
        # the only label is always right
        return ()
    rules = (expectation, unsafe_labels, groups_to_add, mutual_confusions, training_gain, group_gap, weak_conditions)
    return tuple(advice for rule in rules for advice in rule(report))


def advice_paragraph(advice: Sequence[Advice]) -> str:
    """Return advice as one paragraph; of many labels that are not safe, the first are named.

    Parameters
    ----------
    advice : sequence of Advice
        As :func:`advise` gives it.

    Examples
    --------
    >>> missed = Advice("label_missed", "unsafe", "'jazz': 1 of 9 clips is recognised", "recall 11.1 %", ("jazz",))
    >>> added = Advice("groups_missing", "remedy", "add clips of 'jazz' from other groups", "it has 3", ("jazz",))
    >>> print(advice_paragraph([missed, added]))
    Not safe: 'jazz': 1 of 9 clips is recognised. To make it better: add clips of 'jazz' from other groups (it has 3).
    """
    sentences = [f"{str(each)[:1].upper()}{str(each)[1:]}." for each in advice if each.part == "expectation"]
    unsafe = [each.text for each in advice if each.part == "unsafe"]
    remedies = [str(each) for each in advice if each.part == "remedy"]
    if unsafe:
        more = len(unsafe) - N_NAMED
        rest = f"; and {plural(more, 'more label')}" if more > 0 else ""
        sentences.append(f"Not safe: {'; '.join(unsafe[:N_NAMED])}{rest}.")
    if remedies:
        sentences.append(f"To make it better: {'; '.join(remedies)}.")
    return " ".join(sentences)


def unsafe_labels(report: Report) -> Iterator[Advice]:
    """Yield the labels that are not safe, each with its reasons, the lowest recall first.

    Labels that are missed more often than found, or wrong more often than right, come first; then those whose figures
    rest on too little to be relied on.

    Parameters
    ----------
    report : Report
        Its confusion matrix, and the groups of its labels where they are known.
    """
    found = [advice for label in report.labels for advice in _label_dangers(report, label)]
    order = ("label_missed", "label_overpredicted", "label_unproven", "label_not_scored")
    yield from sorted(found, key=lambda each: (order.index(each.code), _recall(report, each.labels[0])))


def _label_dangers(report: Report, label: str) -> Iterator[Advice]:
    """Yield the reasons why a label is not safe, as one piece of advice; nothing where there are none."""
    counts = _counts_of(report, label)
    if not counts.n:
        few = report.per_label[label].get("n_training_groups")
        why = "it has one group, which is needed in training" if few == 1 else "there was no clip of it"
        yield Advice("label_not_scored", "unsafe", f"{label!r}: never scored, {why}", "no clip scored", (label,))
        return
    reasons = []
    if counts.is_missed:
        reasons.append(("label_missed", _missed_text(report, counts)))
        reasons += [("label_missed", text) for text in _taken_for(report, label)]
    if counts.is_overpredicted:
        wrong = counts.n_predicted - counts.hits
        text = f"{wrong} of the {_clips(report, counts.n_predicted)} predicted as it {_be(wrong)} of other labels"
        reasons.append(("label_overpredicted", text))
    if counts.n < MIN_CLIPS:
        reasons.append(("label_unproven", f"it was scored on {_clips(report, counts.n)} only"))
    elif counts.n_groups is not None and counts.n_groups < MIN_GROUPS and not counts.is_missed:
        reasons.append(("label_unproven", f"it was scored on {plural(counts.n_groups, 'group')} only"))
    if reasons:
        yield Advice(
            reasons[0][0], "unsafe", f"{label!r}: {', '.join(text for _, text in reasons)}", counts.evidence, (label,)
        )


def _missed_text(report: Report, counts: _LabelCounts) -> str:
    """Return that a label is missed, with the number of its groups where they are few."""
    n_groups = counts.n_groups
    few = f", all from {plural(n_groups, 'group')}" if n_groups is not None and n_groups < FEW_LABEL_GROUPS else ""
    return f"{counts.hits} of {_clips(report, counts.n)} {_be(counts.hits)} recognised{few}"


def _taken_for(report: Report, label: str) -> Iterator[str]:
    """Yield the label that takes most of the missed clips of another; nothing where none takes over half of them."""
    row = report.confusion[report.labels.index(label)].copy()
    row[report.labels.index(label)] = 0
    j, n_missed = int(row.argmax()), int(row.sum())
    # of two labels, the other one takes all
    if len(report.labels) > 2 and row[j] >= MIN_CONFUSED and 2 * row[j] > n_missed:
        other = report.labels[j]
        near = ", whose model is the nearest" if _nearest_model(report, label) == other else ""
        yield f"{row[j]} of the {n_missed} missed are predicted as {other!r}{near}"


def groups_to_add(report: Report) -> Iterator[Advice]:
    """Yield the labels that need more groups: those missed that have few, and those with too few to be scored well.

    Parameters
    ----------
    report : Report
        Without the number of groups that labels were trained on, there is no advice; nor for missed labels where
        those with more groups are not recognised better.
    """
    trained = {label: row.get("n_training_groups") for label, row in report.per_label.items()}
    known = {label: int(n) for label, n in trained.items() if n is not None}
    missed = [label for label, n in known.items() if n < FEW_LABEL_GROUPS and _counts_of(report, label).is_missed]
    evidence = _groups_evidence(report, known, missed) if missed else None
    if evidence is not None:
        have = _plural_range([known[label] for label in missed])
        yield Advice(
            "groups_missing",
            "remedy",
            f"add clips of {label_names(missed)} from other groups (artists, albums or speakers): {have} are few",
            evidence,
            tuple(missed),
        )
    single = [label for label, n in known.items() if n < MIN_GROUPS and label not in missed]
    if single:
        yield Advice(
            "groups_below_three",
            "remedy",
            f"add groups of {label_names(single)} until each has {MIN_GROUPS} or more, so that its figures can be "
            "relied on",
            first_of([f"{label!r} has {known[label]}" for label in single], N_NAMED),
            tuple(single),
        )


def _groups_evidence(report: Report, known: Mapping[str, int], missed: Sequence[str]) -> str | None:
    """Return the recall of missed labels beside that of labels with more groups, and labels that do well with as few.

    None where labels with more groups are not recognised better: then groups are not what is missing.
    """
    most = max(known[label] for label in missed)
    more = [label for label in known if known[label] > most and _counts_of(report, label).n >= MIN_CLIPS]
    better = [label for label in known if known[label] <= most and _is_recognised(report, label)]
    evidence = f"mean recall {share_text(_mean_recall(report, missed))}"
    if more:
        if _mean_recall(report, more) <= _mean_recall(report, missed):
            return None
        have = f"{plural(len(more), 'label')} with {_plural_range([known[label] for label in more])}"
        evidence += f", against {share_text(_mean_recall(report, more))} for {have}"
    if better:
        evidence += f"; but {some_names(better)} {_be(len(better))} recognised with as few: also listen to the mistakes"
    return evidence


def mutual_confusions(report: Report) -> Iterator[Advice]:
    """Yield the pairs of labels that are taken for each other, those with most confusions first.

    In both directions the other label takes over half of the mistakes, at least a fifth of the clips, and three clips
    of two groups (where groups are known). Of two labels every mistake is such a confusion, so there is no advice.

    Parameters
    ----------
    report : Report
        Its confusion matrix and predictions.
    """
    counts = report.confusion
    if len(report.labels) < 3:
        return
    # only the label that takes most of the mistakes may take over half of them: no work for all pairs of labels
    takers = (counts - np.diag(np.diag(counts))).argmax(axis=1).tolist()
    pairs = [
        (i, j)
        for i, j in enumerate(takers)
        if i < j and takers[j] == i and _is_taken(report, i, j) and _is_taken(report, j, i)
    ]
    for i, j in sorted(pairs, key=lambda pair: -int(counts[pair] + counts[pair[::-1]]))[:N_NAMED]:
        first, second = report.labels[i], report.labels[j]
        merged = (np.trace(counts) + counts[i, j] + counts[j, i]) / counts.sum()
        near = _nearest_model(report, first) == second and _nearest_model(report, second) == first
        alike = "; the models of both are nearest to each other as well" if near else ""
        yield Advice(
            "labels_confused",
            "remedy",
            f"{first!r} and {second!r} are taken for each other: add clips that tell them apart, "
            "check the labels of the mistakes, or make them one label",
            f"{counts[i, j]} of {counts[i].sum()} and {counts[j, i]} of {counts[j].sum()}; as one label "
            f"{share_text(float(merged))} would be right instead of {share_text(report.accuracy)}{alike}",
            (first, second),
        )


def _is_taken(report: Report, i: int, j: int) -> bool:
    """Return whether label j takes over half of the mistakes of label i, and enough clips and groups of it."""
    row = report.confusion[i]
    n_wrong = int(row.sum() - row[i])
    if row[j] < MIN_CONFUSED or 2 * row[j] <= n_wrong or row[j] < CONFUSED_SHARE * row.sum():
        return False
    label, other = report.labels[i], report.labels[j]
    groups = {clip.group for clip in report.clips if clip.label == label and clip.predicted == other}
    return None in groups or len(groups) > 1


def training_gain(report: Report) -> Iterator[Advice]:
    """Yield the advice of the last step of the learning curve on more audio; nothing where its interval is not clear.

    Parameters
    ----------
    report : Report
        With a learning curve whose last row has a paired gain.
    """
    rows = report.slices.get("learning_curve", ())
    if len(rows) < 2 or rows[-1].gain is None or rows[-1].gain_interval is None:
        return
    before, last = rows[-2], rows[-1]
    hours = "" if before.hours is None or last.hours is None else f" ({before.hours:.2f} to {last.hours:.2f} h)"
    low, high = rows[-1].gain_interval
    evidence = (
        f"from {before.name} to {last.name} of the training audio{hours}: {_points(rows[-1].gain)} percentage points, "
        f"95 % interval {_points(low)} to {_points(high)}"
    )
    if low > 0:
        yield Advice("audio_missing", "remedy", "add audio, from new groups: the last doubling of it helped", evidence)
    elif high <= FLAT_GAIN:
        yield Advice(
            "audio_enough",
            "remedy",
            "more audio of the same kind is not likely to help: try another preset or other settings",
            evidence,
        )


def group_gap(report: Report) -> Iterator[Advice]:
    """Yield that the model recognises groups rather than labels, where a random split shows it.

    Parameters
    ----------
    report : Report
        With a random split beside the one that keeps groups whole.
    """
    rows = report.slices.get("random_split", ())
    if len(rows) < 2 or rows[1].difference is None or rows[1].difference_interval is None:
        return
    low, high = rows[1].difference_interval
    if low > 0:
        yield Advice(
            "groups_recognised",
            "remedy",
            "add clips of new groups rather than more clips of the same ones: the model recognises groups it knows",
            f"a random split, with groups on both sides, changes accuracy by {_points(rows[1].difference)} percentage "
            f"points, 95 % interval {_points(low)} to {_points(high)}",
        )


def weak_conditions(report: Report) -> Iterator[Advice]:
    """Yield the degradations under which much of the accuracy is lost, and the augmentations that fit them.

    Parameters
    ----------
    report : Report
        With robustness, each condition compared with the clean clips.
    """
    weak = [row for row in report.slices.get("robustness", ())[1:] if _is_loss(row)]
    if not weak:
        return
    weak.sort(key=lambda row: row.difference or 0.0)
    used = _augmentations(report.protocol.settings)
    names = dict.fromkeys(AUGMENTATION_OF[row.name] for row in weak if row.name in AUGMENTATION_OF)
    more_names = [name for name in names if name not in used]
    # those that are named take the place of those of the preset
    wanted = ",".join([*used, *more_names])
    cure = f'train with `augment="{wanted}"` and compare, or ' if more_names else ""
    more = f" and {len(weak) - N_NAMED} more" if len(weak) > N_NAMED else ""
    losses = ", ".join(f"{row.name} {_points(row.difference)}" for row in weak[:N_NAMED])
    yield Advice(
        "conditions_weak",
        "remedy",
        f"where new clips may be degraded, {cure}add clips recorded as they are",
        f"percentage points lost: {losses}{more}",
    )


def _is_loss(row: Slice) -> bool:
    """Return whether a condition loses much, and its interval excludes that it loses nothing."""
    pair = row.difference_interval
    return row.difference is not None and pair is not None and row.difference <= -ROBUSTNESS_LOSS and pair[1] < 0


def _augmentations(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the augmentations that a model was trained with, as far as the settings of a report name them."""
    used = settings.get("augment", ())
    return tuple(map(str, used)) if isinstance(used, list | tuple) else ()


@dataclass(frozen=True)
class _LabelCounts:
    """Counts of a label: clips, those recognised, those predicted as it, and groups."""

    n: int
    hits: int
    n_predicted: int
    n_groups: int | None

    @property
    def is_missed(self) -> bool:
        """Whether fewer than half of enough clips are recognised."""
        return self.n >= MIN_CLIPS and self.hits < UNSAFE_SHARE * self.n

    @property
    def is_overpredicted(self) -> bool:
        """Whether fewer than half of enough clips that are predicted as the label are of it."""
        return self.n_predicted >= MIN_CLIPS and self.hits < UNSAFE_SHARE * self.n_predicted

    @property
    def evidence(self) -> str:
        """Recall and precision."""
        shares = [("recall", self.hits, self.n), ("precision", self.hits, self.n_predicted)]
        return ", ".join(f"{name} {share_text(hits / n)} ({hits} of {n})" for name, hits, n in shares if n)


def _counts_of(report: Report, label: str) -> _LabelCounts:
    """Return the counts of a label."""
    i = report.labels.index(label)
    n_groups = report.per_label[label].get("n_groups")
    row, column = report.confusion[i], report.confusion[:, i]
    return _LabelCounts(int(row.sum()), int(row[i]), int(column.sum()), None if n_groups is None else int(n_groups))


def _is_recognised(report: Report, label: str) -> bool:
    """Return whether at least half of enough clips of a label are recognised."""
    counts = _counts_of(report, label)
    return counts.n >= MIN_CLIPS and not counts.is_missed


def _recall(report: Report, label: str) -> float:
    """Return the recall of a label; 0 where it has no clips."""
    return float(report.per_label[label]["recall"] or 0.0)


def _nearest_model(report: Report, label: str) -> str | None:
    """Return the label whose model is nearest to that of another; None where that is unknown, or rests on confusions.

    What is known of confusions already says nothing more of them.
    """
    similarity = report.similarity
    if similarity is None or similarity.kind == CONFUSED_DISTANCE or label not in similarity.labels:
        return None
    i = similarity.labels.index(label)
    row = similarity.distance[i].copy()
    row[i] = np.nan
    if not np.isfinite(row).any() or (row == np.nanmin(row)).sum() > 1:
        return None
    return similarity.labels[int(np.nanargmin(row))]


def _clips(report: Report, n: int) -> str:
    """Return a number of clips; of predictions where clips were scored in several repeats."""
    return plural(n, "clip" if len(report.spread) < 2 else "prediction")


def _be(n: int) -> str:
    """Return the verb that follows a number."""
    return "is" if n == 1 else "are"


def _plural_range(numbers: Sequence[int]) -> str:
    """Return the least and the greatest of some numbers of groups."""
    low, high = min(numbers), max(numbers)
    return plural(high, "group") if low == high else f"{low} to {high} groups"


def _mean_recall(report: Report, labels: Sequence[str]) -> float:
    """Return the mean recall of some labels."""
    return sum(_recall(report, label) for label in labels) / len(labels)


def _points(difference: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * (difference or 0.0):+.1f}".replace("-", "\N{MINUS SIGN}")
