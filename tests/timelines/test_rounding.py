import itertools

from hypothesis import given

from gmmaudio.timelines import Timeline, TimelineSegment
from gmmaudio.timelines.rounding import on_clock, rounded_segments
from tests.timelines.conftest import FIXED, timelines


@FIXED
@given(timelines())
def test_times_move_by_half_a_millisecond_at_most_and_neighbours_stay_neighbours(line):
    rounded = rounded_segments(line)
    # all of them last longer than a unit
    assert len(rounded) == len(line.segments)
    for part in rounded:
        # 4000 s in binary are exact to 5e-13
        assert abs(part.start_ms / 1000 - part.segment.start_s) <= 0.0005 + 1e-9
        assert abs(part.end_ms / 1000 - part.segment.end_s) <= 0.0005 + 1e-9
    for before, after in itertools.pairwise(rounded):
        assert before.end_ms <= after.start_ms
        if before.segment.end_s == after.segment.start_s:
            assert before.end_ms == after.start_ms


def test_a_segment_below_half_a_unit_is_left_out_and_its_neighbours_meet():
    cuts = [0.0, 1.0002, 1.0003, 2.0]
    line = Timeline(tuple(TimelineSegment(a, b, "x") for a, b in itertools.pairwise(cuts)))
    assert [part[:2] for part in rounded_segments(line)] == [(0, 1000), (1000, 2000)]


def test_an_overlap_by_rounding_error_does_not_become_one_of_a_unit():
    middle = 1.0005
    line = Timeline((TimelineSegment(0, middle + 9e-10, "a"), TimelineSegment(middle - 1e-12, 2, "b")))
    first, second = rounded_segments(line)
    assert first.end_ms == second.start_ms


def test_a_clock_carries_what_is_rounded_up():
    assert on_clock(3_599_960, digits=1) == "01:00:00.0"
    assert on_clock(59_949, digits=1, hours=False) == "00:59.9"
    assert on_clock(36_000_000 * 3) == "30:00:00.000"
