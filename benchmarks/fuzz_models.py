"""Mutated model files, half of them with a right checksum: refused, or read as exactly what their bytes say.

Every golden file of every format and kind is mutated by seed and used (``tests/fuzz/model_files.py``) in a process of
its own, which has little memory and ends where a file takes long; the next process goes on behind that file.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from results.record import ROOT, make_record, write_record
from results.views import fuzz_models_table

GOLDEN = ROOT / "tests" / "golden"
# of processor time; a machine may have other work
HANG_S = 10.0
# without an answer, whatever the process waits for
SILENT_S = 120.0
# of address space: what asks for more fails
MEMORY_BYTES = 4 * 2**30
# a file of 20 kB that lets the memory of the process grow by more is a bomb
BOMB_MIB = 256.0
CHECKSUMS = {False: "old", True: "computed anew"}
PROTOCOL = (
    "The golden models of all formats and kinds, mutated by seed: bytes, values of the header, tensors and their "
    "descriptions. With the old checksum a file is refused, or its model is the one that was written, to the last bit. "
    "With a right one it is refused, or every tensor and, from format 2.0 on, every value of the header is that of the "
    "model that was read, saved again, and scores of rows of usual sizes are finite. All else counts as wrong numbers. "
    f"Time is that of the processor. A bomb is a file that lets the process grow by more than {BOMB_MIB:g} MiB, or "
    f"beyond its {MEMORY_BYTES // 2**30} GiB."
)


@dataclass
class Tally:
    """What the files with one kind of checksum came to.

    Parameters
    ----------
    outcomes : Counter of str
        Files that were refused, or read; and faults, by kind.
    slowest_s : float
        The longest processor time for one file, seconds.
    peak_mib : float
        Peak memory of the process, MiB.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    peak_mib: float = 0.0

    def as_row(self, *, is_sealed: bool) -> dict[str, Any]:
        """Return the row of the record."""
        read = self.outcomes["as written"] + self.outcomes["as it says"]
        faults = {name: self.outcomes[name] for name in ("wrong", "crashed", "hung", "bombs")}
        return {
            "checksum": CHECKSUMS[is_sealed],
            "n": self.outcomes.total(),
            "refused": self.outcomes["refused"],
            "read": read,
            **faults,
            "slowest_s": self.slowest_s,
            "peak_mib": self.peak_mib,
        }


def is_sealed(index: int) -> bool:
    """Return whether a mutation has a right checksum: every second one."""
    return index % 2 == 1


def serve(first: int, last: int, folder: str) -> None:
    """Make and use mutations by their numbers, and print a line of JSON for each: run in a process of its own."""
    import numpy as np

    from gmmaudio.models.kinds import KINDS
    from tests.fuzz.model_files import mutate_kept, mutate_sealed, outcome_of

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    models = [path.read_bytes() for path in sorted(GOLDEN.glob("model-*-*.safetensors"))]
    path = Path(folder, "mutation")
    # what the first models let a process import and keep is no bomb
    for model in models[-2 * len(KINDS) :]:
        path.write_bytes(model)
        outcome_of(path, model, is_sealed=True)
    peak = _peak_mib()
    for index in range(first, last):
        original, rng = models[index // 2 % len(models)], np.random.default_rng(index)
        path.write_bytes((mutate_sealed if is_sealed(index) else mutate_kept)(original, rng))
        start, said = time.process_time(), ""
        # ends the process
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        try:
            outcome = outcome_of(path, original, is_sealed=is_sealed(index))
        except MemoryError:
            outcome = "bombs"
        except Exception as error:  # noqa: BLE001 - an unexpected error is what is looked for
            outcome, said = "wrong", f"{type(error).__name__}: {error}"[:300]
        grown, peak = _peak_mib() - peak, _peak_mib()
        outcome = "bombs" if grown > BOMB_MIB else outcome
        answer = {"outcome": outcome, "said": said, "s": time.process_time() - start, "peak_mib": peak}
        print(json.dumps(answer), flush=True)


def _peak_mib() -> float:
    """Return the peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(first: int, last: int, folder: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Return the answers of a process for mutations from one number to another, and how it ended too early."""
    code = f"from benchmarks.fuzz_models import serve; serve({first}, {last}, {str(folder)!r})"
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    pipe, text, fault = process.stdout.fileno(), b"", None
    while True:
        if not select.select([pipe], [], [], SILENT_S)[0]:
            process.kill()
            fault = "hung"
            break
        piece = os.read(pipe, 2**16)
        if not piece:
            break
        text += piece
    process.stdout.close()
    ended = process.wait()
    if ended and fault is None:
        fault = "hung" if ended == -signal.SIGPROF else "crashed"
    return [json.loads(line) for line in text.decode().splitlines()], fault


@click.command()
@click.option("--files", default=20_000, show_default=True, help="Number of mutated files.")
@click.option("--seed", default=0, show_default=True, help="Number of the first mutation.")
def main(files: int, seed: int) -> None:
    """Read mutated models, print the table and write it to results/fuzz_models.json."""
    tallies = {False: Tally(), True: Tally()}
    index, n_in_a_process = seed, 2_000
    with tempfile.TemporaryDirectory() as name:
        while index < seed + files:
            answers, fault = run(index, min(index + n_in_a_process, seed + files), Path(name))
            for answer in answers:
                tally = tallies[is_sealed(index)]
                tally.outcomes[answer["outcome"]] += 1
                tally.slowest_s = max(tally.slowest_s, answer["s"])
                tally.peak_mib = max(tally.peak_mib, answer["peak_mib"])
                if answer["outcome"] in ("wrong", "bombs"):
                    click.echo(f"mutation {index}: {answer['outcome']}: {answer['said']}")
                index += 1
            if fault is not None:
                tallies[is_sealed(index)].outcomes[fault] += 1
                click.echo(f"mutation {index}: {fault}")
                index += 1
            click.echo(f"{index - seed} of {files}")
    rows = [tally.as_row(is_sealed=sealed) for sealed, tally in tallies.items()]
    record = make_record("fuzz_models", "Mutated model files", PROTOCOL, rows, ("safetensors",))
    click.echo(fuzz_models_table(record))
    click.echo(f"wrote {write_record(record).name}")
    if any(row[name] for row in rows for name in ("wrong", "crashed", "hung", "bombs")):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
