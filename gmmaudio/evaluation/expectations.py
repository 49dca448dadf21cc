"""What to expect of new clips by the results of an evaluation: the first rule of the advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gmmaudio.evaluation.statements import N_NAMED, Advice, interval_texts, label_names, plural, share_text
from gmmaudio.evaluation.warnings import check_scored_clips
from gmmaudio.findings import Finding

if TYPE_CHECKING:
    from gmmaudio.evaluation.left_out_sources import SourcesLeftOut
    from gmmaudio.evaluation.report import Report

# findings that limit what a figure says, without making it wrong
CAVEATS = (
    "training_unknown",
    "groups_not_comparable",
    "single_clip_groups",
    "similar_groups",
    "interval_inside_groups",
    "few_groups",
    "sources_trained_on",
    "sources_not_trained_on",
)
# alarms on the division by group, which say nothing of one in which sources are left out
OF_DIVISION = ("source_confounded", "group_on_both_sides", "near_duplicate", "same_audio_on_both_sides")
# findings under which it is not known whether the groups that were scored were trained on
TRAINING_UNKNOWN = ("training_unknown", "groups_not_comparable")


def expectation(report: Report) -> Iterator[Advice]:
    """Yield the accuracy to expect of new clips, or why none can be expected.

    Where sources were left out, that is the accuracy to expect of new recordings, and the one by group follows it: it
    holds for sources that were trained on.

    Parameters
    ----------
    report : Report
        Its findings decide: under an alarm, or without an interval, no figure is given for new clips. That labels and
        sources are confounded is no reason against the labels that were scored with their sources left out.
    """
    alarms = [finding for finding in report.findings if finding.level == "alarm"]
    if report.sources_left_out is None:
        yield from _by_group(report, alarms)
        return
    of_corpus = [finding for finding in alarms if finding.code not in OF_DIVISION]
    yield from _by_source(report.sources_left_out, [*report.sources_left_out.findings, *of_corpus])
    yield from _by_group(report, alarms, source_known=True)


def _by_source(left_out: SourcesLeftOut, alarms: Sequence[Finding]) -> Iterator[Advice]:
    """Yield the accuracy to expect of recordings of a new source, or why none can be expected."""
    accuracy, interval = share_text(left_out.accuracy), left_out.metrics.intervals["accuracy"]
    n_labels = len(left_out.scored_labels)
    inside = f"the interval is over groups inside {plural(len(left_out.sources), 'source')}, not over sources"
    evidence = "; ".join(
        [
            *interval_texts(interval),
            f"{left_out.scheme}, {plural(left_out.n, 'clip')} of {plural(n_labels, 'label')}, each classified as one "
            f"of {left_out.candidates_text}",
            f"mean over labels {share_text(left_out.balanced_accuracy)}",
            *([inside] if left_out.intervals_over == "groups" and interval is not None else []),
            *(finding.text for finding in check_scored_clips(left_out.clips)),
        ]
    )
    unscored = left_out.unscored_labels
    limit = (
        f"; nothing follows for {label_names(unscored)}, without a second source to be scored on" if unscored else ""
    )
    if alarms:
        text = f"of recordings of a new source {accuracy} are right here, but do not expect that: {_reasons(alarms)}"
        yield Advice("sources_not_transferable", "expectation", text, evidence)
    elif interval is None:
        text = f"of recordings of a new source {accuracy} are right here; there is no interval, so nothing follows"
        yield Advice("sources_without_interval", "expectation", text, evidence)
    else:
        text = (
            "of new recordings, from sources that were not trained on and with labels as frequent as here, expect "
            f"about {accuracy} to be right{limit}"
        )
        yield Advice("new_sources_expected", "expectation", text, evidence, left_out.scored_labels if unscored else ())
        yield from _chance(left_out.metrics.per_label, left_out.scored_labels, interval[0])


def _by_group(report: Report, alarms: Sequence[Finding], *, source_known: bool = False) -> Iterator[Advice]:
    """Yield the accuracy to expect of new groups, or why none can be expected."""
    shown, interval = f"{share_text(report.accuracy)} of these clips are right", report.intervals["accuracy"]
    caveats = [finding.text for code in CAVEATS for finding in report.findings if finding.code == code]
    evidence = "; ".join([*interval_texts(interval), _protocol_text(report), *caveats])
    if alarms:
        whose = " as new groups of known sources" if source_known else ""
        text = f"{shown}{whose}, but do not expect that of new clips: {_reasons(alarms)}"
        yield Advice("accuracy_not_transferable", "expectation", text, evidence)
        remedies = dict.fromkeys(finding.remedy for finding in alarms if finding.remedy)
        if remedies:
            evidence = plural(len(alarms), "alarm")
            yield Advice("alarms_to_clear", "remedy", f"clear the alarms first: {'; '.join(remedies)}", evidence)
    elif interval is None:
        text = f"{shown}; there is no interval, which takes two groups that differ, so nothing follows for new clips"
        yield Advice("accuracy_without_interval", "expectation", text, evidence)
    else:
        yield Advice("accuracy_expected", "expectation", _expected_text(report, source_known=source_known), evidence)
        if not source_known:
            yield from _chance(report.per_label, report.protocol.scored_labels, interval[0])


def _expected_text(report: Report, *, source_known: bool) -> str:
    """Return the accuracy to expect of new groups, or of new sources where these are held out, in words."""
    is_by_source = report.protocol.group_by == "source" or any(f.code == "sources_held_out" for f in report.findings)
    whose = "sources" if is_by_source else "groups (artists, albums or speakers)"
    clips, limit = "new clips", "that were not trained on and with labels as frequent as here"
    if source_known:
        clips, limit = "clips of the sources known", "that were not trained on"
    text = f"of {clips}, from {whose} {limit}, expect about {share_text(report.accuracy)} to be right"
    if any(finding.code in TRAINING_UNKNOWN for finding in report.findings):
        text += ", provided that none of the groups scored here was trained on, which is unknown"
    return text


def _reasons(alarms: Sequence[Finding]) -> str:
    """Return the texts of the first alarms."""
    return "; ".join(finding.text for finding in alarms[:N_NAMED])


def _chance(
    per_label: Mapping[str, Mapping[str, float | int | None]], scored_labels: Sequence[str], lower: float
) -> Iterator[Advice]:
    """Yield that an accuracy is not shown to be above that of the most frequent label, always predicted."""
    counts = {label: row["n"] or 0 for label, row in per_label.items()}
    most = max(counts, key=lambda label: counts[label])
    share = counts[most] / sum(counts.values())
    if len(scored_labels) > 1 and lower <= share:
        yield Advice(
            "not_above_chance",
            "expectation",
            f"this is not shown to be better than always answering {most!r}, which would be right for "
            f"{share_text(share)}",
            f"the interval begins at {share_text(lower)}",
            (most,),
        )


def _protocol_text(report: Report) -> str:
    """Return the protocol, and what was scored."""
    groups = {clip.group for clip in report.clips}
    of_groups = "" if None in groups else f" of {plural(len(groups), 'group')}"
    repeats = f", {len(report.spread)} repeats" if len(report.spread) > 1 else ""
    return (
        f"{report.protocol.scheme}, {plural(report.n, 'clip')}{of_groups}{repeats}; "
        f"mean over labels {share_text(report.balanced_accuracy)}"
    )
