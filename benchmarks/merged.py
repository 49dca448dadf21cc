"""Models merged from shards under a UBM of other clips, beside the model trained at once: same trials, same folds.

The preset ``language`` without degraded copies, three times in every fold of a cross-validation by speaker: trained on
the training side at once; merged from the statistics of four shards of it, under a UBM that was fitted to a quarter of
its speakers; and merged in the same way under a UBM that has heard one half of the languages only, as when new classes
are added. By the last, each trial is classified with the model whose UBM has not heard its language. Predictions are
paired with those of the model trained at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

import gmmaudio
from gmmaudio.compute import QUIET
from gmmaudio.corpus import plan_split
from gmmaudio.evaluation import ScoredClip, compare, compute_metrics
from gmmaudio.features import design_tables
from gmmaudio.models import Background, ClipStatistics, Recipe, Supervectors, fit_trials, without_rows
from gmmaudio.pipeline import CrossvalOptions
from gmmaudio.pipeline.scoring import score_trials
from gmmaudio.trials import Trial, TrialSet, build_trial_set, units_of
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import VIEWS

AT_ONCE = "trained at once"
QUARTER = "merged, UBM of a quarter of the speakers"
UNHEARD = "merged, UBM of the other half of the languages"
N_SHARDS = 4
PROTOCOL = (
    "Preset `language` without degraded copies, trials of about 6 s; random divisions in five folds: {repeats}; no "
    "speaker on both sides, the same trials for all. Merged models are of {n_shards} shards of the training side. "
    "Difference: accuracy less that of the model trained at once on the same trials, percentage points; intervals are "
    "95 % bootstraps over speakers."
)


def background_of(trials: Sequence[Trial], recipe: Recipe) -> Background:
    """Return the UBM of some trials, with the settings that statistics are taken under."""
    transform = fit_trials(trials, recipe, QUIET, calibrated=False).recogniser.scorer.transform
    if not isinstance(transform, Supervectors):
        raise TypeError(f"the preset is of the kind {transform.kind}")
    return Background(recipe, transform.ubm, design_tables(recipe.features.frames), None, ())


def statistics_of(trials: Sequence[Trial], background: Background) -> ClipStatistics:
    """Return the statistics of trials, as the command takes them."""
    vectors = np.stack([background.vector(trial.rows.values) for trial in trials])
    labels = tuple(sorted({trial.label for trial in trials}))
    return ClipStatistics(background, TrialSet(without_rows(trials), [], (), (), ()), vectors, labels)


def merged(trials: Sequence[Trial], background: Background) -> gmmaudio.Model:
    """Return the model merged from four shards of trials, no speaker in two of them."""
    units = units_of(trials)
    shard_of = {unit: i % N_SHARDS for i, unit in enumerate(sorted(set(units)))}
    parts = ([trial for trial, unit in zip(trials, units, strict=True) if shard_of[unit] == i] for i in range(N_SHARDS))
    return gmmaudio.merge([statistics_of(part, background) for part in parts]).model


def quarter_of(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of every fourth speaker of each label, at least one."""
    units = units_of(trials)
    speakers: dict[str, set[str]] = {}
    for trial, unit in zip(trials, units, strict=True):
        speakers.setdefault(trial.label, set()).add(unit)
    chosen = {unit for members in speakers.values() for unit in sorted(members)[::4]}
    return [trial for trial, unit in zip(trials, units, strict=True) if unit in chosen]


def predictions(
    train: Sequence[Trial], test: Sequence[Trial], recipe: Recipe, repeat: int
) -> Iterator[tuple[str, list[ScoredClip]]]:
    """Yield, for each system, the predictions for held-out trials."""
    yield AT_ONCE, score_trials(test, fit_trials(train, recipe, QUIET).recogniser, repeat=repeat)
    model = merged(train, background_of(quarter_of(train), recipe))
    yield QUARTER, score_trials(test, model.recogniser, repeat=repeat)
    labels = sorted({trial.label for trial in train})
    for half in (labels[::2], labels[1::2]):
        model = merged(train, background_of([trial for trial in train if trial.label not in half], recipe))
        unheard = [trial for trial in test if trial.label in half]
        yield UNHEARD, score_trials(unheard, model.recogniser, repeat=repeat)


def measure(corpus_name: str, repeats: int) -> list[dict[str, Any]]:
    """Return a row of results for each system on one corpus."""
    corpus, recipe = gmmaudio.read_corpus(manifest_of(corpus_name)), gmmaudio.make_recipe("language", augment=())
    trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    labels, units = [trial.label for trial in trials], units_of(trials)
    division = CrossvalOptions(folds=5, repeats=repeats)
    scored: dict[str, list[ScoredClip]] = {AT_ONCE: [], QUARTER: [], UNHEARD: []}
    for repeat in range(repeats):
        seeded = replace(recipe, seed=recipe.seed + repeat)
        for fold in division.divide(labels, units, [None] * len(trials), seeded.seed):
            train, test = ([trials[i] for i in side] for side in (fold.train, fold.test))
            for system, found in predictions(train, test, seeded, repeat):
                scored[system] += found
    n_bytes = bytes_of_a_trial(trials, recipe)
    return [{"corpus": corpus_name, "n_bytes": n_bytes, **row} for row in rows_of(scored)]


def rows_of(scored: dict[str, list[ScoredClip]]) -> Iterator[dict[str, Any]]:
    """Yield the metrics of each system, and its difference to the one trained at once."""
    at_once = {(clip.repeat, clip.name): clip.predicted for clip in scored[AT_ONCE]}
    for system, clips in scored.items():
        labels = sorted({label for clip in clips for label in (clip.label, *clip.scores)})
        metrics = compute_metrics(clips, labels)
        row: dict[str, Any] = {"system": system, "n": len({clip.name for clip in clips}), "n_labels": len(labels)}
        for key in ("accuracy", "balanced_accuracy", "cllr"):
            row[key] = {"value": metrics.values[key], "interval": metrics.intervals[key]}
        if system != AT_ONCE:
            names, true, units = ([getattr(clip, name) for clip in clips] for name in ("name", "label", "unit"))
            before = [at_once[clip.repeat, clip.name] for clip in clips]
            paired = compare(
                names, true, units, before, [clip.predicted for clip in clips], [clip.repeat for clip in clips]
            )
            row["difference"] = {"value": paired.difference, "interval": paired.interval}
        yield row


def bytes_of_a_trial(trials: Sequence[Trial], recipe: Recipe) -> float:
    """Return the bytes that a trial takes in a file of statistics."""
    statistics = statistics_of(trials, background_of(quarter_of(trials), recipe))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "all.stats")
        gmmaudio.save_statistics(statistics, path)
        return path.stat().st_size / len(trials)


@click.command()
@click.argument("corpora", nargs=-1)
@click.option("--repeats", default=1, show_default=True, help="Random divisions in five folds.")
def main(corpora: tuple[str, ...], repeats: int) -> None:
    """Compare merged models with the one trained at once on CORPORA; write results/merged.json."""
    with threadpool_limits(limits=1):
        rows = [row for name in corpora or ("language-indomain", "language") for row in measure(name, repeats)]
    protocol = PROTOCOL.format(repeats=repeats, n_shards=N_SHARDS)
    record = make_record("merged", "Models merged from shards, and the model trained at once", protocol, rows)
    click.echo(VIEWS["merged"](record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
