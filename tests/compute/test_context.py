"""The context of a run: results in order whatever the number of workers, progress, and interrupts from it."""

import os

import pytest

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.errors import SettingError, WorkerError


class Watched:
    """A progress callable that notes each stage, the items it passes on, and that it was closed."""

    def __init__(self, stop_at=None):
        self.events = []
        self.stop_at = stop_at

    def __call__(self, items, total, stage, /):
        self.events.append((stage, total))
        try:
            for item in items:
                if item == self.stop_at:
                    raise KeyboardInterrupt
                self.events.append(item)
                yield item
        finally:
            self.events.append("closed")


@pytest.mark.parametrize("n_jobs", [0, -2])
def test_an_invalid_number_of_workers_is_refused_before_any_work(n_jobs):
    with pytest.raises(SettingError, match=f"`n_jobs` is {n_jobs}; expected 1 or more"):
        RunContext(n_jobs)


def test_by_default_a_run_is_in_one_process_and_shows_nothing(capfd):
    assert RunContext() == QUIET
    assert list(QUIET.map(lambda _: os.getpid(), [1, 2], "asking")) == [os.getpid()] * 2
    assert capfd.readouterr() == ("", "")


# --- map ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_map_gives_the_same_results_in_the_order_of_the_items_for_any_number_of_workers(n_jobs):
    watched = Watched()
    items = [0.1 * i for i in range(20)]
    assert list(RunContext(n_jobs, watched).map(abs, items, "adding")) == items
    assert watched.events == [("adding", 20), *items, "closed"]


@pytest.mark.parametrize(("work_s", "here"), [(0.0, True), (9.0, True), (10.0, False)])
def test_map_asks_for_the_work_where_the_number_of_workers_is_none(monkeypatch, work_s, here):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)
    pids = set(RunContext().map(lambda _: os.getpid(), range(8), "asking", estimate=lambda: work_s))
    assert pids == {os.getpid()} if here else os.getpid() not in pids
    asked = []
    assert list(RunContext(1).map(abs, [-1], "asking", estimate=lambda: asked.append(1) or 1e9)) == [1]
    assert asked == []


def test_map_in_one_process_takes_an_item_only_when_its_result_is_asked_for():
    computed = []
    results = RunContext(1, Watched()).map(lambda item: computed.append(item) or item, range(5), "adding")
    assert computed == []
    assert [next(results), next(results)] == [0, 1]
    assert computed == [0, 1]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_map_without_items_reports_an_empty_stage(n_jobs):
    watched = Watched()
    assert list(RunContext(n_jobs, watched).map(abs, [], "adding")) == []
    assert watched.events == [("adding", 0), "closed"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_from_progress_leaves_map_as_it_is_and_workers_serve_the_next_run(n_jobs):
    computed = []
    watched = Watched(stop_at=3)
    run = RunContext(n_jobs, watched)
    with pytest.raises(KeyboardInterrupt):
        for result in run.map(abs, range(100), "adding"):
            computed.append(result)
    assert computed == [0, 1, 2]
    assert watched.events[-1] == "closed"
    assert list(RunContext(n_jobs).map(abs, [-1, -2], "adding")) == [1, 2]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_the_function_leaves_map_as_it_is(n_jobs):
    def fails_at_two(item):
        if item == 2:
            raise KeyError("two")
        return item

    watched = Watched()
    with pytest.raises(KeyError, match="two"):
        list(RunContext(n_jobs, watched).map(fails_at_two, range(4), "adding"))
    assert watched.events[-1] == "closed"


def test_a_dead_worker_leaves_map_as_an_error_of_this_package():
    def dies(_):
        import os

        os._exit(1)

    with pytest.raises(WorkerError):
        list(RunContext(2, Watched()).map(dies, [1], "adding"))


# --- track -------------------------------------------------------------------------------------------------------


def test_track_passes_items_on_one_by_one():
    watched = Watched()
    tracked = RunContext(2, watched).track(["a", "b"], "folds")
    assert watched.events == []
    assert next(tracked) == "a"
    assert watched.events == [("folds", 2), "a"]
    assert list(tracked) == ["b"]
    assert watched.events[-1] == "closed"


def test_an_interrupt_from_progress_leaves_a_tracked_loop_as_it_is():
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for item in RunContext(1, Watched(stop_at="b")).track(["a", "b", "c"], "folds"):
            seen.append(item)
    assert seen == ["a"]


def test_progress_may_give_the_items_without_a_generator():
    assert list(RunContext(1, lambda items, _total, _stage: list(items)).track([1, 2], "folds")) == [1, 2]


# --- steps -------------------------------------------------------------------------------------------------------


def test_steps_count_up_to_their_number_and_no_further():
    watched = Watched()
    with RunContext(1, watched).steps(2, "iterating") as step:
        assert watched.events == []
        step()
        assert watched.events == [("iterating", 2), 0]
        step()
        step()
    assert watched.events == [("iterating", 2), 0, 1, "closed"]


def test_steps_that_end_early_close_the_progress_at_once():
    watched = Watched()
    with RunContext(1, watched).steps(100, "iterating") as step:
        step()
    assert watched.events == [("iterating", 100), 0, "closed"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_inside_steps_passes_and_closes_the_progress(error):
    watched = Watched()
    with pytest.raises(error), RunContext(1, watched).steps(3, "iterating") as step:
        step()
        raise error
    assert watched.events == [("iterating", 3), 0, "closed"]


def test_an_interrupt_from_progress_leaves_a_step_as_it_is():
    with pytest.raises(KeyboardInterrupt), RunContext(1, Watched(stop_at=1)).steps(3, "iterating") as step:
        step()
        step()


def test_steps_take_a_progress_that_cannot_be_closed():
    seen = []

    def listed(items, total, stage):
        seen.append((total, stage))
        return list(items)

    with RunContext(1, listed).steps(3, "iterating") as step:
        step()
    assert seen == [(3, "iterating")]
