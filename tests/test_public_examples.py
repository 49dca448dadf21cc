"""Every exported function is shown at work: by an example in its docstring, or on a page that is run."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# those that the reference of the manual has a page for
PACKAGES = re.findall(r'^    "(gmmaudio[\w.]*)": \[', (ROOT / "docs/conf.py").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def pages():
    """The programs of all pages that are run: Learn, applications, and code blocks of the manual."""
    scripts = [*ROOT.glob("docs/learn/*.py"), *ROOT.glob("examples/*.py")]
    documents = [path for path in ROOT.glob("docs/**/*.md") if "generated" not in path.parts]
    blocks = [
        block
        for path in documents
        for block in re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    ]
    return "\n".join([*(path.read_text(encoding="utf-8") for path in scripts), *blocks])


def test_all_packages_are_looked_at():
    assert {"gmmaudio", "gmmaudio.mixture", "gmmaudio.models", "gmmaudio.pictures"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_function_is_shown_at_work(package, pages):
    module = importlib.import_module(package)
    functions = {name: getattr(module, name) for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    shown = [
        name
        for name, function in functions.items()
        if ">>> " in (inspect.getdoc(function) or "") or re.search(rf"\b{name}\(", pages)
    ]
    assert sorted(set(functions) - set(shown)) == []
