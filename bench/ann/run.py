"""Nearest neighbours with a contract: against other libraries, repeated, filtered, in batches.

    python bench/ann/make.py PASSAGES QUESTIONS VECTORS
    python bench/ann/run.py VECTORS --scratch DIR --out ann.json [--only NAME ...]

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
from engines import prepare
from filtering import filters
from growing import batches, growth
from honesty import honesty

from vecsearch.bench.environment import environment
from vecsearch.types import Vectors

PARTS: Final[dict[str, tuple[Callable[[Vectors, Vectors, Path], Any], int | None]]] = {
    "pareto": (pareto, 200_000),
    "honesty": (honesty, 100_000),
    "filters": (filters, 200_000),
    "batches": (batches, 200_000),
    "growth": (growth, None),
}
"""What is measured, over so many of the passages."""


@click.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.option("--scratch", type=click.Path(path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)))
def main(vectors: Path, scratch: Path, out: Path, only: tuple[str, ...]) -> None:
    """Measure, and keep what was measured in OUT, part by part."""
    prepare()
    passages = np.load(vectors / "passages.npy")
    questions = np.ascontiguousarray(np.load(vectors / "questions.npy"), np.float32)
    questions = questions[np.any(questions, axis=1)]
    told = json.loads(out.read_text()) if out.exists() else {}
    told["environment"] = environment()
    for name in only or PARTS:
        measure, rows = PARTS[name]
        place = scratch if rows is None else scratch / f"first-{rows}"
        place.mkdir(parents=True, exist_ok=True)
        told[name] = measure(passages[:rows], questions, place)
        # Parts may be measured at different times.
        told["commits"] = {**told.get("commits", {}), name: told["environment"]["commit"]}
        out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
