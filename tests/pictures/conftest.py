"""Reports and mixtures to draw, and files of figures."""

import numpy as np
import pytest

from gmmaudio.mixture import GaussianMixture
from gmmaudio.timelines import Timeline, TimelineSegment
from tests.evaluation.conftest import example

ANGLE = np.radians(30.0)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
# half axes of 3 and 1, turned by 30 degrees
TURNED = TURN @ np.diag([9.0, 1.0]) @ TURN.T


@pytest.fixture(scope="session")
def report():
    """A report of nine labels with all that can be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
        return example(9, full=True)


def mixture_of(covariance_type, d=3):
    """Return a mixture of two components whose covariance matrices are known, and these matrices."""
    means = np.array([[0.0, 0.0, 1.0], [10.0, -4.0, 2.0]])[:, :d]
    full = np.eye(d)
    full[:2, :2] = TURNED
    made = {
        "diag": np.array([[4.0, 1.0, 9.0], [0.25, 16.0, 1.0]])[:, :d],
        "full": np.stack([full, 2 * full]),
        "tied": full,
        "spherical": np.array([4.0, 0.25]),
    }[covariance_type]
    matrices = {
        "diag": [np.diag(row) for row in made] if covariance_type == "diag" else None,
        "full": list(made),
        "tied": [full, full],
        "spherical": [4.0 * np.eye(d), 0.25 * np.eye(d)],
    }[covariance_type]
    return GaussianMixture([0.75, 0.25], means, made, covariance_type), matrices


def make_timeline(labels=("fr", "de", "es"), seconds=60.0, hop_s=1.0, turn_s=5.0, seed=0, posteriors=True):
    """Return a timeline whose segments take turns of one length, and posteriors that are highest where they are."""
    rng = np.random.default_rng(seed)
    n = len(labels) + 2
    keys = [("ok", label) for label in labels] + [("unknown", None), ("silence", None)]
    starts = np.arange(0.0, seconds, turn_s)
    segments = tuple(
        TimelineSegment(start, min(start + turn_s, seconds), keys[i % n][1], keys[i % n][0], 0.9, 0.5 if i else None)
        for i, start in enumerate(starts.tolist())
    )
    times = np.arange(hop_s / 2, seconds, hop_s) if posteriors else np.zeros(0)
    shares = rng.uniform(0.1, 0.2, (len(times), n))
    shares[np.arange(len(times)), (times // turn_s).astype(int) % n] += n / 2.0
    shares /= shares.sum(axis=1, keepdims=True)
    return Timeline(segments, shares, times, tuple(labels), seconds, "talk.wav", 10.0, hop_s)
