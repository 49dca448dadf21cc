"""Manifests of one JSON object on each line, compressed or not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.files import TABLE_BYTES, in_units, open_limited
from gmmaudio.json_text import from_json
from gmmaudio.text_tables import decode_text


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line, from 1, and its object; empty lines are skipped.

    Parameters
    ----------
    path : Path
        A file of JSON lines; one whose name ends in ``.gz`` is decompressed, up to 512 MiB.

    Raises
    ------
    CorpusError
        If it cannot be read, or a line is no object; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "m.jsonl").write_text('{"file_name": "a.wav"}')
    ...     list(read_json_lines(Path(folder, "m.jsonl")))
    [(1, {'file_name': 'a.wav'})]
    """
    try:
        text = decode_text(_read(path))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not a UTF-8 text; expected one JSON object on each line") from error
    except (ReadError, EOFError, OSError, zlib.error) as error:
        reason = error if isinstance(error, ReadError) else f"{path}: is cut short or no gzip file ({error})"
        raise CorpusError(f"{reason}; expected one JSON object on each line") from error
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            value = from_json(content)
        except ValueError as error:
            raise CorpusError(f"{path}, line {line}: is no JSON ({error}); expected one object on each line") from error
        if not isinstance(value, dict):
            raise CorpusError(f"{path}, line {line}: is no JSON object; expected one on each line")
        yield line, value


def _read(path: Path) -> bytes:
    """Return the bytes of a file, decompressed where it is called so."""
    with open_limited(path, TABLE_BYTES) as handle:
        if path.suffix.lower() != ".gz":
            return handle.read()
        with gzip.GzipFile(fileobj=handle) as unpacked:
            data = unpacked.read(TABLE_BYTES + 1)
    if len(data) > TABLE_BYTES:
        raise ReadError(f"{path}: holds more than {in_units(TABLE_BYTES)}")
    return data
