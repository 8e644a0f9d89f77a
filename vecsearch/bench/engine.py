"""What the bench asks of a system, ours or a peer's: to build an index, and to rank with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from vecsearch.types import Document

Stage: TypeAlias = Literal["read", "tokenize", "encode", "index"]


class Stopwatch:
    """Adds up the seconds of named stages of a build."""

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}

    @contextlib.contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Count the block's time; a stage within another would be counted twice."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


class Ranker(Protocol):
    """An opened index."""

    @property
    def model_bytes(self) -> int:
        """The size of the model that encodes queries, on disk; 0 without one."""
        ...

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """Return the k best documents' ids and scores for each query, best first."""
        ...


@runtime_checkable
class Engine(Protocol):
    """A system that can be measured. A peer's file has one under the name ENGINE.

    Building and ranking are each done in a process of their own, so nothing is kept between them
    but what lies in the folder.
    """

    @property
    def about(self) -> str:
        """One line that says what it is, for the report."""
        ...

    @property
    def same_as(self) -> str | None:
        """The system of ours that does the same work and must give the same answers, or None."""
        ...

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """Make an index of all documents in an empty folder.

        What is done in `clock.stage("tokenize")` and `clock.stage("encode")` counts as that; the
        bench itself takes the time of reading, and the rest is indexing.
        """
        ...

    def open(self, folder: Path) -> Ranker:
        """Open what `build` made. Nothing of a query may be worked out beforehand."""
        ...
