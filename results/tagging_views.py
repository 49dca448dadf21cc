"""Blocks of documents on music files that are tagged, sorted and undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def tagged_text(rows: Rows) -> str:
    """Return what became of the files of every container, of sorted folders, and of runs that were killed.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.tagged_folder`.
    """
    tagged = [row for row in rows if row["part"] == "tag"]
    heads = ["container", "tags before", "files", "tagged", "label read", "same samples", "same other fields"]
    cells = [
        [
            row["container"],
            row["tags"],
            *(str(row[name]) for name in ("n", "tagged", "read", "same_samples", "same_fields")),
            "" if row["patch_bytes"] is None else f"{row['patch_bytes']:.0f}",
            str(row["restored"]),
        ]
        for row in tagged
    ]
    totals = [str(sum(row[name] for row in tagged)) for name in ("n", "tagged", "read", "same_samples", "same_fields")]
    cells.append(["all", "", *totals, "", str(sum(row["restored"] for row in tagged))])
    ways = "; ".join(
        f"`{row['way']}` {row['n']} files, {row['same']} with the same bytes, the archive "
        f"{'as before' if row['restored'] else 'NOT AS BEFORE'} after its undoing"
        for row in rows
        if row["part"] == "sort"
    )
    (kill,) = (row for row in rows if row["part"] == "kill")
    return (
        f"{table([*heads, 'patch, bytes', 'undone to the bit'], cells)}\n"
        f"Sorted: {ways}.\n\n"
        f"Killed: {kill['n']} runs of `tag`, {kill['changed']} of them with files changed. After their undoing "
        f"{kill['restored']} of {kill['n']} archives were as before, to the bit; after the next run, "
        f"{kill['left_over']} temporary files were left.\n"
    )
