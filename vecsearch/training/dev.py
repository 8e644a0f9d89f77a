"""Queries and documents that progress is measured on, and no more of them than can be often."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vecsearch.errors import UsageError
from vecsearch.types import Document, Qrels

MOST_QUERIES: Final = 300


@dataclass(frozen=True, slots=True)
class Dev:
    """What progress is measured on; origin says where its queries come from."""

    documents: Sequence[Document]
    queries: Mapping[str, str]
    qrels: Qrels
    origin: str


def cut_down(dev: Dev, most: int, seed: int) -> Dev:
    """Cut a dev set down to what can be measured often: 300 queries, that judge `most` documents.

    Queries that nothing can be found for are left out. Those with the fewest judgments come first,
    since many queries tell more than many judgments do; there is one at least.
    """
    known = {document.id for document in dev.documents}
    fit = [id for id, text in dev.queries.items() if text.strip() and _relevant(dev, id) & known]
    if not fit:
        raise UsageError(
            f"There is nothing to measure progress on: no query of the dev set ({dev.origin}) has "
            "a relevant document in the corpus."
        )
    random.Random(seed).shuffle(fit)
    fit.sort(key=lambda id: len(dev.qrels[id]))
    chosen: list[str] = []
    judged: set[str] = set()
    for id in fit[:MOST_QUERIES]:
        judged |= dev.qrels[id].keys()
        if chosen and len(judged) > most:
            break
        chosen.append(id)
    return Dev(
        dev.documents,
        {id: dev.queries[id] for id in chosen},
        {id: dev.qrels[id] for id in chosen},
        dev.origin,
    )


def _relevant(dev: Dev, id: str) -> set[str]:
    return {document for document, grade in dev.qrels[id].items() if grade > 0}
