"""A made corpus in which a query and its documents share a topic, but no word."""

from __future__ import annotations

from itertools import chain

import numpy as np

from vecsearch.encoders.base import Encoder
from vecsearch.encoders.subwords import Subwords
from vecsearch.text import analyzer

TOPICS = 6
WORDS = [[f"t{topic}w{word}" for word in range(10)] for topic in range(TOPICS)]
SUBWORDS = Subwords(analyzer("plain"), [*chain(*WORDS), "the", "of"])


def written(rng: np.random.Generator, topic: int, first: int, last: int) -> str:
    """A text of a topic by some of its words, with words of no topic between them."""
    drawn = rng.integers(first, last, 8)
    return " ".join(f"{WORDS[topic][word]} {rng.choice(['the', 'of'])}" for word in drawn)


def found(encoder: Encoder, seed: int = 99) -> float:
    """The share of queries whose best document is of their topic; by chance one in `TOPICS`."""
    rng = np.random.default_rng(seed)
    topics = np.repeat(np.arange(TOPICS), 10)
    queries = encoder.encode([written(rng, topic, 0, 5) for topic in topics], "query")
    documents = encoder.encode([written(rng, topic, 5, 10) for topic in topics], "document")
    return float((topics[(queries @ documents.T).argmax(axis=1)] == topics).mean())
