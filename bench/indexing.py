"""What indexing costs beside encoding: its stages' overlap, what the cache saves, and memory.

    python bench/indexing.py overlap CORPUS [--out FILE] [--documents N]
    python bench/indexing.py again CORPUS [--out FILE] [--documents N]
    python bench/indexing.py memory CORPUS.jsonl.gz [--out FILE]

Each writes its section of FILE. CORPUS is a folder in BEIR layout.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from vecsearch import Document, Index, documents, load_encoder, open_corpus
from vecsearch.bench.environment import environment
from vecsearch.cache import KeptVectors
from vecsearch.encoders import Encoder
from vecsearch.types import Role, Vectors, seen_text

ROUNDS: Final = 3
GROWTH: Final = (300_000, 600_000, 1_200_000)
"""Documents of which the memory is measured: those there are, again and again."""


class Counting:
    """minilm, counting what it is asked to encode."""

    costly = True

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.dim, self.fingerprint = encoder.name, encoder.dim, encoder.fingerprint
        self.precision = getattr(encoder, "precision", "fp32")
        self.encoded = 0
        self._encoder = encoder

    def encode(self, texts: list[str], role: Role) -> Vectors:
        """Encode and count."""
        self.encoded += len(texts)
        return self._encoder.encode(texts, role)

    def save(self, folder: Path) -> None:
        """Save what it stands for."""
        self._encoder.save(folder)


def overlap(source: Path, most: int, scratch: Path) -> dict[str, Any]:
    """Time indexing end to end beside `encode` of the same texts alone, in turns.

    Reading, terms, encoding, the cache, writing and the commit; the model is loaded before.
    """
    encoder = load_encoder("minilm")
    subset = _subset(source, most, scratch)
    texts = [seen_text(each.title, each.text) for each in documents(open_corpus(subset))]
    encoder.encode(texts[:64], "document")
    seconds: dict[str, list[float]] = {"encode": [], "index": []}
    for turn in range(ROUNDS):
        os.environ["XDG_CACHE_HOME"] = str(scratch / f"cache{turn}")

        def index(folder: Path = scratch / f"index{turn}") -> None:
            Index.create(folder, encoder, documents=documents(open_corpus(subset)))

        seconds["encode"].append(_took(lambda: encoder.encode(texts, "document")))
        seconds["index"].append(_took(index))
        print({name: round(each[-1], 1) for name, each in seconds.items()}, flush=True)
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    return {"documents": len(texts), "seconds": seconds, "ratio": statistics.median(ratios)}


def again(source: Path, most: int, scratch: Path) -> dict[str, Any]:
    """Count what is encoded: at first, when 1% has changed, and after a run that was killed."""
    found: dict[str, Any] = {}
    counting = Counting(load_encoder("minilm"))
    os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
    all_of_it = list(documents(open_corpus(_subset(source, most, scratch))))
    changed = [
        Document(each.id, each.text + " changed", each.title) if i % 100 == 0 else each
        for i, each in enumerate(all_of_it)
    ]
    for name, given in (("first", all_of_it), ("same", all_of_it), ("1% changed", changed)):
        counting.encoded = 0
        work = scratch / "index"
        seconds = _took(
            lambda: Index.create(work, counting, documents=given, overwrite=True)  # noqa: B023
        )
        found[name] = {"rows": len(given), "encoded": counting.encoded, "seconds": seconds}
        print(name, found[name], flush=True)
    found["killed"] = _killed(scratch / "subset", counting, scratch)
    return found


def _killed(subset: Path, counting: Counting, scratch: Path) -> dict[str, Any]:
    """Kill the command in its midst, and index again: what was kept isn't encoded again."""
    cache = scratch / "other-cache"
    os.environ["XDG_CACHE_HOME"] = str(cache)
    command = [sys.executable, "-m", "vecsearch", "index", str(subset), str(scratch / "killed")]
    process = subprocess.Popen([*command, "--encoder", "minilm"], stderr=subprocess.DEVNULL)
    with KeptVectors() as kept:
        while not kept.size().vectors and process.poll() is None:
            time.sleep(0.5)
        time.sleep(5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = kept.size().vectors
    counting.encoded = 0
    given = list(documents(open_corpus(subset)))
    Index.create(scratch / "again", counting, documents=given)
    distinct = len({seen_text(each.title, each.text) for each in given})
    return {"distinct texts": distinct, "kept": held, "encoded again": counting.encoded}


def memory(source: Path, most: int, scratch: Path) -> dict[str, Any]:
    """Measure the peak of what indexing with small holds, pages of mapped files not counted."""
    found = {}
    for count in GROWTH:
        command = [sys.executable, __file__, "peak", str(source), "--documents", str(count)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found[str(count)] = json.loads(ran.stdout)["bytes"]
        print(count, found[str(count)], flush=True)
    few, many = GROWTH[-2:]
    growth = (found[str(many)] - found[str(few)]) / (many - few)
    return {"peak_bytes": found, "bytes_per_document": growth}


def peak(source: Path, most: int, scratch: Path) -> dict[str, int]:
    """Index a stream of documents and return the most bytes that this process held of its own."""
    held = [0]

    def watch() -> None:
        while True:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            held.append(max(held.pop(), 1024 * int(status.split("RssAnon:")[1].split()[0])))
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()

    def read() -> Iterator[dict[str, str]]:
        while True:
            with gzip.open(source, "rt", encoding="utf-8") as lines:
                yield from map(json.loads, lines)

    some = enumerate(itertools.islice(read(), most))
    found = (Document(str(n), each["text"], each.get("title", "")) for n, each in some)
    Index.create(scratch / "index", "small", documents=found)
    return {"bytes": held[0]}


def _subset(source: Path, most: int, scratch: Path) -> Path:
    """Copy the first documents of a corpus in BEIR layout."""
    subset = scratch / "subset"
    subset.mkdir()
    with (source / "corpus.jsonl").open(encoding="utf-8") as lines:
        (subset / "corpus.jsonl").write_text("".join(itertools.islice(lines, most)), "utf-8")
    return subset


def _took(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


SECTIONS: Final = {"overlap": overlap, "again": again, "memory": memory, "peak": peak}


def main() -> None:
    """Measure one section."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--out", type=Path, help="Where to keep it.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vecsearch-") as scratch:
        found = SECTIONS[given.section](given.corpus, given.documents, Path(scratch))
    print(json.dumps(found))
    if given.out is None:
        return
    kept = json.loads(given.out.read_bytes()) if given.out.exists() else {}
    where = environment()
    stamp = {"machine": where["machine"], "commit": where["commit"]}
    kept[given.section] = {**stamp, **found}
    given.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
