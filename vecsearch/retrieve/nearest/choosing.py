"""Which of several ways to search is taken, so that what is promised holds.

Two sets of queries that share none: by the first the trials are put in order, by the second the
promise is proved. Testing many trials on the second and taking one that passes would promise too
much. So they are tested in the order given, from the strongest to the weakest, and the first that
fails ends it: the probability that any trial below the target passes is then that of one test
(fixed-sequence testing; Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test", 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.bound import lower_bound
from vecsearch.retrieve.nearest.structure import Effort, Structure

_START: Final = 1 / 3
"""The first trial that is tested misses at most this share of what the target lets it miss."""


class Trial(NamedTuple):
    """A structure and an effort: its mean recall on the first queries, and what a query takes."""

    structure: Structure
    effort: Effort
    recall: float
    microseconds: float


class Proof(NamedTuple):
    """What the second queries say of a trial: mean recall and its lower confidence bound."""

    recall: float
    bound: float


def strong_recall(target: float) -> float:
    """Return the recall, on the first queries, of what is tested first for a target."""
    return 1 - (1 - target) * _START


def sequence(trials: Sequence[Trial], target: float, exact: float) -> list[Trial]:
    """Put into order, from the strongest, the trials that none beats in both recall and time.

    exact: what exact search takes, in microseconds; what is slower isn't worth a test.
    """
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda each: (each.microseconds, -each.recall)):
        if trial.microseconds < exact and (not front or trial.recall > front[-1].recall):
            front.append(trial)
    start = strong_recall(target)
    strong = next((i for i, trial in enumerate(front) if trial.recall >= start), len(front) - 1)
    return front[: strong + 1][::-1]


def choose(
    ordered: Sequence[Trial], recalls: Callable[[Trial], NDArray[np.float64]], target: float
) -> tuple[Trial, Proof] | None:
    """Return the last trial before the first that fails, with its proof; None where none passes.

    recalls: gives recall@k of a trial for each of the second queries.
    """
    passed = None
    for trial in ordered:
        values = recalls(trial)
        proof = Proof(float(values.mean()), lower_bound(values))
        if proof.bound < target:
            break
        passed = trial, proof
    return passed
