"""What documents show of merged models: pure functions of the rows of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import number, percent, points, table


def merged_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the recognition of merged models, and its difference to that of the model trained at once.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.merged`.
    """
    cells = [
        [
            row["corpus"],
            row["system"],
            f"{row['n']}",
            percent(row["accuracy"]),
            number(row["cllr"]["value"], row["cllr"]["interval"], form=".2f"),
            points(row["difference"]) if "difference" in row else "",
        ]
        for row in rows
    ]
    heads = ["corpus", "model", "trials", "accuracy", "Cllr, bits", "difference in accuracy, points"]
    size = max(row["n_bytes"] for row in rows) / 1000
    text = f"A trial takes {size:.1f} kB in a file of statistics, its names and its share of the UBM included."
    return f"{text}\n\n{table(heads, cells)}"
