"""A judged corpus made of one that nobody has judged: queries drawn out of its own documents.

The source is read once, and written down as it is read; what is kept in memory is the sample, and
for keywords the vocabulary. Only the documents that are asked for are altered: the others keep
their titles, so that their vectors can be used again. An altered document is at a disadvantage
against them, which is the same for every system.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from vecsearch.bench.known_items.asking import (
    FEWEST_LEFT,
    FEWEST_TERMS,
    KINDS,
    Ask,
    Kind,
    asker,
    terms,
)
from vecsearch.bench.known_items.removal import without
from vecsearch.bench.known_items.rivals import Rivals
from vecsearch.bench.known_items.spool import Spool, json_line
from vecsearch.corpus import Corpus, documents
from vecsearch.errors import UnknownName, UsageError, VecsearchError
from vecsearch.types import Document, seen_text

CARD: Final = "known_items.json"
"""The file of a made corpus that says how it was made."""

FEWEST_QUERIES: Final = 20
"""Fewer queries than this tell next to nothing."""

_TRIED: Final = 3
"""Documents that are drawn for each query wanted, since some prove to have rivals."""

_NEEDS: Final[dict[Kind, str]] = {
    "title": f"a title, or a first sentence, of {FEWEST_TERMS} terms or more",
    "sentence": f"a sentence of {FEWEST_TERMS} terms or more",
    "rare": f"{FEWEST_TERMS} terms that others have too, though fewer than 1 document of 50",
    "common": f"{FEWEST_TERMS} terms that 1 document of 50 has, and at most 1 of 5",
}
_INSTEAD: Final[dict[Kind, Kind]] = {
    "title": "sentence",
    "sentence": "title",
    "rare": "common",
    "common": "rare",
}


@dataclass(frozen=True, slots=True)
class KnownItems:
    """How the queries of a made corpus came about.

    wanted, made: how many queries were asked for, and how many there are.
    documents, fit: how many documents the source has, and how many are fit for the kind.
    tried, dropped: how many of those were drawn, and how many had a rival, or too little left.
    source: SHA-256 of the source's documents.
    """

    kind: Kind
    seed: int
    wanted: int
    made: int
    documents: int
    fit: int
    tried: int
    dropped: int
    source: str


class _Candidate(NamedTuple):
    """A document that was drawn: its place in the corpus, and its query."""

    draw: float
    place: int
    query: str


class _Item(NamedTuple):
    """A query and the document that answers it, as it is to be written."""

    candidate: _Candidate
    document: Document


def make_known_items(
    corpus: Corpus, folder: str | Path, kind: Kind, count: int = 200, seed: int = 0
) -> KnownItems:
    """Write a folder in BEIR's layout with queries made out of the corpus, for the split "test".

    A query's one relevant document, of grade 1, is the one that it was made of. Targets are drawn
    at random among the documents that are fit: with a query of 3 terms or more and 8 terms besides.
    A query is left out if another document answers it as well: one that says the same words in a
    row, or, for keywords, one that has all of them. The folder, which must be new or empty, appears
    whole or not at all, with a card, known_items.json, that holds what is returned.

    Raises UnknownName for another kind; UsageError for a count below 20 or a seed below 0, for a
    folder that isn't empty, and where fewer than 20 queries can be made: then it says how many
    documents are fit and which other kind might do. Where fewer than `count` can be made, they are
    fewer. What the corpus can't read is raised as it is.
    """
    folder = Path(folder)
    _check(folder, kind, count, seed)
    with _appearing(folder) as making:
        spool = Spool(making / "spool.jsonl")
        source = spool.write(documents(corpus))
        ask = asker(kind, spool.documents())
        drawn, fit = _draw(spool, ask, count, seed)
        items = _checked(spool, drawn, kind)
        made = KnownItems(
            kind=kind,
            seed=seed,
            wanted=count,
            made=min(count, len(items)),
            documents=spool.length,
            fit=fit,
            tried=len(drawn),
            dropped=len(drawn) - len(items),
            source=source,
        )
        if made.made < FEWEST_QUERIES:
            raise UsageError(_too_few(corpus.name, made))
        _write(making, spool, items[:count], made)
        spool.remove()
    return made


def _check(folder: Path, kind: str, count: int, seed: int) -> None:
    if kind not in KINDS:
        raise UnknownName("kind of known-item query", kind, KINDS)
    if count < FEWEST_QUERIES:
        raise UsageError(
            f"{count} known-item queries tell next to nothing; ask for {FEWEST_QUERIES} or more."
        )
    if seed < 0:
        raise UsageError(f"A seed is a whole number from 0, not {seed}.")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists; known-item queries are written into a new folder.")


@contextlib.contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a folder to work in that takes the name `folder` at the end, and else is removed."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            yield making
            making.chmod(0o755)  # a temporary folder is its owner's alone
            making.replace(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise VecsearchError(
            f"{folder}: known-item queries can't be written ({error.strerror or error})."
        ) from error


def _draw(spool: Spool, ask: Ask, count: int, seed: int) -> tuple[list[_Candidate], int]:
    """Draw among the documents that are fit, and count these."""
    rng = np.random.default_rng(seed)
    kept: list[tuple[float, _Candidate]] = []
    fit = 0
    for place, document in enumerate(spool.documents()):
        draw, choice = rng.random(2).tolist()
        query = ask(document, choice)
        if query is None or not _can_be_judged(document.id):
            continue
        fit += 1
        heapq.heappush(kept, (-draw, _Candidate(draw, place, " ".join(query.split()))))
        if len(kept) > _TRIED * count:
            heapq.heappop(kept)
    return sorted(candidate for _, candidate in kept), fit


def _can_be_judged(id: str) -> bool:
    """Whether a line of judgments can hold an id."""
    return not any(character in id for character in "\t\r\n")


def _checked(spool: Spool, drawn: list[_Candidate], kind: Kind) -> list[_Item]:
    """Return the items of the candidates without a rival of which enough is left."""
    removes = kind in ("title", "sentence")
    rivals = Rivals([each.query for each in drawn], in_a_row=removes)
    at = {each.place: number for number, each in enumerate(drawn)}
    found: dict[int, Document] = {}
    answered: set[int] = set()
    for place, document in enumerate(spool.documents()):
        own = at.get(place)
        answered.update(each for each in rivals.answered(document) if each != own)
        if own is not None:
            left = without(document, drawn[own].query) if removes else document
            if len(terms(seen_text(left.title, left.text))) >= FEWEST_LEFT:
                found[own] = left
    return [_Item(drawn[i], found[i]) for i in sorted(found.keys() - answered)]


def _write(folder: Path, spool: Spool, items: list[_Item], made: KnownItems) -> None:
    instead = {item.candidate.place: item.document for item in items}
    spool.copy(folder / "corpus.jsonl", instead)
    named = {f"{made.kind}-{number}": item for number, item in enumerate(items, 1)}
    with (folder / "queries.jsonl").open("wb") as file:
        file.writelines(
            json_line({"_id": name, "text": item.candidate.query}) for name, item in named.items()
        )
    (folder / "qrels").mkdir()
    with (folder / "qrels" / "test.tsv").open("w", encoding="utf-8", newline="\n") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        file.writelines(f"{name}\t{item.document.id}\t1\n" for name, item in named.items())
    card = json.dumps(asdict(made), indent=1) + "\n"
    (folder / CARD).write_text(card, encoding="utf-8", newline="\n")


def _too_few(name: str, made: KnownItems) -> str:
    dropped = ""
    if made.dropped:
        dropped = (
            f" {made.dropped} of the {made.tried} tried are answered by another document as well, "
            "or too little is left of theirs."
        )
    return (
        f"{name}: {made.fit:,} of {made.documents:,} documents are fit for known-item queries of "
        f"the kind {made.kind!r}, which need {_NEEDS[made.kind]}, and {FEWEST_LEFT} terms besides."
        f"{dropped} {FEWEST_QUERIES} queries are the fewest that tell anything; the kind "
        f"{_INSTEAD[made.kind]!r} might do."
    )
