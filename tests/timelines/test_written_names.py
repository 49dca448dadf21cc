import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.timelines import TimelineSegment
from gmmaudio.timelines.written_names import escape_name, status_and_label, unescape_name, written_name
from tests.timelines.conftest import FIXED, HOSTILE, labels

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def segment(label, status="ok"):
    return TimelineSegment(0, 1, label, status)


@FIXED
@given(labels, st.sampled_from(["", r"\s\"<", "<>{}", r"\["]))
def test_a_written_name_is_read_back(label, also):
    assert status_and_label(written_name(segment(label), also)) == ("ok", label)


@FIXED
@given(labels, st.sampled_from(["", r"\s\"<"]))
def test_a_written_name_is_one_line_of_xml_in_utf_8(label, also):
    text = written_name(segment(label), also)
    text.encode("utf-8")
    assert NOT_XML.search(text) is None
    assert len(text.splitlines()) == 1
    assert text == text.strip()
    assert not also or text.split() == [text]


def test_hostile_names_and_statuses_have_different_written_names():
    written = [written_name(segment(label)) for label in HOSTILE]
    written += [written_name(segment(None, status)) for status in ("unknown", "silence")]
    assert all(one != other for one, other in itertools.combinations(written, 2))


@pytest.mark.parametrize("status", ["unknown", "silence"])
def test_a_status_is_read_back(status):
    assert status_and_label(written_name(segment(None, status))) == (status, None)


def test_what_is_no_escape_is_read_as_it_stands():
    assert unescape_name("C:\\new\\Umlaut \\U00110000 \\xZZ") == "C:\\new\\Umlaut \\U00110000 \\xZZ"


def test_joiners_of_letters_stay():
    assert escape_name("\u06a9\u062a\u0627\u0628\u200c\u0647\u0627") == "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627"
