"""What documents show of the spread over seeds: pure functions of the rows of a record."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table


def seeds_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the balanced accuracy of every seed, with mean and standard deviation.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.language_seeds`.
    """
    cells = []
    for row in rows:
        shares = [100 * value for value in row["balanced_accuracy"]]
        each = ", ".join(f"{share:.1f}" for share in shares)
        mean, deviation = statistics.fmean(shares), statistics.stdev(shares)
        condition = "" if row["condition"] == "clean" else f", {row['condition']}"
        cells.append([f"{row['suite']}{condition}", f"{row['n']}", each, f"{mean:.1f}", f"{deviation:.1f}"])
    heads = ["suite", "trials", "balanced accuracy of each seed, %", "mean", "standard deviation, points"]
    return table(heads, cells)
