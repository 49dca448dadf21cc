"""Small changes to the pages as the theme and the gallery write them, which axe-core asks for.

What scrolls can be reached by the keyboard, headings of the navigation have a level, links of the gallery have a name,
and the lines of a signature are no list of definitions.
"""

import re

# what is wider than a phone scrolls by itself
SCROLLS = re.compile(r'<pre(?= |>)|<div class="table-wrapper')
CAPTION = re.compile(r'<p class="caption" role="heading">')
# the text of the link that covers a card of the gallery is hidden
THUMBNAIL = re.compile(r'<a class="reference internal"( href="[^"]+"><span class="doc">([^<]+)</span>)')
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
LIST = re.compile(r"<(/?)(dl|dd)>")
LINE = {"dl": "sig-lines", "dd": "sig-line"}


def accessible(html):
    """Return a piece of a page with these changes."""
    html = SCROLLS.sub(
        lambda match: match[0].replace("<pre", '<pre tabindex="0"').replace("<div", '<div tabindex="0"'), html
    )
    html = CAPTION.sub('<p class="caption" role="heading" aria-level="2">', html)
    if "sphx-glr-thumbcontainer" in html:
        html = THUMBNAIL.sub(r'<a class="reference internal" aria-label="\2"\1', html)
    return SIGNATURE.sub(lambda match: LIST.sub(_as_span, match[0]), html)


def _as_span(match):
    return "</span>" if match[1] else f'<span class="{LINE[match[2]]}">'


def change_page(_app, _pagename, _templatename, context, _doctree):
    """Change the body and the navigation of a page."""
    for key in ("body", "furo_navigation_tree"):
        if context.get(key):
            context[key] = accessible(context[key])


def setup(app):
    """Change pages after the theme has made their navigation."""
    app.connect("html-page-context", change_page, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
