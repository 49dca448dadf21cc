"""All indices but a few, in the memory of the few: the training side of a fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class AllBut(Sequence[int]):
    """The indices 0 to n - 1 without some of them, sorted; equal to the tuple of the same numbers.

    Parameters
    ----------
    n : int
        Number of items.
    left_out : frozenset of int
        Indices that are left out, each 0 to n - 1.

    Examples
    --------
    >>> kept = AllBut(4, frozenset({1}))
    >>> kept, len(kept), 1 in kept, kept == (0, 2, 3)
    ((0, 2, 3), 3, False, True)
    """

    n: int
    left_out: frozenset[int]

    def __len__(self) -> int:
        return self.n - len(self.left_out)

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int | np.integer) and 0 <= int(index) < self.n and index not in self.left_out

    def __iter__(self) -> Iterator[int]:
        return (i for i in range(self.n) if i not in self.left_out)

    @overload
    def __getitem__(self, position: int) -> int: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[int, ...]: ...

    def __getitem__(self, position: int | slice) -> int | tuple[int, ...]:
        return tuple(self)[position]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, AllBut | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
