"""``gmmaudio crossval``: a corpus -> the report of models that never heard the clips they are scored on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gmmaudio.cli import options


@click.command(name="crossval")
@click.argument("corpus", type=options.FILE)
@options.recipe
@click.option("--folds", default="5", show_default=True, metavar="N|loo", help="Folds, or leave one group out.")
@click.option("--fold-column", metavar="NAME", help="Manifest column that tells the folds.")
@click.option("--repeats", default=1, show_default=True, metavar="R", help="Repeat with seeds N, N+1, ...")
@options.group_by
@options.outputs
def command(
    corpus: Path,
    folds: str,
    fold_column: str | None,
    repeats: int,
    group_by: str | None,
    report_path: Path | None,
    json_path: Path | None,
    split: str | None,
    n_jobs: int,
    **settings: Any,
) -> None:
    """Train and score on CORPUS so that no group is on both sides of a fold.

    A label with a single group is trained on and never scored.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console, report_files

    if folds != "loo" and not folds.isdecimal():
        raise click.BadParameter(f"{folds!r} is neither a number nor loo.", param_hint="--folds")
    recipe = pipeline.make_recipe(**settings)
    report_files.check(report_path, json_path)
    report = pipeline.crossval(
        pipeline.read_corpus(corpus),
        recipe,
        folds="loo" if folds == "loo" else int(folds),
        fold_column=fold_column,
        repeats=repeats,
        group_by=group_by,
        split=split,
        n_jobs=n_jobs,
        progress=console.progress,
        command=options.typed_command(),
    )
    click.get_current_context().exit(
        report_files.deliver(report, f"Cross-validation of {report_files.corpus_name(corpus)}", report_path, json_path)
    )
