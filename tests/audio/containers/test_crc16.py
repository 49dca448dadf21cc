"""The CRC-16 of FLAC frames."""

import random

import pytest

from gmmaudio.audio.containers.crc16 import PIECE_SIZE, compute_crc16, find_crc16_zeros


def bitwise(data):
    """Return the code bit by bit, as RFC 9639 defines it."""
    code = 0
    for byte in data:
        code ^= byte << 8
        for _ in range(8):
            code = (code << 1 ^ (0x18005 if code & 0x8000 else 0)) & 0xFFFF
    return code


@pytest.mark.parametrize("seed", range(3))
def test_codes_equal_those_of_the_definition(seed):
    rng = random.Random(seed)
    strings = [rng.randbytes(n) for n in [0, 1, 2, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, rng.randrange(5_000)]]
    assert compute_crc16(strings) == [bitwise(data) for data in strings]
    assert compute_crc16([]) == []


def test_zeros_are_where_the_definition_has_them():
    data = random.Random(0).randbytes(300)
    data += bitwise(data).to_bytes(2, "big") + random.Random(1).randbytes(50)
    assert find_crc16_zeros(data) == [n for n in range(1, len(data) + 1) if bitwise(data[:n]) == 0]
    assert 302 in find_crc16_zeros(data)
