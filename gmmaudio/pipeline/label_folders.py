"""Names of folders for labels, which may hold anything: safe on every system, and different for all labels."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence

from gmmaudio.names import normal

# what Windows, macOS or Unix do not allow in a name, and what drives a terminal
UNSAFE = re.compile(r'[/\\:*?"<>|]')
RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
LONGEST_BYTES = 120
# of the name of a file, on most systems
MOST_BYTES = 255
REPLACEMENT = "_"


def folder_name(label: str) -> str:
    r"""Return the name of a folder for a label: in NFC, without what some systems do not allow.

    Parameters
    ----------
    label : str
        Any text.

    References
    ----------
    Microsoft, "Naming Files, Paths, and Namespaces", https://learn.microsoft.com/windows/win32/fileio/naming-a-file.

    Examples
    --------
    >>> folder_name("Drum & Bass"), folder_name("AC/DC"), folder_name(".."), folder_name("nul"), folder_name("a. ")
    ('Drum & Bass', 'AC_DC', '_', 'nul_', 'a')
    """
    plain = "".join(REPLACEMENT if _is_invisible(c) else c for c in UNSAFE.sub(REPLACEMENT, normal(label)))
    plain = plain.strip().rstrip(". ")
    if plain.startswith("."):
        plain = REPLACEMENT + plain.lstrip(".")
    if RESERVED.fullmatch(plain):
        plain += REPLACEMENT
    return _shortened(plain).rstrip(". ") or REPLACEMENT


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """Return the name of a folder for every label; two labels never share one, in whatever case.

    Parameters
    ----------
    labels : sequence of str
        All labels of a model, in its order, so that a label has one name in every run.

    Examples
    --------
    >>> folder_names(["a/b", "a_b", "A_B", "jazz"])
    {'a/b': 'a_b', 'a_b': 'a_b (2)', 'A_B': 'A_B (3)', 'jazz': 'jazz'}
    """
    taken: set[str] = set()
    names = {}
    for label in labels:
        names[label] = next(name for name in numbered(folder_name(label)) if name_key(name) not in taken)
        taken.add(name_key(names[label]))
    return names


def numbered(stem: str, suffix: str = "") -> Iterator[str]:
    """Yield a name, and the same with numbers from 2 on, before which a long name is shortened.

    Parameters
    ----------
    stem, suffix : str
        What stands before and after the number.

    Yields
    ------
    str
        ``stem``, ``stem (2)``, ``stem (3)``, ...

    Examples
    --------
    >>> names = numbered("01", ".mp3")
    >>> next(names), next(names)
    ('01.mp3', '01 (2).mp3')
    """
    yield f"{stem}{suffix}"
    i = 2
    while True:
        yield _fitting(stem, f" ({i}){suffix}")
        i += 1


def name_key(name: str) -> str:
    """Return the form in which two names are one on systems that do not tell case or composition apart.

    Parameters
    ----------
    name : str
        Name of a file or folder.

    Examples
    --------
    >>> name_key("Jazz.MP3")
    'jazz.mp3'
    """
    return normal(normal(name).casefold())


def _is_invisible(c: str) -> bool:
    """Return whether a character does not print, or is half of one."""
    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _fitting(stem: str, end: str) -> str:
    """Return a name with the given end, its beginning cut to whole characters where a system would refuse it."""
    while len(stem) > 1 and len(os.fsencode(stem + end)) > MOST_BYTES:
        stem = stem[:-1]
    return stem + end


def _shortened(name: str) -> str:
    """Return the beginning of a name, of whole characters."""
    return name.encode("utf-8")[:LONGEST_BYTES].decode("utf-8", "ignore")
