"""Configuration of the documentation: ``make docs`` builds it into build/docs."""

import logging
import re
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "extensions")]

import gmmaudio  # noqa: E402 (the package beside this file, whatever is installed)

# a word with a last underscore, outside of backticks
FITTED = re.compile(r"(?<![`\w])([a-z]\w*)_(?=[^\w`]|$)")

project = "gmmaudio"
author = copyright = "The gmmaudio developers"
version = release = gmmaudio.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "accessible_html",
    "library_links",
    "mathml",
    "offline_animations",
    "reference_pages",
    "repository_links",
]
exclude_patterns = ["generated/**/*.py", "generated/**/*.ipynb", "generated/**/*.md5", "learn", "reports"]
# a reference without a target, a page in no table of contents, a heading that is missing: `make docs` fails
nitpicky = True

# -- pages in Markdown -------------------------------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
# links of the form page.md#a-heading, as code hosts make them
myst_heading_anchors = 4

# -- the reference -----------------------------------------------------------------------------------------------------
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say shape, unit and range, which types do not
autodoc_preserve_defaults = True
autosummary_generate = False
numpydoc_show_class_members = False
python_maximum_signature_line_length = 88
add_module_names = False
reference_packages = {
    "gmmaudio": ["gmmaudio.errors"],
    "gmmaudio.mixture": [],
    "gmmaudio.mixture.plot": [],
    "gmmaudio.evaluation": [],
    "gmmaudio.corpus": [],
    "gmmaudio.audio": [],
    "gmmaudio.features": [],
    "gmmaudio.trials": [],
    "gmmaudio.models": [],
    "gmmaudio.pipeline": [],
    "gmmaudio.timelines": [],
    "gmmaudio.pictures": [],
    "gmmaudio.service": [],
    "gmmaudio.compute": [],
}
toc_object_entries_show_parents = "hide"

# -- the galleries -----------------------------------------------------------------------------------------------------
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
# it tells with which program it writes each animation
logging.getLogger("matplotlib.animation").setLevel(logging.ERROR)
sphinx_gallery_conf = {
    "examples_dirs": ["learn", "../examples"],
    "gallery_dirs": ["generated/learn", "generated/applications"],
    # what is no page is a module that pages import
    "ignore_pattern": r"^_|^old_faithful\.py$",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": False,
    "show_signature": False,
    "plot_gallery": True,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": (True, "jshtml"),
    "write_computation_times": False,
    "min_reported_time": 5,
}

# -- HTML --------------------------------------------------------------------------------------------------------------
html_theme = "furo"
html_title = f"gmmaudio {release}"
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["gmmaudio.css"]
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"


def skip_member(_app, _what, name, _value, skip, _options):
    """Leave out the methods that scikit-learn adds to estimators for routing metadata."""
    return skip or (name.startswith("set_") and name.endswith("_request")) or name == "get_metadata_routing"


def escape_fitted(_app, _what, _name, _value, _options, lines):
    """Escape names that end with an underscore, which would be links: ``shape (n_components_,)``."""
    lines[:] = [line if ">>>" in line else FITTED.sub(r"\1\\_", line) for line in lines]


def unhead_modules(_app, what, _name, _value, _options, lines):
    """Turn the headings of a module's docstring into rubrics: its page has the heading."""
    if what == "module":
        for i in range(len(lines) - 1, 0, -1):
            if re.fullmatch(r"-{3,}", lines[i]) and lines[i - 1].strip():
                lines[i - 1 : i + 1] = [f".. rubric:: {lines[i - 1]}", ""]


def setup(app):
    """Prepare docstrings."""
    app.connect("autodoc-process-docstring", unhead_modules, priority=100)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("autodoc-process-docstring", escape_fitted)
