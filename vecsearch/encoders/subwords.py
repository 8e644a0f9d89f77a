"""Text -> subwords: the pieces that the encoders trained here have vectors of.

Words are an analyzer's terms, cut as WordPiece cuts them: the longest piece that the word begins
with, then the longest that goes on from there. In the list of pieces, one that goes on within a
word is marked by "##" in front. Where WordPiece would give up a whole word for one strange
character, that character alone is skipped. There are no special tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import require_list, require_text
from vecsearch.errors import EncoderError, UsageError
from vecsearch.text import Analyzer

GOES_ON: Final = "##"
"""What marks, in the list of pieces, one that stands within a word and not at its start."""

_MEMO: Final = 1 << 17
"""Words whose cut is remembered; a term has at most 64 characters."""


class Tokens(NamedTuple):
    """The tokens of several texts, one text after the other.

    ids: (tokens,) int32.
    offsets: (texts + 1,) int64; text i has ids[offsets[i] : offsets[i + 1]].
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]


class Subwords:
    """A vocabulary of pieces, numbered from 0, and how texts are cut into them.

    Raise UsageError unless the pieces are distinct texts of a character or more.
    """

    def __init__(self, analyzer: Analyzer, pieces: Sequence[str]) -> None:
        self.analyzer = analyzer
        self.pieces = tuple(pieces)
        for piece in self.pieces:
            if piece.__class__ is not str or not piece or piece == GOES_ON:
                raise UsageError(f"A piece is a text of a character or more, not {piece!r}.")
        self._ids = {piece: id for id, piece in enumerate(self.pieces)}
        if len(self._ids) < len(self.pieces):
            piece = next(each for i, each in enumerate(self.pieces) if self._ids[each] != i)
            raise UsageError(f"The piece {piece!r} is listed twice.")
        self._longest = max(map(len, self.pieces), default=0)
        self._cut_of = functools.lru_cache(_MEMO)(self._cut)

    def __reduce__(self) -> tuple[type[Subwords], tuple[Analyzer, tuple[str, ...]]]:
        return Subwords, (self.analyzer, self.pieces)

    @property
    def size(self) -> int:
        """How many pieces there are: ids are 0 to size - 1."""
        return len(self.pieces)

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Cut texts; raise UsageError for what isn't text."""
        ids: list[int] = []
        offsets = [0]
        for place, text in enumerate(require_list(texts)):
            terms = self.analyzer.terms(require_text(text, place))
            ids += chain.from_iterable(map(self._cut_of, terms))
            offsets.append(len(ids))
        return Tokens(np.array(ids, np.int32), np.array(offsets, np.int64))

    def ids(self, term: str) -> tuple[int, ...]:
        """Return the ids of the pieces of one term."""
        return self._cut_of(term)

    def _cut(self, term: str) -> tuple[int, ...]:
        """Return the ids of the pieces of a term."""
        ids = []
        start = 0
        while start < len(term):
            mark = GOES_ON if start else ""
            # At the start of a word, "##a" isn't the piece for "a" within one.
            longest = 1 if not start and term.startswith(GOES_ON) else self._longest
            for end in range(min(len(term), start + longest), start, -1):
                id = self._ids.get(mark + term[start:end])
                if id is not None:
                    ids.append(id)
                    start = end
                    break
            else:
                start += 1
        return tuple(ids)

    def to_dict(self) -> dict[str, object]:
        """Return all that decides about tokens, in JSON types."""
        return {"analyzer": self.analyzer.to_dict(), "pieces": list(self.pieces)}

    @staticmethod
    def from_dict(stored: Mapping[str, object]) -> Subwords:
        """Return what `to_dict` described.

        Raise EncoderError where it can't be read, UsageError as `Subwords` does, and what
        `Analyzer.from_dict` raises.
        """
        match stored:
            case {"analyzer": dict(rules), "pieces": list(pieces)}:
                return Subwords(Analyzer.from_dict(rules), pieces)
            case _:
                raise EncoderError("Subwords need an analyzer and a list of pieces.")
