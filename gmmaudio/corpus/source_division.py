"""Division of a corpus by source: folds whose clips are of a source, and of groups, that were not trained on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from gmmaudio.corpus.all_but import AllBut
from gmmaudio.corpus.split import Fold, natural_order, random_folds, scored_labels
from gmmaudio.errors import CorpusError

# every fold is a fit: of more sources, several are left out together
MAX_SOURCE_FOLDS = 10


def source_folds(
    labels: Sequence[str],
    sources: Sequence[str | None],
    groups: Sequence[str],
    rng: np.random.Generator,
    n_folds: int = MAX_SOURCE_FOLDS,
) -> list[Fold]:
    """Return folds in which whole sources are held out; none where no label has two sources that can be told apart.

    Each source with a label that another source has too is left out in turn; of more sources than ``n_folds``, several
    are left out together, by a random division (:func:`gmmaudio.corpus.random_folds`). A fold scores the items of its
    sources whose labels have two sources and some training items left. It trains on no item of its sources, of the
    groups that it scores, or of an unknown source. An item whose source is unknown is scored in no fold either.

    Parameters
    ----------
    labels : sequence of str
        Label of every item.
    sources : sequence of str or None
        Recording condition or corpus of every item; None or empty where unknown.
    groups : sequence of str
        Group of every item.
    rng : numpy.random.Generator
        Random numbers for the division of many sources.
    n_folds : int
        The most folds, at least 2.

    Returns
    -------
    list of Fold
        Folds that can be scored, each with its source as a name, or with its number.

    Examples
    --------
    >>> labels, sources = ["en", "fr", "en", "fr", "de"], ["tape", "tape", "radio", "radio", "radio"]
    >>> folds = source_folds(labels, sources, ["ann", "bob", "cy", "dee", "eve"], np.random.default_rng(0))
    >>> [(fold.name, list(fold.train), fold.test) for fold in folds]
    [('radio', [0, 1], (2, 3)), ('tape', [2, 3, 4], (0, 1))]
    """
    known = [i for i, source in enumerate(sources) if source]
    names = [str(sources[i]) for i in known]
    scored = scored_labels([labels[i] for i in known], names)
    held_out = {name for i, name in zip(known, names, strict=True) if labels[i] in scored}
    if not held_out:
        return []
    fold_of = {name: name for name in held_out}
    if len(held_out) > n_folds:
        fold_of = _drawn_folds([labels[i] for i in known], names, n_folds, rng)
    return _folds(fold_of, labels, sources, groups, scored)


def _drawn_folds(
    labels: Sequence[str], sources: Sequence[str], n_folds: int, rng: np.random.Generator
) -> dict[str, str]:
    """Return the fold of every source of a random division, counted from 1; none where it does not score a source."""
    try:
        folds = random_folds(labels, sources, n_folds, rng)
    except CorpusError:
        # such as one label only whose sources are known
        return {}
    return {sources[i]: str(k) for k, fold in enumerate(folds, start=1) for i in fold.test}


def _folds(
    fold_of: Mapping[str, str],
    labels: Sequence[str],
    sources: Sequence[str | None],
    groups: Sequence[str],
    scored: frozenset[str],
) -> list[Fold]:
    """Return the folds of a division of sources, those without a label to score or to tell it from left out."""
    of_source, of_group = defaultdict(set), defaultdict(set)
    for i, (source, group) in enumerate(zip(sources, groups, strict=True)):
        of_source[source or None].add(i)
        of_group[group].add(i)
    n_of_label, folds = Counter(labels), []
    for name in sorted(set(fold_of.values()), key=natural_order):
        held_out = set().union(*(of_source[source] for source, fold in fold_of.items() if fold == name))
        candidates = sorted(i for i in held_out if labels[i] in scored)
        same_groups = set().union(*(of_group[group] for group in {groups[i] for i in candidates}))
        left_out = frozenset(held_out | same_groups | of_source.get(None, set()))
        n_left_out = Counter(labels[i] for i in left_out)
        lost = {label for label, n in n_left_out.items() if n == n_of_label[label]}
        test = tuple(i for i in candidates if labels[i] not in lost)
        if test and len(n_of_label) - len(lost) > 1:
            folds.append(Fold(name, AllBut(len(labels), left_out), test))
    return folds
