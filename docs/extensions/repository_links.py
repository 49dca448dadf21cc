"""Links of Markdown pages to folders and files of the repository that are no pages of the manual.

A folder of the package leads to its page of the reference, a module to its source with colours, a report to a copy
beside the pages; other files are offered as downloads, and other folders stay text.
"""

import os
import posixpath
import shutil
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

REPORTS = "reports"


def replace_links(app, doctree):
    """Replace the links of a page that lead out of the manual."""
    root = Path(app.srcdir).parent
    docname = app.env.docname
    for node in [*doctree.findall(addnodes.pending_xref), *doctree.findall(addnodes.download_reference)]:
        target = node.get("reftarget", "").partition("#")[0]
        path = root / posixpath.normpath(posixpath.join("docs", posixpath.dirname(docname), target))
        is_link = isinstance(node, addnodes.download_reference) or node.get("reftype") == "myst"
        if is_link and target and path.exists() and "://" not in target:
            replacement = link_to(app, path.relative_to(root))
            if replacement is not None:
                replacement += [child.deepcopy() for child in node.children]
                node.replace_self(replacement)


def link_to(app, path):
    """Return the node that takes the place of a link to a path of the repository, or None to leave it as it is."""
    here = posixpath.dirname(app.env.docname)
    parts = path.parts
    if parts[0] == "docs" and parts[1:2] == (REPORTS,):
        return nodes.reference("", "", internal=True, refuri=os.path.relpath("/".join(parts[1:]), here or "."))
    if (Path(app.srcdir).parent / path).is_dir():
        page = "/".join(("generated", "reference", parts[-1]))
        if parts[0] == "gmmaudio" and page in app.env.found_docs:
            return page_link(app, f"/{page}")
        return nodes.inline() if parts[0] != "docs" else page_link(app, f"/{'/'.join(parts[1:])}/index")
    return None


def page_link(app, target):
    """Return the reference to a page of the manual, which is resolved later."""
    return addnodes.pending_xref(
        "", refdomain="std", reftype="doc", reftarget=target, refexplicit=True, refwarn=True, refdoc=app.env.docname
    )


def copy_reports(app, exception):
    """Copy the committed reports beside the pages."""
    source = Path(app.srcdir) / REPORTS
    if exception is None and app.builder.format == "html" and source.is_dir():
        shutil.copytree(source, Path(app.outdir) / REPORTS, dirs_exist_ok=True)


def setup(app):
    """Replace links where a page was read, and copy reports at the end."""
    app.connect("doctree-read", replace_links)
    app.connect("build-finished", copy_reports)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
