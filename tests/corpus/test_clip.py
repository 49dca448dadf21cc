"""A clip and its columns."""

from gmmaudio.corpus import Clip


def test_column_gives_text_or_none():
    clip = Clip("a.wav", "jazz", None, start_s=1.5, extra={"age": "3"})
    names = ("path", "label", "group", "start", "end", "age", "no such")
    assert [clip.column(name) for name in names] == ["a.wav", "jazz", None, "1.5", None, "3", None]
