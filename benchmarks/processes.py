"""Commands in processes of their own: CPU seconds, wall clock, peak memory, and an earlier version to compare with."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from results.record import ROOT

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """What commands took.

    Parameters
    ----------
    cpu_s : float
        User and system time of the processes and of the workers that they waited for, seconds.
    wall_s : float
        Wall clock, seconds.
    peak_mib : float
        Largest peak memory of one process, MiB.
    """

    cpu_s: float
    wall_s: float
    peak_mib: float


def run_python(commands: Sequence[Sequence[str]], package: Path | None = None, out: Path | None = None) -> Cost:
    """Return the total cost of commands of this interpreter, run one after another, each with one numeric thread.

    Parameters
    ----------
    commands : sequence of sequence of str
        What follows ``python``.
    package : Path or None
        Folder from which gmmaudio is imported; None is this repository.
    out : Path or None
        File for the standard output of the last command.

    Raises
    ------
    click.ClickException
        If a command fails.
    """
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(package or ROOT)}
    # compiled modules are kept, as in an installation
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    cpu = wall = peak = 0.0
    for command in commands:
        target = os.devnull if out is None else str(out)
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        start = time.perf_counter()
        # -P: the current folder does not come before PYTHONPATH
        words = [sys.executable, "-P", *command]
        pid = os.posix_spawn(sys.executable, words, environment, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise click.ClickException(f"{' '.join(command)} failed")
        wall += time.perf_counter() - start
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return Cost(cpu, wall, peak)


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Yield a folder with the files of a revision of this repository.

    Parameters
    ----------
    revision : str
        As git knows it.

    Raises
    ------
    click.ClickException
        If git does not know it.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "files.tar")
        command = ["git", "archive", "--output", str(archive), revision]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(f"no revision {revision!r} in this repository: {done.stderr.strip()}")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield the folder for models and spliced recordings: ``GMMAUDIO_SPLICED``, or a temporary one."""
    kept = os.environ.get("GMMAUDIO_SPLICED")
    if kept:
        yield Path(kept)
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
