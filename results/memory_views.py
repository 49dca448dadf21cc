"""Blocks of documents on the memory of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def train_memory_text(rows: Rows) -> str:
    """Return memory and time of training on more and more hours of audio, and how the time grows.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.train_memory`.
    """
    heads = ["model", "hours of audio", "peak memory of the process, MiB", "of it anonymous", "of the largest worker"]
    heads += ["anonymous, all processes", "CPU s", "CPU s an hour"]
    cells = [
        [
            row["kind"],
            f"{row['hours']:g}",
            *(f"{row[name]:.0f}" for name in ("main_mib", "main_anon_mib", "worker_mib", "total_anon_mib", "cpu_s")),
            f"{row['cpu_s'] / row['hours']:.1f}",
        ]
        for row in rows
    ]
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in dict.fromkeys(row["kind"] for row in rows)}
    growth = [f"{kind} {growth_exponent(of_kind):.2f}" for kind, of_kind in kinds.items() if len(of_kind) > 1]
    text = table(heads, cells)
    if not growth:
        return text
    return f"{text}\nCPU time grows with the hours of audio to the power of: {', '.join(growth)} (least squares).\n"


def growth_exponent(rows: Rows) -> float:
    """Return the power of the hours of audio that CPU time grows with, by least squares of logarithms.

    Parameters
    ----------
    rows : sequence of mapping
        At least two, of different hours.

    Examples
    --------
    >>> round(growth_exponent([{"hours": 1, "cpu_s": 3.0}, {"hours": 4, "cpu_s": 12.0}]), 6)
    1.0
    """
    x, y = [math.log(row["hours"]) for row in rows], [math.log(row["cpu_s"]) for row in rows]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return products / sum((a - mean_x) ** 2 for a in x)
