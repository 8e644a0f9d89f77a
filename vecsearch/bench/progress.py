"""Saying how far a long piece of work is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias, TypeVar

_T = TypeVar("_T")

Tell: TypeAlias = Callable[[str, int], None]
"""Is told what is being done, "scifact: minilm: indexing", and how much of it is, a count."""

_EVERY: Final = 128


def silent(what: str, count: int) -> None:
    """Say nothing."""


def counted(items: Iterable[_T], what: str, tell: Tell) -> Iterator[_T]:
    """Yield items, telling from time to time how many have passed."""
    tell(what, 0)
    for count, item in enumerate(items, start=1):
        yield item
        if count % _EVERY == 0:
            tell(what, count)
