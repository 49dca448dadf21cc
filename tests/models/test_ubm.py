"""The UBM: the same number of rows of each group."""

from dataclasses import replace

import numpy as np

from gmmaudio.mixture import fit_gmm
from gmmaudio.models import (
    fit_scorer,
)
from tests.models.conftest import VECTORS, clips_of


def test_no_group_weighs_more_for_having_more_clips():
    rows, labels, groups = clips_of()
    config = replace(VECTORS, n_nuisance=0)
    classifier, _ = fit_scorer(rows, labels, config, groups=groups)
    merged, _ = fit_scorer(rows, labels, config, groups=[f"{i % 8 > 0}" for i in range(len(rows))])
    assert not np.allclose(classifier.score(rows[0]), merged.score(rows[0]))


def test_the_ubm_has_as_many_rows_of_each_group():
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 1, (5000, 1)), rng.normal(50, 1, (300, 1))]
    config = replace(VECTORS, n_components=2, n_ubm_rows=600, n_nuisance=0)
    classifier, _ = fit_scorer(rows, ["a", "b"], config, groups=["1", "2"])
    np.testing.assert_allclose(sorted(classifier.transform.ubm.weights), [0.5, 0.5], atol=0.01)
    plain, _ = fit_gmm(np.concatenate(rows), 2, rng=np.random.default_rng(0))
    assert max(plain.weights) > 0.9
