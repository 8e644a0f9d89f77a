"""Queries without labels: made out of a corpus itself, each with the one document it was made of.

`make_known_items` writes them as a judged corpus; `trust` says how far such queries can be
trusted, by what they said of collections that people have judged.
"""

from vecsearch.bench.known_items.asking import KINDS, Kind
from vecsearch.bench.known_items.making import KnownItems, make_known_items
from vecsearch.bench.known_items.validity import DEFAULT_KIND, trust

__all__ = ["DEFAULT_KIND", "KINDS", "Kind", "KnownItems", "make_known_items", "trust"]
