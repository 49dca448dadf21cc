"""A file is written whole or not at all, and whether it can be is checked first."""

import os

import pytest

from gmmaudio.errors import WriteError
from gmmaudio.files import check_writable, make_folder, write_beside


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_error_of_the_writer_passes_and_leaves_the_old_file(tmp_path, error):
    (tmp_path / "page.html").write_bytes(b"old")
    with pytest.raises(error), write_beside(tmp_path / "page.html") as handle:
        handle.write(b"half a pa")
        raise error
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"old")]


def test_check_writable_passes_a_new_and_an_old_file(tmp_path, monkeypatch):
    (tmp_path / "old").write_bytes(b"")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    check_writable("new")
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "{0}/folder: is a folder; name a file in it"),
        ("missing/m.gmm", "{0}/missing/m.gmm: the folder {0}/missing is not there; make it first"),
        ("file/m.gmm", "{0}/file/m.gmm: the folder {0}/file is not there; make it first"),
    ],
)
def test_check_writable_names_the_reason(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError) as caught:
        check_writable(tmp_path / name)
    assert str(caught.value) == message.format(tmp_path)


def test_check_writable_refuses_a_closed_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="cannot be written; choose another path"):
        check_writable(tmp_path / "m.gmm")


@pytest.mark.parametrize("check", [check_writable, lambda path: write_beside(path).__enter__()])
def test_a_pipe_is_no_file_to_replace(tmp_path, check):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WriteError, match="is a pipe or a device; name a file"):
        check(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_standard_output_is_no_file():
    with pytest.raises(WriteError, match="-: standard output cannot be used here; name a file"):
        check_writable("-")


def test_a_name_too_long_for_the_system_is_an_error_of_this_package(tmp_path):
    for function in (check_writable, make_folder, lambda path: write_beside(path).__enter__()):
        with pytest.raises(WriteError):
            function(tmp_path / ("a" * 300) / "b")


def test_a_folder_is_made_and_one_that_exists_is_kept(tmp_path):
    make_folder(tmp_path / "tables")
    (tmp_path / "tables" / "old.csv").write_bytes(b"old")
    make_folder(str(tmp_path / "tables"))
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["old.csv"]


@pytest.mark.parametrize("name", ["file", "missing/tables"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=f"{name}: the folder cannot be made"):
        make_folder(tmp_path / name)


def test_a_folder_that_is_closed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="the folder cannot be written; choose another path"):
        make_folder(tmp_path)


def test_a_file_that_is_whole_takes_the_place_of_an_older_one(tmp_path):
    (tmp_path / "page.html").write_bytes(b"old")
    with write_beside(tmp_path / "page.html") as handle:
        handle.write(b"new")
        assert (tmp_path / "page.html").read_bytes() == b"old"
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"new")]
