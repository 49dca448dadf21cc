"""Arrays of numbers in files of other programs: .npy, .npz, safetensors and parquet, read without running anything.

An array of objects, which numpy would unpickle, is refused. Sizes that a header claims are compared with those of the
file before memory is taken.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from gmmaudio.corpus.clip import COLUMNS
from gmmaudio.errors import RowsError
from gmmaudio.files import find_path, in_units
from gmmaudio.findings import some_names
from gmmaudio.names import is_index_name

Numbers = npt.NDArray[Any]

# of one clip: an hour of 768 columns at 50 Hz takes half of that
ARRAY_BYTES = 2**30
# of a table of all clips, which is held in memory
TABLE_BYTES = 4 * ARRAY_BYTES
MAX_HEADER = 10_000
# columns of a table that name a clip, in the order in which they are looked for
KEY_COLUMNS = ("path", "file_name")
# columns of a manifest, which are no numbers of a row whatever is in them
NOT_NUMBERS = (*COLUMNS, "file_name", "fold")
NEEDS_PYARROW = "is parquet, which needs the parquet extra: pip install 'gmmaudio[parquet]'"


class ArrayFile(Protocol):
    """Named arrays in an open file.

    Attributes
    ----------
    names : tuple of str
        Their names, in the order of the file; one empty name where the file holds one array without a name.
    """

    names: tuple[str, ...]

    def read(self, name: str, /) -> Numbers:
        """Return the array of a name."""


class NpyFile:
    """The one array of a .npy file, as a memory map.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.names: tuple[str, ...] = ("",)
        self._path = path

    def read(self, _name: str) -> Numbers:
        """Return the array; it has no name.

        Parameters
        ----------
        _name : str
            Not used.
        """
        with self._path.open("rb") as handle:
            shape, _, dtype = _npy_header(handle)
            n_bytes = _check_npy(shape, dtype, os.fstat(handle.fileno()).st_size - handle.tell())
        if not n_bytes:
            return np.zeros(shape, dtype)
        mapped: Numbers = np.load(self._path, mmap_mode="r", allow_pickle=False)
        return mapped


class NpzFile:
    """The arrays of a .npz file.

    Parameters
    ----------
    archive : ZipFile
        The file, opened.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = [(info.filename.removesuffix(".npy"), info) for info in archive.infolist() if not info.is_dir()]
        self._members = dict(members)
        self.names = tuple(self._members)
        name, n_members = Counter(name for name, _ in members).most_common(1)[0] if members else ("", 1)
        if n_members > 1:
            raise RowsError("ambiguous", f"holds {n_members} arrays called {name!r}; keep one of them")

    def read(self, name: str) -> Numbers:
        """Return the array of a name.

        Parameters
        ----------
        name : str
            One of ``names``.
        """
        member = self._members[name]
        if member.file_size > ARRAY_BYTES + MAX_HEADER:
            raise _too_large(member.file_size)
        with self._archive.open(member) as handle:
            shape, is_fortran, dtype = _npy_header(handle)
            n_bytes = _check_npy(shape, dtype, member.file_size)
            if n_bytes > ARRAY_BYTES:
                raise _too_large(n_bytes)
            # what is left is read to its end, so that its checksum is looked at
            data = handle.read()
        if len(data) < n_bytes:
            raise RowsError("damaged", f"is cut short: {len(data)} bytes of {n_bytes}; make it again")
        values: Numbers = np.frombuffer(data[:n_bytes], dtype=dtype)
        return values.reshape(shape[::-1]).T if is_fortran else values.reshape(shape)


class SafetensorsFile:
    """The tensors of a safetensors file.

    Parameters
    ----------
    handle : safe_open
        The file, opened.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.names = tuple(handle.keys())

    def read(self, name: str) -> Numbers:
        """Return the tensor of a name.

        Parameters
        ----------
        name : str
            One of ``names``.
        """
        part = self._handle.get_slice(name)
        if 8 * math.prod(part.get_shape()) > ARRAY_BYTES * 2:
            raise _too_large(8 * math.prod(part.get_shape()))
        try:
            return np.asarray(self._handle.get_tensor(name))
        except (TypeError, AttributeError) as error:
            # numpy has no bfloat16
            raise RowsError("not_rows", f"holds {part.get_dtype()} numbers; save them as float32") from error


class ParquetFile:
    """The rows of a parquet table: of one clip, or of several that a column names.

    Parameters
    ----------
    path : Path
        The file.
    key_columns : sequence of str
        Columns that name the clip of each row, in the order in which they are looked for.
    """

    def __init__(self, path: Path, key_columns: Sequence[str]) -> None:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            n_rows, fields = file.metadata.num_rows, list(file.schema_arrow)
            groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
            n_bytes = sum(group.total_byte_size for group in groups)
            if n_bytes > TABLE_BYTES:
                raise RowsError(
                    "too_large",
                    f"takes {in_units(n_bytes)}; expected at most {in_units(TABLE_BYTES)}: divide the table",
                )
            key = next((name for name in key_columns if name in file.schema_arrow.names), None)
            left_out = {*NOT_NUMBERS, *key_columns}
            named = [each for each in fields if each.name not in left_out and not is_index_name(each.name)]
            wanted = [field.name for field in named if _is_numeric(field.type)]
            if not wanted:
                raise RowsError("not_rows", "has no column of numbers; expected one for each number of a row, or lists")
            table = file.read(columns=[*wanted, *([] if key is None else [key])])
        self._columns = [_without_decimals(table.column(name).combine_chunks()) for name in wanted]
        self._places: dict[str, list[int]] = {}
        keys = [""] * n_rows if key is None else map(str, table.column(key).to_pylist())
        for place, name in enumerate(keys):
            self._places.setdefault(name, []).append(place)
        self.names = tuple(self._places)

    def read(self, name: str) -> Numbers:
        """Return the rows of a clip, in the order of the table.

        Parameters
        ----------
        name : str
            One of ``names``.
        """
        places = self._places[name]
        columns = [column.take(places) for column in self._columns]
        if any(_is_list(column.type) for column in columns):
            if len(columns) > 1:
                raise RowsError("not_rows", "has lists of numbers beside other columns; keep one column of lists")
            return _from_lists(columns[0])
        return np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1)


def _is_list(kind: Any) -> bool:
    """Return whether a column of a parquet table holds lists."""
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_numeric(kind: Any) -> bool:
    """Return whether a column of a parquet table holds numbers, or lists of them."""
    from pyarrow import types

    if _is_list(kind):
        return _is_numeric(kind.value_type)
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _without_decimals(column: Any) -> Any:
    """Return a column of a parquet table, with floats in place of decimal numbers."""
    import pyarrow

    return column.cast(pyarrow.float64()) if pyarrow.types.is_decimal(column.type) else column


def _from_lists(column: Any) -> Numbers:
    """Return the vectors of a column of lists, or the one matrix that is a list of lists, as rows."""
    values = column
    if _is_list(column.type.value_type):
        if len(column) != 1:
            raise RowsError("not_rows", f"has {len(column)} lists of lists for one clip; expected one")
        values = column[0].values
    if values is None or values.null_count:
        raise RowsError("not_rows", "has a null where a list of numbers is expected")
    lengths = {len(each.values) for each in values}
    if len(lengths) > 1:
        raise RowsError("not_rows", f"has lists of {min(lengths)} to {max(lengths)} numbers; expected one length")
    flat = [each.values.to_numpy(zero_copy_only=False) for each in values]
    return np.stack(flat) if flat else np.zeros((0, 0))


@contextlib.contextmanager
def _open_npy(path: Path, _key_columns: Sequence[str]) -> Iterator[ArrayFile]:
    """Give the array of a .npy file."""
    yield NpyFile(path)


@contextlib.contextmanager
def _open_npz(path: Path, _key_columns: Sequence[str]) -> Iterator[ArrayFile]:
    """Give the arrays of a .npz file."""
    with zipfile.ZipFile(path) as archive:
        yield NpzFile(archive)


@contextlib.contextmanager
def _open_safetensors(path: Path, _key_columns: Sequence[str]) -> Iterator[ArrayFile]:
    """Give the tensors of a safetensors file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as handle:
        yield SafetensorsFile(handle)


@contextlib.contextmanager
def _open_parquet(path: Path, key_columns: Sequence[str]) -> Iterator[ArrayFile]:
    """Give the rows of a parquet table."""
    if importlib.util.find_spec("pyarrow") is None:
        raise RowsError("unreadable", NEEDS_PYARROW)
    yield ParquetFile(path, key_columns)


OPENERS: dict[str, Callable[[Path, Sequence[str]], contextlib.AbstractContextManager[ArrayFile]]] = {
    ".npy": _open_npy,
    ".npz": _open_npz,
    ".safetensors": _open_safetensors,
    ".parquet": _open_parquet,
}


@contextlib.contextmanager
def open_arrays(path: Path, key_column: str | None = None) -> Iterator[ArrayFile]:
    """Return a context manager that opens a file of arrays, whose format is told by its suffix.

    Parameters
    ----------
    path : Path
        A .npy, .npz, .safetensors or .parquet file.
    key_column : str or None
        Column of a parquet table that names the clip of each row, beside ``path`` and ``file_name``.

    Raises
    ------
    RowsError
        If it cannot be read, or has another suffix; also while it is open.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/clips.npz", **{"jazz/1": np.zeros((3, 2)), "jazz/2": np.ones(2)})
    ...     with open_arrays(Path(folder, "clips.npz")) as arrays:
    ...         arrays.names, arrays.read("jazz/2")
    (('jazz/1', 'jazz/2'), array([1., 1.]))
    """
    path = find_path(path)
    _check_readable(path)
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        raise RowsError("not_rows", f"is {path.name!r}; expected a file of {', '.join(OPENERS)}")
    keys = KEY_COLUMNS if key_column is None else (key_column, *KEY_COLUMNS)
    with contextlib.ExitStack() as stack:
        with _refused(path):
            arrays = stack.enter_context(opener(path, keys))
        yield CheckedFile(path, arrays)


class CheckedFile:
    """An array file of which whatever is wrong is a RowsError.

    Parameters
    ----------
    path : Path
        The file.
    arrays : ArrayFile
        What reads it.
    """

    def __init__(self, path: Path, arrays: ArrayFile) -> None:
        self._path, self._arrays = path, arrays
        self.names = arrays.names

    def read(self, name: str) -> Numbers:
        """Return the array of a name.

        Parameters
        ----------
        name : str
            One of ``names``.

        Raises
        ------
        RowsError
            If it cannot be read, or holds no numbers.
        """
        with _refused(self._path):
            return self._arrays.read(name)


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Raise RowsError in place of whatever a library raises at a damaged file."""
    try:
        yield
    except RowsError:
        raise
    except MemoryError as error:
        raise RowsError("too_large", "takes more memory than there is; divide it") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise RowsError("unreadable", f"cannot be read ({error.strerror or error})") from error
        raise RowsError("damaged", f"cannot be read as {path.suffix} ({error!s:.200}); make it again") from error


def only_array(arrays: ArrayFile) -> Numbers:
    """Return the array of a file that is of one clip: its only one, or that called ``rows``.

    Parameters
    ----------
    arrays : ArrayFile
        The file, opened.

    Raises
    ------
    RowsError
        If there are several others.
    """
    if len(arrays.names) == 1:
        return arrays.read(arrays.names[0])
    if "rows" in arrays.names:
        return arrays.read("rows")
    found = some_names(arrays.names) if arrays.names else "none"
    raise RowsError("not_rows", f"holds {len(arrays.names)} arrays ({found}); expected one, or one called 'rows'")


def _check_readable(path: Path) -> None:
    """Raise RowsError where a file is not there, is no regular one, is empty or may not be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RowsError("not_a_file", "is no regular file; name one")
        if not status.st_size:
            raise RowsError("empty", "has no bytes; make it again")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise RowsError("vanished", "is not there; check the path") from error
    except OSError as error:
        raise RowsError("unreadable", f"cannot be read ({error.strerror}); check its permissions") from error


def _npy_header(handle: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order of axes (whether Fortran's) and type of the array in a .npy file."""
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(handle, max_header_size=MAX_HEADER)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(handle, max_header_size=MAX_HEADER)
    raise RowsError("not_rows", f"has the format {version[0]}.{version[1]} of records; expected an array of numbers")


def _check_npy(shape: tuple[int, ...], dtype: np.dtype[Any], n_left: int) -> int:
    """Return the bytes of an array; raise RowsError where it holds no numbers, or more of them than its file."""
    if dtype.hasobject:
        raise RowsError("not_rows", "holds Python objects, which are never unpickled; save an array of numbers")
    if dtype.kind not in "fiub":
        raise RowsError("not_rows", f"holds {dtype}; expected real numbers")
    if min(shape, default=0) < 0:
        raise RowsError("damaged", f"is no array: its header tells of the shape {shape}")
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > n_left:
        raise RowsError("damaged", f"is cut short: its header tells of {n_bytes} bytes, and {n_left} are left")
    return n_bytes


def _too_large(n_bytes: int) -> RowsError:
    """Return the error for an array that is too large."""
    return RowsError("too_large", f"takes {in_units(n_bytes)}; expected at most {in_units(ARRAY_BYTES)} for one clip")
