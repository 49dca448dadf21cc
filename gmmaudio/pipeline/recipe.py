"""What a training run is asked for, shared by train and crossval."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from gmmaudio.classifier import ClassifierConfig
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureConfig
from gmmaudio.model import preset_of
from gmmaudio.pipeline.extraction import check_lengths


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training run.

    Parameters
    ----------
    preset : str or None
        Name of the preset that the settings started from; None for the classic model.
    features : FeatureConfig
        The front end.
    classifier : ClassifierConfig
        Settings of the mixtures.
    min_duration_s : float
        Least length of a clip or trial, seconds.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; None takes clips as they are.
    seed : int
        Drives splits and EM.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.
    """

    preset: str | None = None
    features: FeatureConfig = field(default_factory=FeatureConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    min_duration_s: float = 0.5
    trial_s: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_lengths(self.min_duration_s, self.trial_s)
        if self.seed < 0:
            raise SettingError(f"--seed is {self.seed}; expected 0 or more")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return the settings that :meth:`to_dict` gave.

        Raises
        ------
        SettingError
            If a name is unknown, or a value is of the wrong kind or outside its bounds.
        """
        try:
            features = FeatureConfig.from_dict(values["features"])
            return cls(**{**values, "features": features, "classifier": ClassifierConfig(**values["classifier"])})
        except (KeyError, TypeError) as error:
            raise SettingError(f"no settings of a training run ({error}); made by another version?") from error


def make_recipe(
    preset: str | None = None,
    *,
    n_components: int | None = None,
    covariance_type: str | None = None,
    init: str | None = None,
    min_duration_s: float = 0.5,
    trial_s: float | None = None,
    seed: int = 0,
) -> Recipe:
    """Return a preset's settings, with those changed that are given.

    Parameters
    ----------
    preset : {"genre", "language"} or None
        None for the classic model.
    n_components, covariance_type, init
        As for :class:`gmmaudio.classifier.ClassifierConfig`; None keeps the preset's.
    min_duration_s, trial_s, seed
        As for :class:`Recipe`.

    Raises
    ------
    SettingError
        If there is no such preset, or the seed is negative.

    Examples
    --------
    >>> make_recipe("genre", n_components=4).classifier.n_components
    4
    """
    start = preset_of(preset)
    given = {"n_components": n_components, "covariance_type": covariance_type, "init": init}
    changed = asdict(start.classifier) | {name: value for name, value in given.items() if value is not None}
    return Recipe(
        preset=preset,
        features=start.features,
        classifier=ClassifierConfig(**changed),
        min_duration_s=min_duration_s,
        trial_s=trial_s,
        seed=seed,
    )
