"""Worker processes that die, hang or take all memory at one item."""

import os
import signal
import time

from gmmaudio.pipeline import classification, timeline_run
from gmmaudio.trials import extraction


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    time.sleep(1000)


def eat():
    """Take memory, 10 MB at a time, and use it."""
    held = []
    while True:
        held.append(b"." * 10_000_000)


def crash_at(monkeypatch, item, owner=None, names=None, key=lambda clip: clip.path, how=die):
    """Make every worker process die or so at one item, by default a file whose path ends so."""

    def dying(function):
        me = os.getpid()

        def run(*arguments):
            of_item = key(arguments[-1])
            if of_item == item or (isinstance(item, str) and of_item.endswith(item)):
                assert os.getpid() != me
                how()
            return function(*arguments)

        return run

    places = (
        [(owner, name) for name in names]
        if owner
        else [
            (extraction, "extract_clip"),
            (classification, "classify_file"),
            (classification, "_rows"),
            (timeline_run, "_try_file"),
        ]
    )
    for module, name in places:
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
