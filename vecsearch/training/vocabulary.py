"""Learn a vocabulary of subwords from texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from vecsearch.encoders.subwords import GOES_ON, Subwords
from vecsearch.errors import EncoderError, UsageError
from vecsearch.text import Analyzer

_RARE: Final = 2
"""Times that a pair of pieces must stand side by side to become one piece."""

_LINE: Final = 1000
"""Words that are handed to the trainer at a time."""


def train_subwords(texts: Iterable[str], size: int, analyzer: Analyzer) -> Subwords:
    """Learn at most `size` pieces of the words of texts, as WordPiece has them.

    Starting from single characters, the pair of pieces that is most frequent becomes a piece, over
    and over (so does the `tokenizers` library's trainer for WordPiece). Single characters take up
    at most two thirds of the vocabulary; the rarest are left out, and with them their words. The
    same texts give the same vocabulary. Raise UsageError where there are no words or no room for a
    character, EncoderError where `tokenizers` isn't installed.
    """
    if size < 3:
        raise UsageError(f"A vocabulary has at least 3 pieces, not {size}.")
    counts = Counter(chain.from_iterable(map(analyzer.terms, texts)))
    if not counts:
        raise UsageError("There is no word in the texts that a vocabulary is to be learnt from.")
    characters = _frequent_characters(counts, size // 3)
    words = {word: n for word, n in sorted(counts.items()) if characters.issuperset(word)}
    return Subwords(analyzer, _train(words, characters, size))


def _frequent_characters(counts: Mapping[str, int], most: int) -> set[str]:
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    ordered = sorted(characters, key=lambda each: (-characters[each], each))
    return set(ordered[:most])


def _train(words: Mapping[str, int], characters: set[str], size: int) -> list[str]:
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    except ImportError:
        raise EncoderError(
            "A vocabulary is learnt by the tokenizers library. Install it with "
            "pip install tokenizers."
        ) from None
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # The trainer numbers pieces in the order in which a hash map gives the words, and settles ties
    # by these numbers. Those it is given beforehand come first, in their order.
    further = sorted({GOES_ON + character for word in words for character in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=_RARE,
        special_tokens=[*sorted(characters), *further],
        continuing_subword_prefix=GOES_ON,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(words), trainer)
    ids = tokenizer.get_vocab(with_added_tokens=False)
    return sorted(ids, key=ids.__getitem__)


def _lines(words: Mapping[str, int]) -> Iterator[str]:
    """Yield each word as often as it occurs."""
    for word, count in words.items():
        for start in range(0, count, _LINE):
            yield f"{word} " * min(_LINE, count - start)
