"""Lists that come through a pipe: answers before the list is whole, and the same paths as from a file."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.cli.arriving_lists import ArrivingList, open_arriving
from gmmaudio.errors import CorpusError
from gmmaudio.text_tables import decode_text, list_lines
from tests.cli.conftest import GMMAUDIO

LISTS = [
    b"a.wav\nb.wav\n",
    b"a.wav\r\n\r\n  \nb.wav",
    b"\xef\xbb\xbfa.wav\n",
    b"a.wav\rb.wav\r",
    b"a\rb.wav\nc.wav\r\n",
    b"caf\xe9.wav\n\xff\xfe.wav",
    "música हिन्दी.wav\n".encode(),
    "a.wav\r\nb.wav\r\n".encode("utf-16"),
    "a.wav\nb.wav\n".encode("utf-16-le"),
    "a.wav\nb.wav\n".encode("utf-32"),
    "a\u2028b.wav\nc\x0cd.wav\n".encode(),
    b"",
    b"a",
    b"\n\n",
]


class Pieces(ArrivingList):
    """A list that arrives in pieces of one size."""

    def __init__(self, data, size):
        super().__init__(data, None)
        object.__setattr__(self, "size", size)

    def _chunks(self):
        for start in range(0, len(self.data), self.size):
            yield self.data[start : start + self.size]


@pytest.mark.parametrize("data", LISTS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_lines_are_those_of_a_file(data, size):
    expected = list_lines(decode_text(data, "surrogateescape"))
    assert list(Pieces(data, size).lines(1000, "-")) == expected


@given(st.text(st.sampled_from("ab \r\n\u00e9")), st.integers(1, 9))
def test_any_lines_are_those_of_a_file(text, size):
    data = text.encode()
    assert list(Pieces(data, size).lines(1000, "-")) == list_lines(text)


@pytest.mark.parametrize("data", [b"a.wav\nb\0.wav\n", b"aaaa\0", b"\xff\xfea\0\n"])
def test_what_is_no_list_is_refused(data):
    with pytest.raises(CorpusError, match="expected one path on each line"):
        list(Pieces(data, 3).lines(1000, "-"))


def test_a_line_has_a_limit_and_a_list_has_none():
    assert len(list(Pieces(b"a.wav\n" * 1000, 50).lines(100, "-"))) == 1000
    with pytest.raises(CorpusError, match=r"^standard input: a line has more than 100 bytes; expected one path"):
        list(Pieces(b"a" * 101, 50).lines(100, "standard input"))


def test_only_a_pipe_is_followed(tmp_path):
    (tmp_path / "list").write_bytes(b"a.wav\n")
    with (tmp_path / "list").open("rb") as handle:
        assert open_arriving(handle.fileno()) is None
    ours, theirs = os.pipe()
    os.write(theirs, b"a.wav\n")
    waiting = open_arriving(ours)
    assert (waiting.data, waiting.descriptor) == (b"a.wav\n", ours)
    os.close(theirs)
    # whose end is there is no list that arrives
    os.close(ours)
    ours, theirs = os.pipe()
    os.write(theirs, b"a.wav\n")
    os.close(theirs)
    assert open_arriving(ours) == ArrivingList(b"a.wav\n", None)
    os.close(ours)


@contextlib.contextmanager
def started(*words, **settings):
    """Run the command with a pipe as its standard input; it is killed in the end, and after two minutes."""
    with subprocess.Popen(
        [*GMMAUDIO, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        **settings,
    ) as process:
        killer = threading.Timer(120, process.kill)
        killer.start()
        try:
            yield process
        finally:
            killer.cancel()
            process.kill()


@pytest.mark.parametrize("jobs", [(), ("-j", "1"), ("-j", "2")])
def test_the_answer_to_a_path_is_there_before_the_next_path_is_written(model_file, corpus, good, jobs):
    other = corpus.root / "high/cy/0.wav"
    with started("classify", model_file, "--from-file", "-", "--format", "jsonl", "--cache", "none", *jobs) as process:
        for path, label in ((good, "low"), (other, "high"), (good, "low"), ("gone.wav", None)):
            process.stdin.write(f"{path}\n".encode())
            answer = json.loads(process.stdout.readline())
            assert (answer["path"], answer["label"]) == (str(path), label)
        process.stdin.write(f"# a comment\n{other.parent}".encode())
        process.stdin.close()
        rest = [json.loads(line)["label"] for line in process.stdout]
        assert rest == ["high", "high"]
        assert process.wait() == 1
        assert process.stderr.read().endswith(b"1 input failed\n")


def test_rows_of_a_list_that_arrives_go_to_a_file_and_go_on(command, model_file, corpus, good, tmp_path):
    output = tmp_path / "out"
    paths = [good, corpus.root / "high/cy/0.wav", corpus.root / "mid/cy/0.wav", tmp_path / "gone.wav", good]
    words = ("classify", model_file, "--from-file", "-", "-o", output, "--format", "csv", "-j", "1")
    with started(*words) as process:
        for n, path in enumerate(paths[:2], start=2):
            process.stdin.write(f"{path}\n".encode())
            while process.poll() is None and (not output.exists() or output.read_bytes().count(b"\n") < n):
                os.sched_yield()
        process.send_signal(signal.SIGTERM)
        process.wait()
        err = process.stderr.read().decode()
    assert process.returncode == 143
    line = f"2 inputs are done; to go on, with the same standard input:\ngmmaudio classify --resume {model_file} "
    assert err.startswith(line)
    with started(*words, "--resume") as process:
        for path in paths:
            process.stdin.write(f"{path}\n".encode())
        # beyond the time in which a list is taken for one that is written at once
        while process.poll() is None and output.read_bytes().count(b"\n") < 4:
            os.sched_yield()
        process.stdin.close()
        assert process.wait() == 1
    (tmp_path / "list").write_text("\n".join(map(str, paths)))
    whole = command("classify", model_file, "--from-file", tmp_path / "list", "--format", "csv")
    assert output.read_bytes().decode() == whole.out
    piped = command(*words, "--resume", stdin="\n".join(map(str, paths)).encode())
    assert (piped.code, output.read_bytes().decode()) == (1, whole.out)


def test_a_part_of_a_list_that_arrives(model_file, corpus):
    paths = [corpus.root / f"{label}/cy/0.wav" for label in ("low", "mid", "high")]
    with started(
        *("classify", model_file, "--from-file", "-", "--shard", "2/2", "--format", "jsonl", "-j", "1")
    ) as process:
        process.stdin.write(f"{paths[0]}\n{paths[1]}\n".encode())
        assert json.loads(process.stdout.readline())["label"] == "mid"
        process.stdin.write(f"{paths[2]}\n".encode())
        process.stdin.close()
        assert (process.stdout.read(), process.wait()) == (b"", 0)


def test_an_output_is_no_input_that_arrives_later(model_file, good, tmp_path):
    output = tmp_path / "out"
    with started("classify", model_file, "--from-file", "-", "-o", output, "-j", "1") as process:
        process.stdin.write(f"{good}\n".encode())
        while process.poll() is None and (not output.exists() or not output.read_bytes()):
            os.sched_yield()
        process.stdin.write(f"{output}\n".encode())
        assert process.wait() == 2
        assert f"-o {output} would overwrite the input {output}; choose".encode() in process.stderr.read()


@pytest.mark.parametrize(("data", "message"), [(b"", b"no audio file among the paths"), (b"a\0b\n", b"of the value 0")])
def test_nothing_in_a_list_that_arrives_is_3_and_leaves_nothing(model_file, tmp_path, data, message):
    with started("classify", model_file, "--from-file", "-", "-o", tmp_path / "out") as process:
        # what is not there at once arrives later
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.stdin.write(data)
        process.stdin.close()
        assert process.wait() == 3
        assert message in process.stderr.read()
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_a_shell_is_followed(model_file, good):
    bash = shutil.which("bash")
    script = (
        f"{' '.join(GMMAUDIO)} classify {model_file} -j 1 --from-file <(echo {good}; read x; echo {good}) --format csv"
    )
    with subprocess.Popen([bash, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        head, first = process.stdout.readline(), process.stdout.readline()
        assert (head[:5], str(good).encode() in first) == (b"path,", True)
        process.stdin.write(b"go on\n")
        assert process.stdout.read() == first
        assert process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_waits_for_paths(model_file, good, number):
    with started("classify", model_file, "--from-file", "-", "-j", "1") as process:
        process.stdin.write(f"{good}\n".encode())
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait() == 128 + number
        assert process.stderr.read() == b"\nstopped\n"
