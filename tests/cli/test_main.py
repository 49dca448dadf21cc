"""The ``gmmaudio`` command itself: exit codes by signal."""

import signal
import subprocess
import sys

import pytest

GMMAUDIO = (sys.executable, "-m", "gmmaudio")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_workers(corpus, model_file, number, code):
    words = ["classify", model_file, *[corpus.root] * 60, "--format", "jsonl", "-j", "2"]
    with subprocess.Popen(
        [*GMMAUDIO, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout.readline().startswith(b'{"path": ')
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert len(out.splitlines()) < 60 * 18 - 1
    assert err.endswith(b"stopped\n")
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    "words", [["info"], ["classify", "--format", "jsonl"], ["evaluate", "--durations", "none"], ["info", "--json"]]
)
def test_a_reader_that_closes_stdout_early_is_141_and_nothing_is_said(corpus, model_file, words):
    verb, *more = words
    inputs = {"info": [], "classify": [corpus.root / "low"], "evaluate": [corpus.split]}[verb]
    with subprocess.Popen(
        [*GMMAUDIO, verb, model_file, *inputs, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")
