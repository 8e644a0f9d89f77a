"""What was measured, as the rows of the tables of speed: what, the figure, the goal.

What wasn't measured isn't in a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

PEERS: Final = {
    "faiss": "sentence-transformers with FAISS",
    "txtai": "txtai",
    "chromadb": "chromadb",
}
COLD_GOALS: Final = {"minilm": "5", "small": "3"}
SPEED_GOALS: Final = {0.95: "1.2", 0.99: "2.5"}
LANGUAGES: Final = {
    "english": ("English", "15"),
    "mixed_scripts": ("nine other languages (also Chinese, Japanese, Thai)", "8"),
}
"""What is said of texts, and the goal."""

Found: TypeAlias = Mapping[str, Any]


class Row(NamedTuple):
    """What was measured, the figure, the goal; and whether it is among the few of the README."""

    what: str
    figure: str
    goal: str = ""
    brief: bool = False


def tokenizing(found: Found) -> Iterator[Row]:
    """Yield how fast terms are found."""
    for part, (languages, goal) in LANGUAGES.items():
        ratios = found[part]["ratio_to_bm25s"]
        yield Row(
            f"terms of {languages} found, times as fast as bm25s.tokenize: new ones, known ones",
            f"{ratios['new']:.1f}, {ratios['known']:.1f}",
            goal,
            brief=True,
        )


def lexical(found: Found) -> Iterator[Row]:
    """Yield what bag-of-words takes beside its peers."""
    if "builds" in found:
        each = found["builds"]
        yield Row("build, times as fast as bm25s", f"{each['bm25s_ratio']:.1f}", "10", brief=True)
        tantivy = f"{each['tantivy_ratio']:.1f}"
        yield Row("build, times as fast as tantivy with two threads", tantivy, "4", brief=True)
        yield Row("bytes on disk, of those of the text", f"{each['bytes_of_text']:.2f}", "1.5")
    if "queries" in found:
        for depth in ("top10", "top100"):
            each = found["queries"][depth]
            told = f"query, {depth.replace('top', 'top ')}, times as fast as the faster peer"
            ratios = (each[f"{name}_ms_ratio"] for name in ("mean", "p50", "p99"))
            figure = ", ".join(f"{ratio:.1f}" for ratio in ratios)
            yield Row(f"{told}: mean, p50, p99", figure, "3", brief=True)
        same = found["queries"]["same"]
        worst, overlap = same["bm25s_worst_relative_difference"], same["tantivy_overlap_at_10"]
        yield Row(
            "greatest relative difference from bm25s' scores; overlap of the first ten with "
            "tantivy's",
            f"{worst:.1e}; {overlap:.2f}",
            "1e-5",
        )
    if "batches" in found:
        share = found["batches"]["threads_of_processes"]
        yield Row("two threads, of the speed of two processes", f"{share:.2f}", ".85")
    if "live" in found:
        each = found["live"]
        yield Row(
            f"after {each['commits']} commits ({each['segments']} segments) and 10% deletes, of "
            "the time of a clean index",
            f"{each['mean_ratio']:.2f}",
            "1.3",
        )
    if "cold" in found:
        ratio = f"{found['cold']['ratio']:.1f}"
        yield Row('cold command, of the time of `python -c "import numpy"`', ratio, "3")
    if "memory" in found:
        sizes = ", ".join(f"{int(size):,}" for size in found["memory"])
        peaks = ", ".join(f"{each['peak_mb']:,.0f}" for each in found["memory"].values())
        yield Row(f"MB of memory, but for mapped files, to build {sizes} documents", peaks, "flat")
    for size, each in found.get("growth", {}).items():
        yield Row(
            f"{int(size):,} documents: build, query mean, p99",
            f"{each['build_s']:.1f} s, {each['mean_ms']:.2f} ms, {each['p99_ms']:.2f} ms",
            "",
        )


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
            brief = name == "bf16" and threads != "1"
            yield Row(f"documents encoded, times as fast, {told}: {what}", ratio, goal, brief)
    each = found["fidelity"]["bf16"]
    cosines = f"{each['mean_cosine']:.5f}, {each['least_cosine']:.5f}"
    yield Row("cosine of bf16 with float32: mean, least", cosines, ".9999, .999")
    for name, scores in found["ndcg_at_10"].items():
        figures = f"{scores['bf16']:.4f}, {scores['fp32']:.4f}"
        yield Row(f"nDCG@10 on {name}: bf16, float32", figures, "within .001")


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
        yield Row(
            f'a cold query, times `python -c "import numpy"`: {what}',
            f"{each['ratio']:.1f}",
            goal,
            brief=by in ("", "hybrid"),
        )
    for key, ratio in found["warm"].items():
        name, _, kind = key.rpartition("_")
        if kind == "ratio" and name != "stock":
            what = f"a warm search, of the time of `SentenceTransformer.encode` alone: by {name}"
            yield Row(what, f"{ratio:.2f}", ".5")


def indexing(found: Found) -> Iterator[Row]:
    """Yield what indexing takes beside encoding."""
    if "overlap" in found:
        each = found["overlap"]
        what = f"indexing {each['documents']:,} passages, of the time of encoding alone"
        yield Row(what, f"{each['ratio']:.2f}", "1.1")
    if "again" in found:
        each = found["again"]["1% changed"]
        what = f"texts encoded when 1% of {each['rows']:,} has changed"
        yield Row(what, f"{each['encoded']:,}", f"{each['rows'] // 100:,}")
    if "memory" in found:
        each = found["memory"]
        most = max(each["peak_bytes"].values()) / 1e6
        yield Row("MB that indexing holds at most, but for mapped files", f"{most:,.0f}", "1,500")
        yield Row("bytes of it for each document more", f"{each['bytes_per_document']:.0f}", "16")


def nearest(found: Found) -> Iterator[Row]:
    """Yield what nearest neighbours take."""
    if "pareto" in found:
        for each in found["pareto"]["at_recall"]:
            goal = SPEED_GOALS.get(each["target"], "")
            ours = each["libraries"]["vecsearch"]
            yield Row(
                f"recall@10 of {each['target']}, {each['way']}: times as fast; times as fast "
                "built as the best peer, as the quickest; bytes a vector",
                f"{each['ratio']:.2f}; {each['build_ratio']:.0f}, "
                f"{each['build_ratio_to_quickest']:.0f}; {ours['bytes_per_vector']:.0f}",
                f"{goal or '-'}; 10",
                brief=each["target"] == 0.95,
            )
    for each in found.get("honesty", ()):
        what = f"of {each['tunings']} tunings, how many kept a recall of {each['target']}"
        figures = f"{each['honoured']}; {each['point_estimate_honoured']}"
        yield Row(f"{what}, with {each['queries']:,} queries; a point estimate's", figures, "91")
    if "filters" in found:
        rows = found["filters"]
        costs = sorted(each["of_best"] for each in rows)
        within = sum(cost <= 1.5 for cost in costs)
        yield Row(
            f"{len(rows)} filtered searches, 90% to .1% pass: times the best of three ways, worst",
            f"{costs[-1]:.2f}, {within} within 1.5",
            "1.5",
        )
        least = min(each["recall"] for each in rows)
        yield Row(
            f"{len(rows)} filtered searches: least recall@10, promised .95", f"{least:.3f}", ".95"
        )
    for each in found.get("batches", ()):
        what = f"exact search, {each['queries']:,} queries at once, times as fast as FAISS"
        goal = "10" if each["queries"] >= 64 else ""
        yield Row(what, f"{each['ratio']:.1f}", goal, brief=each["queries"] == 64)
    if "growth" in found:
        for name, power in found["growth"]["power_of_n"].items():
            way, _, target = name.partition(" at ")
            asked = "one by one" if way == "alone" else "in batches"
            what = f"a query's time grows as n to the power of, recall {target}, {asked}"
            yield Row(what, f"{power:.2f}", "below .5")
