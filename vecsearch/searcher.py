"""Searching one state of an index: queries -> hits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Concatenate, Final, NoReturn, ParamSpec, TypeVar, cast

import numpy as np

from vecsearch.encoders.base import Encoder, is_costly
from vecsearch.encoders.own import checked_vectors
from vecsearch.errors import UnknownDocument, UsageError, did_you_mean
from vecsearch.filters import parse_filter
from vecsearch.focus import best_passages, term_weights
from vecsearch.retrieve.asking import ask
from vecsearch.retrieve.base import NOTHING, Ranking, Retriever, check_k, ranking_of
from vecsearch.retrieve.clauses import narrowed, objected, query_terms, query_text, restricts
from vecsearch.retrieve.explanation import Explanation, explainer, unranked
from vecsearch.retrieve.lexical import Lexical
from vecsearch.retrieve.named import Mode, Named
from vecsearch.snippets import Snippet, snippet
from vecsearch.store.documents import id_text
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import ALL, Document, Hit, Mask, Query, Vector, Vectors, seen_text

_BLOCK = 256
"""Queries ranked at a time, so that memory doesn't grow with their number."""

_QUERIES: Final = (str, Query)

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _naming_damage(
    method: Callable[Concatenate[Searcher, _P], _T],
) -> Callable[Concatenate[Searcher, _P], _T]:
    """Let a method raise IndexCorrupt where a damaged file is why it fails."""

    @functools.wraps(method)
    def named(self: Searcher, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with self.snapshot.damage:
            return method(self, *args, **kwargs)

    return named


class Searcher:
    """A snapshot of an index and its retrievers. Immutable; safe to share between threads.

    What a writer commits later is seen by a new searcher only.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        analyzer: Analyzer,
        load_encoder: Callable[[], Encoder] | None,
        generation: int,
        *,
        embeds_text: bool,
        hybrid_weight: float,
    ) -> None:
        self.snapshot = snapshot
        self.analyzer = analyzer
        self.generation = generation
        self._load_encoder = load_encoder if embeds_text else None
        self._named = Named(
            snapshot,
            analyzer,
            load_encoder,
            embeds_text=embeds_text,
            hybrid_weight=hybrid_weight,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A Searcher is a state of an index that this process holds open, so it can't be "
            "pickled. Send the Index, and take a searcher from it there."
        )

    def __repr__(self) -> str:
        """The folder of the index and how many documents live."""
        return f"Searcher({str(self.snapshot.damage.folder)!r}, documents={len(self)})"

    def __len__(self) -> int:
        """Count the documents that live."""
        return self.snapshot.living

    @_naming_damage
    def __contains__(self, id: object) -> bool:
        """Whether a document of this id lives."""
        known = type(id) is int or isinstance(id, str)
        return known and self.snapshot.locate(id_text(cast(str | int, id))) is not None

    @property
    def default(self) -> Mode:
        """What ranks where nobody says: hybrid, or bm25 where no encoder takes a query's text."""
        return self._named.default

    @property
    def encodes_at_once(self) -> bool:
        """Whether texts are encoded in no time worth speaking of; True where none ever are."""
        return self._load_encoder is None or not is_costly(self._load_encoder())

    def retriever(self, by: str | Retriever | None = None) -> Retriever:
        """Return a retriever by name: "hybrid", "bm25", "tfidf" or "dense"; the default for None.

        A retriever is returned as it is. Raise UnknownName for other names, UsageError for one that
        this index can't serve, or that was made over another snapshot.
        """
        return self._named.get(by)

    @_naming_damage
    def mask(self, where: str | None = None) -> Mask:
        """Return which rows live and pass a metadata filter; ALL where every row does.

        Raise FilterError where the filter can't be read or doesn't fit the index's fields.
        """
        if where is None:
            return self.snapshot.alive
        columns = [part.segment.columns for part in self.snapshot.parts]
        return self.snapshot.mask(parse_filter(where).mask(columns))

    def search(
        self,
        query: str | Query = "",
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
        *,
        vector: Vector | None = None,
    ) -> list[Hit]:
        """Return the k best documents for a query, best first.

        query: plain text; no character of it is syntax. A blank one finds nothing. With syntax it
            is what `Query.parse` gives, whose signs and phrases narrow what may be found.
        where: a metadata filter such as 'lang = "en" and year >= 2020'.
        by: the name of a retriever, or one composed over `snapshot`.
        vector: (dim,) or (1, dim), the query's vector, which the embeddings are then compared with
            instead of the text's. The default is then dense; hybrid fuses it with the text's words.

        Fewer than k come back only where fewer match. Raise UsageError for a k below 1, a
        retriever that this index can't serve, or one of your own that gives what is no ranking of
        its rows; FilterError for a filter that doesn't fit, and EncoderError where the index's
        encoder can't be loaded.
        """
        vectors = cast(Vectors | None, vector)  # which one alone is taken for, too
        return self.search_many([query], k, where, by, vectors=vectors)[0]

    @_naming_damage
    def search_many(
        self,
        queries: Sequence[str | Query],
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
        *,
        vectors: Vectors | Sequence[Vector] | None = None,
    ) -> list[list[Hit]]:
        """Search for several queries at once; see `search`. vectors: (queries, dim)."""
        return [self._hits(ranking) for ranking in self._rank(queries, k, where, by, vectors)]

    @_naming_damage
    def rank_many(
        self,
        queries: Sequence[str | Query],
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
        *,
        vectors: Vectors | Sequence[Vector] | None = None,
    ) -> list[list[tuple[str, float]]]:
        """Return only ids and scores, as a run wants them, without reading the documents."""
        return [
            list(zip(self.snapshot.ids_of(rows), scores.tolist(), strict=True))
            for rows, scores in self._rank(queries, k, where, by, vectors)
        ]

    @_naming_damage
    def like(
        self,
        id: str | int,
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
    ) -> list[Hit]:
        """Return the k documents that are most like one, best first, without itself.

        By words its text is the query, by embeddings the mean of its rows' stored vectors: so no
        encoder is loaded. Raise UnknownDocument for an id that the index doesn't hold.
        """
        check_k(k)
        part, position = self._located(id)
        document = part.segment.documents.document(position)
        text = seen_text(document.title, document.text)
        retriever = self._named.over_document(by, part.vectors_of(position))
        allow = self.mask(where)
        others = np.ones(self.snapshot.rows, np.bool_) if allow is ALL else allow.copy()
        others[part.rows_of(position)] = False
        found = ask(retriever, self.snapshot, [text], min(k, max(len(self), 1)), others)
        return self._hits(ranking_of(found, 0))

    @_naming_damage
    def snippets(
        self,
        query: str | Query,
        hits: Sequence[Hit],
        by: str | Retriever | None = None,
        width: int = 240,
    ) -> list[Snippet]:
        """Return for each hit what to show of it: the part that answers the query best.

        by: what found the hits, as for `search`. For bm25 and tfidf the query's terms decide, for
            any other retriever its meaning too, where the index has an encoder.
        width: the most characters that a snippet has; see `vecsearch.snippets.snippet`.

        Raise as `search` does, and UsageError for a width below 1.
        """
        _check_query(query)
        text = query_text(self.snapshot, self.analyzer, query)
        terms = term_weights(self.snapshot, query_terms(self.analyzer, text))
        load = None if isinstance(self.retriever(by), Lexical) else self._load_encoder
        parts = best_passages(text, hits, terms, self.analyzer, load)
        return [
            snippet(hit.document.text, hit.span, terms, self.analyzer, width, part)
            for hit, part in zip(hits, parts, strict=True)
        ]

    def explain(
        self,
        query: str | Query,
        id: str | int,
        where: str | None = None,
        by: str | Retriever | None = None,
    ) -> Explanation:
        """Say why a document has the score and the rank that `search` gives it, or has none.

        Raise UnknownDocument for an id that the index doesn't hold, UsageError for a retriever of
        your own that can't explain itself, and what `search` raises.
        """
        return self.explain_many(query, [id], where, by)[0]

    @_naming_damage
    def explain_many(
        self,
        query: str | Query,
        ids: Sequence[str | int],
        where: str | None = None,
        by: str | Retriever | None = None,
    ) -> list[Explanation]:
        """Explain several documents for one query, ranked once; see `explain`."""
        _check_query(query)
        retriever = explainer(self.retriever(by))
        names = [id_text(id) for id in ids]
        documents = [self._rows(id) for id in names]
        allow = self.mask(where)
        text = query_text(self.snapshot, self.analyzer, query)
        if not text.strip():
            return [unranked(id, retriever.name, "The query is blank.") for id in names]
        told = retriever.explain(text, documents, self._narrowed(query, allow)) if documents else []
        return [
            objected(self.snapshot, self.analyzer, query, allow, rows, each)
            for rows, each in zip(documents, told, strict=True)
        ]

    @_naming_damage
    def get(self, id: str | int) -> Document:
        """Return a document by its id; raise UnknownDocument where the index doesn't hold it.

        A whole number is taken for its text, here and wherever an id is asked for: `Writer.add`
        does too, for the id of a mapping.
        """
        part, position = self._located(id)
        return part.segment.documents.document(position)

    @_naming_damage
    def vectors(self, id: str | int) -> Vectors | None:
        """Return a document's stored vectors, (its rows, dim); None in an index without any."""
        part, position = self._located(id)
        return part.vectors_of(position)

    def documents(self, where: str | None = None) -> Iterator[Document]:
        """Yield the documents, all of them or those that pass a filter, oldest first."""
        mask = self.mask(where)

        def documents() -> Iterator[Document]:
            with self.snapshot.damage:
                yield from self.snapshot.documents(mask)

        return documents()

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the metadata fields that documents have, sorted."""
        columns = (part.segment.columns for part in self.snapshot.parts)
        return tuple(sorted({name for each in columns for name in each.names}))

    def _located(self, id: str | int) -> tuple[Part, int]:
        id = id_text(id)
        found = self.snapshot.locate(id)
        if found is None:
            hint = did_you_mean(id, self.snapshot.ids())
            raise UnknownDocument(f"The index holds no document {id!r}.{hint}")
        return found

    def _narrowed(self, query: str | Query, allow: Mask) -> Mask:
        return narrowed(self.snapshot, self.analyzer, query, allow)

    def _rows(self, id: str) -> slice:
        part, position = self._located(id)
        return part.rows_of(position)

    def _rank(
        self,
        queries: Sequence[str | Query],
        k: int,
        where: str | None,
        by: str | Retriever | None,
        vectors: Vectors | Sequence[Vector] | None,
    ) -> list[Ranking]:
        if isinstance(queries, str) or not hasattr(queries, "__iter__"):
            raise UsageError("Several queries are a list of texts; for one there is `search`.")
        queries = list(queries)  # it may be a generator
        for query in queries:
            _check_query(query)
        check_k(k)
        retriever = self.retriever(by)
        texts = [query_text(self.snapshot, self.analyzer, query) for query in queries]
        given = None if vectors is None else self._query_vectors(vectors, len(queries))
        allow = self.snapshot.alive if where is None else self.mask(where)
        k = min(k, max(len(self), 1))  # rankings are padded to k, so ask for no more than there is
        rankings = [NOTHING] * len(queries)
        # Blank queries are left out: a model would find something near to nothing at all.
        asked = [i for i, text in enumerate(texts) if given is not None or text.strip()]
        for block in _blocks(queries, asked):
            if given is not None:
                retriever = self._named.over_vectors(by, given[block])
            passing = self._narrowed(queries[block[0]], allow)
            found = ask(retriever, self.snapshot, [texts[i] for i in block], k, passing)
            for place, i in enumerate(block):
                rankings[i] = ranking_of(found, place)
        return rankings

    def _hits(self, ranking: Ranking) -> list[Hit]:
        rows, scores = ranking
        pairs = zip(rows.tolist(), scores.tolist(), strict=True)
        return [self.snapshot.hit(row, score) for row, score in pairs]

    def _query_vectors(self, given: Vectors | Sequence[Vector], queries: int) -> Vectors:
        matrices = [part.segment.vectors for part in self.snapshot.parts]
        dim = next((matrix.shape[1] for matrix in matrices if matrix is not None), None)
        vectors = checked_vectors(given, "The vector of a query", dim)
        if len(vectors) != queries:
            raise UsageError(
                f"Each query wants one vector; there are {len(vectors)} for {queries}."
            )
        return vectors


def _blocks(queries: Sequence[str | Query], asked: list[int]) -> Iterator[list[int]]:
    """Yield the queries to be ranked at a time: one that narrows what it may find goes alone."""
    alone = [i for i in asked if restricts(queries[i])]
    free = sorted(set(asked).difference(alone)) if alone else asked
    for start in range(0, len(free), _BLOCK):
        yield free[start : start + _BLOCK]
    yield from ([i] for i in alone)


def _check_query(query: object) -> None:
    if not isinstance(query, _QUERIES):
        raise UsageError(f"A query is text, not {type(query).__name__}.")
