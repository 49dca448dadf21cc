"""Trials -> a recogniser: a scorer with its calibration, all from the training set alone.

What is learned beside the scorer comes of its out-of-fold scores on inner folds that keep groups whole: one pass serves
the weights of two heads, the temperature, the open-set threshold, and the comparison of settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import RunContext
from gmmaudio.findings import Finding
from gmmaudio.models.calibration import fit_calibration
from gmmaudio.models.fusion import head_weights
from gmmaudio.models.inner_folds import (
    OutOfFold,
    fit_classifier,
    fuse,
    inner_folds,
    labels_and_groups,
    member_scores,
    nested_scores,
    of_size,
)
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.model import Recogniser
from gmmaudio.models.open_set import Rejection, fit_rejection, statistics
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.ubm import Traces
from gmmaudio.trials import Trial

# clips of a label that was left out, from as few folds as hold them: each takes a fit
ENOUGH_CLIPS = 5
NOT_CALIBRATED = Finding(
    "not_calibrated",
    "warning",
    "no label has two groups: there are no probabilities, scores only",
    "name artists or speakers as groups (`group_by`)",
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A recogniser, and what happened on the way.

    Parameters
    ----------
    recogniser : Recogniser
        Scorer and calibration.
    traces : mapping of str to EMTrace
        Of EM.
    out_of_fold : OutOfFold or None
        What the calibration was learned from; None where nothing could be.
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
    recipe = of_size(trials, recipe)
    fitted, traces = fit_classifier(trials, recipe, run)
    if not calibrated and len(fitted.heads) == 1:
        return Fitted(Recogniser(fitted), traces)
    found = nested_scores(trials, recipe, run)
    if found is None:
        return Fitted(Recogniser(fitted), traces, None, (NOT_CALIBRATED,))
    codes, groups = labels_and_groups(trials, found)
    fitted = replace(fitted, weights=head_weights(found, codes, groups, recipe))
    calibration = fit_calibration(found.fused(fitted.weights), codes, groups)
    return Fitted(Recogniser(fitted, calibration), traces, found)


def learn_rejection(trials: Sequence[Trial], recipe: Recipe, fitted: Fitted, run: RunContext) -> Rejection | None:
    """Return when to call a clip unknown, learned by leaving each label out in turn; None without inner folds.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    fitted : Fitted
        What :func:`fit_trials` gave for them.
    run : RunContext
        Worker processes and progress.
    """
    found, calibration = fitted.out_of_fold, fitted.recogniser.calibration
    if found is None or calibration is None:
        return None
    recipe, weights = of_size(trials, recipe), fitted.recogniser.scorer.weights
    fused = found.fused(weights)
    known = statistics(fused, calibration.probability(fused))
    if len(found.labels) < 3:
        rounds = []
    elif recipe.kind_settings.has_separate_labels:
        rounds = _without_columns(fused, labels_and_groups(trials, found)[0])
    else:
        rounds = _without_labels(trials, recipe, found.labels, weights, run)

    def told(scores: Array) -> dict[str, Array]:
        # the temperature belongs to scores of this kind, whatever the labels
        return statistics(scores, replace(calibration, offsets=np.zeros(scores.shape[1])).probability(scores))

    own = fuse(np.stack(member_scores(fitted.recogniser.scorer, trials, found.labels)), weights)
    return fit_rejection(
        known,
        [(told(inside), told(outside)) for inside, outside in rounds],
        own=statistics(own, calibration.probability(own)),
    )


def _without_columns(fused: Array, codes: npt.NDArray[np.intp]) -> list[tuple[Array, Array]]:
    """Return for each label the scores by all other labels, of clips of those and of its own.

    Where no label knows of another, a classifier without it is that with it, less a column.
    """
    rounds = []
    for k in range(fused.shape[1]):
        others = np.delete(fused, k, axis=1)
        usable = np.isfinite(others).sum(axis=1) > 1
        inside, outside = others[usable & (codes != k)], others[usable & (codes == k)]
        if len(inside) and len(outside):
            rounds.append((inside, outside))
    return rounds


def _without_labels(
    trials: Sequence[Trial], recipe: Recipe, labels: Sequence[str], weights: Sequence[float], run: RunContext
) -> list[tuple[Array, Array]]:
    """Return for each label the scores by a classifier without it, of held-out clips of the others and of its own.

    Each label takes inner folds, another one first, until they have held ``ENOUGH_CLIPS`` of its clips.
    """
    rounds = []
    folds = inner_folds(trials, recipe.seed)
    for i, label in run.track(list(enumerate(labels)), "leaving labels out"):
        others = [name for name in labels if name != label]
        held: list[Array] = []
        heard: list[Array] = []
        for fold in folds[i % len(folds) :] + folds[: i % len(folds)]:
            test = [trials[k] for k in fold.test]
            train = [trials[k] for k in fold.train if trials[k].label != label]
            inside, outside = [t for t in test if t.label != label], [t for t in test if t.label == label]
            if not inside or not outside or len({t.label for t in train}) < 2:
                continue
            fit, _ = fit_classifier(train, recipe, run)
            heard += member_scores(fit, inside, others)
            held += member_scores(fit, outside, others)
            if len(held) >= ENOUGH_CLIPS:
                break
        if held:
            rounds.append((fuse(np.stack(heard), weights), fuse(np.stack(held), weights)))
    return rounds
