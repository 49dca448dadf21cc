"""Trials -> a recogniser: a scorer with its calibration, all from the training set alone.

Calibration, the weights of two heads, the open-set threshold and the comparison of settings are learned from one pass
of out-of-fold scores on inner folds that keep groups whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from gmmaudio.compute import RunContext
from gmmaudio.corpus import Fold
from gmmaudio.findings import Finding
from gmmaudio.models.calibration import Calibration, clip_weights, fit_calibration
from gmmaudio.models.familiarity import Familiarity, GroupMeans, LeftOutMeans, fit_familiarity, group_means
from gmmaudio.models.fusion import head_weights
from gmmaudio.models.inner_folds import (
    OutOfFold,
    TrialFits,
    cap_components,
    fresh_trial_fits,
    fuse,
    labels_and_groups,
    make_inner_folds,
    out_of_fold_scores,
    score_held_out,
    training_rows_of,
)
from gmmaudio.models.kinds import fit_kind
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.models.model import Recogniser
from gmmaudio.models.open_set import OpenSetThreshold, fit_open_set_threshold, score_statistics
from gmmaudio.models.partial_fits import Fit
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.source_shift import (
    LeftOut,
    SourceShift,
    folds_of_sources,
    named_sources,
    shift_of,
    without_shared_groups,
)
from gmmaudio.models.ubm import Traces
from gmmaudio.trials import Trial

# labels left out of training to learn the open-set threshold; fewer labels take about that many fits
MAX_LEFT_OUT = 20
# of this many labels one is left out in a fit, of twice as many two at once
LABELS_FOR_EACH_LEFT_OUT = 40
NOT_CALIBRATED = Finding(
    "not_calibrated",
    "warning",
    "no label has two groups: there are no probabilities, scores only",
    "name artists or speakers as groups (`group_by`)",
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A recogniser, the traces of its EM and the scores it was calibrated on.

    Parameters
    ----------
    recogniser : Recogniser
        Scorer and calibration.
    traces : mapping of str to EMTrace
        Traces of EM, by label.
    out_of_fold : OutOfFold or None
        Scores that the calibration was learned from; None where there are none.
    fits : TrialFits or None
        Scorers of parts of the training set, by which they were computed.
    findings : tuple of Finding
        Findings on the fit.
    sources_left_out : tuple of LeftOutSources
        Scores of trials of sources that were left out of training, a round for each; none where no source is known.
    """

    recogniser: Recogniser
    traces: Traces = field(default_factory=dict)
    out_of_fold: OutOfFold | None = None
    fits: TrialFits | None = None
    findings: tuple[Finding, ...] = ()
    sources_left_out: tuple[LeftOutSources, ...] = ()


class LeftOutSources(NamedTuple):
    """Scores of trials of sources that a model was not trained on, of labels that it was trained on.

    Parameters
    ----------
    scores : ndarray, shape (n, n_known_labels)
        Weighted sum over heads.
    labels : tuple of str
        The columns.
    trials : tuple of int
        Indices of the trials.
    """

    scores: Array
    labels: tuple[str, ...]
    trials: tuple[int, ...]


class LeftOutRound(NamedTuple):
    """Scores by models that were trained without a label, or without several.

    Parameters
    ----------
    inside, outside : ndarray, shape (n, n_other_labels)
        Scores of held-out trials of the labels that were trained on, and of trials of those left out.
    inside_groups, outside_groups : sequence of str, length n
        Their groups.
    """

    inside: Array
    outside: Array
    inside_groups: Sequence[str]
    outside_groups: Sequence[str]


def fit_trials(
    trials: Sequence[Trial], recipe: Recipe, run: RunContext, *, calibrated: bool = True, fit: Fit | None = None
) -> Fitted:
    """Return a recogniser of a training set.

    Parameters
    ----------
    trials : sequence of Trial
        The training set; their degraded copies are trained on too.
    recipe : Recipe
        Settings; the seed divides and fits.
    run : RunContext
        Worker processes and progress; the result is the same bits for any.
    calibrated : bool
        Whether probabilities are wanted: it takes as many more fits as there are inner folds.
    fit : Fit or None
        The fit to the trials, with scorers of parts of them, where the rows of trials are not kept; None fits.

    Examples
    --------
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    >>> fit_trials(trials, recipe, RunContext()).recogniser.scorer.labels
    ('jazz', 'metal')
    """
    recipe = cap_components(trials, recipe)
    fit = fit or fit_kind(training_rows_of(trials, recipe, run), recipe.kind_settings)
    scorer, traces = fit.scorer, fit.traces
    if not calibrated and len(scorer.heads) == 1:
        return Fitted(Recogniser(scorer), traces)
    fits = fresh_trial_fits(trials, recipe, run) if fit.partial is None else TrialFits(trials, fit.partial)
    out_of_fold = out_of_fold_scores(trials, recipe, run, fits)
    if out_of_fold is None:
        return Fitted(Recogniser(scorer), traces, None, None, (NOT_CALIBRATED,))
    codes, groups = labels_and_groups(trials, out_of_fold)
    scorer = replace(scorer, weights=head_weights(out_of_fold, codes, groups, recipe))
    calibration = fit_calibration(out_of_fold.fused(scorer.weights), codes, groups)
    left_out = tuple(_leave_sources_out(trials, recipe, run, fits, scorer.weights))
    calibration = replace(calibration, source_shift=learn_source_shift(trials, fits, calibration, left_out))
    return Fitted(Recogniser(scorer, calibration), traces, out_of_fold, fits, sources_left_out=left_out)


def learn_source_shift(
    trials: Sequence[Trial], fits: TrialFits, calibration: Calibration, left_out: Sequence[LeftOutSources]
) -> SourceShift | None:
    """Return the share of the priors for a new source, by leaving sources out; None where no source is known.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    fits : TrialFits
        Scorers of parts of the training set.
    calibration : Calibration
        Of the training set, learned on clips of other groups.
    left_out : sequence of LeftOutSources
        Scores of trials whose sources were left out.

    References
    ----------
    The rules are those of :mod:`gmmaudio.models.source_shift`.

    Examples
    --------
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    >>> fitted = fit_trials(trials, recipe, RunContext())
    >>> fitted.recogniser.calibration.source_shift is None
    True
    """
    sources = named_sources(trial.source for trial in trials)
    if sources is None:
        return None
    labels = [trial.label for trial in trials]
    names = sorted(set(labels))
    rounds = []
    for one in left_out:
        codes = np.array([one.labels.index(labels[i]) for i in one.trials])
        known = calibration.of_labels([names.index(label) for label in one.labels])
        weights = clip_weights(codes, [fits.units[i] for i in one.trials])
        rounds.append(LeftOut(known.probability(one.scores), codes, weights))
    return shift_of(rounds, labels, sources, len({sources[i] for one in left_out for i in one.trials}))


def _leave_sources_out(
    trials: Sequence[Trial], recipe: Recipe, run: RunContext, fits: TrialFits, weights: Sequence[float]
) -> Iterator[LeftOutSources]:
    """Yield, for the sources left out at once, scores of their trials, apart by the labels that the scorer knows."""
    sources = named_sources(trial.source for trial in trials)
    if sources is None:
        return
    labels = [trial.label for trial in trials]
    for fold in run.track(folds_of_sources(labels, sources, recipe.seed), "leaving sources out"):
        found: dict[tuple[str, ...], list[tuple[Array, tuple[int, ...]]]] = {}
        for side in without_shared_groups(fold, labels, fits.units):
            known = tuple(sorted({labels[i] for i in side.train}))
            compute = partial(score_held_out, fits, side, known)
            (heads,) = fits.resume(compute, run, recipe, "sources left out", side.train, side.test)
            found.setdefault(known, []).append((fuse(heads, weights), tuple(side.test)))
        for known, parts in found.items():
            scores = np.concatenate([each for each, _ in parts])
            yield LeftOutSources(scores, known, sum((test for _, test in parts), ()))


def learn_open_set_threshold(
    trials: Sequence[Trial], recipe: Recipe, fitted: Fitted, run: RunContext
) -> OpenSetThreshold | None:
    """Return the open-set threshold, learned by leaving labels out in turn; None without inner folds.

    Of more than ``MAX_LEFT_OUT`` labels that many are left out, drawn by the seed.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    fitted : Fitted
        Result of :func:`fit_trials` for them.
    run : RunContext
        Worker processes and progress.

    Examples
    --------
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    >>> fitted = fit_trials(trials, recipe, RunContext())
    >>> learn_open_set_threshold(trials, recipe, fitted, RunContext()).threshold is None
    True
    """
    return learn_limits(trials, recipe, fitted, run)[0]


def learn_limits(
    trials: Sequence[Trial], recipe: Recipe, fitted: Fitted, run: RunContext
) -> tuple[OpenSetThreshold | None, Familiarity | None]:
    """Return the open-set threshold and the familiarity, both of one pass over labels left out; None without folds.

    Parameters
    ----------
    trials, recipe, fitted, run
        As for :func:`learn_open_set_threshold`.

    Examples
    --------
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    >>> learn_limits(trials, recipe, fit_trials(trials, recipe, RunContext()), RunContext())[1].description
    'not checked: 12 held-out clips of 12 groups; 19 groups are needed for 5 % false alarms'
    """
    out_of_fold, calibration, fits = fitted.out_of_fold, fitted.recogniser.calibration, fitted.fits
    if out_of_fold is None or calibration is None or fits is None:
        return None, None
    scorer, labels = fitted.recogniser.scorer, out_of_fold.labels
    fused = out_of_fold.fused(scorer.weights)
    known = score_statistics(fused, calibration.probability(fused))
    drawn = draw_labels(len(labels), recipe.seed)
    left_out_means: list[LeftOutMeans] = []

    def statistics_of_rounds() -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
        for one in _left_out_rounds(trials, recipe, fits, out_of_fold, fused, scorer.weights, drawn, run):
            inside, outside = (_without_offsets(each, calibration) for each in (one.inside, one.outside))
            # of a round no more than a number for each group is kept
            left_out_means.append(
                LeftOutMeans(group_means(inside, one.inside_groups), group_means(outside, one.outside_groups))
            )
            yield inside, outside

    everything = range(len(trials))
    (heads,) = fits.resume(lambda: [fits.score(scorer, everything, labels)], run, recipe, "in sample", everything)
    in_sample = fuse(heads, scorer.weights)
    held_out = group_means(known, labels_and_groups(trials, out_of_fold)[1])
    sources, source_means = _statistics_of_sources(fitted.sources_left_out, fits, calibration, held_out)
    threshold = fit_open_set_threshold(
        known,
        statistics_of_rounds(),
        other_sources=sources,
        in_sample=score_statistics(in_sample, calibration.probability(in_sample)),
        drawn=(len(drawn), len(labels)) if len(drawn) < len(labels) else None,
    )
    return threshold, fit_familiarity(held_out, {"labels": left_out_means, "sources": source_means})


def _statistics_of_sources(
    left_out: Sequence[LeftOutSources], fits: TrialFits, calibration: Calibration, held_out: Mapping[str, GroupMeans]
) -> tuple[dict[str, Array] | None, list[LeftOutMeans]]:
    """Return the statistics of all trials whose sources were left out, None of none, and their means by group."""
    found: list[dict[str, Array]] = []
    means = []
    for one in left_out:
        found.append(_without_offsets(one.scores, calibration))
        means.append(LeftOutMeans(held_out, group_means(found[-1], [fits.units[i] for i in one.trials])))
    if not found:
        return None, []
    return {name: np.concatenate([values[name] for values in found]) for name in found[0]}, means


def _without_offsets(scores: Array, calibration: Calibration) -> dict[str, Array]:
    """Return the statistics of scores: the temperature belongs to scores of this kind, the offsets to all labels."""
    uniform = replace(calibration, offsets=np.zeros(scores.shape[1]))
    return score_statistics(scores, uniform.probability(scores))


def _left_out_rounds(
    trials: Sequence[Trial],
    recipe: Recipe,
    fits: TrialFits,
    out_of_fold: OutOfFold,
    fused: Array,
    weights: Sequence[float],
    drawn: Sequence[int],
    run: RunContext,
) -> Iterator[LeftOutRound]:
    """Yield the scores of each label left out, or of several labels at once; nothing where there are two labels."""
    labels = out_of_fold.labels
    if len(labels) < 3:
        return
    if recipe.kind_settings.has_separate_labels:
        yield from _leave_columns_out(fused, *labels_and_groups(trials, out_of_fold), drawn)
        return
    # of very many labels several at once: nearly all others are still known
    n_rounds = -(-len(drawn) // max(1, len(labels) // LABELS_FOR_EACH_LEFT_OUT))
    parties = [{labels[i] for i in drawn[k::n_rounds]} for k in range(n_rounds)]
    left_out = run.track(parties, "leaving labels out")

    def score(
        train: Sequence[int], inside: Sequence[int], outside: Sequence[int], others: Sequence[str]
    ) -> list[Array]:
        compute = partial(_score_sides, fits, train, inside, outside, others)
        return fits.resume(compute, run, recipe, "labels left out", train, inside, outside)

    yield from _leave_labels_out(fits, make_inner_folds(trials, recipe.seed), labels, left_out, score, weights)


def draw_labels(n_labels: int, seed: int) -> list[int]:
    """Return the labels that are left out, as indices, ascending: all, or ``MAX_LEFT_OUT`` drawn by the seed.

    Parameters
    ----------
    n_labels : int
        Number of labels.
    seed : int
        Seed of the draw.

    Examples
    --------
    >>> draw_labels(3, 0), len(draw_labels(200, 0))
    ([0, 1, 2], 20)
    """
    if n_labels <= MAX_LEFT_OUT:
        return list(range(n_labels))
    # the streams before this one start EM and draw rows
    rng = np.random.default_rng((seed, n_labels + 2))
    return sorted(rng.choice(n_labels, MAX_LEFT_OUT, replace=False).tolist())


def _leave_columns_out(
    fused: Array, codes: Codes, groups: Sequence[str], drawn: Sequence[int]
) -> Iterator[LeftOutRound]:
    """Yield, for each label left out, the scores of clips of the other labels, and of that label.

    Where labels are fitted separately, a scorer without a label is the scorer with it, less a column.
    """
    names = np.asarray(groups, dtype=object)
    for k in drawn:
        others = np.delete(fused, k, axis=1)
        usable = np.isfinite(others).sum(axis=1) > 1
        inside, outside = usable & (codes != k), usable & (codes == k)
        if inside.any() and outside.any():
            yield LeftOutRound(others[inside], others[outside], names[inside], names[outside])


def _leave_labels_out(
    fits: TrialFits,
    folds: Sequence[Fold],
    labels: Sequence[str],
    left_out: Iterable[Set[str]],
    score: Callable[..., list[Array]],
    weights: Sequence[float],
) -> Iterator[LeftOutRound]:
    """Yield, for the labels left out at once, the scores of held-out clips of the others, and of clips of these labels.

    A round takes one inner fold, the next round the next; of few labels each takes more, for ``MAX_LEFT_OUT`` fits in
    all. No clip of a label left out is trained on, so that all of them are scored, in equal parts by the scorers of the
    folds.
    """
    n_each = max(1, MAX_LEFT_OUT // min(len(labels), MAX_LEFT_OUT))
    for i, unknown in enumerate(left_out):
        others, start = [name for name in labels if name not in unknown], i % len(folds)
        sides = (_sides(fits, fold, unknown) for fold in [*folds[start:], *folds[:start]])
        usable = [side for side in sides if side is not None]
        inside_scores: list[Array] = []
        outside_scores: list[Array] = []
        groups: tuple[list[str], list[str]] = ([], [])
        for j, (train, inside, outside) in enumerate(usable[:n_each]):
            part = outside[j :: min(n_each, len(usable))]
            first, *rest = score(train, inside, part, others)
            inside_scores.append(first)
            outside_scores += rest
            for names, side in zip(groups, (inside, part), strict=True):
                names += [fits.units[k] for k in side]
        if outside_scores:
            yield LeftOutRound(
                fuse(np.concatenate(inside_scores), weights), fuse(np.concatenate(outside_scores), weights), *groups
            )


def _score_sides(
    fits: TrialFits, train: Sequence[int], inside: Sequence[int], outside: Sequence[int], others: Sequence[str]
) -> list[Array]:
    """Return the scores of trials inside and, if there are any, outside of the labels that a scorer is trained on."""
    scorer = fits.fit(train)
    return [fits.score(scorer, part, others) for part in (inside, outside) if part]


def _sides(fits: TrialFits, fold: Fold, unknown: Set[str]) -> tuple[list[int], list[int], list[int]] | None:
    """Return the trials that a fold trains on, and those inside and outside of their labels; None where any lacks."""
    trials, units = fits.trials, fits.units
    train = [i for i in fold.train if trials[i].label not in unknown]
    heard = {units[i] for i in train}
    inside = [i for i in fold.test if trials[i].label not in unknown]
    outside = [i for i, trial in enumerate(trials) if trial.label in unknown and units[i] not in heard]
    return (train, inside, outside) if inside and outside and len({trials[i].label for i in train}) > 1 else None
