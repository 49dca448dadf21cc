"""``gmmaudio crossval``: a corpus -> the report of models that never saw the clips they are scored on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gmmaudio.cli import options, rows_options, vectors_options

# the options that do not belong to the recipe
OPTIONS = (
    "fold_column",
    "repeats",
    "group_by",
    "split",
    "durations_s",
    "tune",
    "learning_curve",
    "compare_random_split",
    "robustness",
    "open_set",
    "leave_sources_out",
)


@click.command(name="crossval")
@click.argument("corpus", type=options.FILE)
@options.recipe
@rows_options.rows
@vectors_options.vectors
@vectors_options.column
@options.cluster
@click.option(
    "--folds", default="5", show_default=True, metavar="N|loo", help="Number of folds, or loo: leave one group out."
)
@click.option("--fold-column", callback=options.name_text, metavar="NAME", help="Manifest column that holds the folds.")
@click.option("--repeats", default=1, show_default=True, metavar="R", help="Number of repeats, with seeds N, N+1, ...")
@options.group_by
@options.durations
@click.option("--tune", is_flag=True, help="Choose kind, components, ... on inner folds of each training set.")
@click.option("--learning-curve", is_flag=True, help="Also train on 1/8, 1/4 and 1/2 of the training audio.")
@click.option(
    "--compare-random-split",
    cls=options.RenamedOption,
    old_flag="--show-inflation",
    is_flag=True,
    help="Also split at random, ignoring groups, and show the random-split gap.",
)
@options.robustness
@click.option(
    "--open-set/--no-open-set",
    default=None,
    help="Learn an open-set threshold in every fold and count the clips that it rejects as unknown. [default: except "
    "with a UBM, where it takes many fits]",
)
@click.option(
    "--leave-sources-out/--no-leave-sources-out",
    default=True,
    show_default=True,
    help="Where a label has two values in the column source: also leave out each source in turn, in at most 10 folds, "
    "for the accuracy on recordings of a new source.",
)
@options.outputs
@options.listen
def command(
    corpus: Path,
    folds: str,
    report_path: Path | None,
    json_path: Path | None,
    csv_folder: Path | None,
    figures_folder: Path | None,
    listen_folder: Path | None,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    scheduler: str | None,
    n_dask: int | None,
    cache: Path | None,
    cache_limit: int,
    memory_bytes: int,
    is_quiet: bool,
    **settings: Any,
) -> None:
    """Train and score on CORPUS so that no group is on both sides of a fold.

    A label with a single group is trained on and never scored. Where the corpus has a column source, the accuracy on
    recordings of a new source is measured too, by leaving sources out.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import report_files
    from gmmaudio.cli.first_look import look_at
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.compute import RunContext

    _check_options(folds, settings)
    opening = options.open_cluster(scheduler, n_dask, n_jobs)
    store = options.open_store(cache, cache_limit)
    given, vectors = rows_options.take_rows(settings, training=True), vectors_options.take_vectors(settings)
    chosen = {name: settings.pop(name) for name in OPTIONS}
    division = pipeline.CrossvalOptions(folds="loo" if folds == "loo" else int(folds), **chosen)
    recipe = pipeline.make_recipe(**settings)
    paths = report_files.ReportPaths(report_path, json_path, csv_folder, figures_folder, listen_folder)
    paths.check(corpus, *rows_options.places_of(given), *vectors_options.places_of(vectors))
    labelled_clips = pipeline.read_corpus(corpus, given)
    paths.keep_clips(labelled_clips)
    labelled_clips, _ = look_at(
        labelled_clips,
        given,
        split=division.split,
        group_by=division.group_by,
        fold_column=division.fold_column,
    )
    with opening as cluster, show_progress(is_quiet=is_quiet) as progress:
        run = RunContext(n_jobs, progress, time_limit_s, memory_limit, cluster=cluster)
        report = pipeline.run_crossval(
            labelled_clips,
            recipe,
            division,
            run,
            rows=given,
            vectors=vectors,
            cache=store,
            memory_bytes=memory_bytes,
            command=options.typed_command(),
        )
    title = f"Cross-validation of {report_files.corpus_name(corpus)}"
    click.get_current_context().exit(report_files.deliver(report, title, paths))


def _check_options(folds: str, settings: Mapping[str, Any]) -> None:
    """Raise where an option has no effect beside another, or --folds is no number of folds."""
    options.check_tune(settings)
    source = click.get_current_context().get_parameter_source("folds")
    if settings["fold_column"] is not None and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--folds has no effect with --fold-column.")
    if folds != "loo" and not folds.isdecimal():
        raise click.BadParameter(f"{folds!r} is neither a number nor loo.", param_hint="--folds")
