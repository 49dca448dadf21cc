"""``gmmaudio evaluate``: a model and labelled clips, or predictions of any system -> a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options

if TYPE_CHECKING:
    from gmmaudio.cli.report_files import ReportPaths
    from gmmaudio.evaluation import Report


@click.command(name="evaluate")
@click.argument("model", type=options.FILE, required=False)
@click.argument("corpus", type=options.FILE, required=False)
@click.option(
    "--scores",
    "scores_path",
    type=options.FILE,
    metavar="FILE",
    help="Report on the predictions in a CSV table instead, with columns path, label, and score:LABEL, "
    "probability:LABEL or predicted; optionally group, source, fold, repeat, duration_s.",
)
@options.split
@options.trial_seconds("the length that the model was trained with")
@options.min_duration
@options.group_by
@options.durations
@options.robustness
@options.outputs
@options.jobs
@options.cache
@options.quiet
def command(
    model: Path | None,
    corpus: Path | None,
    scores_path: Path | None,
    report_path: Path | None,
    json_path: Path | None,
    csv_folder: Path | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
    **settings: Any,
) -> None:
    """Evaluate MODEL on the labelled clips of CORPUS, or on those of its split ``test`` where it has one."""
    from gmmaudio import pipeline
    from gmmaudio.cli import report_files
    from gmmaudio.cli.progress_display import show_progress

    paths = report_files.ReportPaths(report_path, json_path, csv_folder)
    if scores_path is not None:
        _check_scores_options(model)
        paths.check(scores_path)
        with show_progress(is_quiet=is_quiet) as progress:
            report = pipeline.evaluate_predictions(scores_path, progress=progress, command=options.typed_command())
        paths.keep_scored(report, scores_path)
        title = f"Predictions in {scores_path.name}"
    elif model is None or corpus is None:
        raise click.UsageError("Name a MODEL and a CORPUS, or a table of predictions with --scores.")
    else:
        settings["cache"] = options.open_store(cache, cache_limit)
        paths.check(model, corpus)
        report = _evaluate(model, corpus, paths, settings, is_quiet=is_quiet)
        title = f"{model.name} on {report_files.corpus_name(corpus)}"
    click.get_current_context().exit(report_files.deliver(report, title, paths))


def _check_scores_options(model: Path | None) -> None:
    """Raise where arguments or options are named that have no effect with --scores."""
    context = click.get_current_context()
    used = ("scores_path", "report_path", "json_path", "csv_folder", "is_quiet")
    unused = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in used
        and parameter.name is not None
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if model is not None:
        raise click.UsageError("--scores takes neither MODEL nor CORPUS.")
    if unused:
        raise click.UsageError(f"With --scores these have no effect: {', '.join(unused)}.")


def _evaluate(model: Path, corpus: Path, paths: ReportPaths, settings: dict[str, Any], *, is_quiet: bool) -> Report:
    """Return the report of a model file on a corpus."""
    from gmmaudio import pipeline
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import load_model

    trained, labelled_clips = load_model(model), pipeline.read_corpus(corpus)
    paths.keep_clips(labelled_clips)
    with show_progress(is_quiet=is_quiet) as progress:
        return pipeline.evaluate(
            trained, labelled_clips, progress=progress, command=options.typed_command(), **settings
        )
