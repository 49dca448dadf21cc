"""Worker processes that die at one item."""

import os
import signal

from gmmaudio.pipeline import classification
from gmmaudio.trials import extraction


def crash_at(monkeypatch, item, owner=None, names=None, key=lambda clip: clip.path):
    """Make every worker process die by SIGKILL at one item, by default a file whose path ends so."""

    def dying(function):
        me = os.getpid()

        def run(*arguments):
            of_item = key(arguments[-1])
            if of_item == item or (isinstance(item, str) and of_item.endswith(item)):
                assert os.getpid() != me
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return run

    places = (
        [(owner, name) for name in names]
        if owner
        else [
            (extraction, "extract_clip"),
            (classification, "_classify"),
            (classification, "_rows"),
        ]
    )
    for module, name in places:
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
