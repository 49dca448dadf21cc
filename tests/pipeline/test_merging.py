"""Models of statistics: any division of a corpus into shards is one corpus again; what does not belong is refused."""

import gc
import itertools
import unicodedata
import weakref
from dataclasses import replace

import pytest

from gmmaudio import load_model, load_statistics, make_recipe, merge, save_statistics, stats, train
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError, StatisticsFileError
from gmmaudio.models import to_bytes
from gmmaudio.pipeline import evaluate, merging, read_corpus
from tests.models.conftest import small_statistics


@pytest.fixture
def ubm(ubm_file):
    """The model whose UBM is used."""
    return load_model(ubm_file)


@pytest.fixture(scope="module")
def clips(corpus):
    """The corpus in the order of its paths, two clips of each of three groups of each of three labels."""
    read = read_corpus(corpus.plain)
    ordered = sorted(read.clips, key=lambda clip: clip.path)
    # of one source, so that the clips of a group are joined
    return part_of(read, (replace(clip, source=None) for clip in ordered))


@pytest.fixture(scope="module", params=[1.9, 0.8], ids=["joined", "cut"])
def joining_ubm(clips, request):
    """A model whose clips of 1 s are joined or cut to trials, with copies."""
    recipe = make_recipe("language", n_components=2, trial_s=request.param, augment=["gain"])
    return train(clips, recipe).model


def part_of(corpus, clips):
    """Return a corpus of some of the clips."""
    return Corpus(corpus.root, tuple(clips), corpus.findings, corpus.n_skipped)


def saved(statistics, tmp_path):
    """Return the paths of files of statistics."""
    paths = [tmp_path / f"{i}.stats" for i in range(len(statistics))]
    for each, path in zip(statistics, paths, strict=True):
        save_statistics(each, path)
    return paths


def codes_of(model):
    """Return the codes of a model's findings."""
    return {finding.code for finding in model.training.findings}


# --- one corpus again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5])
def test_shards_in_any_order_give_the_bytes_of_one(clips, ubm, tmp_path, n):
    whole = to_bytes(merge([stats(clips, ubm)]).model)
    shards = [stats(clips, ubm, shard=(i, n)) for i in range(1, n + 1)]
    assert sum(len(shard.trials) for shard in shards) == 18
    for order in (*itertools.islice(itertools.permutations(shards), 2), shards[::-1]):
        assert to_bytes(merge(order).model) == whole
    assert to_bytes(merge(saved(shards, tmp_path)).model) == whole


def test_any_division_of_clips_that_are_not_joined_gives_the_bytes_of_one(clips, ubm):
    whole = to_bytes(merge([stats(clips, ubm)]).model)
    by_label = [part_of(clips, (c for c in clips.clips if c.label == label)) for label in ("mid", "high", "low")]
    by_turns = [part_of(clips, clips.clips[i::4]) for i in (3, 1, 0, 2)]
    for parts in (by_label, by_turns):
        assert to_bytes(merge([stats(part, ubm) for part in parts]).model) == whole


@pytest.mark.parametrize("n", [2, 3])
def test_shards_of_joined_trials_with_copies_give_the_bytes_of_one(clips, joining_ubm, n):
    whole = merge([stats(clips, joining_ubm)]).model
    shards = [stats(clips, joining_ubm, shard=(i, n)) for i in range(n, 0, -1)]
    assert to_bytes(merge(shards).model) == to_bytes(whole)
    assert ("remainders_left_out" in codes_of(whole)) == (joining_ubm.training.trial_s == 0.8)
    assert not {"group_in_several_statistics", "shards_missing"} & codes_of(whole)


def test_a_merged_model_is_the_trained_one_but_for_the_clips_of_the_ubm(clips, joining_ubm):
    merged = merge([stats(clips, joining_ubm, shard=(i, 2)) for i in (1, 2)]).model
    assert merged.training.ubm_clips == joining_ubm.training.clips
    assert to_bytes(replace(merged, training=replace(merged.training, ubm_clips=()))) == to_bytes(joining_ubm)


def test_statistics_are_the_same_bytes_for_any_jobs_and_cache(clips, joining_ubm, tmp_path):
    made = [
        stats(clips, joining_ubm, shard=(1, 2), n_jobs=n_jobs, cache=cache)
        for n_jobs, cache in ((1, None), (2, None), (None, tmp_path / "cache"), (None, tmp_path / "cache"))
    ]
    assert len({path.read_bytes() for path in saved(made, tmp_path)}) == 1


def test_a_group_in_two_statistics_is_said_where_clips_are_joined(clips, joining_ubm, ubm):
    parts = [part_of(clips, clips.clips[i::2]) for i in (0, 1)]
    assert "group_in_several_statistics" in codes_of(merge([stats(part, joining_ubm) for part in parts]).model)
    assert "group_in_several_statistics" not in codes_of(merge([stats(part, ubm) for part in parts]).model)


# --- more of everything -----------------------------------------------------------------------------------------------


def test_a_label_of_another_shard_is_a_new_class(clips, corpus):
    two = part_of(clips, (clip for clip in clips.clips if clip.label != "high"))
    ubm = train(two, make_recipe(kind="supervector", n_components=4)).model
    old = stats(two, ubm)
    new = stats(part_of(clips, (clip for clip in clips.clips if clip.label == "high")), ubm)
    merged = merge([new, old]).model
    assert merged.scorer.labels == ("high", "low", "mid")
    assert merged.calibration is not None
    (finding,) = [each for each in merged.training.findings if each.code == "ubm_of_other_clips"]
    assert finding.text == (
        "the UBM was fitted to 12 clips, among them 12 of the 18 clips here, and to none of the labels 'high'"
    )
    report = evaluate(merged, part_of(clips, (replace(clip, split="test") for clip in clips.clips)), durations_s=())
    assert report.accuracy == 1


def test_statistics_go_on_from_a_merged_model(clips, ubm):
    first, second = (part_of(clips, clips.clips[i::2]) for i in (0, 1))
    old = stats(first, ubm)
    again = stats(second, merge([old]).model)
    assert to_bytes(merge([old, again]).model) == to_bytes(merge([old, stats(second, ubm)]).model)


def test_clips_that_only_the_ubm_was_fitted_to_count_as_trained_on(clips, ubm, corpus):
    others = [clip for clip in clips.clips if "cy" in clip.path]
    merged = merge([stats(part_of(clips, others), ubm)]).model
    heard = part_of(clips, (replace(clip, split="test") for clip in clips.clips if "ann" in clip.path))
    report = evaluate(merged, heard, durations_s=())
    assert [finding.code for finding in report.warnings if finding.code == "trained_on"] == ["trained_on"]


def test_a_missing_shard_is_said(clips, ubm):
    shards = [stats(clips, ubm, shard=(i, 3)) for i in (1, 3)]
    (finding,) = [each for each in merge(shards).model.training.findings if each.code == "shards_missing"]
    assert finding.text == "of a corpus in 3 shards 1 are missing: 2/3"
    # a shard of another corpus does not fill the gap
    other = part_of(clips, (replace(clip, path=str(clips.root / clip.path)) for clip in clips.clips))
    found = merge([*shards, stats(other, ubm, shard=(2, 3))]).model.training.findings
    assert sorted(each.text for each in found if each.code == "shards_missing") == [
        "of a corpus in 3 shards 1 are missing: 2/3",
        "of a corpus in 3 shards 2 are missing: 1/3; 3/3",
    ]


def test_clips_that_fail_and_labels_that_are_lost_are_named(clips, ubm, tmp_path):
    broken = [Clip(str(tmp_path / f"{i}.wav"), "lost") for i in range(2)]
    made = [stats(part_of(clips, [*clips.clips[:9], broken[0]]), ubm), stats(part_of(clips, clips.clips[9:]), ubm)]
    result = merge(made)
    assert [failure.path for failure in result.failed] == [broken[0].path]
    assert [str(f) for f in result.model.training.findings if f.code == "label_lost"] == [
        "no clip of label 'lost' can be used: it is left out; see the failures"
    ]
    with pytest.raises(CorpusError, match="no clip is left to use: 2 clips failed, the first: "):
        stats(part_of(clips, broken), ubm)


def test_names_in_another_normal_form_are_one_name(clips, ubm):
    names = ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "zo\N{LATIN SMALL LETTER E WITH DIAERESIS}")
    composed = [
        replace(clip, label=names[clip.label == "low"], group=names[0] + clip.group)
        for clip in clips.clips
        if clip.label != "mid"
    ]

    def decomposed(text):
        return unicodedata.normalize("NFD", text)

    halves = composed[::2], [replace(c, label=decomposed(c.label), group=decomposed(c.group)) for c in composed[1::2]]
    merged = merge([stats(part_of(clips, half), ubm) for half in halves]).model
    assert merged.scorer.labels == tuple(sorted(names))
    assert to_bytes(merged) == to_bytes(merge([stats(part_of(clips, composed), ubm)]).model)


# --- refused ----------------------------------------------------------------------------------------------------------


def message_of(parts):
    """Return the message with which statistics are refused."""
    with pytest.raises(StatisticsFileError) as caught:
        merge(parts)
    return str(caught.value)


def test_one_clip_in_two_statistics_is_refused(tmp_path):
    one, two = small_statistics(), small_statistics(labels=("b", "c"))
    expected = (
        "statistics 2: holds 3 clips that statistics 1 holds too, such as 'b/0.wav'; name each file of statistics "
        "once, and take statistics of new audio only"
    )
    assert message_of([one, two]) == expected
    path, other = saved([one, two], tmp_path)
    assert message_of([path, other]) == expected.replace("statistics 2:", f"{other}:").replace(
        "statistics 1 ", f"{path} "
    )
    assert "holds 6 clips" in message_of([path, path])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": 1}, "seed is 1, expected 0"),
        ({"trial_s": 3.0}, "trial_s is 3.0, expected None"),
        ({"augment": ("gain",)}, "augment is ['gain'], expected []"),
    ],
)
def test_other_settings_are_refused(changes, text):
    other = small_statistics(labels=("c",))
    recipe = replace(other.background.recipe, **changes)
    other = replace(other, background=replace(other.background, recipe=recipe))
    found = message_of([small_statistics(), other])
    assert found.replace("()", "[]").replace("('gain',)", "['gain']") == (
        f"statistics 2: was made with other settings than statistics 1: {text}; make it again with stats, the same "
        "model and the same groups"
    )


def test_another_ubm_other_tables_and_other_groups_are_refused(clips, ubm, corpus):
    other = train(corpus.split, make_recipe(kind="supervector", n_components=2, seed=1)).model
    other = replace(other, training=replace(other.training, seed=0))
    halves = [part_of(clips, clips.clips[i::2]) for i in (0, 1)]
    first = stats(halves[0], ubm)
    assert "other settings than statistics 1: UBM is " in message_of([first, stats(halves[1], other)])
    assert "group_by is 'singer', expected 'group'" in message_of([first, stats(halves[1], ubm, group_by="singer")])
    window = replace(ubm.tables, window=ubm.tables.window * 0.5)
    changed = stats(halves[1], replace(ubm, tables=window))
    assert "front-end tables is " in message_of([first, changed])
    # the column group by its name is the same
    assert merge([first, stats(halves[1], ubm, group_by="group")]).model.training.group_by is None


@pytest.mark.parametrize("changes", [{"clips": ()}, {"log_likelihood": -3.0}])
def test_one_ubm_of_which_two_things_are_said_is_refused(changes):
    other = small_statistics(labels=("c",))
    other = replace(other, background=replace(other.background, **changes))
    assert "other settings than statistics 1: clips of the UBM is " in message_of([small_statistics(), other])


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    paths = saved([small_statistics(), small_statistics(labels=("c",))], tmp_path)
    monkeypatch.setattr(merging, "count_vectors", lambda _: 4)
    assert message_of(paths) == f"{paths[1]}: a file of statistics changed while it was read; merge again"
    monkeypatch.setattr(merging, "count_vectors", lambda _: 9)
    assert message_of(paths) == "a file of statistics changed while it was read; merge again"


def test_the_vectors_of_one_file_are_in_memory_at_a_time(tmp_path, monkeypatch):
    held = []

    def load(path):
        gc.collect()
        held.append(sum(vectors() is not None for vectors in seen))
        statistics = load_statistics(path)
        seen.append(weakref.ref(statistics.vectors))
        return statistics

    seen = []
    monkeypatch.setattr(merging, "load_statistics", load)
    merge(saved([small_statistics(labels=(label,)) for label in "abcd"], tmp_path))
    assert held == [0, 0, 0, 0]


def test_one_label_is_too_few():
    with pytest.raises(CorpusError, match="only one label, 'a'; expected two or more"):
        merge([small_statistics(labels=("a",))])


@pytest.mark.parametrize("parts", [[], "a.stats"])
def test_a_list_of_statistics_is_expected(parts):
    with pytest.raises(SettingError, match=r"`parts` is .*; expected a list of "):
        merge(parts)


def test_a_shard_without_clips_is_an_error_with_its_cure(clips, ubm):
    with pytest.raises(CorpusError) as caught:
        stats(clips, ubm, shard=(99, 99))
    assert str(caught.value) == ("shard 99/99 holds no clip: there are fewer groups than shards; take fewer (`shard`)")
