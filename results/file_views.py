"""Blocks of documents on runs over many files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def many_files_text(rows: Rows) -> str:
    """Return throughput and memory of a command, and how it went on after a kill.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.many_files`.
    """
    *whole, resumed = rows
    heads = [
        "`-j`",
        "files",
        "files a second",
        "efficiency",
        "CPU s",
        "peak memory of main process",
        "of a worker, MiB",
    ]
    cells = [
        [
            str(row["jobs"]),
            f"{row['n']:,}",
            f"{row['files_per_s']:.1f}",
            f"{row['efficiency']:.2f}",
            f"{row['cpu_s']:.0f}",
            f"{row['parent_mib']:.0f}",
            "" if row["worker_mib"] is None else f"{row['worker_mib']:.0f}",
        ]
        for row in whole
    ]
    same = "the same bytes as" if resumed["identical"] else "OTHER BYTES than"
    return (
        f"{table(heads, cells)}\n"
        f"Killed after {resumed['kept']:,} of {resumed['n']:,} files, {resumed['orphans']} processes left over: "
        f"`--resume` wrote its first new row after {resumed['first_new_s']:.1f} s, and at the end {same} an unbroken "
        "run.\n"
    )


def check_speed_text(rows: Rows) -> str:
    """Return the time of a check of many files, and the bytes that it read of each.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.check_speed`.
    """
    heads = ["format", "files", "`--decode`", "seconds", "CPU s", "bytes read of a file"]
    return table(
        heads,
        [
            [
                row["format"],
                f"{row['n']:,}",
                str(row["decode"]),
                f"{row['wall_s']:.1f}",
                f"{row['cpu_s']:.1f}",
                f"{row['bytes_per_file']:,.0f}",
            ]
            for row in rows
        ],
    )
