"""The tables of embeddings and of nearest neighbours in MEASUREMENTS.md, made of what was measured.

    python bench/measurements.py

Sources: encoding.json, cold.json, indexing.json and ann.json in bench/results. What wasn't measured
isn't in a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

ROOT: Final = Path(__file__).parents[1]
MEASUREMENTS: Final = ROOT / "MEASUREMENTS.md"
RESULTS: Final = ROOT / "bench" / "results"
PEERS: Final = {
    "faiss": "sentence-transformers with FAISS",
    "txtai": "txtai",
    "chromadb": "chromadb",
}
COLD_GOALS: Final = {"minilm": "5", "small": "3"}
SPEED_GOALS: Final = {0.95: "1.2", 0.99: "2.5"}

Found: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[str, str, str]
"""What, the figure, the goal."""


def encoding(found: Found) -> Iterator[Row]:
    """Yield what encoding many documents takes."""
    for threads, systems in found["threads"].items():
        told = "one thread" if threads == "1" else f"{threads} threads"
        for name, what, goal in (
            ("bf16", "bf16", "4"),
            ("fp32", "float32", "1.5"),
            ("st_bf16", "sentence-transformers in bf16", ""),
        ):
            ratio = f"{systems[name]['ratio_to_stock']:.2f}"
            yield f"documents encoded, times as fast, {told}: {what}", ratio, goal
    each = found["fidelity"]["bf16"]
    cosines = f"{each['mean_cosine']:.5f}, {each['least_cosine']:.5f}"
    yield "cosine of bf16 with float32: mean, least", cosines, ".9999, .999"
    for name, scores in found["ndcg_at_10"].items():
        figures = f"{scores['bf16']:.4f}, {scores['fp32']:.4f}"
        yield f"nDCG@10 on {name}: bf16, float32", figures, "within .001"


def cold(found: Found) -> Iterator[Row]:
    """Yield what one query takes."""
    for name, each in found["cold"].items():
        encoder, _, by = name.partition(", ")
        if by:
            goal = COLD_GOALS[encoder] if by != "bm25" else ""
            what = f"`vecsearch search --by {by}`, {encoder}"
        elif name in PEERS:
            what, goal = PEERS[name], ""
        else:
            continue
        yield (
            f'a cold query, times `python -c "import numpy"`: {what}',
            f"{each['ratio']:.1f}",
            goal,
        )
    for key, ratio in found["warm"].items():
        name, _, kind = key.rpartition("_")
        if kind == "ratio" and name != "stock":
            what = f"a warm search, of the time of `SentenceTransformer.encode` alone: by {name}"
            yield what, f"{ratio:.2f}", ".5"


def indexing(found: Found) -> Iterator[Row]:
    """Yield what indexing takes beside encoding."""
    if "overlap" in found:
        each = found["overlap"]
        what = f"indexing {each['documents']:,} passages, of the time of encoding alone"
        yield what, f"{each['ratio']:.2f}", "1.1"
    if "again" in found:
        each = found["again"]["1% changed"]
        what = f"texts encoded when 1% of {each['rows']:,} has changed"
        yield what, f"{each['encoded']:,}", f"{each['rows'] // 100:,}"
    if "memory" in found:
        each = found["memory"]
        most = max(each["peak_bytes"].values()) / 1e6
        yield "MB that indexing holds at most, but for mapped files", f"{most:,.0f}", "1,500"
        yield "bytes of it for each document more", f"{each['bytes_per_document']:.0f}", "16"


def nearest(found: Found) -> Iterator[Row]:
    """Yield what nearest neighbours take."""
    if "pareto" in found:
        for each in found["pareto"]["at_recall"]:
            goal = SPEED_GOALS.get(each["target"], "")
            ours = each["libraries"]["vecsearch"]
            yield (
                f"recall@10 of {each['target']}, {each['way']} ({ours['name'].split()[1]}): "
                "times as fast as the best peer; times as fast built as it, as the quickest; "
                "bytes a vector in memory",
                f"{each['ratio']:.2f}; {each['build_ratio']:.0f}, "
                f"{each['build_ratio_to_quickest']:.0f}; {ours['bytes_per_vector']:.0f}",
                f"{goal or '-'}; 10",
            )
    for each in found.get("honesty", ()):
        what = f"of {each['tunings']} tunings, how many kept a recall of {each['target']}"
        figures = f"{each['honoured']}; {each['point_estimate_honoured']}"
        yield f"{what}, with {each['queries']:,} queries; a point estimate's", figures, "91"
    if "filters" in found:
        rows = found["filters"]
        costs = sorted(each["of_best"] for each in rows)
        within = sum(cost <= 1.5 for cost in costs)
        yield (
            f"{len(rows)} filtered searches, 90% to .1% pass: times the best of three ways, worst",
            f"{costs[-1]:.2f}, {within} within 1.5",
            "1.5",
        )
        least = min(each["recall"] for each in rows)
        yield f"{len(rows)} filtered searches: least recall@10, promised .95", f"{least:.3f}", ".95"
    for each in found.get("batches", ()):
        what = f"exact search, {each['queries']:,} queries at once, times as fast as FAISS"
        yield what, f"{each['ratio']:.1f}", "10" if each["queries"] >= 64 else ""
    if "growth" in found:
        for name, power in found["growth"]["power_of_n"].items():
            way, _, target = name.partition(" at ")
            asked = "one by one" if way == "alone" else "in batches"
            what = f"a query's time grows as n to the power of, recall {target}, {asked}"
            yield what, f"{power:.2f}", "below .5"


def read(name: str) -> Found:
    """Read a file of results; nothing where there is none."""
    path = RESULTS / name
    found: Found = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def table(rows: Iterable[Row], sources: Mapping[str, str]) -> str:
    """Return the lines of a Markdown table, and where its figures are from."""
    lines = ["| what | figure | goal |", "| --- | ---: | ---: |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    files = ", ".join(
        f"[{name}](bench/results/{name}) (`{command}`)"
        for name, command in sources.items()
        if (RESULTS / name).exists()
    )
    return "\n".join([*lines, "", f"Sources: {files}."])


def placed(document: str, mark: str, text: str) -> str:
    """Return a document with a text between its marks."""
    start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, _, rest = document.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{text}\n{end}{after}"


def written(document: str) -> str:
    """Return the document with both tables as they follow from the results."""
    measured = ((encoding, "encoding.json"), (cold, "cold.json"), (indexing, "indexing.json"))
    rows = [row for tell, name in measured if (found := read(name)) for row in tell(found)]
    made = {name: f"python bench/{Path(name).stem}.py" for _, name in measured}
    document = placed(document, "embeddings", table(rows, made))
    made = {"ann.json": "python bench/ann/run.py"}
    return placed(document, "nearest", table(nearest(read("ann.json")), made))


if __name__ == "__main__":
    MEASUREMENTS.write_text(written(MEASUREMENTS.read_text(encoding="utf-8")), encoding="utf-8")
