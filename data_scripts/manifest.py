"""Output of the corpus scripts: clips as FLAC, and the manifest that lists them.

A manifest is a CSV file with the columns ``path,label,group,source,split``. Paths are relative to the manifest,
with forward slashes on every system; rows are sorted by path and lines end in a bare newline, so that the same corpus
gives the same bytes. Each file is written under a temporary name and renamed, the manifest after all clips, so that a
script that was interrupted leaves no partial file and can be run again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

MANIFEST_NAME = "manifest.csv"
MAX_PEAK = 0.98


@dataclass(frozen=True, order=True)
class Entry:
    """One row of a manifest, its fields in the order of the columns.

    Parameters
    ----------
    path : str
        The clip, relative to the manifest, with forward slashes.
    label : str
        The class.
    group : str
        The voice or band, whose clips must be on one side of a split.
    source : str
        The recording condition; for these corpora the synthesiser.
    split : str
        ``train`` or ``test``.
    """

    path: str
    label: str
    group: str
    source: str
    split: str


COLUMNS = tuple(field.name for field in fields(Entry))


def at_level(y: NDArray[np.float64], level_db: float) -> NDArray[np.float64]:
    """Return the samples scaled to an RMS level, or to a lower one if the peak would clip.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Samples, of any scale; silence stays silent.
    level_db : float
        RMS level, decibels relative to full scale, such as ``-23.0``.

    Returns
    -------
    ndarray, shape (n,)
        The scaled samples, within ±0.98.

    Examples
    --------
    >>> at_level(np.array([1.0, -1.0, 1.0]), -20.0)
    array([ 0.1, -0.1,  0.1])
    """
    rms, peak = float(np.sqrt(np.mean(y**2))), float(np.abs(y).max())
    if rms == 0.0:
        return y
    return y * min(10 ** (level_db / 20) / rms, MAX_PEAK / peak)


def write_flac(path: Path, y: NDArray[np.float64], sr: int) -> None:
    """Write mono samples as 16-bit FLAC, atomically.

    Parameters
    ----------
    path : Path
        The file to write; its folder is made, and an existing file is replaced.
    y : ndarray, shape (n,)
        Samples within ±1.
    sr : int
        Sample rate, hertz.
    """
    buffer = io.BytesIO()
    sf.write(buffer, y, sr, format="FLAC", subtype="PCM_16")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(path, buffer.getvalue())


def read_manifest(path: Path) -> tuple[Entry, ...]:
    """Return the rows of a manifest that one of these scripts wrote.

    Parameters
    ----------
    path : Path
        The manifest.

    Returns
    -------
    tuple of Entry
        The rows, in file order.

    Raises
    ------
    ValueError
        If the columns are not those that these scripts write.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"{path}: expected rows of {','.join(COLUMNS)}, got {rows[:1]}")
    return tuple(Entry(*row) for row in rows[1:])


def check_manifest_source(out_dir: Path, source: str) -> None:
    """Raise FileExistsError if a folder contains the manifest of another corpus.

    Parameters
    ----------
    out_dir : Path
        The folder of the corpus; it need not exist.
    source : str
        The source that every row of this corpus's manifest names.

    Raises
    ------
    FileExistsError
        If ``manifest.csv`` exists and was not written for this corpus.
    """
    path = out_dir / MANIFEST_NAME
    if not path.exists():
        return
    try:
        same_corpus = {entry.source for entry in read_manifest(path)} <= {source}
    except (ValueError, csv.Error):
        same_corpus = False
    if not same_corpus:
        raise FileExistsError(f"{path} is not a manifest of {source!r} clips; choose another folder")


def write_manifest(out_dir: Path, entries: Iterable[Entry]) -> Path:
    """Write the manifest of a corpus over that of an earlier run, and return its path.

    Clips that only the earlier run wrote are removed: read as one folder per class, the folder would otherwise
    contain two corpora. No other file is changed.

    Parameters
    ----------
    out_dir : Path
        The folder of the clips, after :func:`check_manifest_source`.
    entries : iterable of Entry
        The rows, in any order.

    Returns
    -------
    Path
        ``out_dir / "manifest.csv"``.
    """
    path, rows = out_dir / MANIFEST_NAME, sorted(entries)
    earlier = {entry.path for entry in read_manifest(path)} if path.exists() else set()
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *map(astuple, rows)])
    _write_atomically(path, text.getvalue().encode())
    for stale in earlier - {entry.path for entry in rows}:
        _remove_clip(out_dir, stale)
    return path


def _remove_clip(out_dir: Path, name: str) -> None:
    """Remove a clip that an earlier manifest names, unless its path leads out of the folder."""
    clip = (out_dir / name).resolve()
    if clip.suffix == ".flac" and clip.parent.parent == out_dir.resolve():
        clip.unlink(missing_ok=True)


def _write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_bytes(content)
    temporary.replace(path)
