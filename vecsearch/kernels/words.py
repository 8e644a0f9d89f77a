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
def _within(eights, at, end):
    """Return the eight bytes from `at` on, those from `end` on as 0."""
    beyond = np.uint64(max(at + 8 - end, 0) << 3)
    return _eight(eights, at) & (_ALL >> beyond)


@compiled
def _first_slot(hashed, last):
    return np.int64((hashed * _MIX_MORE) >> _HALF) & last


@compiled
def _grown(slots, tails, places):
    """Return the hash table with twice the slots."""
    larger = np.zeros(2 * len(slots), np.uint64)
    last = len(larger) // 2 - 1
    for old in range(0, len(slots), 2):
        key = slots[old + 1]
        if key:
            hashed = _hash(_ZERO, slots[old])
            tail = places[np.int64(key & _LOW) - 1]
            length = np.int64(key >> _HALF >> _ONE)
            for i in range(tail, tail + ((length - 1) >> 3)):
                hashed = _hash(hashed, tails[i])
            slot = _first_slot(hashed, last)
            while larger[2 * slot + 1]:
                slot = (slot + 1) & last
            larger[2 * slot] = slots[old]
            larger[2 * slot + 1] = key
    return larger


@compiled
def _ascii_end(eights, at):
    """Return the end of the word at a byte; -1 where it isn't all ASCII."""
    while True:
        eight = _eight(eights, at)
        zeros = (eight - _ONES) & ~eight & _HIGHS  # the lowest of its bits is at the first 0
        if zeros:
            before = (zeros ^ (zeros - _ONE)) >> _BYTE
            if eight & before & _HIGHS:
                return -1
            return at + np.int64(((before & _ONES) * _ONES) >> _TOP)
        if eight & _HIGHS:
            return -1
        at += 8


@compiled
def read(data, ends, kinds, lower, slots, tails, places, used):
    size = len(data)
    eights = _lowered(data, lower)
    text = eights.view(np.uint8)
    numbers = np.empty(size + 1, np.int32)
    counts = np.empty(len(ends), np.int32)
    chunks = np.empty(3 * size + 8, np.uint8)
    forms = np.empty(size + 1, np.int32)
    found = 0
    state = np.zeros(6, np.int64)
    for i in range(len(ends)):
        before = found
        while state[0] < ends[i]:
            if 4 * used[0] >= len(slots):
                slots = _grown(slots, tails, places)
            found = _read_on(eights, text, ends[i], kinds, slots, tails, places, used, chunks, forms, numbers, found, state)
        counts[i] = found - before
    return numbers[:found], counts, chunks[: state[3]], forms[: state[4]], slots


@compiled
def _read_on(eights, text, stop, kinds, slots, tails, places, used, chunks, forms, numbers, found, state):
    last = len(slots) // 2 - 1
    room = len(slots) // 4
    at, run, split = state[0], state[1], state[2]
    count = used[0]
    while at < stop and count < room:
        form = 0
        if at < run:
            start = at
            at, wide = _character(text, at, run, kinds)
            end, wider = _character(text, at, run, kinds)
            if not wide and not wider:
                form = OWN_TERM
            elif split:
                form = split
            split = at - start if wider else 0
            if end == run:
                at = run
        else:
            start = at
            end = _ascii_end(eights, at)
            at = end + 1
            if end == start:
                continue
            if end < 0:
                end, made = _piece(text, start, kinds)
                at = end
                if made == BREAK:
                    at += _code_point(text, start)[1]
                    continue
                if made == SPACELESS:
                    middle, wide = _character(text, start, end, kinds)
                    if middle < end:
                        at, run, split = start, end, 0
                        continue
                    if not wide:
                        form = OWN_TERM

        first = _within(eights, start, end)
        hashed = _hash(_ZERO, first)
        for i in range(start + 8, end, 8):
            hashed = _hash(hashed, _within(eights, i, end))
        kind = np.uint64(2 * (end - start) + (form > 0))
        slot = _first_slot(hashed, last)
        while True:
            key = slots[2 * slot + 1]
            if key == _ZERO:
                slots[2 * slot] = first
                slots[2 * slot + 1] = kind << _HALF | np.uint64(count + 1)
                number = count
                _add(eights, text, start, end, form, tails, places, used, chunks, forms, state)
                count += 1
                break
            if slots[2 * slot] == first and (key >> _HALF) == kind:
                number = np.int64(key & _LOW) - 1
                if end - start <= 8:
                    break
                tail = places[number]
                i = start + 8
                while i < end and tails[tail] == _within(eights, i, end):
                    i += 8
                    tail += 1
                if i >= end:
                    break
            slot = (slot + 1) & last
        numbers[found] = number
        found += 1
    state[0], state[1], state[2] = at, run, split
    return found


@compiled
def _add(eights, text, start, end, form, tails, places, used, chunks, forms, state):
    number, tail = used[0], used[1]
    places[number] = tail
    for i in range(start + 8, end, 8):
        tails[tail] = _within(eights, i, end)
        tail += 1
    used[0] = number + 1
    used[1] = tail
    at = state[3]
    for i in range(start, end):
        chunks[at] = text[i]
        at += 1
    chunks[at] = 10
    state[3] = at + 1
    forms[state[4]] = form
    state[4] += 1


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
