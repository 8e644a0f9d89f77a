"""A process of its own for one system: it builds, ranks or answers, and says what that took.

`python -m vecsearch.bench.worker` reads a request, a line of JSON, from standard input and writes
lines of JSON: {"progress": n}, and at the end {"result": ...} or {"error": ..., "usage": ...}.
It ends when its standard input does.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Final, TypeAlias

from vecsearch.bench.engine import Engine, Stopwatch
from vecsearch.bench.judged import DocumentsDigest
from vecsearch.bench.own import OwnEngine
from vecsearch.bench.peers import load_peer
from vecsearch.bench.systems import system_from
from vecsearch.corpus import documents, open_corpus
from vecsearch.errors import UsageError, VecsearchError
from vecsearch.types import Document

Report: TypeAlias = Callable[[dict[str, object]], None]

TIMED_K: Final = 10
"""Documents asked for where a query is timed."""

WARM_UP: Final = "a first question, so that what is loaded once is loaded"

_EVERY: Final = 128
"""Documents between two lines of progress."""


def build(request: dict[str, Any], report: Report) -> dict[str, object]:
    """Build an index; return seconds, those of its stages, sizes in bytes, and what went in."""
    clock = Stopwatch()
    folder = Path(request["folder"])
    engine = _engine(request)
    start = time.perf_counter()
    counted = _Counted(documents(open_corpus(request["corpus"])), clock, report)
    engine.build(counted, folder, clock)
    seconds = time.perf_counter() - start - counted.aside
    stages = {name: clock.seconds.get(name, 0.0) for name in ("read", "tokenize", "encode")}
    return {
        "seconds": seconds,
        "stages": {**stages, "index": max(seconds - sum(stages.values()), 0.0)},
        "documents": counted.count,
        "digest": counted.digest.value,
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "memory": _peak_memory(),
    }


def rank(request: dict[str, Any], report: Report) -> None:
    """Rank the queries, {id: text}, and write {query id: {document id: score}}, gzipped JSON."""
    queries: dict[str, str] = request["queries"]
    ranker = _engine(request).open(Path(request["folder"]))
    found = ranker.rank(list(queries.values()), request["k"])
    run = {query: _checked(query, each) for query, each in zip(queries, found, strict=True)}
    with gzip.open(request["out"], "wt", encoding="utf-8", compresslevel=3) as file:
        json.dump(run, file)


def _checked(query: str, ranking: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return a ranking by document; raise VecsearchError for one that no run can be."""
    scores: dict[str, float] = {}
    for document, score in ranking:
        if not isinstance(document, str):
            problem = f"the document {document!r}, and ids are text"
        elif document in scores:
            problem = f"the document {document!r} twice"
        elif not (isinstance(score, Real) and math.isfinite(score)):
            problem = f"the document {document!r} the score {score!r}, which isn't a finite number"
        else:
            scores[document] = float(score)  # it may be one of NumPy's
            continue
        raise VecsearchError(f"it gives the query {query!r} {problem}.")
    return scores


def time_queries(request: dict[str, Any], report: Report) -> dict[str, object]:
    """Ask each query by itself, then all of them again: seconds of each, cold and warm."""
    queries: list[str] = request["queries"]
    ranker = _engine(request).open(Path(request["folder"]))
    ranker.rank([WARM_UP], TIMED_K)
    passes = []
    for _ in ("cold", "warm"):
        seconds = []
        for query in queries:
            start = time.perf_counter()
            ranker.rank([query], TIMED_K)
            seconds.append(time.perf_counter() - start)
        passes.append(seconds)
    return {
        "cold": passes[0],
        "warm": passes[1],
        "memory": _peak_memory(),
        "model_bytes": ranker.model_bytes,
    }


def time_start(request: dict[str, Any], report: Report) -> float:
    """Answer the first query, report that, then all queries in one call; return its seconds.

    Who started this process knows when that was, and so what a cold answer takes.
    """
    queries: list[str] = request["queries"]
    ranker = _engine(request).open(Path(request["folder"]))
    ranker.rank(queries[:1], TIMED_K)
    report({"progress": 1})
    start = time.perf_counter()
    ranker.rank(queries, TIMED_K)
    return time.perf_counter() - start


_TASKS: Final[dict[str, Callable[[dict[str, Any], Report], object]]] = {
    "build": build,
    "rank": rank,
    "time_queries": time_queries,
    "time_start": time_start,
}


class _Counted:
    """Documents on their way to an engine, counted, and the time of reading them taken.

    aside: seconds that the digest of what went in took, which is no part of building.
    """

    def __init__(self, found: Iterable[Document], clock: Stopwatch, report: Report) -> None:
        self._found = iter(found)
        self._clock = clock
        self._report = report
        self.count = 0
        self.digest = DocumentsDigest()
        self.aside = 0.0

    def __iter__(self) -> Iterator[Document]:
        while True:
            with self._clock.stage("read"):
                document = next(self._found, None)
            if document is None:
                return
            start = time.perf_counter()
            self.digest.add(document)
            self.aside += time.perf_counter() - start
            self.count += 1
            if self.count % _EVERY == 0:
                self._report({"progress": self.count})
            yield document


def _engine(request: dict[str, Any]) -> Engine:
    if request["peer"] is not None:
        return load_peer(Path(request["peer"]))
    vectors = request["vectors"]
    return OwnEngine(
        system_from(request["system"]),
        None if vectors is None else Path(vectors),
        reading=request["reading"],
    )


def _peak_memory() -> int:
    """The most memory that this process ever had, in bytes; pages of mapped files included."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss begins with what the parent had
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _end_with_parent() -> None:
    """Wait until the other end of standard input is closed: whoever asked is gone."""
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Do what standard input asks for."""
    # Python looks for modules in the current folder first, where bm25s.py may be the peer itself.
    sys.path = [each for each in sys.path if each not in ("", str(Path.cwd()))]
    # Libraries may print; what they print must not get between the lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(line: dict[str, object]) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        report({"result": _TASKS[request["task"]](request, report)})
    except VecsearchError as error:
        report({"error": str(error), "usage": isinstance(error, UsageError)})
    except MemoryError:
        report({"error": "There isn't enough memory.", "usage": False})
    except OSError as error:
        report({"error": f"{error.filename or ''}: {error.strerror or error}.", "usage": False})
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
