"""Headers of MPEG audio frames (mp3, mp2): formats, lengths of frames, and the side information of layer III."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gmmaudio.audio.containers.crc16 import compute_crc16

HEADER_SIZE = 4
# a header, its checksum and the longest side information
HEAD_SIZE = HEADER_SIZE + 2 + 32
# kbit/s by version (1 or 2) and layer
BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES_HZ = (44_100, 48_000, 32_000)
# the field of the version -> version and divisor of the rate
VERSIONS = {3: (1, 1), 2: (2, 2), 0: (2, 4)}
MAX_BIG_VALUES = 288


class MpegFormat(NamedTuple):
    """What all frames of a stream have in common.

    Parameters
    ----------
    version, layer : int
        1, or 2 for MPEG 2 and 2.5; 1 to 3.
    rate_hz : int
        Sample rate.
    is_mono : bool
        One channel, or two.
    bits : tuple of int
        The bits of the second and the third byte of a header that say so; of layers I and II, whose length is known by
        the bit rate only, with that.
    """

    version: int
    layer: int
    rate_hz: int
    is_mono: bool
    bits: tuple[int, int]

    @property
    def n_samples(self) -> int:
        """Samples of a frame."""
        if self.layer == 1:
            return 384
        return 576 if self.layer == 3 and self.version == 2 else 1_152

    @property
    def side_size(self) -> int:
        """Bytes of the side information of layer III."""
        return ((17, 32), (9, 17))[self.version - 1][not self.is_mono]


def read_format(header: bytes) -> MpegFormat | None:
    """Return the format that a header declares; None where it is no header, or leaves the bit rate open.

    Parameters
    ----------
    header : bytes
        Four bytes or more.

    Returns
    -------
    MpegFormat or None
        The format.

    References
    ----------
    ISO/IEC 11172-3 and 13818-3, section 2.4.1.3.

    Examples
    --------
    >>> read_format(bytes.fromhex("fffb9064"))
    MpegFormat(version=1, layer=3, rate_hz=44100, is_mono=False, bits=(26, 0))
    """
    if len(header) < HEADER_SIZE or header[0] != 0xFF or header[1] < 0xE0:
        return None
    version, layer, rate = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3), header[2] >> 2 & 3
    if version not in VERSIONS or layer == 4 or rate == 3 or header[2] >> 4 in (0, 15):
        return None
    number, divisor = VERSIONS[version]
    bits = header[1] & 0x1E, header[2] & (0x0C if layer == 3 else 0xFC)
    return MpegFormat(number, layer, RATES_HZ[rate] // divisor, header[3] >> 6 == 3, bits)


@cache
def frame_lengths(version: int, layer: int, rate_hz: int, bits: tuple[int, int]) -> list[int]:
    """Return the length of a frame for every pair of the second and the third byte of its header.

    Parameters
    ----------
    version, layer, rate_hz, bits
        As for :class:`MpegFormat`.

    Returns
    -------
    list of int
        Bytes, 0 for the headers of other formats.

    Examples
    --------
    >>> frame_lengths(1, 3, 44_100, (26, 0))[0xFB90]
    417
    """
    lengths = [0] * 65_536
    for index, kbit in enumerate(BIT_RATES[version, layer], 1):
        if bits[1] >> 4 not in (0, index):
            continue
        for free in range(4):
            padding = free >> 1
            if layer == 1:
                length = (12_000 * kbit // rate_hz + padding) * 4
            else:
                length = (72_000 if layer == 3 and version == 2 else 144_000) * kbit // rate_hz + padding
            for protection in range(2):
                first = 0xE0 | bits[0] | protection
                lengths[first << 8 | index << 4 | bits[1] & 0x0C | free] = length
    return lengths


def frame_duration_s(rate_hz: int) -> float:
    """Return the duration of an mp3 frame, seconds.

    Parameters
    ----------
    rate_hz : int
        Sample rate; up to 24,000 Hz the version is MPEG 2 or 2.5.

    Returns
    -------
    float
        The duration.

    Examples
    --------
    >>> frame_duration_s(44_100)
    0.026122448979591838
    """
    return (576 if rate_hz <= 24_000 else 1_152) / rate_hz


def find_bad_side_information(heads: npt.NDArray[np.uint8], format: MpegFormat) -> npt.NDArray[np.intp]:
    """Return the frames of layer III that no decoder can decode.

    Parameters
    ----------
    heads : ndarray, shape (n, HEAD_SIZE), uint8
        The first bytes of each frame.
    format : MpegFormat
        Their format.

    Returns
    -------
    ndarray, shape (n_bad,), int
        Indices of frames with more than 288 pairs of large values, or with the reserved kind of block.

    References
    ----------
    ISO/IEC 11172-3, sections 2.4.1.7 and 2.4.2.7; 13818-3, section 2.4.1.7.
    """
    has_checksum = (heads[:, 1] & 1) == 0
    side = np.where(has_checksum[:, None], heads[:, 6:], heads[:, 4:-2]).astype(np.int32)
    n_channels = 1 if format.is_mono else 2
    if format.version == 1:
        first, n_granules, size, at_window = (18 if format.is_mono else 20), 2 * n_channels, 59, 33
    else:
        first, n_granules, size, at_window = (9 if format.is_mono else 10), n_channels, 63, 38
    is_bad = np.zeros(len(heads), dtype=bool)
    for start in range(first, first + n_granules * size, size):
        is_bad |= _bits(side, start + 12, 9) > MAX_BIG_VALUES
        # a window is switched, to the kind that is reserved
        is_bad |= _bits(side, start + at_window, 3) == 0b100
    return np.flatnonzero(is_bad)


def _bits(rows: npt.NDArray[np.int32], start: int, width: int) -> npt.NDArray[np.int32]:
    """Return a number of up to 16 bits of each row of bytes."""
    at = start >> 3
    columns = [rows[:, index] if index < rows.shape[1] else np.zeros_like(rows[:, 0]) for index in range(at, at + 3)]
    return ((columns[0] << 16 | columns[1] << 8 | columns[2]) >> (24 - (start & 7) - width)) & ((1 << width) - 1)


def borrowed_bytes(head: bytes, format: MpegFormat) -> int:
    """Return the bytes that a frame of layer III takes from those before it.

    Parameters
    ----------
    head : bytes
        The first bytes of the frame.
    format : MpegFormat
        Its format.

    Returns
    -------
    int
        0 to 511.
    """
    at = HEADER_SIZE if head[1] & 1 else HEADER_SIZE + 2
    return head[at] << 1 | head[at + 1] >> 7 if format.version == 1 else head[at]


def silent_head(head: bytes, format: MpegFormat, n_borrowed: int = 0) -> bytes:
    """Return the header and side information of a frame of layer III for silence, of the same length.

    Parameters
    ----------
    head : bytes
        The first bytes of the frame.
    format : MpegFormat
        Its format.
    n_borrowed : int, optional
        Bytes before the frame that later frames may need; a decoder keeps only those that each frame takes over.

    Returns
    -------
    bytes
        Bytes that replace those at the start of the frame; what other frames take from it stays.
    """
    if format.version == 1:
        side = (min(n_borrowed, 511) << 7).to_bytes(2, "big").ljust(format.side_size, b"\0")
    else:
        side = bytes([min(n_borrowed, 255)]).ljust(format.side_size, b"\0")
    if head[1] & 1:
        return head[:HEADER_SIZE] + side
    # the checksum starts with all bits set
    covered = bytes([head[2] ^ 0xFF, head[3] ^ 0xFF]) + side
    return head[:HEADER_SIZE] + compute_crc16([covered])[0].to_bytes(2, "big") + side
