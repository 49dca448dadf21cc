"""Rows of clips: found by path or by a column, in any format, and refused with a code where they are none."""

import numpy as np
import pytest

from gmmaudio.corpus import Clip
from gmmaudio.errors import CorpusError, RowsError, SettingError
from gmmaudio.features import FeatureSettings, GivenFrames
from gmmaudio.trials import ROWS_REASONS, ROWS_SUFFIXES, GivenRows, RowExtraction, extract_rows
from tests.trials.test_array_files import MATRIX, write

JAZZ = Clip("jazz/1.wav", "jazz")


def read(given, clip=JAZZ):
    with given.open() as reader:
        return reader.read(clip)


def refusal(given, clip=JAZZ):
    with pytest.raises(RowsError) as refused:
        read(given, clip)
    assert refused.value.code in ROWS_REASONS
    return refused.value.code, str(refused.value)


# --- where the rows of a clip are ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ROWS_SUFFIXES)
@pytest.mark.parametrize("name", ["jazz/1", "jazz/1.wav"])
def test_a_folder_has_a_file_beside_the_path_of_each_clip(tmp_path, suffix, name):
    write(tmp_path / f"{name}{suffix}", {"": MATRIX})
    given = GivenRows(tmp_path)
    np.testing.assert_array_equal(read(given), MATRIX)
    assert read(given).dtype == np.float32
    assert given.clip_names() == (f"{name}{suffix}",)
    # the names of a folder are clips too, as classification has them
    np.testing.assert_array_equal(read(given, Clip(f"{name}{suffix}", "")), MATRIX)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
@pytest.mark.parametrize("name", ["jazz/1", "jazz/1.wav"])
def test_a_file_has_an_array_for_each_clip(tmp_path, suffix, name):
    given = GivenRows(write(tmp_path / f"all{suffix}", {name: MATRIX, "rock/1": MATRIX + 1}))
    np.testing.assert_array_equal(read(given), MATRIX)
    assert given.clip_names() == (name, "rock/1")
    code, message = refusal(given, Clip("fado/1.wav", "fado"))
    assert (code, message) == (
        "vanished",
        f"has no array in all{suffix}, by its path or by that without suffix; check both",
    )


def test_names_are_compared_in_one_normal_form(tmp_path):
    composed, decomposed = "Zo\u00e9.wav", "Zoe\u0301"
    assert read(GivenRows({decomposed: MATRIX}), Clip(composed, "")).shape == MATRIX.shape
    write(tmp_path / f"{decomposed}.npy", {"": MATRIX})
    assert read(GivenRows(tmp_path), Clip(composed, "")).shape == MATRIX.shape


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
def test_a_column_names_the_rows_of_each_clip(tmp_path, suffix):
    given = GivenRows(write(tmp_path / f"all{suffix}", {"k1": MATRIX, "k2": MATRIX + 1}), rows_column="key")
    np.testing.assert_array_equal(read(given, Clip("a", "", extra={"key": "k2"})), MATRIX + 1)
    assert refusal(given, Clip("a", "", extra={"key": ""})) == (
        "vanished",
        "has no value in the column 'key'; name its rows there",
    )


def test_a_column_of_a_table_is_that_of_the_manifest(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = {"path": ["other", "others"], "utt": [7, 8], "x": [1.0, 2.0]}
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    given = GivenRows(tmp_path / "t.parquet", rows_column="utt")
    assert read(given, Clip("a", "", extra={"utt": "8"})).tolist() == [[2.0]]


def test_a_table_without_a_column_of_names_is_told(tmp_path):
    path = write(tmp_path / "t.parquet", {"": MATRIX})
    for column, known in ((None, "path, file_name"), ("utt", "utt, path, file_name")):
        row = {} if column is None else {"utt": "u1"}
        assert refusal(GivenRows(path, rows_column=column), Clip("a.wav", "", extra=row)) == (
            "vanished",
            f"has no name in t.parquet, which has none of the columns {known}; give it one that names the clip of "
            "each row",
        )


def test_one_array_has_the_rows_of_all_clips_by_their_index(tmp_path):
    np.save(tmp_path / "X.npy", MATRIX)
    given = GivenRows(tmp_path / "X.npy", rows_column="i")
    assert read(given, Clip("a", "", extra={"i": "2"})).tolist() == [MATRIX[2].tolist()]
    for value in ("4", "-1", "x", "1.0", "²", "1" * 5000):
        code, message = refusal(given, Clip("a", "", extra={"i": value}))
        assert (code, message.partition(";")[2]) == (
            "vanished",
            " expected 0 to 3, the index along the first axis of X.npy, of shape (4, 3)",
        )
    code, message = refusal(GivenRows(tmp_path / "X.npy"))
    assert code == "vanished"
    assert "name the column of the manifest that holds the index of each clip (`rows_column`)" in message
    np.testing.assert_array_equal(read(GivenRows(tmp_path / "X.npy"), Clip("X.npy", "")), MATRIX)


@pytest.mark.parametrize(
    ("clip", "code", "message"),
    [
        (Clip("rock/1.wav", ""), "vanished", "has no rock/1.wav.npy in {folder}, nor another format; check both paths"),
        (
            Clip("../1.wav", ""),
            "vanished",
            "has the path '../1.wav', which leads out of the folder of rows; name a column with another "
            "(`rows_column`)",
        ),
        (Clip("/etc/1.wav", ""), "vanished", None),
        (Clip("two/1.wav", ""), "ambiguous", "has '1.npy', '1.npz'; keep one of them"),
    ],
)
def test_clips_without_rows_of_their_own_have_a_code(tmp_path, clip, code, message):
    write(tmp_path / "two/1.npy", {"": MATRIX})
    write(tmp_path / "two/1.npz", {"": MATRIX})
    found, said = refusal(GivenRows(tmp_path), clip)
    assert found == code
    assert message is None or said == message.format(folder=tmp_path)


# --- segments -----------------------------------------------------------------------------------------------------


def test_a_segment_is_cut_from_the_rows_of_its_file_by_their_rate():
    rows = np.arange(20.0)[:, None]
    given = GivenRows({"a.wav": rows}, rows_rate_hz=10.0)
    assert read(given, Clip("a.wav", "", start_s=0.5, end_s=0.8)).ravel().tolist() == [5, 6, 7]
    assert read(given, Clip("a.wav", "", start_s=1.8)).ravel().tolist() == [18, 19]
    # the last frame of a front end may lie beyond the end, and one less is rounding
    assert len(read(given, Clip("a.wav", "", start_s=0.0, end_s=2.1))) == 20
    for start_s, end_s in ((2.0, None), (0.0, 3.0), (0.5, 0.51)):
        assert refusal(given, Clip("a.wav", "", start_s=start_s, end_s=end_s))[0] == "bad_segment"
    code, message = refusal(GivenRows({"a.wav": rows}), Clip("a.wav", "", start_s=0.5))
    assert code == "bad_segment"
    assert message.startswith("is a segment of a file, and the rate of the rows is not known; name it (`rows_rate_hz`)")
    # rows that a column names are those of the segment
    by_key = GivenRows({"a-1": rows[:3]}, rows_column="key")
    assert len(read(by_key, Clip("a.wav", "", start_s=0.5, extra={"key": "a-1"}))) == 3


# --- arrays that are no rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "code", "message"),
    [
        (
            np.zeros((1, 4, 3)),
            "not_rows",
            "has shape (1, 4, 3); expected (n_frames, n_columns), or (n_columns,) for one",
        ),
        (np.float32(1.0), "not_rows", "has shape (); expected"),
        (["a"], "not_rows", "holds no array of real numbers;"),
        ([[1.0], [1.0, 2.0]], "not_rows", "holds no array of real numbers;"),
        (np.zeros((0, 3)), "no_rows", "has shape (0, 3); expected at least one row and one column"),
        (np.zeros((3, 0)), "no_rows", "has shape (3, 0); expected at least one row and one column"),
        (np.array([[0.0, 1.0], [np.inf, 0.0]]), "non_finite", "row 1, column 0 is inf; expected finite numbers"),
        (np.array([1e39]), "non_finite", "row 0, column 0 is 1e+39; expected finite numbers of single precision"),
    ],
)
def test_arrays_that_are_no_rows_have_a_code(array, code, message):
    found, said = refusal(GivenRows({"jazz/1": array}))
    assert (found, said[: len(message)]) == (code, message)


def test_a_vector_is_one_row_and_a_masked_value_is_missing():
    assert read(GivenRows({"jazz/1": [1, 2, 3]})).tolist() == [[1.0, 2.0, 3.0]]
    masked = np.ma.masked_equal([[1.0, 2.0], [3.0, 4.0]], 3.0)
    np.testing.assert_array_equal(read(GivenRows({"jazz/1": masked})), [[1.0, 2.0], [np.nan, 4.0]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": 3}, "^`rows` is 3; expected a path$"),
        ({"rows": {"a": [1.0], None: [1.0]}}, "^`rows` has an array called None; expected the path of a clip$"),
        ({"rows": {1: [1.0]}}, "^`rows` has an array called 1; expected the path of a clip$"),
        ({"rows_name": 3}, "^`rows_name` is 3; expected a string, or None$"),
        ({"rows_name": " "}, "^`rows_name` is ' '; expected the name of what made the rows"),
        ({"rows_rate_hz": -1}, "^`rows_rate_hz` is -1; expected 0.0001 to 384000 rows in a second$"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(SettingError, match=message):
        GivenRows(**{"rows": {}, **settings})


def test_a_place_without_rows_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match=r"holds no rows; expected files of \.npy, \.npz"):
        GivenRows(tmp_path).clip_names()
    with pytest.raises(CorpusError, match=r"gone: is not there; check the path; expected a folder, or a file, of"):
        GivenRows(tmp_path / "gone").clip_names()
    with pytest.raises(CorpusError, match=r"gone\.npz: is not there; check the path; expected a folder"):
        GivenRows(tmp_path / "gone.npz").clip_names()
    with pytest.raises(
        CorpusError, match=r"^no rows of 1 clips that were looked at can be used, the first: jazz/1.wav"
    ):
        GivenRows(tmp_path).count_columns([JAZZ])


def test_the_number_of_columns_is_that_of_most_clips():
    arrays = {"0": np.zeros(5), "1": np.zeros(3), "2": np.zeros(3), "3": "no rows"}
    assert GivenRows(arrays).count_columns([Clip(name, "") for name in arrays]) == 3


# --- as frames of clips -------------------------------------------------------------------------------------------


def extracted(arrays, *, n_columns=2, rate_hz=None, takes_missing=False, min_duration_s=0.0):
    features = FeatureSettings(GivenFrames(rows_name="ours", n_columns=n_columns, rows_rate_hz=rate_hz))
    extraction = RowExtraction(features, min_duration_s, takes_missing)
    return list(extract_rows(GivenRows(arrays), [Clip(name, "") for name in arrays], extraction))


def test_rows_are_frames_with_a_hash_of_their_own():
    arrays = {"a": np.ones((4, 2)), "same": np.ones((4, 2), dtype=np.float32), "b": np.ones((2, 2))}
    a, same, b = extracted(arrays, rate_hz=2.0)
    np.testing.assert_array_equal(a.raw.values, np.ones((4, 2)))
    assert a.raw.time_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert (a.duration_s, a.is_timed, a.n_frames) == (2.0, True, 4)
    assert a.sha256 == same.sha256 != b.sha256
    (without,) = extracted({"a": np.ones((4, 2))})
    assert (without.duration_s, without.is_timed) == (4.0, False)


@pytest.mark.parametrize(
    ("array", "options", "code", "message"),
    [
        (
            np.zeros((2, 3)),
            {},
            "wrong_dimension",
            "has 3 columns; expected 2, as 'ours' has in the other clips or in the model; rows are frames: "
            "transpose it",
        ),
        (
            [[0.0, np.nan], [0.0, 1.0]],
            {},
            "missing_values",
            "has missing values (NaN) in 1 of 2 rows, which this kind of model does not take; fill them, or take the "
            "`kind` frames",
        ),
        (
            [[np.nan, np.nan]],
            {"takes_missing": True},
            "missing_values",
            "has missing values (NaN) only; leave the clip out",
        ),
        (
            np.zeros((3, 2)),
            {"rate_hz": 10.0, "min_duration_s": 0.5},
            "too_short",
            "lasts 0.3 s; at least 0.5 s is needed (`min_duration_s`)",
        ),
    ],
)
def test_rows_that_do_not_fit_are_failed_inputs_and_stop_no_other(array, options, code, message):
    bad, good = extracted({"bad": array, "good": np.zeros((9, 2))}, **options)
    assert (bad.path, bad.code, bad.message) == ("bad", code, message)
    assert good.n_frames == 9


def test_missing_values_reach_a_model_that_takes_them():
    (item,) = extracted({"a": [[0.0, np.nan], [0.0, 1.0]]}, takes_missing=True)
    assert np.isnan(item.raw.values).sum() == 1


def test_the_shortest_duration_does_not_count_without_a_rate():
    (item,) = extracted({"a": np.zeros(2)}, min_duration_s=9.0)
    assert item.n_frames == 1


def test_every_reason_is_told_somewhere(tmp_path):
    """The table of reasons has those that the modules raise, and no others."""
    from pathlib import Path

    import gmmaudio.trials as package

    texts = [Path(package.__file__).with_name(f"{name}.py").read_text() for name in ("given_rows", "array_files")]
    texts.append(Path(package.__file__).with_name("row_extraction.py").read_text())
    body = "".join(texts).split("ROWS_REASONS: dict", 1)[1].split("}", 1)
    raised = {code for code in ROWS_REASONS if f'"{code}"' in body[1] or f'RowsError("{code}"' in "".join(texts)}
    assert raised == set(ROWS_REASONS)
