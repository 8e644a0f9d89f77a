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

WORD: Final = 0
OWN_TERM: Final = -1
MIXED: Final = -2

_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_SEVEN: Final = np.uint64(7)
_REST: Final = np.uint64((1 << 56) - 1)
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
    word = np.uint64(at) >> np.uint64(3)
    return (eights[word] >> shift) | ((eights[word + _ONE] << _ONE) << (_LAST - shift))


@compiled
def _within(eights, at, end):
    """Return the eight bytes from `at` on, those from `end` on as 0."""
    count = end - at
    if count <= 0:
        return _ZERO
    return _eight(eights, at) & (_ALL >> np.uint64((8 - min(count, 8)) << 3))


@compiled
def _hash(first, second):
    hashed = first * _MIX ^ second * _MIX_MORE
    return (hashed ^ (hashed >> _HALF)) * _MIX


@compiled
def _before_zero(eight):
    """Return ones for the bytes before the first that is 0, and zeros from there on."""
    zeros = (eight - _ONES) & ~eight & _HIGHS  # the lowest of its bits is that of the first 0
    return (zeros - _ONE) & ~zeros  # and seven bits of the 0, which do no harm


@compiled
def _length(before):
    return ((before >> _SEVEN & _ONES) * _ONES) >> _TOP


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
def read(data, ends, kinds, lower, slots, tails, records, used):
    size = len(data)
    eights = _lowered(data, lower)
    text = eights.view(np.uint8)
    numbers = np.empty(size + 1, np.int32)
    counts = np.empty(len(ends), np.int32)
    chunks = np.empty(3 * size + 8, np.uint8)
    forms = np.empty(size + 1, np.int32)
    state = np.zeros(8, np.int64)
    while _read_on(eights, text, ends, kinds, slots, tails, records, used, chunks, forms, numbers, counts, state):
        slots = _grown(slots)
    return numbers[: state[6]], counts, chunks[: state[3]], forms[: state[4]], slots


@compiled
def _read_on(eights, text, ends, kinds, slots, tails, records, used, chunks, forms, numbers, counts, state):
    last = np.uint64(len(slots) - 1)
    room = len(slots) // 2
    at, run, split = state[0], state[1], state[2]
    count = used[0]
    found = state[6]
    begun = state[7]
    for i in range(state[5], len(ends)):
        while at < ends[i]:
            if count >= room:
                state[0], state[1], state[2], state[5], state[6], state[7] = at, run, split, i, found, begun
                return True
            start = at
            form = WORD
            first = _eight(eights, at)
            second = _eight(eights, at + 8)
            before = _before_zero(first)
            before_second = _before_zero(second)
            first &= before
            second = second & before_second if before == _ALL else _ZERO
            length = np.int64(_length(before) + (_length(before_second) if before == _ALL else _ZERO))
            if length < 16 and not (first | second) & _HIGHS:
                end = at + length
                at = end + 1
            else:
                if at < run:
                    at, wide = _character(text, at, run, kinds)
                    end, wider = _character(text, at, run, kinds)
                    form = OWN_TERM if not wide and not wider else split if split else MIXED
                    split = end - at if wider else 0
                    if end == run:
                        at = run
                else:
                    end, made = _piece(text, start, kinds)
                    at = end
                    if made == BREAK:
                        at += _code_point(text, start)[1]
                        continue
                    if made != LETTER:
                        form = MIXED
                    if made == SPACELESS:
                        middle, wide = _character(text, start, end, kinds)
                        if middle < end:
                            at, run, split = start, end, 0
                            continue
                        if not wide:
                            form = OWN_TERM
                length = end - start
                first = _within(eights, start, end)
                second = _within(eights, start + 8, end)
            hashed = _hash(first, second)
            big = length > 15 or form > 0
            if big:
                for i8 in range(start + 16, end, 8):
                    hashed = _hash(hashed, _within(eights, i8, end))
            tag = hashed >> _HALF
            slot = tag & last
            while True:
                entry = slots[slot]
                if entry == _ZERO:
                    slots[slot] = tag << _HALF | np.uint64(count + 1)
                    number = count
                    count += 1
                    records[2 * number] = first
                    records[2 * number + 1] = second
                    _add(eights, text, start, end, form, tails, records, used, chunks, forms, state)
                    break
                if (entry >> _HALF) == tag:
                    number = np.int64(entry & _LOW) - 1
                    if records[2 * number] == first:
                        if not big:
                            if records[2 * number + 1] == second:
                                break
                        elif _same(eights, start, end, form, tails, records[2 * number + 1]):
                            break
                slot = (slot + _ONE) & last
            numbers[found] = number
            found += 1
        counts[i] = found - begun
        begun = found
    state[6] = found
    return False


@compiled
def _same(eights, start, end, form, tails, rest):
    if rest >> _TOP != np.uint64(255):
        return False
    tail = np.int64(rest & _REST)
    if tails[tail] != np.uint64(2 * (end - start) + (form > 0)):
        return False
    for i in range(start + 8, end, 8):
        tail += 1
        if tails[tail] != _within(eights, i, end):
            return False
    return True


@compiled
def _add(eights, text, start, end, form, tails, records, used, chunks, forms, state):
    number = used[0]
    used[0] += 1
    if end - start > 15 or form > 0:
        records[2 * number + 1] = ~_REST | np.uint64(used[1])
        tails[used[1]] = np.uint64(2 * (end - start) + (form > 0))
        used[1] += 1
        for i in range(start + 8, end, 8):
            tails[used[1]] = _within(eights, i, end)
            used[1] += 1
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
def resolve(numbers, counts, term_of, several):
    size = len(numbers)
    for number in numbers:
        term = term_of[number]
        if term < -1:
            size += several[-term] - 1
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
                for j in range(several[-term]):
                    tokens[found] = several[j + 1 - term]
                    found += 1
        at += counts[i]
        lengths[i] = found - before
    return tokens[:found], lengths
