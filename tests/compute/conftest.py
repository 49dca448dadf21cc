"""Worker processes that no earlier test started."""

import pytest

from gmmaudio.compute import worker_process


@pytest.fixture
def no_idle(monkeypatch):
    """A process without idle workers; those that a test leaves are ended."""
    idle = []
    monkeypatch.setattr(worker_process, "_IDLE", idle)
    yield idle
    worker_process._end_idle_workers()
