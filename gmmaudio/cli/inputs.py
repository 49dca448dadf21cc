"""The files that the PATH arguments of a command name: files, folders, lists, or audio on stdin."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from gmmaudio.audio import SUFFIXES
from gmmaudio.cli.arriving_lists import ArrivingList, is_open_pipe, open_arriving
from gmmaudio.cli.console import say_skipped
from gmmaudio.corpus import list_audio
from gmmaudio.errors import CorpusError, GmmaudioError, ReadError, WriteError
from gmmaudio.files import LIST_BYTES, STDIN_AUDIO_BYTES, find_path, read_chunks, read_limited, read_stream
from gmmaudio.names import file_text, quoted
from gmmaudio.temporary_files import remove_left_over, temporary_file
from gmmaudio.text_tables import decode_text, list_lines

PLAYLISTS = (".m3u", ".m3u8")
PLAYLIST_HEADER = "#EXTM3U"
NO_AUDIO = "no audio file among the paths; name a file, or a folder that holds audio"


@dataclass(frozen=True)
class Input:
    """A file to read, and its name in the output.

    Parameters
    ----------
    shown : str
        Path as it was named, or below a folder as that was named.
    path : str
        Path to read.
    below : str
        Path relative to the folder that was named; the file's name where the file itself was named.
    """

    shown: str
    path: str
    below: str


@contextlib.contextmanager
def resolve(paths: Sequence[str], list_file: str | None = None) -> Iterator[list[Input]]:
    """Give the files that the paths name.

    Parameters
    ----------
    paths : sequence of str
        A file, a folder (walked; only audio suffixes are taken), or ``-`` for one file's bytes on stdin.
    list_file : str or None
        A file with one path on each line, or a playlist, or ``-`` for stdin. Lines that start with # are comments, but
        where there is such a file.

    Raises
    ------
    CorpusError
        If there is no file.
    click.UsageError
        If nothing is named.
    """
    _check_named(paths, list_file)
    with _given(paths, _listed(list_file) if list_file else []) as inputs:
        yield inputs


@contextlib.contextmanager
def resolve_or_follow(
    paths: Sequence[str], list_file: str | None = None
) -> Iterator[Sequence[Input] | Iterator[Input]]:
    """Give the files that the paths name, one by one where a list comes through a pipe whose writer is not done.

    Parameters
    ----------
    paths, list_file
        As for :func:`resolve`.

    Raises
    ------
    CorpusError
        If there is no file; also by the iterator, if a line is no path.
    click.UsageError
        If nothing is named.
    """
    _check_named(paths, list_file)
    arriving = None if list_file is None else _arriving(list_file)
    if list_file is None or arriving is None or arriving.descriptor is None:
        names = [] if list_file is None else _listed(list_file, None if arriving is None else arriving.data)
        with _given(paths, names) as inputs:
            yield inputs
        return
    with contextlib.ExitStack() as stack:
        known = stack.enter_context(_given(paths, [])) if paths else []
        followed = _follow(arriving.lines(LIST_BYTES, _list_name(list_file)), list_file)
        first = list(itertools.islice(followed, 1))
        if not known and not first:
            raise CorpusError(NO_AUDIO)
        yield itertools.chain(known, first, followed)


def _check_named(paths: Sequence[str], list_file: str | None) -> None:
    """Raise where nothing is named, or standard input is named twice."""
    if not paths and not list_file:
        raise click.UsageError("Name at least one PATH, or a list with --from-file.")
    if "-" in paths and list_file == "-":
        raise click.UsageError("Standard input cannot be both audio and a list of paths.")


@contextlib.contextmanager
def _given(paths: Sequence[str], listed: Sequence[str]) -> Iterator[list[Input]]:
    """Give the files that paths name, and those of a list."""
    with contextlib.ExitStack() as stack:
        inputs: list[Input] = []
        n_skipped = 0
        for name in paths:
            if name == "-":
                inputs.append(Input("-", stack.enter_context(_stdin_file()), "stdin"))
            else:
                n_skipped += _add_inputs(name, inputs)
        for name in listed:
            n_skipped += _add_inputs(name, inputs)
        say_skipped(n_skipped)
        if not inputs:
            raise CorpusError(NO_AUDIO)
        yield inputs


def _follow(lines: Iterator[str], list_file: str) -> Iterator[Input]:
    """Yield the files that the lines of a list name."""
    n_skipped = 0
    for name in _paths_in(lines, list_file):
        found: list[Input] = []
        n_skipped += _add_inputs(name, found)
        yield from found
    say_skipped(n_skipped)


def _add_inputs(name: str, inputs: list[Input]) -> int:
    """Add the files that a name stands for to a list, and return the number of files that are skipped."""
    if not os.path.isdir(folder := find_path(name)):  # noqa: PTH112 - a name too long is no folder
        inputs.append(_input(name, Path(name).name))
        return 0
    files, n_others = list_audio(folder, SUFFIXES)
    inputs += [_input(str(file), str(file.relative_to(folder))) for file in files]
    return n_others


@contextlib.contextmanager
def resolve_one(path: str) -> Iterator[Input]:
    """Give the one file that a path names.

    Parameters
    ----------
    path : str
        A file, or ``-`` for the bytes of one on stdin.

    Raises
    ------
    click.UsageError
        If it is a folder.
    """
    if path != "-" and os.path.isdir(find_path(path)):  # noqa: PTH112 - a name too long is no folder
        raise click.UsageError(f"{quoted(path)} is a folder; name one file in it.")
    with resolve([path]) as files:
        yield files[0]


def _arriving(list_file: str) -> ArrivingList | None:
    """Return the list in a pipe; None where it is a file, which is there as a whole."""
    try:
        if list_file == "-":
            return open_arriving(stdin_bytes().fileno())
        # the descriptor of a shell's <(...) is opened once more, and stays open as long as the process
        return open_arriving(os.open(list_file, os.O_RDONLY)) if is_open_pipe(list_file) else None
    except (OSError, ValueError):
        return None


def _listed(list_file: str, data: bytes | None = None) -> list[str]:
    """Return the paths in a list, one on each line; bytes that are no text are kept."""
    try:
        if data is not None:
            pass
        elif list_file == "-":
            data = read_stream(stdin_bytes(), LIST_BYTES, "standard input")
        else:
            data = read_limited(list_file, LIST_BYTES, may_be_pipe=True)
    except ReadError as error:
        raise CorpusError(f"{error}; expected one path on each line") from error
    try:
        text = decode_text(data, "surrogateescape")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{list_file}: is no text ({error.reason}); expected one path on each line") from error
    if "\0" in text:
        raise CorpusError(f"{list_file}: holds bytes of the value 0; expected one path on each line")
    return list(_paths_in(iter(list_lines(text)), list_file))


def _paths_in(lines: Iterator[str], list_file: str) -> Iterator[str]:
    """Yield the paths in the lines of a list, or of a playlist."""
    folder, is_playlist = Path(list_file).parent, Path(list_file).suffix.casefold() in PLAYLISTS
    for i, line in enumerate(lines):
        is_playlist = is_playlist or (i == 0 and line == PLAYLIST_HEADER)
        if not _is_comment(line, is_playlist=is_playlist):
            yield _playlist_path(line, folder) if is_playlist else line


def _list_name(list_file: str) -> str:
    """Return the name of a list for messages."""
    return "standard input" if list_file == "-" else list_file


def _is_comment(line: str, *, is_playlist: bool) -> bool:
    """Return whether a line of a list is a comment: it starts with #, and outside playlists no file is called so."""
    return line.startswith("#") and (is_playlist or not os.path.lexists(find_path(line)))


def _playlist_path(line: str, folder: Path) -> str:
    """Return the path that a line of a playlist names: beside the playlist, where there is one, as a URI or a path."""
    path = line.strip()
    if path.casefold().startswith("file:"):
        from urllib.parse import unquote, urlsplit

        path = unquote(urlsplit(path).path, errors="surrogateescape")
    # Windows writes backslashes
    for written in (path, path.replace("\\", "/")):
        beside = find_path(folder / written)
        if os.path.lexists(beside):
            return str(beside)
    return path


def _input(path: str, below: str) -> Input:
    """Return a file to read, with the text of its names."""
    return Input(file_text(path), path, below)


def stdin_bytes() -> BinaryIO:
    """Return standard input as bytes.

    Raises
    ------
    CorpusError
        If it is closed.
    """
    if sys.stdin is None:
        raise CorpusError("standard input is closed; name a file instead of -")
    return sys.stdin.buffer


@contextlib.contextmanager
def _stdin_file() -> Iterator[str]:
    """Give a file that holds the bytes of stdin: decoders need to seek."""
    remove_left_over(tempfile.gettempdir())
    with temporary_file(tempfile.gettempdir()) as (handle, name):
        try:
            handle.writelines(read_chunks(stdin_bytes(), STDIN_AUDIO_BYTES, "standard input"))
            handle.flush()
        except OSError as error:
            if isinstance(error, GmmaudioError):
                raise
            raise WriteError(f"standard input cannot be copied to {name} ({error.strerror})") from error
        yield name
