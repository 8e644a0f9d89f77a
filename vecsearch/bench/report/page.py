"""The report as one page: everything in one file, and nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import count
from typing import Any, Final, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from vecsearch.bench.report import figures, plots
from vecsearch.bench.report.verdicts import by_quality, comparisons_of, label, told, verdict
from vecsearch.bench.results import Detail, Results, Spread

_MOST: Final = 100
"""Queries of a corpus that the page looks into; results.json holds more."""


class Row(NamedTuple):
    """A document in the answers to a query: each system's rank of it, None where it has none."""

    id: str
    title: str
    grade: int | None
    ranks: tuple[int | None, ...]


def page(results: Results) -> str:
    """Return the report as HTML."""
    folder = files("vecsearch.bench.report")
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    numbers = count()
    environment.filters |= {
        "score": figures.score,
        "signed": figures.signed,
        "between": figures.between,
        "chance": figures.chance,
        "seconds": figures.seconds,
        "size": figures.size,
        "rate": figures.rate,
        "whole": figures.whole,
        "significant": figures.significant,
    }
    environment.globals |= {
        "number": _number,
        "spread": _spread,
        "unique": lambda: next(numbers),
        "label": lambda system: label(results, system),
        "place": list(results["systems"]).index,
        "told": lambda comparison: told(results, comparison),
    }
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        results=results,
        css=Markup((folder / "report.css").read_text(encoding="utf-8")),
        js=Markup((folder / "report.js").read_text(encoding="utf-8")),
        sections=[_section(results, corpus) for corpus in results["corpora"]],
        definitions=[
            (system, entry, json.dumps(entry["definition"], ensure_ascii=False, indent=1))
            for system, entry in results["systems"].items()
        ],
    )


def _section(results: Results, corpus: str) -> dict[str, Any]:
    """Return what the template wants of a corpus."""
    order = by_quality(results, corpus)
    measure = results["measures"][0]
    details = results["details"].get(corpus, {})
    others = [system for system in order if system != results["baseline"]]
    return {
        "name": corpus,
        "entry": results["corpora"][corpus],
        "verdict": list(verdict(results, corpus)),
        "order": order,
        "scores": results["scores"][corpus],
        "intervals": results["intervals"][corpus],
        "costs": results["costs"].get(corpus, {}),
        "stamp": results["cost_stamps"].get(corpus),
        "comparisons": [
            (i, each) for i, each in enumerate(results["comparisons"]) if each["corpus"] == corpus
        ],
        "primary": comparisons_of(results, corpus, measure),
        "agreement": [
            (i, each) for i, each in enumerate(results["agreement"]) if each["corpus"] == corpus
        ],
        "features": list(enumerate(results["features"].get(corpus, []))),
        "pareto": [
            Markup(plot)
            for plot in (plots.pareto_latency(results, corpus), plots.pareto_build(results, corpus))
            if plot
        ],
        "differences": [Markup(plots.differences(results, corpus, system)) for system in others],
        "recall": Markup(plots.recall(results, corpus)),
        "latencies": Markup(plots.latencies(results, corpus)),
        "queries": [
            (
                query,
                results["queries"][corpus].get(query, ""),
                {s: results["per_query"][corpus][s][measure][query] for s in order},
                _rows(detail, order, results["titles"].get(corpus, {})),
            )
            for query, detail in list(details.items())[:_MOST]
        ],
        "judged": len(results["queries"][corpus]),
    }


def _rows(detail: Detail, order: Sequence[str], titles: Mapping[str, str]) -> list[Row]:
    """Return the documents of a query: all that is relevant, or among the best of a system."""
    ranks: dict[str, dict[str, int]] = {}
    for system in order:
        best = {document: rank for rank, document in enumerate(detail["best"][system], 1)}
        ranks[system] = {**detail["ranks"][system], **best}
    documents = {document: None for system in order for document in detail["best"][system]}
    documents |= {document: None for document, grade in detail["grades"].items() if grade > 0}
    rows = [
        Row(
            document,
            titles.get(document, ""),
            detail["grades"].get(document),
            tuple(ranks[system].get(document) for system in order),
        )
        for document in documents
    ]
    return sorted(
        rows, key=lambda row: (-(row.grade or 0), min(filter(None, row.ranks), default=0))
    )


def _number(value: float, shown: str, *path: str | int, note: str = "") -> Markup:
    """Return a figure with its full value, and where in results.json it is from."""
    return Markup('<data value="{}" data-path="{}"{}>{}</data>').format(
        repr(value),
        json.dumps(path, ensure_ascii=False),
        Markup(' title="{}"').format(note) if note else "",
        shown,
    )


def _spread(value: Spread, kind: str, *path: str | int) -> Markup:
    """Return a median, with its bounds beside it at a touch."""
    write = {"seconds": figures.seconds, "size": figures.size, "rate": figures.rate}[kind]
    return _number(
        value["median"], write(value["median"]), *path, "median", note=figures.spread(value, kind)
    )
