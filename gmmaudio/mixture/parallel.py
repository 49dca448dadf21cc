"""The settings of a fit that say where its blocks of rows are worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gmmaudio.compute import count_jobs
from gmmaudio.errors import SettingError

# An order-preserving map: the builtin, or that of a pool of processes or a cluster.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def count_threads(n_threads: int) -> int:
    """Return the number of threads for a setting ``n_threads``.

    Parameters
    ----------
    n_threads : int
        A number >= 1, or -1 for one thread for each core.

    Raises
    ------
    SettingError
        If it is anything else.

    Examples
    --------
    >>> count_threads(3)
    3
    """
    whole = isinstance(n_threads, int | np.integer) and not isinstance(n_threads, bool)
    if not whole or (n_threads < 1 and n_threads != -1):
        raise SettingError(f"n_threads is {n_threads!r}; expected 1 or more, or -1 for one on each core")
    return count_jobs(int(n_threads))
