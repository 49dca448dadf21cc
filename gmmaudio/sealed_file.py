"""Files of numbers: safetensors with a JSON header and a checksum, never pickle.

All that is no tensor is JSON in one metadata entry, whose name tells the kind of file; it holds the format version, and
the SHA-256 of header and tensors. There is no time stamp: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from gmmaudio.errors import GmmaudioError, SettingError
from gmmaudio.json_text import from_json
from gmmaudio.tensor_table import Tensors
from gmmaudio.values import convert_mapping, shown

# of a safetensors file
MAX_HEADER_BYTES = 100_000_000
# metadata entry of each kind of file
MODEL_KEY, STATISTICS_KEY, MIXTURE_KEY = "gmmaudio", "gmmaudio_statistics", "gmmaudio_mixture"
# single and double precision, and whole numbers
STORED_TYPES = ("F32", "F64", "I32")


@dataclass(frozen=True)
class FileKind:
    """A kind of file, and the words of its errors.

    Parameters
    ----------
    key : str
        Name of the metadata entry that holds the header.
    error : type of GmmaudioError
        Raised for a file that is refused.
    noun : str
        What such a file is: ``model``.
    maker : str
        The command that writes it.
    again : str
        What makes another one: ``train again``.
    versions : tuple of str
        Major versions of the format that are read.
    others : mapping of str to str
        Metadata entry of another kind of file -> what that is, and what is done with it.
    """

    key: str
    error: type[GmmaudioError]
    noun: str
    maker: str
    again: str
    versions: tuple[str, ...]
    others: Mapping[str, str]

    @property
    def no_header(self) -> str:
        """The error for a safetensors file without a header of this kind."""
        return (
            f"is a safetensors file without a readable {self.key} header: another program's, or damaged; {self.again}"
        )


def header_size(start: bytes, kind: FileKind) -> int:
    """Return the size of the header that the first 16 bytes of a file declare.

    Parameters
    ----------
    start : bytes
        The first bytes, 16 or fewer.
    kind : FileKind
        The kind of file that is expected; its error is raised where the file is something else.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> header_size((99).to_bytes(8, "little") + b'{"__meta', kind)
    99
    """
    # a safetensors header may well be 128 bytes long: only what follows tells it from a pickle
    if start[8:9] != b"{" and (start[:1] == b"\x80" or start[:4] == b"PK\x03\x04"):
        raise kind.error(f"is a pickle or a zip archive, which is never loaded: it could run code; {kind.again}")
    size = int.from_bytes(start[:8], "little")
    if len(start) < 16 or start[8:9] != b"{" or size > MAX_HEADER_BYTES:
        raise kind.error(f"is not a {kind.noun} file; expected one made by {kind.maker}")
    return size


def read_described(data: bytes, kind: FileKind) -> dict[str, Any]:
    """Return the safetensors header, tensors by name and metadata, of a file of stored types.

    Parameters
    ----------
    data : bytes
        The file, or its beginning with all of the header.
    kind : FileKind
        The kind of file that is expected; its error is raised where the file is something else.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> data = b'{"__metadata__":{"gmmaudio":"{}"}}'
    >>> read_described(len(data).to_bytes(8, "little") + data, kind)
    {'__metadata__': {'gmmaudio': '{}'}}
    """
    size = header_size(data[:16], kind)
    if len(data) < 8 + size:
        raise kind.error(f"is cut short; copy it again, or {kind.again}")
    described = _parsed(data[8 : 8 + size], kind)
    if not (isinstance(described, dict) and isinstance(described.get("__metadata__"), dict)):
        raise kind.error(kind.no_header)
    other = next((text for key, text in kind.others.items() if key in described["__metadata__"]), None)
    if other is not None and kind.key not in described["__metadata__"]:
        raise kind.error(other)
    return described


def check_types(described: Mapping[str, Any], kind: FileKind) -> None:
    """Raise the error of a kind of file where a tensor is described as none of the stored types.

    Parameters
    ----------
    described : mapping
        Result of :func:`read_described`.
    kind : FileKind
        The kind of file.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> check_types({"0.means": {"dtype": "F32"}}, kind)
    """
    for name, entry in described.items():
        if name != "__metadata__" and (not isinstance(entry, dict) or entry.get("dtype") not in STORED_TYPES):
            raise kind.error(
                f"holds no usable {kind.noun} (the tensor {shown(name)} is described by {shown(entry)}; expected the "
                f"types {', '.join(STORED_TYPES)}); {kind.again}"
            )


def read_header(described: Mapping[str, Any], kind: FileKind) -> dict[str, Any]:
    """Return our header among the metadata, of a format version that is read.

    Parameters
    ----------
    described : mapping
        Result of :func:`read_described`.
    kind : FileKind
        The kind of file; its error is raised where the header is damaged.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> read_header({"__metadata__": {"gmmaudio": '{"format_version": "2.0"}'}}, kind)
    {'format_version': '2.0'}
    """
    header = _parsed(described["__metadata__"].get(kind.key), kind)
    if not isinstance(header, dict):
        raise kind.error(f"has a damaged {kind.key} header; copy it again, or {kind.again}")
    version = header.get("format_version")
    if not (isinstance(version, str) and re.fullmatch(rf"({'|'.join(kind.versions)})\.(0|[1-9][0-9]{{0,8}})", version)):
        readable = " and ".join(f"{major}.x" for major in kind.versions)
        raise kind.error(
            f"has {kind.noun} format {shown(version)}; this version reads {readable}: upgrade gmmaudio, or {kind.again}"
        )
    return header


def _parsed(text: Any, kind: FileKind) -> Any:
    """Return the values of JSON, or raise."""
    try:
        return from_json(text)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise kind.error(kind.no_header) from error
    except ValueError as error:
        raise kind.error(f"holds no usable {kind.noun} ({error}); {kind.again}") from error


def refuse_damaged(header: Mapping[str, Any], tensors: Tensors, kind: FileKind) -> None:
    """Raise the error of a kind of file where its checksum is not that of its header and tensors.

    Parameters
    ----------
    header : mapping
        Header of the file, with its checksum ``sha256``.
    tensors : dict of str to ndarray
        Tensors of the file.
    kind : FileKind
        The kind of file.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> refuse_damaged({"labels": ["a", "b"], "sha256": checksum({"labels": ["a", "b"]}, {})}, {}, kind)
    """
    if header.get("sha256") != checksum(header, tensors):
        raise kind.error(f"is damaged (the checksum differs); copy it again, or {kind.again}")


def checksum(header: Mapping[str, Any], tensors: Tensors) -> str:
    """Return the SHA-256 of a header, without its own checksum, and of every tensor's name, type, shape and bytes.

    Parameters
    ----------
    header : mapping
        Header of a file.
    tensors : dict of str to ndarray
        Tensors of the file.

    Examples
    --------
    >>> checksum({}, {})[:16]
    '44136fa355b3678a'
    """
    content = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype.str}\0{tensor.shape}\0".encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def check_start(handle: BinaryIO, kind: FileKind) -> None:
    """Raise before a large file is read, where its header is not that of a file of its kind and size.

    Parameters
    ----------
    handle : BinaryIO
        The open file, at its first byte.
    kind : FileKind
        The kind of file that is expected; its error is raised where the file is something else.

    Examples
    --------
    >>> import io
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> check_start(io.BytesIO(to_bytes({}, {}, kind)), kind)
    """
    start = handle.read(16)
    size = header_size(start, kind)
    described = read_described(start + handle.read(max(size - 8, 0)), kind)
    try:
        entries = [entry for name, entry in described.items() if name != "__metadata__"]
        end = 8 + size + max((int(entry["data_offsets"][1]) for entry in entries), default=0)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise kind.error(f"is damaged ({error}); copy it again, or {kind.again}") from error
    n_bytes = handle.seek(0, os.SEEK_END)
    if n_bytes != end:
        raise kind.error(f"has {n_bytes} bytes and {end} declared: cut short or damaged; copy it again")


def read_tensors(data: bytes, described: Mapping[str, Any], kind: FileKind) -> Tensors:
    """Return the tensors in the bytes of a safetensors file, all of stored types.

    Parameters
    ----------
    data : bytes
        The file.
    described : mapping
        Result of :func:`read_described`.
    kind : FileKind
        The kind of file; its error is raised where the tensors cannot be read.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> data = to_bytes({}, {"means": np.zeros(2)}, kind)
    >>> read_tensors(data, read_described(data, kind), kind)
    {'means': array([0., 0.])}
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    check_types(described, kind)
    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise kind.error(f"is cut short or damaged ({error}); copy it again, or {kind.again}") from error


def to_bytes(header: Mapping[str, Any], tensors: Tensors, kind: FileKind) -> bytes:
    """Return the bytes of a file, with the checksum of its header and tensors; the same input gives the same bytes.

    Parameters
    ----------
    header : mapping
        Plain values, with ``format_version``.
    tensors : dict of str to ndarray
        Of stored types.
    kind : FileKind
        The kind of file.

    Raises
    ------
    SettingError
        If they do not fit the file format.

    Examples
    --------
    >>> from gmmaudio.errors import ModelFileError
    >>> kind = FileKind("gmmaudio", ModelFileError, "model", "gmmaudio train", "train again", ("2",), {})
    >>> data = to_bytes({"format_version": "2.0"}, {}, kind)
    >>> read_header(read_described(data, kind), kind)["format_version"]
    '2.0'
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    text = json.dumps({**header, "sha256": checksum(header, tensors)}, sort_keys=True, allow_nan=False)
    try:
        return bytes(save(tensors, metadata={kind.key: text}))
    except SafetensorError as error:
        raise SettingError(str(error)) from error


def columns_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return a table as one list for each column: shorter than its rows as JSON, and read in less time.

    Parameters
    ----------
    rows : sequence of mapping
        Values by name.
    names : sequence of str
        The columns.

    Examples
    --------
    >>> columns_of([{"path": "a.wav", "label": "jazz"}], ["path", "label"])
    {'path': ['a.wav'], 'label': ['jazz']}
    """
    return {name: [row[name] for row in rows] for name in names}


def rows_of(what: str, columns: object, hints: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of which :func:`columns_of` made columns.

    Parameters
    ----------
    what : str
        The table, for the error.
    columns : object
        The columns, as they were read.
    hints : mapping of str to type
        Type of every column, a list or a tuple.

    Raises
    ------
    SettingError
        If there are other columns, or they are of unlike lengths.

    Examples
    --------
    >>> rows_of("clips", {"path": ["a.wav"], "label": ["jazz"]}, {"path": list, "label": list})
    [{'path': 'a.wav', 'label': 'jazz'}]
    """
    table = convert_mapping(what, columns, hints)
    if len({len(column) for column in table.values()}) != 1:
        raise SettingError(f"its {what} have columns of unlike lengths")
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
