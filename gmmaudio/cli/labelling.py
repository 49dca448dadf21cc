"""The labels of the files that ``tag`` and ``sort`` work on, and the options that both have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.cli.inputs import Input
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.label_decisions import LabelDecision

# parameters of the classification of sound
CLASSIFYING = ("n_jobs", "time_limit_s", "memory_limit", "cache", "cache_limit", "same_sources")
# the options of both commands, before those of classification
DECIDING = options.OptionGroup(
    click.option(
        "--min-probability",
        type=float,
        default=0.6,
        show_default=True,
        metavar="P",
        help="Least probability of a label, 0 to 1.",
    ),
    options.same_sources,
    click.option(
        "--by-folder", is_flag=True, help="One label for all files of a folder, such as the tracks of an album."
    ),
    click.option(
        "--from-file",
        "list_file",
        type=options.WRITTEN,
        metavar="FILE|-",
        help="Read paths from a list, one on each line, or from a playlist; - is stdin.",
    ),
    click.option(
        "--from",
        "results_path",
        type=options.FILE,
        metavar="RESULTS",
        help="Take files and labels from what classify wrote, CSV or JSON lines, in place of MODEL and PATH.",
    ),
)
DOING = options.OptionGroup(
    click.option("--write", "is_write", is_flag=True, help="Do it; without this, only what would be done is shown."),
    click.option(
        "--journal",
        "journal_path",
        type=options.FILE,
        metavar="FILE",
        help="New file for what undoes the run. [default: in the user's folder of program states]",
    ),
    click.option(
        "--undo",
        "undo_path",
        type=options.FILE,
        metavar="FILE",
        help="Undo the run that wrote FILE, with --write.",
    ),
)


class LabelledFiles(NamedTuple):
    """The files that are named, each with its label or the reason why it has none.

    Parameters
    ----------
    labels : tuple of str
        All labels.
    shown : list of str
        The files as they were named.
    paths : list of str
        Their paths.
    durations_s : list of (float or None)
        Length of each, seconds, where it is known.
    decisions : list of LabelDecision
        The label of each.
    """

    labels: tuple[str, ...]
    shown: list[str]
    paths: list[str]
    durations_s: list[float | None]
    decisions: list[LabelDecision]


def label_files(
    model: Path | None,
    paths: Sequence[str],
    outside: Path | None = None,
    *,
    min_probability: float,
    by_folder: bool,
    list_file: str | None,
    results_path: Path | None,
    cache: Path | None,
    cache_limit: int,
    same_sources: bool,
    is_quiet: bool,
    **limits: Any,
) -> LabelledFiles:
    """Return the files that are named, classified, or those of results with their labels.

    Parameters
    ----------
    model : Path or None
        The file of the model.
    paths : sequence of str
        Files and folders.
    outside : Path or None
        Files in this folder are left out: results of an earlier run.
    min_probability, by_folder
        As for :func:`gmmaudio.pipeline.label_decisions.decide_all`.
    list_file : str or None
        A list of further paths.
    results_path : Path or None
        What ``classify`` wrote, in place of a model and files.
    cache, cache_limit, same_sources, is_quiet
        Values of the options.
    **limits
        Jobs and limits, as for :func:`gmmaudio.pipeline.classify`.

    Raises
    ------
    click.UsageError
        If nothing is named, or sound on standard input, or results beside something else.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console, inputs
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.resuming import closed
    from gmmaudio.files import find_path
    from gmmaudio.models import load_model
    from gmmaudio.pipeline.label_decisions import check_probability, decide_all

    if results_path is not None:
        if model is not None or list_file is not None or by_folder:
            raise click.UsageError("--from has files and labels: leave MODEL, PATH, --from-file and --by-folder out.")
        _refuse_classifying()
        return _read_results(results_path, outside, min_probability)
    if model is None:
        raise click.UsageError(
            "Name a MODEL and at least one PATH, results with --from, or an earlier run with --undo."
        )
    if "-" in paths:
        raise click.UsageError("Sound on standard input is no file that could be changed; name files or folders.")
    store = options.open_store(cache, cache_limit)
    loaded = load_model(model).in_domain() if same_sources else load_model(model)
    loaded.check_of_sound()
    check_probability(loaded, min_probability)
    with inputs.resolve(paths, list_file) as named, show_progress(is_quiet=is_quiet) as progress:
        files = _outside(named, outside)
        found = [str(find_path(file.path)) for file in files]
        with closed(pipeline.classify(loaded, found, progress=progress, cache=store, **limits)) as answers:
            predictions = list(answers)
    console.say_findings(loaded.recogniser.caveats)
    decisions = decide_all(found, predictions, min_probability, by_folder=by_folder)
    durations_s = [each.duration_s for each in predictions]
    return LabelledFiles(loaded.scorer.labels, [file.shown for file in files], found, durations_s, decisions)


def _refuse_classifying() -> None:
    """Raise where options of classification stand beside results that have it behind them."""
    context = click.get_current_context()
    typed = click.core.ParameterSource.COMMANDLINE
    for parameter in context.command.params:
        if parameter.name in CLASSIFYING and context.get_parameter_source(parameter.name) is typed:
            raise click.UsageError(f"{parameter.opts[-1]} has no effect with --from: leave it out.")


def _read_results(path: Path, outside: Path | None, min_probability: float) -> LabelledFiles:
    """Return the files of results of ``classify``, with their labels."""
    from gmmaudio.cli.inputs import Input
    from gmmaudio.files import find_path
    from gmmaudio.pipeline.classified_rows import read_classified
    from gmmaudio.pipeline.label_decisions import decide_classified

    clips = {clip.path: clip for clip in read_classified(path)}
    kept = _outside([Input(name, str(find_path(name)), name) for name in clips], outside)
    decisions = [decide_classified(clips[file.shown], file.path, min_probability) for file in kept]
    labels = {label for clip in clips.values() for label in (*clip.probability, clip.label) if label}
    shown, paths = [file.shown for file in kept], [file.path for file in kept]
    return LabelledFiles(tuple(sorted(labels)), shown, paths, [None] * len(kept), decisions)


def _outside(files: Sequence[Input], folder: Path | None) -> list[Input]:
    """Return the files that are not in a folder; raise where there are none."""
    from gmmaudio.cli.console import say
    from gmmaudio.cli.inputs import NO_AUDIO
    from gmmaudio.errors import CorpusError
    from gmmaudio.pipeline.sorting import is_below

    kept = [file for file in files if folder is None or not is_below(file.path, folder)]
    if len(kept) < len(files):
        say(f"left out {len(files) - len(kept)} file{'s' * (len(files) - len(kept) != 1)} that {folder} has already")
    if not kept:
        raise CorpusError(NO_AUDIO)
    return kept


def probability_text(value: float | None) -> str:
    """Return a probability as it is shown; empty where there is none.

    Parameters
    ----------
    value : float or None
        The probability, 0..1.

    Examples
    --------
    >>> probability_text(0.934), probability_text(None)
    (' (0.93)', '')
    """
    return "" if value is None else f" ({value:.2f})"


def end_with(failed: Sequence[FailedInput], n_inputs: int) -> None:
    """Write the inputs that failed to stderr, and end with the exit code of a run with them.

    Parameters
    ----------
    failed : sequence of FailedInput
        Inputs that failed.
    n_inputs : int
        All of them.
    """
    from gmmaudio.cli import console

    console.say_failed(failed)
    if failed:
        click.get_current_context().exit(EXIT_NOTHING if len(failed) == n_inputs else EXIT_SOME_FAILED)
