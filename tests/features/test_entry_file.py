"""The file of an entry: the same arrays come back, in the same order in memory, or nothing does."""

import numpy as np
import pytest
from safetensors.numpy import load

from gmmaudio.features.entry_file import DTYPES, DamagedEntryError, Entry, decode_entry, encode_entry

RECORD = {"duration_s": 0.1 + 0.2, "notes": [{"code": "lost", "text": "0.03 s lost \u00e9\ud800"}], "none": None}


def packed(entry, key="key"):
    return b"".join(encode_entry(key, entry))


def random_entry():
    rng = np.random.default_rng(0)
    arrays = {name: (rng.uniform(0, 100, size=(7, 3))).astype(dtype) for name, dtype in DTYPES.items()}
    return Entry(arrays | {"empty": np.zeros((0, 4), dtype="f4"), "scalar": np.array(2.5)}, RECORD)


def test_arrays_and_record_come_back_with_their_bits():
    entry = random_entry()
    key, back = decode_entry(packed(entry))
    assert (key, dict(back.record)) == ("key", RECORD)
    assert back.arrays.keys() == entry.arrays.keys()
    for name, array in entry.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_of_elements_in_memory_comes_back(order):
    array = np.asarray(np.random.default_rng(0).normal(size=(300, 5)).astype("f4"), order=order)
    (back,) = decode_entry(packed(Entry({"a": array})))[1].arrays.values()
    assert back.strides == array.strides
    assert np.array_equal(back, array)
    # sums along an axis depend on it in the last bit
    assert back.sum(axis=0).tobytes() == array.sum(axis=0).tobytes()


def test_what_is_neither_contiguous_nor_little_endian_is_stored_too():
    array = np.arange(24, dtype=">f4").reshape(4, 6)[::2, ::3]
    (back,) = decode_entry(packed(Entry({"a": array})))[1].arrays.values()
    assert back.tolist() == array.tolist()


def test_safetensors_reads_the_same_arrays():
    entry = random_entry()
    tensors = load(packed(entry))
    assert {*tensors} == {*entry.arrays, "crc32"}
    assert all(np.array_equal(tensors[name], array) for name, array in entry.arrays.items())


def test_arrays_are_aligned():
    data = np.frombuffer(packed(random_entry()), dtype=np.uint8).copy()
    for array in decode_entry(data)[1].arrays.values():
        assert array.flags.aligned
        assert array.flags.writeable


def test_every_flipped_bit_is_found():
    data = bytearray(packed(Entry({"a": np.arange(6.0)}, {"n": 1})))
    for i in range(8 * len(data)):
        data[i // 8] ^= 1 << i % 8
        with pytest.raises(DamagedEntryError, match="checksum"):
            decode_entry(bytes(data))
        data[i // 8] ^= 1 << i % 8
    decode_entry(bytes(data))


def test_every_cut_and_addition_is_found():
    data = packed(Entry({"a": np.arange(6.0)}, {"n": 1}))
    for n in range(len(data)):
        with pytest.raises(DamagedEntryError):
            decode_entry(data[:n])
    for more in (b"\0", b"\0\0\0\0", data):
        with pytest.raises(DamagedEntryError):
            decode_entry(data + more)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"__metadata__": 3}',
        b'{"__metadata__": {"format": "x"}}',
        b'{"__metadata__": {"format": "gmmaudio-entry-1"}}',
        b'{"__metadata__": {"format": "gmmaudio-entry-1", "transposed": "[]", "key": "k", "record": "{}"}, "crc32": 1,'
        b' "a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}',
        b'{"__metadata__": {"format": "gmmaudio-entry-1", "transposed": "[]", "key": "k", "record": "{}"}, "crc32": 1,'
        b' "a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}',
        b"[" * 100_000,
    ],
)
def test_a_foreign_header_under_a_right_checksum_is_no_entry(text):
    import zlib

    data = len(text).to_bytes(8, "little") + text
    with pytest.raises(DamagedEntryError):
        decode_entry(data + zlib.crc32(data).to_bytes(4, "little"))
