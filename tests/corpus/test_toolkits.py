"""Corpora as Kaldi, lhotse and Hugging Face write them; nothing that they name is ever run or fetched."""

import gzip
import json

import pytest

from gmmaudio.corpus import Clip
from gmmaudio.corpus.reading import read_corpus
from gmmaudio.errors import CorpusError

SUFFIXES = {".wav", ".flac"}


def put(folder, **files):
    """Write text files into a folder: names have two underscores for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def clips_of(path):
    return [
        (clip.path, clip.label, clip.group, clip.split, clip.start_s, clip.end_s)
        for clip in read_corpus(path, SUFFIXES).clips
    ]


def refusal(path):
    with pytest.raises(CorpusError) as refused:
        read_corpus(path, SUFFIXES)
    return str(refused.value).replace(str(path), "DIR")


# --- Kaldi --------------------------------------------------------------------------------------------------------

WAVES = {"wav__scp": "r1 ann/1.flac\nr2\tbob 2.wav\n", "utt2lang": "r1 en\nr2 fr\n", "utt2spk": "r1 ann\nr2 bob\n"}


def test_a_data_directory_has_labels_and_speakers(tmp_path):
    folder = put(tmp_path, **WAVES)
    assert clips_of(folder) == [
        ("ann/1.flac", "en", "ann", None, 0.0, None),
        ("bob 2.wav", "fr", "bob", None, 0.0, None),
    ]
    corpus = read_corpus(folder, SUFFIXES)
    assert (corpus.root, corpus.clips[0].column("utterance"), corpus.findings) == (folder, "r1", ())


def test_segments_are_parts_of_recordings(tmp_path):
    segments = "u1 r1 0.5 2.25\nu2 r1 2.25 -1\nu3 r2 0 1e1\n"
    folder = put(tmp_path, **WAVES | {"utt2lang": "u1 en\nu2 en\nu3 fr\n", "utt2spk": "u1 ann\n"}, segments=segments)
    assert clips_of(folder) == [
        ("ann/1.flac", "en", "ann", None, 0.5, 2.25),
        ("ann/1.flac", "en", None, None, 2.25, None),
        ("bob 2.wav", "fr", None, None, 0.0, 10.0),
    ]


def test_a_relative_path_is_looked_for_where_recipes_run(tmp_path, monkeypatch):
    folder = put(tmp_path / "data", wav__scp="r1 wavs/1.wav\nr2 here.wav\n", utt2lang="r1 en\nr2 fr\n")
    put(tmp_path / "wavs", **{"1__wav": ""})
    put(folder, here__wav="")
    monkeypatch.chdir(tmp_path)
    assert [path for path, *_ in clips_of(folder)] == [str(tmp_path / "wavs/1.wav"), "here.wav"]


def test_utterances_of_one_file_alone_are_left_out_and_said(tmp_path):
    corpus = read_corpus(put(tmp_path, **WAVES | {"utt2lang": "r1 en\nr9 fr\n"}), SUFFIXES)
    assert [clip.path for clip in corpus.clips] == ["ann/1.flac"]
    (finding,) = corpus.findings
    assert (finding.code, finding.level) == ("utterances_left_out", "warning")
    assert finding.text.startswith("2 utterances have a label or a recording, not both, and are left out: 'r2', 'r9'")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"wav__scp": "r1 touch mark; cat x.wav |\n"},
            "DIR/wav.scp, line 1: is a command ('touch mark; cat x.wav |'), which is never run; run it yourself, and "
            "name the file that it makes",
        ),
        ({"wav__scp": "r1 | tee x\n"}, "DIR/wav.scp, line 1: is a command"),
        ({"wav__scp": "r1 a.wav\nr1 b.wav\n"}, "DIR/wav.scp, line 2: 'r1' is there twice; keep one line"),
        ({"wav__scp": "r1\n"}, "DIR/wav.scp, line 1: has 'r1' alone; expected a value after it"),
        ({"utt2lang": "x en\n"}, "DIR: none of 1 utterances in utt2lang is in wav.scp; both name utterances in the"),
        ({"utt2lang": ""}, "DIR: none of 0 utterances in utt2lang is in wav.scp"),
        ({"segments": "r1 r1 0\n"}, "DIR/segments, line 1: has 3 words; expected utterance, recording, start and end"),
        ({"segments": "r1 r9 0 1\n"}, "DIR/segments, line 1: the recording 'r9' is not in wav.scp; add its line"),
        ({"segments": "r1 r1 2 1\n"}, "DIR/segments, line 1: is from 2 to 1 s; expected 0 or more, and an end after"),
        ({"segments": "r1 r1 -3 1\n"}, "DIR/segments, line 1: is from -3 to 1 s; expected 0 or more"),
        ({"segments": "r1 r1 0 nan\n"}, "DIR/segments, line 1: 'nan' is no number of seconds"),
        ({"segments": "r1 r1 0 1_0\n"}, "DIR/segments, line 1: '1_0' is no number of seconds"),
    ],
)
def test_wrong_lines_are_refused_by_their_number(tmp_path, monkeypatch, files, message):
    monkeypatch.chdir(tmp_path)
    folder = put(tmp_path / "data", **WAVES | files)
    assert refusal(folder).startswith(message)
    # no command was run
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_data_directory_without_labels_says_so(tmp_path):
    message = "DIR: has wav.scp and no utt2lang; expected one line for each utterance, such as u1 en"
    assert refusal(put(tmp_path, wav__scp="r1 a.wav\n")) == message


# --- lhotse -------------------------------------------------------------------------------------------------------


def recording(name, path, **changes):
    sources = [{"type": "file", "channels": [0], "source": path}]
    plain = {"id": name, "sources": sources, "sampling_rate": 16000, "num_samples": 80000, "duration": 5.0}
    return plain | {"channel_ids": [0]} | changes


def supervision(name, recording_id, **changes):
    plain = {"id": name, "recording_id": recording_id, "start": 0.0, "duration": 5.0, "channel": 0, "text": "-"}
    return {**plain, "language": "en", "speaker": "ann", **changes}


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


@pytest.mark.parametrize("packed", [False, True])
def test_manifests_of_lhotse_have_labels_speakers_and_segments(tmp_path, packed):
    texts = {
        "recordings": lines(recording("r1", "ann/1.flac"), recording("r2", "/sound/2.wav")),
        "supervisions": lines(
            supervision("s1", "r1"),
            supervision("s2", "r2", start=1.0, duration=1.5, language="fr", speaker=None),
            supervision("s3", "r2", start=2.5, duration=2.5, language=None, custom={"label": "de"}),
        ),
    }
    for name, text in texts.items():
        if packed:
            (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (tmp_path / f"{name}.jsonl").write_text(text)
    expected = [
        ("ann/1.flac", "en", "ann", None, 0.0, None),
        ("/sound/2.wav", "fr", None, None, 1.0, 2.5),
        ("/sound/2.wav", "de", "ann", None, 2.5, 5.0),
    ]
    suffix = ".jsonl.gz" if packed else ".jsonl"
    for path in (tmp_path, tmp_path / f"supervisions{suffix}", tmp_path / f"recordings{suffix}"):
        assert clips_of(path) == expected
    assert read_corpus(tmp_path, SUFFIXES).clips[1].column("supervision") == "s2"


def test_parts_of_a_corpus_are_splits(tmp_path):
    for part, name in (("train", "r1"), ("test", "r2")):
        put(tmp_path, **{f"x_recordings_{part}__jsonl": lines(recording(name, f"{name}.wav"))})
        put(tmp_path, **{f"x_supervisions_{part}__jsonl": lines(supervision(f"s{name}", name))})
    assert [(clip[0], clip[3]) for clip in clips_of(tmp_path)] == [("r2.wav", "test"), ("r1.wav", "train")]


def test_lhotse_itself_writes_what_is_read(tmp_path):
    audio, sup = pytest.importorskip("lhotse.audio"), pytest.importorskip("lhotse.supervision")
    made = audio.Recording("r1", [audio.AudioSource("file", [0], "1.wav")], 16000, 80000, 5.0)
    audio.RecordingSet.from_recordings([made]).to_file(tmp_path / "recordings.jsonl.gz")
    segment = sup.SupervisionSegment("s1", "r1", 1.0, 2.0, language="en", speaker="ann")
    sup.SupervisionSet.from_segments([segment]).to_file(tmp_path / "supervisions.jsonl.gz")
    assert clips_of(tmp_path) == [("1.wav", "en", "ann", None, 1.0, 3.0)]


@pytest.mark.parametrize(
    ("of_recording", "of_supervision", "message"),
    [
        (
            {"sources": [{"type": "command", "channels": [0], "source": "cat x |"}]},
            {},
            "recordings.jsonl, line 1: the recording 'r1' has sources of the types command; expected one file: "
            "commands are never run, and nothing is fetched",
        ),
        ({"sources": [{"type": "url", "channels": [0], "source": "http://x"}]}, {}, "has sources of the types url"),
        ({"sources": []}, {}, "has sources of the types none"),
        ({"id": 3}, {}, "recordings.jsonl, line 1: id is 3; expected a string"),
        ({"duration": "long"}, {}, "recordings.jsonl, line 1: duration is 'long'; expected a finite number"),
        ({}, {"channel": [{}]}, "supervisions.jsonl, line 1: channel[0] is {}; expected a whole number"),
        ({}, {"channel": None}, "supervisions.jsonl, line 1: channel is None; expected"),
        ({}, {"recording_id": "r9"}, "the recording 'r9' is not in the manifest of recordings"),
        ({}, {"language": None}, "has no language; expected it, or a custom field label, in each supervision"),
        ({}, {"duration": 0.0}, "starts at 0 s and lasts 0 s; expected 0 or more, and above 0"),
        ({}, {"start": -1.0}, "starts at -1 s and lasts 5 s; expected 0 or more, and above 0"),
        (
            {"sources": [{"type": "file", "channels": [0, 1], "source": "a.wav"}]},
            {"channel": 1},
            "is of channel 1 of 2; channels are mixed here: write each to a file of its own",
        ),
    ],
)
def test_wrong_manifests_are_refused(tmp_path, of_recording, of_supervision, message):
    put(tmp_path, recordings__jsonl=lines(recording("r1", "a.wav", **of_recording)))
    put(tmp_path, supervisions__jsonl=lines(supervision("s1", "r1") | of_supervision))
    assert message in refusal(tmp_path)


def test_two_recordings_of_one_name_are_refused(tmp_path):
    put(tmp_path, recordings__jsonl=lines(recording("r1", "a.wav"), recording("r1", "b.wav")))
    put(tmp_path, supervisions__jsonl=lines(supervision("s1", "r1")))
    assert "recordings.jsonl, line 2: the recording 'r1' is there twice; keep one line" in refusal(tmp_path)


@pytest.mark.parametrize("path", ["a" * 300 + ".wav", "a/" * 3000 + "1.wav", "a\0.wav", "a\u2028b\x85\x0cc.wav"])
def test_any_path_is_that_of_a_clip_until_it_is_read(tmp_path, path):
    kaldi = put(tmp_path / "kaldi", **WAVES | {"wav__scp": f"r1 {path}\n", "utt2lang": "r1 en\n"})
    put(tmp_path / "lhotse", recordings__jsonl=lines(recording("r1", path)))
    lhotse = put(tmp_path / "lhotse", supervisions__jsonl=lines(supervision("s1", "r1")))
    for folder in (kaldi, lhotse):
        assert [clip[0] for clip in clips_of(folder)] == [path]


def test_supervisions_without_recordings_say_so(tmp_path):
    put(tmp_path, supervisions__jsonl=lines(supervision("s1", "r1")))
    path = tmp_path / "supervisions.jsonl"
    assert refusal(path) == "DIR: has no recordings.jsonl beside it, which tells where its recordings are"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "DIR, line 1: is no JSON"),
        (b"[1]\n", "DIR, line 1: is no JSON object; expected one on each line"),
        (b'{"label": "a", "label": "b"}', "DIR, line 1: is no JSON (the key 'label' is there twice)"),
        (b"\n\n", "DIR: holds no lines; expected one JSON object for each clip"),
        (b"\xff\xff\xff", "DIR: is not a UTF-8 text; expected one JSON object on each line"),
        (b'{"file": "a.wav"}', "DIR, line 1: has 'file'; expected 'file_name' and 'label'"),
        (b'{"file_name": "a.wav", "label": ""}', "DIR, line 1: no label; every clip needs one"),
        (
            b'{"file_name": "a.wav", "label": "a", "start": "x"}',
            "DIR, line 1: start is 'x'; expected seconds, 0 or more",
        ),
    ],
)
def test_lines_that_are_none_are_refused(tmp_path, data, message):
    (tmp_path / "metadata.jsonl").write_bytes(data)
    assert refusal(tmp_path / "metadata.jsonl").startswith(message)


def test_a_damaged_gzip_file_is_refused(tmp_path):
    path = tmp_path / "metadata.jsonl.gz"
    path.write_bytes(gzip.compress(lines({"file_name": "a.wav", "label": "a"}).encode() * 99)[:40])
    assert refusal(path).startswith("DIR: is cut short or no gzip file")
    path.write_bytes(b"words")
    assert refusal(path).startswith("DIR: cannot be read (Not a gzipped file (b'wo'))")


# --- Hugging Face -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_of_metadata_is_the_corpus_of_its_folder(tmp_path, kind):
    rows = [
        {"file_name": "a.wav", "label": "en", "group": "ann", "age": 31},
        {"file_name": "b.wav", "label": "fr", "group": None, "age": None},
    ]
    put(tmp_path, other__wav="")
    if kind == "jsonl":
        put(tmp_path, metadata__jsonl=lines(*rows))
    else:
        put(tmp_path, metadata__csv="file_name,label,group,age\na.wav,en,ann,31\nb.wav,fr,,\n")
    corpus = read_corpus(tmp_path, SUFFIXES)
    assert corpus.clips == (
        Clip("a.wav", "en", "ann", extra={"age": "31"}),
        Clip("b.wav", "fr", extra={"age": ""}),
    )
    assert corpus.root == tmp_path


def test_folders_of_a_table_are_splits(tmp_path):
    rows = [{"file_name": f"{split}/{i}.wav", "label": "en"} for i, split in enumerate(("train", "test", "val", "x"))]
    put(tmp_path, metadata__jsonl=lines(*rows))
    assert [clip[3] for clip in clips_of(tmp_path)] == ["train", "test", "validation", None]
    put(tmp_path, metadata__jsonl=lines(rows[0] | {"split": "test"}, rows[1]))
    assert [clip[3] for clip in clips_of(tmp_path)] == ["test", None]
    put(tmp_path, metadata__csv="file_name,label\na.wav,en\n")
    assert refusal(tmp_path) == "DIR: has metadata.csv and metadata.jsonl; keep one of them"


def test_folders_of_splits_hold_metadata_or_classes(tmp_path):
    put(tmp_path / "train" / "jazz", **{"1__wav": ""})
    put(tmp_path / "train" / "rock", **{"2__wav": "", "notes__txt": ""})
    put(tmp_path / "validation", metadata__csv="file_name,label,group\n3.wav,jazz,ann\n")
    put(tmp_path / "test" / "rock", **{"4__flac": ""})
    corpus = read_corpus(tmp_path, SUFFIXES)
    assert [(clip.path, clip.label, clip.split) for clip in corpus.clips] == [
        ("test/rock/4.flac", "rock", "test"),
        ("train/jazz/1.wav", "jazz", "train"),
        ("train/rock/2.wav", "rock", "train"),
        ("validation/3.wav", "jazz", "validation"),
    ]
    assert corpus.n_skipped == 1


def test_folders_that_are_called_as_splits_and_hold_files_are_classes_which_training_refuses(tmp_path):
    for name in ("train", "test"):
        put(tmp_path / name, **{"1__wav": ""})
    assert {clip[1] for clip in clips_of(tmp_path)} == {"train", "test"}


@pytest.mark.parametrize("inner", ["jazz", "."])
def test_folders_of_splits_beside_another_class_are_refused_with_the_cure(tmp_path, inner):
    put(tmp_path / "train" / inner, **{"1__wav": ""})
    put(tmp_path / "test" / inner, **{"1__wav": ""})
    put(tmp_path / "boat", **{"1__wav": ""})
    assert refusal(tmp_path) == (
        "DIR: 'test', 'train' are called as splits, and 'boat' beside them is not; move it into them, name the folder "
        "of one split as the corpus, or write a manifest with the columns path, label and split"
    )


def test_a_folder_without_audio_beside_folders_of_splits_is_skipped(tmp_path):
    put(tmp_path / "Training" / "jazz", **{"1__wav": ""})
    put(tmp_path / "Dev" / "jazz", **{"2__wav": ""})
    put(tmp_path / "figures", a__png="", b__png="")
    corpus = read_corpus(tmp_path, SUFFIXES)
    assert [(clip.path, clip.split) for clip in corpus.clips] == [
        ("Dev/jazz/2.wav", "validation"),
        ("Training/jazz/1.wav", "train"),
    ]
    assert corpus.n_skipped == 2


def test_one_folder_that_is_called_as_a_split_is_a_class(tmp_path):
    put(tmp_path / "train", **{"1__wav": ""})
    put(tmp_path / "boat", **{"1__wav": ""})
    assert {clip[1] for clip in clips_of(tmp_path)} == {"boat", "train"}


def test_splits_in_the_folder_data_are_read_as_a_repository_has_them(tmp_path):
    put(tmp_path / "data" / "train" / "jazz", **{"1__wav": ""})
    put(tmp_path / "data" / "test" / "jazz", **{"2__wav": ""})
    put(tmp_path, readme__md="")
    corpus = read_corpus(tmp_path, SUFFIXES)
    assert corpus.root == tmp_path / "data"
    assert [(clip.path, clip.split) for clip in corpus.clips] == [
        ("test/jazz/2.wav", "test"),
        ("train/jazz/1.wav", "train"),
    ]
    # not where it is one class of several
    put(tmp_path / "songs", **{"3__wav": ""})
    assert {clip[1] for clip in clips_of(tmp_path)} == {"data", "songs"}


def test_splits_in_the_class_folders_are_read_where_every_file_lies_in_one(tmp_path):
    for label in ("jazz", "rock"):
        put(tmp_path / label / "train" / "album", **{"1__wav": ""})
        put(tmp_path / label / "val", **{"2__wav": ""})
    corpus = read_corpus(tmp_path, SUFFIXES)
    assert [(clip.label, clip.split) for clip in corpus.clips] == [
        *(("jazz", "train"), ("jazz", "validation")),
        *(("rock", "train"), ("rock", "validation")),
    ]
    assert [finding.code for finding in corpus.findings] == ["inner_splits_read"]
    # a file in no split leaves all of them without one
    put(tmp_path / "rock", **{"3__wav": ""})
    corpus = read_corpus(tmp_path, SUFFIXES)
    assert {clip.split for clip in corpus.clips} == {None}
    assert [finding.code for finding in corpus.findings] == ["splits_in_class_folders"]
