"""Base classes of the settings of kinds of models: plain values, checked before an hour of decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from gmmaudio.errors import SettingError
from gmmaudio.mixture import check_settings
from gmmaudio.tensor_table import LARGEST, SMALLEST
from gmmaudio.values import MAX_WHOLE, convert_fields, shown

EM_SETTINGS = ("n_components", "covariance_type", "init", "n_init", "max_iter", "tol", "variance_floor")
# back ends that combine the scores of two heads
FUSIONS = ("mean", "trained")
# bounds of what multiplies the work of a fit, and the memory of a model
MAX_COMPONENTS, MAX_N_INIT, MAX_MAX_ITER = 4096, 1000, 100_000


@dataclass(frozen=True, kw_only=True)
class KindSettings:
    """Settings of a kind of model; each kind has a subclass.

    Attributes
    ----------
    kind : str
        Name of the kind, as in :data:`gmmaudio.models.KINDS`.

    Examples
    --------
    >>> from gmmaudio.models import FrameGmmSettings
    >>> FrameGmmSettings(n_components=4).n_heads
    1
    """

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        convert_fields(self)

    @property
    def has_separate_labels(self) -> bool:
        """Whether each label is fitted to its own clips alone, up to what fits to parts of a training set share."""
        return False

    @property
    def needs_ubm(self) -> bool:
        """Whether every fit begins with a UBM of all labels' rows, which makes leaving labels out expensive."""
        return False

    @property
    def fusion(self) -> str | None:
        """How the scores of two heads are combined: ``mean``, ``trained``, or None where there is one head."""
        return None

    @property
    def n_heads(self) -> int:
        """Number of heads whose scores are combined."""
        return 1 if self.fusion is None else 2

    def cap_components(self, n_rows: int) -> Self:  # noqa: ARG002 - kinds that reduce dimensions override this
        """Return settings with no more dimensions than a training set can support.

        Parameters
        ----------
        n_rows : int
            Rows of the training set.
        """
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and its settings as plain values for JSON."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings that :meth:`to_dict` gave; settings that are not there keep their defaults.

        Parameters
        ----------
        values : mapping
            Plain values, with or without ``kind``.

        Raises
        ------
        SettingError
            If a name is unknown or a value is outside its bounds.
        """
        unknown = sorted(set(map(str, values)) - {field.name for field in fields(cls)} - {"kind"})
        if unknown:
            raise SettingError(f"unknown settings of {cls.kind}: {', '.join(unknown)}; made by a newer version?")
        settings = cls(**{name: value for name, value in values.items() if name != "kind"})
        # whether or not the kind's own checks begin with those of this class
        convert_fields(settings)
        return settings


@dataclass(frozen=True, kw_only=True)
class EmSettings(KindSettings):
    """Settings of :func:`gmmaudio.mixture.fit_gmm`, which kinds that fit mixtures share.

    Parameters
    ----------
    n_components : int
        Components of each mixture.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of the components.
    init : {"kmeans", "hierarchical", "binary", "random"}
        Start of EM.
    n_init : int
        Starts, of which the best is kept.
    max_iter : int
        EM iterations at most.
    tol : float
        Stop below this gain, nats for each row and feature.
    variance_floor : float
        Minimum variance, as a share of the global variance of the rows.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> EmSettings(n_components=4, init="random").em_settings()["init"]
    'random'
    """

    n_components: int = 16
    covariance_type: str = "diag"
    init: str = "kmeans"
    n_init: int = 1
    max_iter: int = 100
    tol: float = 1e-4
    variance_floor: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(**self.em_settings() | {"covariance_type": self.mixture_covariance_type})
        check_whole("n_components", self.n_components, 1, MAX_COMPONENTS)
        check_whole("n_init", self.n_init, 1, MAX_N_INIT)
        check_whole("max_iter", self.max_iter, 0, MAX_MAX_ITER)

    @property
    def mixture_covariance_type(self) -> str:
        """Covariance type of the mixtures that are fitted."""
        return self.covariance_type

    def estimate_work(self, n_rows: int, n_features: int) -> float:
        """Return about how long one thread takes to fit mixtures to so many rows in all, seconds.

        Parameters
        ----------
        n_rows, n_features : int
            Rows of all labels, and their columns.
        """
        # docs/decisions/0014-jobs.md
        cost_s = 5e-9 * n_features if self.covariance_type in ("full", "tied") else 2e-8
        return cost_s * n_rows * n_features * self.n_components * self.n_init

    def em_settings(self) -> dict[str, Any]:
        """Return the arguments of :func:`gmmaudio.mixture.fit_gmm`."""
        return {name: getattr(self, name) for name in EM_SETTINGS}


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise SettingError where a value is none of its choices.

    Parameters
    ----------
    name : str
        Name of the setting.
    value : object
        Its value.
    choices : tuple of str
        Values that it may have.

    Examples
    --------
    >>> check_choice("back_end", "cosine", ("cosine", "logistic"))
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{name} is {shown(value)}; expected one of {', '.join(choices)}")


def check_whole(name: str, value: int, minimum: int, maximum: int = MAX_WHOLE) -> None:
    """Raise SettingError where a whole number is outside its bounds.

    Parameters
    ----------
    name : str
        Name of the setting.
    value : int
        Its value.
    minimum, maximum : int
        The lowest and the highest value allowed.

    Examples
    --------
    >>> check_whole("n_pca", 20, 1)
    """
    if value < minimum:
        raise SettingError(f"{name} is {value}; expected a whole number, {minimum} or more")
    if value > maximum:
        raise SettingError(f"{name} is {value}; expected at most {maximum}")


def check_positive(name: str, value: float) -> None:
    """Raise SettingError where a number is not above 0, or so near to it, or so large, that products are no numbers.

    Parameters
    ----------
    name : str
        Name of the setting.
    value : float
        Its value.

    Examples
    --------
    >>> check_positive("penalty", 0.01)
    """
    if not value > 0:
        raise SettingError(f"{name} is {value}; expected a number above 0")
    if not SMALLEST <= value <= LARGEST:
        raise SettingError(f"{name} is {value}; expected {SMALLEST:g} to {LARGEST:g}")
