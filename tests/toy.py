"""What tests of the store share: a tiny encoder, and what can be seen of an index from outside."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vecsearch.encoders.base import Device
from vecsearch.errors import EncoderError
from vecsearch.index import Index
from vecsearch.searcher import Searcher
from vecsearch.store.files import LOCK
from vecsearch.store.manifest import MANIFEST
from vecsearch.types import Document, Role, Vectors

SAVED = "toy.json"


class HashEncoder:
    """Adds up a pseudorandom direction for each word; another salt is another encoder."""

    def __init__(self, salt: str = "", dim: int = 16) -> None:
        self.name = "hash"
        self.dim = dim
        self.salt = salt
        self.fingerprint = hashlib.sha256(f"hash {dim} {salt}".encode()).hexdigest()

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return np.array([self._vector(text) for text in texts], np.float32).reshape(-1, self.dim)

    def save(self, folder: Path) -> None:
        (folder / SAVED).write_text(json.dumps([self.salt, self.dim]))
        (folder / "empty").touch()
        (folder / "inner").mkdir()
        (folder / "inner" / "notes.txt").write_text("a file further down")

    def _vector(self, text: str) -> np.ndarray:
        total = np.zeros(self.dim)
        for word in text.lower().split():
            digest = hashlib.blake2b(f"{self.salt}{word}".encode("utf-8", "surrogatepass"))
            seed = int.from_bytes(digest.digest()[:8], "little")
            total += np.random.default_rng(seed).standard_normal(self.dim)
        length = np.linalg.norm(total)
        return total / length if length else total


def load_hash_encoder(folder: str | Path, device: Device = "auto") -> HashEncoder:
    """Load what `HashEncoder.save` wrote; stands in for `load_encoder`."""
    try:
        salt, dim = json.loads((Path(folder) / SAVED).read_text())
    except OSError as error:
        raise EncoderError(f"there is no {SAVED} in {folder} ({error})") from error
    return HashEncoder(salt, dim)


class Seen(NamedTuple):
    """Everything that a searcher answers, to compare two states of an index."""

    documents: dict[str, Document]
    vectors: dict[str, list[bytes]]
    rankings: dict[tuple[str, str], list[tuple[str, float]]]


QUERIES = ("red apple", "green pear", "blue plum number7", "nothing of it", "fresh")


MODES = ("bm25", "tfidf", "dense", "hybrid")


def look(searcher: Searcher, modes: Iterable[str] = MODES) -> Seen:
    """Read all documents and ask a few questions.

    Scores are rounded: they are equal in equal states, but for a last bit of the dense arm.
    """
    rankings = {}
    for by in modes:
        for query, ranking in zip(QUERIES, searcher.rank_many(QUERIES, 7, by=by), strict=True):
            rankings[by, query] = [(name, round(score, 4)) for name, score in ranking]
    documents = {each.id: each for each in documents_of(searcher)}
    vectors: dict[str, list[bytes]] = {name: [] for name in documents}
    for part in searcher.snapshot.parts:
        for row in np.flatnonzero(part.segment.rows_of(part.segment.living())).tolist():
            assert part.segment.vectors is not None
            name = searcher.snapshot.id_of(row + part.first_row)
            vectors[name].append(part.segment.vectors[row].tobytes())
    return Seen(documents, vectors, rankings)


def documents_of(searcher: Searcher) -> list[Document]:
    """Return the living documents in the order of the segments."""
    return [
        part.segment.documents.document(position)
        for part in searcher.snapshot.parts
        for position in np.flatnonzero(part.segment.living()).tolist()
    ]


def litter(folder: Path) -> set[str]:
    """Name the files, and the folders without files, that an index has no use for."""
    wanted = {MANIFEST, LOCK, *(file.path for file in Index(folder).manifest().files())}
    wanted |= {parent.as_posix() for path in wanted for parent in Path(path).parents}
    wanted |= {"segments"}
    found = {
        (Path(where) / name).relative_to(folder).as_posix()
        for where, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }
    return found - wanted


def fruit(numbers: Iterable[int], mark: str = "old") -> list[Document]:
    """Make small documents that share words, with metadata of several kinds."""
    colours, fruits = ("red", "green", "blue"), ("apple", "pear", "plum", "fig")
    return [
        Document(
            f"d{n}",
            f"{mark} {colours[n % 3]} {fruits[n % 4]} number{n} " + "ripe " * (n % 5),
            "" if n % 2 else f"About {fruits[n % 4]}",
            {"n": n, "mark": mark, "tags": ["x", n / 2] if n % 3 else None},
        )
        for n in numbers
    ]
