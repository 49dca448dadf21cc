"""Items as they arrive: an iterable that may block, such as lines of a pipe, is read by a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)
# items that are read before they are asked for: enough that workers do not wait for the thread
N_AHEAD = 8


class NotThereYet(Exception):  # noqa: N818 - no error
    """The next item has not arrived."""


class Feed(Protocol[Item_co]):
    """A source of items that never blocks."""

    def take(self) -> Item_co:
        """Return the next item.

        Raises
        ------
        StopIteration
            If there are no more.
        NotThereYet
            If it has not arrived; the feed says when it has.
        """

    def close(self) -> None:
        """Take no more items."""


def open_feed(items: Iterable[Item], on_arrival: Callable[[], None]) -> Feed[Item]:
    """Return a feed of the items of an iterable, in their order.

    Parameters
    ----------
    items : iterable
        One with a length is read when an item is asked for. Any other may block, and is read by a thread, a few items
        ahead; an exception that it raises is raised at its turn.
    on_arrival : callable
        Called without arguments, in any thread, when an item is there that was asked for too early, or the end of the
        items.

    Examples
    --------
    >>> feed = open_feed(["a", "b"], on_arrival=lambda: None)
    >>> feed.take(), feed.take()
    ('a', 'b')
    """
    return _AtHand(items) if isinstance(items, Sized) else _Arriving(items, on_arrival)


class _AtHand(Generic[Item]):
    """Items that do not block."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)

    def take(self) -> Item:
        """Return the next item."""
        return next(self._items)

    def close(self) -> None:
        """Take no more items."""
        self._items = iter(())


class _Arriving(Generic[Item]):
    """Items that a thread reads. It cannot be stopped while the iterable blocks, and keeps no program from its end."""

    def __init__(self, items: Iterable[Item], on_arrival: Callable[[], None]) -> None:
        self._on_arrival = on_arrival
        self._there = deque[Item]()
        self._changed = threading.Condition()
        self._is_awaited = self._is_closed = self._is_ended = False
        self._error: BaseException | None = None
        threading.Thread(target=self._read, args=(iter(items),), name="feed", daemon=True).start()

    def take(self) -> Item:
        """Return the next item, if it is there."""
        with self._changed:
            if self._there:
                self._changed.notify_all()
                return self._there.popleft()
            if not self._is_ended:
                self._is_awaited = True
                raise NotThereYet
        if self._error is not None:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        """Take no more items, and call nobody any more."""
        with self._changed:
            self._is_closed = True
            self._there.clear()
            self._changed.notify_all()

    def _read(self, items: Iterator[Item]) -> None:
        """Read the items until their end, or until the feed is closed."""
        try:
            for item in items:
                if not self._has_kept(item):
                    return
                del item
        except BaseException as error:  # noqa: BLE001 - raised where items are taken
            self._error = error
        with self._changed:
            self._is_ended = True
            self._call()

    def _has_kept(self, item: Item) -> bool:
        """Keep an item until it is taken, once there is room; return False where the feed is closed."""
        with self._changed:
            self._there.append(item)
            self._call()
            self._changed.wait_for(lambda: self._is_closed or len(self._there) < N_AHEAD)
            return not self._is_closed

    def _call(self) -> None:
        """Say that something arrived, where that was waited for."""
        if self._is_awaited and not self._is_closed:
            self._is_awaited = False
            self._on_arrival()
