"""What documents show of strange recordings: pure functions of the rows of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import percent, table


def familiarity_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the check of batches says of known and of strange recordings.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.familiarity`.
    """
    cells = [
        [
            row["case"],
            f"{row['models']}",
            " or ".join(row["statistics"]),
            f"{row['stated']:.2f}",
            *(f"{row[name]:.2f}" for name in ("trial", "group", "batch_5", "batch_20")),
            *(percent({"value": row[name]}) for name in ("false_alarms", "found", "found_5", "found_20")),
        ]
        for row in rows
        if row["part"] == "batches" and row["models"]
    ]
    heads = ["strange recordings", "models", "by", "AUROC stated", "one clip", "a group's mean", "5 clips", "20 clips"]
    return table([*heads, "false alarms", "groups found", "fives found", "twenties found"], cells)


def unknown_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the open-set threshold says of known and of strange clips, and the AUROC of every statistic.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.familiarity`.
    """
    cells = [
        [
            row["case"],
            *(f"{row[name]:.2f}" for name in ("score", "margin", "probability")),
            ", ".join(f"{name} ({n})" for name, n in row["statistics"].items()) or "none",
            f"{row['stated']:.2f}" if "stated" in row else "–",
            *(percent({"value": row[name]}) if name in row else "–" for name in ("false_rejections", "rejected")),
        ]
        for row in rows
        if row["part"] == "unknown"
    ]
    heads = ["strange clips", "AUROC by score", "by margin", "by probability", "chosen (models)", "AUROC stated"]
    return table([*heads, "known clips rejected", "strange clips rejected"], cells)


def source_rejection_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the share of known clips that are rejected, of sources that were trained on and of a foreign one.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.familiarity`.
    """
    cells = [
        [
            "left out in turn" if row["knows_sources"] else "not known",
            *(percent({"value": row[name]}) for name in ("own", "foreign", "strange")),
        ]
        for row in rows
        if row["part"] == "sources"
    ]
    heads = ["sources in training", "clips of these sources rejected", "of a foreign source", "of a label left out"]
    return table(heads, cells)
