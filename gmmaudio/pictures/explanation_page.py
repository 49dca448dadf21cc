"""An explanation as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmmaudio import __version__
from gmmaudio.evaluation.page import template_environment
from gmmaudio.models.lead_tables import leads_over_time, strongest

if TYPE_CHECKING:
    from gmmaudio.models import Explanation
    from gmmaudio.models.explanations import ComponentPart

# parts of the file in a table
N_SPANS = 40


@dataclass(frozen=True)
class Bar:
    """A part of the lead, and the length of its bar.

    Parameters
    ----------
    name : str
        Name of the part.
    lead : float or None
        The part; None where there is none.
    share : float
        Length, 0..1 of the longest of its table.
    note : str or None
        What else is known of it.
    """

    name: str
    lead: float | None
    share: float
    note: str | None = None


def render_explanation(explanation: Explanation, *, n_named: int = 10) -> str:
    """Return an explanation as one HTML page: no network, no scripts, every name escaped.

    Parameters
    ----------
    explanation : Explanation
        The explanation.
    n_named : int
        Parts that are named in each table.

    Examples
    --------
    >>> from gmmaudio.models import Explanation, Prediction
    >>> page = render_explanation(Explanation(Prediction("a.wav", "unknown", code="silent", message="holds no sound")))
    >>> "holds no sound" in page
    True
    """
    page: str = (
        template_environment("gmmaudio.pictures", "gmmaudio.evaluation")
        .get_template("explanation.html.j2")
        .render(
            explanation=explanation,
            prediction=explanation.prediction,
            version=__version__,
            tables=_tables(explanation, n_named),
            windows=_windows(explanation),
            columns=sorted(explanation.parts, key=lambda part: -abs(part.lead)),
            components=_components(explanation.components, n_named),
        )
    )
    return page


def _tables(explanation: Explanation, n: int) -> list[dict[str, Any]]:
    """Return the tables of parts that sum to the lead, each with its heading and a note."""
    quantities = _bars(strongest(explanation.quantities, n))
    tables = [_table("measured", "What was measured", "Coefficients and descriptors, all aspects added up", quantities)]
    if explanation.n_aspects > 1:
        note = "Means, deviations and others, all coefficients and descriptors added up"
        tables.append(_table("aspects", "Which aspect of it", note, _bars(strongest(explanation.aspects, n))))
    if len(explanation.heads) > 1:
        heads = _bars([(f"{head.kind}, weight {head.weight:.4g}", head.lead) for head in explanation.heads])
        tables.append(_table("heads", "Heads", "The two scores whose weighted sum counts", heads))
    if explanation.bigrams:
        pairs = {f"component {pair.first}, then {pair.second}": pair.lead for pair in explanation.bigrams}
        note = "Token bigrams, one component of the UBM after another; they add up to their part above"
        tables.append(_table("sequences", "Sequences of components", note, _bars(strongest(pairs, n))))
    spans = leads_over_time(explanation.rows, N_SPANS)
    if len(spans) > 1:
        bars = _bars([(_seconds(span.start_s, span.end_s), span.lead) for span in spans])
        tables.append(_table("time", "Parts of the file", "Centres of the rows, in seconds from the start", bars))
    return tables


def _table(key: str, title: str, note: str, bars: Sequence[Bar]) -> dict[str, Any]:
    """Return a table for the template."""
    return {"key": key, "title": title, "note": note, "bars": bars, "total": sum(bar.lead or 0.0 for bar in bars)}


def _bars(parts: Iterable[tuple[str, float | None]], notes: Sequence[str | None] | None = None) -> list[Bar]:
    """Return parts with the lengths of their bars."""
    named = list(parts)
    largest = max((abs(lead) for _, lead in named if lead is not None), default=0.0) or 1.0
    return [
        Bar(name, lead, abs(lead or 0.0) / largest, None if notes is None else notes[i])
        for i, (name, lead) in enumerate(named)
    ]


def _seconds(start_s: float, end_s: float) -> str:
    """Return a span of time in words."""
    return f"{start_s:.1f} s" if start_s == end_s else f"{start_s:.1f} to {end_s:.1f} s"


def _windows(explanation: Explanation) -> list[Bar]:
    """Return the lead in every window; nothing where one alone is the file."""
    if len(explanation.windows) < 2:
        return []
    named = [(_seconds(window.start_s, window.end_s), window.lead) for window in explanation.windows]
    return _bars(named, [window.label for window in explanation.windows])


def _components(parts: Sequence[ComponentPart], n: int) -> list[dict[str, Any]]:
    """Return the components of each owner, those that answered most, and how many others did."""
    owners = dict.fromkeys(part.owner for part in parts)
    own = {owner: [part for part in parts if part.owner == owner] for owner in owners}
    return [{"owner": owner, "parts": own[owner][:n], "n_others": max(0, len(own[owner]) - n)} for owner in owners]
