"""The check of a batch: whether its recordings score as held-out groups of the training set do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from gmmaudio.evaluation import ScoredClip
from gmmaudio.findings import Finding, some_names
from gmmaudio.models import Familiarity, Model, Prediction
from gmmaudio.models.familiarity import MIN_BATCH, REMEDY, SHORTEST_PART
from gmmaudio.models.windows import calibrated_window_s

# more folders are not told apart, so that memory is bounded
MOST_FOLDERS = 10_000


@dataclass
class RunningMean:
    """The number of recordings, and the sum of their values.

    Examples
    --------
    >>> running = RunningMean()
    >>> running.add(1.0)
    >>> running.add(2.0)
    >>> running.n, running.mean
    (2, 1.5)
    """

    n: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        """Count a recording.

        Parameters
        ----------
        value : float
            Its familiarity.
        """
        self.n += 1
        self.total += value

    @property
    def mean(self) -> float:
        """The mean value."""
        return self.total / self.n


class BatchCheck:
    """The check of the recordings of a run, and of those of each of its folders, by running sums.

    Nothing is known of their groups. So all are taken for recordings of one group, whose mean varies most: there are
    fewer false alarms than the rate that the model states where they are of several.

    Parameters
    ----------
    model : Model
        The model that classifies them.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> check = BatchCheck(model)
    >>> for answer in gmmaudio.classify(model, ["song.wav"]):
    ...     check.add("", check.value_of(answer))
    >>> check.findings()
    ()
    """

    def __init__(self, model: Model) -> None:
        self._familiarity = model.familiarity
        self._shortest_s = SHORTEST_PART * calibrated_window_s(model.training)
        self._all = RunningMean()
        self._folders: dict[str, RunningMean] = {}

    def value_of(self, prediction: Prediction) -> float | None:
        """Return the value of a recording in the check; None where it was not scored, or is too short for it.

        Parameters
        ----------
        prediction : Prediction
            The prediction for it.
        """
        duration_s = prediction.duration_s
        return None if duration_s is not None and duration_s < self._shortest_s else prediction.familiarity

    def add(self, folder: str, value: float | None) -> None:
        """Count a recording.

        Parameters
        ----------
        folder : str
            The folder that it is in.
        value : float or None
            From :meth:`value_of`; None is not counted.
        """
        if value is None:
            return
        self._all.add(value)
        if folder in self._folders or len(self._folders) < MOST_FOLDERS:
            self._folders.setdefault(folder, RunningMean()).add(value)

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings on all recordings, and on folders that score lower than held-out groups do."""
        if self._familiarity is None:
            return ()
        whole = (self._all, 1.0)
        parts = {name or ".": (running, 1.0) for name, running in self._folders.items()}
        return check_means(self._familiarity, whole, parts if len(parts) > 1 else {}, "folders")


def check_means(
    familiarity: Familiarity,
    whole: tuple[RunningMean, float],
    parts: dict[str, tuple[RunningMean, float]],
    kind: str,
) -> tuple[Finding, ...]:
    """Return the findings on recordings, and on parts of them, that score lower than held-out groups do.

    Parameters
    ----------
    familiarity : Familiarity
        How held-out groups score.
    whole : (RunningMean, float)
        All recordings, and their number of equal groups.
    parts : dict of str to (RunningMean, float)
        The same of each part.
    kind : str
        What parts are, in the plural.

    Examples
    --------
    >>> familiarity = Familiarity("score", 0.0, 1.0, 0.25, -1.6, 0.05, 0.04, {"labels": 0.9}, 300, 60)
    >>> check_means(familiarity, (RunningMean(10, -20.0), 1.0), {}, "folders")[0].code
    'unfamiliar_recordings'
    """
    if familiarity.threshold is None:
        return ()

    def is_low(batch: tuple[RunningMean, float]) -> bool:
        running, n_equal = batch
        return running.n >= MIN_BATCH and familiarity.is_unfamiliar(running.mean, running.n, n_equal)

    findings: list[Finding] = []
    rate = f"{100 * familiarity.false_alarm:g} %"
    running, n_equal = whole
    if is_low(whole):
        limit = familiarity.threshold * familiarity.spread(running.n, n_equal)
        findings.append(
            Finding(
                "unfamiliar_recordings",
                "warning",
                f"these {running.n} recordings score lower than held-out groups of the training set do (mean "
                f"{running.mean:.2f} deviations, below {limit:.2f} in {rate} of such groups): probabilities are not "
                "to be trusted here",
                REMEDY,
            )
        )
    large = {name: batch for name, batch in parts.items() if batch[0].n >= MIN_BATCH}
    low = [name for name, batch in large.items() if is_low(batch)]
    # where all parts are low, that was said of all recordings
    if low and not (findings and len(low) == len(large)):
        findings.append(
            Finding(
                "unfamiliar_parts",
                "warning",
                f"{len(low)} of {len(large)} {kind} with at least {MIN_BATCH} recordings score lower than held-out "
                f"groups of the training set do, where {rate} of them would by chance: {some_names(low)}; "
                "probabilities are not to be trusted there",
                REMEDY,
            )
        )
    return tuple(findings)


def check_scored(model: Model, clips: Sequence[ScoredClip]) -> tuple[Finding, ...]:
    """Return the findings on labelled clips, and on their sources or groups, that score lower than held-out groups do.

    Parameters
    ----------
    model : Model
        The model that scored them.
    clips : sequence of ScoredClip
        Predictions for clips of its labels.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> check_scored(model, [])
    ()
    """
    familiarity, check = model.familiarity, BatchCheck(model)
    if familiarity is None or familiarity.threshold is None:
        return ()
    counted: list[tuple[ScoredClip, float]] = []
    for clip in clips:
        shown = Prediction(duration_s=clip.duration_s, familiarity=familiarity.value(list(clip.scores.values())))
        value = check.value_of(shown)
        if value is not None:
            counted.append((clip, value))
    whole = _batch(counted)
    by_source = _parts((clip.source, (clip, value)) for clip, value in counted)
    by_group = _parts((clip.group, (clip, value)) for clip, value in counted)
    is_by_source = len(by_source) > 1
    parts = {name: _batch(part) for name, part in (by_source if is_by_source else by_group).items()}
    findings = check_means(familiarity, whole, parts if len(parts) > 1 else {}, "sources" if is_by_source else "groups")
    if findings or whole[0].n < MIN_BATCH:
        return findings
    return (
        Finding("familiar_recordings", "passed", f"{whole[0].n} clips score as held-out groups of the training set do"),
    )


def _parts(
    members: Iterable[tuple[str | None, tuple[ScoredClip, float]]],
) -> dict[str, list[tuple[ScoredClip, float]]]:
    """Return clips with their values by the name of their part; those without a name are in none."""
    parts: dict[str, list[tuple[ScoredClip, float]]] = defaultdict(list)
    for name, member in members:
        if name is not None:
            parts[name].append(member)
    return dict(sorted(parts.items()))


def _batch(members: Sequence[tuple[ScoredClip, float]]) -> tuple[RunningMean, float]:
    """Return the running mean of clips, and the number of equal groups that they are as good as."""
    running, sizes = RunningMean(), Counter[Hashable]()
    for clip, value in members:
        running.add(value)
        # clips of unknown groups may all be of one
        sizes[clip.group] += 1
    squares = sum(size * size for size in sizes.values())
    return running, running.n**2 / squares if squares else 1.0
