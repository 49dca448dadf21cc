"""Many mutations read in a process of its own, which has little memory and little time: python -m tests.fuzz.child."""

import json
import os
import resource
import signal
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from gmmaudio.evaluation import comparison, intervals
from tests.fuzz.readers import READERS, outcome

MEMORY_BYTES = 4 * 2**30
# an alarm ends the process: the file that it was reading is left in the folder
MAX_SECONDS = 60


def main(name, folder, seed, n):
    """Read n mutations of every good file, and print the outcomes; "sound without av" blocks a module."""
    name, _, blocked = name.partition(" without ")
    if blocked:
        sys.modules[blocked] = None
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("error")
    # intervals are tested elsewhere
    intervals.N_DRAWS = comparison.N_DRAWS = 50
    reader, rng, found = READERS[name], np.random.default_rng(int(seed)), Counter()
    path = Path(folder).resolve() / "mutation"
    os.chdir(folder)
    for good in reader.seeds(path.parent).values():
        for _ in range(int(n)):
            path.write_bytes(reader.mutate(good, rng))
            signal.alarm(MAX_SECONDS)
            found[outcome(reader, path)] += 1
            signal.alarm(0)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
