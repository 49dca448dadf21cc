"""``gmmaudio classify``: a model and files -> labels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options, rows_options, vectors_options
from gmmaudio.cli.answer_formats import FORMATS, CsvStyle, choose_format, excel_style, make_format
from gmmaudio.names import did_you_mean, file_text, quoted, respell

if TYPE_CHECKING:
    from gmmaudio.cli.answer_formats import AnswerFormat
    from gmmaudio.cli.inputs import Input
    from gmmaudio.cli.row_runs import RowRun
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.findings import Finding
    from gmmaudio.models import Model, Prediction
    from gmmaudio.pipeline.batch_check import BatchCheck
    from gmmaudio.trials import GivenRows, GivenVectors

# what rounding may leave of priors that are named for all labels
LARGEST_REST = 1e-2


@click.command(name="classify")
@click.argument("model", type=options.FILE)
@click.argument("paths", nargs=-1, type=options.WRITTEN, metavar="PATH...")
@click.option(
    "--format",
    "output_format",
    type=options.Choice(FORMATS),
    help="Output format. [default: that of the suffix of -o, or else text]",
)
@click.option(
    "-o",
    "--output",
    type=options.FILE,
    metavar="FILE",
    help="Write to this file, beside which FILE.journal says what is done. [default: standard output]",
)
@click.option(
    "--excel",
    "is_excel",
    is_flag=True,
    help="Write CSV as Excel opens it: marked as UTF-8, with the list separator and the decimal sign of this computer.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of labels to show, best first. [default: 1; json, jsonl: all]",
)
@click.option(
    "--from-file",
    "list_file",
    type=options.WRITTEN,
    metavar="FILE|-",
    help="Read paths from a list, one on each line, or from a playlist; - is stdin.",
)
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="LABEL=P",
    help="Class prior of a label; labels not named share the rest equally.",
)
@click.option(
    "--trial-seconds",
    "trial_s",
    type=float,
    metavar="S",
    help="Length of the trials that long files are divided into; 0: each file is one. [default: that of training]",
)
@options.same_sources
@options.min_duration
@rows_options.rows
@vectors_options.vectors
@options.resume
@options.jobs
@options.limits
@options.cluster
@options.cache
@options.quiet
def command(
    model: Path,
    paths: tuple[str, ...],
    output_format: str | None,
    output: Path | None,
    is_excel: bool,
    top: int | None,
    list_file: str | None,
    priors: tuple[str, ...],
    trial_s: float | None,
    same_sources: bool,
    min_duration_s: float,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    scheduler: str | None,
    n_dask: int | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
    **run_options: Any,
) -> None:
    """Classify each PATH: an audio file, a folder of them, or - for audio on standard input; or all clips of --rows."""
    from gmmaudio import pipeline
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.resuming import RunOptions, closed, make_settings
    from gmmaudio.cli.row_runs import open_rows
    from gmmaudio.models import load_model, model_sha256

    given, vectors = rows_options.take_rows(run_options), vectors_options.take_vectors(run_options, paths)
    going = RunOptions(**run_options)
    going.check(has_output=output is not None, is_quiet=is_quiet)
    opening = options.open_cluster(scheduler, n_dask, n_jobs)
    store = options.open_store(cache, cache_limit)
    loaded = load_model(model).in_domain() if same_sources else load_model(model)
    values: dict[str, Any] = {
        "priors": label_priors(priors, loaded.scorer.labels),
        "trial_s": trial_s,
        "min_duration_s": min_duration_s,
    }
    answer_format = _format(loaded, output_format, output, top, is_excel=is_excel, is_quiet=is_quiet)
    shown = {**_beside_sound(loaded, given, vectors), "top": top, **answer_format.settings()}
    settings = make_settings("classify", going, model=model_sha256(loaded), **shown, **values)
    failed: list[FailedInput] = []
    with _named(paths, list_file, loaded, given) as files:
        _keep_inputs(output, files, [model, *vectors_options.places_of(vectors)], list_file)
        with (
            open_rows(output, going, settings, answer_format.open) as run,
            opening as cluster,
            show_progress(is_quiet=is_quiet, line_every_s=going.log_every_s) as progress,
        ):
            todo = _paths_to_read(run, files, output, by_name=given is not None)
            limits: dict[str, Any] = {"time_limit_s": time_limit_s, "memory_limit": memory_limit, "vectors": vectors}
            values |= {"n_jobs": going.choose_jobs(n_jobs), "progress": progress, "cache": store, "cluster": cluster}
            check = _check_batch(loaded, run)
            with closed(pipeline.classify(loaded, todo, rows=given, **limits, **values)) as predictions:
                _write_answers(run, predictions, answer_format, failed, check, loaded.recogniser.caveats)
    _say_rest(run, failed, [*check.findings(), *loaded.recogniser.caveats])
    if run.n_failed:
        click.get_current_context().exit(EXIT_NOTHING if run.n_errors == run.n_done else EXIT_SOME_FAILED)


def _beside_sound(model: Model, given: GivenRows | None, vectors: GivenVectors | None) -> dict[str, Any]:
    """Return the rows and vectors as a journal states them; raise where the model does not take these vectors."""
    from gmmaudio.pipeline.second_head import check_model_vectors

    check_model_vectors(model, vectors)
    of_rows = {} if given is None else {"rows": str(given.path)}
    return of_rows if vectors is None else {**of_rows, "vectors": vectors.sha256()}


def _format(
    model: Model, named: str | None, output: Path | None, top: int | None, *, is_excel: bool, is_quiet: bool
) -> AnswerFormat:
    """Return the format of the answers of a model."""
    name = "csv" if is_excel and named is None else choose_format(named, output)
    if name == "parquet" and output is None:
        raise click.UsageError("--format parquet is of a file; name one with -o.")
    if is_excel and name != "csv":
        raise click.UsageError(f"--excel is a style of CSV, and the format is {name}: leave one out.")
    style = excel_style() if is_excel else CsvStyle()
    if is_excel and not is_quiet:
        click.echo(f"for Excel: {style.separator!r} separates cells, the decimal sign is {style.decimal!r}", err=True)
    calibration = model.calibration
    shift = None if calibration is None else calibration.source_shift
    return make_format(
        name,
        model.scorer.labels,
        top,
        is_calibrated=calibration is not None,
        has_caveats=bool(model.recogniser.caveats),
        prior_share=0.0 if shift is None else shift.prior_share,
        style=style,
    )


def _named(
    paths: Sequence[str], list_file: str | None, model: Model, given: GivenRows | None
) -> contextlib.AbstractContextManager[Sequence[Input] | Iterator[Input]]:
    """Return the context manager of the files that are named, or of the clips that rows are given of."""
    from gmmaudio.cli import inputs

    if given is None:
        return inputs.resolve_or_follow(paths, list_file)
    if paths or list_file:
        raise click.UsageError("--rows names the clips: leave out PATH and --from-file.")
    return rows_options.resolve_rows(model, given)


def _keep_inputs(
    output: Path | None, files: Sequence[Input] | Iterator[Input], others: Sequence[Path], list_file: str | None
) -> None:
    """Raise where the output cannot be written, or it, its journal or standard output is a file that is read."""
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.outputs import check_writable

    if output is not None:
        check_writable(output)
    known = files if isinstance(files, Sequence) else ()
    keep_inputs(_outputs(output), [*others, *filter(None, [list_file]), *(file.path for file in known)])


def _paths_to_read(
    run: RowRun, files: Sequence[Input] | Iterator[Input], output: Path | None, *, by_name: bool
) -> list[str] | Iterator[str]:
    """Return the paths (or the names) of the inputs that are to be computed, or yield them as they arrive."""
    if isinstance(files, Sequence):
        return [file.below if by_name else file.path for file in run.waiting(run.options.part_of(files))]
    return (file.path for file in run.waiting(run.options.part_arriving(_kept(output, files))))


def _kept(output: Path | None, files: Iterable[Input]) -> Iterator[Input]:
    """Yield files that are not known beforehand; raise where one is an output."""
    from gmmaudio.cli.output_paths import input_check

    check = input_check(_outputs(output))
    for file in files:
        if check is not None:
            check(file.path)
        yield file


def _outputs(output: Path | None) -> list[tuple[str, Path]]:
    """Return the output and its journal, each with the beginning of a message."""
    from gmmaudio.cli.resuming import journal_beside

    paths = [] if output is None else [output, journal_beside(output)]
    return [(f"-o {path} would overwrite", path) for path in paths]


def _check_batch(model: Model, run: RowRun) -> BatchCheck:
    """Return the check of all inputs of a run and of their folders, which it is told of as they are done."""
    from gmmaudio.pipeline.batch_check import BatchCheck

    check = BatchCheck(model)
    run.on_done = lambda shown, value: check.add(folder_of(shown), value)
    return check


def _say_rest(run: RowRun, failed: Sequence[FailedInput], findings: Sequence[Finding]) -> None:
    """Write to stderr what is to be said of all inputs."""
    from gmmaudio.cli import console

    console.say_failed(failed)
    console.say_findings(findings)
    run.say_earlier()


def _write_answers(
    run: RowRun,
    predictions: Iterable[Prediction],
    answer_format: AnswerFormat,
    failed: list[FailedInput],
    check: BatchCheck,
    said_at_end: Sequence[Finding],
) -> None:
    """Write the row of every prediction and one on all of them, and add the inputs that failed to a list.

    What is said of single files is written to stderr: notes, and caveats but for those that the model has for all.
    """
    from gmmaudio.cli import console
    from gmmaudio.evaluation import FailedInput

    run.begin(answer_format.head, answer_format.separator, answer_format.tail)
    for prediction in predictions:
        shown = run.next_input().shown
        failure = None
        if not prediction.scores:
            failure = prediction.code or "failed"
            failed.append(FailedInput(shown, prediction.code or "", prediction.message or ""))
        run.add(answer_format.row(shown, prediction), prediction.status, failure, check.value_of(prediction))
        of_file = [caveat for caveat in prediction.caveats if caveat not in said_at_end]
        console.say_notes(shown, [*prediction.notes, *of_file])

    def closing() -> str:
        findings = check.findings()
        return answer_format.closing(findings) if findings and answer_format.closing else ""

    run.finish(closing)


def folder_of(shown: str) -> str:
    """Return the folder of an input, as it was named; empty where no folder was.

    Parameters
    ----------
    shown : str
        The input, as it is called in the output.

    Examples
    --------
    >>> folder_of("night/1.wav"), folder_of("1.wav")
    ('night', '')
    """
    return os.path.dirname(shown)  # noqa: PTH120 - a name, not a path that is there


def label_priors(arguments: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, float] | None:
    """Return the class prior of every label: those not named share the rest.

    Parameters
    ----------
    arguments : tuple of str
        ``LABEL=P`` each.
    labels : tuple of str
        Labels of the model.

    Raises
    ------
    click.BadParameter
        If they are no such priors.
    """
    if not arguments:
        return None
    named: dict[str, float] = {}
    for argument in arguments:
        written, _, number = argument.rpartition("=")
        (label,) = respell([file_text(written)], labels)
        if label in named:
            raise click.BadParameter(f"{label!r} is named twice; name each label once.", param_hint="--prior")
        try:
            named[label] = float(number)
        except ValueError as error:
            raise click.BadParameter(f"{argument!r} is not LABEL=P, such as jazz=0.5.", param_hint="--prior") from error
    rest, others = 1.0 - sum(named.values()), [label for label in labels if label not in named]
    unknown = next((label for label in named if label not in labels), None)
    if not all(0 <= p <= 1 for p in named.values()) or rest < -1e-9 or not set(named) <= set(labels):
        raise click.BadParameter(
            f"{', '.join(map(quoted, arguments))}: expected labels of the model ({', '.join(labels)}), each with 0 to "
            f"1, and at most 1 together.{did_you_mean(unknown, labels) if unknown else ''}",
            param_hint="--prior",
        )
    if not others and rest > LARGEST_REST:
        raise click.BadParameter(
            f"all labels are named, and their priors are {1 - rest:.4g} together; expected 1, or leave one label out.",
            param_hint="--prior",
        )
    return named | {label: max(0.0, rest) / len(others) for label in others}
