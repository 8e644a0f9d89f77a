"""Queries one at a time, against bm25s and tantivy, after a look at whether answers are equal."""

from __future__ import annotations

import runpy
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from vecsearch import Document, Searcher
from vecsearch.bench.engine import Stopwatch

PEERS: Final = Path(__file__).resolve().parent.parent / "peers"
ROUNDS: Final = 3
DEPTHS: Final = (10, 100)
_NEAR: Final = 1e-5

Ask = Callable[[str, int], list[tuple[str, float]]]


def peer(name: str, texts: Sequence[str], folder: Path) -> Ask:
    """Build a peer over vecsearch's own terms; return what asks it, its terms looked up before."""
    module = SimpleNamespace(**runpy.run_path(str(PEERS / f"{name}.py")))
    folder.mkdir(exist_ok=True)
    documents = [Document(str(row), text) for row, text in enumerate(texts)]
    module.ENGINE.build(documents, folder, Stopwatch())
    ranker = module.ENGINE.open(folder)
    return lambda query, k: ranker.rank([query], k)[0]


def compare(searcher: Searcher, peers: dict[str, Ask], queries: Sequence[str]) -> dict[str, Any]:
    """Check the answers, then time all in turns."""
    engines = {"vecsearch": asks(searcher), **peers}
    load_kernels(searcher, queries)
    result: dict[str, Any] = {"queries": len(queries), "same": check(engines, queries)}
    for k in DEPTHS:
        rounds = []
        for _ in range(ROUNDS):
            times = {name: timed(ask, queries, k) for name, ask in engines.items()}
            rounds.append({name: summary(each) for name, each in times.items()})
        result[f"top{k}"] = {
            "rounds": rounds,
            **{
                f"{figure}_ratio": statistics.median(
                    min(each[name][figure] for name in peers) / each["vecsearch"][figure]
                    for each in rounds
                )
                for figure in ("mean_ms", "p50_ms", "p99_ms")
            },
        }
    return result


def asks(searcher: Searcher) -> Ask:
    """Return what asks vecsearch for ids and scores."""
    return lambda query, k: searcher.rank_many([query], k, by="bm25")[0]


def load_kernels(searcher: Searcher, queries: Sequence[str]) -> None:
    """Ask until vecsearch has loaded its compiled loops, as it does after a second of work."""
    until = time.perf_counter() + 5
    while time.perf_counter() < until:
        searcher.rank_many(queries, 10, by="bm25")


def check(engines: dict[str, Ask], queries: Sequence[str]) -> dict[str, float]:
    """Return the greatest relative difference from bm25s' scores, and the overlap with tantivy.

    Raise SystemExit where bm25s gives other scores.
    """
    worst, overlaps = 0.0, []
    for query in queries:
        found = engines["vecsearch"](query, 10)
        if "bm25s" in engines:
            other = engines["bm25s"](query, 10)
            ours, theirs = (np.array([score for _, score in each]) for each in (found, other))
            same = len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=_NEAR, atol=0)
            if not same:
                raise SystemExit(f"bm25s gives other scores for {query!r}: {found} and {other}.")
            if len(ours):
                worst = max(worst, float(np.max(np.abs(ours - theirs) / ours)))
        if "tantivy" in engines and found:
            ids = {name for name, _ in engines["tantivy"](query, 10)}
            overlaps.append(len(ids & {name for name, _ in found}) / len(found))
    return {
        "bm25s_worst_relative_difference": worst,
        "tantivy_overlap_at_10": statistics.mean(overlaps) if overlaps else 0.0,
    }


def timed(ask: Ask, queries: Sequence[str], k: int) -> list[float]:
    """Return the seconds of each query."""
    for query in queries[:20]:
        ask(query, k)
    times = []
    for query in queries:
        started = time.perf_counter()
        ask(query, k)
        times.append(time.perf_counter() - started)
    return times


def summary(times: Sequence[float]) -> dict[str, float]:
    """Return mean, median and 99th percentile in milliseconds."""
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "mean_ms": statistics.mean(times) * 1e3,
        "p50_ms": float(p50) * 1e3,
        "p99_ms": float(p99) * 1e3,
    }
