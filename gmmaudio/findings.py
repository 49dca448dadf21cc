"""Text that names the first cases and counts the others."""

from __future__ import annotations

from collections.abc import Sequence


def first_of(cases: Sequence[str], what: str, cure: str) -> tuple[str, ...]:
    """Return one note that names the first cases and counts the others; none where there are no cases."""
    if not cases:
        return ()
    more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
    return (f"{what}: {'; '.join(cases[:3])}{more}; {cure}",)


def some_names(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, quoted, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
