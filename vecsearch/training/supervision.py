"""Examples out of a corpus alone: what its own texts say about which texts belong together.

Nothing here sees a query or a judgment. Yet a title may be worded as a held-out query is: let
`held_out.drop_held_out` pass over what comes out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, TypeAlias, get_args

from vecsearch.errors import UnknownName, UsageError
from vecsearch.passages import sentences, split
from vecsearch.training.base import Example
from vecsearch.types import Document, seen_text

Kind: TypeAlias = Literal["title_body", "neighbours", "inverse_cloze", "two_views"]

_PASSAGE: Final = 100
"""Words of a passage that has neighbours; passages of Wikipedia are mostly cut at 100."""

_SENTENCE: Final = 64
"""Words of the longest sentence that is taken out of its document."""

_SHORTEST: Final = 20
"""Characters of the shortest one: "See below." asks for nothing."""


def title_body(documents: Iterable[Document]) -> Iterator[Example]:
    """Yield an example a document that has both: its title asks for its text.

    The text stands without the title, which it would be too easily known by.
    """
    for document in documents:
        if document.title.strip() and document.text.strip():
            yield Example(document.title, document.text)


def neighbours(documents: Iterable[Document], words: int = _PASSAGE) -> Iterator[Example]:
    """Yield each two passages of at most `words` words that follow each other, without titles.

    Consecutive documents of one title are taken for one text that was cut into passages before.
    The examples are symmetric.
    """
    title, last = "", ""
    for document in documents:
        spans = split(document.text, words, overlap=0)
        passages = [document.text[start:end] for start, end in spans if start < end]
        if last and passages and document.title.strip() and document.title == title:
            yield Example(last, passages[0], symmetric=True)
        for first, second in pairwise(passages):
            yield Example(first, second, symmetric=True)
        title, last = document.title, passages[-1] if passages else ""


def inverse_cloze(documents: Iterable[Document], seed: int = 0) -> Iterator[Example]:
    """Yield an example a document: one of its sentences asks for the document without it.

    As Lee, Chang and Toutanova (ACL 2019) train a retriever, but the sentence is always removed,
    wherever it stands; one that is still there, in the title or across two others, isn't taken.
    """
    draw = random.Random(seed)
    for document in documents:
        texts = [document.text[start:end] for start, end in sentences(document.text, _SENTENCE)]
        candidates = [text for text in dict.fromkeys(texts) if len(text) >= _SHORTEST]
        draw.shuffle(candidates)
        for sentence in candidates:
            rest = " ".join(text for text in texts if text != sentence)
            seen = seen_text(document.title, rest)
            if rest and sentence not in seen:
                yield Example(sentence, seen)
                break


def two_views(documents: Iterable[Document]) -> Iterator[Example]:
    """Yield each text that isn't blank as its own pair; a model's dropout makes two views of it.

    As Gao, Yao and Chen do without supervision (SimCSE, EMNLP 2021). The examples are symmetric.
    """
    for document in documents:
        text = seen_text(document.title, document.text)
        if text.strip():
            yield Example(text, text, symmetric=True)


def supervise(
    documents: Iterable[Document], kinds: Sequence[Kind] = get_args(Kind), seed: int = 0
) -> list[Example]:
    """Make the examples of several kinds, shuffled together.

    The same documents, kinds and seed give the same list. Raise UnknownName for another kind, and
    UsageError where there is no kind, or no example can be made.
    """
    makers: dict[str, Callable[[list[Document]], Iterator[Example]]] = {
        "title_body": title_body,
        "neighbours": neighbours,
        "inverse_cloze": lambda each: inverse_cloze(each, seed),
        "two_views": two_views,
    }
    for kind in kinds:
        if kind not in makers:
            raise UnknownName("kind of supervision", kind, makers)
    if not kinds:
        raise UsageError(f"Supervision is of at least one kind: {', '.join(makers)}.")
    read = list(documents)
    examples = [example for kind in dict.fromkeys(kinds) for example in makers[kind](read)]
    if not examples:
        raise UsageError(
            f"{len(read)} documents give no example by {', '.join(kinds)}: title_body needs "
            "titles, neighbours and inverse_cloze need texts of several sentences."
        )
    random.Random(seed).shuffle(examples)
    return examples
