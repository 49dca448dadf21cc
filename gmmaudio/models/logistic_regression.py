"""Multinomial logistic regression on rows that are read in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmmaudio.models.chunked_rows import ChunkedRows, in_chunks
from gmmaudio.models.heads import Linear
from gmmaudio.models.linear_algebra import Array, Codes, Matrix

# as scikit-learn's LogisticRegression stops
MAX_STEPS = 300
GRADIENT_TOLERANCE = 1e-4
LOSS_TOLERANCE = 64 * np.finfo(np.float64).eps
MAX_LINE_SEARCH = 50


def fit_logistic(rows: Matrix | ChunkedRows, codes: Codes, weights: Array, penalty: float) -> Linear:
    """Return multinomial logistic regression on rows, as a head.

    Every step of the search (L-BFGS) reads all rows once. A solution some steps short of the optimum gives the same
    labels. The memory is that of a chunk, and of about 30 times the coefficients.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        Rows of a scale near one.
    codes : ndarray, shape (n,), int
        Label of every row, at least two different.
    weights : ndarray, shape (n,)
        Weight of every row, mean 1.
    penalty : float
        Half the squared coefficients times this are added to the weighted mean log-loss.

    References
    ----------
    Liu, Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical Programming 45 (1989).

    Examples
    --------
    >>> head = fit_logistic(np.array([[-1.0], [1.0]]), np.array([0, 1]), np.ones(2), 0.01)
    >>> int(head.score(np.array([[2.0]])).argmax())
    1
    """
    from scipy.optimize import minimize

    chunks, n_labels = in_chunks(rows), int(codes.max()) + 1
    n_functions = 1 if n_labels == 2 else n_labels
    objective = _Objective(chunks, codes, weights / weights.sum(), penalty, n_functions)
    options = {
        "maxiter": MAX_STEPS,
        "maxls": MAX_LINE_SEARCH,
        "gtol": GRADIENT_TOLERANCE,
        "ftol": LOSS_TOLERANCE,
    }
    start = np.zeros(n_functions * (chunks.shape[1] + 1))
    best = minimize(objective.loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x
    coefficients, intercepts = objective.split(best)
    if n_functions == 1:
        # of two labels only the difference is fitted
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return Linear(coefficients.astype(np.float32), intercepts)


@dataclass(frozen=True, eq=False)
class _Objective:
    """The penalised log-loss of rows, as a function of coefficients and intercepts in one vector.

    ``weights`` sum to 1. Of two labels there is one function: the log odds of the second.
    """

    rows: ChunkedRows
    codes: Codes
    weights: Array
    penalty: float
    n_functions: int

    def split(self, parameters: Array) -> tuple[Array, Array]:
        """Return coefficients, shape (n_functions, d), and intercepts, shape (n_functions,)."""
        d = self.rows.shape[1]
        return parameters[: self.n_functions * d].reshape(self.n_functions, d), parameters[self.n_functions * d :]

    def loss_and_gradient(self, parameters: Array) -> tuple[float, Array]:
        """Return the loss, nats, and its gradient."""
        coefficients, intercepts = self.split(parameters)
        loss, slopes, shifts = 0.0, np.zeros(coefficients.shape), np.zeros(intercepts.shape)
        for part, chunk in self.rows:
            values = chunk.astype(np.float64, copy=False)
            losses, errors = self._errors(values @ coefficients.T + intercepts, self.codes[part])
            errors *= self.weights[part, None]
            loss += float(self.weights[part] @ losses)
            slopes += errors.T @ values
            shifts += errors.sum(axis=0)
        loss += self.penalty / 2 * float(np.square(coefficients).sum())
        return loss, np.concatenate([(slopes + self.penalty * coefficients).ravel(), shifts])

    def _errors(self, logits: Array, codes: Codes) -> tuple[Array, Array]:
        """Return the log-loss of every row, and its gradient by the functions, shape (n, n_functions)."""
        if self.n_functions == 1:
            signs = np.where(codes == 1, 1.0, -1.0)[:, None]
            margins = signs * logits
            # 1 / (1 + exp(margin)) without overflow
            return np.logaddexp(0.0, -margins[:, 0]), -signs * np.exp(-np.logaddexp(0.0, margins))
        each = np.arange(len(codes))
        logits -= logits.max(axis=1, keepdims=True)
        of_true = logits[each, codes]
        shares = np.exp(logits, out=logits)
        totals = shares.sum(axis=1)
        shares /= totals[:, None]
        shares[each, codes] -= 1.0
        return np.log(totals) - of_true, shares
