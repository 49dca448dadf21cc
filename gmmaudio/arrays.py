"""Arrays from callers: real numbers, with masked values honoured or refused.

``numpy.asarray`` ignores the mask of a masked array, and casts complex numbers and dates to floats. Functions that
take arrays from a caller read them with :func:`as_numbers` instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

# kinds of types that a cast would turn into other numbers: complex, durations, dates, records
NO_REAL_NUMBERS = "cmMV"


def as_numbers(values: Any, expected: str, error: type[Exception], *, missing: bool = False) -> npt.NDArray[Any]:
    """Return real numbers as an array, cast to float64 only where their dtype is not numeric.

    Parameters
    ----------
    values : array_like
        Numbers; a data frame or a nested sequence may hold missing values too.
    expected : str
        Start of the message of an error, such as ``"scores must be real numbers"``.
    error : type
        Exception to raise.
    missing : bool
        Whether masked values become NaN; otherwise they are refused.

    Returns
    -------
    ndarray
        Of integers, booleans or floats, without a copy where the values are such an array already. An array with
        masked values becomes float32 where it is float32, float64 otherwise.

    Raises
    ------
    error
        If they are no real numbers, are a sparse matrix, or some are masked and ``missing`` is false.

    Examples
    --------
    >>> as_numbers([1, 2], "scores must be real numbers", ValueError)
    array([1, 2])
    >>> as_numbers(np.ma.masked_less([1, -2], 0), "rows must be real numbers", ValueError, missing=True)
    array([ 1., nan])
    """
    if not missing:
        refuse_masked(values, expected, error)
    try:
        _check_kind(values)
        values = fill_masked(values) if has_masked(values) else values
        numbers = np.asarray(values)
        if numbers.dtype.kind not in "fiub":
            numbers = _cast(values, numbers)
    except (OverflowError, TypeError, ValueError) as problem:
        raise error(f"{expected}; {problem}") from problem
    return numbers


def is_masked_array(values: Any) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Return True for a masked array; their module is imported for arrays of a subclass only.

    Parameters
    ----------
    values : object
        Any value.

    Examples
    --------
    >>> is_masked_array(np.ma.masked_array([1.0])), is_masked_array(np.ones(1))
    (True, False)
    """
    is_of_subclass = isinstance(values, np.ndarray) and type(values) is not np.ndarray
    return is_of_subclass and isinstance(values, np.ma.MaskedArray)


def has_masked(values: Any) -> bool:
    """Return whether a masked array, or a sequence of such arrays or of their values, has a masked value.

    Parameters
    ----------
    values : array_like
        Of any dtype.

    Examples
    --------
    >>> has_masked([[1.0, np.ma.masked]]), has_masked(np.ma.masked_array([1.0]))
    (True, False)
    """
    if is_masked_array(values):
        mask: npt.NDArray[Any] = np.ma.getmaskarray(values)
        # the mask of a record array has a flag for each of its fields
        return any(bool(mask[name].any()) for name in mask.dtype.names) if mask.dtype.names else bool(mask.any())
    if isinstance(values, np.ndarray) and values.dtype == object:
        values = values.tolist()
    return isinstance(values, list | tuple) and any(has_masked(item) for item in values)


def refuse_masked(values: Any, expected: str, error: type[Exception]) -> None:
    """Raise an error for values of which some are masked.

    Parameters
    ----------
    values : array_like
        Of any dtype.
    expected : str
        Start of the message, such as ``"groups must be one label for each row"``.
    error : type
        Exception to raise.

    Raises
    ------
    error
        If a value is masked.

    Examples
    --------
    >>> refuse_masked(np.ma.masked_array([1.0]), "samples must be real numbers", ValueError)
    """
    if has_masked(values):
        raise error(f"{expected}; some are masked: leave them out, or replace them by numbers")


def dtypes_of(values: Any) -> tuple[Any, ...]:
    """Return the type of an array or a series, or that of each column of a data frame; empty for other values.

    Parameters
    ----------
    values : array_like
        Of numbers.

    Examples
    --------
    >>> dtypes_of(np.zeros(2)), dtypes_of([0.0])
    ((dtype('float64'),), ())
    """
    dtype, of_columns = getattr(values, "dtype", None), getattr(values, "dtypes", ())
    if dtype is not None:
        return (dtype,)
    return tuple(of_columns) if isinstance(of_columns, Iterable) else ()


def fill_masked(values: Any) -> Any:
    """Return values with NaN in place of masked ones, and everything else as it is.

    Parameters
    ----------
    values : array_like
        Of numbers.

    Examples
    --------
    >>> fill_masked(np.ma.masked_array([[1, 2]], [[True, False]]))
    array([[nan,  2.]])
    """
    if is_masked_array(values):
        mask, data = np.ma.getmaskarray(values), np.ma.getdata(values)
        if mask.dtype.names or not mask.any():
            return data
        kind = np.float32 if data.dtype == np.float32 else np.float64
        filled = data.astype(kind if data.dtype.kind in "fiub" else object)
        filled[mask] = np.nan
        return filled
    if isinstance(values, np.ndarray) and values.dtype == object and has_masked(values):
        values = values.tolist()
    return [fill_masked(item) for item in values] if isinstance(values, list | tuple) else values


def _check_kind(values: Any) -> None:
    """Raise TypeError for arrays that a cast would turn into other numbers, and for sparse matrices."""
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise TypeError(f"they are a sparse {type(values).__name__}: pass its toarray()")
    for dtype in dtypes_of(values):
        if getattr(dtype, "kind", "f") in NO_REAL_NUMBERS:
            raise TypeError(f"they are {dtype}")


def _cast(values: Any, array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return values whose array is not numeric as float64."""
    _check_kind(array)
    if array.dtype == object and hasattr(values, "to_numpy"):
        # the missing values of a data frame have a type of their own
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    if array.dtype == object:
        for item in array.flat:
            _check_kind(item)
    return np.asarray(values, dtype=np.float64)
