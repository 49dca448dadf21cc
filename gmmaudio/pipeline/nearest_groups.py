"""The training group that a misclassified clip resembles most, among those of the label that it was taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gmmaudio.compute import one_thread
from gmmaudio.evaluation import ScoredClip
from gmmaudio.models import Scorer
from gmmaudio.models.nearest import Centres, centres_of, overall_distances, pool
from gmmaudio.trials import Trial

# trials of a group that stand for it, spread over all of its trials: under a UBM each takes as long as a score
TRIALS_OF_GROUP = 5


def add_nearest_groups(
    scored: Sequence[ScoredClip], test: Sequence[Trial], train: Sequence[Trial], scorer: Scorer
) -> list[ScoredClip]:
    """Return predictions, the wrong ones with the training group of the predicted label that is nearest to them.

    Clips are compared by the means of their rows under each component of the predicted label's mixture, or of the UBM
    (:func:`gmmaudio.models.nearest.overall_distances`). A prediction keeps None where groups are unknown, or its label
    has no components.

    Parameters
    ----------
    scored : sequence of ScoredClip
        Predictions for ``test``, in its order.
    test, train : sequence of Trial
        Trials that were scored, and those that the scorer was fitted to, with rows of one front end.
    scorer : Scorer
        The scorer that made the predictions.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import fit_trials, make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.pipeline.scoring import score_trials
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> clips = plan_split(corpus.clips, group_by="parent")
    >>> trials = build_trial_set(corpus.root, clips, recipe.trial_settings).trials
    >>> recogniser = fit_trials(trials[:-1], recipe, RunContext(), calibrated=False).recogniser
    >>> (clip,) = score_trials(trials[-1:], recogniser)
    >>> wrong = replace(clip, label="jazz")
    >>> add_nearest_groups([wrong], trials[-1:], trials[:-1], recogniser.scorer)[0].nearest_group
    'metal/album2'
    """
    wrong = {clip.predicted for clip in scored if not clip.correct and clip.predicted in scorer.labels}
    with one_thread():
        centres = {label: _group_centres(train, scorer, label) for label in sorted(wrong)}
        return [
            clip if clip.correct else replace(clip, nearest_group=_nearest_group(clip, trial, scorer, centres))
            for clip, trial in zip(scored, test, strict=True)
        ]


def _group_centres(train: Sequence[Trial], scorer: Scorer, label: str) -> dict[str, Centres]:
    """Return the centres of the known groups of a label; none where the label has no components."""
    of_group: dict[str, list[Trial]] = {}
    for trial in train:
        if trial.label == label and trial.held_out_by is not None:
            of_group.setdefault(trial.held_out_by, []).append(trial)
    centres = {}
    for group, trials in of_group.items():
        # rounded up: at most as many as stand for a group
        some = trials[:: -(-len(trials) // TRIALS_OF_GROUP)]
        found = [scorer.answers(trial.rows.values, scorer.labels.index(label)) for trial in some]
        known = [centres_of(answers) for answers in found if answers is not None]
        if known:
            centres[group] = pool(known)
    return centres


def _nearest_group(
    clip: ScoredClip, trial: Trial, scorer: Scorer, centres: Mapping[str, Mapping[str, Centres]]
) -> str | None:
    """Return the group of the predicted label that is nearest to a trial; None where none can be compared."""
    groups = centres.get(clip.predicted)
    answers = scorer.answers(trial.rows.values, scorer.labels.index(clip.predicted)) if groups else None
    if answers is None or not groups:
        return None
    distances = overall_distances(answers.mixture, centres_of(answers), groups)
    return min(distances, key=lambda group: (distances[group], group)) if distances else None
