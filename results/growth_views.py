"""What documents show of how cost grows with clips and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def growth_text(rows: Rows) -> str:
    """Return the cost of every stage at its smallest and largest size, and the exponents of its growth.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.growth`.
    """
    lines = [
        [
            row["stage"],
            f"{row['sizes'][0]:,} to {row['sizes'][-1]:,} {row['grows_with']}",
            f"{row['cpu_s'][0]:.2g} to {row['cpu_s'][-1]:.2g}",
            "" if row["peak_mib"][-1] is None else f"{row['peak_mib'][-1]:.0f}",
            f"{row['exponent']:.2f}",
            f"{row['last_exponent']:.2f}",
        ]
        for row in rows
    ]
    return table(["stage", "sizes", "CPU s", "peak memory, MiB", "exponent", "between the two largest"], lines)


def large_text(rows: Rows) -> str:
    """Return CPU seconds and memory of every stage at very many clips and labels.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.large`.

    Examples
    --------
    >>> row = {"stage": "folds", "sizes": [500, 1000], "cpu_s": [1.0, 2.0], "peak_mib": [3.2, None], "exponent": 1.0}
    >>> large_text([row]).splitlines()[2]
    '| folds | 1 and 2 | 1.00 | 3 and |'
    """
    lines = [
        [
            row["stage"],
            " and ".join(f"{each:.2g}" for each in row["cpu_s"]),
            f"{row['exponent']:.2f}",
            " and ".join("" if each is None else f"{each:.0f}" for each in row["peak_mib"]).rstrip(),
        ]
        for row in rows
    ]
    sizes = " and ".join(f"{size:,}" for size in rows[0]["sizes"])
    return table([f"stage, {sizes} clips", "CPU s", "exponent", "peak memory, MiB"], lines)
