"""What documents show of rows of other programs: pure functions of the rows of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import number, percent, table


def own_rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the recognition on rows of other programs, and on this project's own front ends.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.own_rows`.
    """
    cells = [
        [
            row["corpus"],
            f"`{row['kind']}`",
            f"{row['trial_s']:g} s" if row["trial_s"] else "clips",
            row["front_end"],
            f"{row['n']}",
            percent(row["accuracy"]),
            number(row["cllr"]["value"], row["cllr"]["interval"], form=".2f"),
        ]
        for row in rows
    ]
    heads = ["corpus", "kind", "trials of", "rows", "n", "accuracy", "Cllr, bits"]
    return table(heads, cells)
