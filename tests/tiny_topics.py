"""A tiny corpus that only learning can search: titles and questions share no word with the texts.

Each topic has words for titles and questions, and others for texts. An encoder that has learnt
nothing finds a document by its title by chance alone.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

TOPICS = 20
DOCUMENTS = 8
"""Of each topic."""

_SYLLABLES = [c + v for c in "bdfgklmnprtvz" for v in "aiou"]


def write_topics(folder: Path, *, judged: bool = False) -> Path:
    """Write a corpus in BEIR layout: `judged` adds train and test questions to it."""
    draw = random.Random(0)
    words = _words(draw)
    folder.mkdir(parents=True)
    corpus, queries, train, test = [], [], [], []
    for topic in range(TOPICS):
        asking, telling = [next(words) for _ in range(6)], [next(words) for _ in range(10)]
        for number in range(DOCUMENTS):
            id = f"d{topic}-{number}"
            title = " ".join(draw.sample(asking, 4))
            text = (
                " ".join(draw.choices(telling, k=12)) + ". " + " ".join(draw.choices(telling, k=12))
            )
            corpus.append({"_id": id, "title": title, "text": f"{text}."})
        for number in range(6):
            query = f"q{topic}-{number}"
            queries.append({"_id": query, "text": " ".join(draw.sample(asking, 3))})
            grades = [f"{query}\td{topic}-{i}\t1" for i in range(DOCUMENTS)]
            (test if number == 5 else train).extend(grades)
    _write(folder / "corpus.jsonl", corpus)
    if judged:
        _write(folder / "queries.jsonl", queries)
        (folder / "qrels").mkdir()
        (folder / "qrels" / "train.tsv").write_text("\n".join(train), encoding="utf-8")
        (folder / "qrels" / "test.tsv").write_text("\n".join(test), encoding="utf-8")
    return folder


def _words(draw: random.Random):
    seen = set()
    while True:
        word = "".join(draw.sample(_SYLLABLES, 3))
        if word not in seen:
            seen.add(word)
            yield word


def _write(path: Path, records: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
