"""Folders that are splits, or corpora, rather than classes."""

import pytest

from gmmaudio.corpus.folder_checks import check_folders, check_single_folder


def tree(**folders):
    """Return paths: folder -> the folders in it, or files where there are none."""
    return [f"{label}/{name}/1.wav" if name else f"{label}/1.wav" for label, names in folders.items() for name in names]


def codes(paths):
    return [finding.code for finding in check_folders(paths)]


@pytest.mark.parametrize(
    "paths",
    [
        tree(jazz=[""], metal=[""]),
        tree(jazz=["miles", "duke"], metal=["maiden", "slayer"]),
        tree(jazz=["album0", "album1"], metal=["album0", "album1"]),
        tree(jazz=["cd 1", "cd 2"], metal=["cd 1", "cd 2"]),
        tree(en=["wav"], fr=["wav"]),
        tree(jazz=["miles", "duke"], metal=["maiden", "miles"]),
        tree(jazz=["miles", ""], metal=[""]),
        tree(jazz=["live"], metal=[""]),
        tree(jazz=["miles", "duke"], metal=["maiden", "slayer"], rock=[""], pop=["abba", "queen"]),
    ],
)
def test_ordinary_corpora_have_no_finding(paths):
    assert codes(paths) == []


def test_a_corpus_beside_a_folder_of_songs():
    paths = ["my_music/jazz/album0/1.wav", "my_music/metal/album0/1.wav", "new_songs/1.wav", "new_songs/2.wav"]
    (finding,) = check_folders(paths)
    assert (finding.code, finding.level) == ("class_folder_of_folders", "warning")
    assert str(finding) == (
        "class folder 'my_music' holds folders only ('jazz', 'metal') and 'new_songs' files only: the folders in it "
        "may be the classes; did you mean my_music/? If so, name it as the corpus"
    )


def test_the_only_class_folder_may_be_the_corpus():
    (finding,) = check_single_folder(tree(my_music=["jazz", "metal"]))
    assert (finding.code, finding.level) == ("class_folder_of_folders", "warning")
    assert str(finding) == (
        "class folder 'my_music' holds folders only ('jazz', 'metal') and is the only one: the folders in it may be "
        "the classes; did you mean my_music/? If so, name it as the corpus"
    )


@pytest.mark.parametrize(
    "paths",
    [tree(jazz=["a", "b"], rock=["c", "d"]), tree(jazz=["a", "b", ""]), tree(jazz=["a"]), tree(jazz=[""])],
)
def test_several_class_folders_or_one_with_files_or_a_single_folder_are_no_finding(paths):
    assert check_single_folder(paths) == ()


def test_two_corpora_of_the_same_classes():
    (finding,) = check_folders(tree(home=["jazz", "metal", "pop"], studio=["jazz", "metal", "pop"]))
    assert (finding.code, finding.level) == ("class_folders_alike", "information")
    assert finding.text == (
        "the class folders 'home', 'studio' hold folders of the same names ('jazz', 'metal', 'pop'): the labels are "
        "the outer ones"
    )


def test_splits_inside_the_class_folders():
    (finding,) = check_folders(tree(jazz=["train", "test"], metal=["train", "test"]))
    assert (finding.code, finding.level) == ("splits_in_class_folders", "warning")
    assert "('test', 'train')" in finding.text
    assert codes(tree(jazz=["Fold 1", "Fold 2"], metal=["Fold 1"])) == ["splits_in_class_folders"]
