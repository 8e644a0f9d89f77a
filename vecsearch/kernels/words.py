"""Text as bytes -> numbers of its chunks, each distinct chunk numbered once.

A chunk is a stretch of UTF-8 that can be turned into terms without a look at what stands around it;
the kernels know where to cut, not what the terms are. `Kinds` of code points tell where that is:

- BREAK is in no word; what stands between breaks is cut further where two neighbours are of
  different kinds among LETTER, SPACELESS and PICTOGRAPH (marks go with what they stand on)
- of a piece in a script without spaces each overlapping pair of characters is a chunk
- a piece with anything less simple in it is one chunk up to the next break

Eight bytes are read at a time, as one little-endian integer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

KINDS: Final = 1 << 17
"""Code points that have a kind of their own; those beyond are PART."""

BREAK: Final = 0
PART: Final = 1
LETTER: Final = 2
SPACELESS: Final = 3
TAIL: Final = 4  # normalises to a mark and a spaceless letter, as Thai's SARA AM does
PICTOGRAPH: Final = 5
MARK: Final = 8  # and its combining class on top

MOST_MARKS: Final = 8  # on one spaceless letter, so that a pair is never longer than a term

OWN_TERM: Final = -1

_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_BYTE: Final = np.uint64(8)
_TOP: Final = np.uint64(56)
_HALF: Final = np.uint64(32)
_LAST: Final = np.uint64(63)
_LOW: Final = np.uint64(0xFFFFFFFF)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_MORE: Final = np.uint64(0xD6E8FEB86659FD93)


@compiled
def _lowered(data, lower):
    """Copy bytes into integers of eight, ASCII that ends words as 0, capitals small if `lower`."""
    size = len(data)
    eights = np.zeros(size // 8 + 3, np.uint64)
    copy = eights.view(np.uint8)
    shift = np.uint8(0x20) if lower else np.uint8(0)
    for i in range(size):
        byte = data[i]
        small = np.uint8(byte | np.uint8(0x20))
        letter = np.uint8(small - np.uint8(97)) < np.uint8(26)
        digit = np.uint8(byte - np.uint8(48)) < np.uint8(10)
        kept = letter or digit or byte >= np.uint8(0x80)
        low = np.uint8(byte | shift) if letter else byte
        copy[i] = low if kept else np.uint8(0)
    return eights


@compiled
def _eight(eights, at):
    """Return the eight bytes from `at` on."""
    shift = np.uint64((at & 7) << 3)
    word = at >> 3
    return (eights[word] >> shift) | ((eights[word + 1] << _ONE) << (_LAST - shift))


@compiled
def _hash(hashed, eight):
    hashed = (hashed ^ eight) * _MIX
    return hashed ^ (hashed >> _HALF)


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
    """Return the end of the piece that begins at a byte, what it is made of, and its code points.

    It is made of LETTER, SPACELESS or PICTOGRAPH, or of PART where it isn't that simple.
    """
    made = BREAK
    marks = 0
    order = 0
    while True:
        code, width = _code_point(text, at)
        kind = np.int64(kinds[code]) if code < KINDS else PART
        if kind == BREAK:
            return at, made
        if made == BREAK:
            made = kind if kind in (LETTER, SPACELESS, PICTOGRAPH) else PART
        elif made == PART:
            pass
        elif kind >= MARK:
            place = kind - MARK
            marks += 1
            if place and place < order or marks > MOST_MARKS:
                made = PART if made == SPACELESS else made
            order = place
        elif kind == TAIL and made == SPACELESS:
            order = 0
        elif kind in (LETTER, SPACELESS, PICTOGRAPH):
            if kind != made or kind == PICTOGRAPH:
                return at, made
            marks = order = 0
        else:
            made = PART
        at += width


@compiled
def _grown(slots, tails, places):
    """Return the hash table with twice the slots."""
    larger = np.zeros(2 * len(slots), np.uint64)
    last = len(larger) // 2 - 1
    for slot in range(0, len(slots), 2):
        key = slots[slot + 1]
        if key:
            hashed = _hash(_ZERO, slots[slot])
            tail = places[np.int64(key & _LOW) - 1]
            for i in range(tail, tail + np.int64(key >> _HALF >> _ONE) - 1):
                hashed = _hash(hashed, tails[i])
            free = _first_slot(hashed, last)
            while larger[2 * free + 1]:
                free = (free + 1) & last
            larger[2 * free] = slots[slot]
            larger[2 * free + 1] = key
    return larger


@compiled
def _first_slot(hashed, last):
    return np.int64((hashed * _MIX_MORE) >> _HALF) & last


@compiled
def _number(eights, start, end, form, table, new):
    """Return the number of the chunk between two bytes; a new one is written down."""
    slots, tails, places, used = table
    length = end - start
    size = (length + 7) >> 3
    rest = np.uint64((8 - length) & 7) << np.uint64(3)  # bits of the last eight beyond the end
    first = _eight(eights, start)
    if size == 1:
        first &= _ALL >> rest
    hashed = _hash(_ZERO, first)
    for i in range(1, size):
        eight = _eight(eights, start + 8 * i)
        if i == size - 1:
            eight &= _ALL >> rest
        hashed = _hash(hashed, eight)
    kind = np.uint64(2 * size + (form > 0)) << _HALF
    last = len(slots) // 2 - 1
    slot = _first_slot(hashed, last)
    while True:
        key = slots[2 * slot + 1]
        if key == _ZERO:
            break
        if slots[2 * slot] == first and (key & ~_LOW) == kind:
            number = np.int64(key & _LOW) - 1
            same = True
            tail = places[number] - 1
            for i in range(1, size):
                eight = _eight(eights, start + 8 * i)
                if i == size - 1:
                    eight &= _ALL >> rest
                if tails[tail + i] != eight:
                    same = False
                    break
            if same:
                return number
        slot = (slot + 1) & last
    number = used[0]
    slots[2 * slot] = first
    slots[2 * slot + 1] = kind | np.uint64(number + 1)
    places[number] = used[1]
    for i in range(1, size):
        eight = _eight(eights, start + 8 * i)
        if i == size - 1:
            eight &= _ALL >> rest
        tails[used[1]] = eight
        used[1] += 1
    chunks, forms = new
    text = eights.view(np.uint8)
    at = used[2]
    for i in range(start, end):
        chunks[at] = text[i]
        at += 1
    chunks[at] = 10
    used[2] = at + 1
    forms[used[3]] = form
    used[3] += 1
    used[0] = number + 1
    return number


@compiled
def read(data, ends, kinds, lower, slots, tails, places, used):
    size = len(data)
    eights = _lowered(data, lower)
    text = eights.view(np.uint8)
    numbers = np.empty(size + 1, np.int32)
    counts = np.empty(len(ends), np.int32)
    chunks = np.empty(3 * size + 8, np.uint8)
    forms = np.empty(size + 1, np.int32)
    new = (chunks, forms)
    used[2] = used[3] = 0
    found = 0
    at = 0
    for i in range(len(ends)):
        before = found
        while at < ends[i]:
            if 2 * used[0] >= len(slots) // 2:
                slots = _grown(slots, tails, places)
            eight = _eight(eights, at)
            zeros = (eight - _ONES) & ~eight & _HIGHS
            if zeros:
                keep = (zeros ^ (zeros - _ONE)) >> _BYTE
                eight &= keep
                if not eight & _HIGHS:
                    length = np.int64(((keep & _ONES) * _ONES) >> _TOP)
                    if length:
                        table = (slots, tails, places, used)
                        slot = _first_slot(_hash(_ZERO, eight), len(slots) // 2 - 1)
                        key = slots[2 * slot + 1]
                        if slots[2 * slot] == eight and (key >> _HALF) == np.uint64(2):
                            numbers[found] = np.int64(key & _LOW) - 1
                        else:
                            numbers[found] = _number(eights, at, at + length, 0, table, new)
                        found += 1
                    at += length + 1
                    continue
            table = (slots, tails, places, used)
            end, made = _piece(text, at, kinds)
            if made == BREAK:
                at += _code_point(text, at)[1]
            elif made != SPACELESS:
                numbers[found] = _number(eights, at, end, 0, table, new)
                found += 1
            else:
                found = _pairs(eights, text, at, end, kinds, table, new, numbers, found)
            at = max(at, end)
        counts[i] = found - before
    return numbers[:found], counts, chunks[: used[2]], forms[: used[3]], slots


@compiled
def _character(text, at, end, kinds):
    """Return the end of the spaceless letter at a byte, marks included, and whether it is wide."""
    wide = False
    at += _code_point(text, at)[1]
    while at < end:
        code, width = _code_point(text, at)
        kind = kinds[code]
        if kind == SPACELESS:
            break
        wide = wide or kind == TAIL
        at += width
    return at, wide


@compiled
def _pairs(eights, text, start, end, kinds, table, new, numbers, found):
    middle, wide = _character(text, start, end, kinds)
    if middle == end:
        form = 0 if wide else OWN_TERM
        numbers[found] = _number(eights, start, end, form, table, new)
        return found + 1
    split = 0
    while middle < end:
        stop, wider = _character(text, middle, end, kinds)
        form = split if split else 0 if wide or wider else OWN_TERM
        numbers[found] = _number(eights, start, stop, form, table, new)
        found += 1
        split = stop - middle if wider else 0
        start, middle, wide = middle, stop, wider
    return found


@compiled
def resolve(numbers, counts, term_of, starts, several):
    size = len(numbers)
    for number in numbers:
        if term_of[number] < -1:
            size += starts[number + 1] - starts[number]
    tokens = np.empty(size, np.int32)
    lengths = np.empty(len(counts), np.int32)
    at = 0
    found = 0
    for i in range(len(counts)):
        before = found
        for number in numbers[at : at + counts[i]]:
            term = term_of[number]
            if term >= -1:
                tokens[found] = term
                found += term >= 0
            else:
                for j in range(starts[number], starts[number + 1]):
                    tokens[found] = several[j]
                    found += 1
        at += counts[i]
        lengths[i] = found - before
    return tokens[:found], lengths
