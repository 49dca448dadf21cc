"""The genre preset beside pyAudioAnalysis and a plain MFCC script: same clips, same artist-disjoint folds, one run.

pyAudioAnalysis runs itself, in an environment that has gmmaudio and ``pip install pyAudioAnalysis matplotlib tqdm
pydub eyed3`` (what it imports and does not ask for; Python 3.12 at most). Its recipe is that of its README and its
``trainClassifier``: 34 features of 50 ms windows every 50 ms (``--step`` changes that)
and their deltas, mean and deviation over 1 s, averaged over the clip: 136 values, standardised, and a random forest or
a support vector machine from its grids. The plain script takes mean and deviation of 20 MFCC over the clip.

Trees and C are chosen by macro-F1, as its trainer does, on the inner folds by artist that our calibration is learned
on. The peers' scores on these are calibrated as ours are (a forest's score is the log of its votes and one more). The
preset is fixed, but was chosen while these clips were looked at (docs/decisions/0008-recognition.md): its lead is a
little optimistic. Seconds are wall clock at one thread: extraction of all clips with decoding, median of interleaved
rounds; and training and scoring of all folds, inner folds included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import soundfile
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import gmmaudio
from benchmarks.peer import frames
from gmmaudio.compute import QUIET
from gmmaudio.corpus import Corpus, plan_split
from gmmaudio.evaluation import ScoredClip, compare, compute_metrics
from gmmaudio.models import Recipe, fit_calibration
from gmmaudio.models.inner_folds import make_inner_folds
from gmmaudio.pipeline import CrossvalOptions
from gmmaudio.pipeline.fold_runs import fit_fold
from gmmaudio.pipeline.scoring import score_trials
from gmmaudio.trials import Trial, build_trial_set, units_of
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import recognition_tables

PACKAGES = ("pyAudioAnalysis",)
CURE = "pip install pyAudioAnalysis matplotlib tqdm pydub eyed3"
PROTOCOL = (
    "{artists} artists, none on both sides of a fold; intervals are 95 % bootstraps over artists. The peers' settings "
    "are chosen on inner folds by artist. The preset was chosen while these clips were looked at, so its lead is "
    "somewhat optimistic. Seconds are wall clock at one thread: extraction of all clips with decoding, median of "
    "{rounds} rounds; training and scoring of all folds, inner folds included. Short-term step of "
    "pyAudioAnalysis {step:g} s."
)
# the grids of pyAudioAnalysis 0.3.14, extract_features_and_train
TREES = (10, 25, 50, 100, 200, 500)
COSTS = (0.001, 0.01, 0.5, 1.0, 5.0, 10.0, 20.0)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Peer:
    """Whose values of a clip are taken, what makes a model of a setting and a seed, and the settings to choose from."""

    values: str
    make: Callable[[float, int], Any]
    grid: Sequence[float]

    def fit(self, X: Array, y: npt.NDArray[np.intp], value: float, seed: int) -> Any:
        """Return a model of standardised values."""
        return make_pipeline(StandardScaler(), self.make(value, seed)).fit(X, y)


OURS = "gmmaudio, preset genre"
PEERS = {
    "pyAudioAnalysis, random forest": Peer(
        "pyAudioAnalysis", lambda trees, seed: RandomForestClassifier(int(trees), random_state=seed), TREES
    ),
    "pyAudioAnalysis, linear SVM": Peer("pyAudioAnalysis", lambda c, _: SVC(C=c, kernel="linear"), COSTS),
    "pyAudioAnalysis, RBF SVM": Peer("pyAudioAnalysis", lambda c, _: SVC(C=c, kernel="rbf", gamma="auto"), COSTS),
    "librosa MFCC, linear SVM": Peer("librosa", lambda c, _: SVC(C=c, kernel="linear"), COSTS),
}
# whose values each line rests on
VALUES = {OURS: "gmmaudio"} | {name: peer.values for name, peer in PEERS.items()}


def long_term(path: Path, step_s: float) -> Array:
    """Return pyAudioAnalysis' values of a clip, shape (136,)."""
    from pyAudioAnalysis import MidTermFeatures  # type: ignore[import-not-found]

    samples, sr = soundfile.read(path, dtype="int16", always_2d=True)
    lengths = [round(seconds * sr) for seconds in (1.0, 1.0, 0.05, step_s)]
    rows, _, _ = MidTermFeatures.mid_feature_extraction(samples.mean(axis=1), sr, *lengths)
    means: Array = rows.mean(axis=1)
    return means


def mfcc_statistics(path: Path) -> Array:
    """Return mean and standard deviation of the MFCC of a clip, shape (40,)."""
    rows = frames(path)
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0)])


def extract(corpus: Corpus, recipe: Recipe, column: str, step_s: float) -> tuple[dict[str, Any], dict[str, float]]:
    """Return our trials and the peers' values of every path, and the seconds that each took."""
    paths = [clip.path for clip in corpus.clips]
    jobs: dict[str, Callable[[], Any]] = {
        "gmmaudio": lambda: (
            build_trial_set(corpus.root, plan_split(corpus.clips, fold_column=column), recipe.trial_settings).trials
        ),
        "pyAudioAnalysis": lambda: {path: long_term(corpus.root / path, step_s) for path in paths},
        "librosa": lambda: {path: mfcc_statistics(corpus.root / path) for path in paths},
    }
    values, seconds = {}, {}
    for name, job in jobs.items():
        began = time.perf_counter()
        values[name] = job()
        seconds[name] = time.perf_counter() - began
    return values, seconds


def by_peer(
    peer: Peer, values: Mapping[str, Array], train: Sequence[Trial], held_out: Sequence[ScoredClip], seed: int
) -> list[ScoredClip]:
    """Return held-out clips with the predictions of a peer that is trained on ``train``, calibrated as ours are."""
    labels, units = sorted({trial.label for trial in train}), units_of(train)
    X, y = np.stack([values[t.paths[0]] for t in train]), np.array([labels.index(t.label) for t in train])
    folds = [(list(fold.train), list(fold.test)) for fold in make_inner_folds(train, seed)]
    order = [i for _, test in folds for i in test]
    candidates = []
    for value in peer.grid:
        models = [(peer.fit(X[rows], y[rows], value, seed), X[test]) for rows, test in folds]
        predicted = np.concatenate([model.predict(test) for model, test in models])
        scores = np.concatenate([scores_of(model, test, len(labels)) for model, test in models])
        candidates.append((f1_score(y[order], predicted, average="macro"), value, scores))
    # of equals the first
    _, chosen, inner_scores = max(candidates, key=lambda candidate: candidate[0])
    calibration = fit_calibration(inner_scores, y[order], [units[i] for i in order])
    model, test = peer.fit(X, y, chosen, seed), np.stack([values[clip.paths[0]] for clip in held_out])
    scores = scores_of(model, test, len(labels))
    predictions = zip(held_out, model.predict(test), scores, calibration.probability(scores), strict=True)
    return [
        replace(clip, predicted=labels[best], scores=named(labels, row), probability=named(labels, shares))
        for clip, best, row, shares in predictions
    ]


def named(labels: Sequence[str], values: Array) -> dict[str, float]:
    """Return values by label."""
    return dict(zip(labels, values.tolist(), strict=True))


def scores_of(model: Any, X: Array, n_labels: int) -> Array:
    """Return the scores of clips, shape (n, n_labels), -inf for a label that the model does not know."""
    scores = np.full((len(X), n_labels), -np.inf)
    last = model[-1]
    votes = isinstance(last, RandomForestClassifier)
    columns = np.log1p(len(last.estimators_) * model.predict_proba(X)) if votes else model.decision_function(X)
    # of two classes a support vector machine scores the second only
    scores[:, last.classes_] = columns if columns.ndim == 2 else np.stack([-columns, columns], axis=1) / 2
    return scores


def recognise(
    values: Mapping[str, Any], recipe: Recipe, division: CrossvalOptions
) -> tuple[dict[str, list[ScoredClip]], dict[str, float]]:
    """Return the predictions of all systems on the divisions of ``gmmaudio crossval``, and the seconds they took."""
    trials: list[Trial] = values["gmmaudio"]
    clips: dict[str, list[ScoredClip]] = {name: [] for name in (OURS, *PEERS)}
    seconds = dict.fromkeys(clips, 0.0)
    labels, units, fold_of = [t.label for t in trials], units_of(trials), [t.fold for t in trials]
    for repeat in range(division.repeats):
        seed = recipe.seed + repeat
        for fold in division.divide(labels, units, fold_of, seed):
            began = time.perf_counter()
            fitted = fit_fold(trials, fold, replace(recipe, seed=seed), QUIET)
            predictions = score_trials(fitted.test, fitted.recogniser, fold=fold.name, repeat=repeat)
            clips[OURS] += predictions
            seconds[OURS] += time.perf_counter() - began
            train = [trials[i] for i in fold.train]
            for name, peer in PEERS.items():
                began = time.perf_counter()
                clips[name] += by_peer(peer, values[peer.values], train, predictions, seed)
                seconds[name] += time.perf_counter() - began
    return clips, seconds


def measured(
    clips: Mapping[str, Sequence[ScoredClip]], extraction: Mapping[str, float], training: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return a row of results for each system."""
    names, true, units = ([getattr(clip, field) for clip in clips[OURS]] for field in ("name", "label", "unit"))
    repeats = [clip.repeat for clip in clips[OURS]]
    ours = [clip.predicted for clip in clips[OURS]]
    rows = []
    for name, predictions in clips.items():
        metrics = compute_metrics(predictions, sorted(set(true)))
        paired = compare(names, true, units, [clip.predicted for clip in predictions], ours, repeats)
        lead = None if name == OURS else {"value": paired.difference, "interval": paired.interval}
        rows.append(
            {
                "system": name,
                "n": paired.n,
                "accuracy": {"value": paired.accuracy_a, "interval": metrics.intervals["accuracy"]},
                "log_loss": {"value": metrics.values["log_loss"], "interval": metrics.intervals["log_loss"]},
                "lead": lead,
                "extraction_s": extraction[VALUES[name]],
                "training_s": training[name],
            }
        )
    return rows


@click.command()
@click.option("--corpus", default="genre", show_default=True, help="Folder of GMMAUDIO_DATA.")
@click.option("--fold-column", default="fold", show_default=True)
@click.option("--repeats", default=5, show_default=True, help="Random divisions by artist, in four folds.")
@click.option("--step", default=0.05, show_default=True, help="Step of pyAudioAnalysis' short-term windows, seconds.")
@click.option("--rounds", default=3, show_default=True, help="Times that extraction is timed.")
def main(corpus: str, fold_column: str, repeats: int, step: float, rounds: int) -> None:
    """Measure the fold column and random divisions by artist, and write both to results/recognition.json."""
    clips, recipe = gmmaudio.read_corpus(manifest_of(corpus)), gmmaudio.make_recipe("genre")
    with threadpool_limits(limits=1):
        try:
            # the first call pays for imports and compiled code
            extract(replace(clips, clips=clips.clips[:1]), recipe, fold_column, step)
        except ImportError as error:
            raise click.ClickException(f"pyAudioAnalysis cannot be imported ({error}); {CURE}") from error
        runs = [extract(clips, recipe, fold_column, step) for _ in range(rounds)]
        values = runs[0][0]
        extraction = {name: statistics.median(seconds[name] for _, seconds in runs) for name in values}
        rows = []
        for division in (CrossvalOptions(fold_column=fold_column), CrossvalOptions(folds=4, repeats=repeats)):
            predictions, training = recognise(values, recipe, division)
            scheme = {"division": division.scheme(groups_known=True)}
            rows += [scheme | row for row in measured(predictions, extraction, training)]
    artists = len(set(units_of(values["gmmaudio"])))
    protocol = PROTOCOL.format(artists=artists, rounds=rounds, step=step)
    record = make_record(
        "recognition", "Genre beside pyAudioAnalysis and a plain MFCC script", protocol, rows, PACKAGES
    )
    click.echo(recognition_tables(record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
