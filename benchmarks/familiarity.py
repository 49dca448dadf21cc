"""Strange recordings: what the check of batches and the open-set threshold say of them, and of held-out ones.

Models are trained as ``gmmaudio train`` does, on one side of a division by speaker or artist. Known recordings are
those of the other side, of the labels that the model has. Strange ones are other recordings of other languages, clips
of a label that the model was trained without, or the known clips after a codec, a band limit or noise. The threshold
for other sources is measured on clips whose artists were each put behind one of three channels, which stand for
sources; known clips come through a fourth one. What a model states of itself was learned on its training side alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

import gmmaudio
from gmmaudio.compute import QUIET
from gmmaudio.corpus import plan_split, random_folds
from gmmaudio.features import FeatureStore
from gmmaudio.models import Model, Recipe
from gmmaudio.models.familiarity import GroupMeans
from gmmaudio.models.open_set import auroc, score_statistics
from gmmaudio.pipeline.own_rows import training_trials
from gmmaudio.pipeline.training import fit_model
from gmmaudio.trials import Degradation, Trial, build_trial_set, units_of
from results.corpora import manifest_of
from results.familiarity_views import familiarity_text, unknown_text
from results.record import make_record, write_record

N_FOLDS = 5
DEGRADATIONS = ("Vorbis", "band limit 4 kHz", "noise 10 dB", "clipping")
# the channels of pseudo sources, and the one that is foreign
CHANNELS, FOREIGN = (None, "Vorbis", "noise 20 dB"), "band limit 4 kHz"
SIZES = (5, 20)
PROTOCOL = (
    "Five divisions by speaker (*language-indomain*), the four folds of artists (*genre*); the model of a label left "
    "out is trained on one of these divisions. A batch is the recordings of one speaker or artist, or {sizes} drawn "
    "from all, 200 times. False alarms: held-out speakers or artists below the threshold. Settings are those of the "
    "presets."
)


@dataclass
class Scores:
    """Scores of known and of strange recordings by one model, and their groups."""

    model: Model
    known: list[Trial]
    strange: list[Trial]

    def statistics(self, trials: Sequence[Trial]) -> dict[str, np.ndarray]:
        """Return the statistics of trials, shape (n,) each."""
        scores = np.stack([self.model.scorer.score(trial.rows.values) for trial in trials])
        assert self.model.calibration is not None  # noqa: S101 - groups are known here
        return score_statistics(scores, self.model.calibration.probability(scores))


@dataclass
class Case:
    """One kind of strange recordings: its name, and the models that were asked about it."""

    name: str
    scores: list[Scores] = field(default_factory=list)


def trials_of(name: str, recipe: Recipe, store: FeatureStore, degradation: str | None = None) -> list[Trial]:
    """Return the trials of a corpus with the copies that a model trains on, or those of degraded clips."""
    corpus = gmmaudio.read_corpus(manifest_of(name))
    clips = plan_split(corpus.clips, fold_column="fold" if name == "genre" else None)
    if degradation is None:
        return training_trials(corpus.root, clips, recipe, None, store=store).trials
    degraded = Degradation(degradation, recipe.seed)
    return build_trial_set(corpus.root, clips, recipe.trial_settings, store=store, degradation=degraded).trials


def train(trials: Sequence[Trial], recipe: Recipe) -> Model:
    """Return the model of some trials."""
    return fit_model(trials, recipe, QUIET, ())[0]


def language_cases(store: FeatureStore) -> Iterator[Case]:
    """Yield the cases of models of language-indomain: recordings of the other corpus, and of a label left out."""
    recipe = gmmaudio.make_recipe("language")
    trials, others = trials_of("language-indomain", recipe, store), trials_of("language", recipe, store)
    labels = [trial.label for trial in trials]
    single = single_clips("language-indomain", recipe, store)
    foreign, left = Case("*language-indomain*: recordings of *language*"), Case("*language-indomain*: a label left out")
    short = Case("*language-indomain*: the same speakers' clips, not joined to trials")
    folds = random_folds(labels, units_of(trials), N_FOLDS, np.random.default_rng(0))
    for i, fold in enumerate(folds):
        side, held = [trials[k] for k in fold.train], [trials[k] for k in fold.test]
        model, speakers = train(side, recipe), set(units_of(held))
        foreign.scores.append(Scores(model, held, others))
        short.scores.append(Scores(model, held, [trial for trial in single if trial.held_out_by in speakers]))
        if i < len(set(labels)):
            left.scores.append(without(sorted(set(labels))[i], side, held, recipe))
    yield from (foreign, left, short)


def single_clips(name: str, recipe: Recipe, store: FeatureStore) -> list[Trial]:
    """Return the clips of a corpus, each as a trial."""
    corpus, settings = gmmaudio.read_corpus(manifest_of(name)), replace(recipe.trial_settings, trial_s=None)
    return build_trial_set(corpus.root, plan_split(corpus.clips), settings, store=store).trials


def without(label: str, side: Sequence[Trial], held: Sequence[Trial], recipe: Recipe) -> Scores:
    """Return the scores of a model that was trained without a label, whose held-out and training clips are strange."""
    model = train([trial for trial in side if trial.label != label], recipe)
    strange = [trial for trial in (*side, *held) if trial.label == label]
    return Scores(model, [trial for trial in held if trial.label != label], strange)


def genre_cases(store: FeatureStore) -> Iterator[Case]:
    """Yield the cases of models of genre: degraded clips, and those of a label left out."""
    recipe = gmmaudio.make_recipe("genre")
    trials = trials_of("genre", recipe, store)
    degraded = {name: {t.name: t for t in trials_of("genre", recipe, store, name)} for name in DEGRADATIONS}
    cases = {name: Case(f"*genre*: {name}") for name in DEGRADATIONS}
    left = Case("*genre*: a label left out")
    folds = sorted({str(trial.fold) for trial in trials})
    for fold in folds:
        side, held = [t for t in trials if t.fold != fold], [t for t in trials if t.fold == fold]
        model = train(side, recipe)
        for name, case in cases.items():
            case.scores.append(Scores(model, held, [degraded[name][t.name] for t in held if t.name in degraded[name]]))
    for i, label in enumerate(sorted({trial.label for trial in trials})):
        fold = folds[i % len(folds)]
        side, held = [t for t in trials if t.fold != fold], [t for t in trials if t.fold == fold]
        left.scores.append(without(label, side, held, recipe))
    yield from (*cases.values(), left)


def measure_batches(case: Case) -> dict[str, Any]:
    """Return what the check of batches says in a case: means over models that make a claim."""
    rng, found = np.random.default_rng(0), defaultdict[str, list[float]](list)
    statistics = []
    for one in case.scores:
        familiarity = one.model.familiarity
        if familiarity is None or familiarity.threshold is None:
            continue
        statistics.append(familiarity.statistic)
        sides = [
            (one.statistics(part)[familiarity.statistic] - familiarity.mean) / familiarity.deviation
            for part in (one.known, one.strange)
        ]
        means = [GroupMeans.of(v, units_of(p)) for v, p in zip(sides, (one.known, one.strange), strict=True)]
        known, strange = ([m / familiarity.spread(int(n)) for m, n in zip(g.means, g.n, strict=True)] for g in means)
        found["trial"].append(auroc(*sides))
        found["group"].append(auroc(np.array(known), np.array(strange)))
        found["false_alarms"].append(float(np.mean(np.array(known) < familiarity.threshold)))
        found["found"].append(float(np.mean(np.array(strange) < familiarity.threshold)))
        found["stated"].append(float(np.mean(list(familiarity.auroc.values()))))
        for size in SIZES:
            drawn = [rng.choice(values, (200, min(size, len(values)))).mean(axis=1) for values in sides]
            found[f"batch_{size}"].append(auroc(*drawn))
            found[f"found_{size}"].append(float(np.mean([familiarity.is_unfamiliar(m, size) for m in drawn[1]])))
    row: dict[str, Any] = {"part": "batches", "case": case.name, "models": len(statistics)}
    row |= {"statistics": sorted(set(statistics)), "n_known": sum(len(one.known) for one in case.scores)}
    return row | {name: float(np.mean(values)) for name, values in found.items()}


def measure_unknown(case: Case) -> dict[str, Any]:
    """Return what the open-set threshold says in a case, and how well each statistic tells strange from known."""
    found = defaultdict[str, list[float]](list)
    chosen = []
    for one in case.scores:
        threshold = one.model.open_set
        assert threshold is not None  # noqa: S101 - groups are known here
        known, strange = one.statistics(one.known), one.statistics(one.strange)
        for name in known:
            found[name].append(auroc(known[name], strange[name]))
        if threshold.threshold is None or threshold.auroc is None:
            continue
        chosen.append(threshold.statistic)
        found["stated"].append(threshold.auroc)
        for side, values in (("false_rejections", known), ("rejected", strange)):
            found[side].append(float(np.mean(values[threshold.statistic] < threshold.threshold)))
    row = {"part": "unknown", "case": case.name, "models": len(case.scores), "on": len(chosen)}
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return row | {"statistics": {name: chosen.count(name) for name in sorted(set(chosen))}} | means


def measure_sources(store: FeatureStore) -> list[dict[str, Any]]:
    """Return the rejections of clips through a foreign channel, by models that know their sources or do not.

    The model of each fold is trained without one label, whose clips are strange.
    """
    recipe = replace(gmmaudio.make_recipe("genre"), augment=())
    plain, *others = ({t.name: t for t in trials_of("genre", recipe, store, name)} for name in (*CHANNELS, FOREIGN))
    channels, foreign = [plain, *others[:-1]], others[-1]
    names = sorted(set.intersection(*map(set, (*channels, foreign))))
    artists = sorted(set(units_of([plain[name] for name in names])))
    channel_of = {name: artists.index(units_of([plain[name]])[0]) % len(CHANNELS) for name in names}
    mixed = {name: with_source(channels[channel_of[name]][name], str(CHANNELS[channel_of[name]])) for name in names}
    found = defaultdict[tuple[bool, str], list[float]](list)
    labels = sorted({plain[name].label for name in names})
    for i, fold in enumerate(sorted({str(plain[name].fold) for name in names})):
        strange = [name for name in names if plain[name].label == labels[i]]
        held = [name for name in names if plain[name].fold == fold and name not in strange]
        side = [mixed[name] for name in names if plain[name].fold != fold and name not in strange]
        for knows in (False, True):
            model = train(side if knows else [with_source(trial, None) for trial in side], recipe)
            threshold = model.open_set
            if threshold is None or threshold.threshold is None:
                continue
            for place, part, chosen in (("own", mixed, held), ("foreign", foreign, held), ("strange", mixed, strange)):
                values = Scores(model, [], []).statistics([part[name] for name in chosen])[threshold.statistic]
                found[knows, place].append(float(np.mean(values < threshold.threshold)))
    return [
        {
            "part": "sources",
            "knows_sources": knows,
            "on": len(found[knows, "own"]),
            **{place: float(np.mean(found[knows, place])) for place in ("own", "foreign", "strange")},
        }
        for knows in (False, True)
        if found[knows, "own"]
    ]


def with_source(trial: Trial, source: str | None) -> Trial:
    """Return a trial whose clips are of a source."""
    segments = tuple(
        replace(s, extracted=replace(s.extracted, clip=replace(s.extracted.clip, source=source)))
        for s in trial.segments
    )
    return replace(trial, segments=segments)


@click.command()
@click.option("--cache", type=click.Path(path_type=Path), default=Path("build/familiarity"), show_default=True)
def main(cache: Path) -> None:
    """Measure both, print the tables and write them to results/familiarity.json."""
    store = FeatureStore(cache)
    with threadpool_limits(limits=1):
        cases = [*genre_cases(store), *language_cases(store)]
        rows = [*map(measure_batches, cases), *map(measure_unknown, cases), *measure_sources(store)]
    protocol = PROTOCOL.format(sizes=" or ".join(map(str, SIZES)))
    record = make_record("familiarity", "Strange recordings: batches, and clips of no known label", protocol, rows)
    click.echo(familiarity_text(record.rows))
    click.echo(unknown_text(record.rows))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
