"""The check of a corpus as one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmmaudio import __version__
from gmmaudio.evaluation.page import template_environment
from gmmaudio.findings import at_level
from gmmaudio.pipeline.label_table import describe_check, tabulate_labels

if TYPE_CHECKING:
    from gmmaudio.pipeline import CorpusCheck

# columns of words; the others are numbers
WORDS = ("label", "splits", "formats", "kHz")


def render_check(check: CorpusCheck, title: str) -> str:
    """Return the check of a corpus as one HTML page: no network, no scripts, every name escaped.

    Parameters
    ----------
    check : CorpusCheck
        The check.
    title : str
        Heading of the page.

    Examples
    --------
    >>> from gmmaudio.pipeline import CorpusCheck
    >>> page = render_check(CorpusCheck(None, "folders", (), (), ()), "My music")
    >>> "<h1>My music</h1>" in page
    True
    """
    heads, rows = tabulate_labels(check.labels)
    page: str = (
        template_environment("gmmaudio.pictures", "gmmaudio.evaluation")
        .get_template("corpus.html.j2")
        .render(
            title=title,
            check=check,
            # of the templates of reports, which show these fields of one
            report={
                "warnings": at_level(check.findings, "alarm", "warning"),
                "information": at_level(check.findings, "information"),
                "checks_passed": at_level(check.findings, "passed"),
                "failed": check.failed,
            },
            lines=describe_check(check),
            heads=heads,
            rows=rows,
            words=[head in WORDS for head in heads],
            n_clips=sum(facts.n_clips for facts in check.labels),
            n_files=sum(facts.n_files for facts in check.labels),
            minutes=sum(facts.duration_s for facts in check.labels) / 60,
            version=__version__,
        )
    )
    return page
