"""The corpus of synthetic speech: sentences, passages, voices, and reproducible bytes."""

import re
import sys
from collections import Counter
from dataclasses import replace

import pytest
import soundfile as sf
from click.testing import CliRunner

from data_scripts import make_languages as languages
from data_scripts.manifest import read_manifest
from tests.data_scripts.conftest import contents, need_demo

ENGLISH, FINNISH = languages.LANGUAGES[:2]


def test_every_language_has_every_voice(spoken):
    entries = read_manifest(spoken)
    pairs = Counter((entry.label, entry.group) for entry in entries)
    assert len(pairs) == 8 * 6 == len(entries)
    assert len({entry.label for entry in entries}) == 8
    assert {entry.source for entry in entries} == {"espeak-ng"}
    # one split for a voice, whatever the language
    assert Counter({entry.group: entry.split for entry in entries}.values()) == {"train": 4, "test": 2}
    for entry in entries:
        info = sf.info(spoken.parent / entry.path)
        assert (info.samplerate, info.channels, info.format) == (16_000, 1, "FLAC")
        assert 0.8 < info.duration < 4.5, entry.path


@pytest.mark.parametrize("language", languages.LANGUAGES, ids=lambda language: language.label)
def test_by_default_no_passage_is_read_twice_and_no_sentence_is_in_both_splits(language):
    need_demo()
    plan = languages.plan_language(language)
    assert len(plan) == 6 * 4
    assert len({utterance.text for utterance in plan}) == len(plan)
    splits_of = {
        sentence: {utterance.entry.split for utterance in plan if utterance.text in sentence}
        for sentence in map(" ".join, map(str.split, languages.read_sentences(language.text_id)))
    }
    assert all(len(splits) <= 1 for splits in splits_of.values())
    assert {split for splits in splits_of.values() for split in splits} == {"train", "test"}


def test_more_clips_than_passages_are_shared_within_a_split_only():
    need_demo()
    plan = languages.plan_language(ENGLISH, n_clips=9)
    texts = {split: {u.text for u in plan if u.entry.split == split} for split in ("train", "test")}
    assert not texts["train"] & texts["test"]
    assert set(Counter(utterance.entry.group for utterance in plan).values()) == {9}
    # a voice repeats itself only when it has read the whole text
    assert max(Counter((u.entry.group, u.text) for u in plan if u.entry.split == "train").values()) == 1


# the German and Greek samples, which no language of the corpus uses, repeat one another most
@pytest.mark.parametrize("text_id", ["de_Latn", "el_Grek", *(lang.text_id for lang in languages.LANGUAGES)])
def test_sentences_are_clean_and_none_is_a_part_of_another(text_id):
    need_demo()
    sentences = languages.read_sentences(text_id)
    assert not any(sign in sentence for sentence in sentences for sign in '\n\\"')
    for i, sentence in enumerate(sentences):
        assert not any(sentence in other for other in (*sentences[:i], *sentences[i + 1 :]))


def test_sentences_are_read_whole():
    need_demo()
    assert "No one shall be subjected to arbitrary arrest, detention or exile" in languages.read_sentences("en_Latn")


@pytest.mark.parametrize("n_chars", [1, 7, 20, 500])
def test_passages_are_all_the_words_of_the_sentence_in_order(n_chars):
    sentence = "All human beings are born free and equal in dignity and rights"
    passages = languages.cut_passages(sentence, n_chars)
    assert " ".join(passages) == sentence
    if n_chars == 20:
        assert [len(passage) for passage in passages] == pytest.approx([20, 20, 20], abs=5)


def test_speech_is_the_same_bytes_whichever_languages_and_for_any_number_of_jobs(spoken, tmp_path):
    settings = {"seconds": 2.0, "n_clips": 1, "languages": (FINNISH, ENGLISH)}
    languages.make_languages(tmp_path, n_jobs=1, **settings)
    first, again = contents(spoken.parent), contents(tmp_path)
    clips = {path for path in again if path.endswith(".flac")}
    assert len(clips) == 12
    assert {path: again[path] for path in clips} == {path: first[path] for path in clips}
    languages.make_languages(tmp_path, seed=1, **settings)
    other = contents(tmp_path)
    assert other.keys() == again.keys()
    assert all(other[path] != again[path] for path in clips)
    assert other["manifest.csv"] == again["manifest.csv"]


def test_a_voice_or_language_that_espeak_lacks_is_an_error(tmp_path):
    need_demo()
    for language in (replace(ENGLISH, espeak_name="xx"), replace(ENGLISH, espeak_name="en+nobody")):
        with pytest.raises(RuntimeError, match="has no voice"):
            languages.make_languages(tmp_path, seconds=2.0, n_clips=1, languages=[language])
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("settings", [{"seconds": 0.5}, {"seconds": float("nan")}, {"n_clips": 0}, {"seed": -1}])
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, settings):
    with pytest.raises(ValueError, match="expected seed >= 0"):
        languages.make_languages(tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


def test_clips_longer_than_the_text_allows_are_refused(tmp_path):
    need_demo()
    with pytest.raises(ValueError, match="use fewer seconds"):
        languages.make_languages(tmp_path / "new", seconds=60.0)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("package", ["espeakng_loader", "gflanguages"])
def test_without_the_extra_the_message_names_the_command_that_installs_it(tmp_path, monkeypatch, package):
    need_demo()
    monkeypatch.setitem(sys.modules, package, None)
    result = CliRunner().invoke(languages.main, [str(tmp_path / "new")])
    assert result.exit_code == 1
    assert "pip install 'gmmaudio[demo]'" in result.output
    assert not (tmp_path / "new").exists()


def test_the_docstring_describes_the_corpus():
    headings = re.findall(r"^(\w.*)$", languages.__doc__, re.MULTILINE)
    assert {"What it is", "Columns", "Licence", "Citation", "Time"} <= set(headings)
    assert "synthetic" in languages.__doc__
