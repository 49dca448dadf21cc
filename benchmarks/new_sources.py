"""Probabilities for recordings of a source that was not trained on: simulated corpora, and splits of recorded ones.

Each simulated corpus has labels and sources at random: every label of all sources, of some, of one of its own, or of
one that it shares. A source moves all rows of its clips, and those of each label a little differently. The model of
the corpus is asked for clips of three new sources, all labels in each. Nothing is tuned on the corpora of the seeds
here: the rules were chosen on others (docs/decisions/0040-probabilities-of-new-sources.md).

Of the recorded corpora, ``language`` has two sources. Five of its languages come from both: each of them is taken from
one source in training and from the other in the test, for all divisions of the languages into two and three; and one
source is left out, so that one is trained on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip, plan_split
from gmmaudio.evaluation import cllr
from gmmaudio.features import FeatureSettings, RawFrames, Rows
from gmmaudio.models import BlockGaussianSettings, Recipe, Recogniser, fit_trials, make_recipe
from gmmaudio.pipeline.arguments import as_corpus, as_spool, as_store
from gmmaudio.pipeline.own_rows import training_trials
from gmmaudio.trials import Extracted, Segment, Trial
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import VIEWS

DESIGNS = ("every label of all sources", "some of the sources", "a source of its own", "one source, perhaps shared")
SIMULATED = Recipe(
    features=FeatureSettings(), kind_settings=BlockGaussianSettings(n_pca=None, soft_clip=None, shrinkage=0.1)
)
# standard deviations beside rows of 1: of labels, of sources, of a label within a source, of groups
SEPARATIONS, SHIFTS, INTERACTIONS, GROUPS = (0.3, 0.6, 1.0, 2.0), (0.0, 0.3, 1.0, 2.0, 4.0), (0.0, 0.3, 1.0), (0.1, 0.5)
N_NEW_SOURCES, N_CLIPS, SURE = 3, 4, 0.9
# bits above the limit that are rounding, or the share of the calibration that is never 0
ROUNDING = 1e-6
FIVE = ("en", "es", "fr", "it", "ru")
PROTOCOL = (
    "{n} simulated corpora, each asked for {new} new sources (Cllr of all of them, and of the worst one), and splits "
    "of the corpus `language` with the preset. *Calibrated* is what the calibration alone gives, learned on clips of "
    "other groups of the same sources. Knowing nothing costs log2 of the number of labels, n."
)


@click.command()
@click.option("--corpora", "n_corpora", default=400, show_default=True, help="Simulated corpora.")
@click.option("--first-seed", default=10_000, show_default=True)
@click.option("--recorded/--no-recorded", default=True, show_default=True, help="Splits of the corpus language too.")
@click.option("--cache", type=click.Path(file_okay=False), help="Folder of features of other runs.")
def main(n_corpora: int, first_seed: int, recorded: bool, cache: str | None) -> None:
    """Measure, print the tables and write them to results/new_sources.json."""
    found = [row for seed in range(first_seed, first_seed + n_corpora) if (row := measure_simulated(seed)) is not None]
    rows = [summarise(name, [row for row in found if name in (row["system"], "all")]) for name in (*DESIGNS, "all")]
    if recorded:
        rows += measure_language(cache)
    protocol = PROTOCOL.format(n=n_corpora, new=N_NEW_SOURCES)
    record = make_record("new_sources", "Probabilities for recordings of new sources", protocol, rows)
    click.echo(VIEWS["new_sources"](record))
    click.echo(f"wrote {write_record(record).name}")


def make_trial(label: str, source: str, group: str, name: str, rows: npt.NDArray[np.float32]) -> Trial:
    """Return a trial of rows without sound."""
    clip = Clip(name, label, group, source, held_out_by=group)
    n = np.arange(len(rows), dtype=np.float32)
    raw = RawFrames(rows, n, n)
    segment = Segment(Extracted(clip, raw, float(len(rows)), name), 0, len(rows), float(len(rows)))
    return Trial(name, (segment,), Rows(rows, n), float(len(rows)))


def draw_corpus(seed: int) -> tuple[str, list[Trial], list[list[Trial]]]:
    """Return the design of a simulated corpus, its trials, and those of every new source."""
    rng = np.random.default_rng(seed)
    n_labels, d, n_sources = int(rng.integers(2, 9)), int(rng.integers(4, 16)), int(rng.integers(2, 6))
    design = DESIGNS[int(rng.integers(len(DESIGNS)))]
    separation, shift, interaction, group = (float(rng.choice(x)) for x in (SEPARATIONS, SHIFTS, INTERACTIONS, GROUPS))
    centres = separation * rng.normal(size=(n_labels, d))

    def draw(label: int, source: str, moved: npt.NDArray[np.float64], n_groups: int) -> list[Trial]:
        own, trials = centres[label] + moved + interaction * rng.normal(size=d), []
        for g in range(n_groups):
            speaker = own + group * rng.normal(size=d)
            for c in range(N_CLIPS):
                rows = (speaker + rng.normal(size=(2, d))).astype(np.float32)
                trials.append(
                    make_trial(f"l{label}", source, f"{source} {label} {g}", f"{source} {label} {g} {c}", rows)
                )
        return trials

    moves = shift * rng.normal(size=(max(n_sources, n_labels), d))
    trained = []
    for label in range(n_labels):
        for source in sources_of(design, label, n_sources, rng):
            trained += draw(label, f"s{source}", moves[source], int(rng.integers(2, 6)))
    new = []
    for source in range(N_NEW_SOURCES):
        moved = shift * rng.normal(size=d)
        new.append([trial for label in range(n_labels) for trial in draw(label, f"new{source}", moved, 3)])
    return design, trained, new


def sources_of(design: str, label: int, n_sources: int, rng: np.random.Generator) -> list[int]:
    """Return the sources of a label by the design of a corpus."""
    if design == DESIGNS[0]:
        return list(range(n_sources))
    if design == DESIGNS[1]:
        return sorted(rng.choice(n_sources, int(rng.integers(1, n_sources + 1)), replace=False).tolist())
    return [label] if design == DESIGNS[2] else [int(rng.integers(n_sources))]


def measure_simulated(seed: int) -> dict[str, Any] | None:
    """Return the row of a simulated corpus; None where its clips are of one source."""
    design, trained, new = draw_corpus(seed)
    if len({trial.source for trial in trained}) < 2:
        return None
    recogniser = fit_trials(trained, SIMULATED, QUIET).recogniser
    everything = [trial for source in new for trial in source]
    row = {"suite": "simulated", "system": design, "seed": seed, **measure(recogniser, everything)}
    worst = [measure(recogniser, source) for source in new]
    return row | {"worst": max(each["cllr"] for each in worst)}


def summarise(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one row of the corpora of a design."""
    mean = {key: float(np.mean([row[key] for row in rows])) for key in ("limit", "cllr", "cllr_calibrated")}
    sums = ("n_sure", "n_sure_right", "n_sure_calibrated", "n_sure_right_calibrated")
    above = {key: [row[key] - row["limit"] for row in rows] for key in ("cllr", "worst", "cllr_calibrated")}
    return {
        "suite": "simulated",
        "system": name,
        "n_corpora": len(rows),
        **mean,
        **{key: sum(row[key] for row in rows) for key in sums},
        "n_above": sum(each > ROUNDING for each in above["cllr"]),
        "n_worst_above": sum(each > ROUNDING for each in above["worst"]),
        "n_above_calibrated": sum(each > ROUNDING for each in above["cllr_calibrated"]),
        "most_above": max(0.0, *above["cllr"]),
        "most_worst_above": max(0.0, *above["worst"]),
        "most_above_calibrated": max(0.0, *above["cllr_calibrated"]),
    }


def measure(recogniser: Recogniser, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what the probabilities of a recogniser are worth on trials, given and calibrated alone."""
    labels = recogniser.scorer.labels
    found: dict[str, Any] = {}
    true = np.array([labels.index(trial.label) for trial in trials])
    for name, each in (("", recogniser), ("_calibrated", recogniser.in_domain())):
        predictions = [each.predict(trial.rows.values) for trial in trials]
        probability = np.array([[(p.probability or {})[label] for label in labels] for p in predictions])
        right = np.array([p.best_label == trial.label for p, trial in zip(predictions, trials, strict=True)])
        sure = probability.max(axis=1) > SURE
        found |= {
            f"cllr{name}": cllr(np.log(np.maximum(probability, 1e-300)), true),
            f"n_sure{name}": int(sure.sum()),
            f"n_sure_right{name}": int(right[sure].sum()),
            "accuracy": float(np.mean([right[true == k].mean() for k in np.unique(true)])),
        }
    shift = recogniser.calibration and recogniser.calibration.source_shift
    return found | {
        "n": len(trials),
        "n_labels": len(labels),
        "limit": math.log2(len(labels)),
        "prior_share": shift.prior_share if shift else 0.0,
        "n_sources": shift.n_sources if shift else 0,
        "n_left_out": shift.n_left_out if shift else 0,
        "n_confounded": len(shift.confounded) if shift else 0,
    }


def measure_language(cache: str | None) -> list[dict[str, Any]]:
    """Return the rows of the splits of the corpus ``language``."""
    corpus, recipe, store = as_corpus(manifest_of("language")), make_recipe("language"), as_store(cache)
    rows = []
    with as_spool(4 << 30, store, RunContext(1)) as spool:
        clips = plan_split(corpus.clips)
        trials = training_trials(corpus.root, clips, recipe, None, store=store, spool=spool, run=RunContext(1)).trials
        five = [trial for trial in trials if trial.label in FIVE]
        for two in itertools.combinations(FIVE, 2):
            train = [trial for trial in five if (trial.source == "asterisk") == (trial.label in two)]
            test = [trial for trial in five if (trial.source == "asterisk") != (trial.label in two)]
            system = f"{' and '.join(two)} of asterisk, the others of gcompris; the test set the other way round"
            rows.append(measure_split(system, train, test, recipe))
        for source in ("asterisk", "gcompris"):
            train = [trial for trial in five if trial.source == source]
            test = [trial for trial in five if trial.source != source]
            rows.append(measure_split(f"all five of {source}; the test set of the other", train, test, recipe))
    return rows


def measure_split(system: str, train: Sequence[Trial], test: Sequence[Trial], recipe: Recipe) -> dict[str, Any]:
    """Return the row of a split of a recorded corpus."""
    return {"suite": "language", "system": system, **measure(fit_trials(train, recipe, QUIET).recogniser, test)}


if __name__ == "__main__":
    main()
