"""A service under load: clients beside half-open connections; statuses, times, memory, CPU of a request."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile

from gmmaudio.audio import read_audio
from gmmaudio.compute.limits import resident_bytes
from results.corpora import manifest_of
from results.record import make_record, write_record
from results.service_views import service_load_text

PROTOCOL = (
    "A model of the preset genre, trained on the corpus genre, two worker processes, defaults otherwise. First one "
    "client after another asks {n_cpu} times for the label of one clip of 10 s, FLAC, mono, of 22,050 Hz: CPU is the "
    "time of user and system of the worker processes, and of the main process, by their number. Then {n_clients} "
    "clients ask for {seconds:g} s as fast as they are answered, each by connections that stay, while {n_half} other "
    "connections send half a head and nothing more, and are opened again when they are closed. Uploads are clips of "
    "10 s in FLAC, WAV and MP3; of ten, six are classify, two timeline, one explain, and one is none: text, half a "
    "WAV file, or more bytes than the limit. A client that is answered 503 waits for half a second. Memory is "
    "resident memory of the main process and its workers together, looked at twice a second. Clients run on the same "
    "machine."
)
RATE_HZ, CLIP_S = 22_050, 10.0
# half a head
HALF = b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-"
VERBS = ("classify",) * 6 + ("timeline",) * 2 + ("explain",)


@dataclass
class Load:
    """What clients of one service saw.

    Parameters
    ----------
    port : int
        Port of the service.
    """

    port: int
    statuses: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    n_opened: int = 0
    n_closed: int = 0
    memory: list[int] = field(default_factory=list)

    def ask(self, client: int, uploads: list[bytes], junk: list[bytes], stop: threading.Event) -> None:
        """Ask one question after another until it is time to stop."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        for i in itertools.count(client):
            if stop.is_set():
                connection.close()
                return
            verb = VERBS[i % 10] if i % 10 < len(VERBS) else "classify"
            body = uploads[i % len(uploads)] if i % 10 < len(VERBS) else junk[i // 10 % len(junk)]
            start_s = time.monotonic()
            try:
                connection.request("POST", f"/v1/{verb}", body)
                answer = connection.getresponse()
                answer.read()
            except OSError as error:
                # the answer to what is too large may come before all of it was sent
                self.broken[type(error).__name__] += 1
                connection.close()
                continue
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.seconds.append(time.monotonic() - start_s)
            elif answer.status == 503:
                stop.wait(0.5)

    def hold(self, n_half: int, stop: threading.Event) -> None:
        """Hold connections that send half a head, and open them again when they are closed."""
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            for _ in range(n_half):
                self._open_half(selector, stack)
            while not stop.is_set():
                for key, _ in selector.select(0.2):
                    connection = key.fileobj
                    assert isinstance(connection, socket.socket)  # noqa: S101 - registered below
                    selector.unregister(connection)
                    connection.close()
                    self.n_closed += 1
                    self._open_half(selector, stack)

    def _open_half(self, selector: selectors.BaseSelector, stack: contextlib.ExitStack) -> None:
        """Open a connection, and send half a head."""
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=60))
        connection.sendall(HALF)
        selector.register(connection, selectors.EVENT_READ)
        self.n_opened += 1

    def watch(self, process: int, stop: threading.Event) -> None:
        """Look at memory twice a second."""
        while not stop.wait(0.5):
            self.memory.append(sum(map(resident_bytes, (process, *children_of(process)))))


def children_of(process: int) -> list[int]:
    """Return the processes that a process has started.

    Parameters
    ----------
    process : int
        Its number.
    """
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for each in lists for word in each.read_text().split()]


def cpu_s(process: int) -> float:
    """Return the time of user and system that a process has taken, seconds.

    Parameters
    ----------
    process : int
        Its number.
    """
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_uploads(folder: Path) -> tuple[list[bytes], list[bytes]]:
    """Return clips of 10 s in three formats, the first FLAC, and what is no clip.

    Parameters
    ----------
    folder : Path
        Where files are made.
    """
    songs = sorted(manifest_of("genre").parent.glob("*/*.flac"))[::20]
    uploads = []
    for i, song in enumerate(songs):
        y = read_audio(song, RATE_HZ, end_s=CLIP_S)
        for suffix in ("flac", "wav", "mp3"):
            path = folder / f"{i}.{suffix}"
            soundfile.write(path, y, RATE_HZ)
            uploads.append(path.read_bytes())
    half = uploads[1][: len(uploads[1]) // 2]
    return uploads, [b"this is no sound\n" * 50, half, np.zeros(70 * 2**20, np.uint8).tobytes()]


@contextlib.contextmanager
def serving(model: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Give the number of the process of a service, and its port.

    Parameters
    ----------
    model : Path
        File of the model.
    folder : Path
        Where its log goes.
    """
    words = [sys.executable, "-m", "gmmaudio", "serve", str(model), "--port", "0", "-j", "2"]
    with (folder / "log").open("wb") as log, subprocess.Popen(words, stderr=log) as process:
        try:
            while b"Ctrl-C" not in (folder / "log").read_bytes():
                time.sleep(0.1)
            first = (folder / "log").read_text().splitlines()[0]
            yield process.pid, int(first.split(" at ")[1].split()[0].rpartition(":")[2])
        finally:
            process.terminate()
            process.wait(60)


def measure_cpu(process: int, port: int, clip: bytes, n: int) -> dict[str, Any]:
    """Return the time of the processor that a request for a label takes on a warm service.

    Parameters
    ----------
    process : int
        Process of the service.
    port : int
        Its port.
    clip : bytes
        The upload.
    n : int
        Number of requests.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    workers = children_of(process)
    before = cpu_s(process), sum(map(cpu_s, workers))
    seconds = []
    for _ in range(n):
        start_s = time.monotonic()
        connection.request("POST", "/v1/classify", clip)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise click.ClickException(f"a clip was answered with {answer.status}")
        seconds.append(time.monotonic() - start_s)
    connection.close()
    main_s, workers_s = cpu_s(process) - before[0], sum(map(cpu_s, workers)) - before[1]
    return {
        "n": n,
        "worker_cpu_ms": 1000 * workers_s / n,
        "main_cpu_ms": 1000 * main_s / n,
        "p50_ms": 1000 * float(np.quantile(seconds, 0.5)),
        "p99_ms": 1000 * float(np.quantile(seconds, 0.99)),
    }


def measure_load(
    process: int, port: int, uploads: list[bytes], junk: list[bytes], n_clients: int, n_half: int, seconds: float
) -> dict[str, Any]:
    """Return what clients saw beside half-open connections, and the memory of the service.

    Parameters
    ----------
    process, port : int
        Process of the service, and its port.
    uploads, junk : list of bytes
        Clips, and what is none.
    n_clients, n_half : int
        Clients, and connections that are half-open.
    seconds : float
        How long they ask.
    """
    load, stop = Load(port), threading.Event()
    threads = [threading.Thread(target=load.ask, args=(i, uploads, junk, stop)) for i in range(n_clients)]
    threads.append(threading.Thread(target=load.hold, args=(n_half, stop)))
    threads.append(threading.Thread(target=load.watch, args=(process, stop)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join(120)
    third = max(1, len(load.memory) // 3)
    return {
        "statuses": {str(status): n for status, n in sorted(load.statuses.items())},
        "broken": sum(load.broken.values()),
        "n_clients": n_clients,
        "n_half": n_half,
        "seconds": seconds,
        "n_closed": load.n_closed,
        "p50_ms": 1000 * float(np.quantile(load.seconds, 0.5)),
        "p99_ms": 1000 * float(np.quantile(load.seconds, 0.99)),
        "first_third_mib": max(load.memory[:third]) / 2**20,
        "last_third_mib": max(load.memory[-third:]) / 2**20,
    }


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Length of the load, seconds.")
@click.option("--clients", "n_clients", default=8, show_default=True, help="Clients at the same time.")
@click.option("--half-open", "n_half", default=200, show_default=True, help="Connections that send half a head.")
@click.option("--requests", "n_cpu", default=200, show_default=True, help="Requests by which CPU is measured.")
def main(seconds: float, n_clients: int, n_half: int, n_cpu: int) -> None:
    """Measure CPU of a request and a load, and write results/service_load.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "genre.safetensors"
        train = ["train", str(manifest_of("genre")), "--preset", "genre", "-o", str(model), "-q"]
        subprocess.run([sys.executable, "-m", "gmmaudio", *train], check=True)
        uploads, junk = make_uploads(folder)
        with serving(model, folder) as (process, port):
            cpu = measure_cpu(process, port, uploads[0], n_cpu)
            load = measure_load(process, port, uploads, junk, n_clients, n_half, seconds)
    protocol = PROTOCOL.format(n_cpu=n_cpu, n_clients=n_clients, n_half=n_half, seconds=seconds)
    packages = ("starlette", "uvicorn", "h11")
    record = make_record("service_load", "A service under load", protocol, [cpu, load], packages)
    click.echo(service_load_text(record.rows))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
