"""tantivy: a search engine library in Rust, asked for any of the terms that vecsearch makes.

It keeps the length of a document in one byte, so that scores differ by a few per cent.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import tantivy

from vecsearch import Document
from vecsearch.bench.engine import Stopwatch

common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))

LUCENE = 1 / (1.2 + 1)
"""Its scores are k1 + 1 times as high as those that Lucene and vecsearch give."""


class Engine:
    """Terms go in joined by spaces and are split there again; counts are kept, positions aren't."""

    about = f"tantivy {version('tantivy')}: BM25 of the same terms, lengths in one byte"
    same_as = "bm25"

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        ids, terms = common.ids_and_terms(documents, clock)
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
        schema.add_integer_field("row", fast=True)
        with tantivy.Index(schema.build(), path=str(folder)).writer() as writer:
            for row, each in enumerate(terms):
                writer.add_document(tantivy.Document(row=row, text=" ".join(each)))
        common.write_ids(folder, ids)

    def open(self, folder: Path) -> Ranker:
        """See `Engine.open`."""
        return Ranker(tantivy.Index.open(str(folder)), common.read_ids(folder))


class Ranker:
    """An opened index."""

    model_bytes = 0

    def __init__(self, index: tantivy.Index, ids: list[str]) -> None:
        self._schema = index.schema
        self._searcher = index.searcher()
        self._ids = ids

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        return [self._search(common.terms(query), k) for query in queries]

    def _search(self, terms: list[str], k: int) -> list[tuple[str, float]]:
        any_of = [
            (
                tantivy.Occur.Should,
                tantivy.Query.term_query(self._schema, "text", term, index_option="freq"),
            )
            for term in terms
        ]
        query = tantivy.Query.boolean_query(any_of)
        hits = self._searcher.search(query, k, count=False).hits
        rows = self._searcher.fast_field_values("row", [place for _, place in hits])
        return [
            (self._ids[row], score * LUCENE) for row, (score, _) in zip(rows, hits, strict=True)
        ]


ENGINE = Engine()
