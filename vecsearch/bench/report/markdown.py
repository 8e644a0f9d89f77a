"""The report as Markdown, for a README: verdicts, quality with its cost beside it, differences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from vecsearch.bench.report import tables
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.cells import Cell, Part, Table
from vecsearch.bench.report.palette import looks
from vecsearch.bench.report.texts import shown
from vecsearch.bench.report.verdict import verdict
from vecsearch.bench.results import Results

_SPECIAL: Final = re.compile(r"[\\`*_\[\]>|~#]|<(?=[A-Za-z/!?])|&(?=[#\w])")


def markdown(results: Results) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    seen = looks(list(results["systems"]), results["baseline"])
    casts = [Cast(results, corpus, seen) for corpus in results["scores"]]
    return "\n".join(line for cast in casts for line in _corpus(cast)).strip() + "\n"


def table(found: Table) -> list[str]:
    """Write a table as lines, numbers to the right."""
    rows = [[_cell(each) for each in row] for row in found.rows]
    head = [_plain(each.title) for each in found.columns]
    rule = ["---" if each.words else "---:" for each in found.columns]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def _corpus(cast: Cast) -> Iterator[str]:
    entry = cast.results["corpora"][cast.corpus]
    yield f"## {_plain(cast.corpus)}"
    yield ""
    yield (
        f"{entry['documents']:,} documents, {entry['queries']:,} judged queries, "
        f"{entry['judgments']:,} judgments (split {_plain(entry['split'])})."
    )
    yield from _paragraph(_written(verdict(cast)))
    if entry["generated"]:
        kind = _plain(entry["generated"]["kind"])
        yield from _paragraph(
            "> **No person asked these queries.** They were made out of the corpus "
            f"(kind “{kind}”). {_plain(entry['generated']['trust'])}"
        )
    for note in entry["notes"]:
        yield from _paragraph(_plain(note))
    yield ""
    yield from table(tables.quality(cast))
    yield from _stamp(cast)
    compared = tables.comparisons(cast)
    if compared is not None:
        baseline = _plain(cast.label(cast.results["baseline"]))
        yield from _paragraph(f"### Differences from {baseline}")
        yield ""
        yield from table(compared)
        yield ""
        for each in cast.results["comparisons"]:
            if each["corpus"] == cast.corpus and each["measure"] == cast.measure:
                said = cast.said(each["text"], each["system"], each["baseline"])
                yield f"- {_plain(said)}"
    yield ""


def _stamp(cast: Cast) -> Iterator[str]:
    stamp = cast.results["cost_stamps"].get(cast.corpus)
    if stamp is None:
        return
    others = tables.other_work(cast)
    other = f" Other work took {others.text} cores meanwhile." if others else ""
    yield from _paragraph(
        "In brackets 95% intervals of the means. Query p50: median time of one, warm, on one "
        f"thread. Costs are medians of {stamp['rounds']} rounds, measured "
        f"{_plain(stamp['measured'])} on {_plain(stamp['machine'])}.{other}"
    )


def _paragraph(text: str) -> list[str]:
    return ["", text]


def _cell(cell: Cell) -> str:
    text = _written(cell.parts)
    if cell.badge and cell.badge not in text:
        text += f" ({cell.badge})" if cell.look else {"better": " ▲", "worse": " ▼"}[cell.badge]
    return f"{text} ({_written(cell.under)})" if cell.under else text


def _written(parts: Sequence[Part]) -> str:
    return _plain("".join(each if isinstance(each, str) else each.text for each in parts))


def _plain(text: str) -> str:
    """Make a text one line in which nothing means anything to Markdown or HTML."""
    return _SPECIAL.sub(lambda match: f"\\{match.group()}", shown(text))
