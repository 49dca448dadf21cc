"""Threads and processes: the same bits, and exceptions that stop them."""

import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gmmaudio.errors import SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, accumulate, fit_gmm
from tests.mixture.conftest import bits, crowd, first_mixture

TYPES = COVARIANCE_TYPES


# --- one result, however it is computed ------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_threads_and_pools_give_the_same_bits(covariance_type):
    X, start = crowd(50_000), first_mixture(covariance_type)
    options = {"covariance_type": covariance_type, "init": start, "max_iter": 2, "tol": 0}
    expected = bits(*fit_gmm(X, 8, **options))
    for n_threads in (2, 3, -1):
        assert bits(*fit_gmm(X, 8, n_threads=n_threads, **options)) == expected, n_threads
    with ThreadPoolExecutor(2) as pool:
        assert bits(*fit_gmm(X, 8, mapper=pool.map, **options)) == expected
    for limit in (1, 2):
        with threadpool_limits(limit):
            assert bits(*fit_gmm(X, 8, **options)) == expected, limit


def test_processes_give_the_same_bits():
    X, start = crowd(50_000), first_mixture("diag")
    # a fresh interpreter each: forking one that runs threads is no good
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parallel = accumulate(start, X, mapper=pool.imap)
    expected = accumulate(start, X)
    np.testing.assert_array_equal(parallel.f, expected.f)
    np.testing.assert_array_equal(parallel.s, expected.s)
    assert parallel.log_likelihood == expected.log_likelihood


def test_scoring_from_many_threads_leaves_the_libraries_as_they_were():
    mixture, X = first_mixture("diag"), crowd(2000)
    before = [(info["filepath"], info["num_threads"]) for info in threadpool_info()]
    expected = mixture.log_density(X)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: mixture.log_density(X), range(60)):
            np.testing.assert_array_equal(scores, expected)
    assert [(info["filepath"], info["num_threads"]) for info in threadpool_info()] == before


# --- exceptions ------------------------------------------------------------------------------------------------------


def test_a_source_that_fails_ends_the_threads_of_a_fit():
    X, passes = crowd(40_000), []

    def source():
        passes.append(None)
        yield X[:20_000]
        if len(passes) > 6:
            raise OSError("the disk is gone")
        yield X[20_000:]

    threads = set(threading.enumerate())
    limits = [(info["filepath"], info["num_threads"]) for info in threadpool_info()]
    with pytest.raises(OSError, match="the disk is gone"):
        fit_gmm(source, 4, max_iter=50, tol=0, n_threads=2)
    assert set(threading.enumerate()) == threads
    assert [(info["filepath"], info["num_threads"]) for info in threadpool_info()] == limits


# --- invalid settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [0, -2, 1.5, True, "2"])
def test_invalid_numbers_of_threads_are_refused(n_threads):
    with pytest.raises(SettingError, match="expected 1 or more, or -1 for one on each core"):
        accumulate(first_mixture("diag"), crowd(100), n_threads=n_threads)


# --- regressions -----------------------------------------------------------------------------------------------------


def test_a_worker_thread_gives_the_bits_of_the_main_thread():
    # threadpoolctl lets one thread set limits: a fit in the main thread must not keep others from it
    X = np.random.default_rng(0).normal(size=(20_000, 39))
    options = {"covariance_type": "full", "init": "random", "tol": 0, "max_iter": 2}
    expected, _ = fit_gmm(X, 16, **options)
    with ThreadPoolExecutor(2) as pool:
        fitted = list(pool.map(lambda _: fit_gmm(X, 16, **options)[0], range(2)))
    for mixture in fitted:
        np.testing.assert_array_equal(mixture.covariances, expected.covariances)


def test_first_fits_in_two_threads_leave_the_libraries_as_they_were():
    # in a fresh process: only there no thread has set a limit yet
    script = (
        # a fit imports these, which bring libraries of their own
        "import numpy as np, scipy.linalg, sklearn.cluster, threading, threadpoolctl\n"
        "from gmmaudio.mixture import fit_gmm\n"
        "threads = lambda: [i['num_threads'] for i in threadpoolctl.threadpool_info() if i['user_api'] == 'blas']\n"
        "before = threads()\n"
        "X = np.random.default_rng(0).normal(size=(3000, 5))\n"
        "work = [threading.Thread(target=fit_gmm, args=(X[: 1000 * (i + 1)], 4)) for i in range(3)]\n"
        "[t.start() for t in work], [t.join() for t in work]\n"
        # k-means loads another library
        "assert set(threads()) == set(before), (before, threads())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
