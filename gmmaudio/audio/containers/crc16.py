"""The checksum of FLAC frames: of many frames at once, and whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

POLYNOMIAL = 0x8005
# frames are divided into pieces of as many bytes, all of which advance together
PIECE_SIZE = 512

Codes = npt.NDArray[np.uint16]


def compute_crc16(frames: Sequence[bytes]) -> list[int]:
    """Return the CRC-16 of each of some byte strings; 0 where they end with their own checksum.

    Parameters
    ----------
    frames : sequence of bytes
        The strings.

    Returns
    -------
    list of int
        The codes: polynomial x^16 + x^15 + x^2 + 1, from the highest bit on, starting at 0.

    References
    ----------
    RFC 9639, section 9.3.

    Examples
    --------
    >>> [hex(code) for code in compute_crc16([b"123456789", b"123456789" + bytes.fromhex("fee8")])]
    ['0xfee8', '0x0']
    """
    n_pieces = [-(-len(frame) // PIECE_SIZE) for frame in frames]
    # zeros in front change no code that starts at 0
    padded = b"".join(frame.rjust(n * PIECE_SIZE, b"\0") for frame, n in zip(frames, n_pieces, strict=True))
    words = np.frombuffer(padded, dtype=">u2").reshape(-1, PIECE_SIZE // 2).T.astype(np.uint16)
    after_word, after_piece = _tables()
    codes, indices = np.zeros(words.shape[1], dtype=np.uint16), np.empty(words.shape[1], dtype=np.intp)
    for word in words:
        indices[:] = codes ^ word
        np.take(after_word, indices, out=codes, mode="clip")
    shift, pieces = after_piece.tolist(), iter(codes.tolist())
    totals = []
    for n in n_pieces:
        total = 0
        for _ in range(n):
            total = shift[total] ^ next(pieces)
        totals.append(total)
    return totals


def is_crc16_zero(data: bytes) -> bool:
    """Return whether the CRC-16 of a byte string is 0, as that of consecutive frames which end with their checksums is.

    The polynomial is (x + 1) (x^15 + x + 1). The remainder by the first is the parity of all bits. By the second, a bit
    15 N places higher is one N places higher plus one here, for N any power of two, so that bytes are folded together:
    a hundred times as fast as byte by byte.

    Parameters
    ----------
    data : bytes
        The string.

    Examples
    --------
    >>> is_crc16_zero(b"123456789" + bytes.fromhex("fee8")), is_crc16_zero(b"123456789")
    (True, False)
    """
    # zeros in front change nothing, and whole words are quicker
    codes = np.zeros(-(-len(data) // 8) * 8, dtype=np.uint8)
    codes[len(codes) - len(data) :] = np.frombuffer(data, dtype=np.uint8)
    if int(np.bitwise_xor.reduce(codes.view(np.uint64))).bit_count() % 2:
        return False
    while len(codes) > 15:
        n = 1 << ((len(codes) - 1) // 15).bit_length() - 1
        high = codes[: min(len(codes) - 15 * n, 14 * n)]
        codes[14 * n : 14 * n + len(high)] ^= high
        codes[15 * n : 15 * n + len(high)] ^= high
        codes = codes[len(high) :]
    rest = int.from_bytes(codes.tobytes(), "big")
    while rest >> 15:
        rest = rest & 0x7FFF ^ rest >> 15 ^ rest >> 15 << 1
    return rest == 0


def find_crc16_zeros(data: bytes) -> list[int]:
    """Return the lengths at which the start of a byte string ends with its own CRC-16.

    Parameters
    ----------
    data : bytes
        The string.

    Returns
    -------
    list of int
        The lengths, 1 or more; about one in 65,536 is so by chance.

    Examples
    --------
    >>> find_crc16_zeros(b"123456789" + bytes.fromhex("fee8") + b"tail")
    [11]
    """
    after_byte = _after_byte().tolist()
    code, lengths = 0, []
    for length, byte in enumerate(data, 1):
        code = (code << 8 & 0xFF00) ^ after_byte[code >> 8 ^ byte]
        if code == 0:
            lengths.append(length)
    return lengths


@cache
def _tables() -> tuple[Codes, Codes]:
    """Return the code after a word of 16 bits, and after a piece of zeros, of every code."""
    after_byte = _after_byte()
    codes = np.arange(1 << 16, dtype=np.uint16)
    for _ in range(2):
        codes = (codes << 8) ^ after_byte[codes >> 8]
    after_word = after_piece = codes
    for _ in range(PIECE_SIZE // 2 - 1):
        after_piece = after_word[after_piece]
    return after_word, after_piece


@cache
def _after_byte() -> Codes:
    """Return the code of every byte."""
    codes = np.arange(256, dtype=np.uint32) << 8
    for _ in range(8):
        codes = np.where(codes & 0x8000, codes << 1 ^ POLYNOMIAL, codes << 1) & 0xFFFF
    return codes.astype(np.uint16)
