"""The recorded corpora that results are measured on: folders of ``GMMAUDIO_DATA``, each with a manifest."""

from __future__ import annotations

import os
from pathlib import Path

import click


def data_folder() -> Path:
    """Return the folder of the recorded corpora."""
    return Path(os.environ.get("GMMAUDIO_DATA", "../shared/data"))


def manifest_of(corpus: str) -> Path:
    """Return the manifest of a recorded corpus.

    Parameters
    ----------
    corpus : str
        Name of its folder.

    Raises
    ------
    click.ClickException
        If the corpus is not there.
    """
    path = data_folder() / corpus / "manifest.csv"
    if not path.exists():
        raise click.ClickException(f"the corpus {corpus!r} has no manifest.csv in the folder GMMAUDIO_DATA")
    return path
