"""Wrong types at the public interface: an error of the package names the parameter, and what is expected."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import gmmaudio
from gmmaudio.corpus import Clip
from gmmaudio.errors import GmmaudioError, SettingError
from gmmaudio.evaluation import Protocol, ScoredClip, make_report
from gmmaudio.models import to_bytes
from tests.models.conftest import small_model, small_statistics

GONE = "no such file"
# wrong for every parameter that is checked by its type
WRONG = (object(), 1j, [object()], {"a": object()}, float("nan"), 10**400, np.zeros((2, 2)))
# data of any shape have checks of their own; texts of a report may be anything that prints
OWN_CHECKS = {
    ("GivenRows", "rows"),
    ("GivenVectors", "vectors"),
    ("fit_gmm", "X"),
    ("fit_gmm", "weights"),
    ("Recipe", "augment"),
    ("reproduce", "recorded"),
}
# results, which the package makes
RESULTS = ("Explanation", "Prediction", "Report", "Timeline", "TimelineSegment")


@pytest.fixture(scope="module")
def arguments():
    """Return right arguments of everything that is public; what is read does not exist, so that a call ends at once."""
    model = small_model()
    parts = {"features": model.features, "scorer": model.scorer, "training": model.training}
    clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    report = make_report([clip], ["jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    return {
        "Corpus": {"root": ".", "clips": ()},
        "GivenRows": {"rows": GONE},
        "GivenVectors": {"vectors": GONE},
        "Model": parts,
        "Recipe": {},
        "check_corpus": {"corpus": GONE},
        "classify": {"model": model, "paths": []},
        "crossval": {"corpus": GONE},
        "evaluate": {"model": model, "corpus": GONE},
        "evaluate_predictions": {"path": GONE},
        "explain": {"model": model, "path": GONE},
        "fit_gmm": {"X": np.zeros((3, 1)), "n_components": 1},
        "load_model": {"path": GONE},
        "load_statistics": {"path": GONE},
        "merge": {"parts": [small_statistics()]},
        "save_statistics": {"statistics": small_statistics(), "path": f"{GONE}/statistics"},
        "stats": {"corpus": GONE, "model": model},
        "make_recipe": {},
        "read_audio": {"path": GONE, "sr": 8000},
        "read_corpus": {"path": GONE},
        "render_html": {"report": report, "title": ""},
        "reproduce": {"recorded": {}},
        "save_model": {"model": model, "path": f"{GONE}/model"},
        "timeline": {"model": model, "path": GONE},
        "train": {"corpus": GONE},
    }


@pytest.mark.parametrize("name", [name for name in gmmaudio.__all__ if name not in RESULTS])
def test_a_value_of_a_wrong_type_is_refused_by_the_name_of_its_parameter(arguments, name):
    function = getattr(gmmaudio, name)
    for parameter in inspect.signature(function).parameters:
        if (name, parameter) in OWN_CHECKS:
            continue
        for value in WRONG:
            with pytest.raises(GmmaudioError) as caught:
                function(**arguments[name] | {parameter: value})
            assert parameter in str(caught.value), (parameter, value)
            assert "expected" in str(caught.value)
            assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gmmaudio.evaluate("a.gmm", GONE),
            "`model` is 'a.gmm'; expected a model that load_model or train gives",
        ),
        (lambda: gmmaudio.classify(Path("a"), []), "`model` is PosixPath('a'); expected a model that load_model or"),
        (lambda: gmmaudio.train(5), "`corpus` is 5; expected a path, or a corpus that read_corpus gives"),
        (
            lambda: gmmaudio.train(GONE, 5),
            "`preset` is 5; expected a string, or the settings that make_recipe gives",
        ),
        (lambda: gmmaudio.train(GONE, n_jobs="2"), "`n_jobs` is '2'; expected a whole number"),
        (lambda: gmmaudio.train(GONE, n_jobs=1.5), "`n_jobs` is 1.5; expected a whole number"),
        (
            lambda: gmmaudio.train(GONE, progress=True),
            "`progress` is True; expected a function such as gmmaudio",
        ),
        (lambda: gmmaudio.crossval(GONE, repeats="3"), "`repeats` is '3'; expected a whole number"),
        (lambda: gmmaudio.crossval(GONE, repeats=10**9), "`repeats` is 1000000000; expected 1 to 1000"),
        (lambda: gmmaudio.crossval(GONE, folds=2.5), "`folds` is 2.5; expected a whole number, or a string"),
        (lambda: gmmaudio.crossval(GONE, durations_s=3.0), "`durations_s` is 3.0; expected a list of finite numbers"),
        (lambda: gmmaudio.crossval(GONE, durations_s=["3"]), "`durations_s`[0] is '3'; expected a finite number"),
        (lambda: gmmaudio.make_recipe(seed="0"), "`seed` is '0'; expected a whole number"),
        (lambda: gmmaudio.make_recipe(seed=-1), "`seed` is -1; expected 0 or more"),
        (lambda: gmmaudio.make_recipe(n_components=True), "`n_components` is True; expected a whole number, or None"),
        (lambda: gmmaudio.make_recipe(augment="noise"), "`augment` is 'noise'; expected a list of strings"),
        (
            lambda: gmmaudio.make_recipe(trial_s=-1),
            "`trial_s` is -1; expected 0.1 to 3600 s, or 0 to take clips",
        ),
        (lambda: gmmaudio.load_model(b"a"), "`path` is b'a'; expected a path"),
        (lambda: gmmaudio.classify(small_model(), "a.wav"), "`paths` is 'a.wav'; expected "),
        (lambda: gmmaudio.classify(small_model(), [5]), "`paths`[0] is 5; expected a path"),
        (
            lambda: gmmaudio.classify(small_model(), [], priors=[1, 2]),
            "`priors` is [1, 2]; expected names and values",
        ),
        (lambda: gmmaudio.render_html({}, "a"), "`report` is {}; expected a report that evaluate or crossval gives"),
        (lambda: gmmaudio.reproduce([]), "`recorded` is []; expected names and values"),
        (lambda: gmmaudio.read_audio(GONE, "8000"), "`sr` is '8000'; expected a whole number"),
        (lambda: gmmaudio.fit_gmm(np.zeros((3, 1)), 2.0), "`n_components` is 2.0; expected a whole number"),
    ],
)
def test_the_message_says_what_was_given_and_what_is_expected(call, message):
    with pytest.raises(SettingError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_scalars_of_numpy_are_saved_as_those_of_python():
    recipe = gmmaudio.make_recipe(
        n_components=np.int64(2), seed=np.uint16(3), min_duration_s=np.float32(0.5), trial_s=np.float64(2)
    )
    assert recipe == gmmaudio.make_recipe(n_components=2, seed=3, min_duration_s=0.5, trial_s=2.0)
    scalars = (recipe.kind_settings.n_components, recipe.seed, recipe.min_duration_s, recipe.trial_s)
    assert [type(value) for value in scalars] == [int, int, float, float]
    assert to_bytes(small_model())


def test_a_path_may_be_a_string_wherever_a_path_is_expected():
    clip = Clip("1.wav", "a")
    assert gmmaudio.Corpus("music", [clip]) == gmmaudio.Corpus(Path("music"), (clip,))
    assert gmmaudio.Corpus("music", (clip,)).root.name == "music"
