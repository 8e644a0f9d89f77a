"""What peers share: vecsearch's own terms and vectors, so that they do the same work.

A peer lies beside this file and is loaded by its path, not as a module of a package, so it takes
what is here by path too:

    common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))

The folder of the peers must never be on sys.path: bm25s.py would hide the library of that name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from vecsearch import Document, analyzer
from vecsearch.errors import UsageError
from vecsearch.types import seen_text

if TYPE_CHECKING:
    from vecsearch.bench.engine import Stopwatch

Ranking: TypeAlias = list[tuple[str, float]]
"""Documents' ids and scores, best first."""

_T = TypeVar("_T", str, list[str], list[int])

_IDS: Final = "ids.json"


def ids_and_texts(documents: Iterable[Document]) -> tuple[list[str], list[str]]:
    """Read all documents: their ids, and of each the text that vecsearch searches."""
    read = [(document.id, seen_text(document.title, document.text)) for document in documents]
    return [id for id, _ in read], [text for _, text in read]


def ids_and_terms(
    documents: Iterable[Document], clock: Stopwatch
) -> tuple[list[str], list[list[str]]]:
    """Read all documents: their ids, and of each the terms that vecsearch makes of it."""
    ids, texts = ids_and_texts(documents)
    with clock.stage("tokenize"):
        found = [terms(text) for text in texts]
    _check_any(found)
    return ids, found


def ids_and_visible_texts(documents: Iterable[Document]) -> tuple[list[str], list[str]]:
    """Read the documents that aren't blank: vecsearch gives the others no vector."""
    ids, texts = ids_and_texts(documents)
    visible = [i for i, text in enumerate(texts) if text.strip()]
    _check_any(texts[i] for i in visible)
    return [ids[i] for i in visible], [texts[i] for i in visible]


def _check_any(found: Iterable[object]) -> None:
    """Raise UsageError where no document holds anything, which not every library can index."""
    if not any(found):
        raise UsageError("No document of the corpus holds a word: a peer can't index it.")


def terms(text: str) -> list[str]:
    """Return the terms of a document or of a query, by vecsearch's rules for English."""
    return analyzer("english").terms(text)


def write_ids(folder: Path, ids: Sequence[str]) -> None:
    """Keep the ids of documents beside an index that knows them by number."""
    (folder / _IDS).write_text(json.dumps(ids), encoding="utf-8")


def read_ids(folder: Path) -> list[str]:
    """Read what `write_ids` kept."""
    ids: list[str] = json.loads((folder / _IDS).read_bytes())
    return ids


def answer(queries: Sequence[_T], search: Callable[[list[_T]], Iterable[Ranking]]) -> list[Ranking]:
    """Search for all queries that hold anything, in one call; the empty ones find nothing."""
    asked = [query for query in queries if query]
    found = iter(search(asked) if asked else ())
    return [next(found) if query else [] for query in queries]


def threads(otherwise: int) -> int:
    """Say how many threads a library may use that doesn't read OMP_NUM_THREADS by itself."""
    return int(os.environ.get("OMP_NUM_THREADS", otherwise))


def size_of(folder: Path) -> int:
    """Count the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
