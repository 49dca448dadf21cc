"""Packages whose names are imported when they are first used, so that a command loads only what it runs.

A package's ``__init__`` lists its names twice: as imports for type checkers, and in the table of
:func:`import_on_use`. ``tests/test_lazy_names.py`` holds both lists against each other.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def import_on_use(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a package whose names are imported when they are first used.

    Parameters
    ----------
    package : str
        Full name of the package.
    modules : mapping of str to str
        Full name of each module, and the names taken from it, with spaces between.

    Returns
    -------
    (callable, callable)
        ``__getattr__`` and ``__dir__`` as PEP 562 describes them.

    Examples
    --------
    >>> find, names = import_on_use("gmmaudio.evaluation", {"gmmaudio.evaluation.records": "FailedInput Protocol"})
    >>> find("FailedInput").__name__
    'FailedInput'
    >>> find("Reprot")
    Traceback (most recent call last):
    AttributeError: module 'gmmaudio.evaluation' has no attribute 'Reprot'
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted(module_of)

    return find, names
