"""Which examples a step learns from, and which of their texts may count as negatives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.training.base import Example


class Side(NamedTuple):
    """One way to ask a batch: n texts that ask, and m texts that may answer.

    asks: (n,) int64, places in the batch's texts.
    answers: (m,) int64, places in the batch's texts; no text stands there twice.
    positives: (n,) int64, the place in `answers` of what answers each.
    counted: (n, m) bool, False where an answer must not count as wrong: it is known to be right, or
        is the text that asks itself.
    """

    asks: NDArray[np.int64]
    answers: NDArray[np.int64]
    positives: NDArray[np.int64]
    counted: NDArray[np.bool_]


class Batch(NamedTuple):
    """What a step learns from. Each distinct text stands once among those of its kind.

    queries: texts that are encoded as queries.
    alike: the texts that ask in symmetric examples, encoded as documents.
    documents: texts that answer, and the hard negatives.
        Places count through the three, in this order.
    forward: every example's query, and all documents.
    backward: every symmetric example's document, and all of `alike`.
    """

    queries: tuple[str, ...]
    alike: tuple[str, ...]
    documents: tuple[str, ...]
    forward: Side
    backward: Side

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, in the order that places count in."""
        return (*self.queries, *self.alike, *self.documents)

    @property
    def symmetric(self) -> NDArray[np.bool_]:
        """Which examples are symmetric: (examples,)."""
        return self.forward.asks >= len(self.queries)


class Batches:
    """The batch of every step, which follows from the seed and the step alone.

    An epoch is a permutation of the examples, cut into batches; what is left over at its end is
    another's turn in the next.

    known: pairs that aren't learnt from, but whose documents don't count as wrong.

    Raise UsageError without examples.
    """

    def __init__(
        self, examples: Sequence[Example], size: int, seed: int, known: Sequence[Example] = ()
    ) -> None:
        if not examples:
            raise UsageError("There are no examples to learn from.")
        self._examples = examples
        self._seed = seed
        self._known = _known([*examples, *known])
        self._epoch = -1
        self._order = np.arange(len(examples))
        self.size = min(size, len(examples))

    def examples(self, step: int) -> list[Example]:
        """Return the examples of a step, counted from 0; none stands there twice."""
        epoch, place = divmod(step, len(self._examples) // self.size)
        if epoch != self._epoch:
            random = np.random.default_rng([self._seed, epoch])
            self._epoch, self._order = epoch, random.permutation(len(self._examples))
        chosen = self._order[place * self.size : (place + 1) * self.size]
        return [self._examples[n] for n in chosen.tolist()]

    def batch(self, step: int) -> Batch:
        """Return what a step learns from."""
        examples = self.examples(step)
        queries = _numbered(each.query for each in examples if not each.symmetric)
        alike = _numbered(each.query for each in examples if each.symmetric)
        documents = _numbered(
            [each.document for each in examples]
            + [text for each in examples for text in each.negatives]
        )
        first_alike, first_document = len(queries), len(queries) + len(alike)
        forward = self._side(
            [
                first_alike + alike[each.query] if each.symmetric else queries[each.query]
                for each in examples
            ],
            [(each.query, each.document) for each in examples],
            documents,
            first_document,
        )
        both = [each for each in examples if each.symmetric]
        backward = self._side(
            [first_document + documents[each.document] for each in both],
            [(each.document, each.query) for each in both],
            alike,
            first_alike,
        )
        return Batch(tuple(queries), tuple(alike), tuple(documents), forward, backward)

    def _side(
        self,
        asks: list[int],
        pairs: Sequence[tuple[str, str]],
        answers: dict[str, int],
        first: int,
    ) -> Side:
        counted = np.ones((len(pairs), len(answers)), bool)
        for row, (asking, _) in enumerate(pairs):
            right = [answers[text] for text in (asking, *self._known[asking]) if text in answers]
            counted[row, right] = False
        positives = np.array([answers[answering] for _, answering in pairs], np.int64)
        counted[np.arange(len(pairs)), positives] = True
        places = first + np.arange(len(answers))
        return Side(np.array(asks, np.int64), places, positives, counted)


def _known(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Return what is known to answer each text that asks anywhere in the examples; each once."""
    known: dict[str, dict[str, None]] = {}
    for each in examples:
        known.setdefault(each.query, {})[each.document] = None
        if each.symmetric:
            known.setdefault(each.document, {})[each.query] = None
    return {asking: list(answers) for asking, answers in known.items()}


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    """Number distinct texts from 0, in the order of their first places."""
    numbers: dict[str, int] = {}
    for text in texts:
        numbers.setdefault(text, len(numbers))
    return numbers
