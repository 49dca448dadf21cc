"""Matroska and WebM files, which are made of EBML elements: joined files, and files that end within an element.

References
----------
RFC 8794, Extensible Binary Meta Language; RFC 9559, Matroska.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gmmaudio.audio.containers.claims import cut_message, too_long
from gmmaudio.audio.formats import AudioNote
from gmmaudio.audio.splice import Found, ReadableFile, Recording, Span, edited, read_at

_HEADER, _SEGMENT, _CLUSTER, _INFO, _DURATION = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1549A966, 0x4489
# the other elements of a segment: SeekHead, Tracks, Cues, Attachments, Chapters, Tags, and those of any level
_SEEK_HEAD, _TRACKS, _CUES, _ATTACHMENTS, _CHAPTERS, _TAGS = (
    0x114D9B74,
    0x1654AE6B,
    0x1C53BB6B,
    0x1941A469,
    0x1043A770,
    0x1254C367,
)
_VOID, _CHECKSUM = 0xEC, 0xBF
_IN_SEGMENT = (_CLUSTER, _INFO, _SEEK_HEAD, _TRACKS, _CUES, _ATTACHMENTS, _CHAPTERS, _TAGS, _VOID, _CHECKSUM)
# no cluster of unknown size goes on behind these
_ENDS_CLUSTER = frozenset((*_IN_SEGMENT[:8], _HEADER, _SEGMENT))
_NESTED = (_INFO, _TRACKS, _ATTACHMENTS, _TAGS, 0xAE, 0xE1, 0x6D80, 0x6240, 0x5035, 0x61A7, 0x7373, 0x67C8)


# FFmpeg would keep longer ones in memory
MAX_METADATA_BYTES = 2**24


class Element(NamedTuple):
    """An element of a file.

    Parameters
    ----------
    code : int
        Its identifier.
    start, body : int
        Offsets of the element and of its content.
    stop : int or None
        Declared end; None where the size is left open.
    """

    code: int
    start: int
    body: int
    stop: int | None


def find_ebml(handle: ReadableFile, start: int, stop: int) -> Found | None:
    """Return the recording of a Matroska or WebM file.

    Parameters
    ----------
    handle : readable file
        The open file.
    start, stop : int
        Where it begins, and the end of the bytes to look at.

    Returns
    -------
    Found or None
        None where no such file begins.

    Raises
    ------
    AudioError
        ``damaged`` if an element before the sound is declared longer than the element around it.
    """
    header = _element_at(handle, start, stop)
    if header is None or header.code != _HEADER or header.stop is None or header.stop > stop:
        return None
    segment = _element_at(handle, header.stop, stop)
    if segment is None or segment.code != _SEGMENT:
        return None
    # a recorder that was killed left no size
    declared_end = None if segment.stop == segment.body else segment.stop
    end = stop if declared_end is None else min(stop, declared_end)
    elements = list(_elements_of_segment(handle, segment.body, end))
    for element in elements:
        _check_sizes(handle, element, end)
    if declared_end is None and elements and elements[-1].stop is not None:
        end = min(stop, elements[-1].stop)
    has_duration = any(_declares_duration(handle, element) for element in elements if element.code == _INFO)
    long = [element for element in elements if _is_long_metadata(element)]
    span = edited(Span(start, end), {element.start: _void_head(element) for element in long})
    is_whole = elements[-1].code != _CLUSTER if elements else True
    if declared_end is not None and declared_end > stop and not is_whole:
        message = cut_message("segment", declared_end - segment.body, stop - segment.body, 0)
        return Found([Recording(span, (), message)], end)
    if elements and elements[-1].code == _CLUSTER and (elements[-1].stop or 0) > stop:
        note = AudioNote("cut_off", "ends within a cluster")
        return Found([Recording(span, () if has_duration else (note,), has_length=has_duration)], end)
    return Found([Recording(span, has_length=has_duration)], end)


def _element_at(handle: ReadableFile, offset: int, stop: int) -> Element | None:
    """Return the element at an offset; None where none begins, or where its head is cut."""
    head = read_at(handle, offset, min(12, max(0, stop - offset)))
    if not head or head[0] < 0x10:
        return None
    code_bytes = 9 - head[0].bit_length()
    if len(head) <= code_bytes or head[code_bytes] == 0:
        return None
    size_bytes = 9 - head[code_bytes].bit_length()
    field = head[code_bytes : code_bytes + size_bytes]
    if len(field) < size_bytes:
        return None
    mask = (1 << (7 * size_bytes)) - 1
    size = int.from_bytes(field, "big") & mask
    body = offset + code_bytes + size_bytes
    return Element(int.from_bytes(head[:code_bytes], "big"), offset, body, None if size == mask else body + size)


def _elements_of_segment(handle: ReadableFile, start: int, stop: int) -> Iterator[Element]:
    """Yield the elements of a segment; a cluster of unknown size gets the end of the last block in it."""
    element = _element_at(handle, start, stop)
    while element is not None and element.code in _IN_SEGMENT:
        if element.stop is None:
            if element.code != _CLUSTER:
                yield element
                return
            element = element._replace(stop=_end_of_cluster(handle, element, stop))
        yield element
        position = element.body if element.stop is None else element.stop
        element = _element_at(handle, position, stop) if position < stop else None


def _end_of_cluster(handle: ReadableFile, cluster: Element, stop: int) -> int:
    """Return the end of the last element of a cluster of unknown size; beyond ``stop`` where that is cut."""
    position = cluster.body
    while position < stop:
        element = _element_at(handle, position, stop)
        if element is None:
            return stop + 1
        if element.code in _ENDS_CLUSTER or element.stop is None:
            break
        position = element.stop
    return position


def _check_sizes(handle: ReadableFile, element: Element, stop: int) -> None:
    """Raise AudioError if an element before the sound, or one inside it, is declared longer than what is around it."""
    if element.code == _CLUSTER or element.stop is None or (element.code in (_CUES, _TAGS) and element.stop > stop):
        return
    if element.stop > stop:
        raise too_long("Matroska", f"the element {element.code:X}", element.stop - element.body, stop - element.body)
    if element.code not in _NESTED:
        return
    position = element.body
    while position < element.stop:
        inner = _element_at(handle, position, element.stop)
        if inner is None or inner.stop is None:
            return
        _check_sizes(handle, inner, element.stop)
        position = inner.stop


def _is_long_metadata(element: Element) -> bool:
    """Return whether an element holds files or tags that are too long to be read."""
    return (
        element.code in (_ATTACHMENTS, _TAGS)
        and element.stop is not None
        and element.stop - element.body > MAX_METADATA_BYTES
    )


def _void_head(element: Element) -> bytes:
    """Return the head of elements without meaning (Void) that take the place of an element, in as many bytes."""
    n_head, n_content = element.body - element.start, (element.stop or element.body) - element.body
    before = {10: b"\xec\x80", 11: b"\xec\x80", 12: b"\xec\x81\0"}.get(n_head, b"")
    size_bytes = n_head - len(before) - 1
    return before + b"\xec" + (1 << (7 * size_bytes) | n_content).to_bytes(size_bytes, "big")


def _declares_duration(handle: ReadableFile, info: Element) -> bool:
    """Return whether the information of a segment declares its duration."""
    position = info.body
    while info.stop is not None and position < info.stop:
        element = _element_at(handle, position, info.stop)
        if element is None or element.stop is None:
            return False
        if element.code == _DURATION:
            return True
        position = element.stop
    return False
