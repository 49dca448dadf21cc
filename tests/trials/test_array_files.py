"""Files of arrays: every format gives the same numbers, and what is no array of numbers is refused by a code."""

import io
import json
import pickle
import zipfile
from decimal import Decimal

import numpy as np
import pytest

from gmmaudio.errors import RowsError
from gmmaudio.trials.array_files import OPENERS, only_array, open_arrays

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)


def write(path, arrays):
    """Write arrays by name in the format of a suffix; the empty name is that of the only one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, arrays[""])
    elif path.suffix == ".npz":
        np.savez(path, **{name or "rows": array for name, array in arrays.items()})
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file({name or "rows": np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    else:
        write_parquet(path, arrays)
    return path


def write_parquet(path, arrays):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [(name, row) for name, array in arrays.items() for row in np.atleast_2d(array)]
    table = {} if "" in arrays else {"path": [name for name, _ in rows]}
    table |= {f"c{i}": [float(row[i]) for _, row in rows] for i in range(len(rows[0][1]))}
    parquet.write_table(pa.table(table), path)


def code_of(path):
    with pytest.raises(RowsError) as refused, open_arrays(path) as arrays:
        only_array(arrays)
    return refused.value.code, str(refused.value)


@pytest.mark.parametrize("suffix", OPENERS)
def test_every_format_gives_the_same_numbers(tmp_path, suffix):
    with open_arrays(write(tmp_path / f"one{suffix}", {"": MATRIX})) as arrays:
        np.testing.assert_array_equal(only_array(arrays), MATRIX)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
def test_a_file_of_several_clips_has_their_names(tmp_path, suffix):
    both = {"jazz/1.wav": MATRIX, "rock/2": MATRIX[:1] + 1}
    with open_arrays(write(tmp_path / f"all{suffix}", both)) as arrays:
        assert set(arrays.names) == set(both)
        for name, array in both.items():
            np.testing.assert_array_equal(arrays.read(name), array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
def test_members_of_npz_are_those_numpy_reads(tmp_path, order, compressed):
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", x=np.asarray(MATRIX, order=order), y=np.float64(MATRIX[0]))
    with open_arrays(tmp_path / "a.npz") as arrays, np.load(tmp_path / "a.npz") as numpys:
        for name in numpys:
            np.testing.assert_array_equal(arrays.read(name), numpys[name])


def test_an_array_called_rows_is_taken_of_several(tmp_path):
    np.savez(tmp_path / "a.npz", time_s=np.zeros(4), rows=MATRIX)
    with open_arrays(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(only_array(arrays), MATRIX)
    np.savez(tmp_path / "b.npz", time_s=np.zeros(4), values=MATRIX)
    assert code_of(tmp_path / "b.npz") == (
        "not_rows",
        "holds 2 arrays ('time_s', 'values'); expected one, or one called 'rows'",
    )


# --- parquet ------------------------------------------------------------------------------------------------------


@pytest.fixture
def parquet():
    pytest.importorskip("pyarrow")
    return pytest.importorskip("pyarrow.parquet")


def test_columns_of_a_manifest_are_no_numbers_of_a_row(tmp_path, parquet):
    import pyarrow as pa

    columns = {
        "path": ["a", "b"],
        "label": [0, 1],
        "fold": [1, 2],
        "start": [0.0, 1.0],
        "x": [1.5, 2.5],
        "y": [3, None],
        "money": [Decimal("0.25"), None],
        "__index_level_0__": [7, 9],
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    with open_arrays(tmp_path / "t.parquet") as arrays:
        np.testing.assert_array_equal(arrays.read("b"), [[2.5, np.nan, np.nan]])
        np.testing.assert_array_equal(arrays.read("a"), [[1.5, 3.0, 0.25]])


def test_lists_and_lists_of_lists_are_rows(tmp_path, parquet):
    import pyarrow as pa

    lists = {"file_name": ["a", "a", "b"], "e": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}
    parquet.write_table(pa.table(lists), tmp_path / "lists.parquet")
    nested = {"path": ["a", "b"], "e": [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]}
    parquet.write_table(pa.table(nested), tmp_path / "nested.parquet")
    for name in ("lists", "nested"):
        with open_arrays(tmp_path / f"{name}.parquet") as arrays:
            np.testing.assert_array_equal(arrays.read("a"), [[1.0, 2.0], [3.0, 4.0]])
            np.testing.assert_array_equal(arrays.read("b"), [[5.0, 6.0]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a"], "words": ["b"]}, "has no column of numbers; expected one for each number of a row, or lists"),
        ({"e": [[1.0], [1.0, 2.0]]}, "has lists of 1 to 2 numbers; expected one length"),
        ({"e": [[1.0], None]}, "has a null where a list of numbers is expected"),
        ({"e": [[1.0]], "x": [1.0]}, "has lists of numbers beside other columns; keep one column of lists"),
        ({"e": [[[1.0]], [[2.0]]]}, "has 2 lists of lists for one clip; expected one"),
    ],
)
def test_tables_that_are_no_rows_are_refused(tmp_path, parquet, columns, message):
    import pyarrow as pa

    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert code_of(tmp_path / "t.parquet") == ("not_rows", message)


def test_a_table_that_is_too_large_is_refused_before_it_is_read(tmp_path, parquet, monkeypatch):
    monkeypatch.setattr("gmmaudio.trials.array_files.TABLE_BYTES", 1024)
    path = write(tmp_path / "t.parquet", {"": np.random.default_rng(0).normal(size=(4000, 3))})
    code, message = code_of(path)
    assert (code, message.partition(";")[2]) == ("too_large", " expected at most 1 KiB: divide the table")


def test_parquet_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = "is parquet, which needs the parquet extra: pip install 'gmmaudio[parquet]'"
    assert code_of(tmp_path / "t.parquet") == ("unreadable", message)


# --- what is refused ----------------------------------------------------------------------------------------------


class Dangerous:
    """An object whose unpickling would leave a mark."""

    def __reduce__(self):
        return (pytest.fail, ("an array was unpickled",))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nothing_is_ever_unpickled(tmp_path, suffix):
    array = np.empty(1, dtype=object)
    array[0] = Dangerous()
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, rows=array)
    message = "holds Python objects, which are never unpickled; save an array of numbers"
    assert code_of(path) == ("not_rows", message)
    path.write_bytes(pickle.dumps([1.0]))
    assert code_of(path)[0] == "damaged"


@pytest.mark.parametrize("suffix", OPENERS)
def test_files_that_cannot_be_read_have_a_code_each(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", {"": MATRIX})
    whole = path.read_bytes()
    (tmp_path / f"empty{suffix}").write_bytes(b"")
    (tmp_path / f"cut{suffix}").write_bytes(whole[: len(whole) - 20])
    (tmp_path / f"words{suffix}").write_text("these are words, and no numbers at all\n" * 3)
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"nowhere{suffix}").symlink_to("gone")
    codes = {name: code_of(tmp_path / f"{name}{suffix}")[0] for name in ("empty", "cut", "words", "folder", "nowhere")}
    assert codes == {
        "empty": "empty",
        "cut": "damaged",
        "words": "damaged",
        "folder": "not_a_file",
        "nowhere": "vanished",
    }


@pytest.mark.parametrize("suffix", OPENERS)
@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_are_numbers_or_a_refusal(tmp_path, suffix, seed):
    path = write(tmp_path / f"a{suffix}", {"": MATRIX})
    rng, data = np.random.default_rng(seed), bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), size=3):
        data[place] = rng.integers(256)
    path.write_bytes(data)
    try:
        with open_arrays(path) as arrays:
            only_array(arrays)
    except RowsError as error:
        assert error.code in ("damaged", "not_rows", "too_large")


def npy_header(shape, descr="<f4"):
    """Return the bytes of a .npy file that tells of a shape, and holds 16 bytes."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


def test_a_size_that_a_header_claims_takes_no_memory(tmp_path):
    (tmp_path / "a.npy").write_bytes(npy_header((10**12, 20)))
    message = "is cut short: its header tells of 80000000000000 bytes, and 16 are left"
    assert code_of(tmp_path / "a.npy") == ("damaged", message)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("rows.npy", npy_header((10**12, 20)))
    assert code_of(tmp_path / "a.npz")[0] == "damaged"


@pytest.mark.parametrize("shape", [(-1, 2), (-1, -2), (2, -1)])
def test_a_negative_shape_is_refused(tmp_path, shape):
    # reshape(-1, 2) takes as many numbers as there are
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("rows.npy", npy_header(shape))
    (tmp_path / "a.npy").write_bytes(npy_header(shape))
    for suffix in (".npz", ".npy"):
        message = f"is no array: its header tells of the shape {shape}"
        assert code_of(tmp_path / f"a{suffix}") == ("damaged", message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["jazz/1.npy", "jazz/1"])
def test_two_arrays_of_one_name_are_refused(tmp_path, second):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("jazz/1.npy", second, "jazz/2.npy"):
            archive.writestr(name, npy_header((2, 1)))
    assert code_of(tmp_path / "a.npz") == ("ambiguous", "holds 2 arrays called 'jazz/1'; keep one of them")


def test_an_archive_that_would_grow_is_refused_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr("gmmaudio.trials.array_files.ARRAY_BYTES", 2**20)
    np.savez_compressed(tmp_path / "a.npz", rows=np.zeros(2**20))
    assert code_of(tmp_path / "a.npz") == ("too_large", "takes 8,388,736 bytes; expected at most 1 MiB for one clip")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(["a", "b"]), "holds <U1; expected real numbers"),
        (np.ones(2, dtype=complex), "holds complex128; expected real numbers"),
        (np.zeros(2, dtype=[("x", "f4")]), "holds [('x', '<f4')]; expected real numbers"),
        (np.zeros(2, dtype="M8[s]"), "holds datetime64[s]; expected real numbers"),
    ],
)
def test_arrays_of_other_types_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    assert code_of(tmp_path / "a.npy") == ("not_rows", message)


def test_bfloat16_is_refused_with_the_cure(tmp_path):
    header = json.dumps({"rows": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    header += b" " * (-len(header) % 8)
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert code_of(tmp_path / "a.safetensors") == ("not_rows", "holds BF16 numbers; save them as float32")


def test_another_suffix_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(io.BytesIO(b"x").read())
    message = "is 'a.pkl'; expected a file of .npy, .npz, .safetensors, .parquet"
    assert code_of(tmp_path / "a.pkl") == ("not_rows", message)
