"""The record of a kind of model: all that the rest of the package asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gmmaudio.models.heads import Head, Linear, Mixtures
from gmmaudio.models.kind_settings import KindSettings
from gmmaudio.models.partial_fits import Fit
from gmmaudio.models.scorer import Transform
from gmmaudio.models.training_rows import TrainingRows

S = TypeVar("S", bound=KindSettings)


@dataclass(frozen=True)
class Candidate:
    """Settings that tuning compares.

    Parameters
    ----------
    cost : float
        Rank by the time of a fit, over all kinds: of equally good candidates the cheapest is chosen.
    changes : mapping
        Settings that differ from the preset's, by name.

    Examples
    --------
    >>> Candidate(1, {"n_components": 4}).changes["n_components"]
    4
    """

    cost: float
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Kind(Generic[S]):
    """A kind of model.

    Parameters
    ----------
    settings : type of KindSettings
        Its settings, whose defaults serve presets that have no settings for the kind.
    transform : type of Transform
        The first stage of its scorers.
    fit : callable
        Training rows and settings -> a :class:`gmmaudio.models.partial_fits.Fit`.
    describe : callable
        Settings -> one line in words.
    heads : tuple of type of Head
        The heads that its scorers may have.
    candidates : tuple of Candidate
        Settings that tuning compares.
    takes_warps : bool
        Whether rows may hold several VTLN warps of a frame side by side.

    Examples
    --------
    >>> from gmmaudio.models import KINDS
    >>> [kind.name for kind in KINDS.values() if kind.takes_warps]
    ['supervector']
    """

    settings: type[S]
    transform: type[Transform]
    fit: Callable[[TrainingRows, S], Fit]
    describe: Callable[[S], str]
    heads: tuple[type[Head], ...] = (Mixtures, Linear)
    candidates: tuple[Candidate, ...] = ()
    takes_warps: bool = False

    @property
    def name(self) -> str:
        """Name of the kind, as its settings have it."""
        return self.settings.kind
