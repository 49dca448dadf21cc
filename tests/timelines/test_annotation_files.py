import subprocess
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given

from gmmaudio.errors import SettingError
from gmmaudio.timelines import Timeline, TimelineSegment, to_eaf, to_textgrid
from gmmaudio.timelines.rounding import rounded_segments
from gmmaudio.timelines.written_names import status_and_label
from tests.timelines.conftest import FIXED, one_of_each, timelines

TALK = Timeline(
    (
        TimelineSegment(0.5, 4.0, "fr", probability=0.98765),
        TimelineSegment(4.0, 5.0, "de"),
        TimelineSegment(6.0, 7.0, None, "unknown", 0.4),
        TimelineSegment(7.0, 8.0, None, "silence"),
    ),
    path="talks/talk.wav",
    duration_s=9.0,
)


def expected(line):
    return [(part.start_ms, part.end_ms, *part.segment.key) for part in rounded_segments(line)]


@pytest.fixture(scope="module")
def elan():
    return pytest.importorskip("pympi.Elan", reason="pympi, the annotate extra, is not installed")


@pytest.fixture(scope="module")
def praat_of_pympi():
    return pytest.importorskip("pympi.Praat", reason="pympi, the annotate extra, is not installed")


@pytest.fixture(scope="module")
def praatio():
    return pytest.importorskip("praatio.textgrid", reason="praatio is not installed")


def read_eaf(elan, tmp_path, text):
    """Return the document that pympi reads from a text."""
    path = tmp_path / "line.eaf"
    path.write_text(text, encoding="utf-8")
    return elan.Eaf(path)


def annotations(document, tier="label"):
    return sorted(
        (start, end, *status_and_label(name)) for start, end, name in document.get_annotation_data_for_tier(tier)
    )


def test_pympi_reads_the_document_of_elan(elan, tmp_path):
    document = read_eaf(elan, tmp_path, TALK.to_eaf())
    assert list(document.get_tier_names()) == ["label", "probability"]
    assert annotations(document) == expected(TALK)
    assert document.get_parameters_for_tier("probability")["PARENT_REF"] == "label"
    # start and end of the parent, and the text
    read = [each[:3] for each in document.get_ref_annotation_data_for_tier("probability")]
    assert sorted(read) == [(500, 4000, "98.8 %"), (6000, 7000, "40.0 %")]


def test_without_probabilities_there_is_one_tier(elan, praat_of_pympi, tmp_path):
    line = Timeline((TimelineSegment(0, 1, "fr"),))
    assert list(read_eaf(elan, tmp_path, to_eaf(line)).get_tier_names()) == ["label"]
    assert [tier.name for tier in read_praat(praat_of_pympi, tmp_path, to_textgrid(line)).get_tiers()] == ["label"]


def test_pympi_reads_hostile_names(elan, tmp_path):
    line = one_of_each()
    assert annotations(read_eaf(elan, tmp_path, line.to_eaf())) == expected(line)


@FIXED
@given(timelines())
def test_the_document_is_xml_with_every_name(line):
    pytest.importorskip("pympi", reason="pympi, the annotate extra, is not installed")
    root = ElementTree.fromstring(to_eaf(line).encode("utf-8"))  # noqa: S314 - our own
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    read = [
        (slots[a.get("TIME_SLOT_REF1")], slots[a.get("TIME_SLOT_REF2")], *status_and_label(a[0].text))
        for a in root.iter("ALIGNABLE_ANNOTATION")
    ]
    assert read == expected(line)
    ids = [a.get("ANNOTATION_ID") for kind in ("ALIGNABLE", "REF") for a in root.iter(f"{kind}_ANNOTATION")]
    assert len(set(ids)) == len(ids)
    last = next(each.text for each in root.iter("PROPERTY") if each.get("NAME") == "lastUsedAnnotationId")
    assert all(int(each.removeprefix("a")) <= int(last) for each in ids)


@pytest.mark.parametrize(
    ("path", "folder", "url", "relative", "kind"),
    [
        ("talks/talk.wav", None, "./talk.wav", "./talk.wav", "audio/x-wav"),
        ("talks/talk.wav", "talks", "./talk.wav", "./talk.wav", "audio/x-wav"),
        ("talks/talk.MP3", "out/eaf", "../../talks/talk.MP3", "../../talks/talk.MP3", "audio/*"),
        (
            "/data/a b/[live] \u00e9.mp4",
            "/data/eaf",
            "file:///data/a b/[live] \u00e9.mp4",
            "../a b/[live] \u00e9.mp4",
            "video/mp4",
        ),
        ('x"<&>\x1b\udce9.wav', None, './x"<&>\\x1b\\udce9.wav', './x"<&>\\x1b\\udce9.wav', "audio/x-wav"),
    ],
)
def test_the_recording_is_linked(elan, tmp_path, path, folder, url, relative, kind):
    line = Timeline((TimelineSegment(0, 1, "fr"),), path=path)
    (media,) = read_eaf(elan, tmp_path, to_eaf(line, folder)).get_linked_files()
    assert (media["MEDIA_URL"], media["RELATIVE_MEDIA_URL"], media["MIME_TYPE"]) == (url, relative, kind)


def test_a_timeline_without_a_path_links_nothing(elan, tmp_path):
    line = Timeline((TimelineSegment(0, 1, "fr"),))
    assert read_eaf(elan, tmp_path, to_eaf(line)).get_linked_files() == []


def test_the_same_timeline_gives_the_same_bytes(elan, monkeypatch):
    first = TALK.to_eaf()
    monkeypatch.setattr(elan.time, "strftime", lambda _: "2030-01-01T00:00:00{:0=+3d}:{:0=2d}")
    assert TALK.to_eaf() == first


def test_without_pympi_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['pympi'] = None\n"
        "from gmmaudio.timelines import Timeline, to_eaf, to_textgrid\n"
        "to_textgrid(Timeline(()))\n"
        "to_eaf(Timeline(()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        f"gmmaudio.errors.{SettingError.__name__}: files of ELAN need pympi: pip install 'gmmaudio[annotate]'"
    )


def read_praat(praat, tmp_path, text):
    """Return the grid that pympi reads from a text."""
    path = tmp_path / "line.TextGrid"
    path.write_text(text, encoding="utf-8")
    return praat.TextGrid(path)


def test_pympi_reads_the_textgrid(praat_of_pympi, tmp_path):
    grid = read_praat(praat_of_pympi, tmp_path, TALK.to_textgrid())
    assert (grid.xmin, grid.xmax) == (0.0, 9.0)
    labels, probabilities = grid.get_tiers()
    assert labels.intervals == [
        (0.0, 0.5, ""),
        (0.5, 4.0, "fr"),
        (4.0, 5.0, "de"),
        (5.0, 6.0, ""),
        (6.0, 7.0, "[unknown]"),
        (7.0, 8.0, "[silence]"),
        (8.0, 9.0, ""),
    ]
    assert [each for each in probabilities.intervals if each[2]] == [(0.5, 4.0, "98.8 %"), (6.0, 7.0, "40.0 %")]


def test_praatio_reads_the_textgrid(praatio, tmp_path):
    path = tmp_path / "line.TextGrid"
    path.write_text(TALK.to_textgrid(), encoding="utf-8")
    grid = praatio.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    assert grid.tierNames == ("label", "probability")
    read = [(*each[:2], *status_and_label(each[2])) for each in grid.getTier("label").entries]
    assert read == [(part.start_s, part.end_s, *part.key) for part in TALK.segments]


@pytest.mark.parametrize("reader", ["pympi", "praatio"])
def test_the_readers_of_praats_files_read_hostile_names(reader, request, tmp_path):
    line = one_of_each()
    path = tmp_path / "line.TextGrid"
    path.write_text(line.to_textgrid(), encoding="utf-8")
    if reader == "pympi":
        entries = request.getfixturevalue("praat_of_pympi").TextGrid(path).get_tier("label").intervals
    else:
        opened = request.getfixturevalue("praatio").openTextgrid(str(path), False, "error")
        entries = opened.getTier("label").entries
    read = [(start, end, *status_and_label(name)) for start, end, name in entries if name]
    assert read == [(part.start_s, part.end_s, *part.key) for part in line.segments]


@FIXED
@given(timelines())
def test_intervals_of_a_textgrid_cover_the_recording_and_hold_every_name(praat_of_pympi, tmp_path_factory, line):
    path = tmp_path_factory.mktemp("grid") / "line.TextGrid"
    path.write_text(to_textgrid(line), encoding="utf-8")
    grid = praat_of_pympi.TextGrid(path)
    for tier in grid.get_tiers():
        edges = [(start, end) for start, end, _ in tier.intervals]
        assert [end for _, end in edges[:-1]] == [start for start, _ in edges[1:]]
        assert (edges[0][0], edges[-1][1]) == (grid.xmin, grid.xmax) == (tier.xmin, tier.xmax)
    names = grid.get_tier("label").intervals
    read = [(start, end, *status_and_label(name)) for start, end, name in names if name]
    assert read == [(start / 1000, end / 1000, *key) for start, end, *key in expected(line)]
