"""Tables of data: what is read as a number, what is refused, and what is written as it was."""

import codecs
import csv
import io
import math
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.cell_columns import ArrayColumn, NumberText, TextColumn, require_pyarrow
from gmmaudio.data_tables import parse_csv, parse_parquet, read_data_table, to_csv, to_parquet
from gmmaudio.errors import SettingError, TableError


def column_of(*texts):
    return TextColumn(texts).numbers()


# --- cells ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "NA", "na", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "<NA>"])
def test_cells_without_a_value(text):
    numbers = column_of("1", text, "3")
    np.testing.assert_array_equal(numbers.values, [1, np.nan, 3])
    assert (numbers.other, numbers.share) == (None, 1.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("-1.50", -1.5), ("+.5", 0.5), ("1.", 1.0), ("1e-3", 1e-3), ("1E5", 1e5), ("007", 7.0)],
)
def test_numbers_in_any_spelling(text, value):
    assert column_of(text).values[0] == value


@pytest.mark.parametrize("text", ["1,5", "1_000", "1 000", "0x1f", "\u0663", "1.2.3", "-", "e5", "12%", "TRUE", "inf1"])
def test_what_is_no_number(text):
    numbers = column_of("1", text)
    assert numbers.other == (1, text)
    assert numbers.share == 0.5


def test_infinite_and_huge_numbers_are_infinite():
    infinite = column_of("inf", "-Infinity", "1e999", "-1e999").values
    np.testing.assert_array_equal(infinite, [math.inf, -math.inf, math.inf, -math.inf])


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_numbers_that_are_written_are_read_back(values):
    table = parse_csv("x,y\n" + "1,\n" * len(values), "t.csv").with_columns({"y": np.array(values)})
    again = parse_csv(to_csv(table).decode(), "t.csv")
    np.testing.assert_array_equal(again.columns["y"].numbers().values, values)


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"name,age\nann,31\nbob,\n",
        codecs.BOM_UTF8 + b"name;age\r\nann;31\r\nbob;NA\r\n",
        "sep=;\nname;age\nann;31\nbob;\n".encode("utf-16"),
        b"name\tage\nann\t31\n\nbob\tnull\n\n",
        b'"name", "age",,\n"ann", 31,,\nbob, nan,,\n',
    ],
)
def test_files_of_any_system(tmp_path, data):
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    table = read_data_table(path)
    assert list(table.columns) == ["name", "age"]
    assert table.columns["name"].texts == ["ann", "bob"]
    np.testing.assert_array_equal(table.columns["age"].numbers().values, [31, np.nan])


def test_rows_of_empty_cells_are_rows_and_blank_lines_are_none():
    table = parse_csv("a,b\n1,2\n\n,\n3,4\n,\n", "t.csv")
    assert table.columns["a"].texts == ["1", "", "3", ""]
    assert [table.place(i) for i in range(4)] == ["line 2", "line 4", "line 5", "line 6"]


def test_in_one_column_a_blank_line_is_a_missing_value_but_not_at_the_end():
    assert parse_csv("a\n1\n\n3\n\n\n", "t.csv").columns["a"].texts == ["1", "", "3"]


def test_a_first_column_without_a_name_is_kept():
    # as R and pandas write the names of rows
    table = parse_csv(",x\nr1,1\nr2,2\n", "t.csv")
    assert to_csv(table) == b",x\nr1,1\nr2,2\n"
    assert table.find("x") == "x"


def test_names_are_found_in_any_normal_form():
    assert parse_csv("Zoe\u0301\n1\n", "t.csv").find("Zo\u00e9") == "Zoe\u0301"
    assert parse_csv("a\n1\n", "t.csv").find("b") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv: has no columns; expected a CSV or parquet table with a row of column names"),
        ("\n\n", "t.csv: has no columns; expected a CSV or parquet table with a row of column names"),
        ("a,b,a\n1,2,3\n", "t.csv: column 'a' occurs twice; rename or remove one"),
        ("a,b\n1,2,3\n", "t.csv, line 2: more values than columns; quote values that hold the separator"),
        (
            "a,b,c\n1,2,3\n4,5\n",
            "t.csv, line 3: ends before the column 'c'; fill the row, with empty cells for missing values",
        ),
        (
            "5.1,3.5\n4.9,3.0\n",
            "t.csv: the first row holds numbers ('5.1', '3.5'); expected a CSV or parquet table with a row of column "
            "names",
        ),
        (
            'a,b\n"1,2\n',
            "t.csv: cannot be read as CSV (line 2: a quote is not closed, or text follows it); expected a CSV or "
            "parquet table with a row of column names",
        ),
        ("a,,b\n1,2,3\n", "t.csv, line 2: a value in a column without a name; name the column"),
    ],
)
def test_text_that_is_no_table_is_refused(text, message):
    with pytest.raises(TableError) as caught:
        parse_csv(text, "t.csv")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", None, "cannot be read (No such file or directory); expected a CSV or parquet table with a row of"),
        (
            "t.csv",
            b"caf\xe9\n1\n",
            "is no text in UTF-8 or UTF-16 (invalid continuation byte); save it as CSV in UTF-8",
        ),
        ("t.parquet", b"a,b\n1,2\n", "is no parquet file; name it .csv if it is text, or write it again"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, data, message):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(TableError) as caught:
        read_data_table(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(TableError, match="is a folder; name a regular file"):
        read_data_table(tmp_path)


def test_time_is_linear_in_the_rows():
    def seconds(n):
        text = "a,b,c\n" + "0.125,NA,x\n" * n
        start = time.process_time()
        to_csv(parse_csv(text, "t.csv"))
        return time.process_time() - start

    few, many = min(seconds(2_000) for _ in range(3)), min(seconds(20_000) for _ in range(2))
    # ten times the rows; a search for the line of each row would take a hundred times as long
    assert many < 30 * few


# --- writing -------------------------------------------------------------------------------------------------------


def test_cells_that_are_not_changed_are_written_as_they_were():
    text = 'id,x,note\n007,-1.50,"a, b"\n010,NA,=1+1\n'
    table = parse_csv(text, "t.csv")
    assert to_csv(table) == text.replace("=1+1", "'=1+1").encode()
    filled = table.with_columns({"x": table.columns["x"].filled(np.array([0.0, 2.25]), np.array([False, True]))})
    assert to_csv(filled) == text.replace("=1+1", "'=1+1").replace("NA", "2.25").encode()


def test_no_text_starts_a_formula_and_what_was_made_safe_is_read_back():
    table = parse_csv("x,note\n-1,'=1+1\n+2,-a\n", "t.csv")
    assert table.columns["note"].texts == ["=1+1", "-a"]
    assert to_csv(table) == b"x,note\n-1,'=1+1\n+2,'-a\n"


def test_csv_is_read_by_other_programs():
    table = parse_csv("a,b\n1,x\n2,y\n", "t.csv").with_columns(
        {"cluster": np.array([1, 0]), "p": np.array([0.1, np.nan])}
    )
    rows = list(csv.reader(io.StringIO(to_csv(table).decode())))
    assert rows == [["a", "b", "cluster", "p"], ["1", "x", "1", "0.1"], ["2", "y", "0", ""]]


def test_a_table_several_times():
    table = parse_csv("a\n1\n2\n", "t.csv").with_columns({"b": np.array([3.5, np.nan])}).repeated(2)
    assert to_csv(table) == b"a,b\n1,3.5\n2,\n1,3.5\n2,\n"
    assert (table.n_rows, table.place(3)) == (4, "line 3")


def test_a_column_of_numbers_is_filled():
    column = ArrayColumn(np.array([1.0, np.nan])).filled(np.array([9.0, 2.0]), np.array([False, True]))
    assert column.cells() == [1.0, 2.0]
    assert str(NumberText("-1")) == "-1"


# --- parquet -------------------------------------------------------------------------------------------------------


def parquet_of(**columns):
    """Return the bytes of a parquet file of pyarrow's own making."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue()


def test_parquet_keeps_its_types():
    pyarrow = pytest.importorskip("pyarrow")
    columns = {
        "whole": pyarrow.array([1, None, 2**60], pyarrow.int64()),
        "single": pyarrow.array([0.1, None, math.nan], pyarrow.float32()),
        "money": pyarrow.array(["1.25", None, "2.50"]).cast(pyarrow.decimal128(5, 2)),
        "flag": [True, None, False],
        "name": ["=x", None, "NA"],
        "none": pyarrow.nulls(3),
    }
    table = parse_parquet(parquet_of(**columns), "t.parquet")
    assert table.place(1) == "row 2"
    np.testing.assert_array_equal(table.columns["whole"].numbers().values, [1, np.nan, 2.0**60])
    np.testing.assert_array_equal(table.columns["single"].numbers().values, [np.float32(0.1), np.nan, np.nan])
    np.testing.assert_array_equal(table.columns["money"].numbers().values, [1.25, np.nan, 2.5])
    assert [table.columns[name].numbers().type_name for name in ("flag", "name", "none")] == ["bool", "string", ""]
    assert table.columns["none"].numbers().share == 0
    added = table.with_columns({"cluster": np.array([0, 1, 0])})
    again = parse_parquet(to_parquet(added), "u.parquet")
    kinds = [str(again.columns[name].data.type) for name in again.columns]
    assert kinds == ["int64", "float", "decimal128(5, 2)", "bool", "string", "null", "int64"]
    assert again.columns["whole"].data.to_pylist() == [1, None, 2**60]
    assert to_csv(table).decode().splitlines() == [
        "whole,single,money,flag,name,none",
        "1,0.10000000149011612,1.25,True,'=x,",
        ",,,,,",
        f"{2**60},,2.50,False,NA,",
    ]


def test_text_becomes_columns_of_the_type_that_keeps_it():
    pytest.importorskip("pyarrow")
    text = "id,code,n,x,name,none\n1,007,1,1.5,ann,\n2,010,,NA,bob,\n"
    again = parse_parquet(to_parquet(parse_csv(text, "t.csv")), "t.parquet")
    kinds = [str(column.data.type) for column in again.columns.values()]
    assert kinds == ["int64", "string", "int64", "double", "string", "string"]
    assert to_csv(again).decode() == text.replace("NA", "")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["9223372036854775807", "-1"], "int64"),
        (["9223372036854775809", "1"], "string"),
        (["1234567890123456789", "1.5"], "string"),
        (["9007199254740993", "0.5"], "string"),
        (["9007199254740992", "0.5"], "double"),
        (["+9007199254740993", "1"], "string"),
        (["9" * 309, "1"], "string"),
        (["0.1234567890123456789", "1e300"], "double"),
    ],
)
def test_keys_of_many_digits_are_not_rounded(texts, kind):
    # a key above 2**53 is not the key any more where it becomes a float
    pytest.importorskip("pyarrow")
    column = TextColumn(texts).arrow()
    assert str(column.type) == kind
    assert [float(cell) for cell in column.to_pylist()] == [float(text) for text in texts]
    if kind != "double":
        assert [str(cell) for cell in column.to_pylist()] == texts


def test_cells_that_are_no_text_are_told_with_their_column():
    pyarrow = pytest.importorskip("pyarrow")
    far = pyarrow.array([2**50], pyarrow.timestamp("ms"))
    damaged = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(np.array([0, 1], np.int32)), pyarrow.py_buffer(b"\xff")]
    )
    for column in (far, damaged):
        table = parse_parquet(parquet_of(x=[1.0], odd=column), "t.parquet")
        with pytest.raises(TableError, match=r"^t.parquet: column 'odd' holds what cannot be written as text \(.*\); "):
            to_csv(table)
        assert to_parquet(table)


def test_a_parquet_column_is_filled_and_repeated():
    table = parse_parquet(parquet_of(n=[1, None], name=["a", "b"]), "t.parquet")
    column = table.columns["n"].filled(np.array([0.0, 2.5]), np.array([False, True]))
    assert column.cells() == [1.0, 2.5]
    assert table.columns["n"].filled(np.zeros(2), np.zeros(2, bool)) is table.columns["n"]
    assert table.repeated(2).columns["name"].cells() == ["a", "b", "a", "b"]


def test_parquet_is_the_same_bytes_twice():
    data = parquet_of(x=[1.0, None])
    assert to_parquet(parse_parquet(data, "t")) == to_parquet(parse_parquet(data, "t"))


def test_parquet_files_that_are_refused(monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    whole = parquet_of(x=list(range(1000)))
    for damaged in (whole[: len(whole) // 2], whole[:4] + bytes(40), b"PAR1"):
        with pytest.raises(TableError, match=r"^t.parquet: cannot be read as parquet \(.*\); write it again$"):
            parse_parquet(damaged, "t.parquet")
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pyarrow.table([[1], [2]], names=["a", "a"]), sink)
    with pytest.raises(TableError, match=r"^t.parquet: column 'a' occurs twice; rename or remove one$"):
        parse_parquet(sink.getvalue(), "t.parquet")
    with pytest.raises(TableError, match=r"^t.parquet: has no columns; expected a CSV or parquet table"):
        parse_parquet(parquet_of(), "t.parquet")
    monkeypatch.setattr("gmmaudio.data_tables.MAX_CELLS", 999)
    with pytest.raises(TableError, match=r"^t.parquet: has 1,000 cells; expected at most 999: divide it$"):
        parse_parquet(whole, "t.parquet")


def test_without_pyarrow_the_message_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1")
    for call in (require_pyarrow, lambda: read_data_table(path), lambda: to_parquet(parse_csv("a\n1\n", "t.csv"))):
        with pytest.raises(SettingError) as caught:
            call()
        assert str(caught.value) == (
            "parquet files need pyarrow; install the parquet extra: pip install 'gmmaudio[parquet]', or use CSV"
        )
