"""``gmmaudio serve``: what it says and refuses, its end by a signal, and what it leaves behind."""

import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import GMMAUDIO

pytest.importorskip("uvicorn", reason="needs the serve extra")


@pytest.fixture
def settings_of(monkeypatch, command, model_file):
    """The settings with which a command line would start a service."""
    seen = []

    def run(_model, settings, _log, on_ready):
        seen.append(settings)
        on_ready("http://127.0.0.1:8000")

    monkeypatch.setattr("gmmaudio.service.run_service", run)

    def settings(*words):
        seen.clear()
        result = command("serve", model_file, *words)
        return result, (seen or [None])[0]

    return settings


def test_every_option_reaches_the_service(settings_of, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("correct-horse-battery\n")
    result, plain = settings_of("-j", "1")
    assert (result.code, result.out, result.err) == (
        0,
        "",
        "serving bands.gmm at http://127.0.0.1:8000 (Ctrl-C ends)\n",
    )
    options = {
        "--host": ("localhost", "localhost"),
        "--port": ("0", 0),
        "--queue": ("3", 3),
        "--max-bytes": ("2MB", 2_000_000),
        "--max-duration": ("60", 60.0),
        "--time-limit": ("5", 5.0),
        "--memory-limit": ("300MiB", 300 * 2**20),
        "--token-file": (token, "correct-horse-battery"),
        "--jobs": ("2", 2),
    }
    names = {"--queue": "n_queued", "--max-duration": "max_duration_s", "--time-limit": "time_limit_s"}
    names |= {"--token-file": "token", "--jobs": "n_jobs"}
    for option, (word, value) in options.items():
        name = names.get(option, option[2:].replace("-", "_"))
        assert getattr(plain, name) != value
        assert getattr(settings_of("-j", "1", option, word)[1], name) == value
    monkeypatch.setenv("GMMAUDIO_TOKEN", "another-long-token")
    assert settings_of()[1].token == "another-long-token"  # noqa: S105


def test_a_host_that_others_reach_is_warned_of_unless_there_is_a_token(settings_of, monkeypatch):
    assert settings_of("--host", "192.0.2.1")[0].err.startswith("warning: whoever reaches 192.0.2.1 is answered")
    monkeypatch.setenv("GMMAUDIO_TOKEN", "another-long-token")
    assert "warning" not in settings_of("--host", "192.0.2.1")[0].err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--port", "70000"], "--port is 70000; expected 0 to 65535"),
        (["--memory-limit", "1MB"], "--memory-limit is 1,000,000 bytes; expected 256 MiB or more"),
        (["-j", "0"], "--jobs is 0; expected 1 or more worker processes, or -1 for one each core"),
        (["--host", "203.0.113.7"], "--host 203.0.113.7, --port 8000: cannot listen"),
        (["--host", "no.such.invalid"], "--host no.such.invalid, --port 8000: no such address"),
        (["--host", "a..b"], "--host a..b, --port 8000: no such address (not a name of a host)"),
    ],
)
def test_what_is_no_setting_is_2(command, model_file, words, line):
    result = command("serve", model_file, *words)
    assert (result.code, result.out) == (2, "")
    assert line in result.err


def test_a_port_that_is_taken_is_2(command, model_file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("serve", model_file, "--port", port)
    assert result.code == 2
    assert f"--port {port}: cannot listen (Address already in use); end what listens there, or choose" in result.err


def test_a_short_token_or_no_file_is_refused_without_being_shown(command, model_file, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("short")
    result = command("serve", model_file, "--token-file", tmp_path / "token")
    assert (result.code, "short," in result.err) == (2, False)
    assert "the token is shorter than 16 characters" in result.err
    assert command("serve", model_file, "--token-file", tmp_path / "none").code == 3


def test_the_extra_is_named_where_it_is_missing(command, model_file, monkeypatch):
    from gmmaudio.service import listening_server

    monkeypatch.setattr(listening_server, "PACKAGES", ("starlette", "no_such_package"))
    result = command("serve", model_file)
    assert result.code == 2
    assert result.err == (
        "gmmaudio: a service needs no_such_package; install the serve extra: pip install 'gmmaudio[serve]'\n"
    )


def children_of(process):
    """Return the processes that a process has started."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for each in lists for word in each.read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_service_with_its_code_and_leaves_nothing(
    request, model_file, corpus, tmp_path, number, code
):
    good = (corpus.root / "low" / "cy" / "0.wav").read_bytes()
    process = subprocess.Popen(
        [*GMMAUDIO, "serve", str(model_file), "--port", "0", "-j", "2"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    request.addfinalizer(process.kill)
    address = process.stderr.readline().split(" at ")[1].split()[0]
    with urllib.request.urlopen(f"{address}/v1/classify", good) as answer:  # noqa: S310 - loopback
        assert json.load(answer)["status"] == "ok"
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.send_signal(number)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == code
    line, *last = rest.splitlines()
    assert json.loads(line)["route"] == "/v1/classify"
    assert last == ["", "stopped"]
    assert list(tmp_path.iterdir()) == []
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/healthz")  # noqa: S310
