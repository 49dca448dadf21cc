"""A model: front end, classifier and what it was trained on; predictions; the presets, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.classifier import ClassifierConfig, GMMClassifier
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureConfig, Rows


@dataclass(frozen=True)
class Preset:
    """A front end and the classifier settings that go with it.

    Parameters
    ----------
    features : FeatureConfig
        The front end.
    classifier : ClassifierConfig
        Components, covariance and floor.
    """

    features: FeatureConfig
    classifier: ClassifierConfig


# The classic model is what tutorials train: 20 MFCC of 93 ms frames, nothing else.
CLASSIC = Preset(FeatureConfig(), ClassifierConfig(n_components=16, variance_floor=1e-3))

PRESETS: dict[str, Preset] = {
    # MFCC and deltas; frames 60 dB below the loudest dropped (cures inserted silence), mean of c0 taken out (cures
    # gain). See docs/decisions/0002-presets.md.
    "genre": Preset(
        FeatureConfig(n_deltas=1, gate_range_db=60.0, normalise="c0"),
        ClassifierConfig(n_components=16, variance_floor=1e-2),
    ),
    # The language recogniser's classic front end: telephone band, 7 MFCC and SDC 7-1-3-7, energy gate, CMVN.
    "language": Preset(
        FeatureConfig(
            sample_rate_hz=16000,
            window_s=0.025,
            hop_s=0.010,
            window="hamming",
            preemphasis=0.97,
            n_mels=23,
            fmin_hz=200.0,
            fmax_hz=3700.0,
            n_mfcc=7,
            sdc=(7, 1, 3, 7),
            gate_range_db=32.0,
            gate_percentile=98.0,
            normalise="mean_variance",
        ),
        ClassifierConfig(n_components=64, variance_floor=2e-2),
    ),
}


def preset_of(name: str | None) -> Preset:
    """Return the preset called ``name``; the classic model where it is None.

    Raises
    ------
    SettingError
        If there is none of that name.

    Examples
    --------
    >>> preset_of("language").classifier.n_components
    64
    """
    if name is None:
        return CLASSIC
    if name not in PRESETS:
        raise SettingError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True)
class TrainingClip:
    """One clip (or trial) that a model was trained on.

    Parameters
    ----------
    path : str
        Relative to the corpus.
    label : str
        Its label.
    group : str or None
        Its group.
    sha256 : str
        Hash of its decoded samples.
    fingerprint : str
        What tells near-duplicates, in hexadecimal; empty where there is none.
    """

    path: str
    label: str
    group: str | None
    sha256: str
    fingerprint: str = ""


@dataclass(frozen=True)
class TrainingSummary:
    """What a model was trained on and how.

    Parameters
    ----------
    preset : str or None
        Name of the preset, None for the classic model.
    classifier : ClassifierConfig
        Settings of the fit.
    seed : int
        Seed of the fit.
    trial_s : float or None
        Length that clips were joined or cut to, seconds.
    min_duration_s : float
        Least length of a clip, seconds.
    seconds : mapping of str to float
        Sound for each label, seconds.
    rows : mapping of str to int
        Frames for each label, after the gate.
    log_likelihood : mapping of str to float
        Mean log density of a label's rows under its mixture, nats.
    clips : tuple of TrainingClip
        All clips.
    notes : tuple of str
        What was said of the corpus.
    versions : mapping of str to str
        Of this package and the libraries whose numbers it rests on.
    """

    preset: str | None
    classifier: ClassifierConfig
    seed: int
    trial_s: float | None
    min_duration_s: float
    seconds: dict[str, float]
    rows: dict[str, int]
    log_likelihood: dict[str, float]
    clips: tuple[TrainingClip, ...]
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a model says of one clip.

    Parameters
    ----------
    label : str
        The label with the highest score.
    scores : mapping of str to float
        Mean log density of a row for each label, nats; higher is likelier. Not a probability.
    probability : mapping of str to float or None
        Probability of each label; None where the model is not calibrated.
    """

    label: str
    scores: dict[str, float]
    probability: dict[str, float] | None = None

    def top(self, n: int) -> list[tuple[str, float]]:
        """Return the ``n`` best labels with their scores, best first."""
        return sorted(self.scores.items(), key=lambda item: (-item[1], item[0]))[:n]


@dataclass(frozen=True, eq=False)
class Model:
    """All that is needed to name the class of a clip.

    Parameters
    ----------
    features : FeatureConfig
        The front end.
    classifier : GMMClassifier
        One mixture for each label.
    training : TrainingSummary
        What it was trained on.

    Raises
    ------
    SettingError
        If the classifier was not made for these features.
    """

    features: FeatureConfig
    classifier: GMMClassifier
    training: TrainingSummary

    def __post_init__(self) -> None:
        if self.classifier.n_features != self.features.n_features:
            raise SettingError(
                f"the classifier takes {self.classifier.n_features} features and the front end makes "
                f"{self.features.n_features}"
            )

    def predict(self, rows: Rows) -> Prediction:
        """Return the label and the scores of a clip's rows."""
        return prediction(self.classifier.labels, self.classifier.score(rows.values))


def prediction(labels: tuple[str, ...], scores: npt.NDArray[np.float64]) -> Prediction:
    """Return the label with the highest score; the first in order where two are equal.

    Examples
    --------
    >>> prediction(("a", "b"), np.array([-2.0, -1.0])).label
    'b'
    """
    named: dict[str, Any] = {label: float(score) for label, score in zip(labels, scores, strict=True)}
    return Prediction(labels[int(scores.argmax())], named)
