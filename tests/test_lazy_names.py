"""Packages whose names are imported when they are first used: both lists of names are the same."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gmmaudio
from gmmaudio.lazy_names import import_on_use

ROOT = Path(gmmaudio.__file__).parent
LAZY = [path for path in sorted(ROOT.rglob("__init__.py")) if "import_on_use(" in path.read_text(encoding="utf-8")]
ids = [path.parent.name for path in LAZY]


def imports_of(path):
    """Return the module of every name that an ``__init__`` imports for type checkers."""
    blocks = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in imports for alias in node.names}


def table_of(path):
    """Return the module of every name in the table of an ``__init__``."""
    (table,) = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Dict)]
    return {name: module for module, names in ast.literal_eval(table).items() for name in names.split()}


@pytest.mark.parametrize("path", LAZY, ids=ids)
def test_both_lists_of_names_are_the_same(path):
    package = importlib.import_module(".".join(path.parent.relative_to(ROOT.parent).parts))
    assert table_of(path) == imports_of(path)
    assert sorted(table_of(path)) == sorted(package.__all__)
    for name, module in table_of(path).items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)
        assert name in dir(package)


def test_packages_with_many_modules_are_among_them():
    assert {"gmmaudio", "corpus", "evaluation", "mixture", "models", "pipeline"} <= set(ids)


def test_a_name_imports_its_module_and_no_other():
    own = "[m for m in sys.modules if m.startswith('gmmaudio.evaluation.')]"
    code = f"import sys, gmmaudio.evaluation as e; before = {own}; e.FailedInput; print(before, {own})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[] ['gmmaudio.evaluation.records']\n"


def test_a_name_is_looked_for_once(monkeypatch):
    package = importlib.import_module("gmmaudio.evaluation")
    monkeypatch.delitem(vars(package), "FailedInput", raising=False)
    calls = []
    find, _ = import_on_use("gmmaudio.evaluation", {"gmmaudio.evaluation.records": "FailedInput"})
    monkeypatch.setattr(package, "__getattr__", lambda name: calls.append(name) or find(name), raising=False)
    assert package.FailedInput is package.FailedInput
    assert calls == ["FailedInput"]
