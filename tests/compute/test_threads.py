"""Numeric libraries at one thread, and at as many as before afterwards."""

import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gmmaudio.compute import ordered_map, threads


@pytest.fixture(autouse=True)
def no_other_callers(monkeypatch):
    """Forget the callers of other tests: a thread that hangs in a file, and is left alone, keeps its limit."""
    monkeypatch.setattr(threads, "_ONE", threads._OneThread())


def threads_in_use():
    """Return the threads of every BLAS of this process."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_the_function_runs_at_one_thread_and_the_caller_between_results_does_not():
    with threadpool_limits(limits=2, user_api="blas"):
        results = ordered_map(lambda _: threads_in_use(), range(3), 1)
        before = threads_in_use()
        assert set(next(results)) == {1}
        assert threads_in_use() == before != next(results)


def test_a_limit_that_was_changed_while_another_caller_is_at_work_is_set_again():
    # as a thread that hangs in a file, and is left alone
    with threads.one_thread():
        with threadpool_limits(limits=2, user_api="blas"):
            assert 2 in threads_in_use()
            with threads.one_thread():
                assert set(threads_in_use()) == {1}
        assert set(threads_in_use()) == {1}
    assert threads._ONE._limits == []


def test_a_library_that_is_imported_inside_is_limited_by_the_next_caller(monkeypatch):
    calls = []

    class Libraries:
        lib_controllers = ()

        def __init__(self, n):
            self.n = n

        def limit(self, limits):
            calls.append(("limit", self.n, limits))
            return self

        def restore_original_limits(self):
            calls.append(("restore", self.n))

    made = {}
    monkeypatch.setattr(threads, "_libraries", lambda n: made.setdefault(n, Libraries(len(made))))
    with threads.one_thread(), threads.one_thread():
        monkeypatch.setitem(sys.modules, "a module that brings a library", sys)
        with threads.one_thread():
            pass
    # the last limit goes first: the first library was limited already when it was set
    assert calls == [("limit", 0, 1), ("limit", 1, 1), ("restore", 1), ("restore", 0)]


def test_a_limit_that_could_not_be_set_leaves_none_behind(monkeypatch):
    def refuse(_n):
        raise KeyboardInterrupt

    with threadpool_limits(limits=2, user_api="blas"):
        before = threads_in_use()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(threads, "_libraries", refuse)
            with threads.one_thread():
                pass
        with threads.one_thread():
            assert set(threads_in_use()) == {1}
        assert threads_in_use() == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_numeric_libraries_run_on_one_thread(n_jobs):
    def threads(_):
        import numpy  # noqa: F401 - loads the BLAS that is asked about
        from threadpoolctl import threadpool_info

        return [pool["num_threads"] for pool in threadpool_info()]

    with threadpool_limits(limits=2):
        before = [pool["num_threads"] for pool in threadpool_info()]
        for n_threads in ordered_map(threads, range(3), n_jobs):
            assert n_threads
            assert set(n_threads) == {1}
        assert [pool["num_threads"] for pool in threadpool_info()] == before
