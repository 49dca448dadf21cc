"""``gmmaudio classify``: a model and files -> labels."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options, rows_options
from gmmaudio.json_text import to_json
from gmmaudio.names import file_text, quoted, respell

if TYPE_CHECKING:
    from gmmaudio.cli.inputs import Input
    from gmmaudio.cli.row_runs import RowRun
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.models import Model, Prediction
    from gmmaudio.trials import GivenRows

    Layout = tuple[str, Callable[[str, Prediction], str]]

# what rounding may leave of priors that are named for all labels
LARGEST_REST = 1e-2


@click.command(name="classify")
@click.argument("model", type=options.FILE)
@click.argument("paths", nargs=-1, type=options.WRITTEN, metavar="PATH...")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(("text", "jsonl", "csv")),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option(
    "-o",
    "--output",
    type=options.FILE,
    metavar="FILE",
    help="Write to this file, beside which FILE.journal says what is done. [default: standard output]",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of labels to show, best first. [default: 1; jsonl: all]",
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
@options.min_duration
@rows_options.rows
@options.resume
@options.jobs
@options.limits
@options.cluster
@options.cache
@options.quiet
def command(
    model: Path,
    paths: tuple[str, ...],
    output_format: str,
    output: Path | None,
    top: int | None,
    list_file: str | None,
    priors: tuple[str, ...],
    trial_s: float | None,
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
    from gmmaudio.cli import console
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.resuming import RunOptions, closed, make_settings
    from gmmaudio.cli.row_runs import open_rows
    from gmmaudio.models import load_model, model_sha256

    given = rows_options.take_rows(run_options)
    going = RunOptions(**run_options)
    going.check(has_output=output is not None, is_quiet=is_quiet)
    opening = options.open_cluster(scheduler, n_dask, n_jobs)
    store = options.open_store(cache, cache_limit)
    loaded = load_model(model)
    labels = loaded.scorer.labels
    values: dict[str, Any] = {
        "priors": label_priors(priors, labels),
        "trial_s": trial_s,
        "min_duration_s": min_duration_s,
    }
    shown = {"output_format": output_format, "top": top}
    of_rows = {} if given is None else {"rows": str(given.path)}
    settings = make_settings("classify", going, model=model_sha256(loaded), **of_rows, **shown, **values)
    failed: list[FailedInput] = []
    with _named(paths, list_file, loaded, given) as files:
        _keep_inputs(output, files, model, list_file)
        with (
            open_rows(output, going, settings) as run,
            opening as cluster,
            show_progress(is_quiet=is_quiet, line_every_s=going.log_every_s) as progress,
        ):
            todo = _paths_to_read(run, files, output, by_name=given is not None)
            limits: dict[str, Any] = {"time_limit_s": time_limit_s, "memory_limit": memory_limit}
            values |= {"n_jobs": going.choose_jobs(n_jobs), "progress": progress, "cache": store, "cluster": cluster}
            with closed(pipeline.classify(loaded, todo, rows=given, **limits, **values)) as predictions:
                _write_answers(run, predictions, _format(output_format, top, len(labels)), failed)
    console.say_failed(failed)
    run.say_earlier()
    if run.n_failed:
        click.get_current_context().exit(EXIT_NOTHING if run.n_errors == run.n_done else EXIT_SOME_FAILED)


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
    output: Path | None, files: Sequence[Input] | Iterator[Input], model: Path, list_file: str | None
) -> None:
    """Raise where the output cannot be written, or it, its journal or standard output is a file that is read."""
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.outputs import check_writable

    if output is not None:
        check_writable(output)
    known = files if isinstance(files, Sequence) else ()
    keep_inputs(_outputs(output), [model, *filter(None, [list_file]), *(file.path for file in known)])


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


def _write_answers(run: RowRun, predictions: Iterable[Prediction], layout: Layout, failed: list[FailedInput]) -> None:
    """Write the row of every prediction, and add the inputs that failed to a list."""
    from gmmaudio.cli import console
    from gmmaudio.evaluation import FailedInput

    head, row = layout
    run.begin(head)
    for prediction in predictions:
        shown = run.next_input().shown
        failure = None
        if not prediction.scores:
            failure = prediction.code or "failed"
            failed.append(FailedInput(shown, prediction.code or "", prediction.message or ""))
        run.add(row(shown, prediction), prediction.status, failure)
        console.say_notes(shown, prediction.notes)
    run.finish()


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
    if not all(0 <= p <= 1 for p in named.values()) or rest < -1e-9 or not set(named) <= set(labels):
        raise click.BadParameter(
            f"{', '.join(map(quoted, arguments))}: expected labels of the model ({', '.join(labels)}), each with 0 to "
            "1, and at most 1 together.",
            param_hint="--prior",
        )
    if not others and rest > LARGEST_REST:
        raise click.BadParameter(
            f"all labels are named, and their priors are {1 - rest:.4g} together; expected 1, or leave one label out.",
            param_hint="--prior",
        )
    return named | {label: max(0.0, rest) / len(others) for label in others}


def _format(output_format: str, top: int | None, n_labels: int) -> Layout:
    """Return the head of the output, and the function of a name and a prediction that gives its part of it."""
    from gmmaudio.cli.flags import with_flags
    from gmmaudio.names import printable
    from gmmaudio.text_tables import safe_cell

    def text(shown: str, prediction: Prediction) -> str:
        cells = [cell for label, _ in prediction.top(top or 1) for cell in (label, _confidence(prediction, label))]
        if prediction.status in ("unknown", "mixed"):
            cells.append(f"{prediction.status}: {with_flags(prediction.message or '')}")
        return "\t".join(printable(cell) for cell in (shown, *cells)) + "\n" if cells else ""

    def jsonl(shown: str, prediction: Prediction) -> str:
        return to_json(_record(shown, prediction, top or n_labels)) + "\n"

    n_shown = min(top or 1, n_labels)

    def rows(shown: str, prediction: Prediction) -> str:
        record = _record(shown, prediction, n_shown)
        probability = record["probability"] or {}
        pairs = [
            cell for label, score in (record["scores"] or {}).items() for cell in (label, score, probability.get(label))
        ]
        fixed = [record.get(name) for name in ("path", "status", "duration_s", "code", "message")]
        fixed.append("; ".join(note.text for note in prediction.notes) or None)
        return _csv_line([safe_cell(cell) for cell in (*fixed, *pairs, *[None] * (len(heads) - len(pairs)))])

    heads = [f"{name}_{i + 1}" for i in range(n_shown) for name in ("label", "score", "probability")]
    fixed = ["path", "status", "duration_s", "code", "message", "notes"]
    head = _csv_line([*fixed, *heads]) if output_format == "csv" else ""
    return head, {"text": text, "jsonl": jsonl, "csv": rows}[output_format]


def _csv_line(cells: Iterable[Any]) -> str:
    """Return one row of CSV with its line end."""
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _confidence(prediction: Prediction, label: str) -> str:
    """Return the probability of a label, or its score where there is none."""
    if prediction.probability is None:
        return f"{prediction.scores[label]:.4f}"
    return f"{100 * prediction.probability[label]:.1f} %"


def _record(shown: str, prediction: Prediction, top: int) -> dict[str, Any]:
    """Return one line of jsonl."""
    duration_s = prediction.duration_s
    return {
        "path": shown,
        "status": prediction.status,
        "label": prediction.label,
        "scores": dict(prediction.top(top)) or None,
        "probability": None if prediction.probability is None else dict(prediction.probability),
        "duration_s": None if duration_s is None else round(duration_s, 3),
        **({} if prediction.shares is None else {"shares": dict(prediction.shares)}),
        **({} if prediction.code is None else {"code": prediction.code, "message": prediction.message}),
        **({"notes": [asdict(note) for note in prediction.notes]} if prediction.notes else {}),
    }
