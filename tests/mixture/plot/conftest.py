"""Mixtures to draw, whose covariance matrices are known."""

import numpy as np

from gmmaudio.mixture import GaussianMixture

ANGLE = np.radians(30.0)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
# half axes of 3 and 1, turned by 30 degrees
TURNED = TURN @ np.diag([9.0, 1.0]) @ TURN.T


def mixture_of(covariance_type, d=3):
    """Return a mixture of two components whose covariance matrices are known, and these matrices."""
    means = np.array([[0.0, 0.0, 1.0], [10.0, -4.0, 2.0]])[:, :d]
    full = np.eye(d)
    full[:2, :2] = TURNED
    made = {
        "diag": np.array([[4.0, 1.0, 9.0], [0.25, 16.0, 1.0]])[:, :d],
        "full": np.stack([full, 2 * full]),
        "tied": full,
        "spherical": np.array([4.0, 0.25]),
    }[covariance_type]
    matrices = {
        "diag": [np.diag(row) for row in made] if covariance_type == "diag" else None,
        "full": list(made),
        "tied": [full, full],
        "spherical": [4.0 * np.eye(d), 0.25 * np.eye(d)],
    }[covariance_type]
    return GaussianMixture([0.75, 0.25], means, made, covariance_type), matrices
