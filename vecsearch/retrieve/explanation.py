"""Why a document has its score: the parts that the score is the sum of.

Each retriever explains itself (`Explainer`); what it says comes down to the values here. The rank
and the score are never worked out a second time: they are read from the retriever's own ranking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.retrieve.base import Retriever, ranking_of
from vecsearch.store.snapshot import Snapshot
from vecsearch.types import ALL, Mask, Span, TopK

FILTERED: Final = "The filter keeps it out."

MOST_PARTS: Final = 30
"""Terms, words or pieces that an explanation names, however long a text or a query is."""

_DEEP: Final = 1000
"""Documents of a ranking among which one is looked for before all are ranked."""


@dataclass(frozen=True, slots=True)
class TermPart:
    """What a term of the query adds: value = query_weight * weight / norm.

    tf, df: how often the passage holds the term, and how many of the `rows` living passages do.
    words: the forms in which it stands in the passage, in order of appearance; none where tf is 0.
        Of a long passage not all of them: see `vecsearch.places`. Only its first 262,144
        characters are looked at, so there may be none.
    length, average_length: the terms of the passage, and those that one holds on average.
    weight, idf: what tf is worth in the passage; of that the inverse document frequency, None where
        the weighting doesn't tell or no passage holds the term.
    norm: the product of both sides' l2 norms for a cosine, else 1.
    """

    value: float
    term: str
    words: tuple[str, ...]
    tf: int
    df: int
    rows: int
    length: int
    average_length: float
    idf: float | None
    weight: float
    query_weight: float
    norm: float


@dataclass(frozen=True, slots=True)
class TextPart:
    """What a word or a piece of the document adds.

    span: where it stands in the document's text; None where it is of the title.
    count: how often the word stands there, where the value is that of all these places; `text` and
        `span` are then of the first.
    """

    value: float
    text: str
    span: Span | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class ArmPart:
    """What a retriever adds to a fusion: value = weight * normalised.

    normalised: the retriever's score made comparable with others; 0 where the document isn't
        among the retriever's best that are fused.
    explanation: that of the retriever, whose parts sum to its own raw score.
    """

    value: float
    weight: float
    normalised: float
    explanation: Explanation

    @property
    def name(self) -> str:
        """The retriever's name."""
        return self.explanation.by

    @property
    def raw(self) -> float | None:
        """The retriever's own score; None where it doesn't rank the document."""
        return self.explanation.score

    @property
    def rank(self) -> int | None:
        """The document's place in the retriever's own ranking, from 1."""
        return self.explanation.rank


@dataclass(frozen=True, slots=True)
class Remainder:
    """What no other part accounts for; `text` says what that is.

    others: how many terms, words or pieces it sums up, which matter less than those that are named.
    """

    value: float
    text: str
    others: int = 0


ScorePart: TypeAlias = TermPart | TextPart | ArmPart | Remainder


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a document has its score for a query.

    by: the retriever's name.
    score: what a search gives; None where the retriever doesn't rank the document.
    rank: its place among all documents that pass the filter, from 1.
    span: its best passage, within the document's text.
    parts: their values sum to the score, but for rounding (1e-5); none without a score. At most
        `MOST_PARTS` terms, words or pieces are named, a `Remainder` sums up the others.
    method: how the parts were found, in a sentence or two.
    exact: whether each part is what its piece adds; False for an approximation. In a fusion this
        is about the arms' shares; each arm's explanation speaks for itself.
    note: why the document isn't ranked; where it is, how much of it the model read, or was looked
        at for the explanation, if not all.
    """

    id: str
    by: str
    score: float | None
    rank: int | None
    span: Span | None
    parts: tuple[ScorePart, ...]
    method: str
    exact: bool
    note: str


@runtime_checkable
class Explainer(Retriever, Protocol):
    """A retriever that can say why a document has its score."""

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """Explain the ranking of a query for some documents, each given by its rows.

        The scores and ranks are those of `retrieve` under the same mask.
        """
        ...


def explainer(retriever: Retriever) -> Explainer:
    """Return the retriever; raise UsageError where it can't explain itself."""
    if isinstance(retriever, Explainer):
        return retriever
    raise UsageError(
        f"The retriever {retriever.name!r} can't explain its scores: it has no method explain "
        "(see vecsearch.retrieve.explanation.Explainer)."
    )


class Standing(NamedTuple):
    """Where a ranking has a document: its place from 1, its score, and its best row."""

    rank: int
    score: float
    row: int


def standings(
    snapshot: Snapshot, documents: Sequence[slice], retrieve: Callable[[int], TopK]
) -> list[Standing | None]:
    """Find documents, each given by its rows, in a ranking; None where it doesn't hold one.

    retrieve: gives the ranking of one query at a depth.
    """
    numbers = snapshot.document_of(np.array([rows.start for rows in documents], np.int64)).tolist()
    total = max(sum(len(part.segment.documents) for part in snapshot.parts), 1)
    places: dict[int, Standing] = {}
    for k in sorted({min(_DEEP, total), total}):
        rows, scores = ranking_of(retrieve(k), 0)
        ranked = zip(
            snapshot.document_of(rows).tolist(), scores.tolist(), rows.tolist(), strict=True
        )
        places = {
            number: Standing(rank, score, row)
            for rank, (number, score, row) in enumerate(ranked, start=1)
        }
        if len(rows) < k or all(number in places for number in numbers):
            break
    return [places.get(number) for number in numbers]


def strongest(values: NDArray[np.float64]) -> list[int]:
    """Return which of many values, (n,), are far from 0: `MOST_PARTS` at most, the greatest first.

    Equal ones come in their order.
    """
    chosen = np.argsort(-np.abs(values), kind="stable")[:MOST_PARTS]
    chosen.sort()
    kept: list[int] = chosen[np.argsort(-values[chosen], kind="stable")].tolist()
    return kept


def unranked(id: str, by: str, note: str) -> Explanation:
    """Explain why a retriever doesn't rank a document."""
    return Explanation(id, by, None, None, None, (), "", True, note)


def passes(rows: slice, allow: Mask) -> bool:
    """Say whether a mask lets any row of a document pass."""
    return allow is ALL or bool(allow[rows].any())
