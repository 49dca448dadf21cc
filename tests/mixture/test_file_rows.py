"""Rows of files that mappers read for themselves: what is pickled, and that results are the same bits."""

import itertools
import multiprocessing
import pickle

import numpy as np
import pytest

from gmmaudio.errors import MixtureError
from gmmaudio.mixture import accumulate, fit_gmm
from gmmaudio.mixture.file_rows import FileRows, in_file
from gmmaudio.mixture.rows import list_chunks
from tests.mixture.conftest import bits, crowd, first_mixture

N = 20_000


def sent(thing):
    """Return a copy of something as another process gets it."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301


class Counter:
    """A mapper that pickles all that it sends, as a pool of processes does, and counts the bytes of the chunks."""

    def __init__(self):
        self.sent = []

    def __call__(self, function, chunks):
        for chunk in chunks:
            self.sent.append(len(pickle.dumps(chunk)))
            yield sent(function)(sent(chunk))


def saved(folder, rows, name="rows.npy"):
    np.save(folder / name, rows)
    return folder / name


def raw_file(folder, rows):
    """Return the rows as a memory map of a file that has other bytes before them."""
    path = folder / "rows.raw"
    path.write_bytes(b"x" * 1001 + rows.tobytes())
    return np.memmap(path, rows.dtype, mode="r", offset=1001, shape=rows.shape)


def places(folder, rows, edges):
    """Return the places of parts of rows, one after another in a file."""
    path = folder / "rows.bin"
    path.write_bytes(b"x" * 64 + rows.tobytes())
    whole = FileRows(str(path), rows.dtype.str, rows.shape, rows.strides, 64)
    return [whole[start:stop] for start, stop in itertools.pairwise([0, *edges, len(rows)])]


SOURCES = {
    "a file": saved,
    "its path as words": lambda folder, X: [str(saved(folder, X))],
    "files of uneven size": lambda folder, X: [
        saved(folder, part, f"{i}.npy") for i, part in enumerate(np.split(X, [10, 5000, 5001, 17_000]))
    ],
    "column order": lambda folder, X: saved(folder, np.asfortranarray(X)),
    "a memory map": lambda folder, X: np.load(saved(folder, X), mmap_mode="r"),
    "an array over a memory map": lambda folder, X: np.asarray(np.load(saved(folder, X), mmap_mode="r+")),
    "an offset": raw_file,
    "every second row and column": lambda folder, X: np.load(
        saved(folder, np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)), mmap_mode="r"
    )[1::2, 1::2],
    "other byte order": lambda folder, X: saved(folder, X.astype(">f8")),
    "places in one file": lambda folder, X: places(folder, X, [10, 5000, 5001, 17_000]),
    "every second row of places": lambda folder, X: [
        part[::2] for part in places(folder, np.repeat(X, 2, axis=0), [200, 20_000])
    ],
    "a place": lambda folder, X: places(folder, X, [])[0],
    "several": lambda folder, X: [saved(folder, X[:9000]), np.load(saved(folder, X, "2.npy"), mmap_mode="r")[9000:]],
}


@pytest.mark.parametrize("source", SOURCES)
def test_rows_of_files_are_not_pickled(source, tmp_path):
    X = crowd(N)
    mapper = Counter()
    fit_gmm(SOURCES[source](tmp_path, X), 8, init=first_mixture("diag"), max_iter=3, tol=0, mapper=mapper)
    # 3 chunks in 7 passes, for ranges, whitening, its bulk and 4 mixtures, each some places in files
    assert len(mapper.sent) == 21
    # the third pass sends the indices of the rows that are drawn
    assert max(mapper.sent[:6] + mapper.sent[9:]) < 1000


@pytest.mark.parametrize("source", SOURCES)
def test_rows_of_files_give_the_same_bits_wherever_they_are_read(source, tmp_path):
    X = crowd(N)
    X[3000, 1] = np.nan
    rows = SOURCES[source](tmp_path, X)
    options = {"init": first_mixture("diag"), "max_iter": 2, "tol": 0, "weights": np.arange(N) % 3}
    expected = bits(*fit_gmm(X.astype(float) if source == "other byte order" else X, 8, **options))
    assert bits(*fit_gmm(rows, 8, mapper=Counter(), **options)) == expected


@pytest.mark.parametrize("options", [{}, {"covariance_type": "spherical"}, {"init": "random", "n_init": 2}], ids=str)
def test_a_mapper_draws_the_start_from_the_same_rows(options, tmp_path):
    # far rows, so that rows are drawn for the whitening too; rows without a value are in no chunk
    X = crowd(N)
    X[::4000] *= 1e4
    X[5:9] = np.nan
    weights = np.arange(N) % 5
    mapper = Counter()
    expected = bits(*fit_gmm(X, 4, weights=weights, max_iter=1, **options))
    assert bits(*fit_gmm(saved(tmp_path, X), 4, weights=weights, max_iter=1, mapper=mapper, **options)) == expected
    assert len(mapper.sent) >= 3 * 6


def test_rows_that_are_in_no_file_are_pickled():
    X = crowd(N)
    for rows in (X, [X[:100], X[100:]], lambda: [X], X.astype(int)):
        mapper = Counter()
        fit_gmm(rows, 8, init=first_mixture("diag"), max_iter=3, tol=0, mapper=mapper)
        passes, itemsize = 7, 8 if getattr(rows, "dtype", None) == np.int64 else 4
        assert passes * X.size * itemsize <= sum(mapper.sent) < 1.01 * passes * X.size * itemsize + 8 * N


def test_neighbours_in_a_file_are_opened_as_one(tmp_path):
    X = crowd(N)
    parts = places(tmp_path, X, range(10, N, 10))
    assert [len(chunk.pieces) for chunk in list_chunks(parts)] == [1, 1, 1]
    # with another part in between, or one that comes twice, they are not
    assert len(next(list_chunks([parts[0], parts[2], parts[2], parts[3]])).pieces) == 3
    np.testing.assert_array_equal(next(list_chunks([*parts[3:900], *parts[:3]])).read().rows[:8192], X[30:8222])


def test_places_of_other_widths_are_refused(tmp_path):
    part = places(tmp_path, crowd(100), [])[0]
    with pytest.raises(MixtureError, match="rows have 6 features; the mixture was made for 3"):
        list(list_chunks(part, n_features=3))
    with pytest.raises(MixtureError, match="rows have 3 features at first and 6 later"):
        list(list_chunks([np.zeros((2, 3)), part]))


def test_weights_are_pickled_beside_the_places_of_rows(tmp_path):
    mapper = Counter()
    accumulate(first_mixture("diag"), saved(tmp_path, crowd(N)), np.ones(N), mapper=mapper)
    assert 8 * N < sum(mapper.sent) < 8 * N + 3000


@pytest.mark.parametrize("case", ["copy on write", "deleted", "backwards"])
def test_rows_whose_file_may_differ_are_pickled(case, tmp_path):
    X = crowd(N)
    path = saved(tmp_path, X)
    rows = np.load(path, mmap_mode="c" if case == "copy on write" else "r")
    if case == "copy on write":
        X[5], rows[5] = 7.0, 7.0
    elif case == "deleted":
        path.unlink()
    else:
        X, rows = X[::-1], rows[::-1]
    mapper = Counter()
    found = accumulate(first_mixture("diag"), rows, mapper=mapper)
    assert sum(mapper.sent) > X.nbytes
    np.testing.assert_array_equal(found.f, accumulate(first_mixture("diag"), X).f)


def test_what_is_written_to_a_shared_map_is_read(tmp_path):
    rows = np.load(saved(tmp_path, crowd(N)), mmap_mode="r+")
    rows[5] = 7.0
    found = accumulate(first_mixture("diag"), rows, mapper=Counter())
    np.testing.assert_array_equal(found.f, accumulate(first_mixture("diag"), np.array(rows)).f)


@pytest.mark.parametrize("change", ["gone", "shorter"])
def test_a_file_that_changes_on_the_way_is_named(change, tmp_path):
    path = saved(tmp_path, crowd(N))

    def late(function, chunks):
        copies = [sent(chunk) for chunk in chunks]
        if change == "gone":
            path.unlink()
        else:
            path.write_bytes(b"\x93NUMPY" * 100)
        return map(function, copies)

    with pytest.raises(MixtureError, match=r"rows\.npy: cannot be read .*; expected the file of rows that was there"):
        accumulate(first_mixture("diag"), path, mapper=late)


def test_another_file_in_the_place_of_a_mapped_one_is_named(tmp_path):
    path = saved(tmp_path, crowd(N))
    rows = np.load(path, mmap_mode="r")
    saved(tmp_path, crowd(N) + 1, "other.npy").replace(path)
    with pytest.raises(MixtureError, match=r"rows\.npy: holds other rows; expected the file of rows that was there"):
        accumulate(first_mixture("diag"), rows, mapper=Counter())


def test_rows_that_are_refused_are_named_by_their_place_in_the_source(tmp_path):
    X = crowd(N)
    X[9000, 2] = np.inf
    with pytest.raises(MixtureError, match="row 9000, column 2 is inf"):
        accumulate(first_mixture("diag"), saved(tmp_path, X), mapper=Counter())


def test_a_source_that_gives_other_rows_to_a_mapper_is_refused():
    sizes = iter([100, 100, 100, 100, 99, 99])
    with pytest.raises(MixtureError, match="there were 100 rows at first and 99 later"):
        fit_gmm(lambda: [np.random.default_rng(0).normal(size=(next(sizes), 2))], 2, mapper=map)


def test_processes_read_files_and_give_the_same_bits(tmp_path):
    X = crowd(N)
    paths = [saved(tmp_path, X[:15_000], "a.npy"), saved(tmp_path, X[15_000:], "b.npy")]
    options = {"init": first_mixture("diag"), "max_iter": 2, "tol": 0}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = bits(*fit_gmm(paths, 8, mapper=pool.imap, **options))
    assert found == bits(*fit_gmm(X, 8, **options))


def test_a_reference_to_a_reference_is_itself(tmp_path):
    chunk = next(list_chunks(saved(tmp_path, crowd(100))))
    once = sent(chunk)
    twice = sent(once)
    assert once.pieces == twice.pieces == (in_file(chunk.pieces[0]),)
    np.testing.assert_array_equal(twice.read().rows, crowd(100))
