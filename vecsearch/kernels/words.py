"""Texts as bytes -> numbers of their chunks, each distinct chunk being numbered once.

A chunk is a stretch of UTF-8 whose terms don't depend on what stands around it. The kernel knows
where it may cut, not what the terms are. The kinds of code points say where that is:

- BREAK is in no word. What stands between breaks is cut further into pieces, where neighbours are
  of two kinds among LETTER, SPACELESS and PICTOGRAPH, and before each PICTOGRAPH; a MARK goes with
  what it stands on.
- A piece in a script without spaces is read as overlapping pairs of characters, each a chunk.
- Where anything less simple comes, the piece goes on to the next break and is one chunk.

Bytes are read eight at a time, as little-endian integers ("eights"): a chunk is looked up by its
first two, and compared beyond them only if it is longer. `read` goes over the text in batches, each
of them in steps that keep the processor from waiting: cut, look up without a branch, and settle one
by one what is new or rare.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled
from vecsearch.kernels.bits import Eight, eight_at, trailing_zeros

Bytes: TypeAlias = NDArray[np.uint8]
Eights: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int32]
Places: TypeAlias = NDArray[np.int64]

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

ASCII: Final = 0
"""The form of a chunk of at most 15 letters and digits, all ASCII."""
WORD: Final = -1
"""The form of any other chunk of LETTER and MARK."""
OWN_TERM: Final = -2
"""The form of a chunk that is a term as it is."""
MIXED: Final = -3
"""The form of a chunk of which nothing is known."""
# A form above 0 is that of two characters, and says how many bytes the first has: the chunk stands
# for the terms of both beyond those of the first. Where a TAIL makes several letters of a
# character, the pair before has brought its terms.

PADDING: Final = 32
"""Bytes that there are beyond the end of a text."""

_BATCH: Final = 1024
_SHORT: Final = 15  # bytes; the record of a longer chunk, or one of a form above 0, has more to it

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_HALF: Final = np.uint64(32)
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


class _Batch(NamedTuple):
    """Chunks between the text and the table, (_BATCH,) each."""

    starts: Places
    ends: Places
    forms: Numbers
    firsts: Eights
    seconds: Eights
    hashes: Eights
    missed: Places


class _State(NamedTuple):
    """Where in a text the cutting stands."""

    at: int
    """The next byte."""
    middle: int
    """Within a spaceless piece, where the second character begins; 0 outside one."""
    piece: int
    """Where that piece ends."""
    split: int
    """The bytes of the first character if it has a TAIL; -1 if the piece begins with such a one."""


@compiled
def lowered(data: Bytes, lower: bool, text: Bytes) -> None:
    """Copy UTF-8 so that breaks in ASCII are 0, and its capitals small if `lower`.

    data: (n,) lone surrogates encoded too. text: gets it, n + PADDING bytes.
    """
    size = len(data)
    to_small = np.uint8(0x20) if lower else np.uint8(0)
    for i in range(size):
        byte = data[i]
        letter = np.uint8((byte | np.uint8(0x20)) - np.uint8(97)) < np.uint8(26)
        digit = np.uint8(byte - np.uint8(48)) < np.uint8(10)
        small = np.uint8(byte | to_small) if letter else byte
        text[i] = small if letter or digit or byte >= np.uint8(0x80) else np.uint8(0)
    text[size : size + PADDING] = 0


@compiled
def read(
    text: Bytes, ends: Places, kinds: Bytes, table: Table, numbers: Numbers, new: New
) -> tuple[Numbers, Eights]:
    """Cut texts into chunks and number them; return how many each text has, (texts,), and slots.

    text: from `lowered`. ends: (texts,) where each text ends; a break stands between two.
    kinds: (KINDS,) the kind of each code point.
    table: it needs room for half as many chunks more as the text has bytes, and as many tails; its
        slots grow, so they are returned.
    numbers: gets the number of each chunk; it needs room for one a byte.
    new: gets the new chunks; it needs room for three bytes, and half a form, a byte.
    """
    slots, records, tails, used = table
    counts = np.zeros(len(ends), np.int32)
    batch = _Batch(
        np.empty(_BATCH, np.int64),
        np.empty(_BATCH, np.int64),
        np.empty(_BATCH, np.int32),
        np.empty(_BATCH, np.uint64),
        np.empty(_BATCH, np.uint64),
        np.empty(_BATCH, np.uint64),
        np.empty(_BATCH, np.int64),
    )
    state = _State(0, 0, 0, 0)
    current = found = 0
    new.used[:] = 0
    while current < len(ends):
        current, state, count = _cut(text, ends, kinds, current, state, counts, batch)
        if 2 * (used[0] + count) > len(slots):
            slots = _grown(slots, 2 * (used[0] + count))
        those = numbers[found : found + count]
        missed = _look_up(batch, slots, records, those)
        if missed:
            _settle(text, batch, missed, Table(slots, records, tails, used), new, those)
        found += count
    return counts, slots


@compiled
def resolve(
    numbers: Numbers, counts: Numbers, term_of: Numbers, several: Numbers
) -> tuple[Numbers, Numbers]:
    """Turn chunks into terms; return the numbers of these, and how many each text has.

    numbers, counts: what `read` gave.
    term_of: (all chunks,) the term of each; -1 for none; where it has several, -place.
    several: at such a place, how many, and the terms.
    """
    size = 0
    for number in numbers[: counts.sum()]:
        term = term_of[number]
        size += 1 if term >= 0 else 0 if term == -1 else several[-term]
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


@compiled
def _cut(
    text: Bytes,
    ends: Places,
    kinds: Bytes,
    current: int,
    state: _State,
    counts: Numbers,
    batch: _Batch,
) -> tuple[int, _State, int]:
    """Fill a batch with chunks; return the text that it came to, where there, and how many."""
    starts_of, ends_of, forms, firsts, seconds, hashes, _ = batch
    at, middle, piece, split = state
    count = 0
    while current < len(ends):
        begun = count
        while at < ends[current] and count < _BATCH:
            start = at
            form = ASCII
            first = eight_at(text, at)
            second = eight_at(text, at + 8)
            first_zero = _first_zero(first)
            second_zero = _first_zero(second)
            length = trailing_zeros(first_zero) >> 3
            length += trailing_zeros(second_zero) >> 3 if length == 8 else 0
            second = second & _below(second_zero) if first_zero == _ZERO else _ZERO
            first &= _below(first_zero)
            if length <= _SHORT and not (first | second) & _HIGHS:
                end = at + length
                at = end + 1
            else:
                end, form, (at, middle, piece, split) = _next(
                    text, _State(at, middle, piece, split), kinds
                )
                first = _within(text, start, end)
                second = _within(text, start + 8, end)
                if form > 0:
                    second |= _APART
            starts_of[count] = start
            ends_of[count] = end
            forms[count] = form
            firsts[count] = first
            seconds[count] = second
            hashes[count] = _hash(first, second)
            count += end > start  # of breaks in a row only the first ends something
        counts[current] += count - begun
        if at < ends[current]:
            break
        current += 1
    return current, _State(at, middle, piece, split), count


@compiled
def _next(text: Bytes, state: _State, kinds: Bytes) -> tuple[int, int, _State]:
    """Return the end of a chunk that may hold more than ASCII, its form, and how to go on."""
    at, middle, piece, split = state
    if not middle:
        end, made = _piece(text, at, kinds)
        if made == BREAK:
            return end, MIXED, _State(at + _code_point(text, at)[1], 0, 0, 0)
        if made != SPACELESS:
            return end, WORD if made == LETTER else MIXED, _State(end, 0, 0, 0)
        middle, wide = _character(text, at, end, kinds)
        if middle == end:
            return end, MIXED if wide else OWN_TERM, _State(end, 0, 0, 0)
        piece, split = end, -1 if wide else 0
    end, wide = _character(text, middle, piece, kinds)
    form = split if split > 0 else MIXED if wide or split else OWN_TERM
    if end == piece:
        return end, form, _State(end, 0, 0, 0)
    return end, form, _State(middle, end, piece, end - middle if wide else 0)


@compiled
def _look_up(batch: _Batch, slots: Eights, records: Eights, numbers: Numbers) -> int:
    """Write down the numbers of those chunks that are where they are first looked for.

    The processor has many loads under way at once, since no branch depends on one. Return how many
    chunks are missed; `batch.missed` gets them.
    """
    _, _, _, firsts, seconds, hashes, missed = batch
    last = np.uint64(len(slots) - 1)
    misses = 0
    for i in range(len(numbers)):
        place = slots[hashes[i] >> _HALF & last] & _LOW
        numbers[i] = np.int64(place) - 1
        same = (records[2 * place] == firsts[i]) & (records[2 * place + _ONE] == seconds[i])
        missed[misses] = i
        misses += (not same) | (place == _ZERO)
    return misses


@compiled
def _settle(
    text: Bytes, batch: _Batch, misses: int, table: Table, new: New, numbers: Numbers
) -> None:
    """Find the chunks that were missed one by one; give numbers to those that are new."""
    starts, ends, forms, firsts, seconds, hashes, missed = batch
    slots, records, tails, used = table
    last = np.uint64(len(slots) - 1)
    for i in missed[:misses]:
        start, end, form, hashed = starts[i], ends[i], forms[i], hashes[i]
        short = end - start <= _SHORT and form <= 0
        for at in range(start + 16, end, 8):
            hashed = _hash(hashed, _within(text, at, end))
        slot = hashed >> _HALF & last
        while True:
            entry = slots[slot]
            if entry == _ZERO:
                slots[slot] = (hashed & ~_LOW) | np.uint64(used[0] + 1)
                numbers[i] = used[0]
                _add(text, start, end, form, firsts[i], seconds[i], table, new)
                break
            if (entry ^ hashed) >> _HALF == _ZERO:
                number = np.int64(entry & _LOW)
                rest = records[2 * number + 1]
                if records[2 * number] == firsts[i] and (
                    rest == seconds[i] if short else _is(text, start, end, form, tails, rest)
                ):
                    numbers[i] = number - 1
                    break
            slot = (slot + _ONE) & last


@compiled
def _add(
    text: Bytes,
    start: int,
    end: int,
    form: int,
    first: Eight,
    second: Eight,
    table: Table,
    new: New,
) -> None:
    """Write down a chunk under the next number."""
    _, records, tails, used = table
    used[0] += 1
    records[2 * used[0]] = first
    records[2 * used[0] + 1] = second
    if end - start > _SHORT or form > 0:
        records[2 * used[0] + 1] = _LONG | np.uint64(used[1])
        tails[used[1]] = _length(start, end, form)
        used[1] += 1
        for at in range(start + 8, end, 8):
            tails[used[1]] = _within(text, at, end)
            used[1] += 1
    chunks, forms, news = new
    size = end - start
    chunks[news[0] : news[0] + size] = text[start:end]
    chunks[news[0] + size] = 10
    forms[news[1]] = form
    news[0] += size + 1
    news[1] += 1


@compiled
def _is(text: Bytes, start: int, end: int, form: int, tails: Eights, rest: Eight) -> bool:
    """Tell whether a long chunk is the one that begins alike and whose record ends in `rest`."""
    if rest < _LONG:
        return False
    place = np.int64(rest ^ _LONG)
    if tails[place] != _length(start, end, form):
        return False
    for at in range(start + 8, end, 8):
        place += 1
        if tails[place] != _within(text, at, end):
            return False
    return True


@compiled
def _length(start: int, end: int, form: int) -> Eight:
    """Return a chunk's bytes, twice, and 1 more where the terms of its first character go."""
    return np.uint64(2 * (end - start) + (form > 0))


@compiled
def _grown(slots: Eights, least: int) -> Eights:
    """Return the hash table with twice the slots, or so often twice that there are `least`."""
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


@compiled
def _first_zero(eight: Eight) -> Eight:
    """Return an eight whose lowest 1 is the highest bit of the first byte that is 0, if any is."""
    return (eight - _ONES) & ~eight & _HIGHS


@compiled
def _below(bits: Eight) -> Eight:
    """Return ones below the lowest 1, everywhere if there is none."""
    return (bits - _ONE) & ~bits


@compiled
def _within(text: Bytes, at: int, end: int) -> Eight:
    """Return the eight bytes from a place on, those from `end` on as 0."""
    beyond = at + 8 - end
    if beyond >= 8:
        return _ZERO
    return eight_at(text, at) & (_FULL >> np.uint64(8 * max(beyond, 0)))


@compiled
def _hash(first: Eight, second: Eight) -> Eight:
    """Return a hash whose upper half depends on every bit of both."""
    mixed = first * _MIX ^ second * _MIX_MORE
    return (mixed ^ (mixed >> _HALF)) * _MIX


@compiled
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


@compiled
def _piece(text: Bytes, at: int, kinds: Bytes) -> tuple[int, int]:
    """Return the end of the piece at a byte, and what it is made of.

    That is LETTER, SPACELESS or PICTOGRAPH; PART where it isn't that simple; BREAK for nothing.
    """
    made = BREAK
    marks = place = 0
    while True:
        code, width = _code_point(text, at)
        kind = np.int64(kinds[code]) if code < KINDS else PART
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


@compiled
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
