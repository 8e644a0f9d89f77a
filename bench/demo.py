"""Index a corpus in BEIR layout and show what words, meaning and both find, side by side.

Usage: python bench/demo.py CORPUS INDEX
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vecsearch import Index, Searcher, evaluate, parse_measure, read_qrels, read_queries

SYSTEMS = ("bm25", "dense", "hybrid")
SHOWN = ("exact-01", "paraphrase-01", "negation-06")
"""Queries that are shown; the figures are those of all queries with judgments."""


def main() -> None:
    """Index the corpus and print the comparison."""
    corpus, folder = map(Path, sys.argv[1:])
    subprocess.run(
        [sys.executable, "-m", "vecsearch", "index", corpus, folder, "--overwrite"], check=True
    )
    console = Console(highlight=False)
    searcher = Index.open(folder).searcher()
    qrels = read_qrels(corpus / "qrels" / "test.tsv") | read_qrels(corpus / "qrels" / "dev.tsv")
    queries = {query.id: query.text for query in read_queries(corpus / "queries.jsonl")}
    for name in SHOWN:
        console.print(side_by_side(searcher, queries[name], qrels[name]))
    console.print("* answers the query, + is related, by the judgments in qrels/\n")
    measure = parse_measure("nDCG@10")
    for system in ("tfidf", *SYSTEMS):
        rankings = searcher.rank_many(list(queries.values()), k=100, by=system)
        run = dict(zip(queries, map(dict, rankings), strict=True))
        mean = evaluate(run, qrels, [measure]).mean(measure)
        console.print(f"nDCG@10 {system:<7} {mean:.3f}")
    console.print("\nNow try, after `. .venv/bin/activate`:", soft_wrap=True)
    console.print(f'vecsearch search {folder} "who looked after the lamp at night"', soft_wrap=True)


def side_by_side(searcher: Searcher, query: str, grades: dict[str, int]) -> Table:
    """Return a table of what each system finds, one column each."""
    table = Table("", *SYSTEMS, title=f"\n“{query}”", title_justify="left", expand=True)
    found = [searcher.search(query, k=4, by=system) for system in SYSTEMS]
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
