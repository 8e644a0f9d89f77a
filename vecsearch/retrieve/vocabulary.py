"""Which terms of an index begin in a certain way, or are one edit away from another.

Terms are compared as they are stored: stemmed where the index's analyzer stems, character by
character. Segments store them sorted, so they are found by bisection, without a scan. A term
that only deleted documents hold isn't there.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby

from vecsearch.store.snapshot import Snapshot

_LAST = b"\xff"
"""Sorts behind every byte of UTF-8."""


def beginning_with(snapshot: Snapshot, prefix: str) -> Iterator[str]:
    """Yield the terms that begin with a prefix, rising, each when it is asked for."""
    each = (_beginning(part.segment.postings.terms, prefix) for part in snapshot.parts)
    for term, _ in groupby(heapq.merge(*each)):
        if snapshot.frequency(term):
            yield term


def one_edit_from(snapshot: Snapshot, word: str) -> Iterator[str]:
    """Yield the terms at most one edit away from a word, itself among them, rising.

    An edit inserts, removes or replaces a character, or swaps two neighbours.
    """
    near: set[str] = set()
    for part in snapshot.parts:
        near.update(_edited(part.segment.postings.terms, word))
    yield from (term for term in sorted(near) if snapshot.frequency(term))


def _beginning(terms: Sequence[bytes], prefix: str) -> Iterator[str]:
    name = prefix.encode()
    for at in range(bisect_left(terms, name), bisect_left(terms, name + _LAST)):
        yield terms[at].decode()


def _edited(terms: Sequence[bytes], word: str) -> set[str]:
    """Return what one edit makes of a word, as far as it could be one of the sorted terms."""
    made = {word}
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        made.add(head + tail[1:])
        made.add(head + tail[1:2] + tail[:1] + tail[2:])
        for character in _following(terms, head):
            made.add(head + character + tail)
            made.add(head + character + tail[1:])
    return made


def _following(terms: Sequence[bytes], head: str) -> Iterator[str]:
    """Yield the characters that stand behind `head` where a term begins with it, each once."""
    begin = head.encode()
    at = bisect_left(terms, begin)
    while at < len(terms) and terms[at].startswith(begin):
        rest = terms[at][len(begin) :]
        if not rest:
            at += 1
            continue
        character = rest.decode()[0]
        yield character
        at = bisect_left(terms, begin + character.encode() + _LAST, at)
