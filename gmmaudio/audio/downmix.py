"""Mixing of channels to mono, where the mean would lose the sound or its level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gmmaudio.audio.formats import AudioNote, Samples

# channels whose mean is this much weaker than the mean of independent channels of their level cancel (10 dB)
CANCELLING_RATIO = 0.1
# a channel this much weaker than the strongest has no sound of its own (40 dB)
SILENT_RATIO = 1e-4
LOW_BAND_HZ = 1_000
# a larger magnitude could overflow float32 when squared and summed
MAX_SQUARED = 1e9
# below this share of the power, a constant offset would leave rounding errors
MIN_CENTRED_SHARE = 1e-3

Matrix = npt.NDArray[np.float64]


@dataclass
class Downmix:
    """The mixing of the blocks of a file to mono, each by the channels that sound in it.

    Parameters
    ----------
    sample_rate_hz : int
        Samples per second.
    lfe_channels : sequence of int
        Indices of the channels for low-frequency effects, which are left out beside others.

    Attributes
    ----------
    seconds : dict of str to float
        Duration of the blocks for each code of a note.

    Examples
    --------
    >>> tone = np.sin(np.arange(8_000, dtype=np.float32))
    >>> downmix = Downmix(8_000)
    >>> (mono,) = downmix.mix([np.stack([tone, -tone], axis=1)])
    >>> bool((mono == tone).all()), downmix.notes()[0].text
    (True, 'the channels cancel in 1.00 s: the loudest is used there, not their mean')
    """

    sample_rate_hz: int
    lfe_channels: Sequence[int] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    def mix(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the mono samples of every block.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (n, n_channels), float32
            Finite samples.

        Yields
        ------
        ndarray, shape (n,), float32
            The mean of the channels that sound, or the loudest channel where they cancel.
        """
        for block in blocks:
            for part in _split_where_channels_cancel(block, self.sample_rate_hz, self.lfe_channels):
                mono, code = mix_block(part, self.sample_rate_hz, self.lfe_channels)
                if code is not None:
                    self.seconds[code] = self.seconds.get(code, 0.0) + len(part) / self.sample_rate_hz
                yield mono

    def notes(self) -> list[AudioNote]:
        """Return the notes of the blocks that were mixed in another way than by the mean of all channels."""
        texts = {
            "channels_cancel": "the channels cancel in {:.2f} s: the loudest is used there, not their mean",
            "silent_channels": "not all channels have sound in {:.2f} s: the mean is of those that have",
        }
        return [AudioNote(code, texts[code].format(seconds), seconds) for code, seconds in self.seconds.items()]


def mix_block(block: Samples, sample_rate_hz: int, lfe_channels: Sequence[int] = ()) -> tuple[Samples, str | None]:
    """Return the mono samples of a block, and the code of a note where they are not the mean of its channels.

    Parameters
    ----------
    block : ndarray, shape (n, n_channels), float32
        Finite samples.
    sample_rate_hz : int
        Samples per second.
    lfe_channels : sequence of int
        Indices of channels to leave out where others sound.

    Returns
    -------
    mono : ndarray, shape (n,), float32
        Mono samples.
    code : str or None
        ``channels_cancel``, ``silent_channels`` or None.

    References
    ----------
    For independent channels of equal power P, the mean of n channels has the power P / n; for equal channels P, and for
    channels of opposite sign 0.

    Examples
    --------
    >>> tone = np.sin(np.arange(8_000, dtype=np.float32))
    >>> mono, code = mix_block(np.stack([tone, 0 * tone], axis=1), 8_000)
    >>> bool((mono == tone).all()), code
    (True, 'silent_channels')
    """
    n_channels = block.shape[1]
    if n_channels == 1 or len(block) == 0:
        return _mean(block, range(n_channels)), None
    covariance = _covariance(block)
    power = covariance.diagonal()
    full_range = [index for index in range(n_channels) if index not in lfe_channels] or list(range(n_channels))
    strongest = max(full_range, key=lambda index: power[index])
    sounding = [index for index in full_range if power[index] > SILENT_RATIO * power[strongest]] or full_range
    if len(sounding) > 1:
        # codecs that store one signal for the high frequencies keep the signs of the low ones only
        low = _covariance(_low_band(block, sample_rate_hz))
        if _cancel(covariance, sounding) or _cancel(low, sounding):
            return np.ascontiguousarray(block[:, strongest]), "channels_cancel"
    return _mean(block, sounding), None if sounding == full_range else "silent_channels"


def _split_where_channels_cancel(block: Samples, sample_rate_hz: int, lfe_channels: Sequence[int]) -> list[Samples]:
    """Return a block, or its parts where the channels cancel in some seconds and not in others."""
    full_range = [index for index in range(block.shape[1]) if index not in lfe_channels]
    if len(full_range) < 2:
        return [block]
    seconds = [_covariance(block[start : start + sample_rate_hz]) for start in range(0, len(block), sample_rate_hz)]
    loudest = max((float(covariance.diagonal()[full_range].max()) for covariance in seconds), default=0.0)
    cancelling = [
        covariance.diagonal()[full_range].max() > SILENT_RATIO * loudest and _cancel(covariance, full_range)
        for covariance in seconds
    ]
    changes = [index for index, (one, other) in enumerate(pairwise(cancelling), 1) if one != other]
    return np.split(block, [index * sample_rate_hz for index in changes])


def _cancel(covariance: Matrix, channels: Sequence[int]) -> bool:
    """Return whether the mean of some channels is far weaker than that of independent channels would be."""
    mean_power = covariance[np.ix_(channels, channels)].mean()
    independent_power = covariance.diagonal()[channels].mean() / len(channels)
    return bool(mean_power < CANCELLING_RATIO * independent_power)


def _low_band(block: Samples, sample_rate_hz: int) -> Samples:
    """Return a block below about 1 kHz, as sums of consecutive samples."""
    n_joined, n_channels = max(1, sample_rate_hz // (2 * LOW_BAND_HZ)), block.shape[1]
    n = len(block) // n_joined
    if n < 2:
        return block
    # as one matrix product: strided additions take ten times as long
    weights = np.tile(np.eye(n_channels, dtype=np.float32), (n_joined, 1))
    low: Samples = block[: n * n_joined].reshape(n, n_joined * n_channels) @ weights
    return low


def _covariance(block: Samples) -> Matrix:
    """Return the covariance of the channels, shape (n_channels, n_channels), up to a common factor."""
    peak = float(np.abs(block).max(initial=0.0))
    if peak > MAX_SQUARED:
        block = block / np.float32(peak)
    n = len(block)
    # matrix products in float32 take a tenth of the time of reductions along the first axis
    product = (block.T @ block).astype(np.float64) / n
    means = (np.ones(n, dtype=np.float32) @ block).astype(np.float64) / n
    covariance: Matrix = product - np.outer(means, means)
    if (covariance.diagonal() < MIN_CENTRED_SHARE * product.diagonal()).any():
        centred = block - block.mean(axis=0, dtype=np.float64)
        covariance = centred.T @ centred / n
    return covariance


def _mean(block: Samples, channels: Sequence[int]) -> Samples:
    """Return the mean of some channels, rounded once."""
    if len(channels) == 1:
        return np.ascontiguousarray(block[:, channels[0]])
    if len(channels) == 2:
        # the sum of two float32 rounds once, and half of it is exact: the same bits as by float64
        pair: Samples = (block[:, channels[0]] + block[:, channels[1]]) * np.float32(0.5)
        return pair
    chosen = block if len(channels) == block.shape[1] else block[:, channels]
    mono: Samples = chosen.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mono
