"""Genre folds beside a straight librosa + scikit-learn script: same clips, folds, features and K, one run.

Counts, for each K and covariance, how many of the clips each system classifies correctly from several starts of EM: one
start alone moves the count by two or three clips. Nothing here is tuned.
"""

from __future__ import annotations

import click
import numpy as np

import gmmaudio
from benchmarks import peer
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import genre_folds_table

SETTINGS = (("diag", 8), ("diag", 16), ("diag", 32), ("full", 2), ("full", 4))
PROTOCOL = (
    "Clips of {n} that are correctly classified, held out by the folds of the column {column!r} (no artist on both "
    "sides), from each of {seeds} starts of EM. Same clips, folds, 20 MFCC and K; the script in float64."
)


@click.command()
@click.option("--corpus", default="genre", show_default=True, help="Folder of GMMAUDIO_DATA.")
@click.option("--fold-column", default="fold", show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Starts of EM, of both sides.")
@click.option("-j", "--jobs", default=2, show_default=True)
def main(corpus: str, fold_column: str, seeds: int, jobs: int) -> None:
    """Measure both, print the table and write it to results/genre_folds.json."""
    manifest = manifest_of(corpus)
    rows = peer.read_manifest(manifest)
    clips = [peer.frames(manifest.parent / row["path"]) for row in rows]
    read = gmmaudio.read_corpus(manifest)
    measured = []
    for covariance, k in SETTINGS:
        theirs = [count_by_peer(rows, clips, fold_column, k, covariance, seed) for seed in range(seeds)]
        ours = []
        for seed in range(seeds):
            recipe = gmmaudio.make_recipe(n_components=k, covariance_type=covariance, seed=seed)
            report = gmmaudio.crossval(read, recipe, fold_column=fold_column, n_jobs=jobs)
            ours.append(int(np.trace(report.confusion)))
        measured.append({"model": f"{covariance} K={k}", "scikit_learn": theirs, "gmmaudio": ours})
    protocol = PROTOCOL.format(n=len(rows), column=fold_column, seeds=seeds)
    record = make_record("genre_folds", "Correctly classified clips beside scikit-learn", protocol, measured)
    click.echo(genre_folds_table(record))
    click.echo(f"wrote {write_record(record).name}")


def count_by_peer(
    rows: list[dict[str, str]], clips: list[peer.Frames], column: str, k: int, covariance: str, seed: int
) -> int:
    """Return the number of held-out clips that the peer classifies correctly over all folds."""
    n_correct = 0
    for fold in sorted({row[column] for row in rows}):
        train = [i for i, row in enumerate(rows) if row[column] != fold]
        models = peer.fit([clips[i] for i in train], [rows[i]["label"] for i in train], k, covariance, seed)
        held = [i for i, row in enumerate(rows) if row[column] == fold]
        n_correct += sum(peer.predict(models, clips[i]) == rows[i]["label"] for i in held)
    return n_correct


if __name__ == "__main__":
    main()
