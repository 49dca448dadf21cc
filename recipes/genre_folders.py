"""Genre from your own folders: one folder for each genre, the file's folder (an album, say) as the group."""

from __future__ import annotations

import sys
from pathlib import Path

import click

if not __package__:  # run as a file: the repository root is not on the import path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gmmaudio.models import make_recipe
from recipes.folders import cross_validate_and_train


@click.command()
@click.argument("corpus", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/genre"), show_default=True)
@click.option("--group-by", default=None, help="A manifest column, parent (the file's folder) or none.")
@click.option("--folds", default=4, show_default=True)
@click.option("-j", "--jobs", default=-1, show_default=True)
def main(corpus: Path, out: Path, group_by: str | None, folds: int, jobs: int) -> None:
    """Cross-validate and train the genre preset on CORPUS, a folder of genres or a manifest."""
    cross_validate_and_train(corpus, make_recipe("genre"), out, folds=folds, group_by=group_by, n_jobs=jobs)


if __name__ == "__main__":
    main()
