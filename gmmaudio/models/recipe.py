"""The recipe: all settings of a training run, shared by train and crossval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from gmmaudio.audio import AUGMENTATIONS
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings
from gmmaudio.models.kind_settings import KindSettings
from gmmaudio.models.kinds import find_kind, settings_from_dict
from gmmaudio.models.kinds.frame_gmm import FrameGmmSettings
from gmmaudio.models.old_formats import upgrade_recipe
from gmmaudio.models.presets import preset_of
from gmmaudio.trials import Degradation, TrialSettings
from gmmaudio.values import checked, convert_fields


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training run.

    Parameters
    ----------
    preset : str or None
        Name of the preset that the settings started from; None for the classic model.
    features : FeatureSettings
        The front end.
    kind_settings : KindSettings
        Settings of the kind of model.
    min_duration_s : float
        Minimum length of a clip or trial, seconds.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; None takes clips as they are.
    augment : tuple of str
        Names of :data:`gmmaudio.audio.AUGMENTATIONS`: degradations whose copies are trained on too.
    seed : int
        Drives splits, EM and degradations.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> Recipe(seed=1).kind_settings.kind
    'frames'
    """

    preset: str | None = None
    features: FeatureSettings = field(default_factory=FeatureSettings)
    kind_settings: KindSettings = field(default_factory=FrameGmmSettings)
    min_duration_s: float = 0.5
    trial_s: float | None = None
    augment: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        TrialSettings(self.features, self.trial_s, self.min_duration_s)
        object.__setattr__(self, "trial_s", self.trial_s or None)
        unknown = [name for name in self.augment if name not in AUGMENTATIONS]
        if unknown or len(set(self.augment)) < len(self.augment):
            raise SettingError(
                f"`augment` is {','.join(self.augment)}; expected any of {','.join(AUGMENTATIONS)}, once, or none"
            )
        kind = find_kind(self.kind_settings.kind)
        n_warps = self.features.frames.n_warps
        if n_warps > 1 and not kind.takes_warps:
            raise SettingError(f"vtln makes {n_warps} warps of a frame; {kind.name} take one: leave `vtln` empty")
        if self.seed < 0:
            raise SettingError(f"`seed` is {self.seed}; expected 0 or more")

    @property
    def degradations(self) -> tuple[Degradation, ...]:
        """The degradations whose copies are trained on too."""
        return tuple(Degradation(name, self.seed) for name in self.augment)

    @property
    def trial_settings(self) -> TrialSettings:
        """How clips become trials."""
        return TrialSettings(self.features, self.trial_s, self.min_duration_s)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON."""
        return asdict(self) | {"kind_settings": self.kind_settings.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return the recipe that plain values describe.

        Parameters
        ----------
        values : dict
            Result of :meth:`to_dict`, also of an older version.

        Raises
        ------
        SettingError
            If a name is unknown, or a value is of the wrong kind or outside its bounds.

        Examples
        --------
        >>> recipe = make_recipe("genre", seed=3)
        >>> Recipe.from_dict(recipe.to_dict()) == recipe
        True
        """
        try:
            values = upgrade_recipe(values)
            features = FeatureSettings.from_dict(values["features"])
            kind_settings = settings_from_dict(values["kind_settings"])
            return cls(**{**values, "features": features, "kind_settings": kind_settings})
        except (KeyError, TypeError) as error:
            raise SettingError(f"no settings of a training run ({error}); made by another version?") from error


@checked
def make_recipe(
    preset: str | None = None,
    *,
    kind: str | None = None,
    n_components: int | None = None,
    covariance_type: str | None = None,
    init: str | None = None,
    min_duration_s: float = 0.5,
    trial_s: float | None = None,
    augment: Sequence[str] | None = None,
    seed: int = 0,
) -> Recipe:
    """Return a preset's settings, with those changed that are given.

    Parameters
    ----------
    preset : {"genre", "language"} or None
        None for the classic model.
    kind : str or None
        Kind of model, a key of :data:`gmmaudio.models.KINDS`; None takes the preset's default.
    n_components, covariance_type, init
        As for the settings of the kind, such as
        :class:`gmmaudio.models.kinds.frame_gmm.FrameGmmSettings`; None keeps the preset's.
    min_duration_s, seed
        As for :class:`Recipe`.
    trial_s : float or None
        As for :class:`Recipe`; None takes the preset's, 0 takes clips as they are.
    augment : sequence of str or None
        As for :class:`Recipe`; None takes the preset's, an empty one none.

    Raises
    ------
    SettingError
        If there is no such preset or kind, or a setting is outside its bounds.

    Examples
    --------
    >>> make_recipe("genre", kind="frames", n_components=4).kind_settings.n_components
    4
    """
    start = preset_of(preset, kind)
    given = {"n_components": n_components, "covariance_type": covariance_type, "init": init}
    return Recipe(
        preset=preset,
        features=start.features,
        kind_settings=_changed(start.kind_settings, given),
        min_duration_s=min_duration_s,
        trial_s=(start.trial_s if trial_s is None else trial_s) or None,
        augment=start.augment if augment is None else tuple(augment),
        seed=seed,
    )


def _changed(settings: KindSettings, given: Mapping[str, Any]) -> KindSettings:
    """Return settings with those changed that are given and not None."""
    changes = {name: value for name, value in given.items() if value is not None}
    missing = sorted(set(changes) - {field.name for field in fields(settings)})
    if missing:
        raise SettingError(f"{settings.kind} models have no setting `{missing[0]}`; leave it out, or take another kind")
    return replace(settings, **changes)
