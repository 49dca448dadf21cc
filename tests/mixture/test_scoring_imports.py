"""What scoring loads: numpy alone."""

import json
import subprocess
import sys

import numpy as np
import pytest

from gmmaudio.mixture import COVARIANCE_TYPES
from tests.mixture.conftest import random_mixture

SCORE = """
import json, sys
import numpy as np
from gmmaudio.mixture import GaussianMixture, MixtureStack, adapt_gmm
kind, *parts = json.loads(sys.argv[1])
mixture, X = GaussianMixture(*map(np.array, parts), kind), np.array([[0.5, -1.0, 2.0]], dtype=np.float32)
print(MixtureStack((mixture, mixture)).log_density(X)[0, 0] - mixture.log_density(X.astype(float))[0], file=sys.stderr)
mixture.responsibilities(X), adapt_gmm(mixture, X, relevance=8.0)
print(json.dumps([name for name in ("scipy", "sklearn", "joblib") if name in sys.modules]))
"""


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_scoring_and_adaptation_load_no_scipy(covariance_type):
    mixture = random_mixture(covariance_type)
    parts = [covariance_type, *(part.tolist() for part in (mixture.weights, mixture.means, mixture.covariances))]
    done = subprocess.run([sys.executable, "-c", SCORE, json.dumps(parts)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    # and it did score
    assert np.abs(float(done.stderr)) < 1e-4
