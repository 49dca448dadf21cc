import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.text_tables import FORMULA_STARTS, plain_cell
from gmmaudio.timelines import FORMATS, Timeline, TimelineSegment, to_csv, to_jsonl, to_rttm, to_srt, to_text
from gmmaudio.timelines.rounding import rounded_segments
from gmmaudio.timelines.written_names import status_and_label
from tests.timelines.conftest import FIXED, HOSTILE, one_of_each, timelines

TALK = Timeline(
    (
        TimelineSegment(0.0, 61.25, "fr", probability=0.98765),
        TimelineSegment(61.25, 70.0, "de", probability=0.9, tolerance_s=0.4),
        TimelineSegment(72.0, 75.5, None, "unknown"),
        TimelineSegment(75.5, 3605.0, None, "silence"),
    ),
    path="talk.wav",
    notes=("windows of 3 s: the model was calibrated on 10 s",),
)


def expected(line):
    return [(part.start_ms / 1000, part.end_ms / 1000, *part.segment.key) for part in rounded_segments(line)]


def test_the_text_is_a_table_with_minutes_shares_and_notes():
    text = TALK.crop(0, 80).to_text()
    assert text.splitlines() == [
        "talk.wav, 01:20.0: fr 83 %, de 12 %, [unknown] 5 %",
        "windows of 3 s: the model was calibrated on 10 s",
        "start      end        length   probability  change    label",
        "00:00.0    01:01.2      61.2 s      98.8 %            fr",
        "01:01.2    01:10.0       8.8 s      90.0 %  +-0.4 s   de",
        "01:12.0    01:15.5       3.5 s                        [unknown]",
        "01:15.5    01:20.0       4.5 s                        [silence]",
    ]


def test_the_text_of_an_hour_has_hours():
    assert "01:00:05.0" in TALK.to_text()
    assert "talk.wav, 01:00:05.0" in TALK.to_text()


@FIXED
@given(timelines())
def test_the_text_has_one_printable_line_for_each_segment(line):
    rows = to_text(line).split("\n")
    assert len(rows) == 3 + len(rounded_segments(line))
    assert all(row.isprintable() for row in rows)


def test_the_csv_has_the_columns_that_it_declares():
    assert TALK.to_csv().splitlines() == [
        "path,start,end,status,label,probability,tolerance",
        "talk.wav,0.000,61.250,ok,fr,0.9877,",
        "talk.wav,61.250,70.000,ok,de,0.9000,0.400",
        "talk.wav,72.000,75.500,unknown,,,",
        "talk.wav,75.500,3605.000,silence,,,",
    ]


def test_one_table_holds_several_recordings_and_its_rows_can_be_written_apart():
    other = Timeline((TimelineSegment(0, 1, "it"),), path="b.wav")
    assert to_csv(TALK, other) == to_csv(TALK) + to_csv(other, header=False)
    assert to_jsonl(TALK, other) == to_jsonl(TALK) + to_jsonl(other)
    assert to_rttm(TALK, other) == to_rttm(TALK) + to_rttm(other)
    assert to_text(TALK, other) == f"{to_text(TALK)}\n{to_text(other)}"


@FIXED
@given(timelines(path=st.sampled_from(HOSTILE)))
def test_no_cell_is_a_formula_and_all_are_text(line):
    text = to_csv(line)
    text.encode("utf-8")
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.startswith(FORMULA_STARTS) and plain_cell(cell) == cell for cell in row)


@FIXED
@given(timelines())
def test_json_lines_hold_names_exactly_and_times_within_half_a_unit(line):
    rows = [json.loads(row) for row in to_jsonl(line).split("\n") if row]
    assert [(row["start"], row["end"], row["status"], row["label"]) for row in rows] == expected(line)
    for row, part in zip(rows, line.segments, strict=True):
        for key, value, unit in (("probability", part.probability, 1e-4), ("tolerance", part.tolerance_s, 1e-3)):
            assert (row[key] is None) == (value is None)
            assert value is None or abs(row[key] - value) <= unit / 2 + 1e-12
    to_jsonl(line).encode("utf-8")


@FIXED
@given(timelines())
def test_an_audacity_track_has_three_fields_a_line(line):
    # Audacity reads lines of two numbers and the rest, with tabs between
    rows = [row.split("\t") for row in line.to_audacity().splitlines()]
    assert [(float(start), float(end), *status_and_label(name)) for start, end, name in rows] == expected(line)


@FIXED
@given(timelines())
def test_each_subtitle_is_its_number_its_times_and_one_line(line):
    text = to_srt(line)
    pattern = re.compile(r"(\d+)\n(\S+) --> (\S+)\n(.+)\n\n")
    cues = pattern.findall(text)
    assert "".join(pattern.sub("", text)) == ""
    assert text.count("-->") == len(cues) == len(rounded_segments(line))
    assert [int(number) for number, *_ in cues] == list(range(1, len(cues) + 1))
    read = [(seconds(start), seconds(end), *status_and_label(name)) for _, start, end, name in cues]
    assert read == expected(line)
    assert not any(re.search("[<>{}]", name) for *_, name in cues)


def seconds(clock):
    """Return the seconds of a time of SubRip."""
    hours, minutes, rest = clock.split(":")
    whole, thousandths = rest.split(",")
    assert len(thousandths) == 3
    return (int(hours) * 3_600_000 + int(minutes) * 60_000 + int(whole) * 1000 + int(thousandths)) / 1000


def test_a_player_reads_the_subtitles():
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    with av.open(io.BytesIO(TALK.to_srt().encode()), format="srt") as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size]
        read = [(float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p).decode()) for p in packets]
    assert read == [
        (0.0, 61.25, "fr"),
        (61.25, 8.75, "de"),
        (72.0, 3.5, "[unknown]"),
        (75.5, 3529.5, "[silence]"),
    ]


def test_a_player_reads_subtitles_with_hostile_names():
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    line = one_of_each()
    with av.open(io.BytesIO(line.to_srt().encode()), format="srt") as container:
        read = [status_and_label(bytes(packet).decode()) for packet in container.demux(subtitles=0) if packet.size]
    assert read == [part.key for part in line.segments]


def test_rttm_has_speakers_alone_and_confidence_where_it_is_known():
    assert TALK.to_rttm().splitlines() == [
        "SPEAKER talk.wav 1 0.000 61.250 <NA> <NA> fr 0.988 <NA>",
        "SPEAKER talk.wav 1 61.250 8.750 <NA> <NA> de 0.900 <NA>",
        "SPEAKER talk.wav 1 72.000 3.500 <NA> <NA> [unknown] <NA> <NA>",
    ]


def test_pyannote_reads_the_rttm(tmp_path):
    database = pytest.importorskip("pyannote.database.util", reason="pyannote is not installed")
    path = tmp_path / "all.rttm"
    # pandas takes NA and nan for missing, before pyannote sees them
    names = [name for name in HOSTILE if name not in ("NA", "nan")]
    line = one_of_each(names)
    path.write_text(to_rttm(line, TALK), encoding="utf-8")
    read = database.load_rttm(path)
    assert list(read) == ["talk.wav", "talks/one.wav"]
    found = [
        (segment.start, segment.end, status_and_label(name))
        for segment, _, name in read["talks/one.wav"].itertracks(yield_label=True)
    ]
    wanted = [(part.start_s, part.end_s, part.key) for part in line.segments if part.status != "silence"]
    assert [key for *_, key in found] == [key for *_, key in wanted]
    # start + duration, both of three decimals
    assert [each[:2] for each in found] == [pytest.approx(each[:2], abs=1e-9) for each in wanted]


def test_the_methods_of_a_timeline_write_what_the_functions_do():
    pytest.importorskip("pympi", reason="pympi, the annotate extra, is not installed")
    for name, made in FORMATS.items():
        written = json.dumps(TALK.to_dict()) if name == "json" else getattr(TALK, f"to_{name}")()
        assert (json.loads(made.write(TALK)) == json.loads(written)) if name == "json" else made.write(TALK) == written
        assert made.suffix.startswith(".")


def test_empty_timelines_are_written():
    pytest.importorskip("pympi", reason="pympi, the annotate extra, is not installed")
    for made in FORMATS.values():
        assert isinstance(made.write(Timeline(())), str)
