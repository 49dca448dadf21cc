"""Targets of references that no page of the manual has: names of other libraries, and names of modules below a package.

``:func:`numpy.linalg.eigh``` becomes a link to numpy's manual where the installed numpy has such a name; the address is
made by rule, so the build needs no network. ``:func:`fit_gmm``` leads to the one page that documents the name, from
wherever it is written. A name that exists but that no page documents stays text; one that does not exist is a warning.
"""

import builtins
import importlib
import sys

from docutils import nodes
from sphinx.util.nodes import make_refnode

PAGES = {
    "numpy": "https://numpy.org/doc/stable/reference/generated/{name}.html",
    "scipy": "https://docs.scipy.org/doc/scipy/reference/generated/{name}.html",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{name}.html",
    "matplotlib": "https://matplotlib.org/stable/api/_as_gen/{name}.html",
}


def exists(name):
    """Return whether a dotted name can be imported, as a module or as an attribute of one."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            found = getattr(found, part, getattr(found, "__annotations__", {}).get(part))
        return found is not None
    return False


def documented(objects, name, module):
    """Return the full name of a documented object that a name may mean: in the same package, else the shortest."""
    short = name.rpartition(".")[2] if name.startswith("gmmaudio.") and exists(name) else name
    ends = [full for full in objects if full.endswith(f".{short}")]
    return min(ends, key=lambda full: (not full.startswith(f"{module}."), len(full), full), default=None)


def known(name, node):
    """Return whether a name is one of Python, of the module that writes it, or of a module of the package."""
    if name in dir(builtins) or name.split(".")[0] in sys.stdlib_module_names or exists(name):
        return True
    defined = [m for m in list(sys.modules) if m.startswith(f"{node.get('py:module') or 'gmmaudio'}")]
    return any(exists(f"{module}.{name}") for module in defined)


def resolve(app, env, node, content):
    """Return the link of a reference, its text alone where no page documents what it names, or None."""
    name = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    page = PAGES.get(name.split(".")[0])
    if page is not None and exists(name):
        link = nodes.reference("", "", internal=False, refuri=page.format(name=name))
        link += content.deepcopy()
        return link
    domain = env.get_domain("py")
    full = documented(domain.objects, name, node.get("py:module") or "gmmaudio")
    if full is not None:
        found = domain.objects[full]
        return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content.deepcopy(), full)
    return content.deepcopy() if known(name, node) else None


def setup(app):
    """Resolve what no page of this manual has."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
