"""Long recordings of several labels, which ``classify`` should call mixed, and of one, which it should not.

The recordings are those of ``benchmarks/spliced.py``, of the split that is reported; the environment variable
``GMMAUDIO_SPLICED`` names a folder where models and recordings are kept for another run.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
from threadpoolctl import threadpool_limits

import gmmaudio
from benchmarks.processes import work_folder
from benchmarks.segmenters import Case
from benchmarks.splice_measures import quotient
from benchmarks.spliced import SPLITS
from benchmarks.timeline import SPLICED, make_split, split_cases
from results.record import make_record, write_record
from results.views import mixed_table

MIXED = "mixed"
PROTOCOL = (
    "Recordings are spliced from clips of speakers or artists that the model of the fold lacks: *turns*, 3 to 10 "
    "minutes of turns of 3 to 60 s; *mixture*, 35 minutes of four labels with shares of 36, 30, 24 and 10 %; *one "
    "label*, 3 to 5 minutes of one label and several speakers or artists; *one group*, the same of one speaker or "
    "artist, whose clips recur. 95 % intervals are over recordings."
)


def mixed_rows(folder: Path, corpus: str) -> list[dict[str, Any]]:
    """Return how often classify answers ``mixed`` for each kind of recordings of a corpus."""
    cases = split_cases(folder, "test", corpus)
    with threadpool_limits(limits=1):
        return counted(corpus, [(case, next(iter(gmmaudio.classify(case.model, [case.path])))) for case in cases])


def counted(corpus: str, answers: Sequence[tuple[Case, gmmaudio.Prediction]]) -> list[dict[str, Any]]:
    """Return a row for each kind of recordings: ``mixed``, right labels, and the greatest probability."""
    rows = []
    for kind in dict.fromkeys(case.kind for case, _ in answers):
        chosen = [(case, answer) for case, answer in answers if case.kind == kind]
        n_mixed = [(float(answer.status == MIXED), 1) for _, answer in chosen]
        right = [(float(answer.label == case.truth.segments[0].label), 1) for case, answer in chosen]
        greatest = [max((answer.probability or {"": 0.0}).values()) for _, answer in chosen]
        row = {"corpus": corpus, "kind": kind, "n": len(chosen), "mixed": quotient(n_mixed).to_dict()}
        row |= {"right": None if kind in SPLICED else quotient(right).to_dict(), "greatest_probability": max(greatest)}
        rows.append(row)
    return rows


@click.command()
@click.option("-j", "--jobs", default=2, show_default=True, help="Worker processes.")
def main(jobs: int) -> None:
    """Classify the recordings of both corpora, print the table and write it to results/mixed.json."""
    corpora = list(SPLITS["test"])
    with work_folder() as folder, ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for corpus in corpora:
            make_split(folder, "test", corpus, [], jobs)
        waiting = [pool.submit(mixed_rows, folder, corpus) for corpus in corpora]
        rows = [row for each in waiting for row in each.result()]
    record = make_record("mixed", "Mixed answers for long recordings", PROTOCOL, rows)
    click.echo(mixed_table(record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
