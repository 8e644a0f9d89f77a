"""Names beside points, placed so that they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

_HEIGHT: Final = 12.0
_CUT: Final = 1000.0
"""What a square pixel outside the frame costs: more than any place within it."""
_HIDDEN: Final = 50.0
"""What a square pixel costs that a name or a mark loses: more than a place further away."""
_GAP: Final = 9.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that both have."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)

    @property
    def area(self) -> float:
        """The rectangle's own."""
        return (self.right - self.left) * (self.bottom - self.top)


def place(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    frame: Box,
    taken: Sequence[Box],
    crossed: Sequence[Box],
) -> list[Box]:
    """Return a box for the name of each point, in the order of the points.

    Each name takes the nearest place around its point that is free and within the frame, or else
    the one that hides least. The names with the fewest places come first: those in a crowd.

    taken: what must not be covered, marks.
    crossed: what had better not be: thin lines, which are still seen behind a name.
    """

    def crowd(n: int) -> float:
        x, y = points[n]
        return sum(abs(x - other_x) + 2 * abs(y - other_y) for other_x, other_y in points)

    boxes: dict[int, Box] = {}
    for n in sorted(range(len(points)), key=crowd):
        places = _around(points[n], widths[n])
        costs = [_cost(place, frame, [*boxes.values(), *taken], crossed) for place in places]
        boxes[n] = places[costs.index(min(costs))].box
    return [boxes[n] for n in range(len(points))]


def spread(wanted: Sequence[float], low: float, high: float, apart: float) -> list[float]:
    """Return places along a line as near the wanted ones as can be, each `apart` from the next.

    They stay between low and high where there is room for all of them. Names that would crowd
    each other form a block around the mean of what they want (pooling of adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    blocks: list[tuple[float, int]] = []  # where the first of so many would lie, all else 0 apart
    for rank, n in enumerate(order):
        start, count = wanted[n] - rank * apart, 1
        while blocks and blocks[-1][0] > start:
            before, others = blocks.pop()
            start = (before * others + start * count) / (others + count)
            count += others
        blocks.append((start, count))
    starts = [start for start, count in blocks for _ in range(count)]
    most = max(low, high - (len(wanted) - 1) * apart)
    places = {
        n: min(max(start, low), most) + rank * apart
        for rank, (n, start) in enumerate(zip(order, starts, strict=True))
    }
    return [places[n] for n in range(len(wanted))]


class _Place(NamedTuple):
    """Where a name may stand, and how little that is liked."""

    dislike: float
    box: Box


def _around(point: tuple[float, float], width: float) -> list[_Place]:
    """Return places for a name, on either side of its point, above it and below."""
    x, y = point
    found = []
    for ring in range(7):
        for side, dislike in ((1, 0.0), (-1, 0.3), (0, 0.6)):
            for step in range(-ring - 1, ring + 2):
                left = x + _GAP + 4 * ring if side > 0 else x - _GAP - 4 * ring - width
                if side == 0:
                    left = x - width / 2
                    if step == 0:
                        continue
                down = step * _HEIGHT * 0.8 if side else step * (_HEIGHT + 2)
                middle = y + down
                box = Box(left, middle - _HEIGHT / 2, left + width, middle + _HEIGHT / 2)
                found.append(_Place(4 * (ring + dislike + abs(step) * 0.5), box))
    return found


def _cost(place: _Place, frame: Box, taken: Sequence[Box], crossed: Sequence[Box]) -> float:
    box = place.box
    outside = box.area - box.overlap(frame)
    hidden = sum(box.overlap(each) for each in taken)
    return (
        place.dislike
        + _CUT * outside
        + _HIDDEN * hidden
        + sum(box.overlap(each) for each in crossed) / 4
    )
