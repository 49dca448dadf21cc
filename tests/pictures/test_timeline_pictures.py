"""Pictures of a timeline hold its segments, its posteriors and scores."""

import numpy as np
import pytest

from gmmaudio.canvas.look import SERIES
from gmmaudio.errors import SettingError
from gmmaudio.pictures import plot_label_track, plot_posteriors, plot_scores, plot_timeline
from gmmaudio.pictures.time_axis import clock, shown_range, tick_times
from gmmaudio.pictures.timeline_areas import N_LABELS, N_POINTS, area_shares, areas_of
from gmmaudio.timelines import Timeline, TimelineSegment
from tests.pictures.conftest import make_timeline

pytest.importorskip("matplotlib")


def texts_of(texts):
    return [text.get_text() for text in texts]


def boxes_of(collection):
    """Return left, right, bottom and top of every bar."""
    corners = [path.vertices for path in collection.get_paths()]
    return [(*c[:, 0].take([0, 2]), c[:, 1].min(), c[:, 1].max()) for c in corners]


# the label track


def test_every_segment_has_a_bar_in_the_lane_of_its_label():
    line = make_timeline()
    axes = plot_label_track(line)
    assert texts_of(axes.get_yticklabels()) == ["fr", "de", "es", "[unknown]", "[silence]"]
    names = ["fr", "de", "es", "unknown", "silence"]
    for lane, name in enumerate(names):
        bars = boxes_of(axes.collections[2 * lane])
        expected = [(s.start_s, s.end_s) for s in line.segments if s.name == name]
        assert [(min(left, right), max(left, right)) for left, right, _, _ in bars] == expected
        assert all(lane - 0.5 < low < high < lane + 0.5 for _, _, low, high in bars)
    # the first label is above
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlim() == (0.0, 60.0)


def test_tolerances_are_lines_about_the_starts():
    line = Timeline((TimelineSegment(0, 4, "a"), TimelineSegment(4, 9, "b", tolerance_s=0.75)))
    axes = plot_label_track(line)
    lines = [segment.tolist() for lane in (1, 3) for segment in axes.collections[lane].get_segments()]
    assert lines == [[[3.25, 1.0], [4.75, 1.0]]]


def test_a_label_with_the_name_of_a_status_has_a_lane_of_its_own():
    line = Timeline(
        (TimelineSegment(0, 1, "unknown"), TimelineSegment(1, 2, None, "unknown"), TimelineSegment(2, 3, "[unknown]"))
    )
    names = texts_of(plot_label_track(line).get_yticklabels())
    assert len(set(names)) == 3
    assert names[0] == "unknown"
    assert names[2] == "[unknown]"


# posteriors


def test_areas_are_stacked_to_1_and_each_is_as_high_as_its_posterior():
    line = make_timeline()
    axes = plot_posteriors(line)
    assert texts_of(axes.get_legend().get_texts()) == ["[silence]", "[unknown]", "es", "de", "fr"]
    below = np.zeros(len(line.times))
    for i, area in enumerate(axes.collections):
        outline = area.get_paths()[0].vertices
        n = len(line.times) + 2
        low, high = outline[1 : n + 1], outline[n + 2 : 2 * n + 2][::-1]
        assert np.allclose(low[1:-1, 0], line.times)
        assert np.allclose(low[1:-1, 1], below)
        below = below + line.posteriors[:, i]
        assert np.allclose(high[1:-1, 1], below)
        # held to the ends of the recording
        assert (low[0, 0], low[-1, 0]) == (0.0, 60.0)
        assert np.allclose(high[[0, -1], 1], below[[0, -1]])
    assert np.allclose(below, 1.0)


@pytest.mark.parametrize("n", [N_POINTS, N_POINTS + 1, 5 * N_POINTS + 3])
def test_many_times_are_averaged_to_2000_and_sums_stay_1(n):
    line = make_timeline(seconds=float(n))
    areas = areas_of(line)
    times, shares = area_shares(line, areas)
    assert len(line.times) == n
    assert N_POINTS / 2 <= len(times) <= N_POINTS
    assert np.allclose(shares.sum(axis=1), 1.0, atol=1e-12)
    length = -(-n // N_POINTS)
    assert np.allclose(shares[1], line.posteriors[length : 2 * length].mean(axis=0))
    assert times[1] == pytest.approx(line.times[length : 2 * length].mean())
    assert np.allclose(shares[-1], line.posteriors[(len(times) - 1) * length :].mean(axis=0))


def test_labels_with_least_of_the_time_share_an_area():
    labels = [f"l{i}" for i in range(N_LABELS + 3)]
    segments = tuple(TimelineSegment(i * 100.0, i * 100.0 + i + 1, label) for i, label in enumerate(labels))
    posteriors = np.full((4, len(labels) + 2), 1 / (len(labels) + 2))
    line = Timeline(segments, posteriors, np.arange(4.0), tuple(labels), 2000.0)
    areas = areas_of(line)
    assert [area.name for area in areas] == [*labels[3:], "3 others", "[unknown]", "[silence]"]
    assert areas[N_LABELS].keys == (("ok", "l0"), ("ok", "l1"), ("ok", "l2"))
    assert np.allclose(area_shares(line, areas)[1][:, N_LABELS], 3 / (len(labels) + 2))
    assert len({area.colour for area in areas}) == len(areas)


def test_an_annotation_has_a_track_and_no_posteriors():
    line = make_timeline(posteriors=False)
    assert len(plot_timeline(line)) == 1
    with pytest.raises(SettingError, match="no posteriors"):
        plot_posteriors(line)
    empty = Timeline(())
    assert plot_timeline(empty)[0].get_xlim()[0] == 0.0


def test_the_two_axes_of_a_timeline_share_their_time():
    track, posteriors = plot_timeline(make_timeline())
    assert track.get_shared_x_axes().joined(track, posteriors)
    assert (track.get_xlabel(), posteriors.get_xlabel()) == ("", "time")


# scores


TIMES = [0.0, 1.0, 2.0]
SCORES = [[1.0, 5.0, 0.0], [4.0, 4.5, -np.inf], [2.0, 1.0, 0.0]]


def test_the_margin_is_that_of_the_winner_over_the_runner_up():
    axes = plot_scores(TIMES, SCORES, ["a", "b", "c"])
    assert axes.lines[1].get_xydata().tolist() == [[0.0, 4.0], [1.0, 0.5], [2.0, -1.0]]
    assert axes.get_ylabel() == "score of b minus a"
    above, below = axes.collections
    assert above.get_paths()[0].vertices[:, 1].max() == 4.0
    # where the line crosses 0
    assert above.get_paths()[0].vertices[:, 0].max() == pytest.approx(1 + 0.5 / 1.5)
    assert below.get_paths()[0].vertices[:, 1].min() == -1.0


def test_a_pair_and_all_labels_can_be_asked_for():
    axes = plot_scores(TIMES, SCORES, ["a", "b", "$c$"], pair=("$c$", "b"))
    assert axes.get_ylabel() == "score of $c$ minus b"
    drawn = axes.lines[1].get_ydata()
    assert drawn[[0, 2]].tolist() == [-5.0, -1.0]
    assert np.isnan(drawn[1])
    lines = plot_scores(TIMES, SCORES, ["a", "b", "c"], margin=False)
    assert texts_of(lines.get_legend().get_texts()) == ["b", "a", "c"]
    assert lines.lines[0].get_ydata().tolist() == [5.0, 4.5, 1.0]
    assert len(plot_scores([0.0], [[1.0]], ["a"], margin=False).lines) == 1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (([0.0], [[1.0]], ["a"]), "there is one label; a difference needs two"),
        ((TIMES, [[1.0, 2.0]], ["a", "b"]), r"expected \(n,\) and \(n, 2\)"),
        (([], np.zeros((0, 2)), ["a", "b"]), "one time or more"),
        (([1.0, 0.0], [[1.0, 2.0]] * 2, ["a", "b"]), "finite and ascending"),
        (([0.0, np.nan], [[1.0, 2.0]] * 2, ["a", "b"]), "finite and ascending"),
        ((["x"], [[1.0, 2.0]], ["a", "b"]), "`times` must be real numbers"),
    ],
)
def test_scores_that_do_not_fit_are_refused(given, complaint):
    with pytest.raises(SettingError, match=complaint):
        plot_scores(*given)


@pytest.mark.parametrize("pair", [("a", "a"), ("a", "x")])
def test_a_pair_of_other_labels_is_refused(pair):
    with pytest.raises(SettingError, match="expected two of a, b, c"):
        plot_scores(TIMES, SCORES, ["a", "b", "c"], pair=pair)


@pytest.mark.parametrize(
    "plot", [plot_label_track, plot_posteriors, lambda line, axes: plot_scores(TIMES, SCORES, "abc", axes=axes)]
)
def test_axes_that_are_passed_are_drawn_on_and_returned(plot):
    from matplotlib.figure import Figure

    given = Figure().subplots()
    assert plot(make_timeline(), given) is given
    assert given.has_data()


# time


@pytest.mark.parametrize(
    ("seconds", "digits", "shown"),
    [(0, 0, "0:00"), (59.6, 0, "1:00"), (3599.96, 1, "1:00:00.0"), (86400, 0, "24:00:00"), (0.05, 2, "0:00.05")],
)
def test_times_are_rounded_on_the_clock(seconds, digits, shown):
    assert clock(seconds, digits) == shown


@pytest.mark.parametrize("span", [0.05, 1.0, 7.3, 59.0, 3600.0, 28800.0, 1e6])
@pytest.mark.parametrize("start", [0.0, 5000.3])
def test_ticks_are_few_ascending_and_inside(start, span):
    ticks = tick_times(start, start + span)
    assert len(ticks) <= 10
    assert all(start - 1e-3 <= tick <= start + span + 1e-3 for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert len(ticks) >= 3 or span < 0.3


def test_a_part_of_a_long_recording_is_shown_from_where_it_begins():
    line = make_timeline(seconds=100.0)
    assert shown_range(line.crop(60.0, 80.0)) == (60.0, 80.0)
    assert shown_range(line.crop(30.0, 80.0)) == (0.0, 80.0)
    assert shown_range(Timeline(()))[0] < shown_range(Timeline(()))[1]
    assert plot_label_track(line.crop(60.0, 80.0)).get_xlim() == (60.0, 80.0)


def test_beyond_six_labels_those_without_segments_are_others_and_strong_colours_are_of_those_with_most_time():
    labels = [f"l{i}" for i in range(9)]
    segments = (TimelineSegment(0, 1, "l7"), TimelineSegment(1, 9, "l3"))
    posteriors = np.tile([0.0, 0.1, 0.0, 0.3, 0.05, 0.02, 0.03, 0.2, 0.08, 0.2, 0.02], (2, 1))
    line = Timeline(segments, posteriors, np.array([1.0, 2.0]), tuple(labels), 9.0)
    areas = areas_of(line)
    # with segments, and then by their posteriors, to six
    assert [area.name for area in areas[:-3]] == ["l1", "l3", "l4", "l6", "l7", "l8"]
    assert areas[6].name == "3 others"
    colours = {area.name: area.colour for area in areas}
    assert [colours[name] for name in ("l3", "l7", "l1", "l8", "l4", "l6")] == list(SERIES)
    # of few labels each keeps its colour, whatever the recording
    few = make_timeline(["a", "b", "c"]), make_timeline(["a", "b", "c"]).crop(5, 10)
    assert [area.colour for area in areas_of(few[0])][:3] == [area.colour for area in areas_of(few[1])][:3]
