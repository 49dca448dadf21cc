"""Threads, worker processes, clusters, one thread for the numeric libraries, and progress: results in a fixed order."""

from gmmaudio.compute.checkpoints import Checkpoints, digest_of, recall, resume
from gmmaudio.compute.cluster import Cluster
from gmmaudio.compute.context import QUIET, Progress, RunContext, quiet
from gmmaudio.compute.limits import ItemLimits, machine_memory
from gmmaudio.compute.thread_pool import thread_map
from gmmaudio.compute.threads import libraries, one_thread
from gmmaudio.compute.workers import count_jobs, ordered_map

__all__ = [
    "QUIET",
    "Checkpoints",
    "Cluster",
    "ItemLimits",
    "Progress",
    "RunContext",
    "count_jobs",
    "digest_of",
    "libraries",
    "machine_memory",
    "one_thread",
    "ordered_map",
    "quiet",
    "recall",
    "resume",
    "thread_map",
]
