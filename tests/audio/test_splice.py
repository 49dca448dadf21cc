"""Files read as parts of another file and given bytes."""

import io
import random

import pytest

from gmmaudio.audio.splice import Span, SplicedFile, overlapping_pieces

CONTENT = bytes(range(256)) * 8


def spliced(rng):
    """Return a file of random parts and the bytes that it should read as."""
    parts = []
    for _ in range(rng.randrange(1, 8)):
        start, stop = sorted(rng.randrange(len(CONTENT)) for _ in range(2))
        parts.append(rng.choice([Span(start, stop), rng.randbytes(rng.randrange(40))]))
    whole = b"".join(part if isinstance(part, bytes) else CONTENT[part.start : part.stop] for part in parts)
    return SplicedFile(io.BytesIO(CONTENT), parts), whole


@pytest.mark.parametrize("seed", range(20))
def test_it_reads_and_seeks_as_the_joined_bytes_do(seed):
    rng = random.Random(seed)
    file, whole = spliced(rng)
    reference = io.BytesIO(whole)
    for _ in range(200):
        if rng.random() < 0.5:
            offset, whence = rng.choice(
                [(rng.randrange(len(whole) + 20), 0), (rng.randrange(20), 1), (-rng.randrange(len(whole) + 1), 2)]
            )
            assert file.seek(offset, whence) == reference.seek(offset, whence)
        else:
            size = rng.choice([-1, 0, 1, 7, 300])
            assert file.read(size) == reference.read(size)
        assert file.tell() == reference.tell()


def test_files_that_share_a_handle_keep_their_positions():
    handle = io.BytesIO(CONTENT)
    first, second = SplicedFile(handle, [Span(0, 10)]), SplicedFile(handle, [Span(100, 110)])
    assert [first.read(2), second.read(2), first.read(2)] == [b"\x00\x01", b"de", b"\x02\x03"]


def test_a_position_before_the_start_is_minus_one_and_changes_nothing():
    file = SplicedFile(io.BytesIO(CONTENT))
    file.seek(5)
    assert file.seek(-6, 1) == -1
    assert file.tell() == 5


def test_a_file_that_became_shorter_ends():
    file = SplicedFile(io.BytesIO(CONTENT[:10]), [Span(5, 20), b"tail"])
    assert file.read() == CONTENT[5:10]


def test_readinto_fills_what_is_there():
    buffer = bytearray(6)
    assert SplicedFile(io.BytesIO(b"abc"), [Span(1, 3), b"d"]).readinto(buffer) == 3
    assert buffer == b"bcd\0\0\0"


def test_the_holes_of_a_sparse_file_are_not_read(tmp_path):
    path, n_bytes = tmp_path / "clip", 100 * 2**30
    with path.open("wb") as out:
        out.write(b"first")
        out.seek(n_bytes // 2 + 77)
        out.write(b"second")
        out.truncate(n_bytes)
    if path.stat().st_blocks * 512 > 10_000_000:
        pytest.skip("the file system has no sparse files")
    with path.open("rb") as handle:
        assert handle.read(3) == b"fir"
        pieces = list(overlapping_pieces(handle, 0, n_bytes, 4))
        # the place in the file is what it was
        handle.seek(n_bytes // 2 + 77)
        assert handle.read(6) == b"second"
    assert sum(len(piece) for _, piece in pieces) < 10_000_000
    words = (b"first", b"second")
    found = {position + piece.find(word) for position, piece in pieces for word in words if word in piece}
    assert found == {0, n_bytes // 2 + 77}
