"""Whether an encoder became better: nDCG@10 on held-out queries, and how sure a difference is."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from vecsearch.bench.comparisons import compare, describe
from vecsearch.bench.results import Verdict
from vecsearch.bench.statistics import Interval
from vecsearch.encoders.base import Encoder, encode
from vecsearch.errors import UsageError
from vecsearch.measures import Scores, evaluate
from vecsearch.types import Document, Qrels, seen_text

MEASURE: Final = "nDCG@10"

_DEPTH: Final = 10
_BLOCK: Final = 256
"""Queries whose scores are held at once."""


class Validation:
    """Held-out queries over documents; scores any encoder by exact search.

    documents: of more than `most`, those with a judgment and others drawn at random are taken, so
        that scores are higher than over all; the difference of two encoders is what they are for.
    queries: query id -> text, at least of those with judgments.
    seed: the same documents, in whatever order, and seed give the same sample.

    Raise UsageError without judgments or documents, and for a judged query that has no text.
    """

    def __init__(
        self,
        documents: Iterable[Document],
        queries: Mapping[str, str],
        qrels: Qrels,
        most: int = 5000,
        seed: int = 0,
    ) -> None:
        missing = next((query for query in qrels if query not in queries), None)
        if missing is not None:
            raise UsageError(f"The held-out query {missing!r} has judgments, but no text.")
        if not qrels:
            raise UsageError("There are no judgments of held-out queries to validate with.")
        sample = _sample(documents, qrels, most, seed)
        if not sample:
            raise UsageError("There are no documents to validate with.")
        # In falling order of ids, in which a stable sort leaves equal scores as trec_eval does.
        sample.sort(key=lambda each: each.id, reverse=True)
        self._ids = [each.id for each in sample]
        self._texts = [seen_text(each.title, each.text) for each in sample]
        self._queries = {query: queries[query] for query in qrels}
        self._qrels = qrels

    def __len__(self) -> int:
        """Return how many documents are searched."""
        return len(self._ids)

    def scores(self, encoder: Encoder) -> Scores:
        """Return nDCG@10 of every judged query; EncoderError for what isn't finite vectors."""
        documents = encode(encoder, self._texts, "document")
        run: dict[str, dict[str, float]] = {}
        names = list(self._queries)
        for start in range(0, len(names), _BLOCK):
            block = names[start : start + _BLOCK]
            queries = encode(encoder, [self._queries[name] for name in block], "query")
            cosines = queries @ documents.T  # (block, documents)
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :_DEPTH]
            for name, row, places in zip(block, cosines, best.tolist(), strict=True):
                run[name] = {self._ids[place]: float(row[place]) for place in places}
        return evaluate(run, self._qrels, [MEASURE])

    def mean(self, encoder: Encoder) -> float:
        """Return the mean nDCG@10: what a training loop may take as its dev score."""
        return self.scores(encoder).mean(MEASURE)


@dataclass(frozen=True, slots=True)
class Proof:
    """What held-out queries say about an encoder before and after training, by nDCG@10.

    before, after: the means.
    difference, interval: after less before, and where its true value lies 95 times of 100.
    p: how often chance alone gives as large a difference.
    detectable: the smallest true difference that so many queries would mostly have shown; 1 where
        they are too few to show any.
    verdict: "better" or "worse" where p is below .05 and 0 outside the interval, else "no
        difference shown".
    sentence: all of that for a person.
    """

    queries: int
    before: float
    after: float
    difference: float
    interval: Interval
    p: float
    detectable: float
    verdict: Verdict
    sentence: str

    @property
    def improved(self) -> bool:
        """Whether the encoder was shown to have become better."""
        return self.verdict == "better"


def prove(before: Scores, after: Scores) -> Proof:
    """Compare the scores of an encoder before and after its training, query by query.

    Interval, test and detectable difference are the bench's: see `bench.comparisons`. Raise
    UsageError unless both are of the same queries.
    """
    names = "the encoder before it", "the encoder after training"
    scores = {"held out": dict(zip(names, (before, after), strict=True))}
    (found,) = compare(scores, names[0], [MEASURE])
    low, high = found["interval"]
    if low <= 0 <= high:
        found["verdict"] = "no difference shown"
    sentence = describe(found)
    return Proof(
        found["queries"],
        before.mean(MEASURE),
        after.mean(MEASURE),
        found["difference"],
        Interval(low, high),
        found["p"],
        found["detectable"],
        found["verdict"],
        sentence[0].upper() + sentence[1:],
    )


def _sample(documents: Iterable[Document], qrels: Qrels, most: int, seed: int) -> list[Document]:
    """Return all judged documents, and others up to `most`, in one pass over them."""
    judged = {document for grades in qrels.values() for document in grades}
    kept: dict[str, Document] = {}

    def others() -> Iterable[tuple[bytes, str, Document]]:
        for each in documents:
            if each.id in judged:
                kept[each.id] = each
            else:
                coded = f"{seed} {each.id}".encode("utf-8", "surrogatepass")
                yield hashlib.blake2b(coded, digest_size=8).digest(), each.id, each

    drawn = heapq.nsmallest(most, others(), key=lambda each: each[:2])
    room = max(most - len(kept), 0)
    return [*kept.values(), *(each for _, _, each in drawn[:room])]
