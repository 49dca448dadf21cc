"""The CRC-16 of FLAC frames."""

import random

import pytest

from gmmaudio.audio.containers.crc16 import PIECE_SIZE, compute_crc16, find_crc16_zeros, is_crc16_zero


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


# lengths at which the bytes are folded another number of times
@pytest.mark.parametrize("n", [0, 1, 7, 8, 13, 14, 15, 16, 29, 30, 31, 60, 61, 119, 121, 5_000, 70_001])
def test_a_code_of_zero_is_found_by_folding_as_by_the_definition(n):
    rng = random.Random(n)
    data = rng.randbytes(n)
    assert is_crc16_zero(data) == (bitwise(data) == 0)
    signed = data + bitwise(data).to_bytes(2, "big")
    assert is_crc16_zero(signed)
    n_bits = 8 * len(signed)
    for n_changed in (1, 2, 2, 16):
        value = int.from_bytes(signed, "big")
        for bit in rng.sample(range(n_bits), min(n_changed, n_bits)):
            value ^= 1 << bit
        changed = value.to_bytes(len(signed), "big")
        assert is_crc16_zero(changed) == (bitwise(changed) == 0)


def test_multiples_of_one_factor_of_the_polynomial_are_not_taken_for_zero():
    # x + 1, and x^15 + x + 1, each times x^8
    assert not is_crc16_zero((0x3 << 8).to_bytes(4, "big"))
    assert not is_crc16_zero((0x8003 << 8).to_bytes(4, "big"))
    assert is_crc16_zero((0x18005 << 8).to_bytes(4, "big"))
