"""How a classifier is trained: plain values, checked before an hour of decoding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gmmaudio.errors import SettingError
from gmmaudio.mixture import check_settings

KINDS = ("frames", "blocks", "supervector")
BACK_ENDS = ("own", "logistic", "mean", "trained")
# one covariance for all labels, beside the types of a mixture
SHARED = "shared"


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """How a classifier is trained.

    Parameters
    ----------
    kind : {"frames", "blocks", "supervector"}
        One mixture for each label on the rows as they are; one on rows that are standardised and projected, for
        blocks; or the means of one background mixture (UBM) adapted to a clip, as one long vector.
    n_components : int
        Components of each label's mixture (1 with a shared covariance), or of the background mixture.
    covariance_type : {"diag", "full", "tied", "spherical", "shared"}
        Shape of the components. Shared: blocks only, one full covariance for all labels, shrunk.
    init : {"kmeans", "hierarchical", "binary", "random"}
        Start of EM.
    n_init : int
        Starts, of which the best is kept.
    max_iter : int
        EM iterations at most.
    tol : float
        Stop below this gain, nats for each row and feature.
    variance_floor : float
        Least variance, as a share of the label's global variance.
    relevance : float or None
        Rows that the background counts for when it is adapted. Frames: None fits each label by itself (maximum
        likelihood), a number adapts a background mixture to each label (UBM-MAP). Supervectors need one.
    n_pca : int or None
        Blocks: principal components kept at most; None keeps as many as the rows have. Training takes no more than a
        quarter of its rows.
    z_limit : float or None
        Blocks: standardised values are bent to stay within this many deviations (``limit * tanh(z / limit)``),
        against recordings unlike any in training.
    shrinkage : float or None
        Blocks: share of a multiple of the identity in the covariance that labels share, 0..1; None takes Ledoit and
        Wolf's, which believes overlapping blocks to be independent.
    n_directions : int
        Directions in which clips of one label differ most, which are taken out of supervectors; at most a fifth of
        the clips.
    pair_lag : int
        Supervectors: beside the means stands how often one component is followed by another, this many rows later; 0
        leaves that out.
    back_end : {"own", "logistic", "mean", "trained"}
        What scores blocks and supervectors: the kind's own (Gaussians, cosine), linear logistic regression, or both,
        each at its own temperature with equal say ("mean") or with weights learned on inner folds ("trained").
    penalty : float
        Of logistic regression: half the squared coefficients count as much as this share of the mean log-loss.
    n_background_rows : int
        Rows that the background mixture is fitted to at most, as many of each group as there are.

    Raises
    ------
    SettingError
        If a setting is outside its bounds: now, rather than after an hour of decoding.

    Examples
    --------
    >>> ClassifierConfig(kind="blocks", covariance_type="shared", n_components=1, n_pca=80).back_end
    'own'
    """

    kind: str = "frames"
    n_components: int = 16
    covariance_type: str = "diag"
    init: str = "kmeans"
    n_init: int = 1
    max_iter: int = 100
    tol: float = 1e-4
    variance_floor: float = 1e-3
    relevance: float | None = None
    n_pca: int | None = None
    z_limit: float | None = None
    shrinkage: float | None = None
    n_directions: int = 0
    pair_lag: int = 0
    back_end: str = "own"
    penalty: float = 0.01
    n_background_rows: int = 20_000

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("back_end", BACK_ENDS)):
            if getattr(self, name) not in known:
                raise SettingError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}")
        check_settings(**self.em_settings() | ({"covariance_type": "full"} if self.is_shared else {}))
        self._check_kind()
        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise SettingError(f"shrinkage is {self.shrinkage}; expected a share, 0 to 1")
        for name, least in (("n_pca", 1), ("n_directions", 0), ("pair_lag", 0), ("n_background_rows", 100)):
            value = getattr(self, name)
            if not (value is None and name == "n_pca") and (not isinstance(value, int) or value < least):
                raise SettingError(f"{name} is {value}; expected a whole number, {least} or more")
        for name in ("relevance", "z_limit", "penalty"):
            value = getattr(self, name)
            if not (value is None and name != "penalty") and not (
                isinstance(value, int | float) and 0 < value < math.inf
            ):
                raise SettingError(f"{name} is {value}; expected a number above 0")

    def _check_kind(self) -> None:
        """Raise where settings do not go together."""
        if self.is_shared and self.kind != "blocks":
            raise SettingError(f"a covariance shared by all labels is for blocks; {self.kind} take diag or another")
        if self.is_shared and self.n_components != 1:
            raise SettingError(
                f"n_components is {self.n_components}; expected 1 where labels share a covariance: for more, take "
                "another (--covariance diag)"
            )
        if self.kind == "supervector" and self.covariance_type != "diag":
            raise SettingError(f"the background of supervectors is {self.covariance_type}; expected diag")
        if self.kind == "supervector" and self.relevance is None:
            raise SettingError("relevance is None; supervectors need a number, such as 8")
        if self.kind == "frames" and self.back_end != "own":
            raise SettingError(f"back_end is {self.back_end!r}; frames have none but their own")

    @property
    def is_shared(self) -> bool:
        """Whether all labels have one covariance."""
        return self.covariance_type == SHARED

    @property
    def has_separate_labels(self) -> bool:
        """Whether each label is fitted to its own clips alone."""
        return self.kind == "frames" and self.relevance is None

    @property
    def n_members(self) -> int:
        """Back ends whose scores are put together."""
        return 2 if self.back_end in ("mean", "trained") else 1

    def em_settings(self) -> dict[str, Any]:
        """Return the settings of :func:`gmmaudio.mixture.fit_gmm`."""
        names = ("n_components", "covariance_type", "init", "n_init", "max_iter", "tol", "variance_floor")
        return {name: getattr(self, name) for name in names}
