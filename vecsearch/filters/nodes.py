"""A filter that was read: the tree of its comparisons, and the mask of each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import FilterError
from vecsearch.filters.literals import Literal
from vecsearch.filters.problems import unknown_field, wrong_kind
from vecsearch.store.columns import Columns, Kind, Operator

DocumentMask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read; `parse_filter` makes it. Threads may share it."""

    expression: str
    _root: Node = field(repr=False, compare=False)
    _comparisons: tuple[Comparison, ...] = field(repr=False, compare=False)

    def mask(self, segments: Sequence[Columns]) -> list[DocumentMask]:
        """Return for each segment which of its documents pass, (documents,) bool.

        Raise FilterError where all segments together don't have a field, or hold values in it but
        none of a literal's kind.
        """
        if any(columns.documents for columns in segments):
            for comparison in self._comparisons:
                self._check(comparison, segments)
        return [self._root.mask(columns) for columns in segments]

    def _check(self, comparison: Comparison, segments: Sequence[Columns]) -> None:
        name = comparison.field
        columns = [segment.column(name) for segment in segments]
        found = [column for column in columns if column is not None]
        if not found:
            names = sorted({name for segment in segments for name in segment.names})
            raise FilterError(self.expression, comparison.position, unknown_field(name, names))
        kinds = frozenset[Kind]().union(*(column.kinds for column in found))
        for literal in comparison.literals:
            if kinds and literal.kind not in kinds:
                problem = wrong_kind(name, kinds, literal)
                raise FilterError(self.expression, literal.position, problem)


class Node(Protocol):
    """A condition on documents."""

    def mask(self, columns: Columns) -> DocumentMask:
        """Return the documents of a segment that this holds for, (documents,) bool.

        The array is the caller's, to change as it likes.
        """


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value of the field stands in the relation to one of the literals; or, without, exists."""

    field: str
    position: int
    operator: Operator = "="
    literals: Sequence[Literal] = ()

    def mask(self, columns: Columns) -> DocumentMask:
        """Return the documents with such a value, (documents,) bool; none without the field."""
        column = columns.column(self.field)
        if column is None:
            return np.zeros(columns.documents, np.bool_)
        if not self.literals:
            return column.present()
        wanted = [literal.value for literal in self.literals]
        tests = [value for value in wanted if callable(value)]
        mask = column.compare(self.operator, [value for value in wanted if not callable(value)])
        if tests:
            mask |= column.match(lambda text: any(test(text) for test in tests))
        return mask


@dataclass(frozen=True, slots=True)
class Negation:
    """The term doesn't hold."""

    term: Node

    def mask(self, columns: Columns) -> DocumentMask:
        """Return the documents for which the term doesn't hold, (documents,) bool."""
        return ~self.term.mask(columns)


@dataclass(frozen=True, slots=True)
class Junction:
    """All terms hold, or any does: `join` is np.logical_and or np.logical_or."""

    join: np.ufunc
    terms: Sequence[Node]

    def mask(self, columns: Columns) -> DocumentMask:
        """Return the documents for which the terms, joined, hold, (documents,) bool."""
        mask = self.terms[0].mask(columns)
        for term in self.terms[1:]:
            self.join(mask, term.mask(columns), out=mask)
        return mask
