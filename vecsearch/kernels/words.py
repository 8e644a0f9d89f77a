"""Texts as bytes -> numbers of their chunks, each distinct chunk being numbered once.

A chunk is a stretch of UTF-8 whose terms don't depend on what stands around it. The kernel knows
where it may cut, not what the terms are. The kinds of code points say where that is:

- BREAK is in no word. What stands between breaks is cut further into pieces, where neighbours are
  of two kinds among LETTER, SPACELESS and PICTOGRAPH, and before each PICTOGRAPH; a MARK goes with
  what it stands on.
- A piece in a script without spaces is read as overlapping pairs of characters, each a chunk.
- Where anything less simple comes, the piece goes on to the next break and is one chunk.

Bytes are read eight at a time, as little-endian integers ("eights"). It is all in one module
because numba looks for changes of no other than a kernel's own file when it reuses machine code.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

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

WORD: Final = 0
"""The form of a chunk of LETTER and MARK; forms above it are the bytes before a second character.

Such a chunk stands for the terms of both characters beyond those of the first alone: where a TAIL
makes several letters of a character, the pair before has brought the latter already.
"""
OWN_TERM: Final = -1
"""The form of a chunk that is a term as it is."""
MIXED: Final = -2
"""The form of any other chunk."""

_BATCH: Final = 256
_SHORT: Final = 15  # bytes; of such a chunk the second eight never ends in 0xFF, nor in a letter

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_SEVEN: Final = np.uint64(7)
_HALF: Final = np.uint64(32)
_LAST_BYTE: Final = np.uint64(56)
_LAST_BIT: Final = np.uint64(63)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_FULL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW: Final = np.uint64(0xFFFFFFFF)
_LONG: Final = np.uint64(0xFF << 56)  # no byte of UTF-8 is 0xFF, or 0xFE
_APART: Final = np.uint64(0xFE << 56)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without a pattern
_MIX_MORE: Final = np.uint64(0xD6E8FEB86659FD93)


class Table(NamedTuple):
    """The chunks that have a number: an open-addressing hash table, and their bytes beside it."""

    slots: NDArray[np.uint64]
    """(a power of two,): 32 bits of a chunk's hash, 32 of its number + 1; 0 where it is free."""
    records: NDArray[np.uint64]
    """From 2 * (number + 1) on: its first and second eight; or its first, _LONG and a place."""
    tails: NDArray[np.uint64]
    """At that place: what `_length_of` says, and its second eight and those that follow."""
    used: NDArray[np.int64]
    """(2,): how many chunks there are, and how many tails."""


class New(NamedTuple):
    """The chunks that a block of text brought."""

    chunks: NDArray[np.uint8]
    """Their bytes one after another, each with a line feed behind it."""
    forms: NDArray[np.int32]
    used: NDArray[np.int64]
    """(2,): how many bytes, how many chunks."""


class _Batch(NamedTuple):
    """Chunks on their way to the table, (_BATCH,) each."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    forms: NDArray[np.int32]
    firsts: NDArray[np.uint64]
    seconds: NDArray[np.uint64]
    hashes: NDArray[np.uint64]
    missed: NDArray[np.int64]


class _Reading(NamedTuple):
    """How far a block of text has been cut."""

    counts: NDArray[np.int32]
    """(texts,): how many chunks each has."""
    at: NDArray[np.int64]
    """(6,): byte, end of the spaceless piece there, bytes before the second character where the
    first is to be left out, text, chunks up to here, chunks up to the text."""


@compiled
def read(
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    lower: bool,
    table: Table,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32], Any]:
    """Cut texts into chunks and number them; return numbers, counts, new chunks, forms, slots.

    data: the texts in UTF-8, lone surrogates encoded too, with a break of one byte between them.
    ends: (texts,) where each of them ends.
    kinds: (KINDS,) the kind of each code point.
    lower: whether capitals in ASCII become small.
    table: it needs room for half as many chunks more as there are bytes, and as many tails.

    numbers: (chunks,) int32 of all texts one after another. counts: (texts,) int32 chunks in each.
    chunks: the bytes of the new chunks in the order of their numbers, a line feed after each.
    forms: (new chunks,) int32. slots: of the table, which may have grown.
    """
    size = len(data)
    eights = _lowered(data, lower)
    numbers = np.empty(size + 1, np.int32)
    batch = _Batch(
        np.empty(_BATCH, np.int64),
        np.empty(_BATCH, np.int64),
        np.empty(_BATCH, np.int32),
        np.empty(_BATCH, np.uint64),
        np.empty(_BATCH, np.uint64),
        np.empty(_BATCH, np.uint64),
        np.empty(_BATCH, np.int64),
    )
    new = New(np.empty(3 * size + 8, np.uint8), np.empty(size + 1, np.int32), np.zeros(2, np.int64))
    reading = _Reading(np.empty(len(ends), np.int32), np.zeros(6, np.int64))
    slots, records, tails, used = table
    found = 0
    while True:
        count = _cut(eights, ends, kinds, batch, reading)
        if count == 0:
            break
        if 2 * (used[0] + count) > len(slots):
            slots = _grown(slots)
        grown = Table(slots, records, tails, used)
        missed = _look_up(batch, count, slots, records, numbers[found:])
        if missed:
            _settle(eights, batch, missed, grown, new, numbers[found:])
        found += count
    chunks, forms, ends_of = new
    return numbers[:found], reading.counts, chunks[: ends_of[0]], forms[: ends_of[1]], slots


@compiled
def resolve(
    numbers: NDArray[np.int32],
    counts: NDArray[np.int32],
    term_of: NDArray[np.int32],
    several: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Turn chunks into terms; return the numbers of these, and how many each text has.

    numbers, counts: what `read` gave.
    term_of: (all chunks,) the term of each; -1 for none; where it has several, -place.
    several: at such a place, how many, and the terms.
    """
    size = len(numbers)
    for number in numbers:
        term = term_of[number]
        if term < -1:
            size += several[-term] - 1
    tokens = np.empty(size, np.int32)
    lengths = np.empty(len(counts), np.int32)
    first = found = 0
    for text in range(len(counts)):
        before = found
        for number in numbers[first : first + counts[text]]:
            term = term_of[number]
            if term >= -1:
                tokens[found] = term
                found += term >= 0
            else:
                for i in range(several[-term]):
                    tokens[found] = several[1 - term + i]
                    found += 1
        first += counts[text]
        lengths[text] = found - before
    return tokens[:found], lengths


@compiled
def _lowered(data, lower):
    """Copy bytes into eights: breaks in ASCII become 0, its capitals small if `lower`."""
    size = len(data)
    eights = np.zeros(size // 8 + 4, np.uint64)
    copy = eights.view(np.uint8)
    to_small = np.uint8(0x20) if lower else np.uint8(0)
    for i in range(size):
        byte = data[i]
        letter = np.uint8((byte | np.uint8(0x20)) - np.uint8(97)) < np.uint8(26)
        digit = np.uint8(byte - np.uint8(48)) < np.uint8(10)
        small = np.uint8(byte | to_small) if letter else byte
        copy[i] = small if letter or digit or byte >= np.uint8(0x80) else np.uint8(0)
    return eights


@compiled
def _cut(eights, ends, kinds, batch, reading):
    """Fill a batch with the next chunks; return how many there were."""
    starts_of, ends_of, forms, firsts, seconds, hashes, _ = batch
    counts, places = reading
    text = eights.view(np.uint8)
    at, piece, split = places[0], places[1], places[2]
    current, before, begun = places[3], places[4], places[5]
    count = 0
    for i in range(current, len(ends)):
        while at < ends[i]:
            if count == _BATCH:
                _keep(places, at, piece, split, i, before + count, begun)
                return count
            start = at
            form = WORD
            first = _eight(eights, at)
            second = _eight(eights, at + 8)
            in_first = _before_zero(first)
            in_second = _before_zero(second) if in_first == _FULL else _ZERO
            first &= in_first
            second &= in_second
            length = _bytes_in(in_first) + _bytes_in(in_second)
            if length <= _SHORT and not (first | second) & _HIGHS:
                # Of length 0 where breaks follow each other: the empty chunk is one as any.
                end = at + length
                at = end + 1
            else:
                if at < piece:
                    at, wide = _character(text, at, piece, kinds)
                    end, wider = _character(text, at, piece, kinds)
                    form = OWN_TERM if not (wide or wider) else split if split else MIXED
                    split = end - at if wider else 0
                    if end == piece:
                        at = piece
                else:
                    end, made = _piece(text, at, kinds)
                    at = end
                    if made == BREAK:
                        at += _code_point(text, at)[1]
                        continue
                    if made == SPACELESS:
                        middle, wide = _character(text, start, end, kinds)
                        if middle < end:
                            at, piece, split = start, end, 0
                            continue
                        form = MIXED if wide else OWN_TERM
                    elif made != LETTER:
                        form = MIXED
                first = _within(eights, start, end)
                second = _within(eights, start + 8, end)
                if form > WORD:
                    second |= _APART
            starts_of[count] = start
            ends_of[count] = end
            forms[count] = form
            firsts[count] = first
            seconds[count] = second
            hashes[count] = _hash(first, second)
            count += 1
        counts[i] = before + count - begun
        begun = before + count
    _keep(places, at, piece, split, len(ends), before + count, begun)
    return count


@compiled
def _look_up(batch, count, slots, records, numbers):
    """Write down the numbers of those chunks that are found at first sight.

    It goes without branches, so that the processor needn't wait for one load before the next.
    Return how many are missed; `batch.missed` gets them.
    """
    _, _, _, firsts, seconds, hashes, missed = batch
    last = np.uint64(len(slots) - 1)
    misses = 0
    for i in range(count):
        entry = slots[hashes[i] >> _HALF & last]
        at = (entry & _LOW) << _ONE
        numbers[i] = np.int64(entry & _LOW) - 1
        found = (records[at] == firsts[i]) & (records[at + _ONE] == seconds[i])
        missed[misses] = i
        misses += not found & (entry != _ZERO)
    return misses


@compiled
def _settle(eights, batch, misses, table, new, numbers):
    """Find the chunks that were missed, one by one; give numbers to those that are new."""
    starts, ends, forms, firsts, seconds, hashes, missed = batch
    slots, records, tails, used = table
    last = np.uint64(len(slots) - 1)
    for i in missed[:misses]:
        start, end, form = starts[i], ends[i], forms[i]
        first, second, hashed = firsts[i], seconds[i], hashes[i]
        short = end - start <= _SHORT and form <= WORD
        for j in range(start + 16, end, 8):
            hashed = _hash(hashed, _within(eights, j, end))
        slot = hashed >> _HALF & last
        while True:
            entry = slots[slot]
            if entry == _ZERO:
                slots[slot] = (hashed & ~_LOW) | np.uint64(used[0] + 1)
                numbers[i] = used[0]
                _add(eights, start, end, form, short, first, second, table, new)
                break
            at = (entry & _LOW) << _ONE
            if (entry ^ hashed) >> _HALF == _ZERO and records[at] == first:
                rest = records[at + _ONE]
                if rest == second if short else _is(eights, start, end, form, tails, rest):
                    numbers[i] = np.int64(entry & _LOW) - 1
                    break
            slot = (slot + _ONE) & last


@compiled
def _add(eights, start, end, form, short, first, second, table, new):
    """Write down a chunk under the next number."""
    _, records, tails, used = table
    chunks, forms, ends = new
    used[0] += 1
    records[2 * used[0]] = first
    records[2 * used[0] + 1] = second if short else _LONG | np.uint64(used[1])
    if not short:
        tails[used[1]] = _length_of(start, end, form)
        used[1] += 1
        for i in range(start + 8, end, 8):
            tails[used[1]] = _within(eights, i, end)
            used[1] += 1
    text = eights.view(np.uint8)
    at = ends[0]
    for i in range(start, end):
        chunks[at] = text[i]
        at += 1
    chunks[at] = 10
    ends[0] = at + 1
    forms[ends[1]] = form
    ends[1] += 1


@compiled
def _is(eights, start, end, form, tails, rest):
    """Tell whether a long chunk is the one whose first eight is the same and whose rest is given."""
    if rest < _LONG:
        return False
    place = np.int64(rest ^ _LONG)
    if tails[place] != _length_of(start, end, form):
        return False
    for i in range(start + 8, end, 8):
        place += 1
        if tails[place] != _within(eights, i, end):
            return False
    return True


@compiled
def _length_of(start, end, form):
    """Return a chunk's length in bytes, twice, and 1 more where its first character is left out."""
    return np.uint64(2 * (end - start) + (form > WORD))


@compiled
def _grown(slots):
    """Return the hash table with twice the slots."""
    larger = np.zeros(2 * len(slots), np.uint64)
    last = np.uint64(len(larger) - 1)
    for entry in slots:
        if entry:
            slot = entry >> _HALF & last
            while larger[slot]:
                slot = (slot + _ONE) & last
            larger[slot] = entry
    return larger


@compiled
def _keep(places, at, piece, split, text, chunks, begun):
    places[0], places[1], places[2] = at, piece, split
    places[3], places[4], places[5] = text, chunks, begun


@compiled
def _eight(eights, at):
    """Return the eight bytes from `at` on."""
    word = np.uint64(at) >> np.uint64(3)
    shift = np.uint64(at & 7) << np.uint64(3)
    return (eights[word] >> shift) | ((eights[word + _ONE] << _ONE) << (_LAST_BIT - shift))


@compiled
def _within(eights, at, end):
    """Return the eight bytes from `at` on, those from `end` on as 0."""
    beyond = at + 8 - end
    if beyond <= 0:
        return _eight(eights, at)
    if beyond >= 8:
        return _ZERO
    return _eight(eights, at) & (_FULL >> np.uint64(8 * beyond))


@compiled
def _before_zero(eight):
    """Return an eight with all bits set before the first byte that is 0, in it but its highest."""
    zeros = (eight - _ONES) & ~eight & _HIGHS  # the lowest bit set is the highest of the first 0
    return (zeros - _ONE) & ~zeros


@compiled
def _bytes_in(before):
    """Return how many bytes `_before_zero` found."""
    return np.int64((((before >> _SEVEN) & _ONES) * _ONES) >> _LAST_BYTE)


@compiled
def _hash(first, second):
    """Return a hash whose upper half depends on every bit of both."""
    mixed = first * _MIX ^ second * _MIX_MORE
    return (mixed ^ (mixed >> _HALF)) * _MIX


@compiled
def _code_point(text, at):
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


@compiled
def _piece(text, at, kinds):
    """Return the end of the piece at a byte, and what it is made of.

    That is LETTER, SPACELESS or PICTOGRAPH, PART where it isn't that simple, BREAK for nothing.
    """
    made = BREAK
    marks = place = 0
    while True:
        code, width = _code_point(text, at)
        kind = np.int64(kinds[code]) if code < KINDS else PART
        simple = kind == LETTER or kind == SPACELESS or kind == PICTOGRAPH
        if kind == BREAK:
            return at, made
        if made == BREAK:
            made = kind if simple else PART
        elif made == PART:
            pass
        elif simple:
            if kind != made or kind == PICTOGRAPH:
                return at, made
            marks = place = 0
        elif kind >= MARK:
            marks += 1
            disordered = MARK < kind < place
            place = kind
            if made == SPACELESS and (disordered or marks > MOST_MARKS):
                made = PART
        elif kind == TAIL and made == SPACELESS:
            place = 0
        else:
            made = PART
        at += width


@compiled
def _character(text, at, end, kinds):
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
