"""Rows that are given in place of sound: the oracle is the sound itself, whose frames are handed in as arrays."""

from dataclasses import replace

import numpy as np
import pytest

import gmmaudio
from gmmaudio import GivenRows, make_recipe
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.features import FeatureSettings, GivenFrames, RowSettings
from gmmaudio.models import PRESETS, fit_scorer, preset_of
from gmmaudio.models.file import to_bytes
from gmmaudio.pipeline import read_rows
from gmmaudio.pipeline.own_rows import recipe_of_rows
from tests.trials.test_array_files import write

pytestmark = pytest.mark.usefixtures("few_draws")

RECIPES = {
    "frames": make_recipe(kind="frames", n_components=2),
    "blocks": make_recipe(kind="blocks"),
    "supervector": make_recipe(kind="supervector", n_components=2),
}
# of the classic front end
RATE_HZ = 22050 / 512


@pytest.fixture
def few_draws(monkeypatch):
    from gmmaudio.evaluation import intervals

    monkeypatch.setattr(intervals, "N_DRAWS", 50)


@pytest.fixture(scope="module")
def arrays(corpus):
    """The frames of the classic front end, by the path of each clip."""
    paths = [row["path"] for row in corpus.rows]
    found = read_rows(make_recipe().features, [corpus.root / path for path in paths])
    return {path: item.rows.values for path, item in zip(paths, found, strict=True)}


def given(arrays, **settings):
    return GivenRows(arrays, **{"rows_name": "mfcc", "rows_rate_hz": RATE_HZ, **settings})


def tensors(model):
    scorer = model.scorer
    stages = (scorer.transform, *scorer.heads)
    return {f"{i} {name}": array for i, stage in enumerate(stages) for name, array in stage.tensors().items()}


# --- the same as the sound ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RECIPES)
def test_rows_of_our_own_front_end_give_the_model_of_the_sound(corpus, clips, arrays, kind, tmp_path):
    sound = gmmaudio.train(clips, RECIPES[kind]).model
    rows = gmmaudio.train(clips, RECIPES[kind], rows=given(arrays)).model
    of_sound, of_rows = tensors(sound), tensors(rows)
    assert of_sound.keys() == of_rows.keys()
    for name, array in of_sound.items():
        np.testing.assert_array_equal(of_rows[name], array)
    assert (rows.calibration.to_dict(), rows.open_set) == (sound.calibration.to_dict(), sound.open_set)
    gmmaudio.save_model(rows, tmp_path / "m.gmm")
    loaded = gmmaudio.load_model(tmp_path / "m.gmm")
    assert loaded.features == rows.features
    assert loaded.features.frames == GivenFrames(rows_name="mfcc", n_columns=20, rows_rate_hz=RATE_HZ)
    paths = list(arrays)[::5]
    by_sound = gmmaudio.classify(sound, [corpus.root / path for path in paths])
    by_rows = gmmaudio.classify(loaded, paths, rows=given(arrays))
    for one, other, path in zip(by_sound, by_rows, paths, strict=True):
        assert (other.path, other.scores, other.probability, other.label) == (
            path,
            one.scores,
            one.probability,
            one.label,
        )


def test_reports_on_rows_are_those_of_the_sound_but_for_what_tells_of_it(clips, arrays):
    options = {"folds": 3, "durations_s": (0.5,)}
    sound = gmmaudio.crossval(clips, RECIPES["frames"], **options)
    rows = gmmaudio.crossval(clips, RECIPES["frames"], rows=given(arrays), **options)
    assert [(c.name, c.scores, c.probability) for c in rows.clips] == [
        (c.name, c.scores, c.probability) for c in sound.clips
    ]
    assert rows.slices["durations"][0].n == sound.slices["durations"][0].n > 0
    codes = {finding.code for finding in sound.findings}
    assert {finding.code for finding in rows.findings} == codes | {"given_rows"}
    model = gmmaudio.train(clips, RECIPES["frames"]).model
    of_rows = gmmaudio.train(clips, RECIPES["frames"], rows=given(arrays)).model
    evaluated = gmmaudio.evaluate(of_rows, clips, rows=given(arrays))
    assert [c.scores for c in evaluated.clips] == [c.scores for c in gmmaudio.evaluate(model, clips).clips]
    assert "trained_on" in {finding.code for finding in evaluated.findings}


def test_a_segment_of_a_file_is_that_of_its_rows(arrays):
    first = next(iter(arrays))
    corpus = Corpus(".", tuple(Clip(path, path[:3]) for path in arrays if path != first))
    halves = tuple(Clip(first, first[:3], start_s=s, end_s=s + 0.5) for s in (0.0, 0.5))
    model = gmmaudio.train(
        Corpus(".", corpus.clips + halves), make_recipe(n_components=1, min_duration_s=0.4), rows=given(arrays)
    ).model
    assert sum(clip.path == first for clip in model.training.clips) == 2
    assert model.training.rows[first[:3]] == sum(len(a) for path, a in arrays.items() if path[:3] == first[:3]) - 1


# --- every place and format ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet"])
def test_every_format_gives_the_same_bytes_of_a_model(tmp_path, clips, arrays, suffix):
    expected = to_bytes(gmmaudio.train(clips, RECIPES["frames"], rows=given(arrays)).model)
    for path, array in arrays.items():
        write(tmp_path / "folder" / f"{path}{suffix}", {"": array})
    places = [tmp_path / "folder"]
    if suffix != ".npy":
        places.append(write(tmp_path / f"all{suffix}", arrays))
    for place in places:
        model = gmmaudio.train(clips, RECIPES["frames"], rows=given(place), memory_bytes=0).model
        assert to_bytes(model) == expected


def test_a_folder_of_rows_is_a_corpus_by_itself(tmp_path, arrays):
    for path, array in arrays.items():
        write(tmp_path / f"{path}.npy", {"": array})
    rows = given(tmp_path)
    report = gmmaudio.crossval(tmp_path, RECIPES["frames"], rows=rows, folds=3, group_by="parent")
    assert (report.n, report.accuracy) == (18, 1.0)
    model = gmmaudio.train(tmp_path, RECIPES["frames"], rows=rows, group_by="parent").model
    assert {answer.label for answer in gmmaudio.classify(model, rows.clip_names(), rows=rows)} == {"low", "mid", "high"}


# --- vectors, and rows without a rate -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors():
    """One vector for each clip: three labels, four groups each."""
    rng = np.random.default_rng(5)
    return {
        f"{label}/{group}{i}": rng.normal(size=8) + 4 * k
        for k, label in enumerate("abc")
        for group in "uvwx"
        for i in range(4)
    }


@pytest.fixture
def of_vectors(vectors):
    return Corpus(".", tuple(Clip(path, path[0], group=path[:3]) for path in vectors))


@pytest.mark.parametrize("kind", ["frames", "blocks", "supervector"])
def test_a_vector_for_each_clip_is_one_row(vectors, of_vectors, kind):
    rows = GivenRows(vectors, rows_name="embedding")
    recipe = make_recipe(kind=kind) if kind == "blocks" else make_recipe(kind=kind, n_components=1)
    report = gmmaudio.crossval(of_vectors, recipe, rows=rows, folds=2)
    # one row hardly moves a UBM: a supervector is of use for many rows
    assert report.n == 48
    assert report.accuracy > 0.6 if kind == "supervector" else report.accuracy == 1.0
    assert {clip.duration_s for clip in report.clips} == {None}
    assert "durations" not in report.slices
    result = gmmaudio.train(of_vectors, recipe, rows=rows)
    assert result.model.features == FeatureSettings(GivenFrames(rows_name="embedding", n_columns=8))
    assert result.model.calibration is not None
    (answer,) = gmmaudio.classify(result.model, ["b/u0"], rows=rows)
    assert answer.duration_s is None
    assert kind == "supervector" or answer.best_label == "b"
    if kind == "frames":
        far = GivenRows({"far": np.full(8, 100.0)})
        assert [each.status for each in gmmaudio.classify(result.model, ["far"], rows=far)] == ["unknown"]


def test_the_scorer_is_that_of_the_arrays_themselves(vectors, of_vectors):
    model = gmmaudio.train(of_vectors, make_recipe(n_components=1), rows=GivenRows(vectors, rows_name="e")).model
    arrays = [np.float32(vectors[clip.path])[None] for clip in of_vectors.clips]
    scorer, _ = fit_scorer(arrays, [clip.label for clip in of_vectors.clips], make_recipe(n_components=1).kind_settings)
    for one, other in zip(model.scorer.mixtures, scorer.mixtures, strict=True):
        np.testing.assert_array_equal(one.means, other.means)
        np.testing.assert_array_equal(one.covariances, other.covariances)


def test_missing_values_are_left_out_as_mixtures_leave_them_out(vectors, of_vectors):
    rng = np.random.default_rng(6)
    holes = {path: np.where(rng.random(8) < 0.2, np.nan, vector) for path, vector in vectors.items()}
    rows, recipe = GivenRows(holes, rows_name="e"), make_recipe(n_components=1)
    result = gmmaudio.train(of_vectors, recipe, rows=rows)
    assert result.failed == ()
    # with one component, EM on missing values has the mean of those that are there
    observed = np.array([holes[clip.path] for clip in of_vectors.clips if clip.label == "a"])
    np.testing.assert_allclose(result.model.scorer.mixtures[0].means[0], np.nanmean(observed, axis=0), atol=1e-3)
    answers = list(gmmaudio.classify(result.model, list(holes), rows=rows))
    assert [answer.best_label for answer in answers] == [path[0] for path in holes]
    # the density is that of the columns that are there
    path = next(path for path, vector in holes.items() if np.isnan(vector).any())
    known = ~np.isnan(holes[path])
    mixture = result.model.scorer.mixtures[0]
    z = (np.float32(holes[path])[known] - mixture.means[0][known]) ** 2 / mixture.covariances[0][known]
    expected = -0.5 * (z + np.log(2 * np.pi * mixture.covariances[0][known])).sum()
    assert answers[list(holes).index(path)].scores["a"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ["blocks", "supervector"])
def test_other_kinds_take_no_missing_values(vectors, of_vectors, kind):
    some = {path: np.where(np.arange(8) == 3, np.nan, v) if path == "a/u0" else v for path, v in vectors.items()}
    recipe = make_recipe(kind=kind) if kind == "blocks" else make_recipe(kind=kind, n_components=1)
    result = gmmaudio.train(of_vectors, recipe, rows=GivenRows(some, rows_name="e"))
    assert [(item.path, item.code) for item in result.failed] == [("a/u0", "missing_values")]


def test_settings_are_chosen_on_inner_folds_of_rows_too(clips, arrays, monkeypatch):
    from dataclasses import replace

    from gmmaudio.models import KINDS, Candidate

    few = {"frames": {"covariance_type": "full", "n_components": 1}, "blocks": {"back_end": "logistic"}}
    for name, kind in KINDS.items():
        candidates = (Candidate(1, few[name]),) if name in few else ()
        monkeypatch.setitem(KINDS, name, replace(kind, candidates=candidates))
    result = gmmaudio.train(clips, make_recipe(n_components=1), rows=given(arrays), tune=True)
    assert {row["kind"] for row in result.model.training.tuning["table"]} == {"frames", "blocks"}
    without = gmmaudio.train(clips, make_recipe(n_components=1), rows=given(arrays, rows_rate_hz=None), tune=True)
    assert without.model.features.rows == RowSettings()


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_rows(corpus, arrays):
    """A model of rows."""
    from gmmaudio.pipeline import read_corpus

    return gmmaudio.train(read_corpus(corpus.plain), make_recipe(n_components=1), rows=given(arrays)).model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows_name": None}, "^`rows_name` is None; expected the name of what made the rows, such as"),
        ({"recipe": make_recipe(augment=["gain"])}, "^`augment` degrades sound, which rows do not have; leave it out$"),
        (
            {"rows_rate_hz": None, "recipe": make_recipe(trial_s=3.0)},
            r"^`trial_s` is 3, and the rate of the rows is not known; name it \(`rows_rate_hz`\)",
        ),
    ],
)
def test_training_refuses_what_rows_do_not_have(clips, arrays, arguments, message):
    recipe = arguments.pop("recipe", make_recipe(n_components=1))
    with pytest.raises(SettingError, match=message):
        gmmaudio.train(clips, recipe, rows=given(arrays, **arguments))
    with pytest.raises(SettingError, match=message):
        gmmaudio.crossval(clips, recipe, rows=given(arrays, **arguments), folds=3)


def test_a_preset_gives_its_kind_and_not_its_front_end(clips, arrays, monkeypatch):
    recipe = recipe_of_rows(make_recipe("language"), given(arrays), clips.clips)
    assert (recipe.kind_settings.kind, recipe.trial_s, recipe.features.rows) == ("supervector", 6.0, RowSettings())
    # rows have no degraded copies: those of the preset are left out, and those that are asked for refused
    noisy = replace(preset_of("language"), augment=("noise",))
    monkeypatch.setitem(PRESETS, "language", PRESETS["language"] | {"supervector": noisy})
    made = make_recipe("language")
    assert made.augment == ("noise",)
    assert recipe_of_rows(made, given(arrays), clips.clips) == recipe
    # clips cannot be joined to seconds where nothing is known of them
    assert recipe_of_rows(make_recipe("language"), given(arrays, rows_rate_hz=None), clips.clips).trial_s is None
    blocks = recipe_of_rows(make_recipe("language", kind="blocks"), given(arrays), clips.clips)
    assert blocks.features.rows == RowSettings(block_s=3.0, block_step_s=1.5)


def test_robustness_needs_the_sound(clips, arrays, of_rows):
    message = "^`robustness` degrades sound, which rows do not have; leave it out$"
    with pytest.raises(SettingError, match=message):
        gmmaudio.crossval(clips, make_recipe(n_components=1), rows=given(arrays), folds=3, robustness=True)
    with pytest.raises(SettingError, match=message):
        gmmaudio.evaluate(of_rows, clips, rows=given(arrays), robustness=True)


def test_a_model_of_rows_refuses_sound_and_other_rows(clips, arrays, of_rows, corpus):
    song = corpus.root / corpus.rows[0]["path"]
    no_sound = r"^the model takes rows of 'mfcc' \(20 columns\), not sound; make such rows of the files, and name those"
    for use in (
        lambda: gmmaudio.classify(of_rows, [song]),
        lambda: gmmaudio.evaluate(of_rows, clips),
        lambda: gmmaudio.timeline(of_rows, song),
        lambda: gmmaudio.explain(of_rows, song),
        of_rows.front_end_tables,
    ):
        with pytest.raises(SettingError, match=no_sound):
            use()
    for settings, message in (
        ({"rows_name": "w2v"}, "^`rows_name` is 'w2v', and the model takes rows of 'mfcc'; make those, or train a"),
        ({"rows_rate_hz": 50.0}, "^`rows_rate_hz` is 50, and that of the model's rows is 43.0664; leave it out, or"),
    ):
        for use in (
            lambda rows: gmmaudio.evaluate(of_rows, clips, rows=rows),
            lambda rows: list(gmmaudio.classify(of_rows, list(arrays), rows=rows)),
        ):
            with pytest.raises(SettingError, match=message):
                use(given(arrays, **settings))
    # a name and a rate that are not given are those of the model
    assert gmmaudio.evaluate(of_rows, clips, rows=GivenRows(arrays)).n == 18
    narrow = GivenRows({path: array[:, :5] for path, array in arrays.items()})
    (answer,) = gmmaudio.classify(of_rows, [corpus.rows[0]["path"]], rows=narrow)
    assert (answer.status, answer.code) == ("error", "wrong_dimension")
    assert answer.message == "has 5 columns; expected 20, as 'mfcc' has in the other clips or in the model"
    with pytest.raises(CorpusError, match=r"^all 18 clips failed; first: .*has 5 columns"):
        gmmaudio.evaluate(of_rows, clips, rows=narrow)


def test_a_model_of_sound_refuses_rows(clips, arrays, model):
    message = r"^the model takes sound, and rows are given; leave them out, or train a model of such rows \(`rows`\)$"
    with pytest.raises(SettingError, match=message):
        gmmaudio.classify(model, list(arrays), rows=given(arrays))
    with pytest.raises(SettingError, match=message):
        gmmaudio.evaluate(model, clips, rows=given(arrays))


def test_a_recipe_of_rows_refuses_sound(clips, arrays):
    recipe = recipe_of_rows(make_recipe(n_components=1), given(arrays), clips.clips)
    with pytest.raises(SettingError, match=r"not sound; make such rows of the files, and name those"):
        gmmaudio.train(clips, recipe)
    with pytest.raises(SettingError, match=r"^`rows_name` is 'other', and the model takes rows of 'mfcc'"):
        gmmaudio.train(clips, recipe, rows=given(arrays, rows_name="other"))
    assert to_bytes(gmmaudio.train(clips, recipe, rows=given(arrays)).model) == to_bytes(
        gmmaudio.train(clips, make_recipe(n_components=1), rows=given(arrays)).model
    )


# --- failures and findings ----------------------------------------------------------------------------------------


def test_one_bad_clip_among_many_is_left_out_and_named(clips, arrays):
    paths = list(arrays)
    bad = dict(arrays) | {paths[0]: np.zeros((0, 20)), paths[7]: np.full((9, 20), np.inf), paths[9]: np.zeros((9, 3))}
    del bad[paths[12]]
    result = gmmaudio.train(clips, make_recipe(n_components=1), rows=given(bad))
    assert {item.path: item.code for item in result.failed} == {
        paths[0]: "no_rows",
        paths[7]: "non_finite",
        paths[9]: "wrong_dimension",
        paths[12]: "vanished",
    }
    assert len(result.model.training.clips) == 14


def test_the_same_rows_under_two_labels_are_found(clips, arrays):
    low, high = (next(path for path in arrays if path.startswith(label)) for label in ("low", "high"))
    rows = given(arrays | {high: arrays[low]})
    report = gmmaudio.crossval(clips, make_recipe(n_components=1), rows=rows, folds=3)
    assert "same_audio_two_labels" in {finding.code for finding in report.findings}


def test_a_report_on_rows_is_run_again_where_they_are_named(clips, arrays, of_rows):
    report = gmmaudio.crossval(clips, make_recipe(n_components=1), rows=given(arrays), folds=3).to_dict()
    assert gmmaudio.reproduce(report, rows=given(arrays)).identical
    with pytest.raises(CorpusError, match=r"^is the report of rows that were given; name these \(`rows`\)$"):
        gmmaudio.reproduce(report)
    changed = dict(arrays) | {next(iter(arrays)): next(iter(arrays.values())) + 1}
    again = gmmaudio.reproduce(report, rows=given(changed))
    assert again.changed_inputs == (f"{next(iter(arrays))}: has other content now",)
    evaluated = gmmaudio.evaluate(of_rows, clips, rows=given(arrays)).to_dict()
    assert gmmaudio.reproduce(evaluated, model=of_rows, rows=given(arrays)).identical
    with pytest.raises(CorpusError, match=r"^is the report of rows that were given"):
        gmmaudio.reproduce(evaluated, model=of_rows)
