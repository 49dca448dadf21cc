"""Formulas as MathML, which browsers draw themselves: no script, and nothing from another host.

docutils converts LaTeX to MathML. What it does not know is a warning, at which a strict build fails.
"""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
# names of functions, which stand apart from what is beside them: log n, 2 log L, but log(n)
BEFORE = re.compile(r"(</m(?:i|n|sub|sup|subsup|row|frac)>)(\s*<mi>[a-z]{2,}</mi>)")
AFTER = re.compile(r"<mo>&ApplyFunction;</mo>(?!\s*<mo[^>]*>[(\[{])")
SPACE = '<mspace width="0.17em"></mspace>'


def _mathml(node, *, as_block):
    try:
        text = tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        LOGGER.warning("formula %r: %s", node.astext(), error, location=node)
        return node.astext()
    return AFTER.sub(rf"\g<0>{SPACE}", BEFORE.sub(rf"\1{SPACE}\2", text))


def visit_inline(self, node):
    """Write a formula within a line."""
    self.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_block(self, node):
    """Write a formula of its own lines, which scrolls by itself where it is wider than the page."""
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    label = f' id="equation-{node["label"]}"' if node.get("label") else ""
    self.body.append(f'<div class="math" tabindex="0" role="group" aria-label="formula"{label}>{number}')
    self.body.append(_mathml(node, as_block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Add the renderer ``mathml`` for ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
