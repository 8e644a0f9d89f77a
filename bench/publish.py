"""Keep a bench's results as the project's own, and write the tables of the README from them.

Usage: python bench/publish.py RESULTS.json (what `vecsearch bench ... --out DIR` wrote into DIR)

It writes bench/results/COMMIT.json, with figures and digests but no text of any query or document,
and the parts of the README between the marks; what it says of queries without labels is from
vecsearch/bench/validity.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vecsearch.bench.known_items.validity import validity
from vecsearch.bench.report import figures

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("<!-- results -->", "<!-- end of results -->")
VALIDITY = ("<!-- validity -->", "<!-- end of validity -->")
TEXTS = ("queries", "details", "titles")
COST_OF = "scifact"
"""The collection whose costs stand in the README."""


def main() -> None:
    """Publish the results that the command line names."""
    if len(sys.argv) != 2:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    results = json.loads(Path(sys.argv[1]).read_bytes())
    commit = results["environment"]["commit"]
    if commit is None or "changes" in commit:
        print(f"The results are of {commit}: publish those of a commit.", file=sys.stderr)
        sys.exit(1)
    for name in TEXTS:
        results[name] = {}
    for entry in results["corpora"].values():
        entry["path"] = Path(entry["path"]).name  # where it lay is nobody's concern
    for entry in results["systems"].values():
        if "file" in entry["definition"]:
            entry["definition"]["file"] = Path(entry["definition"]["file"]).name
    kept = ROOT / "bench" / "results" / f"{commit[:12]}.json"
    text = json.dumps(results, separators=(",", ":"))
    kept.write_text(text + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(published(readme.read_text(encoding="utf-8"), results, kept.name), "utf-8")
    print(f"Wrote {kept.relative_to(ROOT)} and the tables of README.md.")


def published(readme: str, results: dict[str, Any], name: str) -> str:
    """Return the README with the tables of results."""
    readme = _between(readme, RESULTS, tables(results, name))
    return _between(readme, VALIDITY, validity_table())


def _between(text: str, marks: tuple[str, str], lines: Iterable[str]) -> str:
    before, _, rest = text.partition(marks[0])
    after = rest.partition(marks[1])[2]
    return "\n".join([f"{before}{marks[0]}", *lines, f"{marks[1]}{after}"])


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


def tables(results: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the lines that stand between the marks."""
    systems = list(results["systems"])
    baseline = results["baseline"]
    yield f"nDCG@10 on the test queries; ▲ is shown to be better than {baseline}, ▼ worse:"
    yield ""
    yield from _table(
        ["collection", "queries", *systems],
        [
            [
                corpus,
                f"{entry['queries']:,}",
                *(_score(results, corpus, system) for system in systems),
            ]
            for corpus, entry in results["corpora"].items()
        ],
    )
    stamp = results["cost_stamps"][COST_OF]
    yield ""
    yield (
        f"What they cost on {COST_OF} ({results['corpora'][COST_OF]['documents']:,} documents; "
        f"{stamp['machine']}, of which other work took {figures.digits(stamp['others'], 2)} cores; "
        f"medians of {stamp['rounds']} rounds in turns, builds that take long but once):"
    )
    yield ""
    yield from _table(
        ["system", "query p50", "p99", "queries/s in batch", "cold command", "build", "on disk"],
        [[system, *_costs(results["costs"][COST_OF][system])] for system in systems],
    )
    verdicts = [
        each["text"]
        for each in results["comparisons"]
        if each["measure"] == "nDCG@10" and each["corpus"] == COST_OF
    ]
    yield ""
    yield f"On {COST_OF}, compared with {baseline}:"
    yield ""
    yield from (f"- {text}" for text in verdicts)
    yield ""
    yield (
        f"Source: [bench/results/{name}](bench/results/{name}), made by `vecsearch bench "
        "COLLECTION... --out DIR` and `python bench/publish.py DIR/results.json`."
    )


def _score(results: dict[str, Any], corpus: str, system: str) -> str:
    marks = {
        each["system"]: {"better": " ▲", "worse": " ▼"}.get(each["verdict"], "")
        for each in results["comparisons"]
        if each["corpus"] == corpus and each["measure"] == "nDCG@10"
    }
    return figures.score(results["scores"][corpus][system]["nDCG@10"]) + marks.get(system, "")


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
