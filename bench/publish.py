"""Keep the road's results as the project's own, and write the documents' tables from them.

Usage: python bench/publish.py REPORTS (the folder reports/ that `python bench/road.py` made)

It writes bench/results/COMMIT-NAME.json for each report, with figures and digests but no text of
any query or document; bench/results/road.svg; and the parts of the documents between the marks.
What those say of queries without labels is from vecsearch/bench/validity.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from readme import placed
from road import COLLECTIONS, FINETUNED, FROM_TEXTS, MINUTES, OWN, REPORTS
from road_picture import picture

from vecsearch.bench.known_items.validity import validity
from vecsearch.bench.report import figures
from vecsearch.bench.systems import FUSED

Results = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = ("README.md", "MANUAL.md", "MEASUREMENTS.md")
TEXTS = ("queries", "details", "titles")
MADE: Final = (
    "made by `python bench/road.py DATA OUT TWIN` and `python bench/publish.py OUT/reports`"
)
MEASURE: Final = "nDCG@10"
MARKS: Final = {"better": " ▲", "worse": " ▼"}

ROAD: Final = ("tfidf", "bm25", *FROM_TEXTS, "small", "minilm")
"""The systems in the order of the road; all but the first two are encoders."""


def main() -> None:
    """Publish the results that the command line names."""
    if len(sys.argv) != 2:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    reports = {
        name: cleaned(json.loads((Path(sys.argv[1]) / name / "results.json").read_bytes()))
        for name in REPORTS
    }
    commits = {each["environment"]["commit"] for each in reports.values()}
    if len(commits) > 1 or None in commits or any("changes" in each for each in commits):
        print(f"The results are of {commits}: publish those of one commit.", file=sys.stderr)
        sys.exit(1)
    commit = commits.pop()[:12]
    folder = ROOT / "bench" / "results"
    for name, results in reports.items():
        text = json.dumps(results, separators=(",", ":"))
        (folder / f"{commit}-{name}.json").write_text(text + "\n", encoding="utf-8")
    (folder / "road.svg").write_text(picture(reports["road"], ROAD), encoding="utf-8")
    for document in (ROOT / name for name in DOCUMENTS):
        text = published(document.read_text(encoding="utf-8"), reports, commit)
        document.write_text(text, encoding="utf-8")
    print(
        f"Wrote bench/results/{commit}-*.json, road.svg and the tables of {', '.join(DOCUMENTS)}."
    )


def cleaned(results: Results) -> Results:
    """Take away texts, and where things lay, which is nobody's concern."""
    for name in TEXTS:
        results[name] = {}
    for entry in results["corpora"].values():
        entry["path"] = Path(entry["path"]).name
    encoders = {entry["definition"].get("encoder", "") for entry in results["systems"].values()}
    text = json.dumps(results)
    for place in {str(Path(each).parent) for each in encoders if "/" in each}:
        text = text.replace(f"{place}/", "")
    return dict(json.loads(text))


def published(document: str, reports: Mapping[str, Results], commit: str) -> str:
    """Return a document with those of the tables whose marks it has."""
    for mark, lines in (
        ("quality", quality(reports["road"], commit)),
        ("results", gains_and_costs(reports, commit)),
        ("validity", validity_table()),
    ):
        if f"<!-- {mark} -->" in document:
            document = placed(document, mark, "\n".join(lines))
    return document


def validity_table() -> Iterator[str]:
    """Yield what a kind of queries made without labels is worth."""
    found = validity()
    samples = len(found["collections"]) * found["samples"]
    yield from _table(
        [
            "queries",
            "named the real winner",
            "rank correlation (tau)",
            "lost by choosing so, mean",
            "worst",
            "put bm25 and minilm in their real order",
        ],
        [
            [
                kind,
                f"{each['won']:.2g} of {samples}",
                figures.digits(each["tau"], 2),
                figures.score(each["regret"]),
                figures.score(max(one["regret"] for one in each["by_collection"].values())),
                f"{each['sided']:.0f} of {samples}",
            ]
            for kind, each in found["kinds"].items()
        ],
    )
    without = found["without_measuring"]
    yield ""
    yield (
        f"Without measuring, a system picked at random loses {figures.score(without['random'])} "
        f"{found['measure']}, the one that is best on the other collections "
        f"{figures.score(without['fixed'])}; always naming bm25 before minilm is right in "
        f"{without['sided']:.0f} of {samples}. Source: "
        "[bench/results/label_free.json](bench/results/label_free.json), made by `python "
        "bench/label_free.py`."
    )


def quality(road: Results, commit: str) -> Iterator[str]:
    """Yield how good each representation is, alone and fused."""
    yield f"{MEASURE} on the test queries; ▲ is shown to be better than bm25, ▼ worse:"
    yield ""
    yield from _road_table(road, [(name, name) for name in ROAD])
    yield ""
    yield "Fused with bm25:"
    yield ""
    yield from _road_table(road, [(name, FUSED + name) for name in ROAD[2:]])
    yield ""
    yield f"Source: {_source('road', commit)}, {MADE}."


def gains_and_costs(reports: Mapping[str, Results], commit: str) -> Iterator[str]:
    """Yield what differs from what, and how sure that is; and what each representation costs."""
    road = reports["road"]
    yield "What the hybrid with the shipped encoder, the default, brings over bm25 alone:"
    yield ""
    yield from _said(road, [f"{FUSED}small"], COLLECTIONS)
    yield ""
    yield "What training brought `small` over its untrained twin, the same table with random rows:"
    yield ""
    yield from _said(reports["small"], ["small"], list(reports["small"]["corpora"]))
    yield ""
    yield "What fine-tuning on a collection's own judgments of the split train brought over minilm:"
    yield ""
    for name in FINETUNED:
        yield from _said(reports[name], [f"{name}-lora", f"{name}-whole"], [name])
    yield ""
    yield from _cost_table(reports["costs"])
    yield ""
    yield f"Sources: {', '.join(_source(name, commit) for name in reports)}, {MADE}."


def _source(name: str, commit: str) -> str:
    return f"[{name}](bench/results/{commit}-{name}.json)"


def _road_table(results: Results, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    corpora = [*COLLECTIONS, *OWN]
    heads = [f"{name} ({results['corpora'][name]['queries']:,})" for name in corpora]
    yield from _table(
        ["", *heads],
        [
            [label, *(_score(results, corpus, system) for corpus in corpora)]
            for label, system in rows
        ],
    )


def _score(results: Results, corpus: str, system: str) -> str:
    found = _comparison(results, corpus, system)
    mark = MARKS.get(found["verdict"], "") if found else ""
    return figures.score(results["scores"][corpus][system][MEASURE]) + mark


def _said(results: Results, systems: Sequence[str], corpora: Sequence[str]) -> Iterator[str]:
    for corpus in corpora:
        for system in systems:
            found = _comparison(results, corpus, system)
            score = figures.score(results["scores"][corpus][system][MEASURE])
            yield f"- {corpus} ({score}): {found['text'] if found else 'not compared'}"


def _comparison(results: Results, corpus: str, system: str) -> dict[str, Any] | None:
    wanted = (corpus, system, MEASURE)
    for each in results["comparisons"]:
        if (each["corpus"], each["system"], each["measure"]) == wanted:
            return dict(each)
    return None


def _cost_table(results: Results) -> Iterator[str]:
    [corpus] = results["corpora"]
    stamp = results["cost_stamps"][corpus]
    yield (
        f"What they cost on {corpus} ({results['corpora'][corpus]['documents']:,} documents; "
        f"{stamp['machine']}, of which other work took {figures.digits(stamp['others'], 2)} cores; "
        f"medians of {stamp['rounds']} rounds in turns, builds that take long but once). Each of "
        f"{', '.join(FROM_TEXTS[1:])} was trained for {MINUTES} minutes:"
    )
    yield ""
    yield from _table(
        ["", "query p50", "p99", "queries/s in batch", "cold command", "build", "on disk"],
        [[name, *_costs(results["costs"][corpus][name])] for name in ROAD],
    )


def _costs(cost: dict[str, Any]) -> list[str]:
    return [
        figures.seconds(cost["warm"]["p50"]["median"]),
        figures.seconds(cost["warm"]["p99"]["median"]),
        figures.digits(cost["batch_queries_per_second"]["median"]),
        figures.seconds(cost["cold_command"]["median"]),
        figures.seconds(cost["build"]["seconds"]["median"]),
        figures.size(cost["bytes"]),
    ]


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    for cells in (head, ["---", *["---:"] * (len(head) - 1)], *rows):
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
