"""Spread of language recognition over seeds: same clips, same folds, other starts of the UBM.

The preset ``language``, trained in every fold once for each seed. The seed draws the rows of the UBM and starts its EM;
division and degraded copies are those of seed 0. The divisions are ``--folds 5`` and ``--folds loo --group-by source``
on *language*, and ``--folds 5`` on *language-indomain*, where held-out trials are scored in 10 dB noise too. A
difference between two settings that is smaller than this spread says nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click
from threadpoolctl import threadpool_limits

import gmmaudio
from gmmaudio.compute import QUIET
from gmmaudio.corpus import Corpus, plan_split
from gmmaudio.evaluation import ScoredClip
from gmmaudio.models import Recipe
from gmmaudio.pipeline import CrossvalOptions
from gmmaudio.pipeline.fold_runs import fit_fold
from gmmaudio.pipeline.scoring import score_trials
from gmmaudio.trials import Degradation, Trial, build_trial_set, units_of
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import VIEWS

NOISE = "noise 10 dB"
PROTOCOL = (
    "Preset `language`{copies}, trials of about 6 s. One division for all seeds: in five folds by speaker, or each of "
    "two recording projects left out. Balanced accuracy of held-out trials for the seeds 0 to {last}, each of which "
    "draws other rows for the UBM and starts EM elsewhere; standard deviation over seeds."
)


@dataclass(frozen=True)
class Suite:
    """A corpus and its division, and whether held-out trials are scored in noise too."""

    name: str
    corpus: str
    division: CrossvalOptions
    noisy: bool = False


SUITES = (
    Suite("by speaker", "language", CrossvalOptions(folds=5)),
    Suite("source left out", "language", CrossvalOptions(folds="loo", group_by="source")),
    Suite("in domain", "language-indomain", CrossvalOptions(folds=5), noisy=True),
)


def trials_of(
    corpus: Corpus, suite: Suite, recipe: Recipe, degradation: Degradation | None = None, *, training: bool = False
) -> list[Trial]:
    """Return the trials of a suite, with the copies that are trained on where they are wanted."""
    clips = plan_split(corpus.clips, group_by=suite.division.group_by)
    augment = recipe.degradations if training else ()
    trial_set = build_trial_set(corpus.root, clips, recipe.trial_settings, degradation=degradation, augment=augment)
    return trial_set.trials


def measure(suite: Suite, recipe: Recipe, n_seeds: int) -> Iterator[dict[str, Any]]:
    """Yield the balanced accuracies of a suite over seeds, clean and, where it is wanted, in noise."""
    corpus = gmmaudio.read_corpus(manifest_of(suite.corpus))
    trials = trials_of(corpus, suite, recipe, training=True)
    conditions = {"clean": {trial.name: trial for trial in trials}}
    if suite.noisy:
        degraded = trials_of(corpus, suite, recipe, Degradation(NOISE, recipe.seed))
        conditions[NOISE] = {trial.name: trial for trial in degraded}
    labels, units = [trial.label for trial in trials], units_of(trials)
    folds = suite.division.divide(labels, units, [None] * len(trials), recipe.seed)
    values: dict[str, list[float]] = {name: [] for name in conditions}
    n = 0
    for seed in range(n_seeds):
        scored: dict[str, list[ScoredClip]] = {name: [] for name in conditions}
        for fold in folds:
            recogniser = fit_fold(trials, fold, replace(recipe, seed=seed), QUIET, calibrated=False).recogniser
            for name, by_name in conditions.items():
                test = [by_name[trials[i].name] for i in fold.test if trials[i].name in by_name]
                scored[name] += score_trials(test, recogniser, fold=fold.name)
        for name, clips in scored.items():
            values[name].append(accuracy(clips))
        n = len(scored["clean"])
    for name, accuracies in values.items():
        row = {"suite": suite.name, "corpus": suite.corpus, "condition": name, "n": n, "n_units": len(set(units))}
        yield row | {"balanced_accuracy": accuracies}


def accuracy(clips: Sequence[ScoredClip]) -> float:
    """Return the balanced accuracy of predictions."""
    recalls = []
    for label in sorted({clip.label for clip in clips}):
        recalls.append(statistics.fmean(clip.predicted == label for clip in clips if clip.label == label))
    return statistics.fmean(recalls)


@click.command()
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=2))
def main(seeds: int) -> None:
    """Measure three suites, print the table and write it to results/language_seeds.json."""
    recipe = gmmaudio.make_recipe("language")
    with threadpool_limits(limits=1):
        rows = [row for suite in SUITES for row in measure(suite, recipe, seeds)]
    copies = f", degraded copies: {', '.join(recipe.augment)}" if recipe.augment else ""
    protocol = PROTOCOL.format(copies=copies, last=seeds - 1)
    record = make_record("language_seeds", "Spread of language recognition over seeds", protocol, rows)
    click.echo(VIEWS["language_seeds"](record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
