"""Clips from folders of classes and from manifests."""

import errno
import os
from pathlib import Path

import pytest

from gmmaudio.audio.decode import open_file
from gmmaudio.corpus import Clip, list_audio, read_manifest, scan_folder
from gmmaudio.corpus.reading import read_corpus
from gmmaudio.errors import AudioError, CorpusError
from tests.corpus.conftest import fails

SUFFIXES = {".wav", ".flac"}


def make_files(root, *names):
    """Make empty files below root; nothing here decodes sound."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def link(path, target):
    """Make a symbolic link to a folder, or skip where the system has none."""
    try:
        path.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")


def manifest(tmp_path, text, encoding="utf-8"):
    """Write a manifest and return its path."""
    path = tmp_path / "clips.csv"
    path.write_bytes(text.encode(encoding))
    return path


def places(corpus):
    return [(clip.path, clip.label) for clip in corpus.clips]


def test_the_first_folder_is_the_label_at_any_depth_below_it(tmp_path):
    make_files(tmp_path, "jazz/a.wav", "jazz/x/y/z/b.flac", "rock/c.wav")
    corpus = scan_folder(tmp_path, SUFFIXES)
    assert places(corpus) == [("jazz/a.wav", "jazz"), ("jazz/x/y/z/b.flac", "jazz"), ("rock/c.wav", "rock")]
    assert (corpus.root, corpus.findings, corpus.n_skipped) == (tmp_path, (), 0)


def test_a_folder_knows_no_group_source_split_or_segment(tmp_path):
    make_files(tmp_path, "jazz/artist/a.wav")
    assert scan_folder(tmp_path, SUFFIXES).clips == (Clip("jazz/artist/a.wav", "jazz"),)


def test_hidden_files_and_folders_are_neither_taken_nor_counted(tmp_path):
    make_files(tmp_path, "jazz/a.wav", "jazz/._a.wav", "jazz/.git/b.wav", ".cache/c.wav", ".DS_Store", "jazz/.d.txt")
    corpus = scan_folder(tmp_path, SUFFIXES)
    assert places(corpus) == [("jazz/a.wav", "jazz")]
    assert corpus.n_skipped == 0


def test_files_of_unknown_suffix_are_counted_at_every_depth(tmp_path):
    make_files(tmp_path, "jazz/a.wav", "jazz/cover.jpg", "jazz/x/notes.txt", "jazz/noise", "README.md")
    assert scan_folder(tmp_path, SUFFIXES).n_skipped == 4


def test_suffixes_count_whatever_their_case(tmp_path):
    make_files(tmp_path, "jazz/a.WAV", "jazz/b.Flac", "jazz/c.wav.txt")
    corpus = scan_folder(tmp_path, SUFFIXES)
    assert [clip.path for clip in corpus.clips] == ["jazz/a.WAV", "jazz/b.Flac"]
    assert corpus.n_skipped == 1


def test_clips_come_in_the_same_order_whatever_order_the_disk_has(tmp_path):
    for root, names in ((tmp_path / "1", "bca"), (tmp_path / "2", "acb")):
        make_files(root, *(f"{label}/{name}.wav" for label in names for name in names))
    first, second = (scan_folder(tmp_path / root, SUFFIXES) for root in "12")
    assert places(first) == places(second) == sorted(places(first))


def test_an_empty_class_folder_is_reported_with_the_cure(tmp_path):
    make_files(tmp_path, "jazz/a.wav", "rock/cover.jpg")
    (finding,) = scan_folder(tmp_path, SUFFIXES).findings
    assert (finding.code, finding.level) == ("empty_folder", "warning")
    assert str(finding) == "class folder 'rock' holds no audio and is left out; fill it or remove it"


def test_audio_outside_the_class_folders_is_reported_with_the_cure(tmp_path):
    make_files(tmp_path, "jazz/a.wav", "loose.wav")
    corpus = scan_folder(tmp_path, SUFFIXES)
    (finding,) = corpus.findings
    assert (finding.code, finding.level) == ("file_outside_folders", "warning")
    assert str(finding) == "audio outside the class folders is left out: 'loose.wav'; move it into one of them"
    assert places(corpus) == [("jazz/a.wav", "jazz")]
    # which counts files that are no audio
    assert corpus.n_skipped == 0


def test_much_audio_outside_the_class_folders_is_one_finding(tmp_path):
    make_files(tmp_path, "jazz/a.wav", *(f"{i}.wav" for i in range(5)))
    corpus = scan_folder(tmp_path, SUFFIXES)
    (finding,) = corpus.findings
    assert "left out: '0.wav', '1.wav', '2.wav' and 2 more; move it" in str(finding)


def test_a_folder_without_audio_is_refused_with_an_example(tmp_path):
    make_files(tmp_path, "jazz/cover.jpg")
    assert fails(scan_folder, tmp_path, SUFFIXES) == (
        f"{tmp_path}: no audio in any sub-folder; expected one folder for each class, such as "
        f"{tmp_path.name}/jazz/01.wav"
    )


@pytest.mark.parametrize("target", ["jazz", "jazz/x"])
def test_a_loop_of_links_is_survived_and_takes_no_clip_twice(tmp_path, target):
    make_files(tmp_path, "jazz/x/a.wav", "jazz/b.wav", "rock/c.wav")
    link(tmp_path / "jazz" / "x" / "loop", tmp_path / target)
    assert places(scan_folder(tmp_path, SUFFIXES)) == [
        ("jazz/b.wav", "jazz"),
        ("jazz/x/a.wav", "jazz"),
        ("rock/c.wav", "rock"),
    ]


def test_links_to_folders_elsewhere_are_followed_once(tmp_path):
    make_files(tmp_path / "store", "a.wav")
    make_files(tmp_path / "corpus", "jazz/b.wav")
    link(tmp_path / "corpus" / "jazz" / "m1", tmp_path / "store")
    link(tmp_path / "corpus" / "jazz" / "m2", tmp_path / "store")
    link(tmp_path / "corpus" / "rock", tmp_path / "store")
    assert places(scan_folder(tmp_path / "corpus", SUFFIXES)) == [
        ("jazz/b.wav", "jazz"),
        ("jazz/m1/a.wav", "jazz"),
        ("rock/a.wav", "rock"),
    ]


def test_a_file_name_that_is_no_text_is_taken(tmp_path):
    try:
        make_files(tmp_path, "jazz/a\udcff.wav")
    except OSError:
        pytest.skip("this file system takes only text")
    assert scan_folder(tmp_path, SUFFIXES).clips[0].path == "jazz/a\udcff.wav"


def test_list_audio_gives_sorted_files_and_counts_the_rest(tmp_path):
    make_files(tmp_path, "b.wav", "a/z.wav", "a.jpg", "a/b/c.txt", ".hidden.jpg")
    files, n_other = list_audio(tmp_path, SUFFIXES)
    assert files == [tmp_path / "a" / "z.wav", tmp_path / "b.wav"]
    assert n_other == 2


@pytest.fixture
def locked(monkeypatch):
    """Lock folders as their permissions do for all users but root."""

    def lock(*folders):
        scan = os.scandir

        def scandir(path):
            if Path(path) in folders:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return lock


def test_a_folder_that_cannot_be_read_is_listed_and_fails_as_a_file_does(tmp_path, locked):
    make_files(tmp_path, "jazz/a.wav", "jazz/box/b.wav")
    locked(tmp_path / "jazz" / "box")
    files, _ = list_audio(tmp_path / "jazz", SUFFIXES)
    assert files == [tmp_path / "jazz" / "a.wav", tmp_path / "jazz" / "box"]
    with pytest.raises(AudioError, match=r"cannot be read .Permission denied.; check its permissions"):
        open_file(files[1])
    assert [clip.path for clip in scan_folder(tmp_path, SUFFIXES).clips] == ["jazz/a.wav", "jazz/box"]


def test_a_class_folder_that_cannot_be_read_is_not_said_to_be_empty(tmp_path, locked):
    make_files(tmp_path, "jazz/a.wav", "rock/b.wav")
    locked(tmp_path / "rock")
    corpus = scan_folder(tmp_path, SUFFIXES)
    assert [clip.label for clip in corpus.clips] == ["jazz"]
    assert str(corpus.findings[0]).startswith("class folder 'rock' cannot be read and is left out")


def test_a_folder_beside_splits_that_cannot_be_read_is_no_corpus(tmp_path, locked):
    make_files(tmp_path, "train/jazz/a.wav", "test/jazz/b.wav", "lost+found/c.wav")
    locked(tmp_path / "lost+found")
    assert [clip.split for clip in read_corpus(tmp_path, SUFFIXES).clips] == ["test", "train"]


def test_read_corpus_takes_a_folder_or_a_manifest(tmp_path):
    make_files(tmp_path, "jazz/a.wav")
    path = manifest(tmp_path, "path,label\nb.wav,rock\n")
    assert places(read_corpus(tmp_path, SUFFIXES)) == [("jazz/a.wav", "jazz")]
    assert places(read_corpus(str(path), SUFFIXES)) == [("b.wav", "rock")]


def test_read_corpus_says_what_it_expected_where_there_is_nothing(tmp_path):
    path = tmp_path / "nowhere"
    assert fails(read_corpus, path, SUFFIXES) == (
        f"{path}: is not there; expected a folder with a sub-folder for each class, or a manifest"
    )


def test_one_audio_file_is_no_corpus_and_is_not_read_as_a_table(tmp_path):
    make_files(tmp_path, "jazz/a.WAV")
    with pytest.raises(CorpusError, match="is one audio file; expected a folder with a sub-folder for each class"):
        read_corpus(tmp_path / "jazz" / "a.WAV", SUFFIXES)


def test_a_manifest_gives_every_known_column_and_keeps_the_others(tmp_path):
    path = manifest(
        tmp_path,
        "path,label,group,source,split,start,end,age,note\n"
        'x/a.wav,jazz,bob,studio,train,1.5,3,31,"slow, sad"\n'
        "b.wav,rock,,,,,,,\n",
    )
    corpus = read_manifest(path)
    assert corpus.clips == (
        Clip("x/a.wav", "jazz", "bob", "studio", "train", 1.5, 3.0, {"age": "31", "note": "slow, sad"}),
        Clip("b.wav", "rock", None, None, "", 0.0, None, {"age": "", "note": ""}),
    )


def test_paths_are_relative_to_the_manifest(tmp_path):
    path = manifest(tmp_path, "path,label\nx/a.wav,jazz\n")
    corpus = read_manifest(path)
    assert corpus.root / corpus.clips[0].path == tmp_path / "x" / "a.wav"


def test_hugging_face_file_name_is_accepted_and_is_no_extra(tmp_path):
    clip = read_manifest(manifest(tmp_path, "file_name,label,age\na.wav,jazz,3\n")).clips[0]
    assert (clip.path, clip.extra) == ("a.wav", {"age": "3"})


def test_path_goes_before_file_name(tmp_path):
    clip = read_manifest(manifest(tmp_path, "file_name,path,label\nold.wav,a.wav,jazz\n")).clips[0]
    assert (clip.path, clip.extra) == ("a.wav", {"file_name": "old.wav"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path, separator, newline, encoding):
    rows = [["path", "label", "group"], ["ä.wav", "jazz", "bob"], ["b c.wav", "rock", "eve"]]
    path = manifest(tmp_path, newline.join(separator.join(row) for row in rows) + newline, encoding)
    assert read_manifest(path).clips == (Clip("ä.wav", "jazz", "bob", split=None), Clip("b c.wav", "rock", "eve"))


def test_spaces_around_values_are_taken_off(tmp_path):
    clip = read_manifest(manifest(tmp_path, "path,label,group,split\n a.wav , jazz ,  , test \n")).clips[0]
    assert clip == Clip("a.wav", "jazz", None, split="test")


def test_a_row_with_too_few_values_has_the_rest_empty(tmp_path):
    clip = read_manifest(manifest(tmp_path, "path,label,group,age\na.wav,jazz\n")).clips[0]
    assert clip == Clip("a.wav", "jazz", extra={"age": ""})


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (",jazz,,", "no path; every clip needs one"),
        ("c.wav,,,", "no label; every clip needs one"),
        ("c.wav,  ,,", "no label; every clip needs one"),
        ("c.wav,jazz,1,2,3", "more values than columns; quote values that hold the separator"),
        ("c.wav,jazz,soon,", "start is 'soon'; expected seconds, 0 or more"),
        ("c.wav,jazz,-1,", "start is '-1'; expected seconds, 0 or more"),
        ("c.wav,jazz,nan,", "start is 'nan'; expected seconds, 0 or more"),
        ('c.wav,jazz,"1,5",', "start is '1,5'; expected seconds, 0 or more"),
        ("c.wav,jazz,0,inf", "end is 'inf'; expected seconds, 0 or more"),
        ("c.wav,jazz,3,2", "end 2 s is not after start 3 s"),
        ("c.wav,jazz,2,2", "end 2 s is not after start 2 s"),
        ("c.wav,jazz,,0", "end 0 s is not after start 0 s"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path, row, complaint):
    path = manifest(tmp_path, f"path,label,start,end\na.wav,jazz,,\n\n{row}\nb.wav,rock,,\n")
    # the header is line 1, and the blank line counts
    assert fails(read_manifest, path) == f"{path}, line 4: {complaint}"


def test_file_name_is_named_where_it_is_what_lacks(tmp_path):
    path = manifest(tmp_path, "file_name,label\n,jazz\n")
    assert fails(read_manifest, path) == f"{path}, line 2: no file_name; every clip needs one"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", "none"), ("path,genre\na.wav,jazz\n", "'path', 'genre'"), ("label\njazz\n", "'label'")],
)
def test_missing_columns_are_reported_beside_those_found(tmp_path, text, columns):
    path = manifest(tmp_path, text)
    assert fails(read_manifest, path) == (
        f"{path}: has columns {columns}; a manifest needs 'path' and 'label' "
        "(and may have group, source, split, start, end)"
    )


def test_a_manifest_without_rows_is_refused(tmp_path):
    path = manifest(tmp_path, "path,label\n")
    assert fails(read_manifest, path) == f"{path}: has a header and no rows; add one row for each clip"


def test_a_clip_named_twice_is_refused_even_under_two_labels(tmp_path):
    path = manifest(tmp_path, "path,label\na.wav,jazz\nb.wav,jazz\na.wav,rock\n")
    assert fails(read_manifest, path) == (
        f"{path}: more than one row for 'a.wav'; keep one, or give each row another segment"
    )


def test_two_segments_of_one_file_are_two_clips(tmp_path):
    path = manifest(tmp_path, "path,label,start,end\na.wav,jazz,0,5\na.wav,jazz,5,\n")
    assert [(clip.start_s, clip.end_s) for clip in read_manifest(path).clips] == [(0.0, 5.0), (5.0, None)]


def test_many_clips_named_twice_are_counted_not_listed(tmp_path):
    rows = "".join(f"{i}.wav,jazz\n" for i in range(5))
    message = fails(read_manifest, manifest(tmp_path, "path,label\n" + rows + rows))
    assert "more than one row for '0.wav', '1.wav', '2.wav' and 2 more; " in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_what_windows_calls_unicode_is_read(tmp_path, encoding):
    path = manifest(tmp_path, "path,label\né.wav,jazz\n", encoding)
    assert places(read_manifest(path)) == [("é.wav", "jazz")]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift-jis"])
def test_other_encodings_are_refused_with_the_cure(tmp_path, encoding):
    text = "path,label\né.wav,jazz\n" if encoding != "shift-jis" else "path,label\n表.wav,jazz\n"
    path = manifest(tmp_path, text, encoding)
    assert fails(read_manifest, path) == f"{path}: is not a UTF-8 text; save the manifest as CSV in UTF-8"


@pytest.mark.parametrize("text", ['path,label\n"a.wav,jazz\n', 'path,label\n"a"b.wav,jazz\n'])
def test_broken_quotes_are_refused_and_the_file_is_named(tmp_path, text):
    path = manifest(tmp_path, text)
    message = fails(read_manifest, path)
    assert message.startswith(f"{path}")
    assert "is not a CSV manifest" in message


def test_a_manifest_that_cannot_be_opened_is_named(tmp_path):
    assert (
        fails(read_manifest, tmp_path / "no.csv")
        == f"{tmp_path / 'no.csv'}: cannot be read (No such file or directory)"
    )


def test_a_link_to_the_root_makes_no_clips_of_other_classes(tmp_path):
    for name in ("jazz/1.wav", "rock/2.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "jazz" / "loop").symlink_to("..")
    corpus = scan_folder(tmp_path, {".wav"})
    assert [(clip.path, clip.label) for clip in corpus.clips] == [("jazz/1.wav", "jazz"), ("rock/2.wav", "rock")]


def test_a_column_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("path,label,label\na.wav,x,y\n")
    with pytest.raises(CorpusError, match="column 'label' occurs twice"):
        read_manifest(tmp_path / "m.csv")


def test_an_index_column_without_a_name_is_kept_out_of_the_way(tmp_path):
    (tmp_path / "m.csv").write_text(",path,label\n0,a.wav,x\n1,b.wav,y\n")
    assert [clip.path for clip in read_manifest(tmp_path / "m.csv").clips] == ["a.wav", "b.wav"]


NFC, NFD = "Beyonc\u00e9", "Beyonce\u0301"


def test_names_in_two_normal_forms_are_one_in_the_first_spelling(tmp_path):
    text = f"path,label,group,source,split\n1.wav,{NFD},{NFC},{NFD},{NFC}\n2.wav,{NFC},{NFD},{NFC},{NFD}\n"
    one, two = read_manifest(manifest(tmp_path, text)).clips
    assert (two.label, two.group, two.source, two.split) == (one.label, one.group, one.source, one.split)
    assert (one.label, one.group) == (NFD, NFC)


def test_class_folders_in_two_normal_forms_are_one_class(tmp_path):
    make_files(tmp_path, f"{NFC}/a.wav", f"{NFD}/b.wav", "jazz/c.wav")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system keeps one normal form")
    corpus = scan_folder(tmp_path, SUFFIXES)
    assert [clip.label for clip in corpus.clips] == [NFD, NFD, "jazz"]
    assert all((tmp_path / clip.path).exists() for clip in corpus.clips)


def test_one_file_in_two_normal_forms_is_one_clip_and_two_files_are_two(tmp_path):
    rows = f"path,label\n{NFC}.wav,jazz\n{NFD}.wav,rock\n"
    path = manifest(tmp_path, rows)
    make_files(tmp_path, f"{NFD}.wav")
    assert "more than one row for " in fails(read_manifest, path)
    make_files(tmp_path, f"{NFC}.wav")
    if len(list(tmp_path.glob("*.wav"))) < 2:
        pytest.skip("this file system keeps one normal form")
    assert places(read_manifest(path)) == [(f"{NFC}.wav", "jazz"), (f"{NFD}.wav", "rock")]


def test_segments_of_one_file_in_two_normal_forms_have_one_path(tmp_path):
    path = manifest(tmp_path, f"path,label,start,end\n{NFC}.wav,a,0,1\n./{NFD}.wav,a,1,2\n")
    make_files(tmp_path, f"{NFD}.wav")
    assert [clip.path for clip in read_manifest(path).clips] == [f"{NFC}.wav"] * 2


def test_a_corpus_is_found_under_either_normal_form(tmp_path):
    make_files(tmp_path, f"{NFD}/jazz/a.wav")
    assert places(read_corpus(tmp_path / NFC, SUFFIXES)) == [("jazz/a.wav", "jazz")]
    (tmp_path / f"{NFC}.csv").write_text("path,label\na.wav,jazz\n")
    assert places(read_corpus(tmp_path / f"{NFD}.csv", SUFFIXES)) == [("a.wav", "jazz")]


@pytest.mark.parametrize("column", ["Group", "SPLIT", "Source", "Start", "END"])
def test_a_known_column_in_another_case_is_refused_rather_than_unused(tmp_path, column):
    path = manifest(tmp_path, f"path,label,{column}\na.wav,jazz,1\n")
    assert fails(read_manifest, path) == (
        f"{path}: column {column!r} would not be used; call it {column.lower()!r}, or something else"
    )


@pytest.mark.parametrize("column", ["start", "end"])
def test_times_called_as_in_reports_are_refused_rather_than_unused(tmp_path, column):
    path = manifest(tmp_path, f"path,label,{column}_s\na.wav,jazz,1\n")
    assert fails(read_manifest, path) == (
        f"{path}: column '{column}_s' would not be used; call it {column!r}, or something else"
    )
    path = manifest(tmp_path, f"path,label,{column},{column}_s\na.wav,jazz,1,2\n")
    assert read_manifest(path).clips[0].extra == {f"{column}_s": "2"}


def test_splits_that_look_alike_are_a_finding(tmp_path):
    path = manifest(tmp_path, "path,label,split\na.wav,jazz,train\nb.wav,jazz,Train\nc.wav,rock,test\n")
    (finding,) = read_manifest(path).findings
    assert (finding.code, finding.level) == ("similar_values", "warning")
    assert finding.text == "values of the column 'split' differ only by case or spaces: 'Train'; 'train'"


def test_a_label_of_invisible_characters_alone_is_no_label(tmp_path):
    path = manifest(tmp_path, "path,label\na.wav,\u200b\u00ad\n")
    assert fails(read_manifest, path) == f"{path}, line 2: no label; every clip needs one"


def test_a_table_of_ours_is_read_as_it_was_meant(tmp_path):
    # as the page of a review saves it: a byte order mark, quotes, and an apostrophe before what looks like a formula
    path = tmp_path / "reviewed.csv"
    path.write_text(
        "\ufeffpath,label,group,predicted,probability,answer\n"
        '"/m/a,""b"".wav",\'=1+1,\'@ann,jazz,0.5123,label\n'
        "/m/2.wav,'no formula,,jazz,,right\n",
        encoding="utf-8",
    )
    first, second = read_manifest(path).clips
    assert (first.path, first.label, first.group) == ('/m/a,"b".wav', "=1+1", "@ann")
    assert (second.label, second.group, second.split) == ("'no formula", None, None)
