"""Texts as bytes -> numbers of their chunks, each distinct chunk being numbered once.

A chunk is a stretch of UTF-8 whose terms don't depend on what stands around it. Most are stretches
between two breaks in ASCII: these are found 64 bytes at a time, and looked up as they are. Only
one that isn't known, and isn't all ASCII, is cut further.

The kernel knows where it may cut, not what the terms are; `vecsearch.kernels.pieces` says where. A
piece in a script without spaces is read as overlapping pairs of characters, each a chunk; any other
is one chunk.

`read` goes over the text in batches, each of them in steps that keep the processor from waiting:
find the breaks; look all stretches up without a branch; cut those that are missed into chunks; look
these up alike, as soon as there are enough; and number one by one what is new or rare.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from vecsearch.kernels import called, compiled, inlined, part
from vecsearch.kernels.bits import WIDE, trailing_zeros, word_bytes
from vecsearch.kernels.chunks import (
    ASCII,
    BATCH,
    MIXED,
    OWN_TERM,
    SHORT,
    WORD,
    Bytes,
    Eights,
    Keys,
    New,
    Numbers,
    Places,
    Table,
    empty_keys,
    find,
    grown,
    is_ascii,
    look_up,
    numbered,
    read_key,
)
from vecsearch.kernels.pieces import BREAK, LETTER, SPACELESS, kind_at, piece_at

PADDING: Final = 2 * WIDE
"""Bytes that there are beyond the end of a text."""

_MOST_WHOLE: Final = 64
"""Bytes. A longer stretch between breaks is hardly ever met twice."""

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_LAST: Final = np.uint64(WIDE - 1)


class _Batch(NamedTuple):
    """Stretches, or chunks, on their way to their numbers, (BATCH + WIDE,) each."""

    edges: Places
    """Where each begins and ends, end to end."""
    keys: Keys
    numbers: Numbers


class _Cut(NamedTuple):
    """Chunks of stretches that were cut."""

    batch: _Batch
    forms: Numbers
    places: Places
    """Where the number of each goes."""


class _Work(NamedTuple):
    """What `read` works on: what it was given, its slots as they are now, chunks on their way."""

    text: Bytes
    kinds: Bytes
    table: Table
    numbers: Numbers
    new: New
    cut: _Cut


@compiled
def read(
    data: Bytes,
    sizes: Places,
    lower: bool,
    kinds: Bytes,
    table: Table,
    text: Bytes,
    numbers: Numbers,
    new: New,
) -> tuple[Numbers, Numbers, Numbers, Eights]:
    """Cut texts into chunks and number them.

    Return how many each text has, (texts,), their numbers, the forms of new ones, and slots.

    data: UTF-8, lone surrogates encoded too; a break stands behind each text, and PADDING breaks
        behind the last. sizes: (texts,) the bytes of each text, without the break.
    lower: whether capitals in ASCII are as small letters.
    kinds: (KINDS,) the kind of each code point.
    table: it needs room for half as many chunks more as the data has bytes, and as many tails; its
        slots grow, so they are returned.
    text: room for the data.
    numbers: room for the number of each chunk, one a byte.
    new: gets the new chunks; it needs room for three bytes, and half a form, a byte.
    """
    slots, records, tails, used = table
    counts = np.zeros(len(sizes), np.int32)
    ends = np.empty(len(sizes), np.int64)
    end = -1
    for i in range(len(sizes)):
        end += sizes[i] + 1
        ends[i] = end
    batch = _empty()
    cut = _Cut(_empty(), np.empty(BATCH, np.int32), np.empty(BATCH, np.int64))
    edges = batch.edges
    small = np.uint8(0x20 if lower else 0)
    new.used[:] = 0
    within = _ZERO
    # Were it a plain 0, numba would compile all that takes it twice: for that, and for any number.
    current = found = known = np.int64(0)
    for at in range(0, len(data) - WIDE, WIDE):
        words = word_bytes(data, at, small, text)
        changes = words ^ (words << _ONE | within)
        within = words >> _LAST
        while changes:
            edges[known] = at + trailing_zeros(changes)
            known += 1
            changes &= changes - _ONE
        if known >= 2 * BATCH or (known and at + 2 * WIDE >= len(data)):
            most = (edges[known - 1] - edges[0]) // 2 + 1  # new chunks
            if 2 * (used[0] + most) > len(slots):
                slots = grown(slots, 2 * (used[0] + most))
            here = Table(slots, records, tails, used)
            whole = known // 2
            for i in range(whole):
                read_key(text, edges[2 * i], edges[2 * i + 1], False, slots, batch.keys, i)
            look_up(batch.keys, here, batch.numbers[:whole])
            work = _Work(text, kinds, here, numbers, new, cut)
            current, found = _write_down(work, batch, whole, ends, current, counts, found)
            edges[0] = edges[known - 1]
            known &= 1
    return counts, numbers[:found].copy(), new.forms[: new.used[1]].copy(), slots


@inlined
def _empty() -> _Batch:
    room = BATCH + WIDE
    return _Batch(np.empty(2 * room, np.int64), empty_keys(room), np.empty(room, np.int32))


@compiled
def resolve(
    numbers: Numbers, counts: Numbers, term_of: Numbers, several: Numbers
) -> tuple[Numbers, Numbers]:
    """Turn chunks into terms; return the numbers of these, and how many each text has.

    numbers, counts: what `read` gave.
    term_of: (all chunks,) the term of each; -1 for none; where it has several, -place.
    several: at such a place, how many, and the terms.
    """
    size = len(numbers)
    for number in numbers:
        term = term_of[number]
        if term < -1:
            size += several[-term]
    tokens = np.empty(size + 1, np.int32)
    lengths = np.empty(len(counts), np.int32)
    first = found = 0
    for text in range(len(counts)):
        before = found
        for number in numbers[first : first + counts[text]]:
            term = term_of[number]
            if term >= -1:
                tokens[found] = term  # the next one overwrites it where it is none
                found += term >= 0
            else:
                for i in range(several[-term]):
                    tokens[found] = several[1 - term + i]
                    found += 1
        first += counts[text]
        lengths[text] = found - before
    return tokens[:found], lengths


@part
def _write_down(
    work: _Work,
    batch: _Batch,
    whole: int,
    ends: Places,
    current: int,
    counts: Numbers,
    found: int,
) -> tuple[int, int]:
    """Write down the numbers of the chunks in a batch's stretches, cutting those without number.

    Return the text that it came to, and how many numbers there are.
    """
    before, end = found, ends[current]
    waiting = np.int64(0)
    for i in range(whole):
        start = batch.edges[2 * i]
        if start >= end:
            counts[current] += found - before
            before = found
            while start >= ends[current]:
                current += 1
            end = ends[current]
        if batch.numbers[i] >= 0:
            work.numbers[found] = batch.numbers[i]
            found += 1
        else:
            found, waiting = _stretch(work, start, batch.edges[2 * i + 1], found, waiting)
    counts[current] += found - before
    _settle(work, waiting)
    return current, found


@part
def _stretch(work: _Work, start: int, end: int, found: int, waiting: int) -> tuple[int, int]:
    """Cut a stretch between breaks in ASCII into chunks, which then wait for their numbers.

    Return how many numbers there are, with theirs, and how many chunks wait.
    """
    text, kinds, table, numbers = work.text, work.kinds, work.table, work.numbers
    plain = is_ascii(text, start, end)
    # Of several pairs of characters the whole isn't known.
    if (
        not plain
        and SHORT < end - start <= _MOST_WHOLE
        and kind_at(text, start, kinds)[0] != SPACELESS
    ):
        number = find(text, start, end, False, table)[0]
        if number >= 0:
            numbers[found] = number
            return found + 1, waiting
    at = start
    while at < end:
        piece, made, characters = end, LETTER, 0
        if not plain:
            piece, made, characters = piece_at(text, at, kinds, numbers[found:])
        if made == SPACELESS and characters > 1:
            found, waiting = _pairs(work, at, characters - 1, found, waiting)
        elif made != BREAK:
            form = WORD if made == LETTER else OWN_TERM if made == SPACELESS else MIXED
            if plain and end - start <= SHORT:
                form = ASCII
            found, waiting = _put(work, at, piece, form, found, waiting)
        at = piece
    return found, waiting


@part
def _put(work: _Work, start: int, end: int, form: int, found: int, waiting: int) -> tuple[int, int]:
    """Have a chunk wait for its number, as `_stretch`."""
    if waiting == BATCH:
        _settle(work, waiting)
        waiting = np.int64(0)
    cut = work.cut
    cut.batch.edges[2 * waiting] = start
    cut.batch.edges[2 * waiting + 1] = end
    cut.forms[waiting] = form
    cut.places[waiting] = found
    return found + 1, waiting + 1


@part
def _pairs(work: _Work, start: int, pairs: int, found: int, waiting: int) -> tuple[int, int]:
    """Put the pairs of characters of a spaceless piece, as `_stretch`.

    What `piece_at` tells of the characters is where the numbers will be.
    """
    cut = work.cut
    done = 0
    while done < pairs:
        if waiting == BATCH:
            _settle(work, waiting)
            waiting = np.int64(0)
        characters = work.numbers[found:]
        edges = cut.batch.edges[2 * waiting :]
        forms = cut.forms[waiting:]
        places = cut.places[waiting:]
        some = min(pairs - done, BATCH - waiting)
        for i in range(some):
            first, second, third = characters[i], characters[i + 1], characters[i + 2]
            edges[2 * i] = start + (first >> 1)
            edges[2 * i + 1] = start + (third >> 1)
            form = MIXED if (second | third) & 1 else OWN_TERM
            forms[i] = (second - first) >> 1 if second & 1 and first > 1 else form
            places[i] = found + i
        done += some
        found += some
        waiting += some
    return found, waiting


@called
def _settle(work: _Work, waiting: int) -> None:
    """Write down the numbers of the chunks that wait, those that are missed one by one."""
    text, table = work.text, work.table
    batch, forms, places = work.cut
    edges, keys, known = batch
    for i in range(waiting):
        read_key(text, edges[2 * i], edges[2 * i + 1], forms[i] > 0, table.slots, keys, i)
    look_up(keys, table, known[:waiting])
    for i in range(waiting):
        number = np.int64(known[i])
        if number < 0:
            number = numbered(text, edges[2 * i], edges[2 * i + 1], forms[i], table, work.new)
        work.numbers[places[i]] = number
