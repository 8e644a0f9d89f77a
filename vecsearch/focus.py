"""Which part of a hit answers the query: by its terms and, with an encoder, by its meaning.

A hit's row is cut into passages of a few sentences. By terms a passage is worth the sum of
idf(t) = ln(1 + (n - df + 0.5) / (df + 0.5)), as in BM25, over the distinct terms t that it shares
with the query, where df of the n living rows hold t; by meaning, the inner product of its vector
with the query's. Both are scaled to 0..1 over the passages of the hit and count the same. Equals
go to the earliest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import Encoder, encode
from vecsearch.errors import UsageError
from vecsearch.passages import split
from vecsearch.retrieve.weighting import BM25
from vecsearch.snippets import LONGEST_PASSAGE
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import ALL, Hit, Span

WORDS: Final = 40
"""Words of a passage, about as many as a snippet shows."""

LONGEST_ROW: Final = 1 << 20
"""Characters of a row that are searched for the query's terms; work is linear in them."""

MOST_ENCODED: Final = 60
"""Passages that are compared by meaning for one query, so that neither the number of its hits nor
their length decides what it costs. The hits have equal shares, but each at least `_LEAST`."""

_LEAST: Final = 2

_DECIMALS: Final = 4
"""Similarities are rounded so: the same text in another batch differs in the last bits."""


class _Passage(NamedTuple):
    span: Span
    worth: float
    """What its terms are worth; 0 where it shares none with the query."""


def term_weights(snapshot: Snapshot, terms: Iterable[str]) -> dict[str, float]:
    """Return the idf of each distinct term; one that no living row holds is left out."""
    alive = snapshot.alive
    rows = snapshot.rows if alive is ALL else int(np.count_nonzero(alive))
    weights = {}
    for term in dict.fromkeys(terms):
        frequency = snapshot.frequency(term)
        if frequency:
            weights[term] = float(BM25().idf(frequency, rows))
    return weights


def best_passages(
    query: str,
    hits: Sequence[Hit],
    weights: Mapping[str, float],
    analyzer: Analyzer,
    load_encoder: Callable[[], Encoder] | None = None,
) -> list[Span]:
    """Return for each hit the passage of its row that answers the query best, as a span of text.

    weights: what each term of the query is worth, above 0; see `term_weights`.
    load_encoder: gives the encoder to compare by meaning too. It is called only where a hit has
        passages to choose from, and then encodes those of all hits in one call. Of a hit with
        more than its share of `MOST_ENCODED` they are those with the most worth, then others
        spread over its row.
        Where it raises UsageError, since vectors came without an encoder for texts, the terms
        decide alone.

    Of a row longer than `LONGEST_PASSAGE` the stretch of so many characters is looked at whose
    terms are worth most, among the first `LONGEST_ROW`.
    """
    cut = [_passages(hit.document.text, hit.span, weights, analyzer) for hit in hits]
    if load_encoder is not None and query.strip():
        share = max(_LEAST, MOST_ENCODED // max(len(hits), 1))
        chosen = [_candidates(passages, share) for passages in cut]
        texts = [
            [hit.document.text[slice(*passage.span)] for passage in passages]
            for hit, passages in zip(hits, chosen, strict=True)
        ]
        similarities = _similarities(query, texts, load_encoder)
        if similarities is not None:
            return [
                _best(passages, similar)
                for passages, similar in zip(chosen, similarities, strict=True)
            ]
    return [max(passages, key=lambda passage: passage.worth).span for passages in cut]


def _passages(
    text: str, row: Span, weights: Mapping[str, float], analyzer: Analyzer
) -> list[_Passage]:
    """Cut a row into passages, in order; at least one."""
    row = _looked_at(text, row, weights, analyzer)
    seen = text[row.start : row.end]
    matches = [token for token in analyzer.tokens(seen) if token.term in weights]
    places = [token.start for token in matches]
    passages = []
    for start, end in split(seen, WORDS):
        inside = matches[bisect_left(places, start) : bisect_left(places, end)]
        worth = sum(weights[term] for term in sorted({token.term for token in inside}))
        passages.append(_Passage(Span(row.start + start, row.start + end), worth))
    return passages


def _looked_at(text: str, row: Span, weights: Mapping[str, float], analyzer: Analyzer) -> Span:
    """Return the stretch of a row whose terms are worth most: all of it if it isn't too long."""
    if row.end - row.start <= LONGEST_PASSAGE:
        return row
    best, most = row, -1.0
    for start in range(row.start, min(row.end, row.start + LONGEST_ROW), LONGEST_PASSAGE):
        end = min(start + LONGEST_PASSAGE, row.end)
        terms = weights.keys() & set(analyzer.terms(text[start:end])) if weights else ()
        worth = sum(weights[term] for term in sorted(terms))
        if worth > most:
            best, most = Span(start, end), worth
    return best


def _candidates(passages: list[_Passage], most: int) -> list[_Passage]:
    """Return the passages to compare by meaning, in order."""
    if len(passages) <= most:
        return passages
    ranked = sorted(range(len(passages)), key=lambda i: -passages[i].worth)
    matching = [i for i in ranked if passages[i].worth][:most]
    others = sorted(set(ranked).difference(matching))
    spread = np.linspace(0, len(others) - 1, most - len(matching)).astype(int).tolist()
    return [passages[i] for i in sorted([*matching, *(others[place] for place in spread)])]


def _similarities(
    query: str, texts: Sequence[Sequence[str]], load_encoder: Callable[[], Encoder]
) -> list[NDArray[np.float64]] | None:
    """Compare the query with the texts of each hit; None where no text can be encoded."""
    counts = [len(each) if len(each) > 1 else 0 for each in texts]  # one needs no comparison
    wanted = [text for each in texts if len(each) > 1 for text in each]
    if not wanted:
        return [np.zeros(len(each)) for each in texts]
    try:
        encoder = load_encoder()
        asked = encode(encoder, [query], "query")[0]
    except UsageError:
        return None
    values = np.round((encode(encoder, wanted, "document") @ asked).astype(np.float64), _DECIMALS)
    ends = list(accumulate(counts, initial=0))
    return [
        values[start:end] if end > start else np.zeros(len(each))
        for each, (start, end) in zip(texts, pairwise(ends), strict=True)
    ]


def _best(passages: Sequence[_Passage], similarities: NDArray[np.float64]) -> Span:
    worths = np.array([passage.worth for passage in passages])
    return passages[int(np.argmax(_scaled(worths) + _scaled(similarities)))].span


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to 0..1 (min-max); equal values become 0."""
    low, high = values.min(), values.max()
    scaled: NDArray[np.float64] = (values - low) / (high - low if high > low else 1.0)
    return scaled
