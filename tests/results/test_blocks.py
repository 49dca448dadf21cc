"""Generated blocks of documents: found, filled, and compared with what their results give."""

import pytest

from results.blocks import blocks_of, differences, documents, fill, split_blocks

PAGE = """# Page

<!-- results: a -->
old
<!-- end -->

text

<!-- results: b/part -->
<!-- end -->
"""


def render(name):
    if name == "missing":
        raise ValueError("no such file")
    return f"new {name}\n"


def test_blocks_are_filled_and_all_else_stays():
    filled = fill(PAGE, render)
    assert filled == PAGE.replace("old\n", "new a\n").replace("b/part -->\n", "b/part -->\nnew b/part\n")
    assert fill(filled, render) == filled


def test_a_page_without_blocks_stays_as_it_is():
    assert fill("text\n", render) == "text\n"
    assert fill("", render) == ""


def test_marks_inside_a_fenced_block_of_code_are_text():
    page = f"```\n{PAGE}```\n"
    assert fill(page, render) == page


def test_a_block_may_hold_fenced_code():
    page = "<!-- results: a -->\n```\nx\n```\n<!-- end -->\n"
    assert fill(page, render) == "<!-- results: a -->\nnew a\n<!-- end -->\n"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("\n<!-- results: a -->\nold\n", "line 2: block 'a' has no '<!-- end -->'"),
        ("<!-- results: a -->\n<!-- results: b -->\n", "line 2: a block begins inside block 'a'"),
    ],
)
def test_a_block_without_an_end_is_refused(page, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        list(split_blocks(page))
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(ValueError, match=rf"page\.md: {message}"):
        blocks_of(path)


def test_a_block_changed_by_hand_is_named_with_its_page_and_line(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(fill(PAGE, render))
    assert differences(path, render) == []
    path.write_text(path.read_text().replace("new a", "better a"))
    (difference,) = differences(path, render)
    assert str(difference) == f"{path}:3: block 'a' differs from its file of results"


def test_a_block_that_cannot_be_made_is_a_difference(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- results: missing -->\n<!-- end -->\n")
    (difference,) = differences(path, render)
    assert str(difference) == f"{path}:1: block 'missing' cannot be made: no such file"


def test_documents_are_the_pages_of_the_root_of_docs_and_the_readmes_of_folders(tmp_path):
    pages = ["README.md", "docs/a.md", "docs/decisions/b.md", "recipes/README.md"]
    others = [".venv/README.md", "recipes/notes.md", "docs/a.html", "build/x/README.md"]
    for name in pages + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(path.relative_to(tmp_path)) for path in documents(tmp_path)] == sorted(pages)
