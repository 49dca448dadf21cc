"""Clips that belong together, such as the tracks of an album, as one prediction."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.models import Prediction
from gmmaudio.models.long_clips import CORRELATION, PRIOR_MIXED, join_predictions


def track(p, seconds=30.0, status="ok"):
    """Return the prediction for a track: jazz with a probability."""
    label = None if status != "ok" else "jazz" if p >= 0.5 else "rock"
    return Prediction(
        "x.mp3", status, label, {"jazz": np.log(p), "rock": np.log1p(-p)}, {"jazz": p, "rock": 1 - p}, seconds
    )


def test_one_track_is_its_own_album():
    only = track(0.7)
    joined = join_predictions([only, Prediction("y.mp3", "error", code="empty", message="has no bytes")])
    assert (joined.label, joined.probability, joined.scores) == ("jazz", only.probability, only.scores)


def test_logs_are_averaged_and_count_as_correlated_ones():
    tracks = [track(0.8), track(0.9), track(0.6)]
    n = 3 / (1 + 2 * CORRELATION)
    mean = np.mean([[np.log(t.probability[x]) for x in ("jazz", "rock")] for t in tracks], axis=0)
    one_label = np.exp(n * mean) / np.exp(n * mean).sum()
    # all tracks are most likely jazz: the evidence for several labels is none
    expected = (1 - PRIOR_MIXED) * one_label[0] + PRIOR_MIXED
    assert join_predictions(tracks).probability["jazz"] == pytest.approx(expected, rel=1e-12)


def test_a_long_track_counts_for_more_than_a_short_one():
    short_jazz, long_rock = track(0.8, 30.0), track(0.3, 300.0)
    assert join_predictions([short_jazz, long_rock]).best_label == "rock"
    assert join_predictions([track(0.8, 300.0), track(0.3, 30.0)]).best_label == "jazz"


def test_the_order_of_tracks_does_not_matter():
    tracks = [track(p) for p in (0.9, 0.2, 0.7, 0.6)]
    one, other = join_predictions(tracks), join_predictions(tracks[::-1])
    assert one.probability["jazz"] == pytest.approx(other.probability["jazz"], rel=1e-12)
    assert one.label == other.label


def test_a_sampler_is_mixed_with_the_share_of_each_label():
    joined = join_predictions([track(0.99), track(0.01)] * 3)
    assert (joined.status, joined.label, joined.code) == ("mixed", None, "mixed")
    assert joined.shares == {"jazz": 0.5, "rock": 0.5}


def test_an_album_of_unknown_tracks_is_unknown():
    assert join_predictions([track(0.9, status="unknown")] * 3 + [track(0.9)]).status == "unknown"
    assert join_predictions([track(0.9, status="unknown")] + [track(0.9)] * 6).label == "jazz"


def test_a_probability_of_0_does_not_rule_a_label_out_for_good():
    joined = join_predictions([track(1e-300), *[track(0.9)] * 9])
    assert np.isfinite(list(joined.probability.values())).all()


def test_tracks_without_probabilities_are_refused_and_none_at_all_are_unknown():
    with pytest.raises(SettingError, match="is not calibrated"):
        join_predictions([Prediction("x", "ok", "jazz", {"jazz": 0.0})] * 2)
    assert join_predictions([Prediction("x", "error", code="empty")]).status == "unknown"
