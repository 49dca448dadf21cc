"""Genre folds beside a straight librosa + scikit-learn script: same clips, folds, features and K, one run.

Prints, for each K and covariance, how many of the clips each names rightly and our 95 % interval over artists. Choices
were fixed before: nothing here is tuned.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np
import peer

import gmmaudio
from gmmaudio.evaluation import percent

DATA = Path(os.environ.get("GMMAUDIO_DATA", "../shared/data"))
SETTINGS = (("diag", 8), ("diag", 16), ("diag", 32), ("full", 2), ("full", 4))


@click.command()
@click.option("--manifest", type=click.Path(path_type=Path), default=DATA / "genre" / "manifest.csv")
@click.option("--fold-column", default="fold", show_default=True)
@click.option("-j", "--jobs", default=2, show_default=True)
def main(manifest: Path, fold_column: str, jobs: int) -> None:
    """Print the table of MANIFEST's fold column."""
    if not manifest.exists():
        raise click.ClickException(f"{manifest} is not there; set GMMAUDIO_DATA")
    rows = peer.read_manifest(manifest)
    clips = [peer.frames(manifest.parent / row["path"]) for row in rows]
    corpus = gmmaudio.read_corpus(manifest)
    click.echo(f"{len(rows)} clips, folds by {fold_column!r}\n")
    click.echo("| model | scikit-learn, right | gmmaudio, right | gmmaudio accuracy, 95 % interval over groups |")
    click.echo("|---|---|---|---|")
    for covariance, k in SETTINGS:
        theirs = right_by_peer(rows, clips, fold_column, k, covariance)
        recipe = gmmaudio.make_recipe(n_components=k, covariance_type=covariance)
        report = gmmaudio.crossval(corpus, recipe, fold_column=fold_column, n_jobs=jobs)
        interval = report.intervals["accuracy"]
        between = "-" if interval is None else percent(interval)
        ours = int(np.trace(report.confusion))
        click.echo(f"| {covariance} K={k} | {theirs} | {ours} | {100 * report.accuracy:.1f} % ({between}) |")


def right_by_peer(rows: list[dict[str, str]], clips: list[peer.Frames], column: str, k: int, covariance: str) -> int:
    """Return how many held-out clips the peer names rightly over all folds."""
    right = 0
    for fold in sorted({row[column] for row in rows}):
        train = [i for i, row in enumerate(rows) if row[column] != fold]
        models = peer.fit([clips[i] for i in train], [rows[i]["label"] for i in train], k, covariance)
        held = [i for i, row in enumerate(rows) if row[column] == fold]
        right += sum(peer.predict(models, clips[i]) == rows[i]["label"] for i in held)
    return right


if __name__ == "__main__":
    main()
