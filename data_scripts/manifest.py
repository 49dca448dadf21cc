"""What every corpus script ends with: clips as FLAC, and the manifest that lists them.

A manifest is a CSV file with the columns ``path,label,group,source,split``. Paths are relative to the manifest,
with forward slashes on every system; rows are sorted by path and lines end in a bare newline: the same corpus
gives the same bytes. Files are written beside their place and renamed, the manifest after all clips, so that a
script that was stopped leaves no half file and is simply run again.
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
TOP_OF_SCALE = 0.98


@dataclass(frozen=True, order=True)
class Entry:
    """One row of a manifest, its fields in the order of the columns.

    Attributes
    ----------
    path
        The clip, relative to the manifest, with forward slashes.
    label
        The class name.
    group
        What must not straddle a split: a voice, a band.
    source
        The recording condition; for these corpora the synthesiser.
    split
        ``train`` or ``test``.
    """

    path: str
    label: str
    group: str
    source: str
    split: str


COLUMNS = tuple(field.name for field in fields(Entry))


def at_level(y: NDArray[np.float64], level_db: float) -> NDArray[np.float64]:
    """Return the samples scaled to an RMS level, less where their peak would clip.

    Parameters
    ----------
    y
        Samples, of any scale; silence stays silence.
    level_db
        The wanted RMS level in dB below full scale, such as ``-23.0``.

    Returns
    -------
    numpy.ndarray
        The scaled samples, within ±0.98.
    """
    rms, peak = float(np.sqrt(np.mean(y**2))), float(np.abs(y).max())
    if rms == 0.0:
        return y
    return y * min(10 ** (level_db / 20) / rms, TOP_OF_SCALE / peak)


def write_flac(path: Path, y: NDArray[np.float64], sr: int) -> None:
    """Write mono samples as 16-bit FLAC, whole or not at all.

    Parameters
    ----------
    path
        Where the clip goes; its folder is made, a file of that name is replaced.
    y
        Samples within ±1.
    sr
        The sampling rate in hertz.
    """
    buffer = io.BytesIO()
    sf.write(buffer, y, sr, format="FLAC", subtype="PCM_16")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_beside(path, buffer.getvalue())


def read_manifest(path: Path) -> tuple[Entry, ...]:
    """Return the rows of a manifest that one of these scripts has written.

    Parameters
    ----------
    path
        The manifest.

    Returns
    -------
    tuple of Entry
        The rows, in file order.

    Raises
    ------
    ValueError
        If the columns are not exactly the ones that these scripts write.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"{path}: expected rows of {','.join(COLUMNS)}, got {rows[:1]}")
    return tuple(Entry(*row) for row in rows[1:])


def check_is_ours(out_dir: Path, source: str) -> None:
    """Refuse a folder that holds somebody else's manifest, before any work is done.

    Parameters
    ----------
    out_dir
        The folder of the corpus; it need not exist.
    source
        The source that every row of our manifest names.

    Raises
    ------
    FileExistsError
        If ``manifest.csv`` is there and was not written for this corpus.
    """
    path = out_dir / MANIFEST_NAME
    if not path.exists():
        return
    try:
        ours = {entry.source for entry in read_manifest(path)} <= {source}
    except (ValueError, csv.Error):
        ours = False
    if not ours:
        raise FileExistsError(f"{path} is not a manifest of {source!r} clips; choose another folder")


def write_manifest(out_dir: Path, entries: Iterable[Entry]) -> Path:
    """Return the manifest of a corpus, written over that of an earlier run.

    Clips that only the earlier run made are removed: read as one folder per class, the corpus would otherwise
    be a mixture of two. No other file is touched.

    Parameters
    ----------
    out_dir
        The folder that the clips are in; see `check_is_ours`.
    entries
        The rows, in any order.

    Returns
    -------
    pathlib.Path
        ``out_dir / "manifest.csv"``.
    """
    path, rows = out_dir / MANIFEST_NAME, sorted(entries)
    earlier = {entry.path for entry in read_manifest(path)} if path.exists() else set()
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *map(astuple, rows)])
    _write_beside(path, text.getvalue().encode())
    for stale in earlier - {entry.path for entry in rows}:
        _remove_clip(out_dir, stale)
    return path


def _remove_clip(out_dir: Path, name: str) -> None:
    """Remove a clip named by an earlier manifest, unless an edited manifest points out of the folder."""
    clip = (out_dir / name).resolve()
    if clip.suffix == ".flac" and clip.parent.parent == out_dir.resolve():
        clip.unlink(missing_ok=True)


def _write_beside(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it into place."""
    beside = path.with_name(f".{path.name}.partial")
    beside.write_bytes(content)
    beside.replace(path)
