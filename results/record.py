"""One file of results: the numbers that a command measured, and with what they were measured."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
FORMAT = 1
PACKAGES = ("numpy", "scipy", "librosa", "scikit-learn")


@dataclass(frozen=True)
class Record:
    """What a command measured.

    Parameters
    ----------
    name : str
        The file's name without its suffix.
    title : str
        What was measured, in one line.
    command : str
        What makes the file again, run at the root of the repository; its first word is ``python``.
    date : str
        Day of the measurement, ISO 8601, UTC.
    versions : mapping of str to str
        Version of each package by its name, and of Python.
    machine : mapping of str to str or int
        System, architecture, processor and number of cores.
    protocol : str
        What was split by which group, and how it was measured.
    rows : sequence of mapping
        The numbers, as plain values.
    format : int
        Version of this form.
    """

    name: str
    title: str
    command: str
    date: str
    versions: Mapping[str, str]
    machine: Mapping[str, str | int]
    protocol: str
    rows: Sequence[Mapping[str, Any]]
    format: int = FORMAT


def make_record(
    name: str, title: str, protocol: str, rows: Sequence[Mapping[str, Any]], packages: Sequence[str] = ()
) -> Record:
    """Return the record of rows that the running command has just measured.

    Parameters
    ----------
    name : str
        Name of the file.
    title : str
        What was measured.
    protocol : str
        How it was measured.
    rows : sequence of mapping
        The numbers.
    packages : sequence of str
        Packages that took part, beside this one and those in ``PACKAGES``.
    """
    today = datetime.now(UTC).date().isoformat()
    return Record(name, title, current_command(), today, versions(packages), machine(), protocol, list(rows))


def current_command() -> str:
    """Return the command that runs, as it is typed at the root of the repository."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = spec.name if spec is not None else Path(sys.argv[0]).stem
    return shlex.join(["python", "-m", module, *sys.argv[1:]])


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return the version of Python, of gmmaudio and of packages.

    Parameters
    ----------
    packages : sequence of str
        Packages beside those in ``PACKAGES``; those that are not installed are left out.
    """
    import gmmaudio

    installed = {"python": platform.python_version(), "gmmaudio": gmmaudio.__version__}
    for package in (*PACKAGES, *packages):
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def machine() -> dict[str, str | int]:
    """Return the system, architecture, processor and number of cores, on which measured times depend."""
    facts: dict[str, str | int] = {"system": platform.system(), "architecture": platform.machine()}
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [line.partition(":")[2].strip() for line in cpu.read_text().splitlines() if "model name" in line]
        facts |= {"processor": names[0]} if names else {}
    return facts | {"cores": os.cpu_count() or 1}


def write_record(record: Record, folder: Path = FOLDER) -> Path:
    """Return the file that a record was written to.

    Parameters
    ----------
    record : Record
        What to write.
    folder : Path
        Made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.name}.json"
    text = json.dumps(asdict(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def read_record(path: Path) -> Record:
    """Return the record in a file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ValueError
        If it is missing, not JSON, of another format, or lacks a field.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing; run the command that writes it") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from error
    expected = {field.name for field in fields(Record)}
    if not isinstance(content, dict) or set(content) != expected:
        raise ValueError(f"{path.name}: expected an object with the fields {', '.join(sorted(expected))}")
    if content["format"] != FORMAT or content["name"] != path.stem:
        raise ValueError(
            f"{path.name}: expected format {FORMAT} and name {path.stem!r}, "
            f"got {content['format']!r} and {content['name']!r}"
        )
    return Record(**content)


def read_all(folder: Path = FOLDER) -> list[Record]:
    """Return the records of a folder, by name."""
    return [read_record(path) for path in sorted(folder.glob("*.json"))]
