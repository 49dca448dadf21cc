"""Tables and lists: what spreadsheets and people write, against Python's own csv where that reads it too."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.errors import CorpusError
from gmmaudio.text_tables import (
    check_known_columns,
    csv_text,
    decode_text,
    list_lines,
    parse_table,
    plain_cell,
    safe_cell,
)

FORMULAS = ("=1+1", "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", "\nx", "'quoted", "''=", '=HYPERLINK("http://x","y")')
CLIPS = (("path", "label"), [{"path": "a.wav", "label": "jazz"}, {"path": "b c.wav", "label": "rock"}])


def read(text):
    table = parse_table(text, "clips.csv")
    return table.columns, [row.cells for row in table]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.wav,jazz\nb c.wav,rock\n",
        "path, label\na.wav, jazz\nb c.wav, rock",
        "path ,\tlabel \n  a.wav  ,jazz\t\nb c.wav,rock\n",
        'path, "label"\n"a.wav", "jazz"\n"b c.wav" , "rock" \n',
        "path;label\na.wav;jazz\nb c.wav;rock\n",
        "path\tlabel\na.wav\tjazz\nb c.wav\trock\n",
        'path\t"label"\n"a.wav" \tjazz\n b c.wav\t "rock"\n',
        "sep=;\npath;label\na.wav;jazz\nb c.wav;rock\n",
        "SEP=,\r\npath,label\r\na.wav,jazz\r\nb c.wav,rock\r\n",
        '"sep=;";;\npath;label\na.wav;jazz\nb c.wav;rock\n',
        "sep=\t\npath\tlabel\na.wav\tjazz\nb c.wav\trock\n",
        "sep=|\npath|label\na.wav|jazz\nb c.wav|rock\n",
        "path,label,,\na.wav,jazz,,\nb c.wav,rock,,\n,,,\n,,,\n",
        "path,label\na.wav,jazz\nb c.wav,rock\n,\n , \n\n\n",
        "path;label\r\na.wav;jazz;\r\nb c.wav;rock;;\r\n;;;;\r\n",
        "path,,label\na.wav,,jazz\nb c.wav,,rock\n",
        "\n\npath,label\n\na.wav,jazz\n\nb c.wav,rock",
        "path,label\ra.wav,jazz\rb c.wav,rock\r",
        "path,label\r\na.wav,jazz\r\nb c.wav,rock\r\n",
        ",path,label\n0,a.wav,jazz\n1,b c.wav,rock\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_one_table_reads_the_same_however_it_is_written(text, encoding):
    columns, rows = read(decode_text(text.encode(encoding)))
    assert ([column for column in columns if column], rows) == (list(CLIPS[0]), CLIPS[1])


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5).map(str.strip)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=4), st.sampled_from(",;\t"))
def test_what_csv_writes_is_read_as_csv_reads_it(rows, separator):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows([("path", "label", "note"), *rows])
    reader = csv.DictReader(io.StringIO(out.getvalue(), newline=""), delimiter=separator)
    # cells are read without the spaces around them, and rows without a cell are left out
    expected = [{key: value.strip() for key, value in row.items()} for row in reader]
    assert read(out.getvalue())[1] == [row for row in expected if any(row.values())]


def test_quotes_hold_separators_quotes_and_line_ends_and_may_stand_inside():
    text = 'path,label\n"a, b.wav","say ""x"" , y"\n"c\nd.wav","e\r\nf"\n12" vinyl.wav,a"b\n'
    assert read(text)[1] == [
        {"path": "a, b.wav", "label": 'say "x" , y'},
        {"path": "c\nd.wav", "label": "e\r\nf"},
        {"path": '12" vinyl.wav', "label": 'a"b'},
    ]


def test_a_separator_in_quotes_of_the_header_does_not_count():
    assert read('"path";"score:a,b,c";label\n1.wav;2;x\n')[0] == ("path", "score:a,b,c", "label")


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
def test_rows_are_numbered_by_their_first_line(newline):
    lines = ["sep=,", "path,label", "", '"a', 'b.wav",jazz', "c.wav,rock"]
    assert [row.line for row in parse_table(newline.join(lines), "clips.csv")] == [4, 6]


@pytest.mark.parametrize("text", ['"a.wav,jazz\nb.wav,rock', '"a"b.wav,jazz', 'a.wav,"jazz" rock', 'a.wav, "jazz'])
def test_broken_quotes_are_refused_with_the_line(text):
    with pytest.raises(csv.Error, match=r"^line 3: a quote is not closed, or text follows it$"):
        read(f"path,label\nx.wav,jazz\n{text}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na,b,c\n", ", line 2: more values than columns; quote values that hold the separator"),
        ("path,label,,\na,b,,c\n", ", line 2: more values than columns; quote values that hold the separator"),
        ("path,,label\na,,b\n\nc,d,e\n", ", line 4: a value in a column without a name; name the column"),
        ("path,label, label \na,b,c\n", ": column 'label' occurs twice; rename or remove one"),
        ('path,label,"path"\na,b,c\n', ": column 'path' occurs twice; rename or remove one"),
        ("path,Zo\u00e9,Zoe\u0301\na,b,c\n", ": column 'Zo\u00e9' occurs twice; rename or remove one"),
    ],
)
def test_ragged_rows_and_double_columns_are_refused(text, message):
    with pytest.raises(CorpusError) as caught:
        read(text)
    assert str(caught.value) == f"clips.csv{message}"


def test_a_row_that_ends_early_names_the_columns_it_lacks():
    (row,) = parse_table("path,label,group\na.wav,jazz\n", "clips.csv")
    assert (row.cells, row.missing) == ({"path": "a.wav", "label": "jazz", "group": ""}, ("group",))


@pytest.mark.parametrize("column", ["Split", "SPLIT", "spl\u00adit", "\ufeffsplit"])
def test_a_column_nearly_called_as_a_known_one_is_refused(column):
    with pytest.raises(CorpusError, match="would not be used; call it 'split', or something else"):
        check_known_columns(["path", column], ["path", "split"], "clips.csv")
    check_known_columns(["path", column, "split"], ["path", "split"], "clips.csv")


@pytest.mark.parametrize(
    "data", ["path,label\n\u00e9.wav,a\n".encode("latin-1"), b"\xff\xfea", b"\x00\x00", b"RIFF\xa4\x00\x00\x00WAVEfmt "]
)
def test_other_encodings_and_no_text_are_refused(data):
    try:
        text = decode_text(data)
    except UnicodeDecodeError:
        return
    with pytest.raises(csv.Error, match="NUL"):
        parse_table(text, "clips.csv")


def test_bytes_that_are_no_text_can_be_kept():
    assert decode_text(b"caf\xe9.wav", "surrogateescape") == "caf\udce9.wav"


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n", "\n\n", "\n \n"])
def test_lines_end_as_on_any_system(newline):
    assert list_lines(newline.join(["a.wav", " b.wav ", "c.wav"])) == ["a.wav", " b.wav ", "c.wav"]


def test_cr_and_other_separators_inside_a_name_are_kept():
    assert list_lines("a\rb.wav\nc\u2028\x0c\x85d.wav\n") == ["a\rb.wav", "c\u2028\x0c\x85d.wav"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_starts_a_formula_and_the_text_comes_back(text):
    assert safe_cell(text) == "'" + text
    assert plain_cell(safe_cell(text)) == text


@pytest.mark.parametrize("value", ["jazz", "", "a=b", "1-2", 3, -1.5, None])
def test_other_cells_stay_as_they_are(value):
    assert safe_cell(value) == value
    if isinstance(value, str):
        assert plain_cell(value) == value


@pytest.mark.parametrize("cell", ["a\rb", "\r", "a\nb", "a\r\nb", 'a"b', "a,b", "'=x\r"])
def test_a_table_that_is_written_is_read_back(cell):
    rows = list(csv.reader(io.StringIO(csv_text([("label", "n"), (cell, 1.5), ("b", None)]), newline="")))
    assert [[plain_cell(each) for each in row] for row in rows] == [["label", "n"], [cell, "1.5"], ["b", ""]]


def test_records_hold_empty_rows_and_a_first_column_without_a_name():
    table = parse_table(",a,b\n1,2,\n,,\n3\n", "t.csv")
    assert list(table.records()) == [(2, ["1", "2", ""]), (3, ["", "", ""]), (4, ["3"])]
    # the third row has a value in the column without a name only
    assert [(row.line, dict(row.cells)) for row in table] == [(2, {"a": "2", "b": ""}), (4, {"a": "", "b": ""})]


@pytest.mark.parametrize(
    ("text", "words"), [("a,b\n1,2,3\n", "more values than columns"), ("a,,b\n1,2,3\n", "without a name")]
)
def test_records_of_a_wrong_width_are_refused(text, words):
    with pytest.raises(CorpusError, match=words):
        list(parse_table(text, "t.csv").records())
