"""Folders as Hugging Face's ``datasets`` reads them: a table of metadata with ``file_name``, and folders of splits."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from gmmaudio.corpus.clip import Clip, Corpus
from gmmaudio.corpus.json_lines import read_json_lines
from gmmaudio.corpus.reading import clip_of_cells, corpus_of_clips, read_manifest, scan_folder
from gmmaudio.errors import CorpusError
from gmmaudio.files import is_cache
from gmmaudio.findings import Finding
from gmmaudio.json_text import to_json
from gmmaudio.names import file_text

METADATA = ("metadata.csv", "metadata.jsonl")
# the names that datasets takes for folders of splits -> the split
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}


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
    """Return whether all sub-folders are called as splits, train among them, and hold metadata or folders.

    Parameters
    ----------
    folder : Path
        A folder.

    Examples
    --------
    >>> holds_splits(Path("my_music"))
    False
    """
    inner = _folders(folder)
    names = [SPLITS.get(each.name.lower()) for each in inner]
    return (
        "train" in names
        and None not in names
        and len(set(names)) == len(names) > 1
        and all(holds_metadata(each) or _folders(each) for each in inner)
    )


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
    return SPLITS.get(parts[0].lower()) if len(parts) > 1 else None


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
        If one of them holds no usable corpus.
    """
    clips: list[Clip] = []
    findings: list[Finding] = []
    n_skipped = 0
    for inner in _folders(folder):
        name, split = file_text(inner.name), SPLITS[inner.name.lower()]
        part = read_audio_folder(inner) if holds_metadata(inner) else scan_folder(inner, suffixes)
        clips += [replace(clip, path=posixpath.join(name, clip.path), split=split) for clip in part.clips]
        findings += part.findings
        n_skipped += part.n_skipped
    return replace(corpus_of_clips(folder, folder, clips, findings), n_skipped=n_skipped)
