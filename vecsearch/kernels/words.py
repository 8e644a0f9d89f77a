"""Texts as bytes -> numbers of their chunks, each distinct chunk being numbered once.

A chunk is a stretch of UTF-8 whose terms don't depend on what stands around it. Most are stretches
between two breaks in ASCII: these are found 64 bytes at a time, and looked up as they are. Only
one that isn't known, and isn't all ASCII, is cut further.

The kernel knows where it may cut, not what the terms are. The kinds of code points say where that
is:

- BREAK is in no word. What stands between breaks is cut further into pieces, where neighbours are
  of two kinds among LETTER, SPACELESS and PICTOGRAPH, and before each PICTOGRAPH; a MARK goes with
  what it stands on.
- A piece in a script without spaces is read as overlapping pairs of characters, each a chunk.
- Where anything less simple comes, the piece goes on to the next break and is one chunk.

`read` goes over the text in batches, each of them in steps that keep the processor from waiting:
find the breaks, look up without a branch, and settle one by one what is new or rare.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from vecsearch.kernels import compiled, part
from vecsearch.kernels.bits import WIDE, trailing_zeros, word_bytes
from vecsearch.kernels.chunks import (
    ASCII,
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
    add,
    find,
    grown,
    is_ascii,
    look_up,
    numbered,
    read_keys,
)

KINDS: Final = 1 << 17
"""Code points that have a kind of their own; those beyond are PART."""

BREAK: Final = 0
PART: Final = 1
LETTER: Final = 2
SPACELESS: Final = 3
TAIL: Final = 4
"""Ends a spaceless character: it normalises to a mark and a letter, as Thai's SARA AM does."""
PICTOGRAPH: Final = 5
MARK: Final = 8
"""Of combining class 0; other marks have their class on top."""

MOST_MARKS: Final = 8
"""On one spaceless letter, so that no pair is longer than a term."""

PADDING: Final = 2 * WIDE
"""Bytes that there are beyond the end of a text."""

_BATCH: Final = 1024
_MOST_WHOLE: Final = 64
"""Bytes. A longer stretch between breaks is hardly ever met twice."""

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_LAST: Final = np.uint64(WIDE - 1)


class _Batch(NamedTuple):
    """Stretches between the text and the table, (_BATCH + WIDE,) each."""

    keys: Keys
    numbers: Numbers
    missed: Places


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
    room = _BATCH + WIDE
    keys = Keys(np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.uint64))
    batch = _Batch(keys, np.empty(room, np.int32), np.empty(room, np.int64))
    edges = np.empty(2 * room, np.int64)
    small = np.uint8(0x20 if lower else 0)
    new.used[:] = 0
    within = _ZERO
    current = found = known = 0
    for at in range(0, len(data) - WIDE, WIDE):
        words = word_bytes(data, at, small, text)
        changes = words ^ (words << _ONE | within)
        within = words >> _LAST
        while changes:
            edges[known] = at + trailing_zeros(changes)
            known += 1
            changes &= changes - _ONE
        if known >= 2 * _BATCH or at + 2 * WIDE >= len(data):
            whole = edges[: known & ~1]
            read_keys(text, whole, batch.keys)
            here = Table(slots, records, tails, used)
            missed = look_up(batch.keys, here, batch.numbers[: known // 2], batch.missed)
            most = _most_new(whole, batch.missed[:missed])
            if 2 * (used[0] + most) > len(slots):
                slots = grown(slots, 2 * (used[0] + most))
                here = Table(slots, records, tails, used)
            current, found = _settle(
                text, ends, kinds, whole, batch, missed, here, current, counts, numbers, found, new
            )
            edges[0] = edges[known - 1]
            known &= 1
    return counts, numbers[:found].copy(), new.forms[: new.used[1]].copy(), slots


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
def _most_new(edges: Places, missed: Places) -> int:
    """Return how many new chunks there may be in the stretches that were missed."""
    most = 0
    for i in missed:
        most += (edges[2 * i + 1] - edges[2 * i]) // 2 + 1
    return most


@part
def _settle(
    text: Bytes,
    ends: Places,
    kinds: Bytes,
    edges: Places,
    batch: _Batch,
    misses: int,
    table: Table,
    current: int,
    counts: Numbers,
    numbers: Numbers,
    found: int,
    new: New,
) -> tuple[int, int]:
    """Write down the numbers of a batch's chunks, those that were missed being found one by one.

    Return the text that it came to, and how many numbers there are.
    """
    done = 0
    for miss in range(misses + 1):
        upto = batch.missed[miss] if miss < misses else len(edges) // 2
        for i in range(done, upto):
            while edges[2 * i] >= ends[current]:
                current += 1
            counts[current] += 1
            numbers[found] = batch.numbers[i]
            found += 1
        if miss < misses:
            start, end = edges[2 * upto], edges[2 * upto + 1]
            while start >= ends[current]:
                current += 1
            before = found
            found = _stretch(text, start, end, kinds, table, numbers, found, new)
            counts[current] += found - before
        done = upto + 1
    return current, found


@part
def _stretch(
    text: Bytes,
    start: int,
    end: int,
    kinds: Bytes,
    table: Table,
    numbers: Numbers,
    found: int,
    new: New,
) -> int:
    """Number the chunks of a stretch between breaks in ASCII; return how many numbers there are."""
    # Of several pairs of characters the whole isn't known, and one pair has been found by now.
    spaceless = _kind(kinds, _code_point(text, start)[0]) == SPACELESS
    if end - start <= _MOST_WHOLE and not spaceless:
        number, hashed, slot = find(text, start, end, False, table)
        if number < 0 and is_ascii(text, start, end):
            form = ASCII if end - start <= SHORT else WORD
            number = add(text, start, end, form, hashed, slot, table, new)
        if number >= 0:
            numbers[found] = number
            return found + 1
    at = start
    while at < end:
        piece, made = _piece(text, at, kinds)
        if made == BREAK:
            at += _code_point(text, at)[1]
        elif made == SPACELESS:
            found = _pairs(text, at, piece, kinds, table, numbers, found, new)
            at = piece
        else:
            form = WORD if made == LETTER else MIXED
            numbers[found] = numbered(text, at, piece, form, table, new)
            found += 1
            at = piece
    return found


@part
def _pairs(
    text: Bytes,
    start: int,
    end: int,
    kinds: Bytes,
    table: Table,
    numbers: Numbers,
    found: int,
    new: New,
) -> int:
    """Number the pairs of characters of a spaceless piece, or its one character, as `_stretch`."""
    middle, wide = _character(text, start, end, kinds)
    if middle == end:
        form = MIXED if wide else OWN_TERM
        numbers[found] = numbered(text, start, end, form, table, new)
        return found + 1
    split = -1 if wide else 0  # the bytes of the first character of a pair, if it has a TAIL
    while middle < end:
        last, wide = _character(text, middle, end, kinds)
        form = split if split > 0 else MIXED if wide or split else OWN_TERM
        numbers[found] = numbered(text, start, last, form, table, new)
        found += 1
        split = last - middle if wide else 0
        start, middle = middle, last
    return found


@part
def _code_point(text: Bytes, at: int) -> tuple[int, int]:
    """Return the code point at a byte, and how many bytes it takes."""
    lead = np.int64(text[at])
    if lead < 0x80:
        return lead, 1
    second = np.int64(text[at + 1]) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | second, 2
    third = np.int64(text[at + 2]) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | second << 6 | third, 3
    return (lead & 7) << 18 | second << 12 | third << 6 | (np.int64(text[at + 3]) & 0x3F), 4


@part
def _kind(kinds: Bytes, code: int) -> int:
    """Return the kind of a code point."""
    return np.int64(kinds[code]) if code < KINDS else PART


@part
def _piece(text: Bytes, at: int, kinds: Bytes) -> tuple[int, int]:
    """Return the end of the piece at a byte, and what it is made of.

    That is LETTER, SPACELESS or PICTOGRAPH; PART where it isn't that simple; BREAK for nothing.
    """
    made = BREAK
    marks = place = 0
    while True:
        code, width = _code_point(text, at)
        kind = _kind(kinds, code)
        if kind == made and kind in (LETTER, SPACELESS):  # as most
            marks = place = 0
            at += width
            continue
        if kind == BREAK:
            return at, made
        simple = kind in (LETTER, SPACELESS, PICTOGRAPH)
        if made == BREAK:
            made = kind if simple else PART
        elif simple and made != PART:
            if kind != made or kind == PICTOGRAPH:
                return at, made
            marks = place = 0
        elif kind >= MARK:
            marks += 1
            if made == SPACELESS and (MARK < kind < place or marks > MOST_MARKS):
                made = PART  # normalisation would change their order, or the pair grow too long
            place = kind
        elif kind == TAIL and made == SPACELESS:
            place = 0
        else:
            made = PART
        at += width


@part
def _character(text: Bytes, at: int, end: int, kinds: Bytes) -> tuple[int, bool]:
    """Return the end of the spaceless character at a byte, and whether it has a TAIL."""
    wide = False
    at += _code_point(text, at)[1]
    while at < end:
        code, width = _code_point(text, at)
        if kinds[code] == SPACELESS:
            break
        wide = wide or kinds[code] == TAIL
        at += width
    return at, wide
