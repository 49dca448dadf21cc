"""The scripts that make the synthetic corpora: same seed, same bytes, and manifests that hold out what they say."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # data_scripts is not in the wheel

from data_scripts import make_genres as genres
from data_scripts import make_languages as languages
from data_scripts.manifest import COLUMNS, Entry, at_level, read_manifest, write_flac, write_manifest

ENGLISH, FINNISH = languages.LANGUAGES[:2]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def need_demo():
    pytest.importorskip("espeakng_loader", reason="the voices need the extra: pip install 'gmmaudio[demo]'")
    pytest.importorskip("gflanguages", reason="the texts need the extra: pip install 'gmmaudio[demo]'")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    need_demo()
    return languages.make_languages(tmp_path_factory.mktemp("languages"), seconds=2.0, n_clips=1)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return genres.make_genres(tmp_path_factory.mktemp("genres"), seconds=1.0, n_clips=2, n_bands=2)


@pytest.fixture(params=["spoken", "played"])
def manifest(request):
    return request.getfixturevalue(request.param)


def test_manifest_lists_every_clip_once_and_nothing_else(manifest):
    header, *rows = manifest.read_bytes().decode("utf-8").split("\n")
    assert header == "path,label,group,source,split"
    assert rows == [*sorted(rows[:-1]), ""]
    entries = read_manifest(manifest)
    assert {entry.path for entry in entries} | {"manifest.csv"} == set(contents(manifest.parent))
    assert max(Counter(entry.path for entry in entries).values()) == 1
    assert all(entry.path.startswith(f"{entry.label}/") for entry in entries)


def test_no_group_is_in_both_splits(manifest):
    entries = read_manifest(manifest)
    train, test = ({entry.group for entry in entries if entry.split == split} for split in ("train", "test"))
    assert train
    assert test
    assert not train & test
    labels = {entry.label for entry in entries}
    assert {entry.label for entry in entries if entry.split == "test"} == labels


def test_clips_are_audible_finite_and_not_clipped(manifest):
    for entry in read_manifest(manifest):
        y, _ = sf.read(manifest.parent / entry.path)
        assert y.ndim == 1
        assert np.all(np.isfinite(y))
        assert 0.01 < np.sqrt(np.mean(y**2)) < 0.3, entry.path
        assert np.abs(y).max() < 0.99, entry.path


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


def test_six_styles_of_two_bands(played):
    entries = read_manifest(played)
    assert len({entry.label for entry in entries}) == 6
    assert set(Counter(entry.group for entry in entries).values()) == {2}
    assert Counter(entry.split for entry in entries) == {"train": 12, "test": 12}
    assert {entry.source for entry in entries} == {"numpy-synth"}
    assert {(sf.info(played.parent / entry.path).frames) for entry in entries} == {22_050}
    assert len({content for path, content in contents(played.parent).items() if path.endswith("flac")}) == 24


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
    # a voice repeats itself only when it has read all that there is
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


def test_speech_is_the_same_bytes_again_whatever_else_is_said_and_how_many_jobs(spoken, tmp_path):
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


def test_music_is_the_same_bytes_again_whatever_else_is_played(played, tmp_path):
    settings = {"seconds": 1.0, "n_clips": 2, "n_bands": 2, "styles": genres.STYLES[2:4]}
    genres.make_genres(tmp_path, **settings)
    first, again = contents(played.parent), contents(tmp_path)
    clips = {path for path in again if path.endswith(".flac")}
    assert len(clips) == 8
    assert {path: again[path] for path in clips} == {path: first[path] for path in clips}
    genres.make_genres(tmp_path, seed=1, **settings)
    other = contents(tmp_path)
    assert other.keys() == again.keys()
    assert all(other[path] != again[path] for path in clips)


def test_rhythms_of_a_style_are_bars_of_one_length():
    for style in genres.STYLES:
        rhythms = (*style.kick, *style.snare, *style.hat, *style.bass, *style.chords)
        assert len({len(rhythm) for rhythm in rhythms}) == 1, style.label
        assert len(rhythms[0]) % style.n_steps == 0, style.label
        assert not set("".join((*style.kick, *style.snare, *style.hat, *style.chords))) - set("xo.")
        assert not set("".join(style.bass)) - set("1234567.")


def test_a_tone_has_the_frequency_asked_for():
    timbre = replace(genres.STYLES[0].lead_timbres[0], attack_s=0.01, decay_s=50.0)
    y = genres._tone(timbre, 440.0, 1.0)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    assert np.argmax(spectrum) * genres.SR / len(y) == pytest.approx(440, abs=1.5)


def test_foreign_files_stay_and_clips_of_an_earlier_run_go(tmp_path):
    settings = {"seconds": 1.0, "n_bands": 2, "styles": genres.STYLES[:1]}
    foreign = {"notes.txt": b"mine", "ambient/cover.jpg": b"mine", "ambient/own.flac": b"mine"}
    for name, content in foreign.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    genres.make_genres(tmp_path, n_clips=2, **settings)
    before = contents(tmp_path)
    genres.make_genres(tmp_path, n_clips=2, **settings)
    assert contents(tmp_path) == before
    genres.make_genres(tmp_path, n_clips=1, **settings)
    after = contents(tmp_path)
    assert {name: after[name] for name in foreign} == foreign
    assert before.keys() - after.keys() == {
        "ambient/ambient-band-1-02.flac",
        "ambient/ambient-band-2-02.flac",
    }


def test_an_edited_manifest_does_not_make_us_remove_files_elsewhere(tmp_path):
    write_flac(tmp_path / "other.flac", np.zeros(10), 8000)
    (tmp_path / "corpus").mkdir()
    write_manifest(tmp_path / "corpus", [Entry("../other.flac", "a", "b", "numpy-synth", "train")])
    genres.make_genres(tmp_path / "corpus", seconds=1.0, n_clips=1, n_bands=2, styles=genres.STYLES[:1])
    assert (tmp_path / "other.flac").exists()


@pytest.mark.parametrize("content", ["", "path,label\na.wav,x\n", ",".join(COLUMNS) + "\na.wav,x,y,mine,train\n"])
def test_another_corpus_is_left_alone(tmp_path, content):
    (tmp_path / "manifest.csv").write_text(content)
    for make in (genres.make_genres, languages.make_languages):
        if make is languages.make_languages:
            need_demo()
        with pytest.raises(FileExistsError, match="choose another folder"):
            make(tmp_path)
    assert contents(tmp_path) == {"manifest.csv": content.encode()}


def test_a_voice_or_language_that_espeak_lacks_is_an_error(tmp_path):
    need_demo()
    for language in (replace(ENGLISH, espeak_name="xx"), replace(ENGLISH, espeak_name="en+nobody")):
        with pytest.raises(RuntimeError, match="has no voice"):
            languages.make_languages(tmp_path, seconds=2.0, n_clips=1, languages=[language])
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("settings", [{"seconds": 0.5}, {"seconds": float("nan")}, {"n_clips": 0}, {"seed": -1}])
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, settings):
    for make in (genres.make_genres, languages.make_languages):
        with pytest.raises(ValueError, match="expected seed >= 0"):
            make(tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


def test_more_seconds_than_there_is_text_is_refused(tmp_path):
    need_demo()
    with pytest.raises(ValueError, match="use fewer seconds"):
        languages.make_languages(tmp_path / "new", seconds=60.0)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("package", ["espeakng_loader", "gflanguages"])
def test_without_the_extra_the_message_says_what_to_install(tmp_path, monkeypatch, package):
    need_demo()
    monkeypatch.setitem(sys.modules, package, None)
    result = CliRunner().invoke(languages.main, [str(tmp_path / "new")])
    assert result.exit_code == 1
    assert "pip install 'gmmaudio[demo]'" in result.output
    assert not (tmp_path / "new").exists()


def test_script_runs_as_a_file_from_anywhere(tmp_path):
    script = Path(genres.__file__)
    arguments = ["genres", "--seconds", "1", "--clips", "1", "--bands", "2"]
    done = subprocess.run(
        [sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(Path("genres", "manifest.csv"))
    assert len(read_manifest(tmp_path / "genres" / "manifest.csv")) == 12


@pytest.mark.parametrize("level_db", [-40.0, -20.0, 0.0])
def test_level_is_reached_unless_the_peak_would_clip(level_db):
    y = at_level(np.sin(np.arange(8000) * 0.1) * 3.7, level_db)
    wanted = min(10 ** (level_db / 20), 0.98 / np.sqrt(2))
    assert np.sqrt(np.mean(y**2)) == pytest.approx(wanted, rel=1e-3)
    assert np.array_equal(at_level(np.zeros(5), level_db), np.zeros(5))


def test_the_account_on_top_of_each_script_is_complete():
    for module in (languages, genres):
        headings = re.findall(r"^(\w.*)$", module.__doc__, re.MULTILINE)
        assert {"What it is", "Columns", "Licence", "Citation", "Time"} <= set(headings)
        assert "synthetic" in module.__doc__
