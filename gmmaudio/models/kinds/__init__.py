"""The kinds of models: one module for each, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gmmaudio.compute import QUIET, RunContext, one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.models.kind import Kind
from gmmaudio.models.kind_settings import KindSettings
from gmmaudio.models.kinds.block_gaussian import BLOCK_GAUSSIAN
from gmmaudio.models.kinds.frame_gmm import FRAME_GMM
from gmmaudio.models.kinds.supervector import SUPERVECTOR
from gmmaudio.models.linear_algebra import Matrix
from gmmaudio.models.partial_fits import Fit, FreshFits
from gmmaudio.models.scorer import Scorer, check_finite
from gmmaudio.models.training_rows import ClipRows, TrainingRows
from gmmaudio.models.ubm import Traces

KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (FRAME_GMM, BLOCK_GAUSSIAN, SUPERVECTOR)}


def find_kind(name: object) -> Kind[Any]:
    """Return the kind of a name.

    Parameters
    ----------
    name : str
        Key of :data:`KINDS`.

    Raises
    ------
    SettingError
        If there is none of that name.

    Examples
    --------
    >>> find_kind("supervector").takes_warps
    True
    """
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise SettingError(f"kind is {name!r}; expected one of {', '.join(KINDS)}")
    return kind


def settings_from_dict(values: Mapping[str, Any]) -> KindSettings:
    """Return the settings that :meth:`KindSettings.to_dict` gave, of whatever kind.

    Parameters
    ----------
    values : mapping
        Plain values with ``kind``.

    Raises
    ------
    SettingError
        If kind or settings are unknown, or a value is outside its bounds.

    Examples
    --------
    >>> settings_from_dict({"kind": "frames", "n_components": 4}).n_components
    4
    """
    kind: Kind[Any] = find_kind(values.get("kind"))
    settings: KindSettings = kind.settings.from_dict(values)
    return settings


def fit_scorer(
    rows_per_clip: Sequence[Matrix],
    labels: Sequence[str],
    settings: KindSettings,
    *,
    groups: Sequence[str] | None = None,
    n_warps: int = 1,
    seed: int = 0,
    run: RunContext = QUIET,
) -> tuple[Scorer, Traces]:
    """Return a scorer fitted to the rows of labelled clips, and the traces of EM.

    Each mixture has a random stream of its own, drawn from the seed and the index of its label in the sorted labels, so
    that the result is the same bits for any ``run``.

    Parameters
    ----------
    rows_per_clip : sequence of ndarray, shape (n_i, n_features)
        Finite rows of every clip, at least one each.
    labels : sequence of str
        Label of every clip; at least two different ones.
    settings : KindSettings
        Settings of the kind of model.
    groups : sequence of str or None
        Group of every clip (the artist or speaker): no group of a label weighs more than another. None takes each clip
        for its own group. Mixtures fitted to a label's rows by maximum likelihood ignore groups.
    n_warps : int
        VTLN warps of a frame that each row holds side by side, of which supervectors select one for each clip.
    seed : int
        Seed of the starts of EM.
    run : RunContext
        Worker processes (or threads), and progress.

    Raises
    ------
    SettingError
        If a setting is outside its bounds, or there are fewer than two labels.
    MixtureError
        If rows are not finite matrices of one width.

    Examples
    --------
    >>> from gmmaudio.models.kinds.frame_gmm import FrameGmmSettings
    >>> rows = [np.full((9, 1), -1.0), np.full((9, 1), 1.0)]
    >>> scorer, _ = fit_scorer(rows, ["low", "high"], FrameGmmSettings(n_components=1))
    >>> scorer.labels[scorer.score(np.full((3, 1), 0.9)).argmax()]
    'high'
    """
    names = tuple(sorted(set(labels)))
    codes = np.array([names.index(label) for label in labels])
    clip_groups = tuple(map(str, range(len(codes)))) if groups is None else tuple(groups)
    fit = fit_kind(TrainingRows(tuple(rows_per_clip), names, codes, clip_groups, seed, run, n_warps), settings)
    return fit.scorer, fit.traces


def fit_kind(training: TrainingRows, settings: KindSettings) -> Fit:
    """Return the fit of a training set: a scorer, the traces of EM, and what fits to parts of it share.

    Parameters
    ----------
    training : TrainingRows
        Finite rows of labelled clips, at least one each, of at least two labels.
    settings : KindSettings
        Settings of the kind of model.

    Raises
    ------
    SettingError, MixtureError
        As for :func:`fit_scorer`.

    Examples
    --------
    >>> from gmmaudio.models.kinds.frame_gmm import FrameGmmSettings
    >>> rows = (np.full((9, 1), -1.0), np.full((9, 1), 1.0))
    >>> training = TrainingRows(rows, ("high", "low"), np.array([1, 0]), ("1", "2"), 0)
    >>> fit_kind(training, FrameGmmSettings(n_components=1)).scorer.labels
    ('high', 'low')
    """
    kind, n_warps = find_kind(settings.kind), training.n_warps
    if len(training.labels) < 2:
        names = ", ".join(training.labels) or "none"
        raise SettingError(f"only the label {names}; at least two are needed to tell apart")
    check_rows(training.rows, n_warps, may_be_missing=kind.transform.takes_missing)
    if n_warps > 1 and not kind.takes_warps:
        warping = ", ".join(other.name for other in KINDS.values() if other.takes_warps)
        raise SettingError(f"rows hold {n_warps} VTLN warps; {kind.name} take one, any number only {warping}")
    # one thread for linear algebra, so that a model is the same bits for any number of jobs
    with one_thread():
        return kind.fit(training, settings)


def fresh_fits(training: TrainingRows, settings: KindSettings) -> FreshFits:
    """Return the scorers of parts of a training set that share nothing: each is fitted as if there were no other.

    Parameters
    ----------
    training, settings
        As for :func:`fit_kind`.

    Examples
    --------
    >>> from gmmaudio.models.kinds.frame_gmm import FrameGmmSettings
    >>> rows = tuple(np.random.default_rng(i).normal(size=(20, 2)) + (i % 2) * 3 for i in range(4))
    >>> training = TrainingRows(rows, ("a", "b"), np.array([0, 1, 0, 1]), tuple("1234"), 0)
    >>> fits = fresh_fits(training, FrameGmmSettings(n_components=1))
    >>> fits.fit(np.array([0, 1])).labels
    ('a', 'b')
    """
    return FreshFits(training, settings, find_kind(settings.kind).fit)


def check_rows(rows_per_clip: Sequence[Matrix], n_warps: int = 1, *, may_be_missing: bool = False) -> None:
    """Raise MixtureError where rows of clips are not finite, or not of one width that the warps divide.

    Parameters
    ----------
    rows_per_clip : sequence of ndarray, shape (n_i, n_features)
        Rows of every clip; at least one clip.
    n_warps : int
        VTLN warps that each row holds.
    may_be_missing : bool
        Whether NaN stands for a missing value.

    Examples
    --------
    >>> check_rows([np.zeros((3, 4)), np.ones((1, 4))], n_warps=2)
    """
    pieces = rows_per_clip.pieces if isinstance(rows_per_clip, ClipRows) else rows_per_clip
    widths = sorted({piece.shape[-1] for piece in pieces})
    if len(widths) > 1:
        raise MixtureError(f"clips have rows of {' and '.join(map(str, widths))} features; expected one width")
    if n_warps < 1 or widths[0] % n_warps:
        raise MixtureError(f"rows of {widths[0]} features cannot hold {n_warps} VTLN warps")
    for clip, rows in enumerate(rows_per_clip):
        check_finite(rows, f"clip {clip}: ", may_be_missing=may_be_missing)
