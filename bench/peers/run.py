"""Measure vecsearch against all peers, on the same work: one command for `vecsearch bench`.

Usage: python bench/peers/run.py CORPUS... --out DIR (and any other option of `vecsearch bench`)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OURS = ("bm25", "tfidf", "minilm")
PEERS = (
    "bm25s",
    "bm25s_numpy",
    "tantivy",
    "sklearn_tfidf",
    "semantic_search",
    "hnswlib",
    "usearch",
)
HERE = Path(__file__).resolve().parent


def command(words: list[str]) -> list[str]:
    """Return the command that measures every system of ours that a peer answers like, and all."""
    systems = [*OURS, *(os.path.relpath(HERE / f"{name}.py") for name in PEERS)]
    named = [word for system in systems for word in ("--system", system)]
    return [sys.executable, "-m", "vecsearch", "bench", *words, *named]


def main() -> int:
    """Run the command; its exit status is ours."""
    if len(sys.argv) < 2:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        return 2
    return subprocess.run(command(sys.argv[1:]), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
