"""The risk-coverage curve and its area: against a computation by hand, and against what theory says of them."""

import itertools
import re

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    Protocol,
    ScoredClip,
    aurc,
    compute_metrics,
    make_report,
    render_html,
    risk_coverage_curve,
)
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.evaluation.risk_coverage import N_POINTS


def by_hand(confidence, wrong):
    """Return the risks of accepting the 1, 2, .. n most confident, a mean over orders of equal ones, and their mean."""
    clips = sorted(zip(confidence, wrong, strict=True), key=lambda pair: -pair[0])
    blocks = [list(block) for _, block in itertools.groupby(clips, key=lambda pair: pair[0])]
    orders = [sum(order, ()) for order in itertools.product(*(itertools.permutations(block) for block in blocks))]
    risks = [[sum(w for _, w in order[:k]) / k for k in range(1, len(order) + 1)] for order in orders]
    mean = [sum(column) / len(orders) for column in zip(*risks, strict=True)]
    return mean, sum(mean) / len(mean)


def draw(n, seed, decimals=6):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(size=n).round(decimals)
    return confidence, rng.uniform(size=n) > confidence


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_the_area_is_the_mean_risk_over_all_orders(seed, decimals):
    confidence, wrong = draw(7, seed, decimals)
    risks, area = by_hand(confidence, wrong)
    assert aurc(confidence, wrong) == pytest.approx(area, rel=1e-12)
    curve = risk_coverage_curve(confidence, wrong)
    at = np.round(7 * curve.coverage).astype(int)
    np.testing.assert_allclose(curve.risk, np.array(risks)[at - 1], rtol=1e-12)


def test_the_curve_ends_at_all_clips_with_the_error_rate():
    confidence, wrong = draw(300, 0)
    curve = risk_coverage_curve(confidence, wrong)
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(1 - accuracy_score(np.zeros(300), wrong), rel=1e-12)
    assert (np.diff(curve.coverage) > 0).all()
    assert (np.diff(curve.threshold) < 0).all()
    # each point is what its threshold accepts
    for share, risk, threshold in zip(curve.coverage, curve.risk, curve.threshold, strict=True):
        assert (confidence >= threshold).mean() == pytest.approx(share, rel=1e-12)
        assert wrong[confidence >= threshold].mean() == pytest.approx(risk, rel=1e-12, abs=1e-15)


def test_only_the_order_matters_and_the_best_and_worst_are_known():
    confidence, wrong = draw(40, 1)
    area = aurc(confidence, wrong)
    assert aurc(np.log(confidence), wrong) == pytest.approx(area, rel=1e-12)
    shuffled = np.random.default_rng(2).permutation(40)
    assert aurc(confidence[shuffled], wrong[shuffled]) == pytest.approx(area, rel=1e-12)
    best, worst = aurc(~wrong * 1.0, wrong), aurc(wrong * 1.0, wrong)
    assert best < area < worst
    # a confidence that says nothing: the error rate
    assert aurc(np.ones(40), wrong) == pytest.approx(wrong.mean(), rel=1e-12)
    # of the best order, the closed form of Geifman and others: r + (1 - r) log(1 - r), up to 1 / n
    rate = wrong.mean()
    assert best == pytest.approx(rate + (1 - rate) * np.log(1 - rate), abs=1 / 40)
    assert aurc(np.ones(3), np.zeros(3)) == 0.0
    assert aurc(np.ones(3), np.ones(3)) == 1.0


def test_a_weight_is_that_many_copies():
    confidence, wrong = draw(30, 3, 1)
    counts = np.random.default_rng(4).integers(0, 4, 30)
    copies = aurc(np.repeat(confidence, counts), np.repeat(wrong, counts))
    assert aurc(confidence, wrong, counts) == pytest.approx(copies, rel=1e-12)
    assert aurc(confidence, wrong, np.ones(30)) == aurc(confidence, wrong)
    with pytest.raises(SettingError, match="weights"):
        aurc(confidence, wrong, counts[1:])


def test_many_points_are_thinned_and_stay_on_the_curve():
    confidence, wrong = draw(3000, 5)
    curve = risk_coverage_curve(confidence, wrong)
    assert N_POINTS / 2 < len(curve.coverage) <= N_POINTS + 1
    assert np.diff(curve.coverage).max() < 2 / N_POINTS
    for share, risk, threshold in zip(curve.coverage, curve.risk, curve.threshold, strict=True):
        assert (confidence >= threshold).mean() == pytest.approx(share, rel=1e-12)
        assert wrong[confidence >= threshold].mean() == pytest.approx(risk, rel=1e-12)


def test_no_clips_and_values_that_are_no_numbers():
    assert np.isnan(aurc([], []))
    assert len(risk_coverage_curve([], []).coverage) == 0
    with pytest.raises(SettingError, match="there are 2 confidences and 1 answers; expected one of each"):
        aurc([0.5, 0.6], [True])
    with pytest.raises(SettingError, match="NaN"):
        aurc([np.nan], [True])


def predictions(calibrated=True, rejected=None):
    """Return predictions of which the unsure ones are wrong."""
    clips = []
    for i, p in enumerate((0.95, 0.9, 0.8, 0.7, 0.6, 0.55)):
        label = "jazz" if i < 4 else "rock"
        probability = {"jazz": p, "rock": 1 - p}
        clips.append(
            ScoredClip(
                *(str(i), (str(i),), label, str(i), str(i), None, "", 0, "jazz", {"jazz": p, "rock": 1 - p}),
                probability if calibrated else None,
                rejected=None if rejected is None else i >= rejected,
            )
        )
    return clips


@pytest.fixture
def report():
    protocol = Protocol("by hand", "group", 0, ("",), 1, ("jazz", "rock"), ())
    return make_report(predictions(rejected=5), ["jazz", "rock"], protocol)


@pytest.mark.parametrize("calibrated", [True, False])
def test_reports_rank_by_probability_or_else_by_score(calibrated):
    found = compute_metrics(predictions(calibrated), ["jazz", "rock"])
    assert found.values["aurc"] == pytest.approx((1 / 5 + 2 / 6) / 6, rel=1e-12)
    assert found.risk_coverage.threshold.tolist() == [0.95, 0.9, 0.8, 0.7, 0.6, 0.55]


def test_decisions_alone_have_no_curve():
    clip = ScoredClip("1", ("1",), "jazz", None, "1", None, "", 0, "jazz", {})
    found = compute_metrics([clip], ["jazz"])
    assert found.risk_coverage is None
    assert "aurc" not in found.values


def test_json_csv_and_page_show_the_curve(report, tmp_path):
    plain = report.to_dict()
    assert plain["aurc"] == report.metrics.values["aurc"]
    assert plain["risk_coverage"]["risk"] == pytest.approx([0, 0, 0, 0, 0.2, 1 / 3])
    rows = tables(report)["risk_coverage"]
    assert rows[0] == ("coverage", "risk", "threshold")
    assert rows[-1] == (1.0, pytest.approx(1 / 3), 0.55)
    page = render_html(report, "jazz and rock")
    assert "Risk and coverage" in page
    assert re.search(r"100\.0 %</th><td class=\"number\">33\.3 %</td>", page)
    assert "The point is that of the open-set threshold." in page
