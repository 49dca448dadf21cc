"""Options of rows that another program made, in place of sound."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options

if TYPE_CHECKING:
    from gmmaudio.cli.inputs import Input
    from gmmaudio.models import Model
    from gmmaudio.trials import GivenRows

rows = options.OptionGroup(
    click.option(
        "--rows",
        "rows",
        type=options.FILE,
        metavar="DIR|FILE",
        help="Take rows of another program in place of sound, such as embeddings: a folder with a .npy, .npz, .parquet "
        "or .safetensors file at each clip's path, or one such file of all clips.",
    ),
    click.option(
        "--rows-name",
        "rows_name",
        callback=options.name_text,
        metavar="NAME",
        help="What made the rows; a model records it and refuses other rows.",
    ),
    click.option(
        "--rows-column",
        "rows_column",
        callback=options.name_text,
        metavar="COLUMN",
        help="Manifest column that names the rows of each clip (of a .npy file: their index). [default: path]",
    ),
    click.option(
        "--rows-rate",
        "rows_rate_hz",
        type=float,
        metavar="HZ",
        help="Rows in a second. [default: not known; each row counts as one second]",
    ),
)
NAMES = ("rows", "rows_name", "rows_column", "rows_rate_hz")


def take_rows(settings: dict[str, Any], *, training: bool = False) -> GivenRows | None:
    """Return the rows that options name, which are taken out of settings; None where there is sound.

    Parameters
    ----------
    settings : dict of str to Any
        Values of options by name.
    training : bool
        Whether the rows need a name.

    Raises
    ------
    click.UsageError
        If an option has no effect, or the rows need a name.
    SettingError
        If a name or a rate is outside its bounds.
    """
    place, *others = (settings.pop(name) for name in NAMES)
    if place is None:
        if any(value is not None for value in others):
            raise click.UsageError("--rows-name, --rows-column and --rows-rate have an effect with --rows only.")
        return None
    if training and others[0] is None:
        raise click.UsageError("--rows needs --rows-name, such as 'wav2vec2-base layer 7': the model records it.")
    from gmmaudio.trials import GivenRows

    return GivenRows(place, *others)


def places_of(given: GivenRows | None) -> list[Path]:
    """Return the folder of rows with its files, or their file, which no output may replace; empty where there is sound.

    Parameters
    ----------
    given : GivenRows or None
        The rows.
    """
    if given is None or given.path is None:
        return []
    from gmmaudio.corpus import list_audio
    from gmmaudio.trials import ROWS_SUFFIXES

    return [given.path, *(list_audio(given.path, ROWS_SUFFIXES)[0] if given.is_folder else ())]


@contextlib.contextmanager
def resolve_rows(model: Model, given: GivenRows) -> Iterator[list[Input]]:
    """Give an input for the rows of every clip: the file that holds them, and the name of the clip.

    Parameters
    ----------
    model : Model
        The model, which must take such rows.
    given : GivenRows
        The rows.

    Raises
    ------
    CorpusError
        If there are none.
    SettingError
        If the model takes sound, or other rows.
    """
    from gmmaudio.cli.inputs import Input
    from gmmaudio.pipeline.own_rows import check_model_rows

    check_model_rows(model, given)
    place = given.path or Path()
    is_folder = given.is_folder
    yield [Input(name, str(place / name if is_folder else place), name) for name in given.clip_names()]
