"""Trials -> a recogniser: a scorer with its calibration, all from the training set alone.

Calibration, the weights of two heads, the open-set threshold and the comparison of settings are learned from one pass
of out-of-fold scores on inner folds that keep groups whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gmmaudio.compute import RunContext
from gmmaudio.findings import Finding
from gmmaudio.models.calibration import fit_calibration
from gmmaudio.models.fusion import head_weights
from gmmaudio.models.inner_folds import (
    OutOfFold,
    cap_components,
    fit_scorer_on_trials,
    fuse,
    head_scores,
    labels_and_groups,
    make_inner_folds,
    out_of_fold_scores,
)
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.models.model import Recogniser
from gmmaudio.models.open_set import OpenSetThreshold, fit_open_set_threshold, score_statistics
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.ubm import Traces
from gmmaudio.trials import Trial

# held-out clips of a label that is left out of training; more folds than hold them would only take more fits
ENOUGH_CLIPS = 5
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
    findings : tuple of Finding
        Findings on the fit.
    """

    recogniser: Recogniser
    traces: Traces = field(default_factory=dict)
    out_of_fold: OutOfFold | None = None
    findings: tuple[Finding, ...] = ()


def fit_trials(trials: Sequence[Trial], recipe: Recipe, run: RunContext, *, calibrated: bool = True) -> Fitted:
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
    """
    recipe = cap_components(trials, recipe)
    scorer, traces = fit_scorer_on_trials(trials, recipe, run)
    if not calibrated and len(scorer.heads) == 1:
        return Fitted(Recogniser(scorer), traces)
    out_of_fold = out_of_fold_scores(trials, recipe, run)
    if out_of_fold is None:
        return Fitted(Recogniser(scorer), traces, None, (NOT_CALIBRATED,))
    codes, groups = labels_and_groups(trials, out_of_fold)
    scorer = replace(scorer, weights=head_weights(out_of_fold, codes, groups, recipe))
    calibration = fit_calibration(out_of_fold.fused(scorer.weights), codes, groups)
    return Fitted(Recogniser(scorer, calibration), traces, out_of_fold)


def learn_open_set_threshold(
    trials: Sequence[Trial], recipe: Recipe, fitted: Fitted, run: RunContext
) -> OpenSetThreshold | None:
    """Return the open-set threshold, learned by leaving each label out in turn; None without inner folds.

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
    """
    out_of_fold, calibration = fitted.out_of_fold, fitted.recogniser.calibration
    if out_of_fold is None or calibration is None:
        return None
    recipe, scorer = cap_components(trials, recipe), fitted.recogniser.scorer
    fused = out_of_fold.fused(scorer.weights)
    known = score_statistics(fused, calibration.probability(fused))
    if len(out_of_fold.labels) < 3:
        rounds: Iterable[tuple[Array, Array]] = ()
    elif recipe.kind_settings.has_separate_labels:
        rounds = _leave_columns_out(fused, labels_and_groups(trials, out_of_fold)[0])
    else:
        rounds = _leave_labels_out(trials, recipe, out_of_fold.labels, scorer.weights, run)

    def without_offsets(scores: Array) -> dict[str, Array]:
        # the temperature belongs to scores of this kind, the offsets to these labels
        uniform = replace(calibration, offsets=np.zeros(scores.shape[1]))
        return score_statistics(scores, uniform.probability(scores))

    in_sample = fuse(np.stack(head_scores(scorer, trials, out_of_fold.labels)), scorer.weights)
    return fit_open_set_threshold(
        known,
        ((without_offsets(inside), without_offsets(outside)) for inside, outside in rounds),
        in_sample=score_statistics(in_sample, calibration.probability(in_sample)),
    )


def _leave_columns_out(fused: Array, codes: Codes) -> Iterator[tuple[Array, Array]]:
    """Yield, for each label left out, the scores of clips of the other labels, and of that label.

    Where labels are fitted separately, a scorer without a label is the scorer with it, less a column.
    """
    for k in range(fused.shape[1]):
        others = np.delete(fused, k, axis=1)
        usable = np.isfinite(others).sum(axis=1) > 1
        inside, outside = others[usable & (codes != k)], others[usable & (codes == k)]
        if len(inside) and len(outside):
            yield inside, outside


def _leave_labels_out(
    trials: Sequence[Trial], recipe: Recipe, labels: Sequence[str], weights: Sequence[float], run: RunContext
) -> Iterator[tuple[Array, Array]]:
    """Yield, for each label left out, the scores of held-out clips of the other labels, and of that label.

    Each label takes inner folds, starting with another one, until they have held ``ENOUGH_CLIPS`` of its clips.
    """
    folds = make_inner_folds(trials, recipe.seed)
    for i, label in run.track(list(enumerate(labels)), "leaving labels out"):
        others = [name for name in labels if name != label]
        inside_scores: list[Array] = []
        outside_scores: list[Array] = []
        for fold in folds[i % len(folds) :] + folds[: i % len(folds)]:
            test = [trials[k] for k in fold.test]
            train = [trials[k] for k in fold.train if trials[k].label != label]
            inside, outside = [t for t in test if t.label != label], [t for t in test if t.label == label]
            if not inside or not outside or len({t.label for t in train}) < 2:
                continue
            scorer, _ = fit_scorer_on_trials(train, recipe, run)
            inside_scores += head_scores(scorer, inside, others)
            outside_scores += head_scores(scorer, outside, others)
            if len(outside_scores) >= ENOUGH_CLIPS:
                break
        if outside_scores:
            yield fuse(np.stack(inside_scores), weights), fuse(np.stack(outside_scores), weights)
