"""The report as one page that needs nothing else: no network, no other file.

The template stands beside this module, as do the style sheet and the script that it takes in. What
comes from documents, queries and names is escaped by the template, cleaned of control characters
beforehand, and kept from doing anything by the page's own content security policy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vecsearch.bench.report import plots, tables, tradeoff
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.cells import Part, Table
from vecsearch.bench.report.drilldown import BUDGET, Looked, looked_into
from vecsearch.bench.report.figures import Figure, at, count
from vecsearch.bench.report.palette import Look, looks
from vecsearch.bench.report.svg import mark
from vecsearch.bench.report.texts import clean
from vecsearch.bench.report.verdict import verdict
from vecsearch.bench.results import Results
from vecsearch.measures import explained

_PACKAGE: Final = "vecsearch.bench.report"


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says about one corpus; `id` is that of its heading."""

    id: str
    cast: Cast
    verdict: list[Part]
    quality: Table
    comparisons: Table | None
    costs: Table | None
    agreement: Table | None
    features: list[Table]
    pareto: list[Markup]
    differences: list[Markup]
    recall: list[Markup]
    latencies: list[Markup]
    queries: list[Looked]

    @property
    def busy(self) -> Figure | None:
        """The cores that other work took beside the measuring, if that were many."""
        return tables.other_work(self.cast)

    def sentences(self, *, primary: bool) -> list[str]:
        """Return what comparisons say, by the first measure or by the others."""
        return [
            self.cast.said(each["text"], each["system"], each["baseline"])
            for each in self.cast.results["comparisons"]
            if each["corpus"] == self.cast.corpus
            and (each["measure"] == self.cast.measure) == primary
        ]

    def telling_features(self) -> list[str]:
        """Return what features say, where anything is shown."""
        found = self.cast.results["features"].get(self.cast.corpus, [])
        return [
            self.cast.said(each["text"], each["system"], each["baseline"])
            for each in found
            if each["text"]
        ]


def page(results: Results) -> str:
    """Return the whole page as HTML."""
    seen = looks(list(results["systems"]), results["baseline"])
    budget = BUDGET // max(1, len(results["scores"]))
    sections = [
        _section(f"corpus-{n}", Cast(results, corpus, seen), budget)
        for n, corpus in enumerate(results["scores"], start=1)
    ]
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters.update(count=count, json=_json)
    return environment.get_template("report.html.j2").render(
        results=results,
        sections=sections,
        looks=seen,
        swatches={system: _swatch(look) for system, look in seen.items()},
        swatch=_swatch,
        explained=explained,
        number=_number,
        style=_text("report.css"),
        script=_text("report.js"),
    )


def _section(id_: str, cast: Cast, budget: int) -> Section:
    by_feature = [tables.features(cast, system) for system in cast.best_first()]
    return Section(
        id=id_,
        cast=cast,
        verdict=verdict(cast),
        quality=tables.quality(cast),
        comparisons=tables.comparisons(cast),
        costs=tables.costs(cast),
        agreement=tables.agreement(cast),
        features=[each for each in by_feature if each is not None],
        pareto=tradeoff.pareto(cast),
        differences=plots.differences(cast),
        recall=plots.recall(cast),
        latencies=plots.latencies(cast),
        queries=looked_into(cast, budget),
    )


def _clean(value: object) -> object:
    """Clean whatever text the template writes; markup was cleaned where it was made."""
    return clean(value) if type(value) is str else value


def _swatch(look: Look) -> Markup:
    """Return a system's mark, to stand before its name."""
    return Markup('<svg class="swatch {}" viewBox="0 0 12 12" aria-hidden="true">{}</svg>').format(
        look.class_, mark(look.shape, 6, 6, 4)
    )


def _number(results: Results, *path: str | int) -> Figure:
    """Return a whole number of the results as a figure."""
    value = at(results, path)
    return Figure(count(value), value, path)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _text(name: str) -> Markup:
    """Return a file of the package, which is ours, to stand in the page as it is."""
    return Markup(files(_PACKAGE).joinpath(name).read_text(encoding="utf-8"))
