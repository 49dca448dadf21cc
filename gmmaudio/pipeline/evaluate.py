"""A model and a corpus -> a report."""

from __future__ import annotations

from collections.abc import Sequence

from gmmaudio.corpus import UNKNOWN_GROUPS, Corpus, regroup, select_split
from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import FailedInput, Protocol, Report, make_report
from gmmaudio.model import Model
from gmmaudio.pipeline.extraction import Extracted, Progress, check_lengths, extract_clips, quiet
from gmmaudio.pipeline.recipe import versions
from gmmaudio.pipeline.scoring import score_trials
from gmmaudio.pipeline.train import clips_of
from gmmaudio.pipeline.trials import Trial, make_trials


def evaluate(
    model: Model,
    corpus: Corpus,
    *,
    split: str | None = None,
    trial_s: float | None = None,
    min_duration_s: float = 0.5,
    group_by: str | None = None,
    n_jobs: int = 1,
    progress: Progress[Extracted | FailedInput] = quiet,
    command: str = "",
) -> Report:
    """Return the report of a model on the labelled clips of a corpus.

    Parameters
    ----------
    model : Model
        What to evaluate.
    corpus : Corpus
        Labelled clips.
    split : str or None
        Split to score; None takes ``test`` where the corpus has splits, and everything where it has none.
    trial_s : float or None
        Length to join or cut clips to, seconds.
    min_duration_s : float
        Least length of a clip or trial, seconds.
    group_by : str or None
        Column, ``parent`` or ``none``; None keeps the corpus's groups.
    n_jobs : int
        Worker processes.
    progress : callable
        Shows progress.
    command : str
        What was typed, for the report.

    Raises
    ------
    CorpusError
        If no clip can be scored.
    """
    check_lengths(min_duration_s, trial_s)
    clips = regroup(select_split(corpus.clips, split, "test"), group_by)
    known = [clip for clip in clips if clip.label in model.classifier.labels]
    strangers = tuple(sorted({clip.label for clip in clips} - set(model.classifier.labels)))
    if not known:
        raise CorpusError(
            f"the corpus's labels are {', '.join(strangers)} and the model's {', '.join(model.classifier.labels)}: "
            "none in common; rename the folders, or train on this corpus"
        )
    extracted, failed = extract_clips(
        corpus.root,
        known,
        model.features,
        min_duration_s=0.0 if trial_s else min_duration_s,
        n_jobs=n_jobs,
        progress=progress,
    )
    trials, short, left_out = make_trials(extracted, model.features, trial_s=trial_s, min_duration_s=min_duration_s)
    failed += short
    if not trials:
        raise CorpusError(f"all {len(known)} clips failed; first: {failed[0].path}: {failed[0].message}")
    protocol = Protocol(
        scheme=f"a trained model on {_scored_part(corpus, split)}",
        group_by=group_by or "group",
        seed=model.training.seed,
        folds=(),
        repeats=1,
        scored_labels=tuple(sorted({trial.label for trial in trials})),
        unscored_labels=strangers,
        trial_s=trial_s,
        settings={"features": model.features.to_dict(), "training": _training_settings(model)},
        versions=versions(),
        command=command,
    )
    guards = (*_guards(model, trials), *corpus.notes, *left_out)
    return make_report(score_trials(trials, model.classifier), model.classifier.labels, protocol, guards, failed)


def _scored_part(corpus: Corpus, split: str | None) -> str:
    """Return which clips were scored, in words."""
    if split is None and not any(clip.split for clip in corpus.clips):
        return "all clips of the corpus"
    return f"its split {split or 'test'!r}"


def _training_settings(model: Model) -> dict[str, object]:
    """Return how the model was trained, without the list of clips."""
    training = model.training
    return {
        "preset": training.preset,
        "classifier": vars(training.classifier),
        "seed": training.seed,
        "trial_s": training.trial_s,
        "clips": len(training.clips),
        "seconds": training.seconds,
    }


def _guards(model: Model, trials: Sequence[Trial]) -> list[str]:
    """Return what may make the figures wrong: clips and groups that the model was trained on."""
    guards = []
    heard = {clip.sha256 for clip in model.training.clips}
    tested = clips_of(trials)
    n_heard = sum(item.sha256 in heard for item in tested)
    if n_heard:
        guards.append(
            f"{n_heard} of {len(tested)} clips were trained on: their figure measures memory; "
            "evaluate on other clips (--split)"
        )
    groups = {clip.group for clip in model.training.clips} - {None}
    shared = sorted({str(trial.group) for trial in trials if trial.group in groups})
    if shared:
        guards.append(
            f"{len(shared)} groups were trained on too ({', '.join(shared[:3])}{', ...' if len(shared) > 3 else ''}): "
            "this figure may be optimistic"
        )
    if not groups or any(trial.group is None for trial in trials):
        guards.append(UNKNOWN_GROUPS)
    return guards
