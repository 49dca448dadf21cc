"""The mel bands of a front end: triangles on Slaney's scale, of equal area."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Slaney's scale is linear up to 1,000 Hz: 15 mel. From there on, 27 mel are a factor of 6.4.
LINEAR_STEP_HZ = 200.0 / 3
LINEAR_END_HZ, LINEAR_END_MEL = 1000.0, 1000.0 / LINEAR_STEP_HZ
LOG_STEP = np.log(6.4) / 27.0


def mel_bank(sample_rate_hz: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float) -> npt.NDArray[np.float32]:
    """Return the weight of each bin of a spectrum in each mel band, shape (n_mels, n_fft // 2 + 1).

    The same bits as ``librosa.filters.mel``, without librosa, which takes a second to import.

    Parameters
    ----------
    sample_rate_hz : int
        Sample rate, hertz.
    n_fft : int
        Length of the FFT, samples.
    n_mels : int
        Number of bands.
    fmin_hz, fmax_hz : float
        Lower edge of the first band and upper edge of the last, hertz.

    Warns
    -----
    UserWarning
        If a band is so narrow that no bin is in it.

    References
    ----------
    Slaney, "Auditory Toolbox, version 2", Technical Report 1998-010, Interval Research Corporation (1998).

    Examples
    --------
    >>> bank = mel_bank(22050, 2048, 4, 0.0, 11025.0)
    >>> (bank * np.fft.rfftfreq(2048, 1 / 22050)).sum(axis=1) / bank.sum(axis=1) > [400, 1000, 2000, 4000]
    array([ True,  True,  True,  True])
    """
    edges = _to_hz(np.linspace(_to_mel(fmin_hz), _to_mel(fmax_hz), n_mels + 2))
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate_hz)
    ramps, widths = np.subtract.outer(edges, bins_hz), np.diff(edges)[:, None]
    rising, falling = -ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]
    bank: npt.NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    bank *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    if not ((edges[:-2] == 0) | (bank.max(axis=1) > 0)).all():
        warnings.warn(
            "Empty filters detected in the mel bands: no bin is in some of them; use fewer bands (`n_mels`) or more "
            "samples a second",
            stacklevel=2,
        )
    return bank


def _to_mel(frequency_hz: float) -> float:
    """Return a frequency on Slaney's scale."""
    if frequency_hz < LINEAR_END_HZ:
        return frequency_hz / LINEAR_STEP_HZ
    return float(LINEAR_END_MEL + np.log(frequency_hz / LINEAR_END_HZ) / LOG_STEP)


def _to_hz(mel: Floats) -> Floats:
    """Return frequencies of Slaney's scale in hertz."""
    frequency_hz: Floats = LINEAR_STEP_HZ * mel
    is_log = mel >= LINEAR_END_MEL
    frequency_hz[is_log] = LINEAR_END_HZ * np.exp(LOG_STEP * (mel[is_log] - LINEAR_END_MEL))
    return frequency_hz
