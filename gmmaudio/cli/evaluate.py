"""``gmmaudio evaluate``: a model and labelled clips, or predictions of any system -> a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options, rows_options, vectors_options

if TYPE_CHECKING:
    from gmmaudio.cli.report_files import ReportPaths
    from gmmaudio.evaluation import Report
    from gmmaudio.evaluation.segment_report import SegmentReport

# of boundaries, seconds
TOLERANCE_S = 1.0
# options of timelines by a model
OF_TIMELINES = ("window_s", "hop_s", "min_turn_s", "min_duration_s")
# options of worker processes
OF_WORKERS = ("n_jobs", "time_limit_s", "memory_limit")

# parameters of the options that a report is written to
REPORT_OPTIONS = ("report_path", "json_path", "csv_folder", "figures_folder")


@click.command(name="evaluate")
@click.argument("model", type=options.FILE, required=False)
@click.argument("corpus", type=options.FILE, required=False)
@click.option(
    "--scores",
    "scores_path",
    type=options.FILE,
    metavar="FILE",
    help="Report on the predictions in a CSV table instead, with columns path, label, and score:LABEL, "
    "probability:LABEL or predicted; optionally group, source, fold, repeat, duration_s. A table of classify needs a "
    "column true_label.",
)
@click.option(
    "--timeline",
    "truth_path",
    type=options.FILE,
    metavar="TRUTH",
    help="Report on segments of long recordings instead: those of MODEL on the recordings that TRUTH names, or those "
    "in the file of --scores. Both files are CSV with columns path, start, end, label, or RTTM.",
)
@click.option(
    "--tolerance",
    "tolerance_s",
    type=float,
    metavar="S",
    help=f"With --timeline: how far a boundary may lie from the true one, seconds. [default: {TOLERANCE_S:g}]",
)
@options.windows
@options.split
@options.trial_seconds("the length that the model was trained with")
@options.min_duration
@rows_options.rows
@vectors_options.vectors
@vectors_options.column
@options.group_by
@options.durations
@options.robustness
@options.outputs
@options.listen
@options.jobs
@options.limits
@options.cache
@options.memory
@options.quiet
def command(
    model: Path | None,
    corpus: Path | None,
    scores_path: Path | None,
    truth_path: Path | None,
    tolerance_s: float | None,
    report_path: Path | None,
    json_path: Path | None,
    csv_folder: Path | None,
    figures_folder: Path | None,
    listen_folder: Path | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
    **settings: Any,
) -> None:
    """Evaluate MODEL on the labelled clips of CORPUS, or on those of its split ``test`` where it has one."""
    from gmmaudio import pipeline
    from gmmaudio.cli import report_files
    from gmmaudio.cli.progress_display import show_progress

    if truth_path is not None:
        settings["tolerance_s"] = TOLERANCE_S if tolerance_s is None else tolerance_s
        code = _report_timelines(truth_path, model, scores_path, settings, json_path, csv_folder, is_quiet=is_quiet)
        click.get_current_context().exit(code)
    windows = [settings.pop(name) for name in OF_TIMELINES if name != "min_duration_s"]
    if any(value is not None for value in (tolerance_s, *windows)):
        raise click.UsageError("--tolerance, --window, --hop and --min-turn have an effect with --timeline only.")
    paths = report_files.ReportPaths(report_path, json_path, csv_folder, figures_folder, listen_folder)
    if scores_path is not None:
        _refuse_unused("--scores", ("scores_path", *REPORT_OPTIONS, "is_quiet"))
        paths.check(scores_path)
        with show_progress(is_quiet=is_quiet) as progress:
            report = pipeline.evaluate_predictions(scores_path, progress=progress, command=options.typed_command())
        paths.keep_scored(report, scores_path)
        title = f"Predictions in {scores_path.name}"
    elif model is None or corpus is None:
        raise click.UsageError("Name a MODEL and a CORPUS, or a table of predictions with --scores.")
    else:
        settings["rows"] = given = rows_options.take_rows(settings)
        settings["vectors"] = vectors = vectors_options.take_vectors(settings)
        settings["cache"] = options.open_store(cache, cache_limit)
        paths.check(model, corpus, *rows_options.places_of(given), *vectors_options.places_of(vectors))
        report = _evaluate(model, corpus, paths, settings, is_quiet=is_quiet)
        title = f"{model.name} on {report_files.corpus_name(corpus)}"
    click.get_current_context().exit(report_files.deliver(report, title, paths))


def _refuse_unused(option: str, used: tuple[str, ...]) -> None:
    """Raise where arguments or options are named that have no effect with an option."""
    context = click.get_current_context()
    named = [
        parameter
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
        and parameter.name not in used
    ]
    if any(isinstance(parameter, click.Argument) for parameter in named):
        raise click.UsageError(f"{option} takes {'no' if 'model' in used else 'neither MODEL nor'} CORPUS.")
    if named:
        unused = ", ".join(parameter.opts[0] for parameter in named)
        raise click.UsageError(f"With {option} these have no effect: {unused}.")


def _report_timelines(
    truth: Path,
    model: Path | None,
    scores: Path | None,
    settings: dict[str, Any],
    json_path: Path | None,
    csv_folder: Path | None,
    *,
    is_quiet: bool,
) -> int:
    """Return the exit code of a report on timelines, of a model or in a file."""
    from gmmaudio import pipeline
    from gmmaudio.cli.segment_tables import deliver_segments, segment_outputs

    used = ("truth_path", "tolerance_s", "json_path", "csv_folder", "is_quiet")
    outputs = segment_outputs(json_path, csv_folder)
    command = options.typed_command()
    if scores is not None:
        _refuse_unused("--scores", (*used, "scores_path"))
        outputs.check(truth, scores)
        report = pipeline.compare_timelines(truth, scores, tolerance_s=settings["tolerance_s"], command=command)
    elif model is None:
        raise click.UsageError("With --timeline, name a MODEL, or the segments to judge with --scores.")
    else:
        _refuse_unused("--timeline", (*used, "model", *OF_TIMELINES, *OF_WORKERS))
        outputs.check(truth, model)
        report = _run_timelines(model, truth, settings, command, is_quiet=is_quiet)
    recordings = [*(each.path for each in report.recordings), *(each.path for each in report.failed)]
    outputs.keep_named(recordings, "", truth.parent)
    return deliver_segments(report, json_path, csv_folder)


def _run_timelines(
    model: Path, truth: Path, settings: dict[str, Any], command: str, *, is_quiet: bool
) -> SegmentReport:
    """Return the report of the timelines of a model file."""
    from gmmaudio import pipeline
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import load_model

    given = {name: settings[name] for name in OF_TIMELINES if settings[name] is not None}
    made = pipeline.TimelineSettings(**given)
    trained = load_model(model)
    with show_progress(is_quiet=is_quiet) as progress:
        return pipeline.evaluate_timelines(
            trained,
            truth,
            made,
            tolerance_s=settings["tolerance_s"],
            progress=progress,
            **{name: settings[name] for name in OF_WORKERS},
            command=command,
        )


def _evaluate(model: Path, corpus: Path, paths: ReportPaths, settings: dict[str, Any], *, is_quiet: bool) -> Report:
    """Return the report of a model file on a corpus."""
    from gmmaudio import pipeline
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import load_model

    trained, labelled_clips = load_model(model), pipeline.read_corpus(corpus, settings["rows"])
    paths.keep_clips(labelled_clips)
    with show_progress(is_quiet=is_quiet) as progress:
        return pipeline.evaluate(
            trained, labelled_clips, progress=progress, command=options.typed_command(), **settings
        )
