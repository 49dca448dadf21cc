"""The page of the check of a corpus: what it shows, and that no name is more than text."""

import re

import pytest

from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding
from gmmaudio.pictures.corpus_page import render_check
from gmmaudio.pipeline import CorpusCheck, LabelFacts
from tests.evaluation.conftest import HOSTILE


def facts(label="jazz", **changes):
    values = {
        "n_clips": 3,
        "n_files": 2,
        "n_groups": 2,
        "largest_group": "ann",
        "largest_share": 0.625,
        "duration_s": 90.0,
        "formats": {"MP3": 2, "FLAC": 1},
        "sample_rates_hz": {44_100: 3},
        "bit_rate": 128_400.0,
        "splits": {"": 3},
    }
    return LabelFacts(label, **values | changes)


def check_of(*labels, **changes):
    values = {"group_by": None, "grouping": "groups of the corpus", "findings": (), "failed": ()}
    return CorpusCheck(labels=labels, **values | changes)


def cells(page):
    return [
        [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr>(.*?)</tr>", page, re.S)
    ]


def test_the_table_has_a_row_for_each_label_and_no_empty_column():
    page = render_check(check_of(facts(), facts("rock", bit_rate=None, n_groups=None, largest_share=None)), "Music")
    assert cells(page) == [
        ["label", "clips", "files", "groups", "largest group", "minutes", "formats", "kHz", "kbit/s"],
        ["jazz", "3", "2", "2", "62 %", "1.5", "MP3 2, FLAC 1", "44.1", "128"],
        ["rock", "3", "2", "–", "–", "1.5", "MP3 2, FLAC 1", "44.1", "–"],
    ]
    page = render_check(check_of(facts(n_files=3, splits={"train": 2, "": 1}, level_db=-20.4, band_hz=4e3)), "Music")
    assert cells(page)[0] == [
        *("label", "clips", "splits", "groups", "largest group", "minutes", "formats", "kHz", "kbit/s"),
        *("level, dB", "band, kHz"),
    ]
    assert "train 2, none 1" in page


def test_alarms_come_first_and_what_was_found_is_counted():
    findings = (Finding("format_confounded", "alarm", "MP3 here"), Finding("inner_splits_read", "information", "read"))
    failed = (FailedInput("a.wav", "empty", "has no bytes"),)
    page = render_check(check_of(facts(), findings=findings, failed=failed, n_skipped=3, n_decoded=2), "Music")
    assert page.index("Read these first") < page.index("<strong>Alarm:</strong> MP3 here") < page.index("<h2>Labels")
    assert "<h3>Information</h3>" in page and "<td>empty</td>" in page
    assert "ten seconds of each of 2 files" in page and "suffix: 3, skipped" in page
    page = render_check(check_of(facts(), findings=findings[1:]), "Music")
    assert "Nothing was found" in page and "<h3>Information</h3>" in page and "every head was read" in page


def test_a_refusal_is_said():
    assert "only one label" in render_check(check_of(facts(), refusal="only one label"), "Music")
    assert "No model" not in render_check(check_of(facts()), "Music")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_and_nothing_else(name):
    finding = Finding("similar_labels", "warning", name)
    failed = (FailedInput(name, "empty", name),)
    page = render_check(
        check_of(facts(name, largest_group=name), grouping=name, findings=(finding,), failed=failed, refusal=name), name
    )
    assert "<script" not in page and "<img" not in page and "javascript:" not in page.lower().replace(name.lower(), "")
    assert re.search(r"default-src 'none'; style-src 'unsafe-inline'", page)
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
