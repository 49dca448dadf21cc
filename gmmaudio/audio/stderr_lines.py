"""Lines that the mp3 decoder of libsndfile writes to standard error by itself."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

STDERR = 2
DECODER_LINE = re.compile(rb"\[(?:src/)?libmpg123/|Note: |Warning: Xing ")
# standard error is one for the process
_LOCK = Lock()


@contextmanager
def decoder_lines() -> Iterator[list[str]]:
    """Return a context manager that keeps the lines of the mp3 decoder from standard error.

    Returns
    -------
    context manager of list of str
        The lines, once the context has ended. What others wrote to standard error in the meantime is written then.
    """
    lines: list[str] = []
    with _LOCK, tempfile.TemporaryFile() as file:
        try:
            terminal = os.dup(STDERR)
        except OSError:  # it is closed
            yield lines
            return
        os.dup2(file.fileno(), STDERR)
        try:
            yield lines
        finally:
            os.dup2(terminal, STDERR)
            os.close(terminal)
            file.seek(0)
            others = []
            for line in file.read().splitlines(keepends=True):
                if DECODER_LINE.match(line):
                    lines.append(line.decode(errors="replace").rstrip())
                else:
                    others.append(line)
            if others:
                os.write(STDERR, b"".join(others))
