import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.errors import SettingError
from gmmaudio.models import state_path
from gmmaudio.models.state_path import PathDecoder, TurnPrior


def decode(evidence, changes, prior):
    decoder = PathDecoder(evidence.shape[1], prior)
    labels = [label for row, change in zip(evidence, changes, strict=True) for label in decoder.push(row, change)]
    return labels + decoder.finish()


def log_probability(labels, evidence, changes, prior):
    """Return the log probability of one sequence of labels, -inf where an inner turn is too short."""
    n_labels = evidence.shape[1]
    turns = [(label, len(list(run))) for label, run in itertools.groupby(labels)]
    if any(length < prior.min_steps for _, length in turns[1:-1]):
        return -np.inf
    total = evidence[np.arange(len(labels)), labels].sum()
    for i in range(1, len(labels)):
        if labels[i] != labels[i - 1]:
            total += changes[i] - np.log(prior.mean_steps * (n_labels - 1))
    # at every step beyond the shortest turn it could have ended; one that began before the recording, at every step
    for i, (_, length) in enumerate(turns):
        is_cut = i == 0 and len(turns) > 1 and length < prior.min_steps
        total += max(0, length - (1 if is_cut else prior.min_steps)) * np.log1p(-1 / prior.mean_steps)
    return total


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(2, 3), st.integers(1, 7), st.integers(1, 3))
def test_the_path_is_the_best_of_all_sequences(seed, n_labels, n_steps, min_steps):
    rng = np.random.default_rng(seed)
    evidence, changes = np.log(rng.dirichlet(np.ones(n_labels), size=n_steps)), rng.normal(size=n_steps)
    prior = TurnPrior(float(rng.uniform(1.5, 9.0)), min_steps)
    found = decode(evidence, changes, prior)
    best = max(
        log_probability(labels, evidence, changes, prior)
        for labels in map(list, itertools.product(range(n_labels), repeat=n_steps))
    )
    assert log_probability(found, evidence, changes, prior) == pytest.approx(best, abs=1e-9)


def test_what_is_decided_early_is_what_the_whole_gives():
    rng = np.random.default_rng(0)
    states = np.repeat(rng.integers(0, 4, 60), rng.integers(3, 30, 60))
    evidence = np.log(np.where(np.arange(4) == states[:, None], 0.6, 0.4 / 3) * rng.uniform(0.3, 1, (len(states), 4)))
    decoder, early = PathDecoder(4, TurnPrior(20.0, 4)), []
    lags = []
    for i, row in enumerate(evidence):
        early += decoder.push(row)
        lags.append(i - len(early))
    assert early + decoder.finish() == whole(evidence, 4, TurnPrior(20.0, 4))
    assert np.median(lags) < 30


def whole(evidence, n_labels, prior):
    """Return the path without early decisions."""
    decoder = PathDecoder(n_labels, prior)
    decoder._decide = list
    for row in evidence:
        assert decoder.push(row) == []
    return decoder.finish()


def test_what_never_settles_is_decided_in_time(monkeypatch):
    monkeypatch.setattr(state_path, "MAX_LAG", 40)
    decoder, n_decided = PathDecoder(2, TurnPrior(1e6, 1)), 0
    for i in range(1_000):
        # two labels that are exactly as likely never part
        n_decided += len(decoder.push(np.zeros(2)))
        assert i - n_decided <= 42
    assert n_decided + len(decoder.finish()) == 1_000


def test_turns_shorter_than_the_shortest_are_passed_over():
    evidence = np.log(np.where(np.arange(2) == np.array([0] * 10 + [1] * 3 + [0] * 10)[:, None], 0.99, 0.01))
    none = np.zeros(len(evidence))
    assert decode(evidence, none, TurnPrior(5.0, 3)) == [0] * 10 + [1] * 3 + [0] * 10
    assert decode(evidence, none, TurnPrior(5.0, 4)) != [0] * 10 + [1] * 3 + [0] * 10
    assert decode(evidence, none, TurnPrior(1e9, 3)) == [0] * 23


def test_a_change_is_drawn_to_where_it_is_likely():
    evidence = np.log(np.where(np.arange(2) == np.array([0] * 5 + [1] * 5)[:, None], 0.6, 0.4))
    changes = np.zeros(10)
    changes[7] = 4.0
    assert decode(evidence, changes, TurnPrior(3.0)) == [0] * 7 + [1] * 3


def test_a_prior_that_is_none_is_refused():
    with pytest.raises(SettingError, match="turns of 1 steps in the mean and 1 at least; expected above 1"):
        TurnPrior(1.0)
