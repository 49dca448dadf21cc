"""Pages of the reference, one for each package: its docstring, a table of its names, each name with its docstring.

``reference_packages`` of the configuration lists the packages, and for each the modules whose names its ``__all__``
does not have. Pages are written below ``generated/reference`` before the build reads its sources.
"""

import ast
import importlib
import inspect
from pathlib import Path

FOLDER = Path("generated") / "reference"
HEAD = """# Reference

All exported names, by package, from their docstrings. `gmmaudio` is the front door. The packages below it can be used
by themselves; `gmmaudio.mixture`, `gmmaudio.evaluation` and `gmmaudio.timelines` work without sound.

```{toctree}
:maxdepth: 1

"""


def public_names(module):
    """Return the names that a module offers: ``__all__``, or the functions and classes that are defined in it."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return [name for name in own if not name.startswith("_") and kind_of(getattr(module, name)) != "data"]


def kind_of(value):
    """Return what documents a value: ``class``, ``function`` or ``data``."""
    if inspect.isclass(value) and not hasattr(value, "__origin__"):
        return "class"
    return "function" if inspect.isroutine(inspect.unwrap(value) if callable(value) else value) else "data"


def write_page(module, more, folder):
    """Write the page of a package, and of modules of it that are documented on the same page."""
    name = module.__name__
    lines = [f".. _{name}:", "", *title(name, "="), f".. automodule:: {name}", "   :no-members:", ""]
    lines += names_of(module, "-")
    for other in more:
        lines += [*title(other, "-"), f".. automodule:: {other}", "   :no-members:", ""]
        lines += names_of(importlib.import_module(other), "^")
    path = folder / f"{name.removeprefix('gmmaudio.')}.rst"
    text = "\n".join(lines)
    # an unchanged page is not read again
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path.stem


def title(text, underline):
    """Return the lines of a heading."""
    return [text, underline * len(text), ""]


def names_of(module, underline):
    """Return the lines that document the names of a module: a table, then classes, functions and constants."""
    kinds = {name: kind_of(getattr(module, name)) for name in public_names(module)}
    lines = [f".. currentmodule:: {module.__name__}", ""]
    table = [name for name, kind in kinds.items() if kind != "data"]
    if len(table) > 2:
        lines += [".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in table), ""]
    for kind, heading in (("class", "Classes"), ("function", "Functions"), ("data", "Constants")):
        chosen = [name for name in kinds if kinds[name] == kind]
        if chosen:
            lines += title(heading, underline)
        for name in chosen:
            lines += constant(module, name) if kind == "data" else entry(module, name, kind)
    return lines


def entry(module, name, kind):
    """Return the lines of a class or function. A class is documented in full in the package that defines it only."""
    home = ".".join(getattr(module, name).__module__.split(".")[:2])
    if kind == "class" and home != ".".join(module.__name__.split(".")[:2]):
        return [f"* :class:`{home}.{name}`", ""]
    return [f".. auto{kind}:: {name}", *(["   :members:"] if kind == "class" else []), ""]


def constant(module, name):
    """Return the lines of a constant: the comment above its definition, and its value or its keys."""
    defined, comment, expression = definition(module, name)
    value = getattr(module, name)
    lines = [f".. py:data:: {name}", ""]
    if comment:
        lines += [f"   {comment[0].upper()}{comment[1:].rstrip('.')}.", ""]
    if isinstance(value, int | str | tuple) and len(repr(value)) < 100:
        lines += [f"   Value: ``{value!r}``", ""]
    elif isinstance(value, dict | frozenset) and all(isinstance(key, str | None) for key in value):
        keys = ", ".join(f"``{key!r}``" for key in (value if isinstance(value, dict) else sorted(value)))
        lines += [f"   {'Keys' if isinstance(value, dict) else 'Values'}: {keys}", ""]
    elif hasattr(value, "__origin__"):
        lines += [f"   Type: ``{expression}``", ""]
    return [*lines, f"   Defined in ``{defined}``.", ""]


def definition(module, name):
    """Return the module that defines a constant, the comment above the definition, and its expression."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    homes = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and name in {a.name for a in n.names}]
    if homes:
        return definition(importlib.import_module(homes[0]), name)
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in assigned(node):
            lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
            above = node.lineno - 1
            while lines[above - 1].startswith("# "):
                above -= 1
            comment = " ".join(line[2:] for line in lines[above : node.lineno - 1])
            return module.__name__, comment, ast.unparse(node.value)
    raise ValueError(f"{module.__name__} exports {name!r}, which is defined in no module that it imports")


def assigned(node):
    """Return the names that an assignment sets."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def write_pages(app):
    """Write all pages, and the page that lists them."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    pages = [write_page(importlib.import_module(p), m, folder) for p, m in app.config.reference_packages.items()]
    (folder / "index.md").write_text(HEAD + "\n".join(pages) + "\n```\n", encoding="utf-8")


def setup(app):
    """Write the pages before sources are looked for."""
    app.add_config_value("reference_packages", {}, "env")
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
