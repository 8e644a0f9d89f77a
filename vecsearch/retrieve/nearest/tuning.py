"""Choosing how a segment is searched, by measuring: the fastest way that keeps a recall."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from vecsearch.errors import UsageError
from vecsearch.retrieve.base import check_k
from vecsearch.retrieve.nearest.bound import lower_bound
from vecsearch.retrieve.nearest.choosing import Trial, choose, sequence
from vecsearch.retrieve.nearest.contract import Alternative, Contract, Source
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.measuring import Yardstick, microseconds, row_costs
from vecsearch.retrieve.nearest.opening import index_of
from vecsearch.retrieve.nearest.planner import Costs
from vecsearch.retrieve.nearest.quantized import (
    FEWEST,
    Effort,
    Quantized,
    Structure,
    build,
    to_bytes,
)
from vecsearch.store.snapshot import Part
from vecsearch.types import ALL, Vectors

SECONDS: Final = 60.0
"""How long tuning goes on to try further structures."""

FEWEST_QUERIES: Final = 100
"""Below so many nothing but exact search could be proved."""

_MOST_QUERIES: Final = 2000
_SELECTING: Final = 1 / 4
_SEED: Final = 0

_CANDIDATES: Final = (2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80)
_FEWER_CANDIDATES: Final = (7, 15, 30, 60)
_PROBES: Final = (1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2)

_NEVER_EXACT: Final = Costs(1.0, 1.0, 0.0, 0.0, 0.0)
"""Costs by which a trial is never answered exactly instead."""


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
        if not 0 < self.target < 1:
            raise UsageError(
                f"A recall to be kept is between 0 and 1, such as 0.95, not {self.target!r}; "
                "search is exact without one."
            )
        if self.memory is not None and not self.memory > 0:
            raise UsageError(f"Memory is a number of bytes for each vector, not {self.memory!r}.")
        if not self.seconds >= 0:
            raise UsageError(f"A time to tune in is a number of seconds, not {self.seconds!r}.")


class Tuned(NamedTuple):
    """What tuning gives: the contract, and the codes to be kept; None for exact search."""

    contract: Contract
    codes: bytes | None


class _Built(NamedTuple):
    index: Any
    bytes: int
    seconds: float


def questions(part: Part, given: Vectors | None) -> tuple[Vectors, Source]:
    """Return the queries to measure with, shuffled: those given, else vectors of documents.

    Raise UsageError where fewer are given than anything can be proved with.
    """
    matrix = part.segment.vectors
    assert matrix is not None
    rng = np.random.default_rng(_SEED)
    if given is None:
        living = np.flatnonzero(part.segment.rows_of(part.segment.living()))
        rows = rng.permutation(living)[:_MOST_QUERIES]
        vectors = np.ascontiguousarray(matrix[np.sort(rows)])
    else:
        vectors = np.ascontiguousarray(given, np.float32)
    known = vectors[np.any(vectors, axis=1)]
    if given is not None and len(known) < FEWEST_QUERIES:
        raise UsageError(
            f"A recall is proved with at least {FEWEST_QUERIES} queries that have a vector, better "
            f"with {_MOST_QUERIES:,}; {len(known):,} were given."
        )
    shuffled = known[rng.permutation(len(known))[:_MOST_QUERIES]]
    return shuffled, "documents" if given is None else "supplied"


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
        return Tuned(_exact(request, matrix, source, 0.0, ()), None)
    watch("searching exactly")
    own = source == "documents"
    cut = int(len(vectors) * _SELECTING)
    selecting, proving = (
        Yardstick(part, matrix, some, request.k, own=own) for some in (vectors[:cut], vectors[cut:])
    )
    exact = microseconds(Flat(matrix), vectors, request.k + 1, most=8)
    built: dict[Structure, _Built] = {}
    trials: list[Trial] = []
    began = time.monotonic()
    for structure in _structures(matrix, request.memory):
        if built and time.monotonic() - began > request.seconds:
            break
        watch(f"building {structure.name}")
        start = time.monotonic()
        index = build(matrix, structure)
        size = len(to_bytes(index))
        built[structure] = _Built(index, size, time.monotonic() - start)
        if request.memory is not None and size > request.memory * len(matrix):
            continue
        watch(f"measuring {structure.name}")
        trials += _trials(matrix, index, structure, selecting, request)
    watch("proving")

    def recalls(trial: Trial) -> np.ndarray:
        index = built[trial.structure].index
        return proving.recalls(Quantized(index, matrix, trial.effort, _NEVER_EXACT))

    chosen = choose(sequence(trials, request.target, exact), recalls, request.target)
    tried = tuple(_alternatives(trials, built, request.target))
    if chosen is None:
        return Tuned(_exact(request, matrix, source, exact, tried), None)
    trial, proof = chosen
    index, size, seconds = built[trial.structure]
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
    )
    return Tuned(contract, to_bytes(index))


def measured_costs(
    index: Any,  # noqa: ANN401 - a FAISS index
    matrix: Vectors,
    effort: Effort,
    queries: Vectors,
) -> Costs:
    """Measure on some queries, (queries, dim), what the planner reckons with."""

    def taken(probes: int, candidates: int) -> float:
        tried = Quantized(index, matrix, Effort(1, probes, candidates), _NEVER_EXACT)
        return microseconds(tried, queries, 1)

    row, row_in_batch = row_costs(matrix, queries)
    few, many = effort.candidates, min(effort.candidates + 2000, len(matrix) // 2)
    lists = load_faiss().extract_index_ivf(index).nlist
    probe, scan = taken(effort.probes, few), taken(lists, few)
    slope = (taken(effort.probes, many) - probe) / (many - few) if many > few else 0.0
    candidates = few * max(slope, row)
    return Costs(
        row,
        row_in_batch,
        max(slope - row, 0.0),
        max(scan - candidates, 0.0),
        max(probe - candidates, 0.0),
    )


class Checked(NamedTuple):
    """A recall measured again: its mean, its lower 95% confidence bound, and by which queries.

    Exact search needs none: it has both to the full.
    """

    recall: float
    bound: float
    queries: int
    source: Source


def check(part: Part, given: Vectors | None, contract: Contract) -> Checked:
    """Measure again the recall of a segment that was tuned, among the documents that live.

    given: vectors of queries, (queries, dim); without them documents ask.
    """
    matrix = part.segment.vectors
    assert matrix is not None
    if contract.structure is None:
        return Checked(1.0, 1.0, 0, contract.source)
    vectors, source = questions(part, given)
    alive = part.segment.alive
    allow = ALL if alive is None else part.segment.rows_of(alive)
    own = source == "documents"
    yardstick = Yardstick(part, matrix, vectors, contract.k, own=own, allow=allow)
    values = yardstick.recalls(index_of(part.segment, matrix))
    return Checked(float(values.mean()), lower_bound(values), len(values), source)


def _structures(matrix: Vectors, memory: float | None) -> Iterator[Structure]:
    """Yield what may be built, what is most likely to win first."""
    rows, dim = matrix.shape
    lists = 1 << round(math.log2(math.sqrt(rows)))
    for width, count in ((4, 1), (4, lists), (2, 1), (2, lists), (8, 1)):
        # Four bits for each group of dimensions, and eight bytes for the row's number.
        needed = dim / width / 2 + 8
        if memory is None and width > 4:
            continue
        if memory is None or needed <= memory:
            yield Structure(count, width)


def _trials(
    matrix: Vectors,
    index: Any,  # noqa: ANN401 - a FAISS index
    structure: Structure,
    queries: Yardstick,
    request: Request,
) -> Iterator[Trial]:
    """Measure a structure at rising effort, until next to nothing is missed."""
    enough = 1 - (1 - request.target) / 10
    plain = structure.lists == 1
    for share in (1.0,) if plain else _PROBES:
        for multiple in _CANDIDATES if plain else _FEWER_CANDIDATES:
            probes = max(1, round(share * structure.lists))
            effort = Effort(request.k, probes, multiple * request.k)
            if effort.candidates >= len(matrix):
                break
            searched = Quantized(index, matrix, effort, _NEVER_EXACT)
            recall = float(queries.recalls(searched).mean())
            yield Trial(
                structure, effort, recall, microseconds(searched, queries.vectors, request.k + 1)
            )
            if recall >= enough:
                break


def _alternatives(
    trials: list[Trial], built: dict[Structure, _Built], target: float
) -> Iterator[Alternative]:
    """Yield each structure at the fastest effort that met the target, or at its greatest recall."""
    for structure, (_, size, seconds) in built.items():
        mine = [trial for trial in trials if trial.structure == structure]
        met = [trial for trial in mine if trial.recall >= target]
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
    tried: tuple[Alternative, ...],
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
    )
