"""The clips of a review: which of the classified ones are worth a listener's time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.pipeline.classified_rows import ClassifiedClip
from gmmaudio.values import convert_fields

MAX_PER_LABEL = 1000
# a listener takes ten hours or so for them
MAX_CLIPS = 10_000


@dataclass(frozen=True, kw_only=True)
class ReviewSettings:
    """Settings of a review: which clips, and how much of each.

    Parameters
    ----------
    between : (float, float) or None
        Lowest and highest probability of the predicted label, 0..1; None takes 0.4 to 0.7 where there are
        probabilities, and all clips where the model is not calibrated. Unknown clips are taken at any probability.
    per_label : int
        Largest number of clips of each predicted label, and of unknown ones, 1 to 1,000.
    excerpt_s : float
        Length of the excerpts, seconds, 1 to 60.
    seed : int
        Drives the choice and the order of the clips.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> ReviewSettings(between=(0.3, 0.6)).per_label
    10
    """

    between: tuple[float, float] | None = None
    per_label: int = 10
    excerpt_s: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        if self.between is not None and not 0 <= self.between[0] < self.between[1] <= 1:
            low, high = self.between
            raise SettingError(f"`between` is {low:g},{high:g}; expected two numbers from 0 to 1, the lower one first")
        if not 1 <= self.per_label <= MAX_PER_LABEL:
            raise SettingError(f"`per_label` is {self.per_label}; expected 1 to {MAX_PER_LABEL:,}")
        if not 1 <= self.excerpt_s <= 60:
            raise SettingError(f"`excerpt_s` is {self.excerpt_s:g}; expected 1 to 60 s")
        if self.seed < 0:
            raise SettingError(f"`seed` is {self.seed}; expected 0 or more")


def choose_clips(
    clips: Sequence[ClassifiedClip], folders: Sequence[str], settings: ReviewSettings
) -> list[ClassifiedClip]:
    """Return the clips of a review in the order in which they are heard.

    Of each predicted label, the clips whose probability lies between the bounds are sorted by it and divided into as
    many parts of equal size as clips are wanted; each part gives one clip, of the folder of which the fewest were taken
    so far. The choice depends on the seed and not on the order of the clips. Clips that are mixed or could not be
    classified are left out.

    Parameters
    ----------
    clips : sequence of ClassifiedClip
        Classified clips.
    folders : sequence of str
        What the clips are spread over: the group or the folder of each.
    settings : ReviewSettings
        Bounds and numbers.

    Raises
    ------
    SettingError
        If bounds are given and the clips have no probabilities, or more than 10,000 clips would be chosen.
    CorpusError
        If no clip is between the bounds.

    Examples
    --------
    >>> chances = [0.42, 0.45, 0.6, 0.65, 0.95]
    >>> clips = [ClassifiedClip(f"{p}.wav", "ok", "jazz", {"jazz": p, "rock": 1 - p}, "jazz") for p in chances]
    >>> chosen = choose_clips(clips, ["a"] * 5, ReviewSettings(per_label=2))
    >>> sorted(clip.path in ("0.42.wav", "0.45.wav") for clip in chosen)
    [False, True]
    """
    rng = np.random.default_rng(settings.seed)
    candidates = _candidates(clips, folders, settings)
    chosen = []
    for label in sorted(candidates, key=lambda label: (label is None, label)):
        chosen += _spread(candidates[label], settings.per_label, rng)
    if len(chosen) > MAX_CLIPS:
        raise SettingError(
            f"{len(chosen):,} clips would be chosen; expected {MAX_CLIPS:,} at most: lower `per_label`, or narrow "
            "`between`"
        )
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _candidates(
    clips: Sequence[ClassifiedClip], folders: Sequence[str], settings: ReviewSettings
) -> dict[str | None, list[tuple[ClassifiedClip, str]]]:
    """Return clip and folder of those that may be chosen, by predicted label; None for unknown."""
    is_calibrated = any(clip.probability for clip in clips)
    if settings.between is not None and not is_calibrated:
        raise SettingError(
            "`between` goes with probabilities, and these clips have none: the model is not calibrated; leave it out, "
            "and clips are chosen at random"
        )
    low, high = settings.between or ((0.4, 0.7) if is_calibrated else (0.0, 1.0))
    found: dict[str | None, list[tuple[ClassifiedClip, str]]] = defaultdict(list)
    for clip, folder in zip(clips, folders, strict=True):
        chance = clip.best_probability
        is_between = not is_calibrated if chance is None else low <= chance <= high
        if clip.status == "unknown" or (clip.status == "ok" and is_between):
            found[clip.label].append((clip, folder))
    if not found:
        n = sum(clip.status == "ok" for clip in clips)
        raise CorpusError(
            f"none of {n} clips with a label has a probability from {low:g} to {high:g}; widen the bounds (`between`)"
        )
    return found


def _spread(
    candidates: Sequence[tuple[ClassifiedClip, str]], n_wanted: int, rng: np.random.Generator
) -> list[ClassifiedClip]:
    """Return some clips, spread over probabilities and folders."""
    ranked = sorted(candidates, key=lambda item: (item[0].best_probability or 0.0, item[0].path))
    if ranked[0][0].best_probability is None:
        ranked = [ranked[i] for i in rng.permutation(len(ranked))]
    taken: Counter[str] = Counter()
    chosen = []
    for part in np.array_split(np.arange(len(ranked)), min(n_wanted, len(ranked))):
        drawn = [ranked[i] for i in rng.permutation(part)]
        clip, folder = min(drawn, key=lambda item: taken[item[1]])
        taken[folder] += 1
        chosen.append(clip)
    return chosen
