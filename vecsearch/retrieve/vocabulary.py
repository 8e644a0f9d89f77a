"""Which terms of an index begin in a certain way, hold a character, or are one edit from another.

Terms are compared as they are stored: stemmed where the index's analyzer stems, character by
character. Segments store them sorted, so all but those that hold a character are found by
bisection, without a scan. A term that only deleted documents hold isn't there.
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


def holding(snapshot: Snapshot, character: str) -> Iterator[str]:
    """Yield the terms that hold a character, rising."""
    found: set[str] = set()
    for part in snapshot.parts:
        terms = part.segment.postings.terms
        found.update(terms[at].decode() for at in terms.holding(character.encode()))
    yield from (term for term in sorted(found) if snapshot.frequency(term))


def _beginning(terms: Sequence[bytes], prefix: str) -> Iterator[str]:
    name = prefix.encode()
    for at in range(bisect_left(terms, name), bisect_left(terms, name + _LAST)):
        yield terms[at].decode()


def _edited(terms: Sequence[bytes], word: str) -> Iterator[str]:
    """Yield what one edit makes of a word, and itself, where it is one of the sorted terms.

    All that begins with what an edit leaves of the word lies together, in ever fewer terms.
    """
    among = range(len(terms))
    for place in range(len(word) + 1):
        if not among:
            return
        head, tail = word[:place], word[place:]
        made = [(head + tail[1:], among), (head + tail[1:2] + tail[:1] + tail[2:], among)]
        following = range(0)
        for character, beginning in _following(terms, head, among):
            made.append((head + character + tail, beginning))
            made.append((head + character + tail[1:], beginning))
            if character == tail[:1]:
                following = beginning
        yield from (each for each, where in made if _holds(terms, each, where))
        among = following


def _following(terms: Sequence[bytes], head: str, among: range) -> Iterator[tuple[str, range]]:
    """Yield each character that stands behind `head` in terms, and the terms that begin so.

    among: the terms that begin with `head`.
    """
    size = len(head.encode())
    at = among.start
    while at < among.stop:
        rest = terms[at][size:]
        if not rest:
            at += 1
            continue
        character = rest.decode()[0]
        end = bisect_left(terms, (head + character).encode() + _LAST, at, among.stop)
        yield character, range(at, end)
        at = end


def _holds(terms: Sequence[bytes], term: str, among: range) -> bool:
    name = term.encode()
    at = bisect_left(terms, name, among.start, among.stop)
    return at < among.stop and terms[at] == name
