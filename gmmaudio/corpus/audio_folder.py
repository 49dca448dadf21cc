"""Folders as Hugging Face's ``datasets`` reads them: a table of metadata with ``file_name``, and folders of splits."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from gmmaudio.corpus.clip import Clip, Corpus
from gmmaudio.corpus.json_lines import read_json_lines
from gmmaudio.corpus.reading import (
    clip_of_cells,
    corpus_of_clips,
    list_audio,
    mixed_splits,
    read_manifest,
    scan_folder,
)
from gmmaudio.errors import CorpusError
from gmmaudio.files import is_cache
from gmmaudio.findings import Finding
from gmmaudio.json_text import to_json
from gmmaudio.names import file_text, split_of_folder

METADATA = ("metadata.csv", "metadata.jsonl")
# where a repository keeps its files, as Hugging Face's hub has it
DATA_FOLDER = "data"


def holds_metadata(folder: Path) -> bool:
    """Return whether a folder has a table of metadata.

    Parameters
    ----------
    folder : Path
        A folder.

    Examples
    --------
    >>> holds_metadata(Path("my_music"))
    False
    """
    return any((folder / name).is_file() for name in METADATA)


def holds_splits(folder: Path) -> bool:
    """Return whether sub-folders are called as splits, train among them, and each of these holds metadata or folders.

    Others may lie beside them: :func:`read_splits` refuses those that hold audio.

    Parameters
    ----------
    folder : Path
        A folder.

    Examples
    --------
    >>> holds_splits(Path("my_music"))
    False
    """
    inner = _split_folders(folder)
    names = [split_of_folder(each.name) for each in inner]
    return (
        "train" in names
        and len(set(names)) == len(names) > 1
        and all(holds_metadata(each) or _folders(each) for each in inner)
    )


def data_folder(folder: Path) -> Path:
    """Return the folder of the splits of a repository: ``data`` in it, where that alone holds them, or the folder.

    Parameters
    ----------
    folder : Path
        A folder.

    Examples
    --------
    >>> data_folder(Path("my_music")).name
    'my_music'
    """
    inner = _folders(folder)
    if len(inner) == 1 and inner[0].name == DATA_FOLDER and holds_splits(inner[0]):
        return inner[0]
    return folder


def _split_folders(folder: Path) -> list[Path]:
    """Return the sub-folders that are called as splits, sorted."""
    return [each for each in _folders(folder) if split_of_folder(each.name)]


def _folders(folder: Path) -> list[Path]:
    """Return the sub-folders that are not hidden, sorted."""
    try:
        found = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError:
        return []
    return [child for child in found if child.is_dir() and not is_cache(child)]


def read_audio_folder(folder: Path, _suffixes: Collection[str] = ()) -> Corpus:
    """Return the clips in the table of metadata of a folder; without a column ``split``, a folder of splits tells it.

    Parameters
    ----------
    folder : Path
        A folder with ``metadata.csv`` or ``metadata.jsonl``, which has the columns ``file_name`` and ``label``.
    _suffixes : collection of str
        Not used: files are named.

    Returns
    -------
    Corpus
        Clips in the order of the table.

    Raises
    ------
    CorpusError
        If there are two tables, or a row is wrong.

    References
    ----------
    https://huggingface.co/docs/datasets/audio_dataset, "AudioFolder".
    """
    names = [name for name in METADATA if (folder / name).is_file()]
    if len(names) > 1:
        raise CorpusError(f"{folder}: has {' and '.join(names)}; keep one of them")
    table = folder / names[0]
    corpus = read_manifest(table) if table.suffix == ".csv" else read_metadata(table)
    if any(clip.split for clip in corpus.clips):
        return corpus
    return replace(corpus, clips=tuple(replace(clip, split=_split_of(clip.path)) for clip in corpus.clips))


def _split_of(path: str) -> str | None:
    """Return the split that the first folder of a path is called by."""
    parts = PurePosixPath(path).parts
    return split_of_folder(parts[0]) if len(parts) > 1 else None


def read_metadata(table: Path, _suffixes: Collection[str] = ()) -> Corpus:
    r"""Return the clips that a table of JSON lines lists; the fields are those of the columns of a manifest.

    Parameters
    ----------
    table : Path
        A file with one JSON object on each line, with ``file_name`` or ``path``, and ``label``.
    _suffixes : collection of str
        Not used: files are named.

    Returns
    -------
    Corpus
        Clips in the order of the lines.

    Raises
    ------
    CorpusError
        If it cannot be read, or a line is wrong; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "metadata.jsonl")
    ...     _ = table.write_text('{"file_name": "ann/1.wav", "label": "en", "group": "ann"}\n')
    ...     read_metadata(table).clips[0].group
    'ann'
    """
    clips = tuple(_clips(table))
    if not clips:
        raise CorpusError(f"{table}: holds no lines; expected one JSON object for each clip")
    return corpus_of_clips(table, table.parent, clips)


def _clips(table: Path) -> Iterator[Clip]:
    """Yield the clips of a table of JSON lines."""
    for line, values in read_json_lines(table):
        cells = {key: _text(value) for key, value in values.items()}
        column = next((name for name in ("path", "file_name") if name in cells), None)
        if column is None or "label" not in cells:
            raise CorpusError(
                f"{table}, line {line}: has {', '.join(map(repr, cells)) or 'no fields'}; expected 'file_name' and "
                "'label' (and may have group, source, split, start, end)"
            )
        yield clip_of_cells(table, line, cells, column)


def _text(value: Any) -> str:
    """Return a value of JSON as the text of a cell; null is an empty one."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else to_json(value)


def read_splits(folder: Path, suffixes: Collection[str]) -> Corpus:
    """Return the clips in folders of splits, each with metadata of its own or with one sub-folder for each class.

    Parameters
    ----------
    folder : Path
        A folder with ``train`` and ``test`` or ``validation``.
    suffixes : collection of str
        Lower-case suffixes, with the dot, that count as audio in folders of classes.

    Returns
    -------
    Corpus
        Clips with their split.

    Raises
    ------
    CorpusError
        If one of them holds no usable corpus, or another folder beside them holds audio.
    """
    folder = data_folder(folder)
    clips: list[Clip] = []
    findings: list[Finding] = []
    n_skipped = 0
    splits = _split_folders(folder)
    for other in _folders(folder):
        if other in splits:
            continue
        files, n_other = list_audio(other, suffixes)
        if files and files != [other]:  # a folder that cannot be read is no corpus
            raise mixed_splits(folder, [each.name for each in splits], [other.name])
        n_skipped += n_other
    for inner in splits:
        name, split = file_text(inner.name), split_of_folder(inner.name)
        part = read_audio_folder(inner) if holds_metadata(inner) else scan_folder(inner, suffixes)
        clips += [replace(clip, path=posixpath.join(name, clip.path), split=split) for clip in part.clips]
        findings += part.findings
        n_skipped += part.n_skipped
    return replace(corpus_of_clips(folder, folder, clips, findings), n_skipped=n_skipped)
