"""Cross-validation with whole sources left out, beside the division by group: the accuracy on a new source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gmmaudio.compute import RunContext
from gmmaudio.corpus import Fold, scored_labels, source_folds, straddling_groups
from gmmaudio.errors import CorpusError, MixtureError, SettingError
from gmmaudio.evaluation import ScoredClip, Slice, make_slice
from gmmaudio.evaluation.left_out_sources import SourcesLeftOut, choose_alike, make_sources_left_out
from gmmaudio.evaluation.warnings import FEW_GROUPS
from gmmaudio.findings import Finding, some_names
from gmmaudio.models import Recipe
from gmmaudio.pipeline.analyses import paired_slices
from gmmaudio.pipeline.fold_checkpoints import resume_folds
from gmmaudio.pipeline.leakage import check_sides
from gmmaudio.trials import Trial, units_of


@dataclass(frozen=True, eq=False)
class SourceRuns:
    """What a cross-validation with sources left out adds to a report.

    Parameters
    ----------
    left_out : SourcesLeftOut or None
        Metrics and predictions; None where sources were not left out, or could not be.
    slices : mapping of str to sequence of Slice
        The gap to the division by group, and a slice for each source.
    findings : tuple of Finding
        The gap in words, or why there is none.
    """

    left_out: SourcesLeftOut | None = None
    slices: dict[str, Sequence[Slice]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def run_sources_left_out(
    trials: Sequence[Trial], by_group: Sequence[ScoredClip], recipe: Recipe, run: RunContext, *, tuned: bool = False
) -> SourceRuns:
    """Return the predictions for trials whose sources were left out, beside those of the division by group.

    Nothing is done where no source is known, or where the groups that are held out are whole sources already.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    by_group : sequence of ScoredClip
        Predictions of one repeat of the division by group.
    recipe : Recipe
        Settings; the seed divides many sources, and fits.
    run : RunContext
        Worker processes, checkpoints and progress.
    tuned : bool
        Choose settings on inner folds of every training set, as was done for the division by group.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> clips = [replace(clip, source=clip.path.split("/")[1]) for clip in corpus.clips]
    >>> clips = plan_split(clips, group_by="none")
    >>> trials = build_trial_set(corpus.root, clips, recipe.trial_settings).trials
    >>> left_out = run_sources_left_out(trials, [], recipe, RunContext()).left_out
    >>> left_out.sources, left_out.accuracy, left_out.scheme
    (('album0', 'album1', 'album2'), 1.0, 'one source left out at a time')
    """
    if not any(trial.source for trial in trials):
        return SourceRuns()
    if holds_sources_whole(trials):
        return SourceRuns(findings=(_held_out_whole(),))
    folds = divide_sources(trials, recipe.seed)
    if not folds:
        return SourceRuns(findings=(_why_not(trials),))
    planned = [(0, fold) for fold in folds]
    settings = {"tuned": tuned, "open_set": False, "durations_s": ()}
    try:
        results = resume_folds(trials, planned, recipe, run, "folds with sources left out", **settings)
    except (CorpusError, MixtureError, SettingError) as error:
        # the report by group is there, and does not depend on it
        reason = f"without a source no model can be trained ({error})"
        return SourceRuns(findings=(_not_left_out(reason, "add clips and groups of every source"),))
    clips = [clip for result in results for clip in result.scored]
    n_sources = len({clip.source for clip in clips})
    over = "sources" if n_sources >= FEW_GROUPS else "groups"
    if over == "sources":
        clips, by_group = _by_source(clips), _by_source(by_group)
    is_drawn = len(folds) < n_sources
    scheme = f"{len(folds)} folds of {n_sources} sources" if is_drawn else "one source left out at a time"
    left_out = make_sources_left_out(
        clips,
        by_group,
        sorted({trial.label for trial in trials}),
        scheme,
        intervals_over=over,
        findings=check_sides(trials, folds),
        progress=run.progress,
    )
    slices = _slices(clips, by_group, run)
    findings = (_gap(left_out, slices.get("source_gap", ())), *_groups_of_several_sources(trials))
    return SourceRuns(left_out, slices, findings)


def holds_sources_whole(trials: Sequence[Trial]) -> bool:
    """Return whether every source is of one group, so that a group that is held out is a source that is held out.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.

    Examples
    --------
    >>> holds_sources_whole([])
    True
    """
    units = units_of(trials)
    return all(trial.source for trial in trials) and not straddling_groups(units, [str(t.source) for t in trials])


def divide_sources(trials: Sequence[Trial], seed: int) -> list[Fold]:
    """Return the folds of trials by their sources (:func:`gmmaudio.corpus.source_folds`).

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    seed : int
        Seed of the division of many sources.

    Examples
    --------
    >>> divide_sources([], 0)
    []
    """
    labels, sources = [trial.label for trial in trials], [trial.source for trial in trials]
    return source_folds(labels, sources, units_of(trials), np.random.default_rng(seed))


def _by_source(clips: Sequence[ScoredClip]) -> list[ScoredClip]:
    """Return predictions whose intervals resample their sources."""
    return [replace(clip, unit=clip.source or clip.unit) for clip in clips]


def _slices(clips: Sequence[ScoredClip], by_group: Sequence[ScoredClip], run: RunContext) -> dict[str, Sequence[Slice]]:
    """Return the gap to the same clips by group, and the accuracy of each source that was left out."""
    of_source = {source: [clip for clip in clips if clip.source == source] for source in {c.source for c in clips}}
    rows = [make_slice(str(source), of_source[source]) for source in sorted(of_source, key=str)]
    slices: dict[str, Sequence[Slice]] = {"sources_left_out": rows}
    same = choose_alike(by_group, clips)
    if same:
        conditions = [("new groups of known sources", same), ("source left out", clips)]
        slices["source_gap"] = paired_slices(conditions, run)
    return slices


def _gap(left_out: SourcesLeftOut, rows: Sequence[Slice]) -> Finding:
    """Return the finding on the accuracy with sources left out, and its gap to that by group."""
    n_labels = len(left_out.scored_labels)
    gap = ""
    if len(rows) == 2 and rows[1].difference is not None:
        interval = rows[1].difference_interval
        between = "" if interval is None else f", 95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
        gap = (
            f"; as new groups of known sources, among the same labels, they show {100 * rows[0].accuracy:.1f} %: "
            f"difference {100 * rows[1].difference:+.1f} percentage points{between}"
        )
    unscored = left_out.unscored_labels
    rest = f"; not scored, for want of a second source: {some_names(unscored)}" if unscored else ""
    return Finding(
        "source_gap",
        "information",
        f"with their source left out {left_out.n} clips of {n_labels} label{'s' * (n_labels != 1)} show "
        f"{100 * left_out.accuracy:.1f} % among {left_out.candidates_text}, which holds for recordings of a new source"
        f"{gap}{rest}",
    )


def _groups_of_several_sources(trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """Return the finding on groups that have clips of several sources."""
    several = straddling_groups([trial.source for trial in trials], units_of(trials))
    if not several:
        return ()
    return (
        Finding(
            "group_of_several_sources",
            "information",
            f"groups of several sources ({some_names(several)}): where a source is left out, all clips of the groups "
            "that are scored are left out of training",
        ),
    )


def _held_out_whole() -> Finding:
    """Return the finding that groups that are held out are whole sources."""
    return Finding(
        "sources_held_out",
        "passed",
        "every clip is scored by models that were not trained on its source",
    )


def _why_not(trials: Sequence[Trial]) -> Finding:
    """Return the finding that no source can be left out, with the reason."""
    known = [trial for trial in trials if trial.source]
    sources = {trial.source for trial in known}
    remedy = "add clips of another source for two labels or more"
    if len(sources) == 1:
        return _not_left_out(f"all clips are of one source, {next(iter(sources))!r}", remedy)
    if not scored_labels([trial.label for trial in known], [str(trial.source) for trial in known]):
        return _not_left_out("no label has clips of two sources", remedy)
    return _not_left_out(
        "without a source and the groups of its clips too little is left to train on",
        'leave sources out and keep their groups (`folds="loo"`, `group_by="source"`), or add groups',
    )


def _not_left_out(reason: str, remedy: str) -> Finding:
    """Return the finding that sources were not left out, for a reason."""
    return Finding(
        "sources_not_left_out",
        "information",
        f"the accuracy on recordings of a source that was not trained on is not measured: {reason}",
        remedy,
    )
