"""Names: compared in NFC, near-doubles found, names of splits known, spelt for any file system."""

import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio import names
from gmmaudio.names import (
    difference,
    file_text,
    normal,
    quoted,
    respell,
    similar_names,
    skeleton,
    spellings,
    split_names,
)

NFC, NFD = "Beyonc\u00e9", "Beyonce\u0301"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(TEXT)
def test_names_of_one_nfc_form_are_one_name_in_the_first_spelling(name):
    forms = [unicodedata.normalize(form, name) for form in ("NFD", "NFC")]
    assert respell([*forms, *reversed(forms)]) == [forms[0]] * 4
    assert respell(forms, known=[forms[1]]) == [forms[1]] * 2
    assert normal(forms[0]) == forms[1]


def test_a_known_name_that_is_written_so_stays_as_it_is():
    assert respell([NFC, NFD, None, "Zo\u00e9"], known=[NFD, NFC]) == [NFC, NFD, None, "Zo\u00e9"]


def test_bytes_that_are_no_text_stay_as_they_are():
    assert respell(["caf\udce9", "caf\udce8"]) == ["caf\udce9", "caf\udce8"]
    assert similar_names(["caf\udce9", "caf\udce8"]) == []


# of each kind of difference one pair at least; none of them is one of normal forms
ALIKE = [
    ("Hip Hop", "hip  hop ", "case or spaces"),
    ("STRASSE", "stra\u00dfe", "case or spaces"),
    ("hip hop", "hip\u00a0hop", "case or spaces"),
    ("hiphop", "hip\u200bhop", "characters that look alike or are invisible"),
    ("hiphop", "hip\u00adhop", "characters that look alike or are invisible"),
    ("hiphop", "\ufeffhiphop", "characters that look alike or are invisible"),
    ("hiphop", "hip\u2060hop\u200e", "characters that look alike or are invisible"),
    ("hiphop", "hiphop\ufe0f", "characters that look alike or are invisible"),
    ("hiphop", "hip\u3164hop", "characters that look alike or are invisible"),
    ("hiphop", "hip\x08hop", "characters that look alike or are invisible"),
    ("hip-hop", "Hip\u2011Hop", "characters that look alike or are invisible"),
    ("hip-hop", "hip\u2013hop", "characters that look alike or are invisible"),
    ("hip-hop", "hip\u2212hop", "characters that look alike or are invisible"),
    ("Guns N' Roses", "Guns N\u2019 Roses", "characters that look alike or are invisible"),
    ("jazz", "\uff4a\uff41\uff5a\uff5a", "characters that look alike or are invisible"),
    ("office", "o\ufb03ce", "case or spaces"),
    ("1", "1.0", "how a number is written"),
    ("007", "7", "how a number is written"),
    ("1", "\uff11", "characters that look alike or are invisible"),
]


@pytest.mark.parametrize(("one", "other", "kind"), ALIKE)
def test_names_that_look_alike_are_found_with_the_difference(one, other, kind):
    assert similar_names([one, "another", other, one]) == [tuple(sorted((one, other)))]
    assert difference((one, other)) == kind


@pytest.mark.parametrize(
    "pair",
    [
        *[("1", "-1"), ("1", "10"), ("1.1", "1.10"), ("0", "00a"), ("1e3", "1000")],
        *[("hip-hop", "hip hop"), ("caf\u00e9", "cafe"), ("a", "b"), (NFC, NFD), ("\u03b1", "a")],
    ],
)
def test_other_names_are_not_alike(pair):
    assert similar_names(pair) == []


def test_every_invisible_character_of_unicode_is_ignored():
    formats = [chr(i) for i in range(sys.maxunicode + 1) if unicodedata.category(chr(i)) == "Cf"]
    assert {skeleton(f"ja{c}zz") for c in formats} == {"jazz"}


def test_what_differs_can_be_told_apart_in_quotes():
    for one, other, kind in ALIKE:
        if kind != "case or spaces":
            assert quoted(one) != quoted(other)
            assert all(c.isascii() or unicodedata.category(c)[0] in "LN" for c in quoted(other))
    assert quoted(NFC) == f"'{NFC}'"


@pytest.mark.parametrize(
    "name",
    [
        *("train", "Test", "DEV", "validation", "val", "eval", "test_set", "train-clean-100", "test other", "Fold 10"),
        *("fold_1", "validate", "holdout", "held-out", "trainset", "TRAINING DATA", "split2", "tr\u00adain"),
    ],
)
def test_names_of_splits_are_known(name):
    assert split_names([name, "jazz"]) == [name]


@pytest.mark.parametrize("name", ["trance", "rain", "test tones", "steam train", "devotional", "values", "Testament"])
def test_names_of_classes_are_no_splits(name):
    assert split_names([name, "jazz"]) == []


@pytest.mark.parametrize("name", ["Hold-Out", "1_train", "02-test", "fold_a", "Split B", "cv_3", "cv fold 2"])
def test_splits_with_numbers_and_letters_are_known(name):
    assert split_names([name, "jazz"]) == [name]


@pytest.mark.parametrize("name", ["cv", "2 step", "a test", "1 jazz", "test tones a", "cv music"])
def test_numbers_and_letters_make_no_split(name):
    assert split_names([name, "jazz"]) == []


def test_a_word_beside_the_split_counts_where_another_split_has_it_too():
    both = ["FSDKaggle2018.audio_test", "FSDKaggle2018.audio_train"]
    assert split_names(both) == both
    assert split_names(["train_music", "test_music"]) == ["test_music", "train_music"]
    assert split_names([both[0], "steam train"]) == []


def test_spellings_begin_with_the_one_given_and_read_old_playlists():
    assert list(spellings(NFD)) == [NFD, NFC, NFD]
    assert "caf\u00e9.mp3" in list(spellings("caf\udce9.mp3"))
    assert "N\u2019 Roses" in list(spellings("N\udc92 Roses"))


@pytest.mark.skipif(not names._encodes_utf8(), reason="the locale of this run is another one")
def test_names_are_text_where_the_locale_is_another_than_the_file_system(monkeypatch):
    # how Python sees the bytes of a name in UTF-8 under an ASCII locale, which keeps them as surrogates
    seen = os.fsdecode(NFC.encode()).encode().decode("ascii", "surrogateescape")
    assert file_text(NFC) == NFC
    monkeypatch.setattr(names, "_encodes_utf8", lambda: False)
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("ascii", "surrogateescape"))
    monkeypatch.setattr(os, "fsdecode", lambda data: data.decode("ascii", "surrogateescape"))
    assert file_text(seen) == NFC
    assert file_text("caf\udce9") == "caf\udce9", "Latin-1 bytes are no UTF-8"
    assert seen in list(spellings(NFC))
