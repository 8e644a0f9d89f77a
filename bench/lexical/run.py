"""BM25 against bm25s and tantivy: builds, queries, batches, live updates, cold commands, growth.

See README.md beside this file.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import click  # noqa: E402 - the libraries read the environment when they are loaded
from builds import ENGINES  # noqa: E402
from queries import ROUNDS, asks, compare, load_kernels, peer, summary, timed  # noqa: E402

from vecsearch import Document, Index, documents, open_corpus, read_qrels, read_queries  # noqa: E402
from vecsearch.bench.environment import environment  # noqa: E402
from vecsearch.types import seen_text  # noqa: E402

ASKED: Final = 1000
SIZES: Final = (10_000, 30_000, 100_000, 300_000)
COMMITS: Final = 20
COLD: Final = 15
REPEATED: Final = (1, 2, 4)


def index_of(folder: Path, rows: Sequence[tuple[str, str]]) -> Index:
    """Index texts in one commit."""
    index = Index.create(folder, None, overwrite=True)
    with index.writer() as writer:
        writer.add(Document(name, text) for name, text in rows)
    return index


def builds(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Build with each in turns."""
    source = scratch / "texts.json"
    source.write_text(json.dumps(texts), encoding="utf-8")
    script = str(Path(__file__).with_name("builds.py"))
    rounds: list[dict[str, Any]] = []
    for number in range(-1, ROUNDS):  # the first in which loops are compiled doesn't count
        took = {}
        for name in ENGINES if number >= 0 else ("vecsearch",):
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                command = [sys.executable, script, name, str(source), f"{folder}/index"]
                ran = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=as_installed()
                )
                took[name] = json.loads(ran.stdout.splitlines()[-1])
                say(f"build {name} {took[name]['wall_s']:.1f} s")
        rounds.append(took)
    rounds = rounds[1:]
    size = sum(len(text.encode()) for text in texts)
    return {
        "text_bytes": size,
        "bytes_of_text": rounds[0]["vecsearch"]["bytes"] / size,
        "rounds": rounds,
        **{
            f"{name}_ratio": statistics.median(
                each[name]["wall_s"] / each["vecsearch"]["wall_s"] for each in rounds
            )
            for name in ENGINES
            if name != "vecsearch"
        },
    }


def asked(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Ask each in turns."""
    searcher = index_of(scratch / "own", numbered(texts)).searcher()
    peers = {name: peer(name, texts, scratch / name) for name in ("bm25s", "tantivy")}
    return compare(searcher, peers, queries)


def batches(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Ask everything at once: in one thread, in two threads, in two processes."""
    folder = scratch / "own"
    searcher = index_of(folder, numbered(texts)).searcher()
    load_kernels(searcher, queries)
    halves = [list(queries[0::2]) * 8, list(queries[1::2]) * 8]

    def half(which: int) -> None:
        searcher.rank_many(halves[which], 10, by="bm25")

    rounds = []
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2) as processes:
        list(processes.map(_warm, [folder] * 2, [list(queries)] * 2))
        for _ in range(ROUNDS):
            rounds.append(
                {
                    "one_thread_s": took(lambda: list(map(half, range(2)))),
                    "two_threads_s": took(lambda: list(threads.map(half, range(2)))),
                    "two_processes_s": took(lambda: list(processes.map(_half, halves))),
                }
            )
    of_processes = (each["two_processes_s"] / each["two_threads_s"] for each in rounds)
    return {
        "rounds": rounds,
        "queries": sum(map(len, halves)),
        "threads_of_processes": statistics.median(of_processes),
    }


_OPENED: Final[dict[str, Any]] = {}


def _warm(folder: Path, queries: list[str]) -> None:
    _OPENED["searcher"] = Index.open(folder).searcher()
    load_kernels(_OPENED["searcher"], queries)


def _half(queries: list[str]) -> None:
    _OPENED["searcher"].rank_many(queries, 10, by="bm25")


def live(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Ask an index of many commits and deletes, and one of what remains, made at once."""
    rows = numbered(texts)
    index = Index.create(scratch / "live", None, overwrite=True)
    step = -(-len(rows) // COMMITS)
    for start in range(0, len(rows), step):
        with index.writer() as writer:
            writer.add(Document(name, text) for name, text in rows[start : start + step])
    doomed = set(random.Random(0).sample(range(len(rows)), len(rows) // 10))
    with index.writer() as writer:
        writer.delete(str(row) for row in sorted(doomed))
    used = index.searcher()
    kept = [row for number, row in enumerate(rows) if number not in doomed]
    clean = index_of(scratch / "clean", kept).searcher()
    for searcher in (used, clean):
        load_kernels(searcher, queries)
    for query in queries:
        if used.rank_many([query], 100, by="bm25") != clean.rank_many([query], 100, by="bm25"):
            raise SystemExit(f"The answers after deletes differ for {query!r}.")
    rounds = []
    for _ in range(ROUNDS):
        rounds.append(
            {
                name: summary(timed(asks(each), queries, 10))
                for name, each in (("used", used), ("clean", clean))
            }
        )
    return {
        "commits": COMMITS,
        "segments": len(used.snapshot.parts),
        "deleted": len(doomed),
        "rounds": rounds,
        "mean_ratio": statistics.median(
            each["used"]["mean_ms"] / each["clean"]["mean_ms"] for each in rounds
        ),
    }


def cold(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Start a command that searches, and one that only imports numpy, in turns."""
    index_of(scratch / "own", numbered(texts))
    query = next(each for each in queries if len(each.split()) == 10)
    search = [sys.executable, "-m", "vecsearch", "search", str(scratch / "own"), query]
    commands = {
        "numpy": [sys.executable, "-c", "import numpy"],
        "search": [*search, "--by", "bm25"],
    }
    rounds = []
    for _ in range(COLD + 1):
        times = {}
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=as_installed())
            times[name] = time.perf_counter() - started
        rounds.append(times)
    return {
        "query": query,
        "rounds": rounds[1:],
        "ratio": statistics.median(each["search"] / each["numpy"] for each in rounds[1:]),
    }


def growth(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Build and ask indexes of several sizes."""
    found: dict[str, Any] = {}
    for size in (each for each in SIZES if each <= len(texts)):
        rows = numbered(texts[:size])
        seconds = took(functools.partial(index_of, scratch / "grown", rows))
        searcher = Index.open(scratch / "grown").searcher()
        load_kernels(searcher, queries)
        times = timed(asks(searcher), queries, 10)
        found[str(size)] = {"build_s": seconds, **summary(times)}
        say(f"{size:,} documents: {found[str(size)]}")
    return found


def memory(texts: Sequence[str], queries: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Build from a stream, so that the texts aren't in memory: all of them, and them repeatedly.

    Pages of mapped files, which the system takes back when it needs them, don't count.
    """
    found = {}
    for times in REPEATED:
        source = scratch / "stream.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for row, text in enumerate(itertools.chain.from_iterable([texts] * times)):
                file.write(json.dumps({"id": str(row), "text": text}) + "\n")
        code = (
            "import sys, threading, time; from pathlib import Path\n"
            "from vecsearch import Index, documents, open_corpus\n"
            "peak = 0\n"
            "def watch():\n"
            "    global peak\n"
            "    while True:\n"
            "        status = Path('/proc/self/status').read_text()\n"
            "        peak = max(peak, int(status.split('RssAnon:')[1].split()[0]))\n"
            "        time.sleep(0.02)\n"
            "threading.Thread(target=watch, daemon=True).start()\n"
            "with Index.create(sys.argv[2], None).writer() as writer:\n"
            "    writer.add(documents(open_corpus(sys.argv[1])))\n"
            "print(peak / 1024)"
        )
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            command = [sys.executable, "-c", code, str(source), f"{folder}/index"]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found[str(times * len(texts))] = {"peak_mb": float(ran.stdout)}
    return found


SECTIONS: Final[dict[str, Callable[[Sequence[str], Sequence[str], Path], dict[str, Any]]]] = {
    "builds": builds,
    "queries": asked,
    "batches": batches,
    "live": live,
    "cold": cold,
    "growth": growth,
    "memory": memory,
}


def as_installed() -> dict[str, str]:
    """The environment as after an installation: modules lie compiled on disk, the peers' do."""
    unwanted = "PYTHONDONTWRITEBYTECODE"
    return {name: value for name, value in os.environ.items() if name != unwanted}


def numbered(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Name texts by their places."""
    return [(str(row), text) for row, text in enumerate(texts)]


def took(work: Callable[[], object]) -> float:
    """Return the seconds that work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


@click.command(help=__doc__)
@click.argument("wiki")
@click.argument("questions", type=click.Path(path_type=Path))
@click.option("--documents", "most", default=300_000, show_default=True, help="The first so many.")
@click.option("--only", default=",".join(SECTIONS), show_default=True, help="Which sections.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def main(wiki: str, questions: Path, most: int, only: str, out: Path) -> None:
    """Measure section by section."""
    read = itertools.islice(documents(open_corpus(wiki)), most)
    texts = [seen_text(each.title, each.text) for each in read]
    judged = read_qrels(questions / "qrels" / "test.tsv")
    every = [each.text for each in read_queries(questions / "queries.jsonl") if each.id in judged]
    queries = random.Random(0).sample(every, min(ASKED, len(every)))
    known = json.loads(out.read_bytes()) if out.exists() else {}
    for name in only.split(","):
        say(f"{name} ...")
        with tempfile.TemporaryDirectory() as scratch:
            known[name] = SECTIONS[name](texts, queries, Path(scratch))
        known["documents"], known["environment"] = len(texts), environment()
        out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
