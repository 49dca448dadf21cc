"""``gmmaudio train``: a corpus -> a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options, rows_options

if TYPE_CHECKING:
    from gmmaudio.mixture import EMTrace
    from gmmaudio.pipeline import TrainResult


@click.command(name="train")
@click.argument("corpus", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.FILE, metavar="MODEL", help="Model file to write.")
@options.recipe
@rows_options.rows
@options.cluster
@options.group_by
@click.option("--tune", is_flag=True, help="Choose kind, components, covariance and projection on inner folds.")
def command(
    corpus: Path,
    output: Path,
    split: str | None,
    group_by: str | None,
    tune: bool,
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
    """Train a model on CORPUS: a folder with one sub-folder for each class, or a CSV manifest.

    The model is the same bytes for any number of worker processes.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import save_model

    options.check_tune({"tune": tune, **settings})
    given = rows_options.take_rows(settings, training=True)
    opening = options.open_cluster(scheduler, n_dask, n_jobs)
    store = options.open_store(cache, cache_limit)
    recipe = pipeline.make_recipe(**settings)
    outputs = OutputPaths({"-o": output})
    outputs.check(corpus, *rows_options.places_of(given))
    labelled_clips = pipeline.read_corpus(corpus, given)
    outputs.keep_clips(labelled_clips)
    console.say_skipped(labelled_clips.n_skipped)
    with opening as cluster, show_progress(is_quiet=is_quiet) as progress:
        result = pipeline.train(
            labelled_clips,
            recipe,
            split=split,
            group_by=group_by,
            tune=tune,
            kind=settings["kind"] if tune else None,
            rows=given,
            n_jobs=n_jobs,
            progress=progress,
            time_limit_s=time_limit_s,
            memory_limit=memory_limit,
            cache=store,
            cluster=cluster,
            memory_bytes=memory_bytes,
        )
    save_model(result.model, output)
    console.say_failed(result.failed)
    console.say_findings(result.model.training.findings)
    for line in () if is_quiet else _lines(result):
        console.say(line)
    console.say(
        f"wrote {output}: {len(result.model.scorer.labels)} labels from {len(result.model.training.clips)} clips"
    )
    click.get_current_context().exit(EXIT_SOME_FAILED if result.failed else 0)


def _lines(result: TrainResult) -> list[str]:
    """Return the account of a training run, line by line."""
    from gmmaudio.cli.info import confidence_lines, row_name
    from gmmaudio.models import UBM

    training = result.model.training
    lines = _tuning(training.tuning)
    for label in result.model.scorer.labels:
        line = f"{label}: {training.seconds[label]:.1f} s, {training.rows[label]} {row_name(result.model)}"
        lines.append(line + (f", {_trace_text(result.traces[label])}" if label in result.traces else ""))
    if UBM in result.traces:
        lines.append(f"UBM: {_trace_text(result.traces[UBM])}")
    return lines + confidence_lines(result.model)


def _trace_text(trace: EMTrace) -> str:
    """Return components, iterations and log-likelihood of EM in words."""
    return (
        f"{trace.n_components} components, {trace.n_iter} iterations, "
        f"log-likelihood {trace.log_likelihoods[-1]:.3f} per row"
    )


def _tuning(tuning: dict[str, Any] | None) -> list[str]:
    """Return the ranked table of candidates, line by line."""
    if tuning is None:
        return []
    rows = [f"{100 * row['balanced_accuracy']:5.1f} %  {row['description']}" for row in tuning["table"]]
    return ["balanced accuracy on inner folds, best first:", *rows, f"chosen: the first; {tuning['reason']}"]
