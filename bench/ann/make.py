"""Make the vectors that run.py measures with: LSA of passages, and of questions.

    python bench/ann/make.py PASSAGES.jsonl[.gz] QUESTIONS.jsonl OUT

PASSAGES in BEIR layout. OUT gets passages.npy and questions.npy, float32. The encoder learns from
60,000 passages; the seed is fixed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vecsearch import documents, open_corpus, read_queries
from vecsearch.text import analyzer
from vecsearch.training.lsa import train_lsa
from vecsearch.types import Vectors, seen_text

DIM = 256
LEARNT_FROM = 60_000
STEP = 5_000


def main(passages: str, questions: str, out: str) -> None:
    """Encode both."""
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    texts = [seen_text(each.title, each.text) for each in documents(open_corpus(passages))]
    rng = np.random.default_rng(0)
    some = rng.choice(len(texts), min(LEARNT_FROM, len(texts)), replace=False)
    encoder = train_lsa((texts[i] for i in some.tolist()), DIM, analyzer("english"))

    def encoded(what: list[str], role: str) -> Vectors:
        steps = range(0, len(what), STEP)
        return np.concatenate([encoder.encode(what[i : i + STEP], role) for i in steps])  # type: ignore[arg-type]

    np.save(place / "passages.npy", encoded(texts, "document"))
    asked = [query.text for query in read_queries(questions)]
    vectors = encoded(asked, "query")
    np.save(place / "questions.npy", vectors[rng.permutation(len(vectors))])


if __name__ == "__main__":
    main(*sys.argv[1:])
