import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.timelines import Timeline, TimelineSegment

LINE = Timeline(
    (
        TimelineSegment(0.0, 4.0, "fr", probability=0.9),
        TimelineSegment(4.0, 5.0, "fr", probability=0.4),
        TimelineSegment(5.5, 7.0, None, "unknown", tolerance_s=0.2),
        TimelineSegment(7.0, 9.0, None, "silence"),
        TimelineSegment(9.0, 12.0, "de", tolerance_s=0.5),
    ),
    np.full((12, 4), 0.25),
    np.arange(12.0),
    ("de", "fr"),
    20.0,
)


def spans(line):
    return [(part.start_s, part.end_s, part.name) for part in line.segments]


def test_a_crop_keeps_the_clock_and_cuts_what_reaches_over():
    part = LINE.crop(3.0, 6.0)
    assert spans(part) == [(3.0, 4.0, "fr"), (4.0, 5.0, "fr"), (5.5, 6.0, "unknown")]
    assert part.times.tolist() == [3.0, 4.0, 5.0]
    assert part.posteriors.shape == (3, 4)
    assert part.duration_s == 6.0
    # the start of a cut segment is that of the crop, which is exact
    assert LINE.crop(6.0, 6.5).segments[0].tolerance_s is None


def test_crops_side_by_side_last_as_long_as_the_whole():
    left, right = LINE.crop(0.0, 3.3), LINE.crop(3.3, 20.0)
    both = {name: left.label_durations().get(name, 0) + right.label_durations().get(name, 0) for name in ("de", "fr")}
    assert both == pytest.approx(LINE.label_durations(), abs=1e-12)


def test_the_support_joins_neighbours_of_one_label():
    joined = LINE.support()
    assert spans(joined)[0] == (0.0, 5.0, "fr")
    assert joined.segments[0].probability == pytest.approx((4 * 0.9 + 0.4) / 5)
    assert spans(joined.support(10.0)) == spans(joined)


def test_the_support_joins_over_gaps_up_to_the_collar():
    line = Timeline((TimelineSegment(0.0, 1.0, "fr"), TimelineSegment(1.5, 2.0, "fr")))
    assert spans(line.support(0.4)) == [(0.0, 1.0, "fr"), (1.5, 2.0, "fr")]
    assert spans(line.support(0.5)) == [(0.0, 2.0, "fr")]


def test_durations_shares_and_changes():
    assert list(LINE.label_durations().items()) == [("fr", 5.0), ("de", 3.0)]
    assert LINE.shares() == pytest.approx({"fr": 5 / 9.5, "de": 3 / 9.5, "unknown": 1.5 / 9.5})
    assert LINE.change_points() == ((5.5, 0.2), (7.0, None), (9.0, 0.5))
    assert LINE.duration_s == 20.0


def test_the_segment_at_a_time():
    assert LINE.at(4.0).end_s == 5.0
    assert LINE.at(5.2) is None
    assert LINE.at(12.0) is None


def test_a_label_may_have_the_name_of_a_status():
    line = Timeline((TimelineSegment(0.0, 1.0, "silence"), TimelineSegment(1.0, 2.0, None, "silence")))
    assert len(line.support()) == 2
    assert line.shares() == {"silence": 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 1.0, "fr"), "end after start"),
        ((-1.0, 1.0, "fr"), "0 or more"),
        ((0.0, 1.0, None), "a label with ok only"),
        ((0.0, 1.0, "fr", "silence"), "a label with ok only"),
        ((0.0, 1.0, None, "noise"), "expected one of ok, unknown, silence"),
        ((0.0, 1.0, "fr", "ok", 1.5), "expected 0 to 1"),
    ],
)
def test_what_no_segment_can_be_is_refused(arguments, message):
    with pytest.raises(SettingError, match=message):
        TimelineSegment(*arguments)


def test_overlaps_and_shapes_are_refused():
    with pytest.raises(SettingError, match="0 to 2 s, then 1 to 3 s"):
        Timeline((TimelineSegment(0.0, 2.0, "fr"), TimelineSegment(1.0, 3.0, "de")))
    with pytest.raises(SettingError, match="one column for each of 1 labels, unknown and silence"):
        Timeline((), np.zeros((2, 2)), np.arange(2.0), ("fr",))
