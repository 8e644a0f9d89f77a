"""Index the sample corpora, show what words and meaning find side by side, and which is better.

Usage: python bench/demo.py CORPORA INDEXES (folders; CORPORA has lighthouse/ and pydocs/)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vecsearch import Index, Searcher, read_qrels, read_queries

LIGHTHOUSE = ("exact-02", "paraphrase-01", "negation-06")
PYDOCS = ("builtins.bytes.splitlines", "tempfile.mkdtemp")
"""Test queries that are shown, of either corpus."""
TRY = {"lighthouse": "pets frightened by thunder", "pydocs": "retrieve a URL to disk"}


def main() -> None:
    """Index both corpora and print the comparisons."""
    if len(sys.argv) != 3:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    corpora, indexes = map(Path, sys.argv[1:])
    console = Console(highlight=False)
    show_lighthouse(console, corpora / "lighthouse", indexes / "lighthouse")
    show_pydocs(console, corpora / "pydocs", indexes / "pydocs")
    console.print("Now try, after `. .venv/bin/activate`:")
    for name, query in TRY.items():
        console.print(f'vecsearch search {indexes / name} "{query}"', soft_wrap=True)


def show_lighthouse(console: Console, corpus: Path, folder: Path) -> None:
    """Show three queries and the figures of a small corpus with embeddings."""
    run("-m", "vecsearch", "index", corpus, folder, "--overwrite")
    searcher = Index.open(folder).searcher()
    queries, qrels = judged(corpus)
    for name in LIGHTHOUSE:
        systems = ("bm25", "dense", "hybrid")
        console.print(side_by_side(searcher, queries[name], systems, qrels[name]))
    console.print("* answers the query, + is related, by the judgments in qrels/\n")
    compare(corpus, folder, ("tfidf", "bm25", "small", "hybrid", "minilm", "bm25+minilm"))


def show_pydocs(console: Console, corpus: Path, folder: Path) -> None:
    """Show searches and figures of the docstrings of this Python's own library."""
    console.print("\nSome 10,000 docstrings of this Python's standard library:")
    run(corpus / "make.py", corpus)
    run("-m", "vecsearch", "index", corpus, folder, "--overwrite")
    searcher = Index.open(folder).searcher()
    queries, qrels = judged(corpus)
    for name in filter(queries.__contains__, PYDOCS):  # another Python may have others
        systems = ("bm25", "dense", "hybrid")
        console.print(side_by_side(searcher, queries[name], systems, qrels[name]))
    console.print("+ is where the query comes from: it was taken out of the docstring\n")
    compare(corpus, folder, ("tfidf", "bm25", "small", "hybrid"))
    console.print(
        "With a better encoder, in some minutes: "
        f"vecsearch index {corpus} {folder} --encoder minilm --overwrite\n",
        soft_wrap=True,
    )


def run(*words: object) -> None:
    """Run Python with these arguments."""
    subprocess.run([sys.executable, *map(str, words)], check=True)


def judged(corpus: Path) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Return the judged queries of the test split, and their judgments."""
    qrels = read_qrels(corpus / "qrels" / "test.tsv")
    queries = {each.id: each.text for each in read_queries(corpus / "queries.jsonl")}
    return {name: queries[name] for name in qrels}, qrels


def compare(corpus: Path, folder: Path, systems: tuple[str, ...]) -> None:
    """Say which system answers the test queries better, and how sure that is."""
    named = [word for system in systems for word in ("--system", system)]
    report = folder.with_name(f"{folder.name}-report")
    run("-m", "vecsearch", "bench", corpus, *named, "--no-costs", "--out", report)


def side_by_side(
    searcher: Searcher, query: str, systems: tuple[str, ...], grades: dict[str, int]
) -> Table:
    """Return a table of what each system finds, one column each."""
    table = Table("", *systems, title=f"\n“{query}”", title_justify="left", expand=True)
    found = [searcher.search(query, k=4, by=system) for system in systems]
    for rank in range(4):
        hits = [hits[rank].document if rank < len(hits) else None for hits in found]
        marks = [" +*"[grades.get(hit.id, 0)] if hit else "" for hit in hits]
        cells = [
            f"{mark} {hit.title or hit.id}" if hit else "-"
            for hit, mark in zip(hits, marks, strict=True)
        ]
        table.add_row(str(rank + 1), *cells)
    return table


if __name__ == "__main__":
    main()
