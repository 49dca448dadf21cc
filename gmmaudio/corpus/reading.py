"""Corpora read from folders with one sub-folder for each class, and from CSV manifests; others by their own modules."""

from __future__ import annotations

import csv
import math
import os
import posixpath
import stat
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gmmaudio.corpus.checks import check_similar_values
from gmmaudio.corpus.clip import COLUMNS, Clip, Corpus, respell_clips
from gmmaudio.corpus.folder_checks import check_folders
from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.files import TABLE_BYTES, find_path, is_cache, read_limited
from gmmaudio.findings import Finding, some_names
from gmmaudio.names import file_text, normal, skeleton, split_of_folder
from gmmaudio.text_tables import TextTable, check_known_columns, decode_text, parse_table, plain_cell


def read_corpus(path: str | os.PathLike[str], suffixes: Collection[str]) -> Corpus:
    """Return the corpus at ``path``: a folder with a sub-folder for each class, a CSV manifest, or that of a toolkit.

    Parameters
    ----------
    path : path-like
        Folder or manifest; a data directory of Kaldi, manifests of lhotse, or a folder with the metadata or the splits
        of Hugging Face's ``datasets`` (docs/corpora.md).
    suffixes : collection of str
        Lower-case suffixes, with the dot, that count as audio in a folder.

    Returns
    -------
    Corpus
        Labelled clips.

    Raises
    ------
    CorpusError
        If there is no usable corpus at the path.

    Examples
    --------
    >>> corpus = read_corpus("my_music", {".wav"})
    >>> len(corpus.clips), corpus.clips[0].path, corpus.clips[0].label
    (12, 'jazz/album0/01.wav', 'jazz')
    """
    path = find_path(path)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise CorpusError(
            f"{path}: is not there; expected a folder with a sub-folder for each class, or a manifest"
        ) from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error
    from gmmaudio.corpus.toolkits import find_reader

    reader = find_reader(path, is_folder=is_folder)
    if reader is not None:
        return reader(path, suffixes)
    if not is_folder and path.suffix.lower() in suffixes:
        raise CorpusError(
            f"{path}: is one audio file; expected a folder with a sub-folder for each class, or a manifest"
        )
    return scan_folder(path, suffixes) if is_folder else read_manifest(path)


def scan_folder(root: str | os.PathLike[str], suffixes: Collection[str]) -> Corpus:
    """Return the clips in the class folders of ``root``, at any depth; the name of a class folder is the label.

    Hidden files and folders are ignored, and the folder of a cache of features. Symbolic links are followed, and loops
    of them are harmless. Files whose suffix is not in ``suffixes`` are counted.

    Parameters
    ----------
    root : path-like
        Folder with a sub-folder for each class.
    suffixes : collection of str
        Lower-case suffixes, with the dot, that count as audio.

    Returns
    -------
    Corpus
        Clips sorted by label and path.

    Raises
    ------
    CorpusError
        If there is no class folder with audio.

    Examples
    --------
    >>> sorted({clip.label for clip in scan_folder("my_music", {".wav"}).clips})
    ['jazz', 'metal']
    """
    root = Path(root)
    clips: list[Clip] = []
    findings: list[Finding] = []
    n_skipped = 0
    outside: list[str] = []
    for folder in _visible(root):
        if not folder.is_dir():
            if folder.suffix.lower() in suffixes:
                outside.append(file_text(folder.name))
            else:
                n_skipped += 1
            continue
        if is_cache(folder):
            continue
        files, n_other = list_audio(folder, suffixes)
        n_skipped += n_other
        label = file_text(folder.name)
        if files == [folder]:
            findings.append(_unreadable_folder(label))
            continue
        clips += [Clip(file_text(file.relative_to(root).as_posix()), label) for file in files]
        if not files:
            findings.append(_empty_folder(label))
    findings = [_outside_folders(outside), *findings] if outside else findings
    if not clips:
        raise CorpusError(
            f"{root}: no audio in any sub-folder; expected one folder for each class, such as {root.name}/jazz/01.wav"
        )
    _refuse_mixed_splits(root, clips)
    read, on_splits = read_inner_splits(clips)
    findings += on_splits or check_folders([clip.path for clip in clips])
    return Corpus(root, respell_clips(read), tuple(findings), n_skipped)


def _refuse_mixed_splits(root: Path, clips: Sequence[Clip]) -> None:
    """Raise CorpusError where some class folders, and not all, are called as different splits."""
    split_of = {label: split_of_folder(label) for label in dict.fromkeys(clip.label for clip in clips)}
    if None in split_of.values() and len({*split_of.values()} - {None}) > 1:
        splits = [label for label, split in split_of.items() if split]
        raise mixed_splits(root, splits, [label for label, split in split_of.items() if not split])


def mixed_splits(root: Path, splits: Sequence[str], others: Sequence[str]) -> CorpusError:
    """Return the error for a folder in which folders of splits lie beside other folders of audio.

    Parameters
    ----------
    root : Path
        The folder.
    splits, others : sequence of str
        Names of the folders that are called as splits, and of others.

    Examples
    --------
    >>> print(mixed_splits(Path("songs"), ["test", "train"], ["jazz"]))
    songs: 'test', 'train' are called as splits, and 'jazz' beside them is not; move it into them, name the folder of \
one split as the corpus, or write a manifest with the columns path, label and split
    """
    return CorpusError(
        f"{root}: {some_names(splits)} are called as splits, and {some_names(others)} beside them "
        f"{'is' if len(others) == 1 else 'are'} not; move {'it' if len(others) == 1 else 'them'} into them, name the "
        "folder of one split as the corpus, or write a manifest with the columns path, label and split"
    )


def read_inner_splits(clips: Sequence[Clip]) -> tuple[Sequence[Clip], tuple[Finding, ...]]:
    """Return clips with the splits that folders in their class folders are called by, where all of them are.

    Parameters
    ----------
    clips : sequence of Clip
        The clips of class folders, whose paths begin with the label.

    Returns
    -------
    clips : sequence of Clip
        With their splits; the same clips where some lie in another folder, or none is called train.
    findings : tuple of Finding
        That they are read as splits; empty where they are not.

    Examples
    --------
    >>> clips, _ = read_inner_splits([Clip("jazz/train/1.wav", "jazz"), Clip("jazz/dev/2.wav", "jazz")])
    >>> [clip.split for clip in clips]
    ['train', 'validation']
    """
    folders = [PurePosixPath(clip.path).parts[1:-1] for clip in clips]
    splits = [split_of_folder(inner[0]) if inner else None for inner in folders]
    if None in splits or "train" not in splits or len(set(splits)) < 2:
        return clips, ()
    names = sorted({inner[0] for inner in folders})
    return [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)], (
        Finding(
            "inner_splits_read",
            "information",
            f"the folders in the class folders are called as splits ({some_names(names)}) and are read as these",
            "name one of them to use it (`split`)",
        ),
    )


def _outside_folders(names: Sequence[str]) -> Finding:
    """Return the finding on audio files beside the class folders."""
    return Finding(
        "file_outside_folders",
        "warning",
        f"audio outside the class folders is left out: {some_names(names)}",
        "move it into one of them",
    )


def _empty_folder(name: str) -> Finding:
    """Return the finding on a class folder without audio."""
    return Finding(
        "empty_folder", "warning", f"class folder {name!r} holds no audio and is left out", "fill it or remove it"
    )


def _unreadable_folder(name: str) -> Finding:
    """Return the finding on a class folder that may not be read."""
    return Finding(
        "unreadable_folder",
        "warning",
        f"class folder {name!r} cannot be read and is left out",
        "check its permissions, or remove it",
    )


def list_audio(folder: Path, suffixes: Collection[str]) -> tuple[list[Path], int]:
    """Return the audio files at any depth below a folder, and the number of other files.

    Parameters
    ----------
    folder : Path
        Folder to search; hidden files and folders are ignored, and the folder of a cache of features below it.
        Symbolic links are followed.
    suffixes : collection of str
        Lower-case suffixes, with the dot, that count as audio.

    Returns
    -------
    files : list of Path
        Sorted paths. A folder that cannot be read is one of them, so that it fails as a file does.
    n_skipped : int
        Number of files with another suffix.

    Examples
    --------
    >>> files, n_skipped = list_audio(Path("my_music/jazz"), {".wav"})
    >>> len(files), files[0].as_posix(), n_skipped
    (6, 'my_music/jazz/album0/01.wav', 0)
    """
    files: list[Path] = []
    n_skipped = 0
    # a link to a parent folder would add the files of the other classes
    visited = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    unreadable: list[OSError] = []
    for current, folders, names in os.walk(folder, onerror=unreadable.append, followlinks=True):
        real = os.path.realpath(current)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_cache(Path(current, name)))
        for name in names:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in suffixes:
                files.append(Path(current, name))
            else:
                n_skipped += 1
    files += [Path(os.fsdecode(error.filename)) for error in unreadable]
    return sorted(files), n_skipped


def _visible(folder: Path) -> list[Path]:
    """Return the entries of a folder that are not hidden, sorted."""
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def read_manifest(path: str | os.PathLike[str]) -> Corpus:
    r"""Return the clips that a CSV manifest lists; their paths are relative to the manifest.

    The columns ``path`` (or Hugging Face's ``file_name``) and ``label`` are required. ``group``, ``source``, ``split``,
    ``start`` and ``end`` are optional, and all other columns are kept in ``extra``. The table is read as
    :func:`gmmaudio.text_tables.parse_table` describes. Labels, groups, sources and splits that have one NFC form
    take the spelling that comes first.

    Parameters
    ----------
    path : path-like
        Manifest, UTF-8 or UTF-16.

    Returns
    -------
    Corpus
        Clips in the order of the rows.

    Raises
    ------
    CorpusError
        If it cannot be read, lacks a column or a row is wrong; the message names the line.

    Examples
    --------
    >>> _ = Path("manifest.csv").write_text("path,label,group,age\nann/1.wav,en,ann,31\n")
    >>> (clip,) = read_manifest("manifest.csv").clips
    >>> clip.path, clip.label, clip.group, clip.extra
    ('ann/1.wav', 'en', 'ann', {'age': '31'})
    """
    path = find_path(path)
    clips = _one_path_for_each_file(path.parent, _read_rows(path))
    if not clips:
        raise CorpusError(f"{path}: has a header and no rows; add one row for each clip")
    return corpus_of_clips(path, path.parent, clips)


def corpus_of_clips(name: Path, root: Path, clips: Sequence[Clip], findings: Sequence[Finding] = ()) -> Corpus:
    """Return the corpus of clips that a file lists, each segment once.

    Parameters
    ----------
    name : Path
        The file, for messages.
    root : Path
        Folder that paths are relative to.
    clips : sequence of Clip
        At least one.
    findings : sequence of Finding
        What is to be said of them.

    Raises
    ------
    CorpusError
        If a segment is listed twice.

    Examples
    --------
    >>> len(corpus_of_clips(Path("m.csv"), Path(), [Clip("a.wav", "en")]).clips)
    1
    """
    counts = Counter((posixpath.normpath(clip.path), clip.start_s, clip.end_s) for clip in clips)
    repeated = [segment[0] for segment, n in counts.items() if n > 1]
    if repeated:
        raise CorpusError(
            f"{name}: more than one row for {some_names(repeated)}; keep one, or give each row another segment"
        )
    spelt = respell_clips(clips)
    return Corpus(root, spelt, (*findings, *check_similar_values("split", [clip.split for clip in spelt])))


def locate(root: Path, path: str) -> str:
    """Return the path of a recording as a clip has it: absolute where it is in the current folder, and not in a root.

    Parameters
    ----------
    root : Path
        Folder that paths of the corpus are relative to.
    path : str
        Path in a manifest of a toolkit, whose recipes run in the folder of the project.

    Examples
    --------
    >>> locate(Path("my_music"), "jazz/1.wav")
    'jazz/1.wav'
    """
    here = find_path(path)
    # a name too long is that of no file
    is_there, is_here = (os.path.exists(each) for each in (find_path(root / path), here))  # noqa: PTH110
    return str(here.absolute()) if is_here and not is_there else path


def _one_path_for_each_file(root: Path, clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
    """Return clips of which those of one file have one path, whatever normal form each row has."""
    written = {posixpath.normpath(clip.path) for clip in clips}
    if all(map(str.isascii, written)):
        return clips
    n_spellings = Counter(map(normal, written))
    several = {path for path in written if n_spellings[normal(path)] > 1}
    # two files whose names differ by the normal form alone are two files
    first: dict[Path, str] = {}
    return tuple(
        replace(clip, path=first.setdefault(find_path(root / clip.path), clip.path))
        if posixpath.normpath(clip.path) in several
        else clip
        for clip in clips
    )


def _read_rows(path: Path) -> tuple[Clip, ...]:
    """Return the clips that the rows of a manifest describe."""
    try:
        table = parse_table(decode_text(read_limited(path, TABLE_BYTES, may_be_pipe=True)), str(path))
        path_column = _path_column(table)
        return tuple(clip_of_cells(path, row.line, row.cells, path_column) for row in table)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not a UTF-8 text; save the manifest as CSV in UTF-8") from error
    except csv.Error as error:
        raise CorpusError(f"{path}: is not a CSV manifest ({error}); expected columns {','.join(COLUMNS)}") from error
    except ReadError as error:
        raise CorpusError(str(error)) from error


def _path_column(table: TextTable) -> str:
    """Return the name of the column that holds paths."""
    name = next((column for column in ("path", "file_name") if column in table.columns), None)
    if name is None or "label" not in table.columns:
        raise CorpusError(
            f"{table.name}: has columns {', '.join(map(repr, table.columns)) or 'none'}; a manifest needs 'path' and "
            "'label' (and may have group, source, split, start, end)"
        )
    check_known_columns(table.columns, COLUMNS, table.name)
    times = next(
        (time for time in ("start", "end") if f"{time}_s" in table.columns and time not in table.columns), None
    )
    if times is not None:
        # as clips of a report are called, which somebody may have saved as a manifest
        raise CorpusError(f"{table.name}: column '{times}_s' would not be used; call it {times!r}, or something else")
    return name


def clip_of_cells(manifest: Path, line: int, values: Mapping[str, str], path_column: str) -> Clip:
    """Return the clip that a row describes.

    Parameters
    ----------
    manifest : Path
        The file, for messages.
    line : int
        Number of the line, from 1.
    values : mapping of str to str
        Column -> text.
    path_column : str
        The column that holds paths.

    Raises
    ------
    CorpusError
        If there is no path or no label, or a time is none.

    Examples
    --------
    >>> clip_of_cells(Path("m.csv"), 2, {"path": "a.wav", "label": "en", "start": "1.5"}, "path").start_s
    1.5
    """
    for needed in (path_column, "label"):
        # a cell may hold invisible characters alone
        if not values.get(needed) or (needed == "label" and not skeleton(values[needed])):
            raise CorpusError(f"{manifest}, line {line}: no {needed}; every clip needs one")
    start_s = _seconds(manifest, line, "start", values.get("start", ""))
    end_s = _seconds(manifest, line, "end", values.get("end", ""))
    if end_s is not None and end_s <= (start_s or 0.0):
        raise CorpusError(f"{manifest}, line {line}: end {end_s:g} s is not after start {start_s or 0.0:g} s")
    return Clip(
        path=values[path_column],
        # tables of ours mark what a spreadsheet would take for a formula
        label=plain_cell(values["label"]),
        group=plain_cell(values.get("group") or "") or None,
        source=values.get("source") or None,
        split=values.get("split"),
        start_s=start_s or 0.0,
        end_s=end_s,
        extra={key: value for key, value in values.items() if key not in (*COLUMNS, path_column)},
    )


def _seconds(manifest: Path, line: int, name: str, text: str) -> float | None:
    """Return a time in seconds; None where the cell is empty."""
    if not text:
        return None
    try:
        # Python's own separator of digits is no part of a number elsewhere
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise CorpusError(f"{manifest}, line {line}: {name} is {text!r}; expected seconds, 0 or more")
    return value
