"""Measure tfidf, bm25, dense and hybrid on judged collections, through the command line alone.

Usage: python bench/effectiveness.py RESULTS.json COLLECTION... (folders in BEIR layout)

Each collection is indexed, its queries are run, and the runs evaluated on the test split, with
default parameters throughout. The results name every command, so that each figure can be had again.
"""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

SYSTEMS = ("tfidf", "bm25", "dense", "hybrid")
MEASURES = ("nDCG@10", "R@100")
PACKAGES = ("vecsearch", "numpy", "faiss-cpu", "torch", "sentence-transformers", "PyStemmer")


def vecsearch(*words: object) -> str:
    """Run a command and return what it printed."""
    command = [sys.executable, "-m", "vecsearch", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(collection: Path, scratch: Path) -> dict[str, dict[str, float]]:
    """Return system -> measure -> mean over the test queries of a collection."""
    index = scratch / f"{collection.name}.index"
    vecsearch("index", collection, index)
    options = [word for name in MEASURES for word in ("--measure", name)]
    scores = {}
    for system in SYSTEMS:
        run = scratch / f"{collection.name}.{system}.run"
        vecsearch("search", index, "--queries", collection / "queries.jsonl", "--by", system,
                  "--run", run)  # fmt: skip
        found = vecsearch("eval", run, collection / "qrels/test.tsv", "--json", *options)
        scores[system] = json.loads(found)
        print(collection.name, system, scores[system], flush=True)
    return scores


def commit() -> str:
    """Return the commit that was measured."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> None:
    """Measure every collection named and write the results."""
    if len(sys.argv) < 3:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    results, *collections = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        scores = {folder.name: measure(folder, Path(scratch)) for folder in collections}
    names = " ".join(shlex.quote(folder.name) for folder in collections)
    report = {
        "command": f"python bench/effectiveness.py {results.name} {names}",
        "commit": commit(),
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{name: version(name) for name in PACKAGES},
        },
        "scores": scores,
    }
    results.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
