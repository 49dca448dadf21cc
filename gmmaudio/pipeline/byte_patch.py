"""The bytes of one file made of another one that is almost the same: what an undo journal keeps of a changed file.

A new tag moves the sound that follows it, and in an Ogg file the number and the checksum of every page may change. A
patch is a list of pieces: bytes of the new file, at whatever distance they were moved, and bytes that it has not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

PathLike = str | os.PathLike[str]
Bytes = npt.NDArray[np.uint8]
# a piece of the new file, (offset, length) in bytes, or the bytes themselves
Piece = tuple[int, int] | bytes

BLOCK_BYTES = 2**16
# a shorter piece is cheaper as the bytes themselves
SHORTEST_COPY = 24
# a gap at least as long is looked for at other distances too
SHORTEST_GAP = 64
ANCHOR_BYTES, N_ANCHORS, END_BYTES, SEARCH_BYTES = 64, 16, 2**16, 2**21
COPY_BYTES = 2**20


def make_patch(old: PathLike, new: PathLike) -> str:
    """Return the patch that makes the old file of the new one, as text.

    Parameters
    ----------
    old, new : path-like
        Files that are not empty.

    Examples
    --------
    >>> import io, tempfile
    >>> from pathlib import Path
    >>> sound, again = bytes(range(256)) * 99, io.BytesIO()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = Path(folder, "old"), Path(folder, "new")
    ...     _ = old.write_bytes(b"tag" + sound), new.write_bytes(b"a longer tag" + sound)
    ...     patch = make_patch(old, new)
    ...     digest = apply_patch(patch, new, again)
    ...     again.getvalue() == old.read_bytes(), digest == hash_bytes(old), len(patch) < 100
    (True, True, True)
    """
    with _mapped(old) as before, _mapped(new) as after:
        old_bytes, new_bytes = np.frombuffer(before, np.uint8), np.frombuffer(after, np.uint8)
        shifts = _find_shifts(before, after)
        pieces = []
        for start in range(0, len(old_bytes), BLOCK_BYTES):
            stop = min(start + BLOCK_BYTES, len(old_bytes))
            pieces += list(_encode(old_bytes, new_bytes, start, stop, shifts))
        # the maps cannot be closed while arrays look at them
        del old_bytes, new_bytes
    plain = [base64.b64encode(piece).decode() if isinstance(piece, bytes) else piece for piece in _merge(pieces)]
    return base64.b64encode(zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 9)).decode()


def apply_patch(patch: str, new: PathLike, out: BinaryIO) -> str:
    """Write the old file that a patch makes of the new one, and return the SHA-256 of its bytes.

    Parameters
    ----------
    patch : str
        From :func:`make_patch`.
    new : path-like
        The new file, unchanged.
    out : binary file
        Open for writing.

    Raises
    ------
    ValueError
        If it is no patch.

    Examples
    --------
    >>> import io
    >>> apply_patch("what", os.devnull, io.BytesIO())
    Traceback (most recent call last):
    ValueError: no patch ...
    """
    digest = hashlib.sha256()
    with open(new, "rb") as source:  # noqa: PTH123 - any path-like
        for piece in _pieces_of(patch):
            if isinstance(piece, bytes):
                out.write(piece)
                digest.update(piece)
                continue
            offset, left = piece
            source.seek(offset)
            while left and (data := source.read(min(left, COPY_BYTES))):
                out.write(data)
                digest.update(data)
                left -= len(data)
    return digest.hexdigest()


def hash_bytes(path: PathLike) -> str:
    """Return the SHA-256 of the bytes of a file.

    Parameters
    ----------
    path : path-like
        A file.

    Examples
    --------
    >>> hash_bytes(os.devnull)[:8]
    'e3b0c442'
    """
    with open(path, "rb") as handle:  # noqa: PTH123
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _mapped(path: PathLike) -> mmap.mmap:
    """Return the bytes of a file, which the system reads as they are looked at."""
    with open(path, "rb") as handle:  # noqa: PTH123
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


def _find_shifts(old: mmap.mmap, new: mmap.mmap) -> list[int]:
    """Return the distances by which bytes of the old file were moved in the new one: a few that are likely."""
    counts: Counter[int] = Counter()
    reach = SEARCH_BYTES + abs(len(new) - len(old))
    last = max(0, len(old) - ANCHOR_BYTES)
    # tags are at the ends
    ends = ((0, last), (0, min(last, END_BYTES)), (max(0, last - END_BYTES), last))
    for start in {int(each) for first, stop in ends for each in np.linspace(first, stop, N_ANCHORS)}:
        anchor = old[start : start + ANCHOR_BYTES]
        # silence and padding are everywhere
        if len(set(anchor)) > 8 and (found := new.find(anchor, max(0, start - reach), start + reach)) >= 0:
            counts[found - start] += 1
    likely = [shift for shift, _ in counts.most_common(6)]
    return list(dict.fromkeys([*likely, 0, len(new) - len(old)]))


def _encode(old: Bytes, new: Bytes, start: int, stop: int, shifts: Sequence[int]) -> Iterator[Piece]:
    """Yield the pieces that make a stretch of the old file."""
    best, shift = None, 0
    for each in shifts:
        is_equal = _equal(old, new, start, stop, each)
        if best is None or is_equal.sum() > best.sum():
            best, shift = is_equal, each
    others = [each for each in shifts if each != shift]
    position = start
    for first, last in [] if best is None else _runs(best):
        yield from _gap(old, new, position, start + first, others)
        yield (start + first + shift, last - first)
        position = start + last
    if position == start and not others:
        yield old[start:stop].tobytes()
        return
    yield from _gap(old, new, position, stop, others)


def _gap(old: Bytes, new: Bytes, start: int, stop: int, shifts: Sequence[int]) -> Iterator[Piece]:
    """Yield the pieces of a stretch between two that are found."""
    if stop - start >= SHORTEST_GAP and shifts:
        yield from _encode(old, new, start, stop, shifts)
    elif stop > start:
        yield old[start:stop].tobytes()


def _equal(old: Bytes, new: Bytes, start: int, stop: int, shift: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the bytes of a stretch of the old file that are those of the new one at a distance."""
    is_equal = np.zeros(stop - start, bool)
    first, last = max(start, -shift), min(stop, len(new) - shift)
    if first < last:
        is_equal[first - start : last - start] = old[first:last] == new[first + shift : last + shift]
    return is_equal


def _runs(is_equal: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last (not included) of the runs of equal bytes that are long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_equal, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= SHORTEST_COPY]


def _merge(pieces: Sequence[Piece]) -> list[Piece]:
    """Return pieces with neighbours joined."""
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            merged[-1] = last + piece
        elif isinstance(piece, tuple) and isinstance(last, tuple) and sum(last) == piece[0]:
            merged[-1] = (last[0], last[1] + piece[1])
        else:
            merged.append(piece)
    return merged


def _pieces_of(patch: str) -> list[Piece]:
    """Return the pieces of a patch."""
    try:
        plain = json.loads(zlib.decompress(base64.b64decode(patch, validate=True)))
        return [base64.b64decode(each) if isinstance(each, str) else (int(each[0]), int(each[1])) for each in plain]
    except (ValueError, TypeError, LookupError, zlib.error) as error:
        raise ValueError(f"no patch ({error})") from error
