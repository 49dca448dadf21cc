"""Options of vectors that another program made, beside sound."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options

if TYPE_CHECKING:
    from gmmaudio.trials import GivenVectors

vectors = options.OptionGroup(
    click.option(
        "--vectors",
        "vectors",
        type=options.FILE,
        metavar="DIR|FILE",
        help="Take vectors of another program beside the sound, such as an embedding of each clip, for a second head: "
        "places as for --rows.",
    ),
    click.option(
        "--vectors-name",
        "vectors_name",
        callback=options.name_text,
        metavar="NAME",
        help="What made the vectors; a model records it and refuses other vectors. [default: name of the file or "
        "folder; with a model or a report, its own]",
    ),
)
column = click.option(
    "--vectors-column",
    "vectors_column",
    callback=options.name_text,
    metavar="COLUMN",
    help="Manifest column that names the vectors of each clip (of a .npy file: their index). [default: path]",
)
NAMES = ("vectors", "vectors_name", "vectors_column")


def take_vectors(settings: dict[str, Any], paths: Sequence[str] = ()) -> GivenVectors | None:
    """Return the vectors that options name, which are taken out of settings; None where there are none.

    Parameters
    ----------
    settings : dict of str to Any
        Values of options by name.
    paths : sequence of str
        Files and folders by which clips are named, where no corpus names them.

    Raises
    ------
    click.UsageError
        If an option has no effect.
    SettingError
        If a name is outside its bounds.
    """
    place, name, column_name = (settings.pop(each, None) for each in NAMES)
    if place is None:
        if name is not None or column_name is not None:
            raise click.UsageError("--vectors-name and --vectors-column have an effect with --vectors only.")
        return None
    from gmmaudio.trials import GivenVectors

    return GivenVectors(place, name, column_name, root_of(paths))


def places_of(given: GivenVectors | None) -> list[Path]:
    """Return the folder of vectors with its files, or their file, which no output may replace; empty without vectors.

    Parameters
    ----------
    given : GivenVectors or None
        The vectors.
    """
    from gmmaudio.cli.rows_options import places_of as places_of_rows

    return [] if given is None else places_of_rows(given.as_rows())


def root_of(paths: Sequence[str]) -> str | None:
    """Return the folder that names of vectors may be relative to: the one that is named; None where there are others.

    With several folders a name may be that of a clip in each.

    Parameters
    ----------
    paths : sequence of str
        Arguments of the command line.

    Examples
    --------
    >>> root_of(["a.wav", "b.wav"]) is None
    True
    """
    folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 - any text may be a path
    return folders[0] if len(folders) == 1 == len(paths) else None
