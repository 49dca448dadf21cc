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
    from gmmaudio.models import Model, Prediction
    from gmmaudio.pipeline.label_decisions import LabelDecision

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
    model : Model
        The model.
    shown : list of str
        The files as they were named.
    paths : list of str
        Their paths.
    predictions : list of Prediction
        The answer of the model for each.
    decisions : list of LabelDecision
        The label of each.
    """

    model: Model
    shown: list[str]
    paths: list[str]
    predictions: list[Prediction]
    decisions: list[LabelDecision]


def label_files(
    model: Path,
    paths: Sequence[str],
    outside: Path | None = None,
    *,
    min_probability: float,
    by_folder: bool,
    list_file: str | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
    **limits: Any,
) -> LabelledFiles:
    """Return the files that are named, classified.

    Parameters
    ----------
    model : Path
        The file of the model.
    paths : sequence of str
        Files and folders.
    outside : Path or None
        Files in this folder are left out: results of an earlier run.
    min_probability, by_folder
        As for :func:`gmmaudio.pipeline.label_decisions.decide_all`.
    list_file : str or None
        A list of further paths.
    cache, cache_limit, is_quiet
        Values of the options.
    **limits
        Jobs and limits, as for :func:`gmmaudio.pipeline.classify`.

    Raises
    ------
    click.UsageError
        If sound on standard input is named.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import inputs
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.resuming import closed
    from gmmaudio.files import find_path
    from gmmaudio.models import load_model
    from gmmaudio.pipeline.label_decisions import check_probability, decide_all

    if "-" in paths:
        raise click.UsageError("Sound on standard input is no file that could be changed; name files or folders.")
    store = options.open_store(cache, cache_limit)
    loaded = load_model(model)
    check_probability(loaded, min_probability)
    with inputs.resolve(paths, list_file) as named, show_progress(is_quiet=is_quiet) as progress:
        files = _outside(named, outside)
        found = [str(find_path(file.path)) for file in files]
        with closed(pipeline.classify(loaded, found, progress=progress, cache=store, **limits)) as answers:
            predictions = list(answers)
    decisions = decide_all(found, predictions, min_probability, by_folder=by_folder)
    return LabelledFiles(loaded, [file.shown for file in files], found, predictions, decisions)


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
