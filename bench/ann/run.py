"""Nearest neighbours with a contract: against other libraries, repeated, filtered, in batches.

    python bench/ann/make.py PASSAGES QUESTIONS VECTORS
    python bench/ann/run.py VECTORS --scratch DIR --out bench/results/ann.json [--only NAME ...]

See README.md beside this file. One thread; times are CPU seconds of this process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")

import click
import numpy as np
from comparing import pareto
from engines import one_thread
from filtering import filters
from growing import batches, growth
from honesty import honesty

from vecsearch.bench.environment import environment
from vecsearch.types import Vectors

ROWS: Final = 200_000

PARTS: Final[dict[str, Callable[[Vectors, Vectors, Path], Any]]] = {
    "pareto": lambda v, q, s: pareto(v[:ROWS], q, s),
    "honesty": lambda v, q, s: honesty(v[:ROWS], q, s),
    "filters": lambda v, q, s: filters(v[:ROWS], q, s),
    "batches": batches,
    "growth": growth,
}


@click.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.option("--scratch", type=click.Path(path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)))
def main(vectors: Path, scratch: Path, out: Path, only: tuple[str, ...]) -> None:
    """Measure, and keep what was measured in OUT, part by part."""
    one_thread()
    scratch.mkdir(parents=True, exist_ok=True)
    passages = np.load(vectors / "passages.npy")
    questions = np.ascontiguousarray(np.load(vectors / "questions.npy"), np.float32)
    questions = questions[np.any(questions, axis=1)]
    told = json.loads(out.read_text()) if out.exists() else {}
    told["environment"] = environment()
    for name in only or PARTS:
        told[name] = PARTS[name](passages, questions, scratch)
        out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
