"""Groups, sources and audio on the two sides of a split, and what a training set lacks."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.corpus import Clip, Fold, check_shared_audio, leave_one_group_out, near_duplicates_within
from gmmaudio.evaluation.warnings import check_split_groups
from gmmaudio.features import RawFrames, Rows
from gmmaudio.pipeline.leakage import check_crossval, check_fold_column, check_new_groups, check_training_set
from gmmaudio.trials import Segment, Trial, clips_of
from gmmaudio.trials.extraction import Extracted
from tests.pipeline.conftest import QUICK, SMALL, texts_of

# --- a division ------------------------------------------------------------------------------------------------


def test_checks_that_found_nothing_are_listed(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, **QUICK)
    # clips of 1 s have no fingerprint, and that is no all-clear
    assert report.warnings[0].text.startswith("18 of 18 clips have no fingerprint")
    assert [str(finding) for finding in report.checks_passed] == [
        "groups are known: 9 of them",
        "every label has two groups or more",
        "every label has clips of two sources or more",
        "no group is on both sides of a split",
    ]


def test_leaving_a_source_out_names_the_groups_on_both_sides(clips):
    report = pipeline.crossval(clips, SMALL, folds="loo", group_by="source", **QUICK)
    assert report.protocol.scheme == "cross-validation, one source left out at a time"
    # every singer of this corpus was recorded in both places
    assert report.findings[0].text.startswith(
        "9 groups of the corpus are on both sides of a split ('high-ann', 'high-bob', "
    )


def test_a_label_of_one_source_is_confounded(clips):
    field_only = tuple(clip for clip in clips.clips if clip.label != "mid" or clip.source == "field")
    report = pipeline.crossval(replace(clips, clips=field_only), SMALL, folds=3, **QUICK)
    assert report.findings[0].text.startswith("label and source are confounded for 'mid': this metric may measure the")
    # with the source left out, that label is in no metric
    report = pipeline.crossval(replace(clips, clips=field_only), SMALL, folds="loo", group_by="source", **QUICK)
    assert report.protocol.unscored_labels == ("mid",)
    assert "source_confounded" not in texts_of(report)


def test_a_copy_on_the_other_side_is_found_by_samples_and_by_fingerprint(tmp_path, tools):
    rng = np.random.default_rng(8)
    rows = []

    def melody():
        """Return 6 s of random short notes: structure that a fingerprint can hold on to."""
        notes = [
            np.sin(2 * np.pi * rng.uniform(150, 3000) * np.arange(n) / tools.sr) * np.exp(-np.arange(n) / 4000)
            for n in rng.integers(2000, 9000, 60)
        ]
        y = np.concatenate(notes)[: 6 * tools.sr] + 0.002 * rng.normal(size=6 * tools.sr)
        return (0.3 * y).astype(np.float32)

    def add(name, y, label, group):
        tools.write(tmp_path / name, y, tools.sr)
        rows.append({"path": name, "label": label, "group": group})

    first, second = melody(), melody()
    for i in range(2):
        add(f"a{i}.wav", melody(), "a", f"a{i}")
        add(f"b{i}.wav", melody(), "b", f"b{i}")
    add("a-copy.wav", first, "a", "a8")
    add("a-same.wav", first, "a", "a9")
    add("b-loud.wav", second, "b", "b8")
    add("b-soft.flac", 0.2 * second, "b", "b9")
    corpus = pipeline.read_corpus(tools.write_manifest(tmp_path / "m.csv", rows))
    report = pipeline.crossval(corpus, SMALL, folds="loo", **QUICK)
    texts = texts_of(report)
    assert texts["same_audio_on_both_sides"] == "same audio on both sides of a split: a-copy.wav = a-same.wav"
    # one pair only
    assert texts["near_duplicate"].endswith(" a clip on the other side, by fingerprint: b-loud.wav ~ b-soft.flac")
    model = pipeline.train(replace(corpus, clips=tuple(c for c in corpus.clips if c.group != "b9")), SMALL).model
    test_clips = replace(corpus, clips=tuple(c for c in corpus.clips if c.group == "b9"))
    evaluated = texts_of(pipeline.evaluate(model, test_clips))
    assert evaluated["near_duplicate"].startswith("nearly the same audio as a clip that was trained on")


@pytest.mark.parametrize("changed", [{"n_mfcc": 6}, {"hop_s": 0.08}])
def test_a_front_end_too_coarse_for_fingerprints_is_named(clips, changed):
    coarse = replace(SMALL, features=SMALL.features.replace(**changed))
    report = pipeline.crossval(clips, coarse, folds=3, **QUICK)
    assert texts_of(report)["no_fingerprint"].startswith("18 of 18 clips ")


def test_one_file_in_several_groups_is_named(clips):
    halves = [
        replace(clips.clips[0], end_s=0.5, group="x"),
        replace(clips.clips[0], path="./low/ann/0.wav", start_s=0.5, group="y"),
    ]
    report = pipeline.crossval(replace(clips, clips=(*halves, *clips.clips[1:])), SMALL, folds=3, **QUICK)
    assert texts_of(report)["file_in_several_groups"].startswith("one file in several groups: low/ann/0.wav ('x', 'y')")


def test_unknown_groups_are_listed_first(corpus):
    report = pipeline.crossval(pipeline.read_corpus(corpus.root), SMALL, folds=3, **QUICK)
    assert report.findings[0].code == "groups_unknown"


# --- a trained model -------------------------------------------------------------------------------------------


def test_groups_from_another_column_are_not_compared_with_those_of_training(model, corpus):
    test_clips = pipeline.read_corpus(corpus.split)
    assert "no_group_trained_on" in texts_of(pipeline.evaluate(model, test_clips))
    report = pipeline.evaluate(model, test_clips, group_by="singer")
    assert "no_group_trained_on" not in texts_of(report)
    assert texts_of(report)["groups_not_comparable"].startswith(
        "groups are those of the column 'singer' here and those of the column 'group' in training"
    )


def test_groups_of_the_same_other_column_are_compared(corpus):
    clips = pipeline.read_corpus(corpus.split)
    model = pipeline.train(clips, SMALL, group_by="singer").model
    report = pipeline.evaluate(model, clips, group_by="singer", split="train")
    assert "group_trained_on" in texts_of(report)
    assert "groups_not_comparable" not in texts_of(report)
    other = pipeline.evaluate(model, clips, split="train")
    assert "groups_not_comparable" in texts_of(other)
    assert "group_trained_on" not in texts_of(other)


def test_a_model_file_that_does_not_record_the_column_of_its_groups_is_not_compared(model, corpus):
    old = replace(model, training=replace(model.training, group_by=""))
    report = pipeline.evaluate(old, pipeline.read_corpus(corpus.split))
    assert (
        "groups are those of the column 'group' here and not recorded in training"
        in texts_of(report)["groups_not_comparable"]
    )
    assert "no_group_trained_on" not in texts_of(report)


def test_a_model_of_clips_some_of_whose_groups_are_unknown_has_no_check_of_groups(clips):
    some = tuple(replace(clip, group=None) if i == 0 else clip for i, clip in enumerate(clips.clips))
    model = pipeline.train(replace(clips, clips=some), SMALL).model
    report = pipeline.evaluate(model, clips)
    assert "groups_unknown" in texts_of(report)
    assert "no_group_trained_on" not in texts_of(report)


def test_the_same_audio_twice_in_a_test_set_is_named(model, corpus):
    test_clips = pipeline.read_corpus(corpus.split)
    twice = [replace(c, path=f"./{c.path}", group=f"{c.group} again") for c in test_clips.clips if c.split == "test"]
    report = pipeline.evaluate(model, replace(test_clips, clips=(*test_clips.clips, *twice)))
    text = "same audio twice: low/cy/0.wav (low) = ./low/cy/0.wav (low)"
    assert texts_of(report)["same_audio_twice"].startswith(text)


# --- a training set --------------------------------------------------------------------------------------------


def test_a_training_set_of_one_group_or_of_short_clips_has_a_warning(clips):
    small = tuple(c for c in clips.clips if c.label != "mid" or c.group.endswith("ann"))
    model = pipeline.train(replace(clips, clips=small), pipeline.make_recipe(n_components=2)).model
    assert any(f.code == "one_group" and "'mid'" in f.text for f in model.training.findings)
    blocks = pipeline.train(clips, pipeline.make_recipe(kind="blocks")).model
    assert any("clips are shorter than 6 s" in f.text for f in blocks.training.findings)


def test_sample_rates_that_differ_between_labels_have_a_warning(clips, tmp_path):
    import soundfile

    mixed = []
    for clip in clips.clips:
        samples, sr = soundfile.read(clips.root / clip.path)
        path = tmp_path / clip.path
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, sr // 2 if clip.label == "low" else sr)
        mixed.append(clip)
    mixed = replace(clips, root=tmp_path, clips=tuple(mixed))

    def found(corpus, *augment):
        model = pipeline.train(corpus, pipeline.make_recipe(n_components=2, augment=augment)).model
        return [finding for finding in model.training.findings if finding.code == "sample_rates_differ"]

    assert found(clips) == []
    (finding,) = found(mixed)
    assert finding.text.startswith("sample rates differ between labels ('high' ")
    assert finding.remedy == "bring all to one rate, or train on band-limited copies too (`augment`)"
    # what was done is not advised
    assert [each.remedy for each in found(mixed, "noise", "band")] == ["bring all to one rate"]


# --- a division, beside lists of both sides ------------------------------------------------------------------------


def small_trials(rng, n=40):
    """Return trials of one to three clips without frames; some clips are in two trials, some are copies of others."""
    frames = RawFrames(np.zeros((1, 7), np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32))
    rows = Rows(np.zeros((1, 7), np.float32), np.zeros(1, np.float32))
    prints = [rng.integers(0, 2**63, 6, dtype=np.uint64) for _ in range(n)]
    clips = []
    for i in range(n):
        group = f"g{i // 4}"
        clip = Clip(f"{i:02d}.wav", "ab"[i // 4 % 2], group, f"s{i % 3}", held_out_by=group if i % 9 else None)
        copied = int(rng.integers(8))
        sha256, of = (f"{copied:02d}", i) if rng.random() < 0.2 else (f"own {i:02d}", i)
        of = copied if rng.random() < 0.2 else of
        clips.append(Extracted(clip, frames, 6.0, sha256, prints[of]))
    trials = []
    for i, clip in enumerate(clips):
        parts = clips[i - i % 4 :][: 1 + i % 4] if rng.random() < 0.3 else [clip]
        trials.append(Trial(f"{i:02d}", tuple(Segment(part, 0, 1, 6.0) for part in parts), rows, 6.0))
    return trials


def plain_checks(trials, folds, group_by):
    """Return the findings on groups and copies from lists of both sides of every fold."""
    sides = [([trials[i] for i in fold.train], [trials[i] for i in fold.test]) for fold in folds]
    of = "held_out_by" if group_by is None else "group"
    words = "" if group_by is None else " of the corpus"
    findings = check_split_groups((([getattr(t, of) for t in side] for side in pair) for pair in sides), words)
    clips = clips_of(trials)
    number = {id(clip): i for i, clip in enumerate(clips)}
    pairs = near_duplicates_within([clip.fingerprint for clip in clips])
    pairs = [(i, j) for i, j, _ in pairs if clips[i].sha256 != clips[j].sha256]
    hashes, near = [], set()
    for train, test in sides:
        trained, tested = clips_of(train), clips_of(test)
        hashes.append([[(c.clip.path, c.sha256) for c in side] for side in (trained, tested)])
        left, right = ({number[id(c)] for c in side} for side in (trained, tested))
        near |= {(i, j) for i, j in pairs if (i in left and j in right) or (j in left and i in right)}
    texts = [str(finding) for finding in (*findings, *check_shared_audio(hashes))]
    return texts, [f"{clips[i].clip.path} ~ {clips[j].clip.path}" for i, j in sorted(near)]


@pytest.mark.parametrize("group_by", [None, "source"])
@pytest.mark.parametrize("seed", range(8))
def test_findings_on_sides_are_those_of_lists_of_both_sides(seed, group_by):
    rng = np.random.default_rng(seed)
    trials = small_trials(rng)
    if seed % 2:
        by = [trial.group if group_by is None else trial.source for trial in trials]
        folds = leave_one_group_out([trial.label for trial in trials], by)
    else:
        side = rng.integers(0, 3, (2, len(trials)))
        folds = [
            Fold(str(k), *(tuple(np.flatnonzero(row == m).tolist()) for m in (0, 1))) for k, row in enumerate(side)
        ]
    texts, near = plain_checks(trials, folds, group_by)
    found = [str(finding) for finding in check_crossval(trials, [folds], ["a", "b"], group_by)]
    assert [text for text in texts if text not in found] == []
    alarm = [text for text in found if text.startswith("nearly the same audio as a clip on the other side")]
    assert bool(alarm) == bool(near)
    if near:
        shown = "; ".join(near[:3]) + (f" and {len(near) - 3} more" if len(near) > 3 else "")
        assert f"by fingerprint: {shown};" in alarm[0]
    # a division in two without regard to groups has copies and groups on both sides
    assert seed % 2 or (near and any("same audio on both sides" in text for text in texts))


# --- a training set, by facts alone ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """A clip whose sample rate is not known."""

    clip: Clip
    sample_rate_hz: int | None = None


@dataclass(frozen=True)
class Stub:
    """What a check reads of a trial."""

    name: str
    label: str
    held_out_by: str | None = None
    source: str | None = None
    duration_s: float = 10.0

    @property
    def parts(self):
        return (Part(Clip(self.name, self.label)),)


def check(trials, short_s=1.0):
    return [(f.code, f.level, f.text) for f in check_training_set(trials, short_s)]


def test_a_training_set_in_order_has_no_finding():
    trials = [Stub(f"{label}{i}", label, f"{label}-{i}", "xy"[i]) for label in "ab" for i in range(2)]
    assert check(trials) == []
    assert check([replace(trial, held_out_by=None, source=None) for trial in trials]) == []


def test_labels_of_one_source_are_named_where_there_are_several():
    trials = [Stub("1", "a", source="x"), Stub("2", "b", source="x"), Stub("3", "b", source="y")]
    text = "labels from one source: 'a': a model may learn its sound instead"
    assert check(trials) == [("label_of_one_source", "warning", text)]
    assert check(trials[:2]) == [], "one source predicts no label"


def test_labels_with_less_than_a_fifth_of_the_largests_audio_are_named():
    trials = [Stub("1", "a", duration_s=51.0), Stub("2", "b", duration_s=10.0), Stub("3", "c", duration_s=10.2)]
    text = "labels with less than a fifth of the largest's audio: 'b' (10 s)"
    assert check(trials) == [("little_audio", "warning", text)]


@pytest.mark.parametrize(("n_short", "n_findings"), [(1, 0), (2, 0), (3, 1)])
def test_short_clips_have_a_warning_where_they_are_more_than_half(n_short, n_findings):
    trials = [Stub(str(i), "a", duration_s=2.0 if i < n_short else 3.0) for i in range(4)]
    text = f"{n_short} of 4 clips are shorter than 3 s, on which these settings were measured"
    assert check(trials, 3.0) == [("short_clips", "warning", text)] * n_findings


def test_groups_that_a_fold_column_divides_are_named_and_counted():
    (finding,) = check_fold_column(["1", "2"] * 4, [unit for unit in "abcd" for _ in range(2)])
    assert (finding.code, finding.level) == ("fold_column_divides_group", "information")
    assert finding.text == (
        "groups 'a', 'b', 'c' and 1 more are in several folds: their clips are left out of training where others of "
        "the same group are scored"
    )
    assert check_fold_column(["1", "1", None], ["a", "a", "a"]) == ()


# --- clips added to a corpus -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "new", "is_found"),
    [
        ([("a/1", "ann"), ("a/2", "ann")], [("a/3", "folder a")], True),
        ([("a/1", "ann"), ("a/2", "ann")], [("a/3", None)], True),
        ([("a/1", "ann"), ("a/2", "ann")], [("a/3", "ann")], False),
        # a folder of several groups, of none, or another one, says nothing
        ([("a/1", "ann"), ("a/2", "bob")], [("a/3", "cy")], False),
        ([("a/1", None), ("a/2", None)], [("a/3", "cy")], False),
        ([("a/1", "ann")], [("b/3", "cy")], False),
        ([], [("a/3", "cy")], False),
    ],
)
def test_new_clips_beside_old_ones_with_another_group_are_a_finding(known, new, is_found):
    sides = [[Clip(f"{path}.wav", "x", held_out_by=group) for path, group in side] for side in (known, new)]
    found = check_new_groups(*sides)
    assert [finding.code for finding in found] == ["new_groups_in_old_folders"] * is_found
