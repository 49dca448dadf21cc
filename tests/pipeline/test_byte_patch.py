"""Patches: any old file comes back from any new one, and a moved file takes few bytes."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.pipeline import byte_patch
from gmmaudio.pipeline.byte_patch import apply_patch, hash_bytes, make_patch


def again(old, new, folder):
    """Return the old bytes made of the new ones, and the length of the patch."""
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    patch, out = make_patch(folder / "old", folder / "new"), io.BytesIO()
    assert apply_patch(patch, folder / "new", out) == hash_bytes(folder / "old")
    return out.getvalue(), len(patch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("patches")


# pieces that occur in both files in any order, some of them twice
PIECES = st.lists(st.sampled_from([bytes([k]) * n for k in range(3) for n in (1, 30, 700)] + [bytes(range(256))]))


@settings(deadline=None, max_examples=150)
@given(PIECES, PIECES)
def test_any_file_comes_back_from_any_other(folder, before, after):
    old, new = b"".join(before) or b"x", b"".join(after) or b"y"
    assert again(old, new, folder)[0] == old


def sound(n, seed=0):
    """Return bytes without a pattern."""
    return np.random.default_rng(seed).integers(0, 256, n, dtype=np.uint8).tobytes()


def test_a_tag_that_grows_or_goes_takes_as_many_bytes_as_the_tag(folder):
    body = sound(500_000)
    for old, new in ((b"short" + body, b"a longer head" * 99 + body), (b"a longer head" * 99 + body, body)):
        got, length = again(old, new, folder)
        assert got == old
        assert length < 300


def test_a_head_and_an_end_that_both_change_do_not_take_the_sound_between(folder):
    body = sound(500_000)
    got, length = again(body + b"TAG old", b"ID3 new" * 50 + body + b"TAG new and longer", folder)
    assert got == body + b"TAG old"
    assert length < 300


def test_a_picture_that_a_longer_tag_at_the_end_moves_does_not_count(folder):
    body, picture, padding = sound(3_000_000), sound(20_000, 1), bytes(1_000)
    got, length = again(body + b"old" + picture + padding, body + b"much newer" + picture + padding * 2, folder)
    assert got == body + b"old" + picture + padding
    assert length < 300


def test_pages_whose_numbers_change_take_their_heads(folder):
    pages = [sound(4_000, k) for k in range(100)]
    old, new = (b"".join(f"{k:08d}".encode() + page for k, page in enumerate(pages, first)) for first in (1, 2))
    got, length = again(old, b"one more page" * 300 + new, folder)
    assert got == old
    assert length < 100 * 60


def test_silence_does_not_mislead_the_search(folder):
    body = bytes(300_000) + sound(1_000) + bytes(300_000)
    assert again(b"x" + body, b"yy" * 500 + body, folder)[1] < 300


def test_a_file_longer_than_a_block_is_looked_at_block_by_block(folder, monkeypatch):
    monkeypatch.setattr(byte_patch, "BLOCK_BYTES", 1_000)
    body = sound(50_000)
    got, length = again(b"old" + body, b"newer" + body, folder)
    assert got == b"old" + body
    assert length < 300


@pytest.mark.parametrize("patch", ["", "AAAA", "é", "eJwDAAAAAAE="])
def test_what_is_no_patch_is_refused(patch, folder):
    (folder / "new").write_bytes(b"x")
    with pytest.raises(ValueError, match="no patch"):
        apply_patch(patch, folder / "new", io.BytesIO())
