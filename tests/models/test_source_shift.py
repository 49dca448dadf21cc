"""Probabilities for recordings of a new source: the share of the class priors, and what it is learned from."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from benchmarks.new_sources import DESIGNS, SIMULATED, draw_corpus, make_trial, measure
from gmmaudio.compute import QUIET
from gmmaudio.errors import SettingError
from gmmaudio.models import Calibration, SourceShift, fit_trials
from gmmaudio.models.inner_folds import score_held_out
from gmmaudio.models.source_shift import LeftOut, confounded_labels, folds_of_sources, learn_prior_share, named_sources

TOLD = "confounded_training_set"


def trials_of(sources, seed=0, shift=3.0, n_groups=4, separation=1.0):
    """Return trials of labels, each of the sources that are named, which move all rows."""
    rng = np.random.default_rng(seed)
    names = sorted({source for of_label in sources.values() for source in of_label if source})
    moved = {source: shift * rng.normal(size=6) for source in names} | {None: np.zeros(6)}
    trials = []
    for label, of_label in sources.items():
        centre = separation * rng.normal(size=6)
        for source in of_label:
            for g in range(n_groups):
                for c in range(4):
                    rows = (centre + moved[source] + rng.normal(size=(2, 6))).astype(np.float32)
                    trials.append(make_trial(label, source, f"{label} {source} {g}", f"{label} {source} {g} {c}", rows))
    return trials


def recogniser_of(trials):
    return fit_trials(trials, SIMULATED, QUIET).recogniser


def random_left_out(seed, n=40, n_labels=4, sharpness=2.0):
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, n_labels))
    codes = rng.integers(n_labels, size=n)
    # the true label is somewhat likelier than the others
    logits[np.arange(n), codes] += 1.5
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weights = rng.random(n)
    return LeftOut(probability, codes, weights / weights.sum())


@pytest.mark.parametrize("seed", range(6))
def test_the_share_has_the_lowest_loss_that_a_search_finds(seed):
    left_out, n_wrong = random_left_out(seed), 1.5

    def loss(b):
        total = 0.0
        for row, true, weight in zip(left_out.probability, left_out.codes, left_out.weights, strict=True):
            mixed = b * row + (1 - b) / 4
            others = [mixed[k] for k in range(4) if k != row.argmax()]
            total -= weight * (4 * math.log(mixed[true]) + n_wrong * np.mean(np.log(others)))
        return total

    best = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}).x
    # the search stops within a millionth of a flat minimum
    assert left_out.best_share(4, n_wrong) == pytest.approx(best, abs=1e-5)


def test_the_lowest_share_of_all_sources_is_squared():
    good, bad = random_left_out(0, sharpness=0.5), random_left_out(1, sharpness=1.0)
    n_wrong = 4 / 2
    lowest = min(each.best_share(4, n_wrong) for each in (good, bad))
    assert 0 < lowest < 1
    assert learn_prior_share([good, bad], 4, 0, 2) == pytest.approx(1 - lowest**2)
    # confounded labels, and fewer sources, leave less to the calibration
    assert learn_prior_share([good], 4, 0, 9) < learn_prior_share([good], 4, 0, 2) < learn_prior_share([good], 4, 1, 2)


@pytest.mark.parametrize(
    ("sources", "confounded"),
    [
        ({"a": "1", "b": "2", "c": "3"}, "abc"),
        ({"a": "1", "b": "1", "c": "2", "d": "2"}, "abcd"),
        ({"a": "12", "b": "12"}, ""),
        # each label has sources of its own, of which one can be left out
        ({"a": "12", "b": "34"}, ""),
        # the source that they share tells them apart no more
        ({"a": "1", "b": "12", "c": "1"}, ""),
        ({"a": "1", "b": "23", "c": "23"}, "a"),
        ({"a": "1", "b": "1"}, ""),
    ],
)
def test_labels_are_confounded_where_their_one_source_is_of_few_others(sources, confounded):
    pairs = [(label, source) for label, named in sources.items() for source in named for _ in range(10)]
    assert confounded_labels(*zip(*pairs, strict=True)) == tuple(confounded)


def test_a_source_of_few_clips_does_not_make_a_label_one_of_two_sources():
    pairs = [("a", "1")] * 99 + [("a", "2")] + [("b", "1")] + [("b", "2")] * 99
    assert confounded_labels(*zip(*pairs, strict=True)) == ("a", "b")


def test_unknown_sources_are_one_source_beside_known_ones():
    assert named_sources(["", None]) is None
    assert named_sources(["x", None, ""]) == ("x", "", "")


def test_of_many_sources_a_fifth_is_left_out_at_once():
    labels, sources = zip(*[(label, str(i)) for label in "ab" for i in range(12)], strict=True)
    folds = folds_of_sources(labels, sources, 0)
    assert len(folds) == 5
    for fold in folds:
        assert not {sources[i] for i in fold.train} & {sources[i] for i in fold.test}
    assert folds != folds_of_sources(labels, sources, 1)
    few = folds_of_sources(["a", "a", "a", "b"], ["1", "2", "1", "3"], 0)
    assert [fold.test for fold in few] == [(0, 2), (1,)]
    assert folds_of_sources(["a", "a"], ["1", "2"], 0) == folds_of_sources(["a", "b"], ["1", "2"], 0) == []


def test_a_confounded_model_answers_with_the_priors_in_the_order_of_the_calibration():
    trials = trials_of({"a": ["1"], "b": ["2"], "c": ["3"]})
    recogniser = recogniser_of(trials)
    shift = recogniser.calibration.source_shift
    assert shift.confounded == ("a", "b", "c") and shift.is_confounded and not shift.is_measured
    for trial in trials[::7]:
        given, known = (each.predict(trial.rows.values) for each in (recogniser, recogniser.in_domain()))
        # less than a millionth is left of the calibration
        assert given.probability == pytest.approx(dict.fromkeys("abc", 1 / 3), abs=1e-6)
        assert [label for label, _ in given.top(3)] == [label for label, _ in known.top(3)]
        assert (given.label, given.status, given.scores) == (known.label, known.status, known.scores)
        assert max(known.probability.values()) > 0.9
        assert [caveat.code for caveat in given.caveats] == [TOLD] and known.caveats == ()
        assert given.to_dict()["caveats"][0]["code"] == TOLD and "caveats" not in known.to_dict()


def test_the_share_of_the_priors_is_that_of_the_priors_that_are_given():
    recogniser = recogniser_of(trials_of({"a": ["1"], "b": ["2"]}))
    rows = trials_of({"a": ["1"]})[0].rows.values
    priors = {"a": 0.2, "b": 0.8}
    assert recogniser.predict(rows, priors).probability == pytest.approx(priors, abs=1e-6)
    shift = SourceShift(0.25, 2, 2)
    mixed = shift.apply(np.array([0.9, 0.1]), np.array([0.2, 0.8]))
    np.testing.assert_allclose(mixed, 0.75 * np.array([0.9, 0.1]) + 0.25 * np.array([0.2, 0.8]))


@pytest.mark.parametrize(("prior_share", "codes"), [(0.89, []), (0.9, ["probabilities_near_priors"])])
def test_a_share_of_nine_tenths_is_said_with_every_answer(prior_share, codes):
    recogniser = recogniser_of(trials_of({"a": ["1", "2"], "b": ["1", "2"]}))
    shift = replace(recogniser.calibration.source_shift, prior_share=prior_share)
    assert shift.confounded == () and shift.is_measured
    recogniser = replace(recogniser, calibration=replace(recogniser.calibration, source_shift=shift))
    rows = trials_of({"a": ["1"]})[0].rows.values
    assert [caveat.code for caveat in recogniser.predict(rows).caveats] == codes
    assert recogniser.in_domain().predict(rows).caveats == ()


def test_without_sources_and_with_one_the_calibration_stays():
    plain, one = (recogniser_of(trials_of({"a": [source], "b": [source]})) for source in (None, "1"))
    assert plain.calibration.source_shift is None and plain.caveats == ()
    assert "source_shift" not in plain.calibration.to_dict()
    assert one.calibration.source_shift == SourceShift(0.0, 1)
    assert [caveat.code for caveat in one.caveats] == ["single_training_source"]
    rows = trials_of({"a": ["1"]})[0].rows.values
    assert one.predict(rows).probability == one.in_domain().predict(rows).probability


def test_sources_that_change_nothing_leave_most_to_the_calibration():
    sources = [str(i) for i in range(6)]
    share = {
        shift: recogniser_of(
            trials_of({"a": sources, "b": sources, "c": sources}, shift=shift, n_groups=2)
        ).calibration.source_shift.prior_share
        for shift in (0.0, 6.0)
    }
    assert share[0.0] < 0.5 < share[6.0]


def test_speakers_of_two_sources_are_never_trained_on_where_one_is_left_out(monkeypatch):
    from gmmaudio.models import fitting

    seen = []

    def score(fits, fold, labels):
        seen.append(fold)
        return score_held_out(fits, fold, labels)

    monkeypatch.setattr(fitting, "score_held_out", score)
    trials = trials_of({"a": ["1", "2"], "b": ["1", "2"]}, shift=0.0)
    both = [replace_group(trial, f"{trial.label} {i // 4 % 4}") for i, trial in enumerate(trials)]
    shift = recogniser_of(both).calibration.source_shift
    assert (shift.n_left_out, shift.n, shift.confounded) == (2, len(trials), ())
    # each source in two halves of the speakers
    assert len(seen) == 4
    for fold in seen:
        train, test = ([both[i] for i in side] for side in (fold.train, fold.test))
        assert not {trial.group for trial in train} & {trial.group for trial in test}
        assert not {trial.source for trial in train} & {trial.source for trial in test}


def replace_group(trial, group):
    clip = trial.clip
    return make_trial(clip.label, clip.source, group, trial.name, trial.rows.values)


@pytest.mark.parametrize("design", DESIGNS)
def test_new_sources_never_cost_more_than_knowing_nothing(design):
    above = 0
    seeds = [seed for seed in range(40_000, 40_040) if draw_corpus(seed)[0] == design][:5]
    for seed in seeds:
        _, trained, new = draw_corpus(seed)
        if len({trial.source for trial in trained}) < 2:
            continue
        found = measure(recogniser_of(trained), [trial for source in new for trial in source])
        # what is left of the calibration where nothing was measured
        assert found["cllr"] <= found["limit"] + 1e-8
        assert not found["n_sure"] or 2 * found["n_sure_right"] >= found["n_sure"]
        above += found["cllr_calibrated"] > found["limit"]
    assert above > 0


def test_a_shift_comes_back_from_plain_values():
    shift = SourceShift(0.5, 3, 2, 40, 1.25, 2.5, ("a",))
    calibration = Calibration(2.0, np.zeros(2), 4, 2, 0.5, shift)
    again = Calibration.from_dict(calibration.to_dict())
    assert again.source_shift == shift and again.to_dict() == calibration.to_dict()
    assert replace(again, source_shift=None).to_dict().keys() == calibration.to_dict().keys() - {"source_shift"}


@pytest.mark.parametrize("changes", [{"prior_share": 1.5}, {"prior_share": -0.1}, {"n_sources": -1}, {"n": -2}])
def test_a_shift_outside_its_bounds_is_refused(changes):
    with pytest.raises(SettingError, match="expected 0 to 1, and counts of 0 or more"):
        SourceShift(**{"prior_share": 0.5, "n_sources": 2, **changes})


@pytest.mark.parametrize("values", [{}, 3, {**SourceShift(0.5, 2).to_dict(), "more": 1}])
def test_plain_values_that_are_no_shift_are_refused(values):
    with pytest.raises(SettingError, match="source_shift"):
        SourceShift.from_dict(values)
