"""Arguments that may be a path or a corpus, the name of a preset or a recipe."""

import pytest

import gmmaudio
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.models import make_recipe
from gmmaudio.pipeline.arguments import as_corpus, as_recipe, as_store, read_corpus


@pytest.mark.parametrize("name", ["root", "plain"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_path_of_a_folder_or_a_manifest_is_read(corpus, name, kind):
    path = getattr(corpus, name)
    assert as_corpus(kind(path)) == read_corpus(path)
    assert len(as_corpus(kind(path)).clips) == 18


def test_a_corpus_is_returned_as_it_is(clips):
    assert as_corpus(clips) is clips


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="is not there; expected a folder with a sub-folder for each class"):
        as_corpus(tmp_path / "nowhere")


@pytest.mark.parametrize("preset", [None, "genre", "language"])
def test_a_preset_stands_for_its_recipe(preset):
    assert as_recipe(preset) == make_recipe(preset)


def test_a_recipe_is_returned_as_it_is():
    recipe = make_recipe("genre", seed=4)
    assert as_recipe(recipe) is recipe


def test_an_unknown_preset_is_refused():
    with pytest.raises(SettingError, match="preset is 'pop'"):
        as_recipe("pop")


def test_paths_and_records_give_the_same_model(corpus, clips):
    recipe = make_recipe(n_components=1)
    from_path, from_corpus = (gmmaudio.train(each, recipe).model for each in (corpus.plain, clips))
    assert from_path.training == from_corpus.training


@pytest.mark.parametrize("cache", ["", "none"])
def test_no_folder_for_the_cache_is_refused(cache):
    with pytest.raises(SettingError, match=f"`cache` is '{cache}'; expected a folder, or None"):
        as_store(cache)
