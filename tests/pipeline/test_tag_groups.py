"""Clips that are grouped by the tags of their files."""

import pytest
import soundfile

from gmmaudio import pipeline
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.models import save_model
from gmmaudio.pipeline.tag_groups import with_tags

RECIPE = pipeline.make_recipe(n_components=1)


@pytest.fixture
def tagged(tmp_path, tools):
    """A folder of two labels, and of each four clips by two artists, one of whom plays both."""
    for i, (label, artist) in enumerate([("low", "Ann"), ("low", "Bob"), ("high", "Ann"), ("high", "Cy")]):
        for take in range(2):
            folder = tmp_path / "c" / label
            folder.mkdir(parents=True, exist_ok=True)
            with soundfile.SoundFile(folder / f"{i}{take}.flac", "w", tools.sr, 1) as sound:
                sound.artist, sound.album = artist, f"{label} {take}"
                sound.write(tools.band_noise(label, 10 * i + take))
    return tmp_path / "c"


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [("tag:artist", {"Ann", "Bob", "Cy"}), ("tag:album", {"low 0", "low 1", "high 0", "high 1"})],
)
def test_the_tag_is_the_group(tagged, group_by, groups):
    report = pipeline.crossval(tagged, RECIPE, folds=2, group_by=group_by, durations_s=())
    assert {clip.group for clip in report.clips} == groups
    result = pipeline.train(tagged, RECIPE, group_by=group_by)
    assert {clip.group for clip in result.model.training.clips} == groups
    report = pipeline.evaluate(result.model, tagged, group_by=group_by, durations_s=())
    assert "group_trained_on" in {finding.code for finding in report.findings}


def test_a_model_is_the_same_as_of_a_manifest_with_these_groups(tagged, tmp_path):
    by_tag = pipeline.train(tagged, RECIPE, group_by="tag:artist").model
    rows = [f"{clip.path},{clip.label},{clip.group}" for clip in by_tag.training.clips]
    tagged.joinpath("m.csv").write_text("\n".join(["path,label,tag:artist", *rows]) + "\n")
    by_column = pipeline.train(tagged / "m.csv", RECIPE, group_by="tag:artist").model
    save_model(by_tag, tmp_path / "a.gmm")
    save_model(by_column, tmp_path / "b.gmm")
    assert tmp_path.joinpath("a.gmm").read_bytes() == tmp_path.joinpath("b.gmm").read_bytes()


def test_other_groups_leave_a_corpus_as_it_is(tagged):
    corpus = pipeline.read_corpus(tagged)
    assert with_tags(corpus, None) is corpus
    assert with_tags(corpus, "parent") is corpus


def test_files_without_the_tag_are_refused_or_have_no_value(tagged, tools):
    soundfile.write(tagged / "low" / "9.wav", tools.band_noise("low", 9), tools.sr)
    corpus = pipeline.read_corpus(tagged)
    with pytest.raises(CorpusError) as refused:
        pipeline.train(corpus, RECIPE, group_by="tag:artist")
    assert str(refused.value) == (
        "1 of 9 files have no tag 'artist' ('low/9.wav'); fill it, or name another source of groups (`group_by`)"
    )
    read = with_tags(corpus, "tag:artist", needs_all=False)
    assert [clip.column("tag:artist") for clip in read.clips if clip.path == "low/9.wav"] == [None]


def test_a_file_that_cannot_be_read_fails_as_it_does_without_tags(tagged):
    (tagged / "low" / "9.wav").write_bytes(b"")
    result = pipeline.train(tagged, RECIPE, group_by="tag:artist")
    assert [(item.path, item.code) for item in result.failed] == [("low/9.wav", "empty")]


def test_a_tag_that_is_not_read_is_refused(tagged):
    with pytest.raises(SettingError) as refused:
        pipeline.train(tagged, RECIPE, group_by="tag:label")
    assert str(refused.value) == "`group_by` is 'tag:label'; expected one of tag:artist, tag:album"
