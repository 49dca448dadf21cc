"""What the PATH arguments of a command mean: files, folders, lists, or sound on stdin."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gmmaudio.audio import SUFFIXES
from gmmaudio.cli.console import say
from gmmaudio.corpus import list_audio
from gmmaudio.errors import CorpusError


@dataclass(frozen=True)
class Input:
    """One file to read, and what to call it.

    Parameters
    ----------
    shown : str
        Relative to the folder it was found in, or as it was named.
    path : str
        Where to read it.
    """

    shown: str
    path: str


@contextlib.contextmanager
def resolve(paths: Sequence[str], list_file: str | None = None) -> Iterator[list[Input]]:
    """Give the files that paths name.

    Parameters
    ----------
    paths : sequence of str
        A file, a folder (walked; only audio suffixes are taken), or ``-`` for one file's bytes on stdin.
    list_file : str or None
        A file with one path on each line, or ``-`` for stdin.

    Raises
    ------
    CorpusError
        If there is not one file.
    click.UsageError
        If nothing is named.
    """
    named = [*paths, *(_listed(list_file) if list_file else [])]
    if not paths and not list_file:
        raise click.UsageError("Name at least one PATH, or a list with --from-file.")
    if "-" in paths and list_file == "-":
        raise click.UsageError("Standard input cannot be both a sound and a list.")
    with contextlib.ExitStack() as stack:
        found: list[Input] = []
        n_skipped = 0
        for name in named:
            if name == "-" and name in paths:
                found.append(Input("-", stack.enter_context(_stdin_file())))
            elif Path(name).is_dir():
                files, passed = list_audio(Path(name), SUFFIXES)
                n_skipped += passed
                found += [Input(str(file), str(file)) for file in files]
            else:
                found.append(Input(name, name))
        if n_skipped:
            say(f"{n_skipped} files that are not audio by their suffix were passed over")
        if not found:
            raise CorpusError("no audio file in what was named; name a file, or a folder that holds some")
        yield found


def _listed(list_file: str) -> list[str]:
    """Return the paths in a list, one a line."""
    if list_file == "-":
        lines = sys.stdin.read().splitlines()
    else:
        try:
            lines = Path(list_file).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except OSError as error:
            raise CorpusError(
                f"{list_file}: cannot be read ({error.strerror}); expected one path on each line"
            ) from error
    return [line for line in lines if line.strip()]


@contextlib.contextmanager
def _stdin_file() -> Iterator[str]:
    """Give a file that holds the bytes of stdin: decoders need to seek."""
    with tempfile.NamedTemporaryFile(prefix="gmmaudio-") as handle:
        shutil.copyfileobj(sys.stdin.buffer, handle)
        handle.flush()
        yield handle.name
