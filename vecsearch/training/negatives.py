"""Hard negatives: documents that look like an answer, to BM25 or to an encoder, and aren't one.

Most of what looks like an answer and wasn't judged may well be one. So a document isn't taken that
is known as relevant, that holds the whole query or its answer, or that the encoder scores almost
as high as the answer itself, or higher (Moreira and others, NV-Retriever, 2024, compare such
filters; theirs by a margin is the one here).
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import Encoder, encode
from vecsearch.errors import UsageError
from vecsearch.index import Index
from vecsearch.text import Analyzer
from vecsearch.training.base import Example
from vecsearch.training.held_out import normalised
from vecsearch.types import Document, Role, Vectors, seen_text

_DEPTH: Final = 100
"""How many documents of each ranking are looked at."""

_BLOCK: Final = 1 << 24
"""Scores held at a time: 64 MB."""

_Asked = tuple[str, Role]
"""A query's text, and what it is encoded as."""


class Mined(NamedTuple):
    """Examples with their negatives, how many were added, and how many the margin kept out."""

    examples: list[Example]
    added: int
    filtered: int


def mine(
    examples: Sequence[Example],
    documents: Iterable[Document],
    encoder: Encoder | None = None,
    k: int = 4,
    margin: float = 0.05,
    known: Iterable[Example] = (),
    analyzer: Analyzer | str = "english",
) -> Mined:
    """Add up to k hard negatives to each example, of the best 100 documents for its query.

    Without an encoder they are BM25's best; with one, BM25's and the encoder's best in turns,
    without those whose inner product with the query is above that of the example's own document
    minus `margin`.

    known: further pairs that are relevant, such as those that a cap left out of `examples`.
    analyzer: what BM25 sees of the texts.

    Raise UsageError for k below 1 or a margin that is negative or no number.
    """
    if k < 1 or not margin >= 0:
        raise UsageError(f"Mining wants k of at least 1 and margin >= 0, not {k} and {margin}.")
    pool = list(documents)
    if not pool:
        return Mined(list(examples), 0, 0)
    asked = list(dict.fromkeys(map(_asked, examples)))
    rankings = [_by_words(asked, pool, analyzer)]
    scores = None
    if encoder is not None:
        scores = _Scores(encoder, asked, pool, examples)
        rankings.append(scores.rankings())
    relevant = _relevant(chain(examples, known))
    words = {i: _words(_seen(pool[i])) for i in set(chain(*chain(*rankings)))}
    candidates = {
        each: list(_allowed(each[0], _in_turns(*found), words, relevant[_words(each[0])]))
        for each, *found in zip(asked, *rankings, strict=True)
    }
    mined = []
    added = filtered = 0
    for example in examples:
        found = candidates[_asked(example)]
        safe = found if scores is None else scores.below(example, found, margin)
        texts = [_seen(pool[i]) for i in safe]
        new = [text for text in dict.fromkeys(texts) if text not in example.negatives][:k]
        added += len(new)
        filtered += len(found) - len(safe)
        negatives = (*example.negatives, *new)
        mined.append(Example(example.query, example.document, negatives, example.symmetric))
    return Mined(mined, added, filtered)


def _asked(example: Example) -> _Asked:
    return example.query, "document" if example.symmetric else "query"


def _seen(document: Document) -> str:
    return seen_text(document.title, document.text)


def _words(text: str) -> str:
    """Return a text's words between spaces, so that one text holds another word for word."""
    return f" {normalised(text)} "


def _relevant(examples: Iterable[Example]) -> dict[str, set[str]]:
    """Return all that is known to be relevant: documents' words by a query's words."""
    relevant: dict[str, set[str]] = {}
    words_of = functools.cache(_words)  # a document is relevant to many queries
    for example in examples:
        query, document = words_of(example.query), words_of(example.document)
        relevant.setdefault(query, set()).add(document)
        if example.symmetric:
            relevant.setdefault(document, set()).add(query)
    return relevant


def _allowed(
    query: str, found: Iterable[int], words: Mapping[int, str], relevant: set[str]
) -> Iterator[int]:
    """Yield the documents that hold neither the query nor a relevant text, nor are part of one."""
    query = _words(query)
    for i in found:
        text = words[i]
        if not text.strip() or text in relevant or query in text:
            continue
        if not any(answer in text or text in answer for answer in relevant):
            yield i


def _in_turns(*rankings: Sequence[int]) -> list[int]:
    """Merge rankings: the first of each, the second of each, and so on, none twice."""
    merged = dict.fromkeys(chain(*zip_longest(*rankings)))
    merged.pop(None, None)
    return list(merged)


def _by_words(
    asked: Sequence[_Asked], pool: Sequence[Document], analyzer: Analyzer | str
) -> list[list[int]]:
    """Rank documents by BM25, as positions in the pool."""
    numbered = (Document(str(i), each.text, each.title) for i, each in enumerate(pool))
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(Path(folder) / "index", None, analyzer, documents=numbered)
        found = index.searcher().rank_many([query for query, _ in asked], _DEPTH, by="bm25")
    return [[int(id) for id, _ in ranking] for ranking in found]


class _Scores:
    """Inner products of an encoder's vectors: queries with the pool and with their answers."""

    def __init__(
        self,
        encoder: Encoder,
        asked: Sequence[_Asked],
        pool: Sequence[Document],
        examples: Sequence[Example],
    ) -> None:
        texts = dict.fromkeys(chain(map(_seen, pool), (each.document for each in examples)))
        self._row_of = {text: row for row, text in enumerate(texts)}
        self._vectors = encode(encoder, list(texts), "document")
        self._pool = np.array([self._row_of[_seen(each)] for each in pool])
        self._queries = _encoded(encoder, asked)

    def rankings(self) -> list[list[int]]:
        """Rank the pool for each query by brute force, as positions in it."""
        vectors = self._vectors[self._pool]
        queries = np.array(list(self._queries.values()))
        depth = min(_DEPTH, len(vectors))
        step = max(1, _BLOCK // len(vectors))
        found: list[list[int]] = []
        for start in range(0, len(queries), step):
            scores = queries[start : start + step] @ vectors.T
            best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
            order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
            found += np.take_along_axis(best, order, 1).tolist()
        return found

    def below(self, example: Example, found: Sequence[int], margin: float) -> list[int]:
        """Return those that don't score above the example's own document minus a margin."""
        query = self._queries[_asked(example)]
        most = self._vectors[self._row_of[example.document]] @ query - margin
        scores: NDArray[np.float32] = self._vectors[self._pool[list(found)]] @ query
        return [i for i, score in zip(found, scores.tolist(), strict=True) if score <= most]


def _encoded(encoder: Encoder, asked: Sequence[_Asked]) -> dict[_Asked, Vectors]:
    """Encode each query as what it is: vectors (dim,), in the same order."""
    vectors: dict[_Asked, Vectors] = {}
    roles: tuple[Role, Role] = ("query", "document")
    for role in roles:
        some = [each for each in asked if each[1] == role]
        if some:
            encoded = encode(encoder, [text for text, _ in some], role)
            vectors.update(zip(some, encoded, strict=True))
    return {each: vectors[each] for each in asked}
