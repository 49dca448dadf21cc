"""Headers and side information of MPEG audio frames."""

import numpy as np
import pytest

from gmmaudio.audio.containers.mpeg_headers import (
    HEAD_SIZE,
    borrowed_bytes,
    find_bad_side_information,
    frame_lengths,
    read_format,
    silent_head,
)
from tests.audio.conftest import mp3


def lengths_of(format):
    return frame_lengths(format.version, format.layer, format.rate_hz, format.bits)


# header, (version, layer, rate, mono), bytes: from the tables of the standards, by hand
HEADERS = [
    ("fffb9064", (1, 3, 44_100, False), 417),
    ("fffb92c4", (1, 3, 44_100, True), 418),
    ("fffbe200", (1, 3, 44_100, False), 1_045),
    ("fffd8400", (1, 2, 48_000, False), 384),
    ("ffff4000", (1, 1, 44_100, False), 136),
    ("fff364c4", (2, 3, 24_000, True), 144),
    ("ffe318c4", (2, 3, 8_000, True), 72),
    ("fff58000", (2, 2, 22_050, False), 417),
]


@pytest.mark.parametrize(("header", "declared", "length"), HEADERS)
def test_formats_and_lengths_are_those_of_the_standard(header, declared, length):
    data = bytes.fromhex(header)
    format = read_format(data)
    assert (format.version, format.layer, format.rate_hz, format.is_mono) == declared
    assert lengths_of(format)[data[1] << 8 | data[2]] == length


@pytest.mark.parametrize("header", ["fffb0064", "fffbf064", "fffb9c64", "fff99064", "ffeb9064", "fe7b9064", "fffb"])
def test_other_bytes_are_no_header(header):
    # free format, a reserved bit rate, rate, layer and version, no sync, too few
    assert read_format(bytes.fromhex(header)) is None


def test_the_length_of_a_frame_of_layer_ii_depends_on_its_bit_rate():
    lengths = lengths_of(read_format(bytes.fromhex("fffd8400")))
    assert lengths[0xFD84] == 384
    assert lengths[0xFD94] == 0


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate", [44_100, 22_050, 8_000])
def test_the_frames_of_an_encoder_are_decodable_and_most_borrow(rate, n_channels):
    content, starts = mp3(5.0, rate, n_channels)
    format = read_format(content[starts[5] :][:4])
    padded = content + bytes(HEAD_SIZE)
    heads = np.stack([np.frombuffer(padded[at : at + HEAD_SIZE], np.uint8) for at in starts[:-1]])
    assert find_bad_side_information(heads, format).tolist() == []
    assert any(borrowed_bytes(padded[at : at + HEAD_SIZE], format) for at in starts[:-1])


def test_a_silent_frame_has_its_checksum_and_takes_over_what_is_borrowed():
    format = read_format(bytes.fromhex("fffa9064"))
    head = silent_head(bytes.fromhex("fffa9064") + b"x" * 60, format, 300)
    assert len(head) == 4 + 2 + 32
    assert borrowed_bytes(head, format) == 300
    code = 0xFFFF
    for byte in head[2:4] + head[6:]:
        code ^= byte << 8
        for _ in range(8):
            code = (code << 1 ^ (0x18005 if code & 0x8000 else 0)) & 0xFFFF
    assert int.from_bytes(head[4:6], "big") == code
