"""The loop of a worker process, in a process of its own and by its frames."""

import os
import pickle
import subprocess
import sys
import threading
import warnings

import pytest

from gmmaudio.compute import ordered_map
from gmmaudio.compute.serving import pickle_any, read_frame, write_frame


class Refuses(Exception):  # noqa: N818
    """An exception that cannot be loaded again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_it(error):
    raise error


def test_frames_come_back_whole_in_their_order():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        for payload in (b"", b"a", bytes(range(256)) * 100):
            write_frame(writer, payload)
        assert [bytes(read_frame(reader)) for _ in range(3)] == [b"", b"a", bytes(range(256)) * 100]
        writer.write((5).to_bytes(8, "little") + b"abc")
        writer.close()
        with pytest.raises(EOFError):
            read_frame(reader)


def test_importable_things_are_pickled_by_name_and_others_by_their_code():
    assert pickle_any(os.path.join) == pickle.dumps(os.path.join, protocol=pickle.HIGHEST_PROTOCOL)
    assert pickle.loads(pickle_any(lambda: 7))() == 7  # noqa: S301
    assert pickle.loads(pickle_any({"main": "__main__"})) == {"main": "__main__"}  # noqa: S301


def test_what_can_be_pickled_in_no_way_is_an_error_in_either_direction():
    with pytest.raises(TypeError, match="pickle"):
        list(ordered_map(str, [threading.Lock()], 2))
    with pytest.raises(TypeError, match="pickle"):
        list(ordered_map(lambda _: threading.Lock(), [1], 2))


@pytest.mark.parametrize(
    "error", [KeyError("a"), KeyboardInterrupt(), SystemExit(3), UnicodeDecodeError("a", b"", 0, 1, "b")]
)
def test_an_exception_comes_back_as_it_was_with_its_traceback_in_the_worker(error):
    with pytest.raises(type(error)) as caught:
        list(ordered_map(raise_it, [error], 2))
    assert caught.value.args == error.args
    (note,) = caught.value.__notes__
    assert note.startswith("in a worker process:\nTraceback (most recent call last):")
    assert "in raise_it" in note


def test_an_exception_that_cannot_be_loaded_again_comes_as_its_text():
    with pytest.raises(RuntimeError, match="Refuses: 1 and 2"):
        list(ordered_map(lambda _: raise_it(Refuses(1, 2)), [0], 2))


def test_a_function_whose_module_is_missing_in_the_worker_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "gone_later.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import gone_later

    (tmp_path / "gone_later.py").unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(ModuleNotFoundError, match="gone_later"):
        list(ordered_map(gone_later.double, [1], 2))
    # the workers live on
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]


def test_what_a_function_prints_goes_to_stderr_and_what_it_reads_is_empty(no_idle, capfd):
    def talk(item):
        print("from the worker", item)
        os.write(1, b"from its library\n")
        return sys.stdin.read(), item

    assert list(ordered_map(talk, [1, 2, 3], 2)) == [("", 1), ("", 2), ("", 3)]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("from its library") == 3


def serve(script, stdin=b""):
    """Run the loop in a process whose parent is this one, and return the process."""
    read_end, write_end = os.pipe()
    command = f"from gmmaudio.compute import serving; {script}; serving.serve({read_end}, {os.getpid()})"
    try:
        return subprocess.run(
            [sys.executable, "-c", command],
            input=stdin,
            pass_fds=[read_end],
            capture_output=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(read_end)
        os.close(write_end)


def test_the_loop_says_that_it_is_ready_and_ends_with_its_input():
    done = serve("pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, bytes(8), b"")


def test_an_item_before_any_function_is_an_error_of_the_item():
    payload = pickle.dumps(1)
    done = serve("pass", len(payload).to_bytes(8, "little") + payload)
    is_result, error = pickle.loads(done.stdout[16:])  # noqa: S301
    assert (is_result, type(error)) == (False, RuntimeError)


def test_an_idle_worker_ends_after_a_while():
    read_end, write_end = os.pipe()
    lifeline, other_end = os.pipe()
    command = f"from gmmaudio.compute import serving; serving.IDLE_S = 0.0; serving.serve({lifeline}, {os.getpid()})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", command],
            stdin=read_end,
            pass_fds=[lifeline],
            capture_output=True,
            check=False,
            timeout=60,
        )
    finally:
        for descriptor in (read_end, write_end, lifeline, other_end):
            os.close(descriptor)
    assert (done.returncode, done.stdout, done.stderr) == (0, bytes(8), b"")


def test_a_worker_of_another_parent_ends_at_once():
    lifeline, other_end = os.pipe()
    read_end, write_end = os.pipe()
    command = f"from gmmaudio.compute import serving; serving.serve({lifeline}, {os.getpid() + 1})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", command],
            stdin=read_end,
            pass_fds=[lifeline],
            capture_output=True,
            check=False,
            timeout=60,
        )
    finally:
        for descriptor in (lifeline, other_end, read_end, write_end):
            os.close(descriptor)
    assert done.returncode == 1


def test_warnings_in_a_worker_do_not_stop_it():
    def warn(item):
        warnings.warn("in the worker", stacklevel=1)
        return item

    assert list(ordered_map(warn, [1, 2], 2)) == [1, 2]
