"""Examples out of what people judged: qrels over a corpus, or a file of pairs and triples."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from vecsearch.corpus.files import ByteFile, or_gzipped, suffix
from vecsearch.errors import CorpusError, UsageError
from vecsearch.training.base import Example
from vecsearch.types import Document, Qrels, seen_text

_KEYS: Final = ("query", "document", "negatives")
_SHAPE: Final = '{"query": "...", "document": "...", "negatives": ["...", ...]}'


def judged_examples(
    documents: Iterable[Document],
    queries: Mapping[str, str],
    qrels: Qrels,
    most: int | None = None,
    seed: int = 0,
) -> list[Example]:
    """Make an example of each relevant pair: a query's text, and all that is seen of a document.

    queries: texts by id; only their judgments count, so that those of one split give its examples.
    most: how many pairs of a query are taken: those of the highest grades, and of equal ones
        whichever the seed draws. None takes all.

    Raise UsageError for judgments of documents that aren't there.
    """
    if most is not None and most < 1:
        raise UsageError(f"At least one pair of each query is taken, not {most}.")
    draw = random.Random(seed)
    chosen = {
        query: _best(grades, most, draw) for query, grades in qrels.items() if query in queries
    }
    wanted = {id for ids in chosen.values() for id in ids}
    texts = {each.id: seen_text(each.title, each.text) for each in documents if each.id in wanted}
    missing = sorted(wanted - texts.keys())
    if missing:
        raise UsageError(
            f"The corpus lacks {len(missing)} of the documents that were judged relevant, such as "
            f"{missing[0]!r}: are these the judgments of another corpus?"
        )
    return [
        Example(queries[query], texts[id])
        for query, ids in chosen.items()
        for id in ids
        if queries[query].strip() and texts[id].strip()
    ]


def _best(grades: Mapping[str, int], most: int | None, draw: random.Random) -> list[str]:
    """Return the relevant documents in their order, or the best of them."""
    relevant = [id for id, grade in grades.items() if grade > 0]
    if most is None or len(relevant) <= most:
        return relevant
    draw.shuffle(relevant)
    return sorted(relevant, key=grades.__getitem__, reverse=True)[:most]


def read_examples(path: str | Path) -> list[Example]:
    """Read pairs, or pairs with negatives.

    A .jsonl file has an object a line with "query", "document" and, if there are any, "negatives",
    a list; a .tsv file has query<TAB>document[<TAB>negative...], with or without those words as a
    header. Both may be gzipped. Blank lines are skipped.

    Raise CorpusError, with the line, for whatever else stands there, and for a file without any
    example.
    """
    name = ByteFile(path).name
    kind = suffix(path)
    if kind in or_gzipped(".jsonl", ".ndjson"):
        examples = [_from_json(line, name, number) for number, line in _lines(path)]
    elif kind in or_gzipped(".tsv"):
        rows = ((number, line.split("\t")) for number, line in _lines(path))
        examples = [
            _example(columns[0], columns[1:2], columns[2:], name, number)
            for number, columns in rows
            if not (number == 1 and _is_header(columns))
        ]
    else:
        raise CorpusError(name, None, "a file of examples is named .jsonl or .tsv, or that + .gz.")
    if not examples:
        raise CorpusError(name, None, "the file holds no example.")
    return examples


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Read the lines that aren't blank, without their ends; raise the first error."""
    for line in ByteFile(path).lines():
        if isinstance(line, CorpusError):
            raise line
        number, text = line
        if text.strip():
            yield number, text.rstrip("\r\n")


def _is_header(columns: list[str]) -> bool:
    first, *rest = (column.strip().lower() for column in columns)
    return first == "query" and rest[:1] == ["document"]


def _from_json(line: str, name: str, number: int) -> Example:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        problem = f"invalid JSON at column {error.pos + 1}: {error.msg}; a line is {_SHAPE}."
        raise CorpusError(name, number, problem) from None
    except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
        raise CorpusError(name, number, f"the JSON can't be read ({error}).") from None
    if not isinstance(record, dict):
        raise CorpusError(name, number, f"a line must be an object, {_SHAPE}.")
    unknown = [key for key in record if key not in _KEYS]
    if unknown:
        raise CorpusError(name, number, f"there is no key {unknown[0]!r} in {_SHAPE}.")
    negatives = record.get("negatives", [])
    if not isinstance(negatives, list):
        raise CorpusError(name, number, f'"negatives" must be a list of texts, not {negatives!r}.')
    documents = [record["document"]] if "document" in record else []
    return _example(record.get("query", ""), documents, negatives, name, number)


def _example(
    query: Any,  # noqa: ANN401 - whatever a file holds
    documents: list[Any],
    negatives: list[Any],
    name: str,
    number: int,
) -> Example:
    """Make sure of what a line holds; a document is missing where the list is empty."""
    texts = [query, *(documents or [""]), *negatives]
    kinds = ["query", "document", *["negative"] * len(negatives)]
    for text, kind in zip(texts, kinds, strict=True):
        if not isinstance(text, str):
            raise CorpusError(name, number, f"the {kind} must be a text, not {text!r}.")
        if not text.strip():
            raise CorpusError(name, number, f"the {kind} is missing or blank.")
        if not _is_unicode(text):
            raise CorpusError(
                name, number, f"the {kind} holds half a character, which no text may."
            )
    if texts[1] in negatives:
        raise CorpusError(name, number, "a negative is the document itself.")
    return Example(query, texts[1], tuple(negatives))


def _is_unicode(text: str) -> bool:
    """Say whether a text has no lone surrogate, which JSON can smuggle in."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
