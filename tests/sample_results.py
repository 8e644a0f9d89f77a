"""Made-up results of a bench, whole and plausible: what reports are tested with."""

from __future__ import annotations

from typing import get_args

import numpy as np

from vecsearch.bench.comparisons import compare
from vecsearch.bench.engine import Stage
from vecsearch.bench.results import VERSION, Cost, Results, Spread
from vecsearch.bench.statistics import bootstrap_interval
from vecsearch.measures import Scores

MEASURES = ["nDCG@10", "R@100", "RR@10", "Judged@10"]
SYSTEMS = {
    # name: (label, kind, mean quality, seconds of a query, seconds to build)
    "bm25": ("bm25", "system", 0.62, 0.0011, 2.4),
    "tfidf": ("tfidf", "system", 0.58, 0.0010, 2.3),
    "minilm": ("minilm", "system", 0.70, 0.0121, 160.0),
    "bench/peers/bm25s_peer.py": ("bm25s_peer", "peer", 0.618, 0.0006, 3.1),
    "anserini": ("anserini", "run", 0.63, None, None),
}
CORPORA = {"harbour": (5183, 0), "scifact": (1400, 1)}


def sample_results(
    queries: int = 60, corpora: list[str] | None = None, systems: int = 5, seed: int = 7
) -> Results:
    """Return results of `systems` systems; beyond the five that have names they are numbered."""
    rng = np.random.default_rng(seed)
    names = {**SYSTEMS}
    for n in range(len(names), systems):
        names[f"variant-{n}"] = (
            f"variant-{n}",
            "system",
            rng.uniform(0.4, 0.7),
            rng.uniform(0.001, 0.02),
            rng.uniform(2, 200),
        )
    names = dict(list(names.items())[:systems])
    results: Results = {
        "schema": VERSION,
        "vecsearch": "0.1.0",
        "created": "2026-11-22T21:04:05+00:00",
        "baseline": "bm25",
        "measures": list(MEASURES),
        "depth": 100,
        "corpora": {},
        "systems": {
            name: {
                "label": label,
                "about": f"{label}: what it does, in a line",
                "kind": kind,
                "definition": {
                    "representation": label,
                    "weighting": {"k1": 0.9, "b": 0.4},
                    "passages": None,
                },
                "digest": f"{n:064x}",
            }
            for n, (name, (label, kind, *_)) in enumerate(names.items())
        },
        "scores": {},
        "intervals": {},
        "per_query": {},
        "comparisons": [],
        "recall": {},
        "features": {},
        "costs": {},
        "cost_stamps": {},
        "agreement": [],
        "queries": {},
        "details": {},
        "titles": {},
        "environment": {
            "machine": "A Processor 3000, 2 cores, 8 GiB, Linux x86_64",
            "python": "3.11.2",
            "packages": {"numpy": "2.1.0", "faiss-cpu": "1.11.0"},
            "code": "c0de" * 8,
            "commit": None,
        },
    }
    every: dict[str, dict[str, Scores]] = {}
    for corpus in CORPORA if corpora is None else corpora:
        documents, generated = CORPORA[corpus]
        _add_corpus(results, every, corpus, names, queries, documents, bool(generated), rng)
    results["comparisons"] = compare(every, "bm25", MEASURES[:3])
    return results


def _add_corpus(results, every, corpus, names, queries, documents, generated, rng) -> None:
    ids = [f"q{n}" for n in range(1, queries + 1)]
    words = [
        "reef",
        "tide",
        "lamp",
        "mooring",
        "chart",
        "keel",
        "fog",
        "signal",
        "ballast",
        "swell",
    ]
    sentence = lambda count: " ".join(rng.choice(words, count))  # noqa: E731
    trust = (
        "On five judged collections such queries named the real winner 4 times out of 5, with a "
        "mean rank correlation of .74; differences below .03 meant nothing."
    )
    results["corpora"][corpus] = {
        "path": f"data/{corpus}",
        "digest": "ab" * 32,
        "documents": documents,
        "queries": queries,
        "judgments": queries * 3,
        "split": "test",
        "notes": ["3 queries have no judgments and were left out."],
        "generated": {"kind": "title", "seed": 1, "trust": trust} if generated else None,
    }
    results["queries"][corpus] = {each: sentence(int(rng.integers(3, 16))) for each in ids}
    hardness = rng.normal(0, 0.28, queries)
    per: dict[str, Scores] = {}
    for name, (_, _, quality, *_) in names.items():
        base = np.clip(quality + hardness + rng.normal(0, 0.11, queries), 0, 1).round(4)
        scales = (base, np.sqrt(base), np.clip(base + 0.04, 0, 1), np.clip(0.7 + 0.2 * base, 0, 1))
        per[name] = Scores(
            {
                m: dict(zip(ids, map(float, v), strict=True))
                for m, v in zip(MEASURES, scales, strict=True)
            }
        )
    every[corpus] = per
    results["per_query"][corpus] = {
        s: {m: dict(v) for m, v in p.per_query.items()} for s, p in per.items()
    }
    results["scores"][corpus] = {s: {m: p.mean(m) for m in MEASURES} for s, p in per.items()}
    results["intervals"][corpus] = {
        s: {m: list(bootstrap_interval(np.array(list(v.values())))) for m, v in p.per_query.items()}
        for s, p in per.items()
    }
    results["recall"][corpus] = {
        s: [
            [float(k), float(quality * (1 - np.exp(-(k**0.5) / 2)))]
            for k in (1, 2, 3, 5, 10, 20, 30, 50, 100)
        ]
        for s, (_, _, quality, *_) in names.items()
    }
    results["features"][corpus] = [
        _feature(name, n) for name in names if name != "bm25" for n in range(3)
    ]
    timed = {name: each for name, each in names.items() if each[3] is not None}
    results["costs"][corpus] = {
        name: _cost(*each[3:], documents, queries, name, rng) for name, each in timed.items()
    }
    results["cost_stamps"][corpus] = {
        "measured": "2026-11-22T21:00:00+00:00",
        "rounds": 3,
        "queries": queries,
        "others": 0.43,
        "machine": "A Processor 3000, 2 cores, 8 GiB, Linux x86_64",
    }
    if "bench/peers/bm25s_peer.py" in names:
        results["agreement"].append(
            {
                "corpus": corpus,
                "system": "bench/peers/bm25s_peer.py",
                "same_as": "bm25",
                "overlap": 0.996,
                "largest_difference": 2e-6,
            }
        )
    results["titles"][corpus] = {f"d{n}": sentence(6).capitalize() for n in range(1, 200)}
    pool = list(results["titles"][corpus])
    results["details"][corpus] = {}
    for query in ids[:200]:
        near = rng.permutation(pool)[:18]
        best = {name: [str(d) for d in rng.permutation(near)[:10]] for name in names}
        relevant = [str(near[0]), str(near[1]), *(str(d) for d in rng.permutation(pool)[:2])]
        grades = {d: int(rng.integers(1, 3)) for d in relevant} | {str(near[4]): 0}
        ranks = {
            name: {d: best[name].index(d) + 1 for d in relevant if d in best[name]}
            | {relevant[2]: int(rng.integers(11, 100))}
            for name in names
            if relevant[2] not in best[name]
        }
        results["details"][corpus][query] = {
            "grades": grades,
            "best": best,
            "ranks": {name: ranks.get(name, {}) for name in names},
        }


def _feature(name: str, n: int):
    feature, about = [
        ("query length", "How many terms the query has; stopwords are none."),
        ("rarest term", "The highest idf among the query's terms that the corpus has."),
        ("term overlap", "The share of the query's terms that the nearest relevant document has."),
    ][n]
    rho = (0.31, -0.12, -0.44)[n]
    return {
        "system": name,
        "baseline": "bm25",
        "measure": MEASURES[0],
        "feature": feature,
        "about": about,
        "correlation": rho,
        "interval": [rho - 0.2, rho + 0.2],
        "p": (0.012, 0.4, 0.0002)[n],
        "p_holm": (0.024, 0.4, 0.0006)[n],
        "low_difference": -0.1 * rho,
        "high_difference": 0.3 * rho,
        "text": ""
        if n == 1
        else f"{name} gains on bm25 where {feature} is {'high' if rho > 0 else 'low'}.",
    }


def _spread(value: float, rng) -> Spread:
    around = sorted(float(value * f) for f in rng.uniform(0.94, 1.08, 3))
    return {"median": around[1], "low": around[0], "high": around[2], "n": 3}


def _cost(latency, build, documents, queries, name, rng) -> Cost:
    neural = build > 100
    warm = np.sort(rng.lognormal(np.log(latency), 0.35, queries))
    p = {f"p{q}": float(np.percentile(warm, q)) for q in (50, 95, 99)}
    size = documents * (1800 if neural else 420)
    stages = dict(zip(get_args(Stage), (0.05, 0.5, 0.4 if neural else 0.0, 0.05), strict=True))
    return {
        "build": {
            "seconds": _spread(build, rng),
            "documents_per_second": _spread(documents / build, rng),
            "stages": {stage: _spread(build * part, rng) for stage, part in stages.items()},
        },
        "bytes": size,
        "bytes_per_document": size / documents,
        "model_bytes": 90_900_000 if neural else 0,
        "build_memory": _spread(6e8 if neural else 9e7, rng),
        "query_memory": _spread(4.5e8 if neural else 7e7, rng),
        "cold": {q: _spread(v * 1.7, rng) for q, v in p.items()},
        "warm": {q: _spread(v, rng) for q, v in p.items()},
        "warm_latencies": [float(v) for v in warm],
        "batch_queries_per_second": _spread(2.2 / latency, rng),
        "cold_command": _spread(3.1 if neural else 0.21, rng),
    }
