"""The look at a corpus at the head of a run: what matters is said before hours of work, and not after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmmaudio.cli.console import say_findings

if TYPE_CHECKING:
    from gmmaudio.corpus import Corpus
    from gmmaudio.findings import Finding
    from gmmaudio.trials import GivenRows


def look_at(
    corpus: Corpus,
    rows: GivenRows | None,
    *,
    split: str | None,
    group_by: str | None,
    fold_column: str | None = None,
) -> tuple[Corpus, tuple[Finding, ...]]:
    """Write the alarms and warnings on a corpus to stderr that the heads of its files tell.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    rows : GivenRows or None
        Rows of another program: there are no heads of files then, and nothing is looked at.
    split, group_by, fold_column : str or None
        As for :func:`gmmaudio.pipeline.check_before_run`.

    Returns
    -------
    corpus : Corpus
        The same clips, with the tag that they are grouped by.
    findings : tuple of Finding
        What was written.

    Raises
    ------
    CorpusError
        If more than a tenth of the files need an extra that is not installed.
    """
    if rows is not None:
        return corpus, ()
    from gmmaudio.pipeline import check_before_run
    from gmmaudio.pipeline.tag_groups import with_tags

    corpus = with_tags(corpus, group_by)
    findings = check_before_run(corpus, split=split, group_by=group_by, fold_column=fold_column)
    say_findings(findings)
    return corpus, findings
