"""Labels that are nearly the same, labels of one clip, audio that occurs twice, files in several groups."""

import pytest

from gmmaudio.corpus import check_file_groups, check_labels, check_same_audio, check_shared_audio
from gmmaudio.errors import CorpusError
from tests.corpus.conftest import fails


def lines_of(findings):
    """Return code, level and words of each finding."""
    return [(finding.code, finding.level, str(finding)) for finding in findings]


def test_labels_that_differ_only_by_case_or_spaces_are_named_with_the_cure():
    labels = ["Jazz", "jazz", "jazz", "hip  hop", "Hip Hop", "hip hop", "hip hop", "rock", "rock"]
    assert lines_of(check_labels(labels)[:2]) == [
        (
            "similar_labels",
            "warning",
            "labels 'Hip Hop' (1), 'hip  hop' (1), 'hip hop' (2) differ only by case or spaces; give them one name",
        ),
        (
            "similar_labels",
            "warning",
            "labels 'Jazz' (1), 'jazz' (2) differ only by case or spaces; give them one name",
        ),
    ]


def test_a_label_with_one_clip_is_named_with_the_cure():
    words = "one clip only for 'folk', 'jazz': a model may learn that recording instead of the label; add more"
    assert lines_of(check_labels(["jazz", "rock", "rock", "folk"])) == [("single_clip_label", "warning", words)]


def test_many_labels_with_one_clip_are_counted_not_listed():
    (finding,) = check_labels(list("abcde"))
    assert finding.text.startswith("one clip only for 'a', 'b', 'c' and 2 more: ")


def test_labels_in_order_have_no_finding():
    assert check_labels(["jazz", "jazz", "rock", "rock"]) == ()


def test_one_label_only_is_refused_with_the_cure():
    with pytest.raises(CorpusError) as caught:
        check_labels(["jazz", "jazz"])
    assert str(caught.value) == "only one label, 'jazz'; expected two or more: add a folder or rows of another"


def test_no_clip_at_all_is_refused():
    with pytest.raises(CorpusError, match="no clip is left to use"):
        check_labels([])


def test_same_audio_under_two_labels_and_twice_under_one_are_told_apart():
    findings = check_same_audio(
        ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"],
        ["jazz", "rock", "jazz", "jazz", "jazz"],
        ["f3", "f3", "07", "07", "11"],
    )
    assert lines_of(findings) == [
        (
            "same_audio_two_labels",
            "warning",
            "same audio under two labels: a.wav (jazz) = b.wav (rock); remove it from the wrong label",
        ),
        ("same_audio_twice", "warning", "same audio twice: c.wav (jazz) = d.wav (jazz); keep one"),
    ]


def test_audio_that_differs_has_no_finding():
    assert check_same_audio(["a.wav", "b.wav"], ["jazz", "rock"], ["1", "2"]) == ()


def test_many_doubles_make_one_finding_that_counts_them():
    paths = [f"{i}{side}.wav" for i in range(5) for side in "lr"]
    (finding,) = check_same_audio(paths, ["jazz"] * 10, [str(i // 2) for i in range(10)])
    assert str(finding) == (
        "same audio twice: 0l.wav (jazz) = 0r.wav (jazz); 1l.wav (jazz) = 1r.wav (jazz); "
        "2l.wav (jazz) = 2r.wav (jazz) and 2 more; keep one"
    )


def test_same_audio_on_both_sides_of_a_split_is_an_alarm_with_the_cure():
    split = ([("a.wav", "f3"), ("b.wav", "07")], [("c.wav", "f3"), ("d.wav", "11")])
    words = "same audio on both sides of a split: a.wav = c.wav; give both one group, or keep one"
    assert lines_of(check_shared_audio([split])) == [("same_audio_on_both_sides", "alarm", words)]


def test_a_pair_that_leaks_in_several_folds_is_named_once():
    there = ([("a.wav", "f3")], [("b.wav", "f3")])
    back = ([("b.wav", "f3")], [("a.wav", "f3")])
    assert check_shared_audio([there, back, there]) == check_shared_audio([there])


def test_clean_sides_have_no_finding():
    sides = [([("a.wav", "1")], [("b.wav", "2")]), ([("b.wav", "2")], [("a.wav", "1")])]
    assert check_shared_audio(sides) == ()


def test_files_in_several_groups_are_counted_and_unknown_groups_are_no_evidence():
    paths = [path for path in "abcd" for _ in range(2)]
    (finding,) = check_file_groups(paths, ["1", "2"] * 4)
    assert (finding.code, finding.level) == ("file_in_several_groups", "alarm")
    assert finding.text.startswith("one file in several groups: a ('1', '2'); b ('1', '2'); c ('1', '2') and 1 more: ")
    assert check_file_groups(["a", "a", "b"], ["1", None, "1"]) == ()


def test_labels_that_are_all_names_of_splits_are_refused():
    for labels in (["train", "test"], ["Train", "Dev", "Test"], ["fold1", "fold2"], ["train"], ["my_test", "my_train"]):
        assert fails(check_labels, labels) == (
            f"every label is the name of a split ({', '.join(map(repr, sorted(labels)))}); expected classes: name the "
            "folder of one split, or write a manifest with the columns path, label and split"
        )


def test_a_label_that_is_the_name_of_a_split_is_a_warning():
    finding = check_labels(["train", "train", "jazz", "jazz"])[0]
    assert (finding.code, finding.level) == ("label_named_as_split", "warning")
    assert finding.text == "labels are called as parts of a corpus usually are: 'train'"
    assert check_labels(["trance", "jazz"])[0].code == "single_clip_label"


def test_a_label_that_is_the_name_of_an_answer_without_a_label_is_a_warning():
    finding = check_labels(["Unknown", "Unknown", "jazz", "jazz", "mixed", "mixed"])[0]
    assert (finding.code, finding.level) == ("label_named_as_answer", "warning")
    assert finding.text.startswith("labels are called as answers without a label are: 'Unknown', 'mixed'; ")
    assert check_labels(["unknown artist", "jazz"])[0].code == "single_clip_label"


def test_labels_that_differ_in_what_is_not_seen_are_told_apart():
    finding = check_labels(["hip-hop", "hip-hop", "hip\u2011hop", "hip\u2011hop"])[0]
    assert finding.text == (
        "labels 'hip-hop' (2), 'hip\\u2011hop' (2) differ only by characters that look alike or are invisible"
    )


def test_of_many_labels_that_look_alike_some_are_listed_and_the_others_counted():
    labels = [f"{i}{end}" for i in range(9) for end in ("", ".0")] * 2
    findings = check_labels(labels)
    assert [finding.code for finding in findings] == ["similar_labels"] * 5
    assert findings[-1].text == (
        "labels '4' (2), '4.0' (2) differ only by how a number is written (and 4 other sets of labels look alike)"
    )
