"""A corpus without labels as a judged one: with queries that are made out of it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from vecsearch.bench.judged import JudgedCorpus, corpus_name, open_judged
from vecsearch.bench.known_items import Kind, make_known_items, trust
from vecsearch.bench.known_items.making import CARD
from vecsearch.bench.progress import Tell, silent
from vecsearch.corpus import open_corpus

_SEED = 0


def open_unlabelled(
    source: str | Path, folder: Path, kind: Kind, tell: Tell = silent
) -> JudgedCorpus:
    """Make queries of a kind out of a corpus, write them into a folder, and open that.

    The folder is new, or holds what was made before, which is replaced. Raise as
    `make_known_items` and `open_judged` do.
    """
    tell(f"{source}: making queries", 0)
    if (folder / CARD).is_file():
        shutil.rmtree(folder)
    made = make_known_items(open_corpus(source), folder, kind, seed=_SEED)
    judged = open_judged(folder, tell=tell)
    notes = []
    if made.made < made.wanted:
        rivals = f", and {made.dropped:,} of those that were drawn have rivals" * bool(made.dropped)
        notes.append(
            f"Only {made.made} of {made.wanted} queries could be made: {made.fit:,} of "
            f"{made.documents:,} documents are fit for it{rivals}."
        )
    return dataclasses.replace(
        judged,
        name=corpus_name(source),
        notes=(*judged.notes, *notes),
        generated={"kind": kind, "seed": _SEED, "trust": trust(kind)},
    )
