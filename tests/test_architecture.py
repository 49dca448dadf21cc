"""The shape of the code: names of modules, their sizes, what docstrings say first."""

import ast
import importlib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gmmaudio"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MAX_FUNCTION, MAX_MODULE = 60, 600
# first words of a clause, where a noun should stand: "Return what a model says" for "Return the prediction"; "Return
# whether" is left to functions that return a bool
CLAUSES = ("what", "how", "which", "whether", "where", "why", "when", "who")


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def lines_of(node):
    """Return the lines of a function without its docstring."""
    docstring = ast.get_docstring(node, clean=False)
    return node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


def functions(path):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, FUNCTIONS)]


def test_no_two_modules_share_a_name():
    counts = Counter(path.stem for path in MODULES if path.stem not in ("__init__", "__main__"))
    counts += Counter(path.parent.name for path in MODULES if path.stem == "__init__")
    assert [name for name, n in counts.items() if n > 1] == []


@pytest.mark.parametrize("init", [path for path in MODULES if path.stem == "__init__"], ids=name_of)
def test_no_module_bears_the_name_of_what_its_package_exports(init):
    package = importlib.import_module(".".join(init.parent.relative_to(ROOT).parts))
    exported = set(getattr(package, "__all__", ()))
    assert exported & {path.stem for path in init.parent.glob("*.py")} == set()


@pytest.mark.parametrize("path", [*MODULES, *sorted(ROOT.glob("[rbd]*/*.py"))], ids=name_of)
def test_functions_and_modules_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE
    assert [node.name for node in functions(path) if lines_of(node) > MAX_FUNCTION] == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_modules_of_tests_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_first_line_of_a_docstring_names_a_noun(path):
    documented = [node for node in ast.walk(tree_of(path)) if isinstance(node, (*FUNCTIONS, ast.ClassDef))]
    clauses = []
    for node in documented:
        first, *_ = (ast.get_docstring(node) or "").split("\n")
        words = first.split()
        if words[:2] == ["Return", "whether"] and "bool" in ast.unparse(
            getattr(node, "returns", None) or ast.Constant("")
        ):
            continue
        if len(words) > 1 and words[0] in ("Return", "Yield") and words[1].rstrip(",") in CLAUSES:
            clauses.append(f"{node.name}: {first}")
    assert clauses == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_functions_say_what_their_parameters_are(path):
    lacking = []
    public = [node for node in tree_of(path).body if isinstance(node, FUNCTIONS) and not node.name.startswith("_")]
    for node in public:
        # the docstring of a command is its help page
        if any(word in ast.unparse(d) for d in node.decorator_list for word in ("click.", "overload")):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if arguments and "Parameters\n" not in (ast.get_docstring(node) or ""):
            lacking.append(node.name)
    assert lacking == []


def test_the_guide_to_the_architecture_names_every_module():
    guide = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    own = [path for path in MODULES if path.stem not in ("__init__", "__main__") and path.parent.name != "cli"]
    assert [name_of(path) for path in own if path.name not in guide] == []
