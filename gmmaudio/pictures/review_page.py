"""A review of clips as one HTML page, which plays excerpts, takes answers by the keyboard and saves a manifest.

The page needs nothing but the excerpts beside it. Its script and its style are always the same, and the page allows no
others: the clips are data, which the script shows as text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmmaudio import __version__
from gmmaudio.evaluation.page import template_environment
from gmmaudio.json_text import to_json
from gmmaudio.pictures.timeline_page import audio_url
from gmmaudio.pipeline.review_run import EXCERPT_FOLDER, Review, ReviewClip

if TYPE_CHECKING:
    from jinja2 import Environment

GROUP_NOTES = {
    "column": "Groups are those of the results.",
    "folder": "The group of a clip is its folder: clips of one folder are held out together when a model is tested.",
    "none": "All clips lie in one folder, so that no groups are known: the column group is empty.",
}
# what would end the element of the data, or begin another
MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render_review(review: Review, title: str) -> str:
    """Return a review as one HTML page: no network, every name escaped, for keyboard, mouse and finger.

    Answers are kept by the browser under the hash of the review, and saved as a CSV manifest, which
    :func:`gmmaudio.train` takes.

    Parameters
    ----------
    review : Review
        The clips, with excerpts in the folder ``excerpts`` beside the page.
    title : str
        Name of the results, for the heading.

    Examples
    --------
    >>> from gmmaudio.pipeline.review_run import Review, ReviewClip
    >>> clip = ReviewClip("0a", "/music/<b>.wav", "", "jazz", (("jazz", 0.5),), "0a.mp3")
    >>> page = render_review(Review((clip,), ("jazz", "rock"), "none"), "results.csv")
    >>> "<h1>Review of 1 clip</h1>" in page, "<b>" in page
    (True, False)
    """
    from markupsafe import Markup

    # files of this package, which no name gets into
    script = Markup(_template("review.js"))  # noqa: S704
    style = Markup(_template("page.css", "gmmaudio.evaluation") + _template("review.css"))  # noqa: S704
    page: str = (
        _environment()
        .get_template("review.html.j2")
        .render(
            title=title,
            version=__version__,
            script=script,
            script_hash=_source_hash(script),
            style=style,
            style_hash=_source_hash(style),
            data=Markup(to_json(_data(review)).translate(MARKUP)),  # noqa: S704 - what is markup in it is escaped
            n_clips=len(review.clips),
            group_note=GROUP_NOTES[review.groups],
        )
    )
    return page


def _template(name: str, package: str = "gmmaudio.pictures") -> str:
    """Return a file of the templates as it is."""
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    """Return the hash by which a page's policy allows a script or a style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    """Return the templates of this page and of a report's."""
    return template_environment("gmmaudio.pictures", "gmmaudio.evaluation")


def _data(review: Review) -> dict[str, Any]:
    """Return the data that the script of the page shows."""
    return {"id": review.sha256[:32], "labels": review.labels, "clips": [_clip(clip) for clip in review.clips]}


def _clip(clip: ReviewClip) -> dict[str, Any]:
    """Return a clip as the script of the page takes it."""
    path = Path(clip.path)
    return {
        "key": clip.key,
        "path": clip.path,
        "name": path.name,
        "folder": str(path.parent),
        "group": clip.group,
        "label": clip.label,
        "ranked": clip.ranked,
        "audio": audio_url(f"{EXCERPT_FOLDER}/{clip.excerpt}"),
        "start": round(clip.start_s, 1),
    }
