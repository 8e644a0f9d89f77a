"""Measure how far queries that are made out of a corpus itself can be trusted.

Every collection has queries that people wrote and judged. Here the same systems are measured by
those, on the split "test", and by known items of each kind, which need no judgments: does the one
tell what the other tells? The test judgments serve to validate the proxy, and that is all they are
used for: nothing of a system is tuned on them, and what is chosen by them, the default kind, is
also chosen with each collection left out, and told how it did there.

RESULTS.json keeps the collections that it has; the ones named are measured anew. What a report says
of the kinds, vecsearch/bench/validity.json, is worked out of all of them.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from vecsearch import BM25, Index, documents, evaluate, load_encoder
from vecsearch.bench.known_items import KINDS, Kind, make_known_items
from vecsearch.bench.system import Fusion, System
from vecsearch.bench.vectors import CachedEncoder
from vecsearch.corpus import BeirFolder
from vecsearch.encoders import Encoder
from vecsearch.types import Query, seen_text

VALIDITY = Path(__file__).resolve().parent.parent / "vecsearch" / "bench" / "validity.json"
MEASURE = "nDCG@10"
COUNT = 200
SEEDS = (0, 1, 2)
MOST_QUERIES = 500
"""Judged queries of a collection that are asked at most, drawn at random."""

SYSTEMS = {
    "tfidf": System("tfidf"),
    "tfidf plain": System("tfidf", analyzer="plain"),
    "bm25": System("bm25"),
    "bm25 plain": System("bm25", analyzer="plain"),
    "bm25 k1=0.9 b=0.4": System("bm25", weighting=BM25(0.9, 0.4)),
    "minilm": System("dense", encoder="minilm"),
    "hybrid": System("hybrid", encoder="minilm"),
    "rrf": System("hybrid", encoder="minilm", fusion=Fusion("rrf")),
}
LSA = "lsa"
"""Latent semantic analysis by scikit-learn: TF-IDF in 128 dimensions, fitted to the corpus."""

PACKAGES = ("vecsearch", "numpy", "faiss-cpu", "scikit-learn", "scipy", "sentence-transformers")

Rankings = list[list[tuple[str, float]]]
Figures = Mapping[str, float]


class Measured:
    """All systems over the documents of one folder."""

    def __init__(self, corpus: BeirFolder, encoder: Encoder, scratch: Path) -> None:
        self._documents = list(documents(corpus))
        kinds = {"english": encoder, "plain": None}
        self._searchers = {
            analyzer: Index.create(
                scratch / analyzer, encoder, analyzer, documents=self._documents
            ).searcher()
            for analyzer, encoder in kinds.items()
        }
        texts = [seen_text(each.title, each.text) for each in self._documents]
        words = TfidfVectorizer(sublinear_tf=True, stop_words="english")
        self._lsa = make_pipeline(words, TruncatedSVD(128, random_state=0), Normalizer())
        self._vectors = self._lsa.fit_transform(texts)

    def scores(
        self, queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]]
    ) -> dict[str, float]:
        """Return the mean of the measure for each system."""
        texts = [query.text for query in queries]
        scores = {}
        for name in (*SYSTEMS, LSA):
            rankings = self._lsa_rankings(texts) if name == LSA else self._rankings(name, texts)
            run = {query.id: dict(found) for query, found in zip(queries, rankings, strict=True)}
            judged = {query.id: qrels[query.id] for query in queries}
            scores[name] = round(evaluate(run, judged, [MEASURE]).mean(MEASURE), 4)
        return scores

    def _rankings(self, name: str, texts: Sequence[str]) -> Rankings:
        system = SYSTEMS[name]
        searcher = self._searchers[system.analyzer]
        return searcher.rank_many(texts, k=10, by=system.retriever(searcher))

    def _lsa_rankings(self, texts: Sequence[str]) -> Rankings:
        similarities = self._lsa.transform(texts) @ self._vectors.T
        best = np.argsort(-similarities, axis=1)[:, :10]
        return [
            [(self._documents[i].id, float(row[i])) for i in found]
            for row, found in zip(similarities, best.tolist(), strict=True)
        ]


def measure(folder: Path, encoder: Encoder) -> dict[str, Any]:
    """Measure a collection by its own queries, and by known items of each kind and seed."""
    corpus = BeirFolder(folder)
    qrels = corpus.qrels("test")
    judged = [query for query in corpus.queries() if query.id in qrels]
    if len(judged) > MOST_QUERIES:
        drawn = np.random.default_rng(0).choice(len(judged), MOST_QUERIES, replace=False)
        judged = [judged[i] for i in sorted(drawn.tolist())]
    with tempfile.TemporaryDirectory() as scratch:
        unaltered = Measured(corpus, encoder, Path(scratch))
        found: dict[str, Any] = {
            "queries": len(judged),
            "real": unaltered.scores(judged, qrels),
            "label_free": {},
        }
        print(folder.name, found["real"], flush=True)
        for kind in KINDS:
            samples = [known_items(folder, kind, seed, encoder, unaltered) for seed in SEEDS]
            found["label_free"][kind] = samples
    return found


def known_items(
    folder: Path, kind: Kind, seed: int, encoder: Encoder, unaltered: Measured
) -> dict[str, Any]:
    """Measure a collection by one sample of known items."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        card = make_known_items(BeirFolder(folder), made, kind, COUNT, seed)
        corpus = BeirFolder(made)
        systems = unaltered
        if kind in ("title", "sentence"):
            systems = Measured(corpus, encoder, Path(scratch))
        scores = systems.scores(corpus.queries(), corpus.qrels("test"))
    print(folder.name, kind, seed, card.made, scores, flush=True)
    return {
        "seed": seed,
        "queries": card.made,
        "documents": card.documents,
        "fit": card.fit,
        "dropped": card.dropped / card.tried,
        "scores": scores,
    }


def agreement(real: Mapping[str, float], proxy: Mapping[str, float]) -> Figures:
    """Compare what is told without labels with what is told with them.

    Where several systems win by the proxy, one of them is picked at random: the mean over them.
    """
    pair = list(real.values()), [proxy[name] for name in real]
    best = max(real.values())
    winners = [real[name] for name in real if proxy[name] == max(proxy.values())]
    words_lead = real["bm25"] > real["minilm"], proxy["bm25"] > proxy["minilm"]
    return {
        "won": float(np.mean([score == best for score in winners])),
        "sided": float(words_lead[0] == words_lead[1]),
        "tau": float(kendalltau(*pair).statistic),
        "rho": float(spearmanr(*pair).statistic),
        "regret": float(np.mean([best - score for score in winners])),
        "bias": (proxy["bm25"] - proxy["minilm"]) - (real["bm25"] - real["minilm"]),
    }


def mean(figures: Iterable[Figures]) -> Figures:
    """Average each figure."""
    listed = list(figures)
    return {name: float(np.mean([each[name] for each in listed])) for name in listed[0]}


def best_kind(kinds: Mapping[Kind, Mapping[str, Figures]], among: Iterable[str]) -> Kind:
    """Return the kind that loses least over some collections; of equal ones, by Kendall's tau."""
    means = {kind: mean(by_name[name] for name in among) for kind, by_name in kinds.items()}
    return min(means, key=lambda kind: (means[kind]["regret"], -means[kind]["tau"]))


def validity(collections: Mapping[str, Any]) -> dict[str, Any]:
    """Say for each kind how far it can be trusted, choose one, and say how the choice would do.

    It is laid out as vecsearch.bench.known_items.validity says.
    """
    kinds = {kind: {name: mean(agreement(found["real"], each["scores"])
                               for each in found["label_free"][kind])
                    for name, found in collections.items()} for kind in KINDS}  # fmt: skip
    left_out = {}
    for name in collections:
        chosen = best_kind(kinds, [other for other in collections if other != name])
        left_out[name] = chosen, kinds[chosen][name]
    return {
        "measure": MEASURE,
        "systems": [*SYSTEMS, LSA],
        "collections": list(collections),
        "samples": len(SEEDS),
        "queries": COUNT,
        "default": best_kind(kinds, list(collections)),
        "kinds": {kind: told(by_name) for kind, by_name in kinds.items()},
        "leave_one_out": {
            **rounded(mean(figures for _, figures in left_out.values())),
            "by_collection": {
                name: {"kind": chosen, **rounded(figures)}
                for name, (chosen, figures) in left_out.items()
            },
        },
        "without_measuring": rounded(without_measuring({
            name: found["real"] for name, found in collections.items()
        })),
    }  # fmt: skip


def told(by_name: Mapping[str, Figures]) -> dict[str, Any]:
    """Sum up a kind: means over collections, but samples that were right are counted."""
    means = mean(by_name.values())
    samples = len(by_name) * len(SEEDS)
    counted = {name: means[name] * samples for name in ("won", "sided")}
    figures = rounded({**means, **counted})
    return {**figures, "by_collection": {name: rounded(each) for name, each in by_name.items()}}


def without_measuring(real: Mapping[str, Figures]) -> Figures:
    """Say what is lost by the system that is best on all other collections, and by any.

    And in how many samples the better of bm25 and minilm is the one that is better most often.
    """
    fixed, random = [], []
    for left_out, scores in real.items():
        elsewhere = mean(each for name, each in real.items() if name != left_out)
        best = max(scores.values())
        fixed.append(best - scores[max(elsewhere, key=elsewhere.__getitem__)])
        random.append(best - np.mean(list(scores.values())))
    words_lead = sum(scores["bm25"] > scores["minilm"] for scores in real.values())
    sided = max(words_lead, len(real) - words_lead) * len(SEEDS)
    return {"fixed": float(np.mean(fixed)), "random": float(np.mean(random)), "sided": sided}


def rounded(figures: Figures) -> dict[str, float]:
    """Round to four decimals, as scores are."""
    return {name: round(value, 4) for name, value in figures.items()}


def commit() -> str:
    """Return the commit that was measured."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> None:
    """Measure the collections named; write the results and the validity."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("collections", type=Path, nargs="*", help="judged folders in BEIR layout")
    parser.add_argument("--vectors", type=Path, help="a file that keeps vectors between runs")
    options = parser.parse_args()
    if not options.collections and not options.results.exists():
        parser.error(f"there is no {options.results} yet, and no collection is named")
    kept = json.loads(options.results.read_bytes()) if options.results.exists() else {}
    collections = kept.get("collections", {})
    with tempfile.TemporaryDirectory() as scratch:
        vectors = options.vectors or Path(scratch) / "vectors.sqlite"
        encoder = CachedEncoder(load_encoder("minilm"), vectors)
        for folder in options.collections:
            collections[folder.name] = measure(folder, encoder)
            report = {
                "about": " ".join((__doc__ or "").split("\n\n")[1].split()),
                "commit": commit(),
                "environment": {
                    "python": platform.python_version(),
                    "machine": platform.machine(),
                    **{name: version(name) for name in PACKAGES},
                },
                "collections": collections,
            }
            options.results.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if len(collections) > 1:  # one must be left out
        VALIDITY.write_text(json.dumps(validity(collections), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
