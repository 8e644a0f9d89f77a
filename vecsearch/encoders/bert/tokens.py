"""Texts -> the numbers of their tokens, by the library that the models' tokenizers come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vecsearch.encoders.words import word_spans
from vecsearch.types import Span

if TYPE_CHECKING:
    from tokenizers import Encoding

_CHARACTERS: Final = 16
"""How many characters of a text are read first for each token that is wanted of it."""


class Tokens:
    """Cuts texts into at most `most` tokens; safe to be shared between threads."""

    def __init__(self, path: Path, most: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(most)
        self._most = most

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text's tokens, the model's own marks included."""
        starts = [self._start(text) for text in texts]
        found = [each.ids for each in self._tokenizer.encode_batch_fast(starts)]
        for i, numbers in enumerate(found):
            # Few tokens of many characters: what follows counts as well.
            if len(starts[i]) < len(texts[i]) and len(numbers) < self._most:
                found[i] = self._tokenizer.encode(texts[i]).ids
        return found

    def _start(self, text: str) -> str:
        """Return as much of a long text as its first tokens probably need, whole words."""
        enough = _CHARACTERS * self._most
        return text if len(text) <= enough else text[: max(text.rfind(" ", 0, enough), 0)]

    def placed(self, prompt: str, text: str) -> tuple[list[int], tuple[Span | None, ...]]:
        """Return the numbers of a text's tokens, and the word of the text that each is of."""
        whole = prompt + text
        start = self._start(whole)
        found: Encoding = self._tokenizer.encode(start)
        if len(start) < len(whole) and len(found.ids) < self._most:
            found = self._tokenizer.encode(whole)
        before = len(prompt)
        places = [(start - before, end - before) for start, end in found.offsets]
        return found.ids, word_spans(places, found.word_ids, text)


def read_tokens(path: Path, most: int) -> Tokens | None:
    """Load a tokenizer; None where the library can't, which says so by a bare Exception."""
    try:
        return Tokens(path, most)
    except Exception:
        return None
