"""Statistics of clips under a UBM: all that a model of supervectors is fitted to, without the sound and its frames."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import RunContext, one_thread
from gmmaudio.errors import SettingError
from gmmaudio.features import FrontEndTables, RawFrames, Rows
from gmmaudio.findings import Finding
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models.chunked_rows import RowTable
from gmmaudio.models.clip_vectors import warped_supervector
from gmmaudio.models.inner_folds import training_rows_of
from gmmaudio.models.kinds.supervector import Supervectors, SupervectorSettings, fit_vectors
from gmmaudio.models.linear_algebra import Matrix
from gmmaudio.models.model import Model, TrainingClip
from gmmaudio.models.partial_fits import Fit
from gmmaudio.models.presets import preset_of
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.ubm import UBM
from gmmaudio.sealed_file import checksum
from gmmaudio.tensor_table import Tensors
from gmmaudio.trials import Extracted, Segment, Trial, TrialSet, clips_of
from gmmaudio.values import convert_fields

Vectors = npt.NDArray[np.float32]
NO_FRAMES = RawFrames(np.zeros((0, 0), dtype=np.float32), *2 * (np.zeros(0, dtype=np.float32),))


@dataclass(frozen=True, eq=False)
class Background:
    """What statistics of clips are taken under: a UBM, the front end that it was fitted with, and all settings.

    Parameters
    ----------
    recipe : Recipe
        Settings of front end, trials and kind; the kind is that of supervectors.
    ubm : GaussianMixture
        The UBM, diagonal, over one VTLN warp.
    tables : FrontEndTables
        Tables of the front end.
    log_likelihood : float or None
        Mean log density of the rows that the UBM was fitted to, nats.
    clips : tuple of TrainingClip
        Clips that the UBM was fitted to.

    Raises
    ------
    SettingError
        If the UBM is not of these settings.
    """

    recipe: Recipe
    ubm: GaussianMixture
    tables: FrontEndTables
    log_likelihood: float | None
    clips: tuple[TrainingClip, ...]

    def __post_init__(self) -> None:
        settings, frames = self.recipe.kind_settings, self.recipe.features.frames
        if not isinstance(settings, SupervectorSettings):
            raise SettingError(f"settings are of {settings.kind}; expected those of supervectors, which have a UBM")
        preset_of(self.recipe.preset, settings.kind)
        n_features = self.ubm.n_features * frames.n_warps
        if n_features != self.recipe.features.n_features:
            raise SettingError(
                f"the UBM takes {n_features} features, and the front end makes {self.recipe.features.n_features}"
            )

    @classmethod
    def of_model(cls, model: Model) -> Background:
        """Return the UBM of a model, and the settings of its training.

        Parameters
        ----------
        model : Model
            A model of supervectors.

        Raises
        ------
        SettingError
            If the model is of another kind.
        """
        model.check_of_sound()
        training, transform = model.training, model.scorer.transform
        if not isinstance(transform, Supervectors):
            raise SettingError(
                f"the model is of the kind {training.kind_settings.kind}, which keeps no UBM; expected one of "
                "supervectors: train a sample with the preset language, or with `kind` supervector"
            )
        recipe = Recipe(
            preset=training.preset,
            features=model.features,
            kind_settings=training.kind_settings,
            min_duration_s=training.min_duration_s,
            trial_s=training.trial_s,
            augment=training.augment,
            seed=training.seed,
        )
        log_likelihood = training.log_likelihood.get(UBM)
        return cls(
            recipe, transform.ubm, model.front_end_tables(), log_likelihood, training.ubm_clips or training.clips
        )

    @property
    def settings(self) -> SupervectorSettings:
        """Settings of the kind."""
        return cast(SupervectorSettings, self.recipe.kind_settings)

    @property
    def n_outputs(self) -> int:
        """Length of a clip's vector."""
        return self.ubm.means.size + (self.ubm.n_components**2 if self.settings.bigram_lag else 0)

    def vector(self, values: Matrix) -> Vectors:
        """Return the supervector of the rows of a clip, shape (n_outputs,), float32.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Rows of one clip, at least one.
        """
        n_warps, settings = self.recipe.features.frames.n_warps, self.settings
        with one_thread():
            return warped_supervector(self.ubm, values, n_warps, settings.relevance, settings.bigram_lag)

    def described(self) -> dict[str, Any]:
        """Return settings and digests of arrays by name: those of statistics that can be merged are equal."""
        recipe = self.recipe.to_dict()
        kind_settings = recipe.pop("kind_settings")
        features = recipe.pop("features")
        ubm = {name: getattr(self.ubm, name) for name in ("weights", "means", "covariances")}
        heard = json.dumps([self.log_likelihood, *(asdict(clip) for clip in self.clips)]).encode()
        digests = {
            "UBM": digest_of(ubm),
            "clips of the UBM": hashlib.sha256(heard).hexdigest(),
            "front-end tables": digest_of(self.tables.tensors()),
        }
        return {**recipe, **features["frames"], **features["rows"], **kind_settings, **digests}


@dataclass(frozen=True, eq=False)
class Shard:
    """One of the parts that a corpus was divided into.

    Parameters
    ----------
    index : int
        Which part, 1 to ``n``.
    n : int
        Number of parts.
    corpus : str
        Digest of the clips of the whole corpus.

    Raises
    ------
    SettingError
        If there is no such part.
    """

    index: int
    n: int
    corpus: str

    def __post_init__(self) -> None:
        convert_fields(self)
        if not 1 <= self.index <= self.n:
            raise SettingError(f"the shard is {self.index}/{self.n}; expected 1/{self.n} to {self.n}/{self.n}")


@dataclass(frozen=True, eq=False)
class ClipStatistics:
    """Statistics of the clips of a corpus, or of a shard of it, under a UBM.

    Parameters
    ----------
    background : Background
        UBM, front end and settings.
    trial_set : TrialSet
        The trials, whose rows are counted and not kept (:func:`without_rows`), and the clips that could not be used.
    vectors : ndarray, shape (n_vectors, n_outputs), float32
        Supervector of every trial, followed by those of its degraded copies.
    labels : tuple of str
        Sorted labels of all clips, also of those that could not be used.
    group_by : str or None
        Column that gave the groups of the clips.
    findings : tuple of Finding
        Findings on the corpus.
    shard : Shard or None
        Which part of a corpus it is; None is all of it.
    versions : mapping of str to str
        Versions of this package and of the numeric libraries.

    Raises
    ------
    SettingError
        If there is not one vector for each trial and copy.
    """

    background: Background
    trial_set: TrialSet
    vectors: Vectors
    labels: tuple[str, ...]
    group_by: str | None = None
    findings: tuple[Finding, ...] = ()
    shard: Shard | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (sum(len(trial.training_rows) for trial in self.trials), self.background.n_outputs)
        if self.vectors.shape != expected:
            raise SettingError(f"the vectors have shape {self.vectors.shape}; expected {expected}")

    @property
    def trials(self) -> list[Trial]:
        """The trials."""
        return self.trial_set.trials

    def without_vectors(self) -> ClipStatistics:
        """Return the statistics with vectors that take no memory: zeros."""
        zero = np.zeros(1, dtype=np.float32)
        return replace(self, vectors=np.broadcast_to(zero, self.vectors.shape))

    def described(self) -> dict[str, Any]:
        """Return settings and digests of arrays by name: those of statistics that can be merged are equal."""
        return {**self.background.described(), "group_by": "group" if self.group_by is None else self.group_by}


def without_rows(trials: Sequence[Trial]) -> list[Trial]:
    """Return trials whose rows, and the frames of whose clips, are counted and not kept.

    Parameters
    ----------
    trials : sequence of Trial
        Any trials.

    Examples
    --------
    >>> from gmmaudio.corpus import Clip
    >>> from gmmaudio.features import make_features
    >>> from gmmaudio.trials import TrialSettings, make_trials
    >>> raw = RawFrames(np.zeros((80, 13)), np.zeros(80), np.arange(80) / 43)
    >>> clip = Extracted(Clip("a.wav", "jazz"), raw, 80 / 43, "hash of the samples")
    >>> (counted,) = without_rows(make_trials([clip], TrialSettings(make_features()))[0])
    >>> len(counted.rows), counted.rows.values.nbytes, counted.label
    (80, 0, 'jazz')
    """
    # a clip of several trials stays one clip
    clips = {clip: replace(clip, frames=NO_FRAMES) for clip in clips_of(trials)}
    return [
        counted_trial(
            trial.name,
            [clips[part] for part in trial.parts],
            trial.duration_s,
            [len(rows) for rows in trial.training_rows],
        )
        for trial in trials
    ]


def counted_trial(name: str, clips: Sequence[Extracted], duration_s: float, n_rows: Sequence[int]) -> Trial:
    """Return a trial whose rows are counted and not kept.

    Parameters
    ----------
    name : str
        Its name.
    clips : sequence of Extracted
        Its clips, at least one.
    duration_s : float
        Length before the gate, seconds.
    n_rows : sequence of int
        Rows of the trial, and of each of its degraded copies.

    Examples
    --------
    >>> from gmmaudio.corpus import Clip
    >>> trial = counted_trial("a.wav", [Extracted(Clip("a.wav", "jazz"), NO_FRAMES, 3.0, "")], 3.0, [129, 128])
    >>> [len(rows) for rows in trial.training_rows]
    [129, 128]
    """
    segments = tuple(Segment(clip, 0, 0, 0.0) for clip in clips)
    own, *copies = (Trial(name, segments, _counted(n), duration_s) for n in n_rows)
    return replace(own, copies=tuple(copies))


def _counted(n: int) -> Rows:
    """Return rows without columns."""
    nothing = np.zeros((n, 0), dtype=np.float32)
    return Rows(nothing, nothing)


def fit_statistics(trials: Sequence[Trial], vectors: RowTable, background: Background, run: RunContext) -> Fit:
    """Return the fit to trials of which the supervectors are known, with scorers of parts of them.

    Parameters
    ----------
    trials : sequence of Trial
        The training set, of at least two labels.
    vectors : RowTable
        Vector of every trial, followed by those of its degraded copies.
    background : Background
        UBM and settings.
    run : RunContext
        Progress.

    Examples
    --------
    >>> import gmmaudio
    >>> from gmmaudio.compute import RunContext
    >>> ubm = gmmaudio.train("my_music", gmmaudio.make_recipe(kind="supervector", n_components=2)).model
    >>> known = gmmaudio.stats("my_music", ubm, group_by="parent")
    >>> table = RowTable(known.vectors.shape, known.vectors.dtype)
    >>> table.append(known.vectors)
    >>> fit_statistics(known.trials, table, known.background, RunContext()).scorer.labels
    ('jazz', 'metal')
    """
    training = training_rows_of(trials, background.recipe, run)
    # one thread for linear algebra, as in a fit to rows
    with one_thread():
        return fit_vectors(training, vectors, background.ubm, background.settings)


def digest_of(arrays: Tensors) -> str:
    """Return the SHA-256 of named arrays.

    Parameters
    ----------
    arrays : dict of str to ndarray
        The arrays.

    Examples
    --------
    >>> digest_of({"weights": np.ones(1)}) == digest_of({"weights": np.ones(1, dtype=np.float32)})
    False
    """
    return checksum({}, arrays)
