"""The file of an entry of a feature store: named arrays and a record, under a checksum.

The layout is that of safetensors, so that other programs read it: the length of a header, the header in JSON, and the
arrays one after another. The last array is the CRC-32 of every byte before it. Arrays of two dimensions keep the order
of their elements in memory, since sums over them depend on it in the last bit.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import ReadError

Array = npt.NDArray[Any]

FORMAT = "gmmaudio-entry-1"
# names of safetensors for the types that can be stored, little-endian
DTYPES = {"F64": "<f8", "I64": "<i8", "U64": "<u8", "F32": "<f4", "I32": "<i4", "U32": "<u4", "U8": "|u1"}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
CHECKSUM = "crc32"
CHECKSUM_BYTES, LENGTH_BYTES = 4, 8
# the arrays begin at a multiple of this, bytes
ALIGNMENT = 64


class DamagedEntryError(ReadError):
    """An entry whose bytes are not those that were written."""


@dataclass(frozen=True, eq=False)
class Entry:
    """Arrays and a record that are kept together.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the types of :data:`DTYPES`.
    record : mapping of str to Any
        Plain values, as JSON holds them; floats keep their bits.

    Examples
    --------
    >>> Entry({"level": np.zeros(3, dtype=np.float32)}, {"duration_s": 0.1}).record["duration_s"]
    0.1
    """

    arrays: Mapping[str, Array] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


def encode_entry(key: str, entry: Entry) -> list[bytes | memoryview]:
    """Return the bytes of the file of an entry, in parts.

    Parameters
    ----------
    key : str
        The key that the entry is kept under.
    entry : Entry
        What to keep.

    Examples
    --------
    >>> parts = encode_entry("k", Entry({"a": np.arange(3.0)}, {"n": 3}))
    >>> key, entry = decode_entry(b"".join(parts))
    >>> key, entry.arrays["a"].tolist(), entry.record
    ('k', [0.0, 1.0, 2.0], {'n': 3})
    """
    # the largest elements first, so that every array is aligned
    ordered = sorted(entry.arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    transposed = [name for name, array in ordered if array.flags.f_contiguous and not array.flags.c_contiguous]
    arrays = {name: _little_endian(array.T if name in transposed else array) for name, array in ordered}
    data = [array.data.cast("B") if array.size else b"" for array in arrays.values()]
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "key": key,
            "record": json.dumps(entry.record, allow_nan=False),
            "transposed": json.dumps(transposed),
        }
    }
    end = 0
    for name, array in arrays.items():
        header[name] = _tensor(NAMES[array.dtype.str], array.shape, end, array.nbytes)
        end += array.nbytes
    header[CHECKSUM] = _tensor("U32", (1,), end, CHECKSUM_BYTES)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(LENGTH_BYTES + len(text)) % ALIGNMENT)
    parts = [len(text).to_bytes(LENGTH_BYTES, "little"), text, *data]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return [*parts, checksum.to_bytes(CHECKSUM_BYTES, "little")]


def decode_entry(data: Any) -> tuple[str, Entry]:
    """Return the key and the entry in the bytes of a file.

    Parameters
    ----------
    data : bytes-like
        All bytes; the arrays are views of them, and can be written to where these can be.

    Raises
    ------
    DamagedEntryError
        If the bytes are not those that :func:`encode_entry` gave.

    Examples
    --------
    >>> decode_entry(b"half a file")
    Traceback (most recent call last):
    gmmaudio.features.entry_file.DamagedEntryError: the checksum does not match
    """
    view = memoryview(data).cast("B")
    end = len(view) - CHECKSUM_BYTES
    if end < LENGTH_BYTES or zlib.crc32(view[:end]).to_bytes(CHECKSUM_BYTES, "little") != view[end:]:
        raise DamagedEntryError("the checksum does not match")
    try:
        start = LENGTH_BYTES + int.from_bytes(view[:LENGTH_BYTES], "little")
        header = json.loads(bytes(view[LENGTH_BYTES:start]))
        metadata = header.pop("__metadata__")
        if metadata["format"] != FORMAT:
            raise DamagedEntryError(f"the format is {metadata['format']!r}; expected {FORMAT!r}")
        del header[CHECKSUM]
        transposed = json.loads(metadata["transposed"])
        arrays = {name: _array(view, start, row, is_transposed=name in transposed) for name, row in header.items()}
        return metadata["key"], Entry(arrays, json.loads(metadata["record"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedEntryError(f"is no entry ({type(error).__name__}: {error})") from error


def _little_endian(array: Array) -> Array:
    """Return an array in the order of its elements and of bytes that the file has."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _tensor(dtype: str, shape: Sequence[int], start: int, n_bytes: int) -> dict[str, Any]:
    """Return the line of the header on one array."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, start + n_bytes]}


def _array(view: memoryview, start: int, row: Mapping[str, Any], *, is_transposed: bool) -> Array:
    """Return the array that a line of the header describes."""
    dtype, (first, last) = np.dtype(DTYPES[row["dtype"]]), row["data_offsets"]
    array = np.frombuffer(view[start + first : start + last], dtype=dtype) if last > first else np.empty(0, dtype)
    array = array.reshape(row["shape"])
    return array.T if is_transposed else array
