"""Short tables of an explanation, each of which sums to the same lead as the long one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmmaudio.models.explanations import RowPart

OTHERS = "all others"


@dataclass(frozen=True)
class SpanLead:
    """The part of some consecutive rows in the lead.

    Parameters
    ----------
    start_s, end_s : float
        Centres of the first and of the last row, seconds.
    lead : float
        Their part: the sum of their leads over the number of all rows.
    """

    start_s: float
    end_s: float
    lead: float


def strongest(leads: Mapping[str, float], n: int) -> list[tuple[str, float]]:
    """Return the parts that speak for the winner most, then those against it most, and the sum of all others.

    Parameters
    ----------
    leads : mapping of str to float
        Parts by name.
    n : int
        Parts named at most, those of the greatest size; none that is 0.

    Examples
    --------
    >>> strongest({"a": 2.0, "b": -3.0, "c": 0.5, "d": 0.25}, 2)
    [('a', 2.0), ('b', -3.0), ('all others', 0.75)]
    """
    by_size = sorted(leads.items(), key=lambda item: -abs(item[1]))
    n = min(n, sum(lead != 0 for lead in leads.values()))
    named = sorted(by_size[:n], key=lambda item: -item[1])
    rest = [lead for _, lead in by_size[n:]]
    return [*named, (OTHERS, math.fsum(rest))] if rest else named


def leads_over_time(rows: Sequence[RowPart], n: int) -> list[SpanLead]:
    """Return the parts of the rows in the lead, those of neighbours added up where there are many; they sum to it.

    Parameters
    ----------
    rows : sequence of RowPart
        Rows of a clip.
    n : int
        Parts at most, 1 or more.

    Examples
    --------
    >>> [span.lead for span in leads_over_time([RowPart(0.0, 4.0), RowPart(1.0, -1.0), RowPart(2.0, 3.0)], 2)]
    [1.0, 1.0]
    """
    n = min(n, len(rows))
    edges = [round(k * len(rows) / n) for k in range(n + 1)] if n else []
    spans = [rows[first:last] for first, last in itertools.pairwise(edges)]
    return [
        SpanLead(span[0].time_s, span[-1].time_s, math.fsum(row.lead for row in span) / len(rows)) for span in spans
    ]
