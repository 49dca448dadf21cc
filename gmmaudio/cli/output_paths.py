"""The places that a command writes to, checked before its work."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gmmaudio.errors import SettingError
from gmmaudio.files import find_path
from gmmaudio.outputs import check_folder, check_writable, resolve_output

if TYPE_CHECKING:
    from gmmaudio.corpus import Corpus

# device and number of a file: the same through links, hard links, and names in another case where these are one file
Identity = tuple[int, int]


@dataclass(frozen=True)
class OutputFolder:
    """A folder that an option of a command names.

    Parameters
    ----------
    option : str
        The option, such as ``--csv``.
    path : Path
        The folder, which may be new.
    names : sequence of str
        Names of the files that may be written into it.
    """

    option: str
    path: Path
    names: Sequence[str]

    def __str__(self) -> str:
        return f"{self.option} {self.path}"


@dataclass(frozen=True)
class OutputPaths:
    """The files and the folders that the options of a command name.

    Parameters
    ----------
    files : mapping of str to Path or None
        Option -> the file that it names, if any.
    folders : sequence of OutputFolder
        Folders of tables, of figures; two may be one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as song:
    ...     OutputPaths({"-o": Path(song.name)}).check(song.name)
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: -o ... would overwrite the input ...; choose another path
    """

    files: Mapping[str, Path | None] = field(default_factory=dict)
    folders: Sequence[OutputFolder] = ()

    def check(self, *inputs: str | os.PathLike[str]) -> None:
        """Raise where an output is an input or another output, or could not be written later.

        Parameters
        ----------
        *inputs : sequence of path-like
            Files and folders that the command line names.

        Raises
        ------
        SettingError
            If a file would be overwritten.
        WriteError
            If a file cannot be written.
        """
        self.keep(inputs)
        places = {resolve_output(folder.path): (str(folder), folder.path) for folder in self.folders}
        check_distinct([*self._named(), *places.values(), *self._in_folders()])
        for _, path in self._named():
            check_writable(path)
        for folder in self.folders:
            check_folder(folder.path)
        for _, path in self._in_folders():
            if os.path.lexists(path):
                check_writable(path)

    def keep(self, inputs: Iterable[str | os.PathLike[str]]) -> None:
        """Raise where an input would be overwritten, by whatever name it goes.

        Parameters
        ----------
        inputs : iterable of path-like
            Files and folders that are read.

        Raises
        ------
        SettingError
            If there is one.
        """
        outputs = [(f"{name} would overwrite", path) for name, path in self._named()]
        for folder in self.folders:
            outputs.append((f"{folder} would overwrite", folder.path))
            suffixes = {Path(name).suffix for name in folder.names}
            with contextlib.suppress(OSError):
                held = [path for path in folder.path.iterdir() if path.suffix.lower() in suffixes]
                outputs += [(f"{folder} holds", path) for path in held]
        keep_inputs(outputs, inputs)

    def keep_clips(self, corpus: Corpus) -> None:
        """Raise where a clip of a corpus would be overwritten, also one that the run leaves out.

        Parameters
        ----------
        corpus : Corpus
            The clips.

        Raises
        ------
        SettingError
            If there is one.
        """
        self.keep_named((clip.path for clip in corpus.clips), corpus.root)

    def keep_named(self, paths: Iterable[str], *folders: str | os.PathLike[str]) -> None:
        """Raise where a file would be overwritten that an input names, whether it is read or not.

        Parameters
        ----------
        paths : iterable of str
            Paths as they are written in the input.
        *folders : sequence of path-like
            Folders that the paths may be relative to.

        Raises
        ------
        SettingError
            If there is one.
        """
        self.keep(os.path.join(folder, path) for path in paths for folder in folders)  # noqa: PTH118 - may be many

    def _named(self) -> Iterator[tuple[str, Path]]:
        """Yield the files that options name, each with its option."""
        for option, path in self.files.items():
            if path is not None:
                yield f"{option} {path}", path

    def _in_folders(self) -> Iterator[tuple[str, Path]]:
        """Yield the files that may be written into folders, each with the option."""
        for folder in self.folders:
            for name in folder.names:
                yield str(folder), folder.path / name


def keep_inputs(outputs: Iterable[tuple[str, Path]], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise where an output, or the file that standard output goes to, is a file that is read.

    Only outputs that exist can be inputs: where there are none, the inputs are not looked at.

    Parameters
    ----------
    outputs : iterable of (str, Path)
        The subject and the verb of the message, such as ``-o x would overwrite``, and the path.
    inputs : iterable of path-like
        Files and folders that are read.

    Raises
    ------
    SettingError
        If there is one.
    """
    check = input_check(outputs)
    if check is None:
        return
    for path in inputs:
        check(path)


def input_check(
    outputs: Iterable[tuple[str, Path]],
) -> Callable[[str | os.PathLike[str]], None] | None:
    """Return the function that raises where a file that is read is an output; None where there is no output yet.

    Parameters
    ----------
    outputs : iterable of (str, Path)
        As for :func:`keep_inputs`.
    """
    existing = {identify(path): text for text, path in outputs}
    existing[_stdout_identity()] = "standard output would overwrite"
    existing.pop(None, None)

    def check(path: str | os.PathLike[str]) -> None:
        # a file is also read under another normal form of its name
        text = existing.get(identify(path) or identify(find_path(path)))
        if text is not None:
            remedy = "choose another folder" if text.endswith("holds") else "choose another path"
            raise SettingError(f"{text} the input {path}; {remedy}")

    return check if existing else None


def check_distinct(outputs: Iterable[tuple[str, Path]]) -> None:
    """Raise where two outputs are one file, or would be one where case or composition of names does not count.

    Parameters
    ----------
    outputs : iterable of (str, Path)
        The option with its value, and the path.

    Raises
    ------
    SettingError
        If there are two.
    """
    seen: dict[object, str] = {_stdout_identity(): "standard output"}
    for name, path in outputs:
        target = resolve_output(path)
        place = (identify(target.parent) or target.parent, unicodedata.normalize("NFC", target.name).casefold())
        for key in (place, identify(target)):
            if key is not None and seen.setdefault(key, name) != name:
                raise SettingError(f"{name} would overwrite {seen[key]}; choose another path")


def identify(path: str | os.PathLike[str]) -> Identity | None:
    """Return the identity of the file or folder at a path; None where there is none.

    Parameters
    ----------
    path : path-like
        Any path.

    Examples
    --------
    >>> identify("/") == identify("/tmp/.."), identify("no_such_file") is None
    (True, True)
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - there may be many
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _stdout_identity() -> Identity | None:
    """Return the identity of the file that standard output goes to; None where it is no file."""
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
