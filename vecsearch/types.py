"""The values that rooms hand to each other: documents, queries, hits, masks and rankings.

A *document* is what a person knows by its id. A *row* is a passage of a document (by default the
whole of it) and the unit that is scored; rows are numbered from 0 within a snapshot of an index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.syntax import Clause, read_clauses

Scalar: TypeAlias = str | int | float | bool | None
MetaValue: TypeAlias = Scalar | Sequence[Scalar]
Meta: TypeAlias = Mapping[str, MetaValue]
"""Metadata by field: text, number, true/false, null, or a list of them.

Scalars of numpy that are one of Python's numbers are taken too, and come back as that.
"""

Role: TypeAlias = Literal["document", "query"]
Vectors: TypeAlias = NDArray[np.float32]
"""(n, dim): unit rows; a zero row for a text with no known token."""
Vector: TypeAlias = Sequence[float] | NDArray[np.floating]
"""(dim,): one vector, as a caller may give it."""

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> grade; a grade above 0 is relevant."""


class _All(Enum):
    ALL = "every row"


ALL: Final = _All.ALL
"""The mask that lets every row pass; it costs nothing, and can't be taken for "nothing passes".

Where documents were deleted their rows pass too: `Searcher.mask()` gives those of the living.
"""

Mask: TypeAlias = Literal[_All.ALL] | NDArray[np.bool_]
"""ALL, or (rows,): True where a row may be returned."""

_EMPTY: Final[Meta] = MappingProxyType({})
"""Stands for a new dictionary where no metadata is given."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a person indexes and gets back.

    vector: (dim,) numbers of your own, which an index with embeddings takes instead of encoding
        the text. It is no part of what a search gives back: `Searcher.vectors` reads it.
    """

    id: str
    text: str
    title: str = ""
    meta: Meta = field(default_factory=dict, hash=False)  # which a mapping can't be
    vector: Vector | None = field(default=None, compare=False, repr=False)

    def __init__(
        self,
        id: str,
        text: str,
        title: str = "",
        meta: Meta = _EMPTY,
        vector: Vector | None = None,
    ) -> None:
        # As it would be made, in half the time: of indexing texts, making documents is a part.
        _set_id(self, id)
        _set_text(self, text)
        _set_title(self, title)
        _set_meta(self, {} if meta is _EMPTY else meta)
        _set_vector(self, vector)


_set_id, _set_text, _set_title, _set_meta, _set_vector = (
    Document.__dict__[each.name].__set__ for each in fields(Document)
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question with a name, as in a file of queries.

    text: what is looked for; no character of it is syntax.
    clauses: what `parse` read; none where the text is all there is.
    """

    id: str
    text: str
    clauses: tuple[Clause, ...] = ()

    @classmethod
    def parse(cls, source: str, id: str = "") -> Query:
        """Read a query with phrases, required, excluded, prefix and fuzzy terms.

        See `vecsearch.syntax`. The text is then what encoders get: the words without signs and
        marks, and without what is excluded. A query without any operator is its own text.

        Raise UsageError, which names the character, for a query that can't be read.
        """
        if not isinstance(source, str):
            raise UsageError(f"A query is text, not {type(source).__name__}.")
        clauses = read_clauses(source)
        if all(str(clause) == clause.text for clause in clauses):
            return cls(id, source)
        text = " ".join(clause.text for clause in clauses if not clause.excluded)
        return cls(id, text, clauses)

    def __str__(self) -> str:
        """The query as it is typed."""
        return " ".join(map(str, self.clauses)) if self.clauses else self.text


class Span(NamedTuple):
    """A stretch of a text: characters `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that answers a query; a higher score is better, everywhere.

    `span` is its best passage within `document.text`.
    """

    id: str
    score: float
    document: Document
    span: Span

    @property
    def passage(self) -> str:
        """The text of the best passage."""
        return self.document.text[self.span.start : self.span.end]


class TopK(NamedTuple):
    """Rankings of several queries, best first, in columns.

    rows: (queries, k) int64, the best row of each document, no document twice; -1 pads.
    scores: (queries, k) float32, falling; -inf pads. Equal scores are ordered by document id,
        the greater id first, as trec_eval orders them.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def plain_number(value: object) -> bool | int | float | None:
    """Return what a scalar of numpy is as Python's own number or truth value; None for all else."""
    plain = value.item() if isinstance(value, np.generic) else None
    return plain if isinstance(plain, bool | int) or type(plain) is float else None


def seen_text(title: str, text: str) -> str:
    """The text that every representation sees: title, a space, text; text alone without a title."""
    return f"{title} {text}" if title else text
