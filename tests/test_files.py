"""A file is written whole or not at all, and whether it can be is checked first."""

import os

import pytest

from gmmaudio.errors import WriteError
from gmmaudio.files import check_writable, write_beside


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_error_of_the_writer_passes_and_leaves_what_was_there(tmp_path, error):
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
def test_check_writable_says_what_is_wrong(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError) as caught:
        check_writable(tmp_path / name)
    assert str(caught.value) == message.format(tmp_path)


def test_check_writable_says_that_a_folder_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="cannot be written; choose another place"):
        check_writable(tmp_path / "m.gmm")
