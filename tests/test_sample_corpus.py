"""The project's own corpus keeps what its card promises."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import regex
import Stemmer

FOLDER = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
KINDS = {"exact", "paraphrase", "rare-name", "negation", "misspelling"}
FILES = ["corpus.jsonl", "queries.jsonl", "qrels/dev.tsv", "qrels/test.tsv"]
FUNCTION_WORDS = (
    "a all an and are as at be but by do for from how if in into is it no not of on or so that "
    "the their then these they this to was what when who why will with"
)
STOPWORDS = frozenset(FUNCTION_WORDS.split())

Rows = list[tuple[str, str, int]]


def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def read_qrels(split: str) -> Rows:
    header, *lines = (FOLDER / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    rows = [line.split("\t") for line in lines]
    return [(query, document, int(score)) for query, document, score in rows]


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    lines = read_lines("corpus.jsonl")
    by_id = {line["_id"]: line for line in lines}
    assert len(by_id) == len(lines), "two documents share an id"
    return by_id


@pytest.fixture(scope="module")
def queries() -> dict[str, dict[str, Any]]:
    lines = read_lines("queries.jsonl")
    by_id = {line["_id"]: line for line in lines}
    assert len(by_id) == len(lines), "two queries share an id"
    return by_id


@pytest.fixture(scope="module")
def splits() -> dict[str, Rows]:
    return {split: read_qrels(split) for split in ("dev", "test")}


@pytest.fixture(scope="module")
def card() -> str:
    return (FOLDER / "CARD.md").read_text(encoding="utf-8")


def content_words(text: str) -> set[str]:
    stem = Stemmer.Stemmer("english").stemWord
    words = regex.findall(r"[\p{L}\p{M}\p{N}]+", text.casefold())
    return {stem(word) for word in words if word not in STOPWORDS}


def test_documents_have_their_fields_and_types(documents):
    for name, document in documents.items():
        meta = document["metadata"]
        assert set(document) == {"_id", "title", "text", "metadata"}, name
        assert document["text"].strip(), name
        assert set(meta) - {"date", "rating"} == {"kind", "year", "lang", "tags"}, name
        assert type(meta["year"]) is int, name
        assert isinstance(meta["kind"], str), name
        assert isinstance(meta["lang"], str), name
        assert meta["tags"], name
        assert all(isinstance(tag, str) for tag in meta["tags"]), name
        if "rating" in meta:
            assert type(meta["rating"]) is float, name
        if "date" in meta:
            assert date.fromisoformat(meta["date"]).year == meta["year"], name


def test_texts_vary_as_promised(documents):
    titles = [document["title"] for document in documents.values()]
    languages = {document["metadata"]["lang"] for document in documents.values()}
    long = [name for name, d in documents.items() if len(d["text"].split()) > 120]
    texts = {document["text"] for document in documents.values()}
    assert titles.count("") == 2
    assert languages == {"en", "fr", "ja", "el"}
    assert sorted(long) == ["library-018", "light-023", "museum-021"]
    assert len(texts) == len(documents)


def test_every_judgment_names_a_document_and_a_query(documents, queries, splits):
    for rows in splits.values():
        for query, document, score in rows:
            assert query in queries
            assert document in documents
            assert score in {0, 1, 2}


def test_every_query_is_judged_in_one_split(queries, splits):
    dev, test = ({query for query, _, _ in splits[split]} for split in ("dev", "test"))
    assert not dev & test
    assert dev | test == set(queries)


def test_each_query_has_an_answer_and_a_few_judgments(splits):
    for rows in splits.values():
        pairs = [(query, document) for query, document, _ in rows]
        assert len(set(pairs)) == len(pairs), "a document is judged twice for one query"
        counts = Counter(query for query, _ in pairs)
        assert all(2 <= count <= 8 for count in counts.values())
        assert {query for query, _, score in rows if score == 2} == set(counts)


def test_a_third_of_each_kind_is_dev(queries, splits):
    kinds = Counter(query["metadata"]["kind"] for query in queries.values())
    dev = {query for query, _, _ in splits["dev"]}
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= 9
    assert Counter(queries[query]["metadata"]["kind"] for query in dev) == {
        kind: count // 3 for kind, count in kinds.items()
    }


def test_card_counts(documents, queries, splits, card):
    stated = {name: int(n) for name, n in regex.findall(r"(?m)^\| ([a-z ]+) \| (\d+) \|$", card)}
    kinds = Counter(query["metadata"]["kind"] for query in queries.values())
    assert stated == {
        "documents": len(documents),
        "queries": len(queries),
        "queries per kind": min(kinds.values()),
        "queries in dev": len({query for query, _, _ in splits["dev"]}),
        "queries in test": len({query for query, _, _ in splits["test"]}),
        "judgments": sum(map(len, splits.values())),
    }
    assert len(documents) >= 180
    assert len(queries) >= 50
    assert min(kinds.values()) == max(kinds.values())


def test_card_grades(splits, card):
    grades = Counter(score for rows in splits.values() for _, _, score in rows)
    stated = {int(g): int(n) for n, g in regex.findall(r"(\d+)\s+are\s+graded\s+(\d)", card)}
    assert stated == grades


def test_card_checksums(card):
    stated = {name: digest for digest, name in regex.findall(r"(?m)^([0-9a-f]{64})  (\S+)$", card)}
    assert stated == {
        name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in FILES
    }


def test_a_paraphrase_shares_no_content_word_with_its_answers(documents, queries, splits):
    pairs = [
        (query, document)
        for rows in splits.values()
        for query, document, score in rows
        if score > 0 and queries[query]["metadata"]["kind"] == "paraphrase"
    ]
    assert len(pairs) > 12
    for query, document in pairs:
        answer = f"{documents[document]['title']} {documents[document]['text']}"
        shared = content_words(queries[query]["text"]) & content_words(answer)
        assert not shared, (query, document, shared)
