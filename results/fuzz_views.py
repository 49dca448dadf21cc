"""Blocks of documents on mutated files and failing writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def audio_text(rows: Rows) -> str:
    """Return what mutated audio files came to.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.fuzz_audio`.
    """
    heads = ["formats of", "mutated files", "answered", "refused with a reason", "crashed", "longer than 10 s"]
    heads += ["tracebacks, words of libraries", "wrong answers or exit codes", "slowest, s", "peak memory, MiB"]
    cells = [
        [
            row["turn"],
            *(f"{n:,}" for n in (row["n"], row["answered"], sum(row["codes"].values()))),
            *(str(row[name]) for name in ("crashed", "hung", "tracebacks", "wrong")),
            f"{row['slowest_s']:.1f}",
            f"{row['peak_mib']:.0f}",
        ]
        for row in rows
    ]
    return table(heads, cells)


def models_text(rows: Rows) -> str:
    """Return what mutated model files came to.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.fuzz_models`.
    """
    heads = ["checksum", "mutated files", "refused", "read", "wrong numbers", "crashed", "longer than 10 s", "bombs"]
    cells = [
        [
            row["checksum"],
            *(f"{row[name]:,}" for name in ("n", "refused", "read")),
            *(str(row[name]) for name in ("wrong", "crashed", "hung", "bombs")),
            f"{row['slowest_s']:.1f}",
            f"{row['peak_mib']:.0f}",
        ]
        for row in rows
    ]
    return table([*heads, "slowest, s", "peak memory, MiB"], cells)


def writes_text(rows: Rows) -> str:
    """Return what came of operations on outputs that failed.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.failing_writes`.
    """
    ends = {
        "older results untouched, exit code 4": ("untouched",),
        "goes on to the same bytes, exit code 4": ("goes on",),
        "completed, exit code 0": ("completed", "same answers"),
    }
    cells = [
        [
            f"`{row['command']}`",
            *(str(row[name]) for name in ("operations", "trials")),
            *(str(sum(row["outcomes"].get(name, 0) for name in names)) for names in ends.values()),
            str(row["faults"]),
        ]
        for row in rows
    ]
    return table(["command", "operations on outputs", "trials", *ends, "faults"], cells)
