"""The names of the public interface, and that each has an example that runs."""

import doctest
import inspect
import subprocess
import sys

import pytest

import gmmaudio

NAMES = [
    *("Corpus", "Explanation", "GivenRows", "GivenVectors", "Model", "Prediction", "Recipe", "Report", "Timeline"),
    "TimelineSegment",
    *("check_corpus", "classify", "crossval", "evaluate", "evaluate_predictions", "explain", "fit_gmm", "load_model"),
    *("load_statistics", "make_recipe", "merge", "read_audio", "read_corpus", "render_html", "reproduce"),
    *("save_model", "save_statistics", "stats", "timeline", "train"),
]


def test_the_exported_names_are_these():
    assert gmmaudio.__all__ == NAMES
    assert dir(gmmaudio) == sorted([*NAMES, "__version__"])


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gmmaudio' has no attribute 'tarin'"):
        _ = gmmaudio.tarin


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_an_example(name):
    found = getattr(gmmaudio, name)
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(found))
    assert any(name.lower() in example.source.lower() for example in examples)


@pytest.mark.parametrize("name", NAMES)
def test_every_function_says_what_its_parameters_are(name):
    found = getattr(gmmaudio, name)
    if inspect.isfunction(found):
        documented = inspect.getdoc(found)
        assert all(parameter in documented for parameter in inspect.signature(found).parameters)
        assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(found).parameters.values())


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, gmmaudio; print(sorted({'numpy', 'scipy', 'librosa', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
