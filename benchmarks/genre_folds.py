"""Genre folds beside a straight librosa + scikit-learn script: same clips, folds, features and K, one run.

Prints, for each K and covariance, how many of the clips each names rightly from several starts of EM: one start alone
moves the count by two or three clips. Nothing here is tuned.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np
import peer

import gmmaudio

DATA = Path(os.environ.get("GMMAUDIO_DATA", "../shared/data"))
SETTINGS = (("diag", 8), ("diag", 16), ("diag", 32), ("full", 2), ("full", 4))


@click.command()
@click.option("--manifest", type=click.Path(path_type=Path), default=DATA / "genre" / "manifest.csv")
@click.option("--fold-column", default="fold", show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Starts of EM, of both sides.")
@click.option("-j", "--jobs", default=2, show_default=True)
def main(manifest: Path, fold_column: str, seeds: int, jobs: int) -> None:
    """Print the table of MANIFEST's fold column."""
    if not manifest.exists():
        raise click.ClickException(f"{manifest} is not there; set GMMAUDIO_DATA")
    rows = peer.read_manifest(manifest)
    clips = [peer.frames(manifest.parent / row["path"]) for row in rows]
    corpus = gmmaudio.read_corpus(manifest)
    click.echo(f"{len(rows)} clips, folds by {fold_column!r}; clips named rightly with seeds 0 to {seeds - 1}\n")
    click.echo("| model | scikit-learn: each seed, mean | gmmaudio: each seed, mean |\n|---|---|---|")
    for covariance, k in SETTINGS:
        theirs = [right_by_peer(rows, clips, fold_column, k, covariance, seed) for seed in range(seeds)]
        ours = []
        for seed in range(seeds):
            recipe = gmmaudio.make_recipe(n_components=k, covariance_type=covariance, seed=seed)
            report = gmmaudio.crossval(corpus, recipe, fold_column=fold_column, n_jobs=jobs)
            ours.append(int(np.trace(report.confusion)))
        click.echo(f"| {covariance} K={k} | {summary(theirs)} | {summary(ours)} |")


def summary(counts: list[int]) -> str:
    """Return counts and their mean."""
    return f"{', '.join(map(str, counts))}: {sum(counts) / len(counts):.1f}"


def right_by_peer(
    rows: list[dict[str, str]], clips: list[peer.Frames], column: str, k: int, covariance: str, seed: int
) -> int:
    """Return how many held-out clips the peer names rightly over all folds."""
    right = 0
    for fold in sorted({row[column] for row in rows}):
        train = [i for i, row in enumerate(rows) if row[column] != fold]
        models = peer.fit([clips[i] for i in train], [rows[i]["label"] for i in train], k, covariance, seed)
        held = [i for i, row in enumerate(rows) if row[column] == fold]
        right += sum(peer.predict(models, clips[i]) == rows[i]["label"] for i in held)
    return right


if __name__ == "__main__":
    main()
