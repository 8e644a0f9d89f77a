"""Writers that are killed at random moments, as a program: kills.py WORK KILLS FOLDER.

Every state of the index is a function of its generation, so a state that nobody committed is seen.
It prints how many writers it killed, and how many of them had a commit under way.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from toy import documents_of, litter

from vecsearch.index import Index
from vecsearch.types import Document


def committed(work: str, generation: int) -> list[Document]:
    """Return the documents of a generation: some known ones, all of one age, and added ones."""
    first = 2 if work == "add" else max(2, generation - 5)
    known = [Document(f"known{n}", f"age{generation} known") for n in range(5)]
    added = [
        Document(f"new{n}", f"age{n} " + "filler " * 50, "", {"age": n})
        for n in range(first, generation + 1)
    ]
    return known + added


def check(work: str, index: Index) -> int:
    """Assert that a new searcher sees exactly what its generation is; return the generation."""
    searcher = index.searcher()
    generation = searcher.generation
    expected = {each.id: each for each in committed(work, generation)}
    documents = documents_of(searcher)
    assert len(documents) == len(searcher) == len(expected)
    assert {each.id: each for each in documents} == expected
    for age in {1, generation - 1, generation}:
        found = {hit.id for hit in searcher.search(f"age{age}", k=20)}
        assert found == {
            name for name, each in expected.items() if f"age{age}" in each.text.split()
        }
    return generation


def read_while(going: Callable[[], bool], work: str, folder: Path) -> list[int]:
    """Open searcher after searcher; return the generations that were seen, each once."""
    seen = [0]
    while going():
        generation = check(work, Index.open(folder))
        if generation != seen[-1]:
            seen.append(generation)
    return seen[1:]


def add(folder: Path, generation: int) -> None:
    """Commit a generation through the command line."""
    from vecsearch.cli import main

    corpus = folder.with_name(f"{os.getpid()}.jsonl")
    fresh = [each for each in committed("add", generation) if f"age{generation}" in each.text]
    lines = [{"id": each.id, "text": each.text, **each.meta} for each in fresh]
    corpus.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with contextlib.redirect_stdout(io.StringIO()):
        main(["add", str(folder), str(corpus)], standalone_mode=False)


def everything(folder: Path, generation: int) -> None:
    """Commit a generation through the library: updates, deletes, compactions, overwriting."""
    index = Index.open(folder)
    wanted = committed("everything", generation)
    if generation % 7 == 0:
        Index.create(folder, None, documents=wanted, overwrite=True)
        return
    with index.writer() as writer:
        writer.add(each for each in wanted if f"age{generation}" in each.text.split())
        if generation > 7:
            writer.delete(f"new{generation - 6}")
        if generation % 5 == 0:
            writer.compact()


def commit_for_ever(work: str, folder: Path, begun: int) -> None:
    commit = add if work == "add" else everything
    while True:
        generation = Index.open(folder).manifest().generation
        os.write(begun, b".")
        commit(folder, generation + 1)
        assert Index.open(folder).manifest().generation == generation + 1
        os.write(begun, b"!")


def kill_one(work: str, folder: Path, chance: random.Random, typical: float) -> bool:
    """Start a writer, kill it, return whether a commit was under way."""
    begun, there = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            commit_for_ever(work, folder, there)
        finally:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            os._exit(code)
    os.close(there)
    told = b""
    for _ in range(2 * chance.randrange(2) + 1):
        told = os.read(begun, 1)
    time.sleep(chance.uniform(0, 1.2 * typical))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    while more := os.read(begun, 4096):
        told = more
    os.close(begun)
    assert status == signal.SIGKILL, f"a writer ended by itself ({status})"
    return told[-1:] == b"."


def main(work: str, kills: int, folder: Path) -> None:
    chance = random.Random(work)
    commit = add if work == "add" else everything
    for _ in range(3):  # the first is slower
        start = time.perf_counter()
        commit(folder, Index.open(folder).manifest().generation + 1)
        typical = time.perf_counter() - start
    within = 0
    for number in range(kills):
        within += kill_one(work, folder, chance, typical)
        index = Index.open(folder)
        assert index.verify() == []
        check(work, index)
        if number % 10 == 0:
            commit(folder, index.manifest().generation + 1)
            assert litter(folder) == set()
    commit(folder, Index.open(folder).manifest().generation + 1)
    check(work, Index.open(folder))
    assert litter(folder) == set()
    sys.stdout.write(f"{kills} {within}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
