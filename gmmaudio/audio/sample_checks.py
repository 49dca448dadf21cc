"""Samples from a caller, checked before they are degraded or encoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import refuse_masked
from gmmaudio.audio.formats import MAX_RATE_HZ, MIN_RATE_HZ, Samples
from gmmaudio.errors import SettingError

# a larger magnitude overflows in float32
MAX_MAGNITUDE = 1e30


def checked_samples(samples: Samples, sr: int = MIN_RATE_HZ) -> Samples:
    """Return a copy of mono samples in float32.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1.
    sr : int
        Sample rate, hertz, 4,000 to 384,000.

    Returns
    -------
    ndarray, shape (n,), float32
        The copy.

    Raises
    ------
    SettingError
        If the samples are not mono, floating and finite, or the rate is out of bounds.

    Examples
    --------
    >>> checked_samples(np.array([0.5, -1.0]))
    array([ 0.5, -1. ], dtype=float32)
    """
    if not MIN_RATE_HZ <= sr <= MAX_RATE_HZ:
        raise SettingError(f"sr is {sr}; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    refuse_masked(samples, "samples must be real numbers", SettingError)
    array: npt.NDArray[np.generic] = np.asarray(samples)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
        raise SettingError(
            f"samples have shape {array.shape} and type {array.dtype}; expected (n,) floating, full scale -1 to 1: "
            "average channels, and divide integers by their full scale"
        )
    if not (np.abs(samples) < MAX_MAGNITUDE).all():
        raise SettingError(f"samples are not all finite and below {MAX_MAGNITUDE:g}; full scale is -1 to 1")
    return np.array(samples, dtype=np.float32)
