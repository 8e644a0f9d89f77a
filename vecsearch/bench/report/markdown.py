"""Results as Markdown: tables for a README, with cost beside quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vecsearch.bench.report import figures
from vecsearch.bench.report.verdicts import by_quality, comparisons_of, label, told, verdict
from vecsearch.bench.results import Results


def markdown(results: Results) -> str:
    """Return a section for each corpus: the verdict, quality and cost, and every comparison."""
    return "\n".join(line for corpus in results["corpora"] for line in _section(results, corpus))


def _section(results: Results, corpus: str) -> Iterator[str]:
    entry = results["corpora"][corpus]
    yield f"## {_plain(corpus)}"
    yield ""
    yield (
        f"{entry['documents']:,} documents, {entry['queries']:,} queries of the split "
        f"{_plain(entry['split'])}."
    )
    yield ""
    if entry["generated"] is not None:
        yield f"**Queries without labels.** {_plain(entry['generated']['trust'])}"
        yield ""
    yield _plain(" ".join(verdict(results, corpus)))
    yield ""
    for note in entry["notes"]:
        yield f"- {_plain(note)}"
    if entry["notes"]:
        yield ""
    yield from _quality(results, corpus)
    yield ""
    compared = comparisons_of(results, corpus)
    for each in compared:
        yield f"- {_plain(told(results, each))}"
    if compared:
        yield ""


def _quality(results: Results, corpus: str) -> Iterator[str]:
    costs = results["costs"].get(corpus, {})
    head = ["system", *results["measures"]]
    if costs:
        head += ["query, p50", "build", "bytes/document"]
    yield from _row(head)
    yield "|".join(["", "---", *["---:"] * (len(head) - 1), ""])
    for system in by_quality(results, corpus):
        scores = results["scores"][corpus][system]
        cells = [label(results, system), *(figures.score(scores[m]) for m in results["measures"])]
        if system in costs:
            cost = costs[system]
            cells += [
                figures.seconds(cost["warm"]["p50"]["median"]),
                figures.seconds(cost["build"]["seconds"]["median"]),
                figures.significant(cost["bytes_per_document"]),
            ]
        elif costs:
            cells += [figures.NONE] * 3
        yield from _row(cells)


def _row(cells: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """Return a text on one line in which Markdown and HTML find nothing of theirs."""
    flat = " ".join(text.split())
    for mark in "\\`*_[]<>#":
        flat = flat.replace(mark, f"\\{mark}")
    return flat
