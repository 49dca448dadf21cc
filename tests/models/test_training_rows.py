"""Rows of clips in memory and in files: the same bits, and files that are open only while their rows are used."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.errors import MixtureError
from gmmaudio.mixture.file_rows import FileRows
from gmmaudio.models import FrameGmmSettings
from gmmaudio.models.kinds import fit_kind, fresh_fits
from gmmaudio.models.training_rows import ClipRows, every_second, n_rows_of
from tests.models.conftest import BLOCKS, VECTORS, clips_of, parameters, training_of


def in_files(folder, rows, first=0):
    """Return the places of rows of clips in one file, the first of them kept in memory."""
    path, pieces = folder / "rows.bin", list(rows[:first])
    with path.open("wb") as handle:
        for clip in rows[first:]:
            pieces.append(FileRows(str(path), clip.dtype.str, clip.shape, clip.strides, handle.tell()))
            handle.write(clip.tobytes())
    return ClipRows(pieces)


def numbers_of(scorer):
    """Return all numbers of a scorer as one string of bytes."""
    stages = (scorer.transform, *scorer.heads)
    return b"".join(np.ascontiguousarray(array).tobytes() for stage in stages for array in stage.tensors().values())


SETTINGS = {
    "frames": FrameGmmSettings(n_components=3, max_iter=5),
    "frames with a UBM": FrameGmmSettings(n_components=3, max_iter=5, relevance=8.0, n_ubm_rows=200),
    "blocks": BLOCKS,
    "blocks of mixtures": replace(BLOCKS, covariance_type="diag", n_components=2),
    "supervectors": VECTORS,
}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("n_in_memory", [0, 11])
def test_rows_in_files_give_the_same_scorer(kind, n_jobs, n_in_memory, tmp_path):
    rows, labels, groups = clips_of(n_rows=60)
    held = training_of(rows, labels, groups)
    training = replace(held, rows=in_files(tmp_path, rows, n_in_memory), run=RunContext(n_jobs=n_jobs))
    clips, held_out = np.arange(0, 24, 2), np.arange(1, 24, 2)
    scorers, scores = [], []
    for each in (held, training):
        fit = fit_kind(each, SETTINGS[kind])
        fits = fit.partial or fresh_fits(each, SETTINGS[kind])
        part = fits.fit(clips)
        scorers.append(numbers_of(fit.scorer) + numbers_of(part))
        scores.append(fits.score(part, held_out))
    assert scorers[0] == scorers[1]
    np.testing.assert_array_equal(*scores)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="the system does not list the maps of a process")  # noqa: PTH110
def test_a_fit_leaves_no_file_open(tmp_path):
    rows, labels, groups = clips_of(n_clips=40)
    training = replace(training_of(rows, labels, groups), rows=in_files(tmp_path, rows))
    most = 0

    def count(items, _total, _stage):
        nonlocal most
        for item in items:
            with open("/proc/self/maps") as maps:  # noqa: PTH123
                most = max(most, maps.read().count("rows.bin"))
            yield item

    fit = fit_kind(replace(training, run=RunContext(n_jobs=1, progress=count)), SETTINGS["frames"])
    fit.partial.score(fit.scorer, np.arange(120))
    # of 120 clips no more than one is open between iterations
    assert most <= 1


def test_a_task_of_rows_in_files_is_sent_as_their_places(tmp_path):
    rows, labels, groups = clips_of(n_rows=500)
    training = replace(training_of(rows, labels, groups), rows=in_files(tmp_path, rows))
    sent = pickle.dumps(every_second(training.of_label(0)))
    assert len(sent) < 2_000 < training.lengths[:8].sum() * 5 * 4 / 2
    pieces = pickle.loads(sent)  # noqa: S301
    np.testing.assert_array_equal(np.concatenate([piece.open() for piece in pieces]), np.concatenate(rows[:8])[::2])


@pytest.mark.parametrize("lengths", [[4, 4, 4], [3, 5, 1, 1, 2], [1, 1, 1, 1, 1], [7]])
def test_every_second_row_is_counted_over_all_pieces(lengths, tmp_path):
    rows = [np.arange(10.0 * i, 10.0 * i + n)[:, None] for i, n in enumerate(lengths)]
    expected = np.concatenate(rows)[::2]
    for pieces in (rows, in_files(tmp_path, rows).pieces):
        source = every_second(list(pieces))
        opened = [piece.open() if isinstance(piece, FileRows) else piece for piece in source]
        np.testing.assert_array_equal(np.concatenate(opened), expected)
        assert n_rows_of(source) == len(expected)
    np.testing.assert_array_equal(every_second(np.concatenate(rows)), expected)


def test_rows_that_are_in_memory_are_one_matrix_and_others_a_list(tmp_path):
    rows, labels, groups = clips_of()
    training = training_of(rows, labels, groups)
    np.testing.assert_array_equal(training.of_label(1), np.concatenate(rows[8:16]))
    mixed = replace(training, rows=in_files(tmp_path, rows, 10))
    assert isinstance(mixed.of_label(0), np.ndarray)
    assert [isinstance(piece, FileRows) for piece in mixed.of_label(1)] == [False] * 2 + [True] * 6
    assert mixed.lengths.tolist() == training.lengths.tolist() == [30] * 24
    np.testing.assert_array_equal(mixed.rows[20], rows[20])
    np.testing.assert_array_equal(mixed.rows[19:21][1], rows[20])


def test_a_file_of_rows_that_is_gone_is_named(tmp_path):
    rows, labels, groups = clips_of()
    training = replace(training_of(rows, labels, groups), rows=in_files(tmp_path, rows))
    (tmp_path / "rows.bin").unlink()
    with pytest.raises(MixtureError, match=r"rows\.bin: cannot be read .*; expected the file of rows that was there"):
        fit_kind(training, SETTINGS["frames"])


def test_parameters_differ_between_kinds_and_rows():
    # what the tests above compare tells scorers apart
    rows, labels, groups = clips_of()
    first = fit_kind(training_of(rows, labels, groups), SETTINGS["frames"]).scorer
    other = fit_kind(training_of([*rows[:-1], rows[-1] + 1], labels, groups), SETTINGS["frames"]).scorer
    assert numbers_of(first) != numbers_of(other)
    assert parameters(first) != parameters(other)
