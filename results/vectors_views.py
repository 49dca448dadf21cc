"""What documents show of a head on vectors: pure functions of the rows of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import number, percent, table


def vectors_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the recognition by a preset, by a head on vectors, and by the mean of both.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.vectors`.
    """
    cells = [
        [
            row["corpus"],
            row["division"],
            "" if row["vectors"] == "none" else row["vectors"],
            row["system"],
            f"{row['n']}",
            percent(row["accuracy"]),
            number(row["log_loss"]["value"], row["log_loss"]["interval"], form=".2f"),
            number(row["ece"]["value"], form=".1f", scale=100.0),
        ]
        for row in rows
    ]
    heads = ["corpus", "divided by", "vectors", "system", "n", "accuracy", "log-loss, nats", "ECE, percentage points"]
    return table(heads, cells)
