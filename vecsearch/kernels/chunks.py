"""Chunks of text by number: each distinct one is numbered once.

Bytes are read eight at a time, as little-endian integers ("eights"): a chunk is looked up by its
first two, and compared beyond them only if it is longer.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, inlined, part
from vecsearch.kernels.bits import Eight, eight_at
from vecsearch.kernels.memory import fetch_of

Bytes: TypeAlias = NDArray[np.uint8]
Eights: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int32]
Places: TypeAlias = NDArray[np.int64]

SHORT: Final = 15
"""Bytes. The record of a longer chunk has more to it."""

PADDING: Final = 16
"""Bytes that there are beyond the end of a chunk."""

ASCII: Final = 0
"""The form of a chunk of at most 15 letters and digits, all ASCII."""
WORD: Final = -1
"""The form of any other chunk of letters and their marks."""
OWN_TERM: Final = -2
"""The form of a chunk that is a term as it is."""
MIXED: Final = -3
"""The form of a chunk of which nothing is known."""
# A form above 0 is that of two characters, and says how many bytes the first has: the chunk stands
# for the terms of both beyond those of the first. Where a TAIL, see `words`, makes several letters
# of a character, the pair before has brought its terms.

BATCH: Final = 1024
"""Chunks that are looked up together."""

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_TWO: Final = np.uint64(2)
_HALF: Final = np.uint64(32)
_FULL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW: Final = np.uint64(0xFFFFFFFF)
_HIGHS: Final = np.uint64(0x8080808080808080)
_LONG: Final = np.uint64(0xFF << 56)  # no byte of UTF-8 is 0xFF, or 0xFE
_APART: Final = np.uint64(0xFE << 56)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without a pattern
_MIX_MORE: Final = np.uint64(0xD6E8FEB86659FD93)
# What is left of a chunk's first and second eight, by its length up to 16.
_FIRST: Final = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(17)], np.uint64)
_SECOND: Final = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(17)], np.uint64)


class Table(NamedTuple):
    """The chunks that have a number: an open-addressing hash table, and their bytes beside it.

    One whose bytes are known but stand for something else may be numbered apart from them.
    """

    slots: Eights
    """(a power of two,): 32 bits of a chunk's hash, 32 of its number + 1; 0 where it is free."""
    records: Eights
    """From 2 * (number + 1) on: its first and second eight; or its first, and _LONG + a place."""
    tails: Eights
    """At that place: what `_length` says, its second eight, and those that follow."""
    used: Places
    """(2,): how many chunks there are, and how many tails."""


class New(NamedTuple):
    """The chunks that a text brought, in the order of their numbers."""

    chunks: Bytes
    """Their bytes one after another, a line feed behind each."""
    forms: Numbers
    used: Places
    """(2,): how many bytes, and how many chunks."""


class Keys(NamedTuple):
    """What chunks are looked up by, (n,) each: the first and second eight, and a hash of both."""

    firsts: Eights
    seconds: Eights
    hashes: Eights


@inlined
def empty_keys(size: int) -> Keys:
    """Return room for the keys of so many chunks."""
    return Keys(np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64))


@part
def read_key(
    text: Bytes, start: int, end: int, apart: bool, slots: Eights, keys: Keys, at: int
) -> None:
    """Work out the key of a chunk, put it at a place, and have its slot come near."""
    firsts, seconds, hashes = keys
    first, second = _first_eights(text, start, end, apart)
    firsts[at] = first
    seconds[at] = second
    hashed = _hash(first, second)
    hashes[at] = hashed
    fetch_of(slots, hashed >> _HALF & np.uint64(len(slots) - 1))


@part
def look_up(keys: Keys, table: Table, numbers: Numbers) -> None:
    """Write down the numbers of those chunks that are in a slot where they are first looked for.

    The others get -1. The processor has many loads under way at once, since no branch depends on
    one, and each was asked for before.
    """
    firsts, seconds, hashes = keys
    slots, records, _, _ = table
    last = np.uint64(len(slots) - 1)
    for i in range(len(numbers)):
        slot = hashes[i] >> _HALF & last
        entry, other = slots[slot], slots[(slot + _ONE) & last]
        entry = entry if (entry ^ hashes[i]) >> _HALF == _ZERO else other
        number = entry & _LOW
        fetch_of(records, _TWO * number)
        numbers[i] = np.int64(number) - 1
    for i in range(len(numbers)):
        place = np.uint64(numbers[i] + 1)
        differ = (records[_TWO * place] ^ firsts[i]) | (records[_TWO * place + _ONE] ^ seconds[i])
        numbers[i] = -1 if differ != _ZERO else numbers[i]


@part
def find(text: Bytes, start: int, end: int, apart: bool, table: Table) -> tuple[int, Eight, Eight]:
    """Return a chunk's number, -1 where it has none; its hash; and the slot that it has or gets."""
    slots, records, tails, _ = table
    last = np.uint64(len(slots) - 1)
    first, second = _first_eights(text, start, end, apart)
    hashed = _hash(first, second)
    for at in range(start + 16, end, 8):
        hashed = _hash(hashed, _within(text, at, end))
    short = end - start <= SHORT
    slot = hashed >> _HALF & last
    while True:
        entry = slots[slot]
        if entry == _ZERO:
            return -1, hashed, slot
        if (entry ^ hashed) >> _HALF == _ZERO:
            number = np.int64(entry & _LOW)
            rest = records[2 * number + 1]
            if records[2 * number] == first and (
                rest == second if short else _is(text, start, end, apart, tails, rest)
            ):
                return number - 1, hashed, slot
        slot = (slot + _ONE) & last


@part
def add(
    text: Bytes, start: int, end: int, form: int, hashed: Eight, slot: Eight, table: Table, new: New
) -> int:
    """Give the next number to a chunk that `find` hasn't found, which is apart if form > 0."""
    slots, records, tails, used = table
    slots[slot] = (hashed & ~_LOW) | np.uint64(used[0] + 1)
    number = int(used[0])
    used[0] += 1
    records[2 * used[0]], records[2 * used[0] + 1] = _first_eights(text, start, end, form > 0)
    if end - start > SHORT:
        records[2 * used[0] + 1] = _LONG | np.uint64(used[1])
        tails[used[1]] = _length(start, end, form > 0)
        used[1] += 1
        for at in range(start + 8, end, 8):
            tails[used[1]] = _within(text, at, end)
            used[1] += 1
    chunks, forms, news = new
    size = end - start
    for i in range(size):
        chunks[news[0] + i] = text[start + i]
    chunks[news[0] + size] = 10
    forms[news[1]] = form
    news[0] += size + 1
    news[1] += 1
    return number


@part
def numbered(text: Bytes, start: int, end: int, form: int, table: Table, new: New) -> int:
    """Return the number of a chunk, the next one if it is new."""
    number, hashed, slot = find(text, start, end, form > 0, table)
    if number < 0:
        number = add(text, start, end, form, hashed, slot, table, new)
    return number


@compiled
def number_lines(text: Bytes, table: Table, numbers: Numbers, new: New) -> Eights:
    """Number strings, each distinct one once, and return slots.

    text: UTF-8, a line feed behind each string, and PADDING bytes behind the last.
    table: it needs room for as many chunks more as there are strings, and as many tails as bytes;
        its slots grow, so they are returned.
    numbers: (strings,) gets the number of each, -1 for an empty one.
    new: gets the new ones; it needs room for all.
    """
    slots, records, tails, used = table
    if 2 * (used[0] + len(numbers)) > len(slots):
        slots = grown(slots, 2 * (used[0] + len(numbers)))
    here = Table(slots, records, tails, used)
    starts = np.empty(BATCH + 1, np.int64)
    keys = empty_keys(BATCH)
    starts[0] = 0
    for first in range(0, len(numbers), BATCH):
        some = numbers[first : first + BATCH]
        for i in range(len(some)):
            end = starts[i]
            while text[end] != 10:
                end += 1
            read_key(text, starts[i], end, False, slots, keys, i)
            starts[i + 1] = end + 1
        look_up(keys, here, some)
        for i in range(len(some)):
            start, end = starts[i], starts[i + 1] - 1
            if some[i] < 0 and end > start:
                some[i] = numbered(text, start, end, OWN_TERM, here, new)
        starts[0] = starts[len(some)]
    return slots


@compiled
def grown(slots: Eights, least: int) -> Eights:
    """Return the hash table with so often twice the slots that there are `least`."""
    size = len(slots)
    while size < least:
        size *= 2
    larger = np.zeros(size, np.uint64)
    last = np.uint64(size - 1)
    for entry in slots:
        if entry:
            slot = entry >> _HALF & last
            while larger[slot]:
                slot = (slot + _ONE) & last
            larger[slot] = entry
    return larger


@part
def is_ascii(text: Bytes, start: int, end: int) -> bool:
    """Tell whether a chunk is all ASCII."""
    highs = _ZERO
    for at in range(start, end, 8):
        highs |= _within(text, at, end)
    return not highs & _HIGHS


@part
def _is(text: Bytes, start: int, end: int, apart: bool, tails: Eights, rest: Eight) -> bool:
    """Tell whether a long chunk is the one that begins alike and whose record ends in `rest`."""
    if rest < _LONG:
        return False
    place = np.int64(rest ^ _LONG)
    if tails[place] != _length(start, end, apart):
        return False
    for at in range(start + 8, end, 8):
        place += 1
        if tails[place] != _within(text, at, end):
            return False
    return True


@part
def _length(start: int, end: int, apart: bool) -> Eight:
    """Return a chunk's bytes, twice, and 1 more where it is apart."""
    return np.uint64(2 * (end - start) + apart)


@part
def _first_eights(text: Bytes, start: int, end: int, apart: bool) -> tuple[Eight, Eight]:
    """Return the first sixteen bytes of a chunk, those that it hasn't as 0.

    The last of a short one that is apart is 0xFE.
    """
    length = min(end - start, 16)
    second = eight_at(text, start + 8) & _SECOND[length]
    if apart and length <= SHORT:
        second |= _APART
    return eight_at(text, start) & _FIRST[length], second


@part
def _within(text: Bytes, at: int, end: int) -> Eight:
    """Return the eight bytes from a place on, those from `end` on as 0."""
    beyond = at + 8 - end
    if beyond >= 8:
        return _ZERO
    return eight_at(text, at) & (_FULL >> np.uint64(8 * max(beyond, 0)))


@part
def _hash(first: Eight, second: Eight) -> Eight:
    """Return a hash whose upper half depends on every bit of both."""
    mixed = first * _MIX ^ second * _MIX_MORE
    return (mixed ^ (mixed >> _HALF)) * _MIX
