"""Short tables of an explanation: they keep the sum, and name what is greatest."""

import math

import numpy as np
import pytest

from gmmaudio.models.explanations import RowPart
from gmmaudio.models.lead_tables import OTHERS, leads_over_time, strongest


@pytest.mark.parametrize("n", [1, 3, 7, 8, 50])
def test_the_strongest_parts_and_the_others_sum_to_all(n):
    leads = {f"part {i}": float(lead) for i, lead in enumerate(np.random.default_rng(0).normal(size=8))}
    table = strongest(leads, n)
    assert math.fsum(lead for _, lead in table) == pytest.approx(math.fsum(leads.values()), abs=1e-12)
    named = [lead for name, lead in table if name != OTHERS]
    assert named == sorted(named, reverse=True)
    assert {abs(lead) for lead in named} == set(sorted(map(abs, leads.values()), reverse=True)[:n])
    assert (table[-1][0] == OTHERS) == (n < 8)


def test_parts_of_zero_are_not_named():
    assert strongest({"a": 0.0, "b": -1.0, "c": 0.0}, 5) == [("b", -1.0), (OTHERS, 0.0)]
    assert strongest({"a": 0.0}, 5) == [(OTHERS, 0.0)]
    assert strongest({}, 5) == []


@pytest.mark.parametrize("n", [1, 2, 5, 30, 99])
def test_parts_over_time_sum_to_the_mean_of_the_rows(n):
    leads = np.random.default_rng(1).normal(size=30)
    spans = leads_over_time([RowPart(float(i), float(lead)) for i, lead in enumerate(leads)], n)
    assert len(spans) == min(n, 30)
    assert math.fsum(span.lead for span in spans) == pytest.approx(leads.mean(), abs=1e-12)
    assert spans[0].start_s == 0.0 and spans[-1].end_s == 29.0
    assert [span.start_s for span in spans[1:]] == [span.end_s + 1 for span in spans[:-1]]


def test_no_rows_have_no_parts_over_time():
    assert leads_over_time([], 5) == []
