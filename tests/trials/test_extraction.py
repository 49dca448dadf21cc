"""Raw frames of many clips: degradations, failures, and bounds of lengths."""

import numpy as np

from gmmaudio.trials import Degradation


def test_random_numbers_of_a_degradation_depend_on_seed_and_path_only():
    y = np.zeros(1000, dtype=np.float32) + np.float32(0.1)
    one, same, other_seed, other_path = (
        Degradation("noise 20 dB", seed).apply(y, 22050, path)
        for seed, path in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other_seed)
    assert not np.array_equal(one, other_path)
