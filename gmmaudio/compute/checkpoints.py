"""Checkpoints of a run: results of its parts under keys, by which a run that was killed goes on.

A key holds all that a result depends on, so that what is read is what would be computed, to the bit. Whether a result
is kept may depend on the time that it took.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import GmmaudioError

Result = TypeVar("Result")
Arrays = Mapping[str, npt.NDArray[Any]]
Record = Mapping[str, Any]

# results that take less are computed again: an entry of a store takes a few milliseconds
LEAST_S = 0.2
# what a function raises that is given other arrays or another record than it made
UNUSABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, GmmaudioError)


class Checkpoints(Protocol):
    """A place that keeps arrays and plain values under keys, for a run that is started again.

    What is lost or damaged costs its computation: neither method raises for that.
    """

    def read(self, key: Mapping[str, Any]) -> tuple[Arrays, Record] | None:
        """Return the arrays and the record under a key; None where there are none.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.
        """

    def write(self, key: Mapping[str, Any], arrays: Arrays, record: Record) -> None:
        """Keep arrays and a record under a key.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.
        arrays : mapping of str to ndarray
            Numbers; those of :meth:`read` must have the same bits and the same order in memory.
        record : mapping of str to Any
            Plain values, as JSON holds them; floats keep their bits.
        """


def recall(
    checkpoints: Checkpoints | None, key: Mapping[str, Any], restore: Callable[[Arrays, Record], Result]
) -> Result | None:
    """Return the result that is kept under a key; None where there is none, or none that is usable.

    Parameters
    ----------
    checkpoints : Checkpoints or None
        Where results are kept; None keeps none.
    key : mapping of str to Any
        All that the result depends on, as plain values.
    restore : callable
        Arrays and record -> result.

    Examples
    --------
    >>> recall(None, {"fold": 1}, lambda arrays, record: record) is None
    True
    """
    kept = None if checkpoints is None else checkpoints.read(key)
    if kept is None:
        return None
    try:
        return restore(*kept)
    except UNUSABLE:
        return None


def resume(
    checkpoints: Checkpoints | None,
    key: Mapping[str, Any],
    compute: Callable[[], Result],
    describe: Callable[[Result], tuple[Arrays, Record]],
    restore: Callable[[Arrays, Record], Result],
    *,
    least_s: float | None = None,
) -> Result:
    """Return the result that is kept under a key, or compute it and keep it.

    Parameters
    ----------
    checkpoints : Checkpoints or None
        Where results are kept; None keeps none.
    key : mapping of str to Any
        All that the result depends on, as plain values.
    compute : callable
        Returns the result.
    describe : callable
        Result -> arrays and record.
    restore : callable
        Arrays and record -> result, to the bit.
    least_s : float, optional
        Seconds of a computation whose result is kept, at least. Default: ``LEAST_S``.

    Examples
    --------
    >>> class InMemory(dict):
    ...     def read(self, key):
    ...         return self.get(str(key))
    ...     def write(self, key, arrays, record):
    ...         self[str(key)] = arrays, record
    >>> kept = InMemory()
    >>> def total(numbers):
    ...     return resume(
    ...         kept, {"sum of": numbers}, lambda: sum(numbers),
    ...         lambda n: ({}, {"n": n}), lambda arrays, record: record["n"], least_s=0.0,
    ...     )
    >>> total([1, 2]), list(kept.values()), total([1, 2])
    (3, [({}, {'n': 3})], 3)
    """
    known = recall(checkpoints, key, restore)
    if known is not None:
        return known
    began_s = time.perf_counter()
    result = compute()
    if checkpoints is not None and time.perf_counter() - began_s >= (LEAST_S if least_s is None else least_s):
        checkpoints.write(key, *describe(result))
    return result


def digest_of(*values: Any) -> str:
    """Return the SHA-256 of arrays and plain values, in hexadecimal.

    Parameters
    ----------
    *values : ndarray or Any
        Arrays, whose types and shapes count too, and plain values, as JSON holds them.

    Examples
    --------
    >>> digest_of(np.arange(2), "a") == digest_of(np.arange(2), "a"), digest_of([1, 2]) == digest_of([2, 1])
    (True, False)
    """
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.str} {value.shape} ".encode())
            digest.update(value.tobytes())
        else:
            digest.update(json.dumps(value, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
