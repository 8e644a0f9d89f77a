"""Keeping apart what is trained on and what is measured on: held-out queries, and a dev split."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vecsearch.errors import UsageError
from vecsearch.text import PLAIN, analyzer
from vecsearch.training.base import Example


class Kept(NamedTuple):
    """The examples that may be trained on, and how many may not."""

    examples: list[Example]
    dropped: int


class Cut(NamedTuple):
    """Ids of queries, in the order in which they were given."""

    train: list[str]
    dev: list[str]


def normalised(text: str) -> str:
    """Return a text's words: without case, punctuation, and differences in white space.

    A text without any word, such as "???", is returned without white space around.
    """
    return " ".join(analyzer(PLAIN).terms(text)) or text.strip()


def drop_held_out(examples: Iterable[Example], held_out_queries: Iterable[str]) -> Kept:
    """Drop every example that asks with the text of a held-out query, as far as `normalised` goes.

    Both texts of a symmetric example ask. A held-out query's documents stay: a judgment is a pair
    of the two.
    """
    held_out = set(map(normalised, held_out_queries))
    kept = []
    dropped = 0
    for example in examples:
        asking = (example.query, example.document) if example.symmetric else (example.query,)
        if held_out.isdisjoint(map(normalised, asking)):
            kept.append(example)
        else:
            dropped += 1
    return Kept(kept, dropped)


def cut_dev(queries: Mapping[str, str], share: float, seed: int = 0) -> Cut:
    """Cut a dev split of about a share of the queries, texts by id; equal texts stay together.

    "Equal" is as `normalised` goes. Which queries are cut depends on them and the seed, not on
    their order. Each side gets one at least. Raise UsageError for a share that isn't between 0 and
    1, and for fewer than two distinct texts.
    """
    if not 0 < share < 1:
        raise UsageError(
            f"The share of a dev split lies between 0 and 1, as 0.1 does, not {share}."
        )
    alike: dict[str, list[str]] = {}
    for id, text in sorted(queries.items()):
        alike.setdefault(normalised(text), []).append(id)
    if len(alike) < 2:
        raise UsageError(
            f"A dev split can't be cut from {len(queries)} queries of {len(alike)} distinct "
            "texts: it takes two."
        )
    groups = list(alike.values())
    random.Random(seed).shuffle(groups)
    wanted = max(1, round(share * len(queries)))
    dev: set[str] = set()
    for group in groups:
        if len(dev) + len(group) <= wanted:
            dev.update(group)
    smallest = min(groups, key=len)
    dev = dev or set(smallest)
    if len(dev) == len(queries):
        dev.difference_update(groups[-1])
    return Cut([id for id in queries if id not in dev], [id for id in queries if id in dev])
