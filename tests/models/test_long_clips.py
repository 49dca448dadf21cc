"""Long clips: one label or several, and what their probability is."""

import numpy as np
import pytest

from gmmaudio.models import long_clips
from gmmaudio.models.long_clips import weigh_pieces
from gmmaudio.models.segmenter import Piece


def piece(seconds, *probability):
    return Piece(seconds, np.log(probability), np.zeros(len(probability)))


def test_pieces_of_one_label_have_it():
    weighed = weigh_pieces([piece(30, 0.9, 0.05, 0.05)] * 10, 6.0)
    assert weighed.mixed == pytest.approx(0.1)
    assert weighed.one_label.argmax() == 0
    assert weighed.one_label[0] > 0.99


def test_pieces_that_are_sure_of_other_labels_are_mixed():
    weighed = weigh_pieces([piece(30, 0.97, 0.02, 0.01), piece(30, 0.02, 0.96, 0.02)] * 5, 6.0)
    assert weighed.mixed > 0.9


def test_a_short_piece_that_is_hardly_sure_makes_nothing_mixed():
    weighed = weigh_pieces([piece(100, 0.95, 0.05), piece(8, 0.4, 0.6)], 6.0)
    assert weighed.mixed < 0.15


def test_evidence_is_that_of_correlated_windows(monkeypatch):
    one = weigh_pieces([piece(6.0, 0.8, 0.2)], 6.0).one_label
    np.testing.assert_allclose(one, [0.8, 0.2])
    monkeypatch.setattr(long_clips, "CORRELATION", 0.0)
    # independent windows multiply: the odds of one, to the power of their number
    ten = weigh_pieces([piece(60.0, 0.8, 0.2)], 6.0).one_label
    assert ten[0] / ten[1] == pytest.approx(4.0**10)
    monkeypatch.setattr(long_clips, "CORRELATION", 1.0)
    np.testing.assert_allclose(weigh_pieces([piece(60.0, 0.8, 0.2)], 6.0).one_label, [0.8, 0.2])
    monkeypatch.setattr(long_clips, "CORRELATION", 0.37)
    endless = weigh_pieces([piece(1e9, 0.8, 0.2)], 6.0).one_label
    assert endless[0] / endless[1] == pytest.approx(4.0 ** (1 / 0.37), rel=1e-6)


def test_how_a_recording_is_divided_does_not_matter():
    whole = weigh_pieces([piece(60.0, 0.7, 0.2, 0.1), piece(20.0, 0.1, 0.8, 0.1)], 6.0)
    parts = weigh_pieces([piece(20.0, 0.7, 0.2, 0.1)] * 3 + [piece(5.0, 0.1, 0.8, 0.1)] * 4, 6.0)
    assert parts.mixed == pytest.approx(whole.mixed)
    np.testing.assert_allclose(parts.one_label, whole.one_label)


def test_priors_count_once_however_long_the_clip_is():
    pieces = [piece(30.0, 0.5, 0.5)] * 20
    np.testing.assert_allclose(weigh_pieces(pieces, 6.0, np.array([0.8, 0.2])).one_label, [0.8, 0.2])
    assert weigh_pieces(pieces, 6.0, np.array([0.0, 1.0])).one_label.tolist() == [0.0, 1.0]


def test_the_prior_of_mixed_clips_counts(monkeypatch):
    pieces = [piece(30, 0.8, 0.2), piece(30, 0.3, 0.7)]
    few = weigh_pieces(pieces, 6.0).mixed
    monkeypatch.setattr(long_clips, "PRIOR_MIXED", 0.5)
    assert weigh_pieces(pieces, 6.0).mixed > few + 0.2
