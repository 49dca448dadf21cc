"""The page of a timeline: what it shows, that nothing in it is a name's, and that its size has bounds."""

import base64
import hashlib
import os
import re
from dataclasses import replace
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
import pytest

from gmmaudio.pictures import render_timeline
from gmmaudio.pictures.timeline_areas import N_POINTS
from gmmaudio.pictures.timeline_page import HEIGHT, MAX_DRAWN, MAX_ROWS, WIDTH, audio_url
from gmmaudio.timelines import Timeline, TimelineSegment
from tests.evaluation.conftest import Page
from tests.pictures.conftest import make_timeline
from tests.timelines.conftest import HOSTILE, one_of_each

SEGMENTS = "Segments"


def boundaries(page):
    """Return the boundaries of the areas, (x, y) in the units of the chart, from the uppermost to the lowest."""
    chart = page.partition('<svg class="areas"')[2].partition("</svg>")[0]
    found = []
    for line in re.findall(r' d="(.*?)"', chart):
        x, height, y, steps, ground = re.fullmatch(r"M(\d+) (\d+)V(\d+)l([-\d ]+)V(\d+)z", line).groups()
        assert int(height) == int(ground) == HEIGHT
        moves = np.array(steps.split(), dtype=int).reshape(-1, 2)
        found.append(np.vstack([[int(x), int(y)], moves]).cumsum(axis=0))
    return found


def bars(page):
    """Return start, end and lane of every bar, by its colour."""
    chart = page.partition('<svg class="lanes"')[2].partition("</svg>")[0]
    return {
        colour: [
            (float(x), float(x) + float(wide), int(float(y)))
            for x, y, wide in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v", line)
        ]
        for colour, line in re.findall(r'fill="(#\w+)" d="(.*?)"', chart)
    }


def addresses(page):
    """Return all that an element of a page would load or lead to."""
    return [value for _, name, value in Page(page).attributes if name in ("src", "href", "data", "action", "poster")]


def test_the_table_has_every_segment_in_order():
    line = make_timeline(seconds=40.0)
    page = render_timeline(line, "talk.wav")
    rows = Page(page).rows(SEGMENTS)
    assert [row[0] for row in rows] == ["fr", "de", "es", "[unknown]", "[silence]", "fr", "de", "es"]
    assert rows[1] == ["de", "0:05.0", "0:10.0", "5.0", "90.0 %", "0.5"]
    assert rows[0][5] == "–"
    places = re.findall(r'<button data-s="([\d.]+)" data-e="([\d.]+)">', page)
    assert [tuple(map(float, pair)) for pair in places] == [(s.start_s, s.end_s) for s in line.segments]


def test_the_shares_are_those_of_the_timeline():
    line = make_timeline(seconds=40.0)
    rows = {row[0]: row[1:] for row in Page(render_timeline(line)).rows("Time of every label")}
    assert rows["fr"] == ["0:10.0", f"{100 * line.shares()['fr']:.1f} %"]
    assert rows["[silence]"] == ["0:05.0", "–"]
    assert list(rows) == ["fr", "de", "es", "[unknown]", "[silence]"]


def test_the_areas_are_the_posteriors_and_sum_to_the_whole_height():
    line = make_timeline()
    found = boundaries(render_timeline(line))
    assert len(found) == 5
    assert (found[0][:, 1] == 0).all()
    # from the lowest label up; a unit is a thousandth
    tops = np.array([HEIGHT - line_[:, 1] for line_ in found[::-1]]).T / HEIGHT
    assert np.allclose(np.diff(tops[1:-1], prepend=0.0, axis=1), line.posteriors, atol=1.01 / HEIGHT)
    x = found[0][:, 0]
    assert np.allclose(x[1:-1], WIDTH * line.times / 60.0, atol=0.5)
    assert (x[0], x[-1]) == (0, WIDTH)


def test_the_lanes_have_the_segments_at_their_times():
    line = make_timeline()
    page = render_timeline(line)
    lanes = bars(page)
    assert len(lanes) == 5
    for lane, (name, shapes) in enumerate(zip(["fr", "de", "es", "unknown", "silence"], lanes.values(), strict=True)):
        expected = [(s.start_s, s.end_s, lane) for s in line.segments if s.name == name]
        scaled = [(a * 60 / WIDTH, b * 60 / WIDTH, row) for a, b, row in shapes]
        # a tenth of a unit
        assert np.allclose(scaled, expected, atol=0.2 * 60 / WIDTH)
    assert Page(page).items[-5:] == ["fr", "de", "es", "[unknown]", "[silence]"]


def test_a_part_is_drawn_from_where_it_begins():
    page = render_timeline(make_timeline(seconds=100.0).crop(60.0, 80.0))
    assert 'data-first="60.000" data-last="80.000"' in page
    assert [shape[0] for shapes in bars(page).values() for shape in shapes if shape[0] == 0] == [0.0]
    assert re.findall(r'style="left:([\d.]+)%">([\d:.]+)<', page)[0] == ("0.000", "1:00")


@pytest.mark.parametrize("has_sound", [False, True])
def test_without_posteriors_or_sound_the_rest_is_there(has_sound):
    line = make_timeline(posteriors=False)
    page = render_timeline(line, "talk.wav" if has_sound else None)
    assert boundaries(page) == []
    assert len(bars(page)) == 5
    assert Page(page).tags.count("audio") == has_sound
    assert ("Click a segment to play it" in page) == has_sound
    empty = Page(render_timeline(Timeline(())))
    assert empty.rows(SEGMENTS) == []
    assert ("h1", "Timeline") in empty.headings


def test_notes_windows_and_title_are_shown():
    line = replace(make_timeline(), notes=("the windows are short",), path="a/talk.wav")
    page = Page(render_timeline(line))
    assert "the windows are short" in page.items
    assert ("h1", "talk.wav") in page.headings
    assert "10 s" in page.text
    assert "one every 1 s" in page.text
    assert ("h1", "My talk") in Page(render_timeline(line, title="My talk")).headings


# names


def test_hostile_names_are_text_everywhere():
    line = replace(one_of_each(), notes=HOSTILE, path="dir/</script><script>alert(1)</script>\udcff\u202e.wav")
    plain = Page(render_timeline(make_timeline(), "a.wav"))
    page = Page(render_timeline(line, line.path))
    assert set(page.tags) <= set(plain.tags)
    assert page.tags.count("script") == page.tags.count("audio") == 1
    assert {name for _, name, _ in page.attributes} <= {name for _, name, _ in plain.attributes} | {"class"}
    assert len(page.rows(SEGMENTS)) == len(line.segments)
    names = [row[0] for row in page.rows(SEGMENTS)]
    # different names stay different, and none is that of a status
    assert len(set(names)) == len(names)
    assert names.count("[unknown]") == names.count("[silence]") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_every_name_is_a_title_and_a_file_beside_the_page(name):
    # what no file is called
    safe = re.sub("[\x00/\ud83d]", "", name) or "x"
    page = render_timeline(make_timeline(), safe, name)
    page.encode("utf-8")
    (source,) = addresses(page)
    assert unquote_to_bytes(source) == os.fsencode(safe)
    assert re.fullmatch(r"[A-Za-z0-9%._~/-]*", source)


def test_the_only_script_is_the_one_that_the_page_allows():
    page = render_timeline(one_of_each(), "a.wav")
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    allowed = f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'{allowed}'"
    assert rules["media-src"] == "'self' file:"
    assert "on" not in {name[:2] for _, name, _ in Page(page).attributes}


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("a b#1?.wav", "a%20b%231%3F.wav"),
        ("../100%/ü.wav", "../100%25/%C3%BC.wav"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("https://example.org/a.wav", "https%3A/example.org/a.wav"),
        ("/data/a b.wav", "file:///data/a%20b.wav"),
        ("a\udcff.wav", "a%FF.wav"),
    ],
)
def test_the_address_of_a_recording_is_never_one_of_the_network(source, url):
    assert audio_url(source) == url
    assert unquote(audio_url("x y/" * 3 + "z")) == "x y/" * 3 + "z"
    # two slashes would begin the name of a host
    assert not audio_url("//host/a.wav").startswith("//")


# size


def test_a_long_recording_has_a_page_of_bounded_size():
    short = render_timeline(make_timeline(seconds=8 * 3600.0, hop_s=10.0, turn_s=10.0))
    long = make_timeline(seconds=80 * 3600.0, hop_s=10.0, turn_s=5.0)
    assert len(long.segments) > 5 * MAX_ROWS > MAX_DRAWN
    page = render_timeline(long)
    assert len(short) < 1_500_000
    assert len(page) < 4_000_000
    assert N_POINTS / 2 < len(boundaries(page)[0]) <= N_POINTS + 2
    assert page.count("<button") == MAX_ROWS
    assert f"The first {MAX_ROWS} of {len(long.segments)} segments" in page
    assert sum(map(len, bars(page).values())) <= WIDTH


def test_of_very_many_segments_a_lane_shows_what_is_in_the_middle_of_each_unit():
    n = MAX_DRAWN + 1
    # one second each, of two labels in turns, and a gap at the end
    segments = tuple(TimelineSegment(i, i + 1, "ab"[i % 2]) for i in range(n))
    line = Timeline(segments, duration_s=1.25 * n)
    shown = bars(render_timeline(line))
    for label, shapes in zip("ab", shown.values(), strict=True):
        for start, end, _ in shapes:
            assert end - start == 1.0
            assert line.at((start + 0.5) * 1.25 * n / WIDTH).label == label
    assert sum(map(len, shown.values())) == 0.8 * WIDTH
