"""Reports and timelines to draw."""

import numpy as np
import pytest

from gmmaudio.timelines import Timeline, TimelineSegment
from tests.evaluation.conftest import example


@pytest.fixture(scope="session")
def report():
    """A report of nine labels with all that can be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
        return example(9, full=True)


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
