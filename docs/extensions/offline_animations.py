"""Animations of matplotlib that need nothing from another host, and have words for a screen reader.

matplotlib's player takes the signs on its buttons from a font on the web. They are replaced by characters; what the
buttons do stays in their labels.
"""

import re

from docutils import nodes

FONT = re.compile(r'<link rel="stylesheet"\s+href="https://[^"]*font-awesome[^"]*">')
SIGNS = {
    "fa-minus": "\u2212",
    "fa-fast-backward": "\u2758\u25c1",
    "fa-step-backward": "\u25c1",
    "fa-play fa-flip-horizontal": "\u25c0",
    "fa-pause": "\u2759\u2759",
    "fa-play": "\u25b6",
    "fa-step-forward": "\u25b7",
    "fa-fast-forward": "\u25b7\u2758",
    "fa-plus": "+",
}
ICON = re.compile(r'<i class="fa ([a-z -]+)"></i>')


def without_network(html):
    """Return the player with characters for its signs, a text for its picture and a label for its slider."""
    html = FONT.sub("", html)
    html = ICON.sub(lambda match: f'<span aria-hidden="true">{SIGNS[match[1]]}</span>', html)
    html = html.replace('<img id="_anim_img', '<img alt="animation, one frame for each step" id="_anim_img')
    return html.replace('<input id="_anim_slider', '<input aria-label="frame" id="_anim_slider')


def change_players(_app, doctree):
    """Change the players of a page."""
    for node in list(doctree.findall(nodes.raw)):
        if "_anim_slider" in node.astext():
            node.replace_self(nodes.raw("", without_network(node.astext()), format="html"))


def setup(app):
    """Change the pages when they are read."""
    app.connect("doctree-read", change_players)
