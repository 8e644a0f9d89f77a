"""One build in a process of its own: python builds.py ENGINE TEXTS FOLDER prints what it took.

ENGINE is vecsearch, bm25s or tantivy; TEXTS a JSON file of texts. The last line is JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final


def vecsearch(texts: Sequence[str], folder: Path) -> None:
    """Index documents, their texts included."""
    from vecsearch import Document, Index

    with Index.create(folder, None).writer() as writer:
        writer.add(Document(str(row), text) for row, text in enumerate(texts))


def bm25s(texts: Sequence[str], folder: Path) -> None:
    """Tokenize, score and save, as its documentation says."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    tokens = bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene", backend="numba")
    index.index(tokens, show_progress=False)
    index.save(folder, show_progress=False)


def tantivy(texts: Sequence[str], folder: Path) -> None:
    """Index with two threads; the texts aren't stored."""
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("text", tokenizer_name="en_stem", index_option="freq")
    schema.add_integer_field("row", fast=True)
    folder.mkdir()
    writer = tantivy.Index(schema.build(), path=str(folder)).writer(500_000_000, num_threads=2)
    for row, text in enumerate(texts):
        writer.add_document(tantivy.Document(row=row, text=text))
    writer.commit()
    writer.wait_merging_threads()


ENGINES: Final[dict[str, Callable[[Sequence[str], Path], None]]] = {
    "vecsearch": vecsearch,
    "bm25s": bm25s,
    "tantivy": tantivy,
}


def main() -> None:
    """Build once."""
    engine, texts, folder = sys.argv[1], json.loads(Path(sys.argv[2]).read_bytes()), sys.argv[3]
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall, cpu = time.perf_counter(), time.process_time()
    ENGINES[engine](texts, Path(folder))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    took = {
        "wall_s": wall,
        "cpu_s": cpu,
        # Of it the kernel's: what it takes depends on where fresh memory comes from.
        "system_s": after.ru_stime - before.ru_stime,
        "page_faults": after.ru_minflt - before.ru_minflt,
        "added_mb": (after.ru_maxrss - before.ru_maxrss) / 1024,
        "bytes": size,
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main()
