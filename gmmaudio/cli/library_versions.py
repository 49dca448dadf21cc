"""The versions of this program and of its libraries, read without importing them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator

from gmmaudio import __version__

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
# extras of those who work on this package
OF_DEVELOPERS = ("browser", "demo", "dev", "docs", "test")
# where soundfile's packages have libsndfile
LIBRARIES = "_soundfile_data"


def version_text() -> str:
    """Return the versions, as a report of a bug needs them.

    Examples
    --------
    >>> version_text().split(",")[0]
    'gmmaudio'
    """
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    installed, missing = [], []
    for name, extra in _requirements():
        version = _installed_version(name)
        if version is not None:
            installed.append(f"{name} {version}")
        elif extra:
            missing.append(f"{name} ({extra})")
    sndfile = _libsndfile_version()
    lines = [f"gmmaudio, version {__version__}", system, ", ".join([*installed, *([sndfile] if sndfile else [])])]
    if missing:
        lines.append(f"not installed (extra): {', '.join(missing)}")
    return "\n".join(lines)


def _requirements() -> Iterator[tuple[str, str]]:
    """Yield the name of each library that this package can use, and the extra that installs it, if it is of one."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("gmmaudio") or []
    except PackageNotFoundError:
        return
    seen: set[str] = set()
    for line in lines:
        name, extra = NAME.match(line), EXTRA.search(line)
        of_extra = extra[1] if extra else ""
        if name is None or name[0] in {"gmmaudio", *seen} or of_extra in OF_DEVELOPERS:
            continue
        seen.add(name[0])
        yield name[0], of_extra


def _installed_version(name: str) -> str | None:
    """Return the version of a library; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _libsndfile_version() -> str | None:
    """Return name and version of the libsndfile that soundfile brings; None where it uses that of the system."""
    import ctypes
    import importlib.util
    from pathlib import Path

    found = importlib.util.find_spec(LIBRARIES)
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        for path in sorted(Path(folder).glob("libsndfile*")):
            try:
                say = ctypes.CDLL(str(path)).sf_version_string
            except (OSError, AttributeError):
                continue  # of another processor
            say.restype = ctypes.c_char_p
            return str(say().decode("ascii", "replace")).replace("-", " ", 1)
    return None
