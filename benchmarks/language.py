"""Language recognition by one Gaussian mixture per language and by the preset: same trials, same folds, one run.

Three systems: 64 components per language on 13 MFCC and deltas; the same on 7 MFCC and shifted deltas, which is
``--preset language --kind frames``; and ``--preset language``, supervectors of warped frames. The first two have mean
and variance normalised over the trial; all three have the preset's gates, also that against noise. Trials are of 6 s.

The divisions are those of ``gmmaudio crossval``: ``--folds 5 --repeats R`` and ``--folds loo --group-by source`` on
*language*, and ``--folds 5`` on *language-indomain*. The models of the first repeat also score the same held-out trials
in 10 dB noise, as ``--robustness`` does. The preset alone is calibrated, for its Cllr; its metrics are those that the
command prints. The settings were chosen while these clips were looked at (docs/decisions/0008-recognition.md): the
preset's lead is a little optimistic. Seconds are wall clock at one thread: one fit on the whole of *language*, after
extraction and without the inner folds that calibration takes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click
from threadpoolctl import threadpool_limits

import gmmaudio
from gmmaudio.compute import QUIET
from gmmaudio.corpus import Corpus, plan_split
from gmmaudio.evaluation import ScoredClip, compare, compute_metrics
from gmmaudio.models import Recipe, fit_trials
from gmmaudio.pipeline import CrossvalOptions
from gmmaudio.pipeline.fold_runs import fit_fold
from gmmaudio.pipeline.scoring import interval_units, score_trials
from gmmaudio.trials import Degradation, Trial, build_trial_set, units_of
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import language_table

NOISE = "noise 10 dB"
SPEAKER, SOURCE, DOMAIN = "by speaker", "a source left out", "language-indomain, by speaker"
COLUMNS = (SPEAKER, NOISE, SOURCE, DOMAIN)
PROTOCOL = (
    "Trials of 6 s, the same for all systems. By speaker: {repeats} random divisions in five folds, no speaker on both "
    "sides, in noise the first; a source left out: each of two recording projects. Intervals are 95 % bootstraps over "
    "speakers. The preset's settings were chosen while these clips were looked at, so its lead is somewhat optimistic. "
    "Training is one fit on all trials of *language*, one thread, wall clock."
)

_FRAMES = gmmaudio.make_recipe("language", kind="frames")
_MFCC = replace(_FRAMES, features=_FRAMES.features.replace(n_mfcc=13, n_deltas=1, sdc=None))
SDC, PRESET = "GMM per language, 7 MFCC + SDC, K=64", "gmmaudio, preset language"
SYSTEMS: dict[str, Recipe] = {
    "GMM per language, 13 MFCC + deltas, K=64": _MFCC,
    SDC: _FRAMES,
    PRESET: gmmaudio.make_recipe("language"),
}

# column -> predictions, held out
Predictions = dict[str, list[ScoredClip]]


@dataclass(frozen=True)
class Task:
    """A corpus, how it is divided, and whether its held-out trials are scored in noise too."""

    corpus: Corpus
    division: CrossvalOptions
    noisy: bool = False

    def trials(self, recipe: Recipe, degradation: Degradation | None = None) -> list[Trial]:
        """Return the trials, as crossval makes them; clean ones with the copies that the recipe trains on."""
        corpus, division = self.corpus, self.division
        clips = plan_split(corpus.clips, split=division.split, group_by=division.group_by)
        augment = () if degradation else recipe.degradations
        trial_set = build_trial_set(corpus.root, clips, recipe.trial_settings, degradation=degradation, augment=augment)
        return interval_units(trial_set.trials, division.group_by)[0]


def recognise(task: Task, column: str, trials: Sequence[Trial], recipe: Recipe, *, calibrated: bool) -> Predictions:
    """Return the predictions for held-out trials, and of the first repeat those in noise where the task has them."""
    degraded = task.trials(recipe, Degradation(NOISE, recipe.seed)) if task.noisy else []
    by_name = {trial.name: trial for trial in degraded}
    predictions: Predictions = {name: [] for name in (column, *((NOISE,) if task.noisy else ()))}
    labels, units = [trial.label for trial in trials], units_of(trials)
    for repeat in range(task.division.repeats):
        seed = recipe.seed + repeat
        for fold in task.division.divide(labels, units, [None] * len(trials), seed):
            fitted = fit_fold(trials, fold, replace(recipe, seed=seed), QUIET, calibrated=calibrated)
            predictions[column] += score_trials(fitted.test, fitted.recogniser, fold=fold.name, repeat=repeat)
            if task.noisy and repeat == 0:
                noisy_trials = [by_name[trial.name] for trial in fitted.test if trial.name in by_name]
                predictions[NOISE] += score_trials(noisy_trials, fitted.recogniser, fold=fold.name)
    return predictions


def training_seconds(trials: Sequence[Trial], recipe: Recipe) -> float:
    """Return the seconds of one fit on all trials."""
    began = time.perf_counter()
    fit_trials(trials, recipe, QUIET, calibrated=False)
    return time.perf_counter() - began


def candidates(clips: Sequence[ScoredClip]) -> list[str]:
    """Return all labels that clips were scored for or are of."""
    return sorted({label for clip in clips for label in (clip.label, *clip.scores)})


def lead(clips: Sequence[ScoredClip], others: Sequence[ScoredClip]) -> dict[str, Any]:
    """Return the difference in accuracy of one system to another on the trials of one repeat of both."""
    other_labels = {clip.name: clip.predicted for clip in others}
    both = [clip for clip in clips if clip.name in other_labels]
    names, true, units, labels = ([getattr(clip, k) for clip in both] for k in ("name", "label", "unit", "predicted"))
    paired = compare(names, true, units, [other_labels[name] for name in names], labels)
    return {"value": paired.difference, "interval": paired.interval}


def measured(predictions: Mapping[str, Predictions], seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return a row of results for each system and division."""
    rows = []
    for name, columns in predictions.items():
        for column in COLUMNS:
            labels = candidates(columns[column])
            metrics = compute_metrics(columns[column], labels)
            shown = {
                key: {"value": metrics.values[key], "interval": metrics.intervals[key]}
                for key in ("balanced_accuracy", "accuracy", "cllr")
            }
            row = {"system": name, "division": column, "n": len({clip.name for clip in columns[column]})}
            row |= {"n_labels": len(labels), "calibrated": name == PRESET, "training_s": seconds[name], **shown}
            if column == NOISE and name != SDC:
                row["lead"] = lead(columns[column], predictions[SDC][column])
            rows.append(row)
    return rows


@click.command()
@click.option("--repeats", default=5, show_default=True, help="Random divisions of language by speaker, in five folds.")
def main(repeats: int) -> None:
    """Measure three systems on four divisions, print the table and write it to results/language.json."""
    language, domain = (gmmaudio.read_corpus(manifest_of(name)) for name in ("language", "language-indomain"))
    tasks = {
        SPEAKER: Task(language, CrossvalOptions(folds=5, repeats=repeats), noisy=True),
        SOURCE: Task(language, CrossvalOptions(folds="loo", group_by="source")),
        DOMAIN: Task(domain, CrossvalOptions(folds=5)),
    }
    predictions: dict[str, Predictions] = {name: {} for name in SYSTEMS}
    seconds: dict[str, float] = {}
    with threadpool_limits(limits=1):
        for name, recipe in SYSTEMS.items():
            for column, task in tasks.items():
                trials = task.trials(recipe)
                predictions[name] |= recognise(task, column, trials, recipe, calibrated=name == PRESET)
                if column == SPEAKER:
                    seconds[name] = training_seconds(trials, recipe)
    rows = measured(predictions, seconds)
    record = make_record(
        "language", "Language, three systems on the same trials", PROTOCOL.format(repeats=repeats), rows
    )
    click.echo(language_table(record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
