"""The journal of a run: what is read is what was written, whatever happened to the file."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.errors import SettingError, WriteError
from gmmaudio.journal import Journal, JournalEntry, content_stamp, decode_line, encode_line, file_stamp

SETTINGS = {"command": "classify", "version": "1", "model": "ab" * 32, "shard": None, "top": 2}
ENTRIES = [
    JournalEntry("a.wav", (10, 2), "ok", row="a.wav\tjazz\n"),
    JournalEntry("caf\udce9 \u202e\n.wav", None, "error", "vanished"),
    JournalEntry("-", "sha256:00", "ok", row="-,ok\r\n", files=("x.npy", "y\udce9.npy")),
    JournalEntry("a.wav", (11, 3), "unknown", "silent", row="a.wav\tunknown\n"),
]


def written(path, entries=ENTRIES):
    """Write a journal and return its bytes."""
    journal = Journal(path)
    journal.start(SETTINGS)
    for entry in entries:
        journal.add(entry)
    journal.close()
    return path.read_bytes()


def entries_of(journal, names):
    """Return what a journal says of inputs."""
    known = {name: journal.find(name) for name in names}
    return {name: journal.entry(each.place) for name, each in known.items() if each is not None}


def reread(path):
    """Return what a journal says of all inputs, and the number of damaged lines."""
    journal = Journal(path)
    try:
        journal.load(SETTINGS)
        return entries_of(journal, [entry.path for entry in ENTRIES]), journal.n_damaged
    finally:
        journal.close()


def test_the_last_line_of_an_input_is_what_is_known_of_it(tmp_path):
    written(tmp_path / "j")
    assert reread(tmp_path / "j") == ({entry.path: entry for entry in ENTRIES}, 0)


def test_every_line_is_json(tmp_path):
    lines = [json.loads(line) for line in written(tmp_path / "j").splitlines()]
    assert lines[0]["model"] == SETTINGS["model"]
    assert [line["path"] for line in lines[1:]] == [entry.path for entry in ENTRIES]


def test_a_journal_that_is_cut_anywhere_holds_the_lines_that_are_whole(tmp_path):
    data = written(tmp_path / "j")
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    for size in range(len(data) + 1):
        (tmp_path / "j").write_bytes(data[:size])
        journal = Journal(tmp_path / "j")
        n_whole = sum(end <= size for end in ends)
        assert journal.is_empty() == (n_whole == 0)
        journal.close()
        if n_whole:
            expected = {entry.path: entry for entry in ENTRIES[: n_whole - 1]}
            assert reread(tmp_path / "j") == (expected, 0)
            # the rest of a line would spoil the next one
            assert (tmp_path / "j").read_bytes() == data[: ends[n_whole - 1]]


def test_no_changed_byte_gives_another_entry(tmp_path):
    data = written(tmp_path / "j")
    known = {(entry.path, entry) for entry in ENTRIES}
    start = data.index(b"\n") + 1
    for position in range(start, len(data)):
        for mask in (1, 0x20, 0x80):
            changed = bytearray(data)
            changed[position] ^= mask
            (tmp_path / "j").write_bytes(changed)
            found, n_damaged = reread(tmp_path / "j")
            assert set(found.items()) <= known
            # of the lines at the end, one may be cut off
            assert n_damaged >= (position < data.rindex(b"\n", 0, -1))


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.lists(st.text())), st.binary(max_size=60))
def test_a_line_is_read_as_it_was_written_or_not_at_all(record, tail):
    record["path"] = "x"
    record.pop("check", None)
    line = encode_line(record)
    assert (line.count(b"\n"), decode_line(line)) == (1, record)
    assert decode_line(line + tail) in ((None,) if tail else (record,))
    assert decode_line(tail) is None


@pytest.mark.parametrize("garbage", [b"\0" * 5000, b"\n\n\n", b"x" * 100 + b"\n" + b"y" * 100, b'{"path":"a.wav"}\n'])
def test_what_a_power_failure_leaves_at_the_end_is_dropped(tmp_path, garbage):
    data = written(tmp_path / "j")
    (tmp_path / "j").write_bytes(data + garbage)
    assert reread(tmp_path / "j")[0] == {entry.path: entry for entry in ENTRIES}
    assert (tmp_path / "j").read_bytes() == data


@pytest.mark.parametrize("record", [
    {"path": 1, "stamp": None, "status": "ok"},
    {"path": "a.wav", "stamp": [1], "status": "ok"},
    {"path": "a.wav", "stamp": ["1", 2], "status": "ok"},
    {"path": "a.wav", "stamp": 7, "status": "ok"},
    {"path": "a.wav", "stamp": None, "status": None},
    {"path": "a.wav", "stamp": None, "status": "ok", "row": 4},
    {"path": "a.wav", "stamp": None, "status": "ok", "code": []},
    {"path": "a.wav", "stamp": None, "status": "ok", "files": "abc"},
    {"end": [1, 2, 3]},
])  # fmt: skip
def test_a_line_of_another_hand_is_no_entry(tmp_path, record):
    data = written(tmp_path / "j", [])
    (tmp_path / "j").write_bytes(data + encode_line(record))
    assert reread(tmp_path / "j")[0] == {}


def test_the_end_is_known_only_as_the_last_line(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.start(SETTINGS)
    journal.end((5, 6))
    journal.close()
    for n, more in enumerate([None, lambda j: j.go_on(), lambda j: j.end((7, 8)), lambda j: j.add(ENTRIES[0])]):
        journal = Journal(tmp_path / "j")
        journal.load(SETTINGS)
        if more is not None:
            more(journal)
        journal.close()
        journal = Journal(tmp_path / "j")
        journal.load(SETTINGS)
        assert journal.ended == [(5, 6), None, (7, 8), None][n]
        journal.close()


@pytest.mark.parametrize(("change", "message"), [
    ({"command": "features"}, "j: is of classify, not of features; name another output, or start again (`overwrite`)"),
    ({"version": "2"}, "j: was written by gmmaudio 1, and this is 2; use that, or start again (`overwrite`)"),
    ({"model": "cd" * 32}, "j: was written with another model (SHA-256 abababababab..., now cdcdcdcdcdcd...); na"),
    ({"shard": "1/2"}, "j: `shard` was its default and is '1/2' now; name it as before, or start again (`overwrite`)"),
    ({"top": None}, "j: `top` was 2 and is its default now; name it as before, or start again (`overwrite`)"),
    ({"more": 1}, "j: `more` was its default and is 1 now"),
])  # fmt: skip
def test_a_run_with_other_settings_is_refused(tmp_path, change, message):
    data = written(tmp_path / "j")
    journal = Journal(tmp_path / "j")
    with pytest.raises(SettingError) as error:
        journal.load(SETTINGS | change)
    journal.close()
    assert str(error.value).startswith(f"{tmp_path}/{message}")
    assert (tmp_path / "j").read_bytes() == data


@pytest.mark.parametrize("content", [b"path,label\n", b"\0\0\0\n", b"{}\n", encode_line({"path": "x"}), b"text"])
def test_what_is_no_journal_is_refused(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    journal = Journal(tmp_path / "j")
    assert not journal.is_empty()
    with pytest.raises(SettingError, match=r"j: is no journal, or is damaged; start again \(`overwrite`\)"):
        journal.load(SETTINGS)
    journal.close()
    assert (tmp_path / "j").read_bytes() == content


def test_another_format_is_refused(tmp_path):
    (tmp_path / "j").write_bytes(encode_line({"gmmaudio journal": 2, **SETTINGS}))
    journal = Journal(tmp_path / "j")
    with pytest.raises(SettingError, match="is a journal of another format"):
        journal.load(SETTINGS)
    journal.close()


def test_two_runs_have_no_journal_together(tmp_path):
    journal = Journal(tmp_path / "j")
    with pytest.raises(WriteError, match="another run is writing it; wait for its end, or name another output"):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()
    # one that holds nothing is no use to anybody
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_interrupted_does_not_spoil_the_next(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j")
    journal.start(SETTINGS)
    whole = journal._writer

    class Interrupted:
        def write(self, data):
            whole.write(data[:7])
            raise KeyboardInterrupt

    journal._writer = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        journal.add(ENTRIES[0])
    journal._writer = whole
    journal.add(ENTRIES[1])
    journal.close()
    assert reread(tmp_path / "j")[0] == {ENTRIES[1].path: ENTRIES[1]}


def test_inputs_that_nobody_asks_for_are_counted(tmp_path):
    written(tmp_path / "j")
    journal = Journal(tmp_path / "j")
    journal.load(SETTINGS)
    assert journal.n_unnamed() == 3
    for _ in range(2):
        assert journal.find("a.wav") == journal.find("a.wav") is not None
        assert journal.find("b.wav") is None
    assert journal.n_unnamed() == 2
    journal.close()


def test_a_stamp_is_of_the_file_that_is_read(tmp_path):
    (tmp_path / "Zoe\u0301.wav").write_bytes(b"12345")
    os.utime(tmp_path / "Zoe\u0301.wav", ns=(1, 2**60))
    assert file_stamp(tmp_path / "Zo\u00e9.wav") == (5, 2**60)
    (tmp_path / "link").symlink_to("Zoe\u0301.wav")
    assert file_stamp(tmp_path / "link") == (5, 2**60)
    assert file_stamp("a\0b") is None
    (tmp_path / "same").write_bytes(b"12345")
    assert content_stamp(tmp_path / "same") == content_stamp(tmp_path / "link")
    (tmp_path / "same").write_bytes(b"12346")
    assert content_stamp(tmp_path / "same") != content_stamp(tmp_path / "link")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=40))
def test_memory_of_many_inputs_is_numbers(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("journal") / "j"
    entries = [JournalEntry(f"{n}.wav", (n, i), "ok", row=f"row {i}") for i, n in enumerate(numbers)]
    written(path, entries)
    journal = Journal(path)
    journal.load(SETTINGS)
    expected = {entry.path: entry for entry in entries}
    assert entries_of(journal, {f"{n}.wav" for n in range(31)}) == expected
    assert {type(each) for pair in journal._index.items() for each in pair} <= {int}
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_is_an_error_that_names_the_journal(tmp_path):
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "from gmmaudio.journal import Journal, JournalEntry\n"
        "journal = Journal(sys.argv[1])\n"
        "journal.start({'command': 'classify'})\n"
        "for i in range(100): journal.add(JournalEntry(f'{i}.wav', None, 'ok'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "j"], capture_output=True, text=True, check=False)
    assert "WriteError" in done.stderr
    assert f"{tmp_path}/j: cannot be written (File too large)" in done.stderr
    journal = Journal(tmp_path / "j")
    journal.load({"command": "classify"})
    assert [journal.find(f"{i}.wav") is not None for i in (0, 1, 99)] == [True, True, False]
    journal.close()
