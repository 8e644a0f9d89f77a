"""Choosing how a segment is searched, by measuring: the fastest way that keeps a recall."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, Final, NamedTuple

import numpy as np

from vecsearch.errors import UsageError
from vecsearch.retrieve.base import check_k
from vecsearch.retrieve.nearest import lookup
from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.building import FEWEST, Builder, TooLong, memory_of, to_bytes
from vecsearch.retrieve.nearest.choosing import Trial, choose, sequence, strong_recall
from vecsearch.retrieve.nearest.contract import Alternative, Contract, LeftOut, Source
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.retrieve.nearest.measuring import (
    NEVER_EXACT,
    Yardstick,
    measured_costs,
    microseconds,
)
from vecsearch.retrieve.nearest.questions import FEWEST_QUERIES, questions
from vecsearch.retrieve.nearest.structure import Structure
from vecsearch.retrieve.nearest.trials import structures, trials
from vecsearch.store.snapshot import Part
from vecsearch.types import Vectors

SECONDS: Final = 60.0
"""How long tuning goes on to try further structures."""

_SELECTING: Final = 1 / 4
_SLOWER: Final = 1.5
"""What takes so many times as long as something strong does isn't tried at greater effort."""


class Request(NamedTuple):
    """What somebody wants: recall@k of at least `target`.

    memory: bytes for each vector that its code may take; None for any number.
    seconds: see `SECONDS`.
    """

    target: float
    k: int = 10
    memory: float | None = None
    seconds: float = SECONDS

    def check(self) -> None:
        """Raise UsageError for what can't be wanted."""
        check_k(self.k)
        if not (isinstance(self.target, Real) and 0 < self.target < 1):
            raise UsageError(
                f"A recall to be kept is between 0 and 1, such as 0.95, not {self.target!r}; "
                "search is exact without one."
            )
        if self.memory is not None and not (isinstance(self.memory, Real) and self.memory > 0):
            raise UsageError(f"Memory is a number of bytes for each vector, not {self.memory!r}.")
        if not (isinstance(self.seconds, Real) and self.seconds >= 0):
            raise UsageError(f"A time to tune in is a number of seconds, not {self.seconds!r}.")


class Tuned(NamedTuple):
    """What tuning gives: the contract, and the codes to be kept; None for exact search."""

    contract: Contract
    codes: bytes | None


class _Tried(NamedTuple):
    index: Any
    bytes: int
    seconds: float


def tune(
    part: Part,
    given: Vectors | None,
    request: Request,
    watch: Callable[[str], None] = lambda step: None,
) -> Tuned:
    """Find the fastest way to search a segment that keeps a recall.

    part: all rows of its segment must live.
    given: vectors of real queries, (queries, dim). Without them documents ask, which is easier:
        questions aren't distributed as passages are.
    watch: is told what is being done.
    """
    request.check()
    matrix = part.segment.vectors
    assert matrix is not None
    vectors, source = questions(part, given)
    small = len(matrix) < FEWEST or len(vectors) < FEWEST_QUERIES
    if small:
        return Tuned(_exact(request, matrix, source, 0.0), None)
    lookup.LOADING.at_once()
    watch("searching exactly")
    own = source == "documents"
    cut = int(len(vectors) * _SELECTING)
    selecting, proving = (
        Yardstick(part, matrix, some, request.k, own=own) for some in (vectors[:cut], vectors[cut:])
    )
    exact = microseconds(Flat(matrix), vectors, request.k + 1, most=8)
    attempts = _Attempts(matrix, selecting, request, watch)
    rows, dim = matrix.shape
    for structure in structures(rows, dim, request.memory):
        attempts.attempt(structure)
    watch("proving")

    def recalls(trial: Trial) -> np.ndarray:
        index = attempts.built[trial.structure].index
        return proving.recalls(Approximate(index, matrix, trial.effort, NEVER_EXACT))

    chosen = choose(sequence(attempts.trials, request.target, exact), recalls, request.target)
    tried, left_out = tuple(attempts.alternatives()), tuple(attempts.left_out)
    if chosen is None:
        return Tuned(_exact(request, matrix, source, exact, tried, left_out), None)
    trial, proof = chosen
    index, size, seconds = attempts.built[trial.structure]
    costs = measured_costs(index, matrix, trial.effort, vectors)
    contract = Contract(
        request.target,
        request.k,
        trial.structure,
        trial.effort,
        costs,
        len(matrix),
        source,
        len(selecting),
        len(proving),
        proof.recall,
        proof.bound,
        trial.microseconds,
        exact,
        size,
        seconds,
        tuple(each for each in tried if each.name != trial.structure.name),
        left_out,
    )
    return Tuned(contract, to_bytes(index))


class _Attempts:
    """Structures that are built and measured in turn, while there is time."""

    def __init__(
        self, matrix: Vectors, queries: Yardstick, request: Request, watch: Callable[[str], None]
    ) -> None:
        self.built: dict[Structure, _Tried] = {}
        self.trials: list[Trial] = []
        self.left_out: list[LeftOut] = []
        self._builder = Builder(matrix)
        self._matrix = matrix
        self._queries = queries
        self._request = request
        self._watch = watch
        self._end = time.monotonic() + request.seconds

    def attempt(self, structure: Structure) -> None:
        """Build a structure and measure it, unless that takes too long; the first may."""
        most = self._end - time.monotonic() if self.built else math.inf
        if most <= 0:
            self.left_out.append(LeftOut(structure.name, None))
            return
        self._watch(f"building {structure.name}")
        try:
            index, seconds = self._builder.build(structure, most)
        except TooLong as too_long:
            self.left_out.append(LeftOut(structure.name, too_long.seconds))
            return
        size = memory_of(index)
        self.built[structure] = _Tried(index, size, seconds)
        request = self._request
        if request.memory is not None and size > request.memory * len(self._matrix):
            return
        self._watch(f"measuring {structure.name}")
        strong = strong_recall(request.target)
        times = [trial.microseconds for trial in self.trials if trial.recall >= strong]
        self.trials += trials(
            self._matrix,
            index,
            structure,
            self._queries,
            request.k,
            request.target,
            _SLOWER * min(times, default=math.inf),
        )

    def alternatives(self) -> Iterator[Alternative]:
        """Yield each at the fastest effort that met the target, or at its greatest recall."""
        for structure, (_, size, seconds) in self.built.items():
            mine = [trial for trial in self.trials if trial.structure == structure]
            met = [trial for trial in mine if trial.recall >= self._request.target]
            if mine:
                best = (
                    min(met, key=lambda trial: trial.microseconds)
                    if met
                    else max(mine, key=lambda trial: trial.recall)
                )
                yield Alternative(
                    structure.name, best.effort, best.recall, best.microseconds, size, seconds
                )


def _exact(
    request: Request,
    matrix: Vectors,
    source: Source,
    exact: float,
    tried: tuple[Alternative, ...] = (),
    left_out: tuple[LeftOut, ...] = (),
) -> Contract:
    """Promise exact search, which needs no proof."""
    return Contract(
        request.target,
        request.k,
        structure=None,
        effort=None,
        costs=None,
        rows=len(matrix),
        source=source,
        selected_on=0,
        proved_on=0,
        measured=1.0,
        bound=1.0,
        microseconds=exact,
        exact_microseconds=exact,
        bytes=0,
        build_seconds=0.0,
        alternatives=tried,
        left_out=left_out,
    )
