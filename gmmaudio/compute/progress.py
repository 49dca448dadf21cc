"""How a long stage shows its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
# Shows progress: takes the results, their number and what is being done, and yields them on.
Progress = Callable[[Iterable[T], int, str], Iterable[T]]


def quiet(results: Iterable[T], _total: int, _doing: str) -> Iterable[T]:
    """Return the results as they are: no progress is shown."""
    return results
