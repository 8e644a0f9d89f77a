"""Documents that answer a query as well as the one it was made of: then its label is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from vecsearch.bench.known_items.asking import terms
from vecsearch.bench.known_items.removal import words
from vecsearch.types import Document, seen_text


class Rivals:
    """Finds among many queries those that a document answers by its words.

    in_a_row: whether it must say the query's words in a row, or else hold each of its terms.
    """

    def __init__(self, queries: Sequence[str], *, in_a_row: bool) -> None:
        self._in_a_row = in_a_row
        self._sought = [words(query) if in_a_row else set(terms(query)) for query in queries]
        self._by_anchor: dict[str, list[int]] = defaultdict(list)
        for number, sought in enumerate(self._sought):
            parts = sought.split() if isinstance(sought, str) else sought
            self._by_anchor[max(parts, key=lambda part: (len(part), part))].append(number)

    def answered(self, document: Document) -> Iterator[int]:
        """Yield the numbers of the queries that the document answers."""
        seen = seen_text(document.title, document.text)
        held = words(seen) if self._in_a_row else set(terms(seen))
        parts = set(held.split()) if isinstance(held, str) else held
        # A query is looked for only where its longest term stands, which is seldom a common one.
        for anchor in parts & self._by_anchor.keys():
            for number in self._by_anchor[anchor]:
                if _within(self._sought[number], held):
                    yield number


def _within(sought: str | set[str], held: str | set[str]) -> bool:
    if isinstance(sought, str):
        return isinstance(held, str) and sought in held
    return isinstance(held, set) and sought <= held
