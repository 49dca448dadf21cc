"""Signals to a command that has workers: it ends soon and quietly, with its code, and nobody holds its pipes."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from gmmaudio.audio.splice import SplicedFile
from gmmaudio.cli import Stopped, _stopped_by_signals

GMMAUDIO = (sys.executable, "-m", "gmmaudio")
CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
N_COPIES, N_FILES = 60, 18


def reset(number=signal.SIGHUP, to=signal.SIG_DFL):
    """Make the disposition of signals in a child what a terminal gives, however the tests were started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(number, to)


@contextlib.contextmanager
def started(*words, before=reset):
    """Run the command in a session of its own, which is killed in the end so that no test hangs."""
    with subprocess.Popen(
        [*GMMAUDIO, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
        preexec_fn=before,  # noqa: PLW1509
    ) as process:
        killer = threading.Timer(120, os.killpg, [process.pid, signal.SIGKILL])
        killer.start()
        try:
            yield process
            assert killer.is_alive()
        finally:
            killer.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def words_of(err):
    """Return what was said, but for the files that are skipped."""
    return b"".join(line for line in err.splitlines(keepends=True) if not line.startswith(b"skipped "))


def wait_for_workers(process, n):
    """Wait until a process has started some workers."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None and len(children.read_text().split()) < n:
        os.sched_yield()


needs_proc = pytest.mark.skipif(
    not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(), reason="counts children by Linux's /proc"
)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_ends_a_run_with_its_workers(corpus, model_file, number, code):
    with started("classify", model_file, *[corpus.root] * N_COPIES, "--format", "jsonl", "-j", "2") as process:
        assert process.stdout.readline().startswith(b'{"path": ')
        process.send_signal(number)
        # ends when the last that holds the pipes is gone
        out, err = process.communicate()
    assert process.returncode == code
    assert len(out.splitlines()) < N_COPIES * N_FILES - 1
    assert words_of(err) == (b"" if number == signal.SIGKILL else b"\nstopped\n")


@pytest.mark.parametrize(("number", "code"), CODES[:3])
@pytest.mark.parametrize("method", ["readinto", "seek", "tell", "__len__"])
# the exception may come between the opening of a file and the block that closes it, and leave it to the collector
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_signal_while_libsndfile_reads_is_not_lost(command, corpus, model_file, monkeypatch, number, code, method):
    # an exception in a function that it calls is printed and goes no further; the file would be said to be damaged
    plain, n_calls = getattr(SplicedFile, method), iter(range(1000))
    # nohup ignores a hang-up, and then it ends no run
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def interrupted(*arguments):
        if next(n_calls) == 20:
            signal.raise_signal(number)
        return plain(*arguments)

    monkeypatch.setattr(SplicedFile, method, interrupted)
    result = command("classify", model_file, *[corpus.root] * 2, "--format", "jsonl", "-j", "1", "--cache", "none")
    gc.collect()
    signal.signal(signal.SIGHUP, before)
    assert (result.code, result.err) == (code, "skipped 4 files without an audio suffix\n\nstopped\n")
    assert '"error"' not in result.out
    assert next(n_calls) > 20


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers of POSIX")
def test_a_signal_whose_exception_a_library_drops_is_raised_again_and_disturbs_no_end(monkeypatch):
    monkeypatch.setattr("gmmaudio.cli.AGAIN_S", 0.02)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    steps = []
    with pytest.raises(Stopped) as caught, _stopped_by_signals(is_last=False):
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        steps.append("dropped")
        try:
            # no sleep: the second exception comes while Python runs
            while True:
                os.sched_yield()
        finally:
            end_s = time.monotonic() + 0.1
            while time.monotonic() < end_s:
                os.sched_yield()
            steps.append("closed")
    assert (steps, caught.value.args) == (["dropped", "closed"], (143,))
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_hang_up_that_is_ignored_does_not_end_a_run(corpus, model_file):
    before = partial(reset, signal.SIGHUP, signal.SIG_IGN)
    with started("classify", model_file, *[corpus.root] * 2, "--format", "jsonl", "-j", "2", before=before) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate()
    assert (process.returncode, words_of(err)) == (0, b"")
    assert len((first + out).splitlines()) == 2 * N_FILES


@needs_proc
@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_interrupt_of_the_keyboard_while_workers_start_says_one_word(corpus, tmp_path, n_workers):
    # the keyboard interrupts all processes of the terminal
    with started("train", corpus.plain, "-o", tmp_path / "m.gmm", "-j", "2") as process:
        wait_for_workers(process, n_workers)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"\nstopped\n")
    assert list(tmp_path.iterdir()) == []


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("verb", ["train", "crossval", "evaluate", "features"])
def test_a_signal_ends_every_verb_and_leaves_nothing(corpus, model_file, tmp_path, verb, number, code):
    words = {
        "train": [corpus.plain, "-o", tmp_path / "m.gmm"],
        "crossval": [corpus.plain, "--json", tmp_path / "r.json"],
        "evaluate": [model_file, corpus.plain, "--json", tmp_path / "r.json"],
        "features": [*[corpus.root] * 20, "-o", tmp_path],
    }[verb]
    with started(verb, *words, "-j", "2") as process:
        wait_for_workers(process, 2)
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code
    said = words_of(err)
    if verb == "features" and number != signal.SIGKILL:
        assert b"done; to go on:\ngmmaudio features --resume " in said
        said = said[said.index(b"\nstopped\n") :]
    assert said == (b"" if number == signal.SIGKILL else b"\nstopped\n")
    assert list(tmp_path.glob("*.gmm")) + list(tmp_path.glob("*.json")) == []


def test_a_signal_that_comes_twice_does_not_disturb_the_end(corpus, model_file):
    with started("classify", model_file, *[corpus.root] * N_COPIES, "--format", "jsonl", "-j", "2") as process:
        process.stdout.readline()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        _, err = process.communicate()
    # which of them is handled first is not ours to say
    assert process.returncode in (130, 143)
    assert words_of(err) == b"\nstopped\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_signal_while_python_ends_does_not_change_the_exit_code(number, is_stopped):
    # globals of the main module die after Python has removed its handlers of signals
    code = (
        "import os, sys\n"
        "from gmmaudio import cli\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, me=os.getpid(), write=os.write):\n"
        f"        kill(me, {number})\n"
        "        write(1, b'late')\n"
        "late = Late()\n"
        f"if {is_stopped}: cli._run = lambda words: os.kill(os.getpid(), 2)\n"
        "sys.argv = ['gmmaudio', 'info', 'gone.gmm']\n"
        "cli.main()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, preexec_fn=reset)
    assert (result.returncode, result.stdout) == (130 if is_stopped else 3, b"late")
    assert result.stderr.endswith(b"stopped\n" if is_stopped else b"expected a model made by train\n")
