"""The n-th operation on an output fails, for every n: what is left of older results, and the exit code.

Commands run with outputs that are there already, in processes that are forks of this one. Every operation that opens,
writes, brings to disk, cuts, renames or removes an output is counted (``tests/failing_files.py``), and one of them
fails: once with each error, and, as on a disk that stays full, with all later ones. Files of the cache are tried alike.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

# before numpy: a process that is forked must have no other threads
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import click

from results.record import make_record, write_record
from results.views import failing_writes_table

# the error, and whether all later operations fail too
FAILURES = ((errno.ENOSPC, False), (errno.EIO, False), (errno.EACCES, False), (errno.ENOSPC, True))
LIMIT_S = 60
LABELS, N_GROUPS, SR = ("fado", "jazz"), 2, 16_000
EXIT_USAGE, EXIT_WRITE = 2, 4
TEMPORARY = ".gmmaudio-"
PROTOCOL = (
    "Commands on two or four clips, one job, with older results in place. Every operation on an output fails in "
    "turn: with ENOSPC, EIO and EACCES once, and with ENOSPC together with all later ones. A fault is an older "
    "result that is changed, an output that is neither the old nor the new one, a run of which `--resume` makes "
    "neither the new bytes nor the old ones, a temporary file that is left (but where removing it is what "
    "failed), another exit code than 4, a traceback, or more than one line. Where a failure does not matter, as "
    "one of removing what is gone already, the exit code is 0 and all outputs are new. Failing operations on the "
    "cache leave exit code 0 and the same answers."
)

Tree = Mapping[str, bytes]


@dataclass(frozen=True)
class Scenario:
    """A command, and what is promised of its outputs.

    Parameters
    ----------
    name : str
        The command as the table shows it.
    words : tuple of str
        Its words: ``{out}`` is the folder of outputs, ``{corpus}`` and ``{model}`` the inputs.
    earlier : tuple of str
        Words of the run that made the older results; empty where there are none.
    promise : str
        ``whole``: all outputs are new or none; ``goes on``: as ``whole``, or ``--resume`` completes it, or the
        earlier run; ``no matter``: answers do not depend on it.
    """

    name: str
    words: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    promise: str = "whole"


REPORTS = ("--json", "{out}/r.json", "--report", "{out}/r.html", "--csv", "{out}/tables")
COMMON = ("-q", "-j", "1", "--cache", "none")
TRAIN = ("train", "{corpus}", "--components", "1", "--group-by", "parent", *COMMON, "-o", "{out}/m.gmm")
CROSSVAL = (
    "crossval",
    "{corpus}",
    "--components",
    "1",
    "--group-by",
    "parent",
    "--durations",
    "none",
    "--folds",
    "2",
    *COMMON,
    *REPORTS,
)
EVALUATE = ("evaluate", "{model}", "{corpus}", "--group-by", "parent", "--durations", "none", *COMMON, *REPORTS)
CLASSIFY = ("classify", "{model}", "{corpus}/fado", "--format", "csv", *COMMON, "-o", "{out}/answers.csv")
FEATURES = ("features", "{corpus}/fado", *COMMON, "-o", "{out}/frames")
TIMELINE = ("timeline", "{model}", "{corpus}/fado", "-q", "-j", "1", "-o", "{out}/turns")
CACHED = ("classify", "{model}", "{corpus}/fado", "-q", "-j", "1", "--cache", "{out}/cache")
SCENARIOS = (
    Scenario("train -o", TRAIN, (*TRAIN, "--seed", "1")),
    Scenario("crossval --json --report --csv", CROSSVAL, (*CROSSVAL, "--seed", "1")),
    Scenario("evaluate --json --report --csv", EVALUATE, (*EVALUATE, "--min-duration", "0.4")),
    Scenario("classify -o", CLASSIFY, (), "goes on"),
    Scenario("classify -o --overwrite", (*CLASSIFY, "--overwrite"), (*CLASSIFY, "--top", "2"), "goes on"),
    Scenario("features -o", FEATURES, (), "goes on"),
    Scenario("features -o --overwrite", (*FEATURES, "--overwrite"), (*FEATURES, "--preset", "language"), "goes on"),
    Scenario("timeline -o", TIMELINE, (), "goes on"),
    Scenario("timeline -o --overwrite", (*TIMELINE, "--overwrite"), (*TIMELINE, "--prior", "fado=0.9"), "goes on"),
    Scenario("classify --cache", CACHED, (), "no matter"),
)


class Done(NamedTuple):
    """How a command ended."""

    code: int
    said: str
    out: str
    operations: tuple[str, ...]


@dataclass
class Tally:
    """What the trials of a command came to.

    Parameters
    ----------
    operations : int
        Operations on its outputs.
    trials : int
        Runs in which one failed.
    outcomes : Counter of str
        How they ended.
    faults : list of str
        What is against the promise.
    """

    operations: int = 0
    trials: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def make_inputs(folder: Path) -> None:
    """Write a corpus of noise of two colours, and a model of it."""
    import numpy as np
    import soundfile

    rng = np.random.default_rng(0)
    for k, label in enumerate(LABELS):
        for i in range(N_GROUPS):
            group = folder / "corpus" / label / f"group{i}"
            group.mkdir(parents=True)
            sound = np.convolve(rng.normal(size=SR), np.ones(1 + 3 * k) / (4 + 8 * k), "same")
            soundfile.write(group / "clip.wav", 0.2 * sound, SR)


def forked(function: Callable[[], tuple[int, Sequence[str]]], folder: Path) -> Done:
    """Return how a function ended in a process that is a fork of this one; it returns an exit code and operations."""
    streams = [folder / name for name in ("stdout", "stderr", "operations")]
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            signal.alarm(LIMIT_S)
            for number, stream in ((1, streams[0]), (2, streams[1])):
                os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            code, operations = function()
            streams[2].write_text("\n".join(operations))
        except BaseException:  # noqa: BLE001 - whatever it is, this process must end here
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    out, said, operations = (stream.read_text(errors="replace") if stream.exists() else "" for stream in streams)
    return Done(os.waitstatus_to_exitcode(status), said, out, tuple(operations.split()))


def run(words: Sequence[str], folder: Path, n: int = -1, error: int = 0, *, persists: bool = False) -> Done:
    """Return how a command ended in which the n-th operation on its outputs failed."""
    from gmmaudio.cli import main
    from tests.failing_files import failing_files

    places = {"out": folder / "out", "corpus": folder / "corpus", "model": folder / "model.gmm"}

    def command() -> tuple[int, Sequence[str]]:
        code: Any = 0
        with failing_files([folder / "out"], n, error, persists=persists) as failing:
            try:
                main([word.format(**places) for word in words])
            except SystemExit as stop:
                code = stop.code
        return int(code or 0), failing.operations

    for stream in ("stdout", "stderr", "operations"):
        (folder / stream).unlink(missing_ok=True)
    return forked(command, folder)


def warm(words: Sequence[str], folder: Path) -> None:
    """Run a command in this process, so that forks need not import what it uses."""
    from gmmaudio.cli import main

    places = {"out": folder / "warm", "corpus": folder / "corpus", "model": folder / "model.gmm"}
    (folder / "warm").mkdir()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            main([word.format(**places) for word in words])
        except SystemExit as stop:
            if stop.code:
                raise click.ClickException(said.getvalue()) from stop
    if words is TRAIN:
        (folder / "warm" / "m.gmm").rename(folder / "model.gmm")
    shutil.rmtree(folder / "warm")


def tree(folder: Path) -> Tree:
    """Return the files of a folder with their contents, by their paths below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def restore(folder: Path) -> None:
    """Put the older results in place."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    shutil.copytree(folder / "old", folder / "out")


def judge(scenario: Scenario, done: Done, folder: Path, old: Tree, new: Tree, failed: str) -> tuple[str, str | None]:
    """Return how a trial ended, and what is against the promise."""
    now = tree(folder / "out")
    left = [name for name in now if TEMPORARY in name]
    if left and failed != "unlink":
        return "fault", f"left {left}"
    now = {name: content for name, content in now.items() if name not in left}
    if "Traceback" in done.said:
        return "fault", f"traceback: {done.said.splitlines()[-1]}"
    if scenario.promise == "no matter":
        is_same = done.code == 0 and done.out.encode() == new["stdout"]
        return _unless(not is_same, "same answers", f"exit code {done.code}: {done.said[-300:]}")
    if done.code == 0:
        # a report has the time at which it was made
        varies = "--json" in scenario.words
        is_whole = set(now) == set(new) and now != old if varies else _outputs(now) == _outputs(new)
        return _unless(not is_whole, "completed", f"exit code 0 with {sorted(set(now) ^ set(new))}")
    lines = [line for line in done.said.splitlines() if line.startswith("gmmaudio: ")]
    if done.code != EXIT_WRITE or len(lines) != 1:
        return "fault", f"exit code {done.code}: {done.said[-300:]}"
    return ("untouched", None) if now == old else _changed(scenario, folder, old, new, now)


def _changed(scenario: Scenario, folder: Path, old: Tree, new: Tree, now: Tree) -> tuple[str, str | None]:
    """Return how a trial ended whose outputs are not the old ones."""
    if scenario.promise == "goes on":
        again = run((*(word for word in scenario.words if word != "--overwrite"), "--resume"), folder)
        wanted = new
        if scenario.earlier and again.code == EXIT_USAGE:
            # the journal is that of the earlier run, and has its rows
            again, wanted = run((*scenario.earlier, "--resume"), folder), old
        is_same = again.code == 0 and _outputs(tree(folder / "out")) == _outputs(wanted)
        if not is_same and old and _outputs(now) == _outputs(old):
            return "untouched", None
        return _unless(not is_same, "goes on", f"--resume: exit code {again.code}: {again.said[-300:]}")
    return "fault", f"older results changed: {sorted(name for name in {*now, *old} if now.get(name) != old.get(name))}"


def _unless(is_fault: bool, outcome: str, words: str) -> tuple[str, str | None]:
    """Return an outcome, or a fault in words."""
    return ("fault", words) if is_fault else (outcome, None)


def _outputs(files: Tree) -> Tree:
    """Return results: files without journals, which have times of files."""
    return {name: content for name, content in files.items() if not name.endswith(".journal")}


def try_all(scenario: Scenario, folder: Path, step: int = 1) -> Tally:
    """Return what came of letting every operation of a command fail, or every ``step``-th."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    if scenario.earlier:
        done = run(scenario.earlier, folder)
        if done.code:
            raise click.ClickException(f"{scenario.name}, earlier: {done.said}")
    shutil.rmtree(folder / "old", ignore_errors=True)
    shutil.copytree(folder / "out", folder / "old")
    done = run(scenario.words, folder)
    if done.code:
        raise click.ClickException(f"{scenario.name}: {done.said}")
    old, new = tree(folder / "old"), {**tree(folder / "out")}
    if scenario.promise == "no matter":
        new = {"stdout": done.out.encode()}
    tally = Tally(len(done.operations))
    for n in range(0, len(done.operations), step):
        for error, persists in FAILURES:
            restore(folder)
            trial = run(scenario.words, folder, n, error, persists=persists)
            outcome, fault = judge(scenario, trial, folder, old, new, done.operations[n])
            tally.trials += 1
            tally.outcomes[outcome] += 1
            if fault is not None:
                name = f"{errno.errorcode[error]}{' from then on' * persists}"
                tally.faults.append(f"operation {n} ({done.operations[n]}), {name}: {fault}")
    return tally


@click.command()
@click.option("--every", default=1, show_default=True, help="Let every nth of the operations fail.")
@click.option("--only", help="Run the scenarios whose name begins so.")
def main(every: int, only: str | None) -> None:
    """Let every operation fail, print the table and write it to results/failing_writes.json."""
    from gmmaudio.evaluation import comparison, intervals

    # they are most of the time that a report takes
    intervals.N_DRAWS = comparison.N_DRAWS = 50
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        warm(TRAIN, folder)
        for scenario in SCENARIOS:
            if only is not None and not scenario.name.startswith(only):
                continue
            warm(scenario.words, folder)
            tally = try_all(scenario, folder, every)
            rows.append(
                {
                    "command": scenario.name,
                    "operations": tally.operations,
                    "trials": tally.trials,
                    "outcomes": dict(sorted(tally.outcomes.items())),
                    "faults": len(tally.faults),
                }
            )
            click.echo(f"{scenario.name}: {tally.trials} trials, {dict(tally.outcomes)}")
            for fault in tally.faults:
                click.echo(f"  {fault}")
    record = make_record("failing_writes", "Operations on outputs that fail", PROTOCOL, rows)
    click.echo(failing_writes_table(record))
    if only is None:
        click.echo(f"wrote {write_record(record).name}")
    if any(row["faults"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
