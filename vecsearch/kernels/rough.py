"""Finds the rows that may be among a query's best, by sums that are only roughly right.

A sum is a small integer, so that those of a block of rows lie in the cache: every entry adds what
it weighs in units of a 65,536th of what the query's terms weigh at most, rounded up. So a row's
score is at most its sum, and less by no more units than the query has terms. What is as great as
the least of the best so far may be among the best. A block has few such rows, which comparing many
sums at once finds faster than going through the entries again.

No entry may take anything away: terms' weights in the query, idf and tf are at least 0, and a term
that is there weighs at least what one that is lacking does. `Terms` sees to that.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, part
from vecsearch.kernels.best import Best, drop, grown, nth_greatest
from vecsearch.kernels.bits import WIDE, Eight, as_great, eight_at, trailing_zeros
from vecsearch.kernels.postings import Here, Query, Segment, begin, next_block, segment_of

Numbers: TypeAlias = NDArray[Any]

MOST_TERMS: Final = 1 << 14
"""More terms a query must not have: rounding up would take too many units."""

_GREATEST: Final = (1 << 16) - 1
"""No sum is greater."""
_ROUNDING: Final = 1e-6
"""More than a score can change by rounding to float32."""
_SPARSE: Final = 24
"""A block of fewer entries than one for so many rows is gone through by its entries."""
_STRETCH: Final = 512
"""Sums of which the greatest is looked for first, to find those stretches that count."""
_LANES: Final = 1024
"""Of so many disjoint sets of rows the greatest sums are looked for, for a floor to begin with."""
_ONE: Final = np.uint64(1)
_SECOND, _THIRD, _FOURTH = np.uint64(16), np.uint64(32), np.uint64(48)
"""The bits at which the rows begin that follow the first of four."""


class Units(NamedTuple):
    """How the sums of a query are measured.

    unit: of the sums, as a score. slack: a row's score is less than so many units below its sum.
    tables: (n,) uint16, what cells add, one after another for those terms that have many entries.
    starts: (terms,) int64, where a term's begin; -1 where it has none.
    """

    unit: float
    slack: int
    tables: Numbers
    starts: Numbers


@compiled
def units_of(asked: Query, peak: float, tables: Numbers, starts: Numbers) -> Units:
    """Choose the unit so that no sum can be too great."""
    terms = len(asked.idf)
    most = 0.0
    for term in range(terms):
        most += asked.weight[term] * (asked.idf[term] * peak - asked.lacking[term])
    unit = most / (_GREATEST - 2 * terms)
    return Units(unit if unit > 0 else 1.0, terms + 1, tables, starts)


@compiled
def find_best(
    segments: Numbers,
    like: Numbers,
    asked: Query,
    units: Units,
    here: Here,
    allowed: Numbers,
    enough: int,
    sums: Numbers,
    best: Best,
) -> tuple[Best, int]:
    """Take the rows of all segments that may be among so many best; return them, and their number.

    allowed: (rows,) bool, the mask, or empty.
    sums: (rows of a block,) uint16, all of them 0, as they are left behind.
    """
    taken, floor = np.int64(0), -np.inf
    for segment in range(len(segments)):
        its = segment_of(segments[segment], like)
        begin(asked, segment, here)
        _tabulate(its, asked, here, units)
        while True:
            block, there = next_block(its, len(asked.idf), here)
            if there == 0:
                break
            entries = _entries(its, here, there)
            room = taken + min(entries, len(sums))
            if room > len(best.rows):
                best = grown(best, taken, 2 * room)
            _add(its, asked, units, here, there, sums)
            first_row = block * len(sums)
            length = min(len(sums), its.length - first_row)
            start = its.first_row + first_row
            passing = allowed[start : start + length]
            if len(its.norms) or entries * _SPARSE < length:
                taken = _take_entries(
                    its, asked, units, here, there, first_row, passing, floor, sums, best, taken
                )
            else:
                if floor == -np.inf:
                    floor = _first_floor(asked, units, sums[:length], passing, enough)
                taken = _take_sums(asked, units, start, passing, floor, sums[:length], best, taken)
            if taken > enough:
                floor = max(floor, _enough_score(best.least[:taken], enough) * (1 - _ROUNDING))
                taken = drop(best, taken, floor)
    return best, taken


@part
def _tabulate(its: Segment, asked: Query, here: Here, units: Units) -> None:
    """Work out what cells add, for the terms that have many entries in a segment."""
    at, cells = 0, len(its.tf)
    for term in range(len(asked.idf)):
        entries = its.starts[here.last_chunks[term]] - its.starts[here.next_chunks[term]]
        if entries < cells or at + cells > len(units.tables):
            units.starts[term] = -1
            continue
        idf, weight, lacking = asked.idf[term], asked.weight[term], asked.lacking[term]
        table = units.tables[at : at + cells]
        each = 1 / units.unit
        for cell in range(cells):
            table[cell] = np.int32(weight * (idf * its.tf[cell] - lacking) * each) + 1
        units.starts[term] = at
        at += cells


@part
def _entries(its: Segment, here: Here, there: int) -> int:
    """Count the entries of a block."""
    entries = 0
    for i in range(there):
        entries += its.starts[here.chunks[i] + 1] - its.starts[here.chunks[i]]
    return entries


@part
def _add(its: Segment, asked: Query, units: Units, here: Here, there: int, sums: Numbers) -> None:
    """Add up roughly what the terms weigh in the rows of a block."""
    for i in range(there):
        term, chunk = here.terms[i], here.chunks[i]
        start, end = its.starts[chunk], its.starts[chunk + 1]
        rows, cells = its.rows[start:end], its.cells[start:end]
        if units.starts[term] >= 0:
            table = units.tables[units.starts[term] :]
            _add_looked_up(rows, cells, table, sums)
        else:
            idf, weight, lacking = asked.idf[term], asked.weight[term], asked.lacking[term]
            each = 1 / units.unit
            for j in range(len(rows)):
                added = weight * (idf * its.tf[cells[j]] - lacking) * each
                sums[rows[j]] += np.uint16(np.int32(added) + 1)


@part
def _add_looked_up(rows: Numbers, cells: Numbers, table: Numbers, sums: Numbers) -> None:
    """Add what a table has for cells to the sums of rows, (n,) each.

    Loading numbers is what takes time, four for an entry: so four rows are loaded as one.
    """
    even = len(rows) - len(rows) % 4
    for at in range(0, even, 4):
        four = eight_at(rows, at)
        sums[np.uint16(four)] += table[cells[at]]
        sums[np.uint16(four >> _SECOND)] += table[cells[at + 1]]
        sums[np.uint16(four >> _THIRD)] += table[cells[at + 2]]
        sums[np.uint16(four >> _FOURTH)] += table[cells[at + 3]]
    for at in range(even, len(rows)):
        sums[rows[at]] += table[cells[at]]


@part
def _take_entries(
    its: Segment,
    asked: Query,
    units: Units,
    here: Here,
    there: int,
    first_row: int,
    allowed: Numbers,
    floor: float,
    sums: Numbers,
    best: Best,
    taken: int,
) -> int:
    """Take the rows of a block that may be among the best, going through its entries.

    allowed: the mask of the block, or empty. Clear the sums. Return how many rows are taken now.
    """
    least = 1 if len(its.norms) else _least(asked, units, floor)
    norm = asked.norm
    for i in range(there):
        for row in its.rows[its.starts[here.chunks[i]] : its.starts[here.chunks[i] + 1]]:
            total = sums[row]
            sums[row] = 0
            if total < least:  # as where another term had the row before
                continue
            if len(allowed) and not allowed[row]:
                continue
            if len(its.norms):
                norm = asked.norm * its.norms[first_row + row]
            taken = _take(
                asked, units, its.first_row + first_row + row, total, norm, floor, best, taken
            )
    return taken


@part
def _take_sums(
    asked: Query,
    units: Units,
    first_row: int,
    allowed: Numbers,
    floor: float,
    sums: Numbers,
    best: Best,
    taken: int,
) -> int:
    """Do as `_take_entries` does, going through all sums, where no row has a norm of its own."""
    least = np.uint16(_least(asked, units, floor))
    for start in range(0, len(sums), _STRETCH):
        end = min(start + _STRETCH, len(sums))
        if _greatest(sums[start:end], allowed[start:end]) >= least:
            for step in range(start, end, WIDE):
                those = _as_great(sums, step, least)
                if len(allowed):
                    those &= _as_great(allowed.view(np.uint8), step, np.uint8(1))
                while those:
                    row = step + trailing_zeros(those)
                    those &= those - _ONE
                    taken = _take(
                        asked, units, first_row + row, sums[row], asked.norm, floor, best, taken
                    )
        sums[start:end] = 0  # now, while they lie in the nearest cache
    return taken


@part
def _as_great(numbers: Numbers, at: int, least: int) -> Eight:
    """Do as `as_great` does; at the end of the array there may be fewer than WIDE."""
    if at + WIDE <= len(numbers):
        return as_great(numbers, at, least)
    bits = np.uint64(0)
    for i in range(at, len(numbers)):
        bits |= np.uint64(numbers[i] >= least) << np.uint64(i - at)
    return bits


@part
def _take(
    asked: Query,
    units: Units,
    row: int,
    total: int,
    norm: float,
    floor: float,
    best: Best,
    taken: int,
) -> int:
    """Take a row of a rough sum, if it may be among the best; norm: the query's and the row's."""
    most = (np.int64(total) * units.unit + asked.absent) / norm
    if most < floor:
        return taken
    best.rows[taken] = row
    best.least[taken] = _at_least(asked, units, total, norm)
    best.most[taken] = most
    return taken + 1


@compiled
def _enough_score(scores: Numbers, enough: int) -> float:
    """Return what so many of some scores, none of which is below 0, are at least."""
    bits = np.empty(1, np.int32)
    bits[0] = nth_greatest(scores.view(np.int32), enough)  # which rise as the scores do
    score: float = bits.view(np.float32)[0]
    return score


@compiled
def _first_floor(asked: Query, units: Units, sums: Numbers, allowed: Numbers, enough: int) -> float:
    """Return what enough rows of a block score at least; -inf where that isn't known.

    The rows are dealt out to lanes: the greatest sums of so many lanes are those of as many rows.
    """
    if enough > _LANES:
        return -np.inf
    greatest = np.zeros(_LANES, np.uint16)
    for start in range(0, len(sums) - _LANES + 1, _LANES):
        these, those = sums[start : start + _LANES], allowed[start : start + _LANES]
        if len(allowed):
            for lane in range(_LANES):
                greatest[lane] = max(greatest[lane], these[lane] if those[lane] else np.uint16(0))
        else:
            for lane in range(_LANES):
                greatest[lane] = max(greatest[lane], these[lane])
    total = nth_greatest(greatest, enough)
    if total == 0:
        return -np.inf
    return _at_least(asked, units, total, asked.norm) * (1 - _ROUNDING)


@part
def _greatest(sums: Numbers, allowed: Numbers) -> int:
    """Return the greatest sum of a row that is allowed; so written, many are compared at once."""
    greatest = np.uint16(0)
    if len(allowed):
        for i in range(len(sums)):
            greatest = max(greatest, sums[i] if allowed[i] else np.uint16(0))
    else:
        for i in range(len(sums)):
            greatest = max(greatest, sums[i])
    found: int = greatest
    return found


@part
def _least(asked: Query, units: Units, floor: float) -> int:
    """Return the sum of a row that may score as much as the floor, where it has no norm."""
    if floor == -np.inf:
        return 1
    least = (floor * asked.norm - asked.absent) / units.unit
    return max(1, min(int(least), _GREATEST))


@part
def _at_least(asked: Query, units: Units, total: float, norm: float) -> float:
    """Return what a row of a rough sum scores at least."""
    score: float = (max(np.int64(total) - units.slack, 0) * units.unit + asked.absent) / norm
    return score
