import os
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gmmaudio.errors import CorpusError
from gmmaudio.names import normal, skeleton
from gmmaudio.timelines import Timeline, TimelineSegment, read_timelines, to_csv, to_rttm
from gmmaudio.timelines.rounding import rounded_segments
from tests.timelines.conftest import FIXED, HOSTILE, audible, one_of_each, timelines

PLAIN = "path,start,end,label\n1.wav,0,2.5,en\n2.wav,1,2,fr\n1.wav,2.5,4,fr\n"
RTTM = "SPEAKER 1 1 0.5 2.0 <NA> <NA> en <NA> <NA>\nSPEAKER 1 1 2.5 1.5 <NA> <NA> fr <NA> <NA>\n"


def read(tmp_path, content, name="truth.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_timelines(path)


def refused(tmp_path, content, name="truth.csv"):
    """Return the message, without the folder, of the error that a file gives."""
    with pytest.raises(CorpusError) as error:
        read(tmp_path, content, name)
    return str(error.value).replace(f"{tmp_path}{os.sep}", "")


def spans(line):
    return [(part.start_s, part.end_s, part.name) for part in line.segments]


def test_a_plain_table_has_recordings_in_its_order_and_segments_in_that_of_time(tmp_path):
    found = read(tmp_path, PLAIN)
    assert list(found) == ["1.wav", "2.wav"]
    assert spans(found["1.wav"]) == [(0.0, 2.5, "en"), (2.5, 4.0, "fr")]
    assert found["2.wav"].path == "2.wav"
    shuffled = read(tmp_path, "path,start,end,label\n1.wav,2.5,4,fr\n1.wav,0,2.5,en\n")
    assert spans(shuffled["1.wav"]) == spans(found["1.wav"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(("content", "name"), [(PLAIN, "a.csv"), (RTTM, "a.rttm")])
def test_any_unicode_encoding_is_read(tmp_path, encoding, content, name):
    accented = content.replace(",en\n", ",fran\u00e7ais\n").replace(" en ", " fran\u00e7ais ")
    found = read(tmp_path, accented.encode(encoding), name)
    assert any(part.label == "fran\u00e7ais" for line in found.values() for part in line.segments)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("content", [PLAIN, RTTM])
def test_any_line_end_is_read(tmp_path, ends, content):
    assert sum(map(len, read(tmp_path, content.replace("\n", ends)).values())) == content.count("\n") - (
        content is PLAIN
    )


def test_semicolons_file_names_and_statuses_in_brackets_are_read(tmp_path):
    (line,) = read(tmp_path, "file_name;start;end;label\na.wav;0;1;[unknown]\na.wav;1;2;[silence]\n").values()
    assert [part.key for part in line.segments] == [("unknown", None), ("silence", None)]


def test_rttm_is_known_by_its_first_word_or_its_suffix(tmp_path):
    wanted = [(0.5, 2.5, "en"), (2.5, 4.0, "fr")]
    assert spans(read(tmp_path, RTTM, "truth")["1"]) == wanted
    others = (
        ";; made by hand\nSPKR-INFO 1 1 <NA> <NA> <NA> unknown en <NA> <NA>\n\nNON-SPEECH 1 1 0 9 <NA> <NA> <NA> <NA>\n"
    )
    assert spans(read(tmp_path, others + RTTM, "truth.RTTM")["1"]) == wanted
    eight = "SPEAKER 1 1 0.5 2.0 <NA> <NA> en"
    assert spans(read(tmp_path, eight, "truth.rttm")["1"]) == wanted[:1]


def test_confidences_beyond_probabilities_are_left(tmp_path):
    rows = [
        f"SPEAKER 1 1 {i} 1 <NA> <NA> en {sure} <NA>\n"
        for i, sure in enumerate(["0.5", "1", "17.3", "-2", "<NA>", "x"])
    ]
    (line,) = read(tmp_path, "".join(rows), "a.rttm").values()
    assert [part.probability for part in line.segments] == [0.5, 1.0, None, None, None, None]


def test_names_that_differ_by_normal_form_are_one(tmp_path):
    rows = "path,start,end,label\nZo\u00e9.wav,0,1,fran\u00e7ais\nZoe\u0301.wav,1,2,franc\u0327ais\n"
    (line,) = read(tmp_path, rows).values()
    assert line.path == "Zo\u00e9.wav"
    assert line.label_durations() == {"fran\u00e7ais": 2.0}


def test_a_pipe_is_read(tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as handle:
        handle.write(PLAIN.encode())
    try:
        assert list(read_timelines(f"/dev/fd/{reading}")) == ["1.wav", "2.wav"]
    finally:
        os.close(reading)


def rounded(line):
    """Return start, end, status and label as files have them."""
    return [(part.start_ms / 1000, part.end_ms / 1000, part.segment.key) for part in rounded_segments(line)]


# as a table has them: no blanks at the ends, no control characters, one spelling
TIDY = st.sampled_from([name for name in HOSTILE if name.isprintable() and name.strip() == name and name]) | st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=6
).filter(lambda name: skeleton(name) != "" and normal(name) == name)


@FIXED
@given(timelines(names=TIDY), timelines(names=TIDY, path=st.just("=b.wav")))
def test_our_own_table_is_read_back(tmp_path_factory, one, other):
    assume(one.segments or other.segments)
    path = tmp_path_factory.mktemp("csv") / "line.csv"
    path.write_text(to_csv(one, other), encoding="utf-8")
    found = read_timelines(path)
    for line in (one, other):
        back = found.get(line.path, Timeline(()))
        assert [(part.start_s, part.end_s, part.key) for part in back.segments] == rounded(line)
        for after, before in zip(back.segments, line.segments, strict=True):
            for value, wanted, unit in (
                (after.probability, before.probability, 1e-4),
                (after.tolerance_s, before.tolerance_s, 1e-3),
            ):
                assert (value is None) == (wanted is None)
                assert value is None or abs(value - wanted) <= unit / 2 + 1e-12
    # what was read is written as the same bytes
    again = to_csv(*(found[line.path] for line in (one, other) if line.segments))
    assert again == path.read_text(encoding="utf-8")


@FIXED
@given(timelines(names=st.sampled_from(HOSTILE)), st.sampled_from(HOSTILE))
def test_our_own_rttm_is_read_back_with_any_name(tmp_path_factory, line, recording):
    line = replace(line, path=recording)
    assume(audible(line))
    path = tmp_path_factory.mktemp("rttm") / "line.rttm"
    path.write_text(to_rttm(line), encoding="utf-8")
    (back,) = read_timelines(path).values()
    assert back.path == recording
    wanted = [each for each in rounded(line) if each[2][0] != "silence"]
    assert [part.key for part in back.segments] == [key for *_, key in wanted]
    for part, (start_s, end_s, _) in zip(back.segments, wanted, strict=True):
        # a start and a duration of three decimals are added
        assert part.start_s == start_s
        assert part.end_s == pytest.approx(end_s, abs=1e-9)
    assert to_rttm(back) == path.read_text(encoding="utf-8")


def test_names_in_normal_forms_of_rttm_keep_all_segments(tmp_path):
    line = one_of_each([name for name in HOSTILE if name])
    assert len(read(tmp_path, to_rttm(line), "a.rttm")["talks/one.wav"]) == len(line) - 1


def test_lengths_rounded_for_themselves_may_reach_over_by_a_hundredth(tmp_path):
    rows = "SPEAKER 1 1 0.00 1.01 <NA> <NA> en <NA> <NA>\nSPEAKER 1 1 1.00 1.00 <NA> <NA> fr <NA> <NA>\n"
    assert spans(read(tmp_path, rows, "a.rttm")["1"]) == [(0.0, 1.0, "en"), (1.0, 2.0, "fr")]


HEAD = "path,start,end,label\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            HEAD + "1.wav,0,2,en\n1.wav,3,5,fr\n1.wav,1.5,2.5,de\n",
            "truth.csv, line 4: 'de' from 1.5 to 2.5 s of 1.wav overlaps 'en' from 0 to 2 s in line 2; expected one "
            "label at a time: cut or remove one",
        ),
        (
            HEAD + "1.wav,0,2,en\n1.wav,0,0.005,fr\n",
            "truth.csv, line 2: 'en' from 0 to 2 s of 1.wav overlaps 'fr' from 0 to 0.005 s in line 3; expected one "
            "label at a time: cut or remove one",
        ),
        (
            HEAD + "1.wav,2,2,en\n",
            "truth.csv, line 2: ends at 2 s and starts at 2 s; expected an end after the start",
        ),
        (HEAD + "1.wav,-1,2,en\n", "truth.csv, line 2: start is '-1'; expected a number of 0 or more"),
        (HEAD + "1.wav,1_0,20,en\n", "truth.csv, line 2: start is '1_0'; expected a number of 0 or more"),
        (HEAD + "1.wav,nan,20,en\n", "truth.csv, line 2: start is 'nan'; expected a number of 0 or more"),
        (HEAD + "1.wav,0,inf,en\n", "truth.csv, line 2: end is 'inf'; expected a number of 0 or more, at most 3.2e+08"),
        (
            HEAD + '1.wav,0,"1,5",en\n',
            "truth.csv, line 2: end is '1,5'; expected a number of 0 or more with a decimal point",
        ),
        (HEAD + "1.wav,0,,en\n", "truth.csv, line 2: end is ''; expected a number of 0 or more"),
        (HEAD + ",0,1,en\n", "truth.csv, line 2: no path; every segment needs the name of its recording"),
        (HEAD + "1.wav,0,1,\u200b\n", "truth.csv, line 2: no label; name it, or write [unknown] or [silence]"),
        (HEAD, "truth.csv: has no segments; expected columns path, start, end and label (or status), or lines of RTTM"),
        ("", "truth.csv: has columns none; expected columns path, start, end and label (or status), or lines of RTTM"),
        (
            "path,label\n1.wav,en\n",
            "truth.csv: has columns 'path', 'label'; expected columns path, start, end and label (or status), or lines "
            "of RTTM",
        ),
        ("path,start_s,end_s,label\n", "truth.csv: column 'start_s' would not be used; call it 'start'"),
        (
            "path,start,end,Label\n1.wav,0,1,en\n",
            "truth.csv: column 'Label' would not be used; call it 'label', or something else",
        ),
        (
            "path,start,end,status,label\n1.wav,0,1,quiet,\n",
            "truth.csv, line 2: status is 'quiet'; expected one of ok, unknown, silence",
        ),
        (
            "path,start,end,status,label\n1.wav,0,1,silence,en\n",
            "truth.csv, line 2: status silence and label 'en'; expected a label with ok, and none with another status",
        ),
        (
            "path,start,end,status,label\n1.wav,0,1,ok,\n",
            "truth.csv, line 2: status ok and no label; expected a label with ok, and none with another status",
        ),
        (
            "path,start,end,label,probability\n1.wav,0,1,en,1.5\n",
            "truth.csv, line 2: probability is '1.5'; expected a number of 0 or more, at most 1",
        ),
        (
            HEAD + '1.wav,0,1,"en\n',
            "truth.csv: cannot be read as CSV (line 2: a quote is not closed, or text follows it); "
            "expected columns path, start, end and label (or status), or lines of RTTM",
        ),
        (b"path,start,end,label\n\xff\xfe\xfa.wav,0,1,\xe9\n", "truth.csv: is not a UTF-8 text; save it in UTF-8"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line_and_the_cure(tmp_path, content, message):
    assert refused(tmp_path, content) == message


FIELDS = "SPEAKER FILE 1 START DURATION <NA> <NA> LABEL <NA> <NA>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("SPEAKER 1 1 0.5 x <NA> <NA> en\n", "a.rttm, line 1: the duration is 'x'; expected a number of 0 or more"),
        (
            "\nSPEAKER 1 1 0.5 0 <NA> <NA> en\n",
            "a.rttm, line 2: ends at 0.5 s and starts at 0.5 s; expected an end after the start",
        ),
        (
            "SPEAKER my talk 1 0.5 1 <NA> <NA> en <NA> <NA>\n",
            f"a.rttm, line 1: has 11 fields; expected {FIELDS}, with \\x20 for a blank within a name",
        ),
        (
            "SPEAKER 1 1 0.5 1\n",
            f"a.rttm, line 1: has 5 fields; expected {FIELDS}, with \\x20 for a blank within a name",
        ),
        ("1.wav,0,1,en\n", f"a.rttm, line 1: begins with '1.wav,0,1,en'; expected a line of RTTM: {FIELDS}"),
        (
            "SPEAKER 1 1 0.5 1 <NA> <NA> <NA> <NA> <NA>\n",
            "a.rttm, line 1: the label is <NA>; expected a label, or [unknown]",
        ),
        (
            "SPEAKER 1 1 0 2 <NA> <NA> en\nSPEAKER 1 1 1 2 <NA> <NA> fr\n",
            "a.rttm, line 2: 'fr' from 1 to 3 s of 1 overlaps 'en' from 0 to 2 s in line 1; expected one label at a "
            "time: cut or remove one",
        ),
    ],
)
def test_wrong_rttm_is_refused_with_its_line_and_the_cure(tmp_path, content, message):
    assert refused(tmp_path, content, "a.rttm") == message


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        read_timelines(tmp_path / "none.csv")


def test_segments_of_one_unit_are_read_back(tmp_path):
    line = Timeline((TimelineSegment(0.0, 0.001, "a"), TimelineSegment(0.001, 0.002, "b")), path="x")
    assert spans(read(tmp_path, to_rttm(line), "x.rttm")["x"]) == [(0.0, 0.001, "a"), (0.001, 0.002, "b")]
