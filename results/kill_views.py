"""Blocks of documents on runs that are killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def kills_text(rows: Rows) -> str:
    """Return what runs that were killed and started again came to.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.kills`.
    """
    heads = ["command", "kills", "corrupt files", "processes left after 2 s", "temporary files left over"]
    heads += ["outputs that differ", "failed runs", "unbroken, s", "started again, s", "workers gone after, s"]
    cells = [
        [
            row["command"],
            *(str(row[name]) for name in ("n", "corrupt", "orphans", "left_over", "different", "failed")),
            *(f"{row[name]:.1f}" for name in ("unbroken_s", "again_s")),
            f"{row['gone_s']:.2f}",
        ]
        for row in rows
    ]
    return table(heads, cells)
