"""Settings of a cross-validation: the division of the corpus, and the analyses beside the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmmaudio.corpus import Fold, column_folds, leave_one_group_out, random_folds
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation.slices import DURATIONS_S
from gmmaudio.pipeline import analyses
from gmmaudio.values import convert_fields, shown

MAX_REPEATS = 1000
# one group left out at a time: as many fits, each of nearly all clips
MAX_LEFT_OUT = 1000


@dataclass(frozen=True, kw_only=True)
class CrossvalOptions:
    """Settings of a cross-validation: the division of the corpus, and the analyses beside the metrics.

    Parameters
    ----------
    folds : int or "loo"
        Number of folds; ``"loo"`` leaves out one group at a time, of at most 1,000.
    fold_column : str or None
        Column that holds the fold of each clip, instead of ``folds``.
    repeats : int
        Number of repeats, with the seeds ``seed``, ``seed + 1``, ...
    group_by : str or None
        Column of clips that are held out together, as for :func:`gmmaudio.corpus.plan_split`.
    split : str or None
        Split to use; None selects clips whose split is empty or ``train``, or all with a fold column.
    durations_s : tuple of float
        Lengths that test clips are cut to and scored again, seconds.
    tune : bool
        Choose kind, covariance, components and projection on inner folds of every fold's training set.
    learning_curve : bool
        Also train on an eighth, a quarter and half of the audio.
    compare_random_split : bool
        Also split at random.
    robustness : bool
        Also score the held-out clips under every degradation.
    open_set : bool or None
        Learn an open-set threshold in every fold, and count the clips that it classifies as unknown. None does so where
        it is cheap to leave a label out: not where every fit begins with a UBM.
    leave_sources_out : bool
        Also leave out whole sources in turn, in at most 10 folds, where a label has clips of two
        (:func:`gmmaudio.corpus.source_folds`). Nothing is done where the groups that are held out are whole sources.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> CrossvalOptions(folds="loo", group_by="speaker").scheme(groups_known=True)
    'cross-validation, one speaker left out at a time'
    """

    folds: int | str = 5
    fold_column: str | None = None
    repeats: int = 1
    group_by: str | None = None
    split: str | None = None
    durations_s: tuple[float, ...] = DURATIONS_S
    tune: bool = False
    learning_curve: bool = False
    compare_random_split: bool = False
    robustness: bool = False
    open_set: bool | None = None
    leave_sources_out: bool = True

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        analyses.check_durations(self.durations_s)
        if isinstance(self.folds, str) and self.folds != "loo":
            raise SettingError(f"`folds` is {shown(self.folds)}; expected a number, or loo")
        fixed = self.fold_column is not None or self.folds == "loo"
        if not 1 <= self.repeats <= MAX_REPEATS or (self.repeats > 1 and fixed):
            raise SettingError(
                f"`repeats` is {self.repeats}; expected 1 to {MAX_REPEATS}, and 1 with `fold_column` or "
                '`folds="loo"`, whose division is fixed'
            )

    def scheme(self, *, groups_known: bool) -> str:
        """Return a description of the division.

        Parameters
        ----------
        groups_known : bool
            Whether any clip has a group; otherwise files are divided.

        Returns
        -------
        str
            Description for the protocol of a report.

        Examples
        --------
        >>> CrossvalOptions(folds=3, group_by="parent").scheme(groups_known=True)
        '3-fold cross-validation by folder'
        """
        group = {None: "group", "parent": "folder"}.get(self.group_by, self.group_by) if groups_known else "file"
        if self.fold_column:
            words = f"cross-validation by the fold column {self.fold_column!r}"
        elif self.folds == "loo":
            words = f"cross-validation, one {group} left out at a time"
        else:
            words = f"{self.folds}-fold cross-validation by {group}"
        words += f", {self.repeats} repeats" if self.repeats > 1 else ""
        return words + (", settings chosen on inner folds" if self.tune else "")

    def divide(
        self, labels: Sequence[str], units: Sequence[str], fold_of: Sequence[str | None], seed: int
    ) -> list[Fold]:
        """Return the folds of one repeat.

        Parameters
        ----------
        labels, units : sequence of str
            Label of every item, and the unit that a fold must not divide.
        fold_of : sequence of str or None
            Value of the fold column for every item.
        seed : int
            Seed of the repeat.

        Returns
        -------
        list of Fold
            Folds that can be scored.

        Raises
        ------
        CorpusError
            If no label can be scored.
        SettingError
            If there are more folds than groups, or more than 1,000 groups are left out one at a time.

        Examples
        --------
        >>> folds = CrossvalOptions(folds=2).divide(["a", "a", "b", "b"], ["1", "2", "3", "4"], [None] * 4, seed=0)
        >>> [len(fold.test) for fold in folds]
        [2, 2]
        """
        if self.fold_column is not None:
            if not any(fold_of):
                raise CorpusError(
                    f"no clip has a value in the column {self.fold_column!r}; name another (`fold_column`)"
                )
            return column_folds(fold_of, labels, units)
        if self.folds == "loo":
            folds = leave_one_group_out(labels, units)
            if len(folds) > MAX_LEFT_OUT:
                raise SettingError(
                    f"`folds` is loo, which would train {len(folds)} times on nearly all clips, once for each group; "
                    f"expected at most {MAX_LEFT_OUT:,} groups: give a number of folds (`folds=10`)"
                )
            return folds
        return random_folds(labels, units, int(self.folds), np.random.default_rng(seed))
