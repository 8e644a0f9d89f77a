"""The road from bag-of-words to fine-tuned Transformers: trains every encoder and measures each.

Usage: python bench/road.py DATA OUT TWIN

TWIN is the untrained twin of `small`, which bench/small/make.py writes. DATA holds the collections
scifact, nfcorpus, cranfield, npl and squad11, folders in BEIR layout. In OUT, what is there already
isn't made again; so after an interruption, call it again:

documents/   the documents of all five, without any query or judgment; the same for every kind
squad11/     squad11 with 2,000 of its test questions, drawn with a seed
models/      the encoders: five kinds trained on documents/ for 15 minutes each, on the CPU, and
             minilm fine-tuned, whole and by adapters, on the judgments of a split "train"
reports/     road: each alone and fused with BM25 on all five, and on the project's own two;
             scifact, nfcorpus: the fine-tuned ones against minilm, on the collection that they are
             for; small: against its twin; costs: on scifact
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vecsearch import TrainingSettings, documents, open_corpus, read_qrels, train
from vecsearch.bench.suite import run
from vecsearch.bench.systems import FUSED
from vecsearch.training.progress import Progress
from vecsearch.training.settings import Kind

CORPORA: Final = Path(__file__).resolve().parent.parent / "corpora"
COLLECTIONS: Final = ("scifact", "nfcorpus", "cranfield", "npl", "squad11")
OWN: Final = ("lighthouse", "paraphrases")
"""The project's own collections, which no encoder learns from."""

REPORTS: Final = ("road", "small", "scifact", "nfcorpus", "costs")
QUESTIONS: Final = 2000
MINUTES: Final = 15
"""How long each kind may learn."""

FROM_TEXTS: Final[tuple[Kind, ...]] = ("lsa", "skipgram", "contrastive-bag", "gru", "transformer")
FINETUNED: Final = {
    "scifact": TrainingSettings(device="cpu"),
    "nfcorpus": TrainingSettings(device="cpu", steps=140),
}
"""Those with a split "train"; NFCorpus has so many pairs that the steps see but some of them."""


def main() -> None:
    """Make what isn't there yet, then measure."""
    if len(sys.argv) != 4:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    data, out, twin = map(Path, sys.argv[1:])
    models = out / "models"
    models.mkdir(parents=True, exist_ok=True)
    gather(data, out / "documents")
    sample(data / "squad11", out / "squad11")
    for kind in FROM_TEXTS:
        timed = kind != "lsa"  # which takes what it takes: seconds
        settings = TrainingSettings(device="cpu", minutes=MINUTES if timed else None)
        learn(out / "documents", models / kind, kind, settings)
    for name, settings in FINETUNED.items():
        for lora in (False, True):
            to = models / f"{name}-{'lora' if lora else 'whole'}"
            learn(data / name, to, "finetune", dataclasses.replace(settings, lora=lora))
    measure(data, out, models, twin)


def gather(data: Path, out: Path) -> None:
    """Write all documents into one corpus."""
    if out.exists():
        return
    scratch = out.with_name(f"{out.name}.part")
    scratch.mkdir(exist_ok=True)
    with (scratch / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for name in COLLECTIONS:
            for each in documents(open_corpus(str(data / name))):
                record = {"_id": f"{name}:{each.id}", "title": each.title, "text": each.text}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    scratch.rename(out)


def sample(source: Path, out: Path) -> None:
    """Copy a collection with some of its test queries."""
    if out.exists():
        return
    scratch = out.with_name(f"{out.name}.part")
    (scratch / "qrels").mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        shutil.copy(source / name, scratch / name)
    qrels = read_qrels(source / "qrels" / "test.tsv")
    chosen = random.Random(0).sample(sorted(qrels), QUESTIONS)
    rows = [f"{query}\t{id}\t{grade}" for query in chosen for id, grade in qrels[query].items()]
    text = "\n".join(["query-id\tcorpus-id\tscore", *rows, ""])
    (scratch / "qrels" / "test.tsv").write_text(text, encoding="utf-8")
    scratch.rename(out)


def learn(corpus: Path, out: Path, kind: Kind, settings: TrainingSettings) -> None:
    """Train an encoder that isn't there yet; keep it even if it isn't shown to be better."""
    if out.exists():
        return
    told = ""

    def show(progress: Progress) -> None:
        nonlocal told
        if progress.what != told:
            told = progress.what
            print(f"{out.name}: {told}", flush=True)

    report = train(corpus, out, kind, settings, overwrite=True, keep_anyway=True, show=show)
    print(*report.sentences(), sep="\n", flush=True)


def measure(data: Path, out: Path, models: Path, twin: Path) -> None:
    """Compare all of them, each alone and fused with BM25."""
    places = [str(models / kind) for kind in FROM_TEXTS]
    everywhere = ["tfidf", "bm25", *fused([*places, "small", "minilm"])]
    corpora = [str(data / name) for name in COLLECTIONS[:-1]] + [str(out / "squad11")]
    own = [str(CORPORA / name) for name in OWN]
    compare(out, "road", [*corpora, *own], everywhere, None)
    against = [str(data / "scifact"), str(data / "nfcorpus"), str(CORPORA / "paraphrases")]
    compare(out, "small", against, [str(twin), "small"], str(twin))
    for name in FINETUNED:
        tuned = [str(models / f"{name}-{kind}") for kind in ("lora", "whole")]
        compare(out, name, [str(data / name)], ["bm25", *fused(["minilm", *tuned])], "minilm")
    alone = ["tfidf", "bm25", *places, "small", "minilm"]
    compare(out, "costs", [str(data / "scifact")], alone, None, costs=True)


def fused(encoders: Sequence[str]) -> list[str]:
    """Name each encoder alone and fused with BM25."""
    return [*encoders, *(f"{FUSED}{each}" for each in encoders)]


def compare(
    out: Path,
    name: str,
    corpora: list[str],
    systems: list[str],
    baseline: str | None,
    *,
    costs: bool = False,
) -> None:
    """Write one report."""
    to = out / "reports" / name
    if (to / "results.json").exists():
        return
    print(f"{name}: measuring", flush=True)
    run(corpora, systems, baseline=baseline, costs=costs, out=to, cache=out / "cache")


if __name__ == "__main__":
    main()
