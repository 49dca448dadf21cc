"""The check of a corpus before anything is learned: what each finding needs, and what a run says at its head."""

import sys

import numpy as np
import pytest
import soundfile

from gmmaudio import check_corpus, pipeline
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.pipeline import check_before_run
from gmmaudio.pipeline.head_survey import MAX_SAMPLE, choose_sample

SR = 8_000


def put(path, seconds=1.0, sr=SR, seed=0, gain=0.1, artist=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.random.default_rng(seed).normal(scale=gain, size=round(seconds * sr)).astype(np.float32)
    with soundfile.SoundFile(path, "w", sr, 1) as sound:
        if artist is not None:
            sound.artist = artist
        sound.write(y)


@pytest.fixture
def albums(tmp_path):
    """Two labels of three albums of two songs of a second each."""
    for label in ("jazz", "rock"):
        for album in range(3):
            for song in range(2):
                put(tmp_path / label / f"album{album}" / f"{song}.wav", seed=song)
    return tmp_path


def codes(findings):
    return [finding.code for finding in findings]


def texts(findings, code):
    return [str(finding) for finding in findings if finding.code == code]


# --- facts -----------------------------------------------------------------------------------------------------------


def test_facts_of_labels_are_those_of_their_files(albums):
    put(albums / "rock" / "album3" / "x.flac", seconds=3.0, sr=16_000)
    jazz, rock = check_corpus(albums, group_by="parent").labels
    assert (jazz.label, jazz.n_clips, jazz.n_files, jazz.n_groups, jazz.duration_s) == ("jazz", 6, 6, 3, 6.0)
    assert (jazz.formats, jazz.sample_rates_hz, jazz.bit_rate) == ({"WAV": 6}, {8_000: 6}, None)
    assert (rock.formats, rock.sample_rates_hz) == ({"WAV": 6, "FLAC": 1}, {8_000: 6, 16_000: 1})
    assert (rock.largest_group, rock.largest_share) == ("rock/album3", pytest.approx(3 / 9))
    assert jazz.level_db == pytest.approx(-20, abs=0.5)
    assert jazz.band_hz == pytest.approx(SR / 2, abs=600)


def test_segments_of_one_file_are_several_clips(albums):
    rows = ["path,label,group,start,end", "jazz/album0/0.wav,a,x,0,0.25", "jazz/album0/0.wav,a,y,0.25,"]
    (albums / "m.csv").write_text("\n".join([*rows, "rock/album0/0.wav,b,z,,"]))
    a, b = check_corpus(albums / "m.csv").labels
    assert (a.n_clips, a.n_files, a.n_groups, a.duration_s) == (2, 1, 2, 1.0)
    assert (a.largest_group, a.largest_share) == ("y", 0.75)
    assert b.duration_s == 1.0


def test_what_is_decoded_is_bounded_and_from_many_groups(albums):
    assert check_corpus(albums, n_decoded=0).n_decoded == 0
    assert check_corpus(albums, n_decoded=2).n_decoded == 4
    clips = [Clip(f"{k}.wav", f"label {k % 50}", held_out_by=str(k % 7)) for k in range(5_000)]
    chosen = choose_sample(clips, 8)
    assert len(chosen) == MAX_SAMPLE // 50 * 50
    assert len({clip.held_out_by for clip in chosen if clip.label == "label 3"}) == 6
    assert choose_sample(clips, 8) == chosen
    with pytest.raises(SettingError, match="`n_decoded` is -1; expected 0 or more"):
        check_corpus(albums, n_decoded=-1)


def test_files_without_a_head_are_named_and_the_others_are_used(albums):
    (albums / "jazz" / "album0" / "0.wav").write_bytes(b"")
    check = check_corpus(albums, group_by="parent")
    assert [(item.path, item.code) for item in check.failed] == [("jazz/album0/0.wav", "empty")]
    assert check.labels[0].n_clips == 6 and check.labels[0].duration_s == 5.0


# --- groups ----------------------------------------------------------------------------------------------------------


def test_a_good_corpus_has_no_finding(albums):
    assert check_corpus(albums, group_by="parent").findings == ()


def test_labels_of_fewer_than_three_groups_are_named(albums):
    for song in range(2):
        (albums / "rock" / "album2" / f"{song}.wav").rename(albums / "rock" / "album1" / f"{song + 2}.wav")
    assert texts(check_corpus(albums, group_by="parent").findings, "few_groups_of_label") == [
        "labels with fewer than 3 groups: 'rock' (2): what is learned of them may be that artist, speaker or album; "
        "add clips of others"
    ]
    # the same where folders are not named, but may be groups
    findings = check_corpus(albums).findings
    assert "labels with fewer than 3 folders: 'rock' (2)" in texts(findings, "few_groups_of_label")[0]


@pytest.mark.parametrize(("seconds", "is_found"), [(5.9, False), (6.1, True)])
def test_a_group_of_more_than_60_percent_of_the_sound_is_named(albums, seconds, is_found):
    # beside four seconds of the two others
    for song in range(2):
        put(albums / "jazz" / "album0" / f"{song}.wav", seconds=seconds / 2)
    found = texts(check_corpus(albums, group_by="parent").findings, "most_sound_of_one_group")
    assert bool(found) == is_found
    if is_found:
        assert found == [
            "labels with more than 60 % of their sound from one group: 'jazz' (60 % from 'jazz/album0'): what is "
            "learned of them may be that one; add clips of others, or leave some of it out"
        ]


def test_unknown_groups_are_said_with_the_way_to_name_them(albums, tmp_path):
    check = check_corpus(albums)
    assert check.grouping == "folders, as no groups are named"
    (text,) = texts(check.findings, "groups_not_named")
    assert text == (
        "the groups of 12 of 12 clips are unknown; they lie in 6 folders: clips of one artist, speaker or album may be "
        'trained on and scored; if these are artists, speakers or albums, name them as groups (`group_by="parent"`)'
    )
    assert codes(check_corpus(albums, group_by="none").findings) == []


@pytest.mark.parametrize(("artists", "words"), [("AB", 'group_by="tag:artist"'), ((None, None), "add a column group")])
def test_tags_are_suggested_where_most_files_have_them(tmp_path, artists, words):
    for label in ("jazz", "rock"):
        for i in range(4):
            put(tmp_path / label / f"{i}.flac", artist=artists[i % 2])
    (text,) = texts(check_corpus(tmp_path).findings, "groups_not_named")
    assert words in text


def test_groups_of_tags_may_be_missing_in_a_check(tmp_path):
    for label in ("jazz", "rock"):
        for i in range(4):
            put(tmp_path / label / f"{i}.flac", artist=None if (label, i) == ("rock", 0) else f"{label} {i}")
    check = check_corpus(tmp_path, group_by="tag:artist")
    jazz, rock = check.labels
    assert (jazz.n_groups, rock.n_groups) == (4, None)
    (text,) = texts(check.findings, "groups_not_named")
    assert text.startswith("the groups of 1 of 8 clips are unknown")
    assert text.endswith("; fill 'tag:artist' for them, or name another source of groups (`group_by`)")
    with pytest.raises(CorpusError) as refused:
        check_corpus(tmp_path, group_by="singer")
    assert str(refused.value) == "no clip has a value of 'singer'; name another source of groups (`group_by`)"


# --- folders and splits ----------------------------------------------------------------------------------------------


def test_the_folder_around_a_corpus_is_refused_with_the_cure(albums, tmp_path_factory):
    root = tmp_path_factory.mktemp("parent")
    albums.rename(root / "my_music")
    check = check_corpus(root)
    assert check.refusal.startswith("only one label, 'my_music'; expected two or more")
    assert "did you mean my_music/? If so" in texts(check.findings, "class_folder_of_folders")[0]
    put(root / "new_songs" / "1.wav")
    check = check_corpus(root)
    assert check.refusal == ""
    assert "did you mean my_music/? If so" in texts(check.findings, "class_folder_of_folders")[0]


def test_splits_are_compared(albums):
    rows = ["path,label,group,split"]
    for label in ("jazz", "rock"):
        for album in range(3):
            split = "test" if album == 2 else "train"
            rows += [f"{label}/album{album}/{song}.wav,{label},{label} {album},{split}" for song in range(2)]
    (albums / "m.csv").write_text("\n".join(rows))
    assert codes(check_corpus(albums / "m.csv").findings) == []
    assert check_corpus(albums / "m.csv").labels[0].splits == {"train": 4, "test": 2}
    rows[1] = rows[1].replace("train", "test")
    rows[-1] = rows[-1].replace(",rock,", ",fado,")
    (albums / "m.csv").write_text("\n".join(rows))
    findings = check_corpus(albums / "m.csv").findings
    assert "group_on_both_sides" in codes(findings)
    assert texts(findings, "label_not_in_train") == [
        "labels of 'test' that the split 'train' does not have: 'fado'; move clips of them into train, or leave them "
        "out"
    ]
    assert {facts.n_clips for facts in check_corpus(albums / "m.csv", split="train").labels} == {3, 4}


# --- what tells labels apart -----------------------------------------------------------------------------------------


def test_formats_rates_levels_and_bands_that_tell_labels_apart_are_found(tmp_path):
    for i in range(8):
        put(tmp_path / "jazz" / f"a{i}" / "1.wav", seed=i, gain=0.02)
        put(tmp_path / "rock" / f"b{i}" / "1.flac", seed=i, sr=22_050)
    findings = check_corpus(tmp_path, group_by="parent").findings
    assert codes(findings) == [
        *("format_confounded", "sample_rate_confounded", "band_limit_confounded"),
        "level_confounded",
    ]
    assert codes(check_corpus(tmp_path, group_by="parent", n_decoded=0).findings) == codes(findings)[:2]


def test_a_file_of_segments_of_two_labels_counts_for_both(albums):
    rows = ["path,label,group,start,end"]
    for album in range(3):
        for start, label in ((0, "a"), (0.5, "b")):
            rows.append(f"jazz/album{album}/0.wav,{label},{label} {album},{start},{start + 0.5}")
        rows += [f"rock/album{album}/0.wav,c,{album},,"]
        put(albums / "rock" / f"album{album}" / "0.wav", sr=16_000)
    (albums / "m.csv").write_text("\n".join(rows))
    (text,) = texts(check_corpus(albums / "m.csv", n_decoded=0).findings, "sample_rate_confounded")
    # a and b are told from c alone, which is half of the others
    assert (
        "'a' (100 % 8000 Hz, others 50 %); 'b' (100 % 8000 Hz, others 50 %); 'c' (100 % 16000 Hz, others 0 %)" in text
    )


# --- the extra -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_media", "is_found"), [(1, False), (2, True)])
def test_more_than_a_tenth_that_need_an_extra_are_an_alarm_and_stop_a_run(albums, monkeypatch, n_media, is_found):
    monkeypatch.setitem(sys.modules, "av", None)
    # beside twelve that need none
    for i in range(n_media):
        (albums / "jazz" / "album0" / f"{i}.m4a").write_bytes(b"\x00\x00\x00\x18ftypM4A " + bytes(400))
    check = check_corpus(albums, group_by="parent")
    assert [item.code for item in check.failed] == ["needs_media"] * n_media
    assert codes(check.findings) == ["media_extra_missing"] * is_found
    corpus = pipeline.read_corpus(albums)
    if not is_found:
        assert check_before_run(corpus, group_by="parent") == ()
        return
    with pytest.raises(CorpusError) as refused:
        check_before_run(corpus, group_by="parent")
    assert str(refused.value) == (
        "2 of 14 files are of formats that libsndfile does not read, such as jazz/album0/0.m4a; install the media "
        "extra: pip install 'gmmaudio[media]'"
    )


# --- before a run ----------------------------------------------------------------------------------------------------


def test_before_a_run_nothing_is_decoded_and_only_what_matters_is_said(albums, monkeypatch):
    from gmmaudio.pipeline import head_survey

    monkeypatch.setattr(head_survey, "read_blocks", None)
    findings = check_before_run(pipeline.read_corpus(albums))
    assert codes(findings) == ["groups_not_named"]
    assert {finding.level for finding in findings} <= {"alarm", "warning"}
    # where nothing tells the groups, the run itself says that they are unknown
    for path in sorted(albums.glob("*/*/*.wav")):
        path.rename(path.parents[1] / f"{path.parent.name}-{path.name}")
    assert check_before_run(pipeline.read_corpus(albums)) == ()


def test_before_a_run_the_clips_of_the_run_are_looked_at(albums):
    rows = ["path,label,group,split"]
    for label in ("jazz", "rock"):
        rows += [f"{label}/album{a}/0.wav,{label},{label} {a},{('train', 'test')[a > 0]}" for a in range(3)]
    (albums / "m.csv").write_text("\n".join(rows))
    corpus = pipeline.read_corpus(albums / "m.csv")
    assert "'jazz' (1); 'rock' (1)" in str(check_before_run(corpus)[0])
    assert "'jazz' (2); 'rock' (2)" in str(check_before_run(corpus, split="test")[0])
    assert check_before_run(corpus, fold_column="split") != check_before_run(corpus)


def test_a_check_is_plain_values(albums):
    values = check_corpus(albums, group_by="parent").to_dict()
    assert values["format"] == 1
    assert values["labels"][0]["formats"] == {"WAV": 6}
    assert (values["refusal"], values["failed"], values["n_decoded"]) == ("", (), 12)


def test_a_corpus_without_clips_in_the_split_is_refused(albums):
    with pytest.raises(CorpusError, match="no clip has split 'dev'"):
        check_corpus(albums, split="dev")
    assert Corpus(albums, ()).clips == ()
