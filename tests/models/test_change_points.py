import numpy as np
from scipy.stats import multivariate_normal

from gmmaudio.models import change_points
from gmmaudio.models.change_points import change_scores


def sound(n, d, mean, seed):
    rng = np.random.default_rng(seed)
    return (mean + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))).astype(np.float32)


def test_the_score_is_the_likelihood_ratio_of_gaussians(monkeypatch):
    monkeypatch.setattr(change_points, "SHRINKAGE", 0.0)
    frames = np.concatenate([sound(300, 3, 0.0, 1), sound(300, 3, 2.0, 2)])
    (score,) = change_scores(frames, np.array([280]), 200)

    def log_likelihood(part):
        return multivariate_normal(part.mean(axis=0), np.cov(part.T, bias=True)).logpdf(part).sum()

    before, after, both = frames[80:280], frames[280:480], frames[80:480]
    expected = (log_likelihood(before) + log_likelihood(after) - log_likelihood(both)) / 400
    # the ridge of a ten-thousandth of the variance moves the determinant a little
    np.testing.assert_allclose(score, expected, rtol=5e-3)


def test_the_greatest_score_is_at_the_change_and_scaling_does_not_matter():
    frames = np.concatenate([sound(400, 4, 0.0, 1), sound(500, 4, 0.5, 2)])
    moments = np.arange(50, 880, 5)
    scores = change_scores(frames, moments, 150)
    assert moments[scores.argmax()] == 400
    assert (scores >= 0).all()
    scaled = change_scores(frames * np.float32(8.0) + np.float32(100.0), moments, 150)
    # float32 frames of another offset differ in their last bits
    np.testing.assert_allclose(scaled, scores, atol=1e-4)


def test_sides_that_are_too_short_have_no_score():
    frames = sound(300, 2, 0.0, 1)
    assert change_scores(frames, np.array([49, 251]), 100).tolist() == [0.0, 0.0]
    assert (change_scores(frames, np.array([50, 250]), 100) > 0).all()


def test_steady_sound_is_no_change():
    frames = np.full((400, 5), -100.0, dtype=np.float32)
    assert change_scores(frames, np.array([200]), 150).tolist() == [0.0]
