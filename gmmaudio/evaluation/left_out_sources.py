"""Predictions for clips of sources that were not trained on, beside those for the same clips of known sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.intervals import Progress, silent
from gmmaudio.evaluation.metric_set import MetricSet, compute_metrics, metric_values
from gmmaudio.evaluation.metrics import MetricInput
from gmmaudio.evaluation.records import ScoredClip
from gmmaudio.findings import Finding


@dataclass(frozen=True, eq=False)
class SourcesLeftOut:
    """The metrics of models that were trained on no clip of the sources, and of the groups, that they are scored on.

    They hold for recordings of a new source. Those of a report by group hold for new groups of the sources that it
    knows.

    Parameters
    ----------
    metrics : MetricSet
        Metrics, intervals, confusion matrix and per-label table.
    known_sources : mapping of str to float or None
        The metrics of the division by group on the same clips, chosen among the same labels; empty where it scores none
        of them.
    n_known : int
        Number of the same clips that it scores.
    n_candidates : (int, int)
        The least and the most labels that the models know: a label whose clips are all left out is no candidate.
    scheme : str
        The division in words.
    folds : tuple of str
        Names of the folds: the source, or a number where several are left out together.
    sources : tuple of str
        The sources that were left out, and scored.
    scored_labels, unscored_labels : tuple of str
        Labels of two sources or more, which are scored; the others are trained on only.
    intervals_over : {"groups", "sources"}
        What the intervals resample: groups inside the sources where these are few, which says nothing of another
        source.
    clips : tuple of ScoredClip
        Every prediction.
    findings : tuple of Finding
        Alarms on the two sides of its folds: groups, or the same audio, on both.

    Examples
    --------
    >>> clips = [ScoredClip(each, (), "en", each, each, each, each, 0, "en", {}) for each in ("a", "b")]
    >>> left_out = make_sources_left_out(clips, clips[:1], ["en", "fr"], "one source left out at a time")
    >>> left_out.accuracy, left_out.sources, left_out.n, left_out.n_known, left_out.unscored_labels
    (1.0, ('a', 'b'), 2, 1, ('fr',))
    """

    metrics: MetricSet
    known_sources: Mapping[str, float | None]
    n_known: int
    n_candidates: tuple[int, int]
    scheme: str
    folds: tuple[str, ...]
    sources: tuple[str, ...]
    scored_labels: tuple[str, ...]
    unscored_labels: tuple[str, ...]
    intervals_over: str
    clips: tuple[ScoredClip, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def n(self) -> int:
        """Number of clips scored."""
        return len(self.clips)

    @property
    def n_groups(self) -> int:
        """Number of groups, or sources, that the intervals resample."""
        return len({clip.unit for clip in self.clips})

    @property
    def candidates_text(self) -> str:
        """The number of labels that predictions were chosen among, in words."""
        least, most = self.n_candidates
        return f"{most} labels" if least == most else f"{least} to {most} labels"

    @property
    def accuracy(self) -> float:
        """Share of clips that are correctly classified, 0..1."""
        return float(self.metrics.values["accuracy"] or 0.0)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the labels that are scored, 0..1."""
        return float(self.metrics.values["balanced_accuracy"] or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what is undefined is None."""
        metrics = self.metrics
        names = ("n_known", "n_groups", "intervals_over", "scheme")
        lists = ("folds", "sources", "scored_labels", "unscored_labels")
        return {
            **metrics.values,
            "n": self.n,
            **{name: getattr(self, name) for name in names},
            **{name: list(getattr(self, name)) for name in lists},
            "intervals": {name: None if pair is None else list(pair) for name, pair in metrics.intervals.items()},
            "known_sources": dict(self.known_sources),
            "n_candidates": list(self.n_candidates),
            "findings": [asdict(finding) for finding in self.findings],
            "confusion": metrics.confusion.tolist(),
            "per_label": {label: dict(row) for label, row in metrics.per_label.items()},
            "computed_from": metrics.computed_from,
            "clips": [clip.to_dict() for clip in self.clips],
        }


def make_sources_left_out(
    clips: Sequence[ScoredClip],
    by_group: Sequence[ScoredClip],
    labels: Sequence[str],
    scheme: str,
    *,
    intervals_over: str = "groups",
    findings: Sequence[Finding] = (),
    progress: Progress = silent,
) -> SourcesLeftOut:
    """Return the metrics of predictions for clips whose sources were left out.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions with their source left out, at least one; each fold is a source, or several.
    by_group : sequence of ScoredClip
        Predictions of one repeat of the division by group, for clips of the same names.
    labels : sequence of str
        All labels, in the order of the confusion matrix.
    scheme : str
        The division in words.
    intervals_over : {"groups", "sources"}
        What the units of the clips are.
    findings : sequence of Finding
        Alarms on the two sides of the folds.
    progress : callable
        Shows the progress of the bootstraps, see :class:`gmmaudio.evaluation.intervals.Progress`.

    Raises
    ------
    SettingError
        If there are no clips, or a label is unknown.

    Examples
    --------
    >>> make_sources_left_out([], [], ["en"], "one source left out at a time")
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: no clip was scored with its source left out; expected one or more
    """
    if not clips:
        raise SettingError("no clip was scored with its source left out; expected one or more")
    scored = {clip.label for clip in clips}
    same = choose_alike(by_group, clips)
    n_candidates = sorted(len(clip.scores) or len(labels) for clip in clips)
    return SourcesLeftOut(
        metrics=compute_metrics(clips, labels, progress),
        known_sources=metric_values(MetricInput.of(same, labels)) if same else {},
        n_known=len(same),
        n_candidates=(n_candidates[0], n_candidates[-1]),
        scheme=scheme,
        folds=tuple(dict.fromkeys(clip.fold for clip in clips)),
        sources=tuple(sorted({clip.source for clip in clips if clip.source})),
        scored_labels=tuple(label for label in labels if label in scored),
        unscored_labels=tuple(label for label in labels if label not in scored),
        intervals_over=intervals_over,
        clips=tuple(clips),
        findings=tuple(findings),
    )


def choose_alike(clips: Sequence[ScoredClip], others: Sequence[ScoredClip]) -> list[ScoredClip]:
    """Return the predictions of those clips that others are of too, chosen among the same labels as these.

    Two models that know different labels are not compared by their accuracy alone: of fewer labels more are right by
    chance.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions.
    others : sequence of ScoredClip
        Predictions of clips of the same names, each once.

    Examples
    --------
    >>> three = ScoredClip("1", (), "en", None, "1", None, "", 0, "fr", {"de": -3.0, "en": -2.0, "fr": -1.0})
    >>> two = replace(three, predicted="de", scores={"de": -1.0, "en": -2.0})
    >>> choose_alike([three], [two])[0].predicted
    'en'
    """
    candidates = {clip.name: clip.scores.keys() for clip in others}
    return [_among(clip, candidates[clip.name]) for clip in clips if clip.name in candidates]


def _among(clip: ScoredClip, labels: Collection[str]) -> ScoredClip:
    """Return a prediction without the labels that are not among some; as it is where none of them is known."""
    scores = {label: score for label, score in clip.scores.items() if label in labels}
    if not scores or len(scores) == len(clip.scores):
        return clip
    shares = {label: share for label, share in (clip.probability or {}).items() if label in scores}
    total = sum(shares.values())
    probability = {label: share / total for label, share in shares.items()} if total > 0 else None
    ranked = probability or scores
    return replace(clip, predicted=max(sorted(ranked), key=ranked.__getitem__), scores=scores, probability=probability)
