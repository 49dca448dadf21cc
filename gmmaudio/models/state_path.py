"""The most likely path of labels through a recording: Viterbi with a shortest turn, decided once it is certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.models.linear_algebra import Array

# steps after which the path is decided at the latest, and steps from one look for what is certain to the next
MAX_LAG, LOOK_EVERY = 400, 8


@dataclass(frozen=True)
class TurnPrior:
    """The prior of turns: their mean length and the shortest.

    Parameters
    ----------
    mean_steps : float
        Mean length of a turn, steps, above 1: beyond the shortest, a turn ends with the same probability at each step.
    min_steps : int
        Shortest turn, steps; the first and the last of a recording may be cut short.

    Raises
    ------
    SettingError
        If a length is outside its bounds.

    Examples
    --------
    >>> TurnPrior(40.0, 4).min_steps
    4
    """

    mean_steps: float
    min_steps: int = 1

    def __post_init__(self) -> None:
        if not self.mean_steps > 1 or self.min_steps < 1:
            raise SettingError(
                f"turns of {self.mean_steps:g} steps in the mean and {self.min_steps} at least; expected above 1, "
                "and 1 or more"
            )


class PathDecoder:
    """The most likely sequence of labels for evidence that arrives step by step.

    A turn of label k passes through ``min_steps`` states and stays in the last: after Ostendorf et al., a hidden
    semi-Markov model with geometric durations beyond the shortest. A label is decided when every surviving path has it,
    which later evidence cannot change; or ``MAX_LAG`` steps later, by the best path so far.

    Parameters
    ----------
    n_labels : int
        Number of labels, 2 or more.
    prior : TurnPrior
        Prior of the turns; every other label is as likely to follow.

    References
    ----------
    Viterbi, "Error bounds for convolutional codes", IEEE Transactions on Information Theory 13 (1967). Ostendorf,
    Digalakis, Kimball, "From HMM's to segment models", IEEE Transactions on Speech and Audio Processing 4 (1996).

    Examples
    --------
    >>> decoder = PathDecoder(2, TurnPrior(10.0))
    >>> decided = [label for p in (0.9, 0.9, 0.4, 0.9, 0.1, 0.1, 0.1) for label in decoder.push(np.log([p, 1 - p]))]
    >>> decided + decoder.finish()
    [0, 0, 0, 0, 1, 1, 1]
    """

    def __init__(self, n_labels: int, prior: TurnPrior) -> None:
        self._shape = (n_labels, prior.min_steps)
        self._stay = np.log1p(-1 / prior.mean_steps)
        self._switch = -np.log(prior.mean_steps * (n_labels - 1))
        # log probability of the best path to every state, and the states before them, of steps that are not decided
        self._best: Array | None = None
        self._before: list[npt.NDArray[np.intp]] = []

    def push(self, evidence: Array, change: float = 0.0) -> list[int]:
        """Return the labels of the steps that are decided by the next step's evidence, in order.

        Parameters
        ----------
        evidence : ndarray, shape (n_labels,)
            Log likelihood of every label in this step.
        change : float
            Added to the log probability of a change before this step.
        """
        n_labels, n_states = self._shape
        if self._best is None:
            self._best = np.full(self._shape, -np.inf)
            # the first turn may have begun before the recording
            self._best[:, 0] = self._best[:, -1] = evidence
            return []
        before = np.arange(n_labels * n_states).reshape(self._shape) - 1
        best = np.empty(self._shape)
        best[:, 1:] = self._best[:, :-1]
        stayed = self._best[:, -1] + self._stay
        entered, entered_from = self._enter(self._best[:, -1] + self._switch + change)
        if n_states == 1:
            best[:, 0] = entered
        # paths of one state stay in it
        stays = stayed >= (entered if n_states == 1 else best[:, -1])
        best[:, 0] = np.where(stays, stayed, entered) if n_states == 1 else entered
        before[:, 0] = entered_from * n_states + n_states - 1
        best[:, -1] = np.where(stays, stayed, best[:, -1])
        before[:, -1] = np.where(stays, np.arange(n_labels) * n_states + n_states - 1, before[:, -1])
        self._best = best + evidence[:, None]
        self._before.append(before.ravel())
        n = len(self._before)
        return self._decide() if n % LOOK_EVERY == 0 or n > MAX_LAG else []

    def finish(self) -> list[int]:
        """Return the labels of all steps that are left, by the best path."""
        if self._best is None:
            return []
        path = [int(self._best.argmax())]
        for before in reversed(self._before):
            path.append(int(before[path[-1]]))
        self._best, self._before = None, []
        return [state // self._shape[1] for state in reversed(path)]

    def _enter(self, leaving: Array) -> tuple[Array, npt.NDArray[np.intp]]:
        """Return the best way into every label from another one, and that label."""
        first = int(leaving.argmax())
        others = leaving.copy()
        others[first] = -np.inf
        second = int(others.argmax())
        labels = np.arange(len(leaving))
        source = np.where(labels == first, second, first)
        return leaving[source], source

    def _decide(self) -> list[int]:
        """Return the labels of the steps at which all surviving paths agree, and drop these steps."""
        assert self._best is not None  # noqa: S101 - only called after a step
        states = np.flatnonzero(np.isfinite(self._best.ravel()))
        # ancestors of all survivors, step by step into the past
        for i in range(len(self._before) - 1, -1, -1):
            states = np.unique(self._before[i][states])
            if len(states) == 1:
                return self._cut(i, int(states[0]))
        if len(self._before) <= MAX_LAG:
            return []
        return self._keep_best_half()

    def _cut(self, i: int, state: int) -> list[int]:
        """Return the labels up to step ``i``, at which the path is in a state."""
        path = [state]
        for before in reversed(self._before[:i]):
            path.append(int(before[path[-1]]))
        # step i stays as the new beginning
        decided = [each // self._shape[1] for each in reversed(path)][:-1]
        self._before = self._before[i:]
        return decided

    def _keep_best_half(self) -> list[int]:
        """Return the labels of the first half of the steps by the best path; other paths end."""
        assert self._best is not None  # noqa: S101 - only called after a step
        i = len(self._before) // 2
        ancestors = np.arange(self._best.size)
        for before in reversed(self._before[i:]):
            ancestors = before[ancestors]
        flat = self._best.ravel()
        state = int(ancestors[flat.argmax()])
        self._best = np.where(ancestors == state, flat, -np.inf).reshape(self._shape)
        return self._cut(i, state)
