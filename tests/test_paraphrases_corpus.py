"""The corpus of paraphrases keeps its one promise: a query and its answer share no word."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
import regex

from vecsearch import Index, analyzer, documents, evaluate
from vecsearch.bench.judged import open_judged
from vecsearch.corpus.beir import BeirFolder

FOLDER = Path(__file__).resolve().parent.parent / "corpora" / "paraphrases"
FILES = ["corpus.jsonl", "queries.jsonl", "qrels/dev.tsv", "qrels/test.tsv"]
SPLITS = ["dev", "test"]
PREFIX = 5
ENGLISH = analyzer("english")


def content_words(text: str) -> set[str]:
    return set(regex.findall(r"[\p{L}\p{M}\p{N}]+", text.casefold())) - ENGLISH.stopwords


def shared(query: str, document: str) -> set[str]:
    """What of a query's words, stems and beginnings of words stands in a document too."""
    asked, told = content_words(query), content_words(document)
    stems = set(ENGLISH.terms(query)) & set(ENGLISH.terms(document))
    beginnings = {word[:PREFIX] for word in asked} & {word[:PREFIX] for word in told}
    return asked & told | stems | beginnings


@pytest.fixture(scope="module")
def corpus():
    return BeirFolder(FOLDER)


@pytest.fixture(scope="module")
def found(corpus):
    return {document.id: document for document in documents(corpus)}


@pytest.fixture(scope="module")
def queries(corpus):
    return {query.id: query.text for query in corpus.queries()}


@pytest.fixture(scope="module")
def answers(corpus):
    """Each query's one document, of both splits."""
    judged = chain.from_iterable(corpus.qrels(split).items() for split in SPLITS)
    return {query: document for query, grades in judged for document in grades}


@pytest.fixture(scope="module")
def card():
    return (FOLDER / "CARD.md").read_text(encoding="utf-8")


def test_texts_are_short_distinct_and_without_titles(found, queries):
    assert {document.title for document in found.values()} == {""}
    assert len({document.text for document in found.values()}) == len(found) >= 200
    assert len(set(queries.values())) == len(queries) == 200
    assert all(12 <= len(document.text.split()) <= 40 for document in found.values())
    assert all(4 <= len(text.split()) <= 12 for text in queries.values())


@pytest.mark.parametrize(("split", "size"), [("dev", 80), ("test", 120)])
def test_each_query_has_one_answer_that_the_bench_can_read(split, size):
    judged = open_judged(FOLDER, split=split)
    assert len(judged.queries) == size
    assert all(list(grades.values()) == [1] for grades in judged.qrels.values())


def test_every_query_is_judged_in_one_split_and_has_its_own_answer(corpus, queries, answers):
    assert corpus.splits == SPLITS
    dev, test = (set(corpus.qrels(split)) for split in SPLITS)
    assert not dev & test
    assert dev | test == set(queries)
    assert len(set(answers.values())) == len(queries)


def test_every_subject_is_in_both_splits_and_has_a_text_that_answers_nothing(corpus, found):
    def subjects(names):
        return Counter(name.rpartition("-")[0] for name in names)

    size = subjects(found)
    dev, test = (subjects(chain.from_iterable(corpus.qrels(split).values())) for split in SPLITS)
    assert len(size) == 40
    assert set(size.values()) == {6}
    assert {subject: (dev[subject], test[subject]) for subject in size} == dict.fromkeys(
        size, (2, 3)
    )


@pytest.mark.parametrize(
    ("query", "document", "common"),
    [
        ("a walk", "The long walk.", {"walk"}),
        ("Flying home", "It flies.", {"fli"}),
        ("friendship", "A friend waves.", {"frien"}),
        ("the baby on it", "The infant is on it.", set()),
    ],
)
def test_the_rule_sees_words_stems_and_beginnings(query, document, common):
    assert shared(query, document) == common


def test_no_query_shares_a_word_a_stem_or_a_beginning_with_its_answer(found, queries, answers):
    common = {
        (query, document): both
        for query, document in answers.items()
        if (both := shared(queries[query], found[document].text))
    }
    assert not common


def test_bm25_finds_other_texts_and_no_answers(corpus, found, queries, tmp_path):
    index = Index.create(tmp_path / "index", encoder=None, documents=found.values())
    rankings = index.searcher().rank_many(list(queries.values()), k=10, by="bm25")
    run = dict(zip(queries, map(dict, rankings), strict=True))
    assert sum(map(bool, run.values())) >= 150  # words lead somewhere, only not to the answer
    for split in SPLITS:
        # .000 by construction; a random order gives .019.
        assert evaluate(run, corpus.qrels(split), ["nDCG@10"]).mean("nDCG@10") <= 0.01


def test_card_counts(corpus, found, queries, card):
    stated = {name: int(n) for name, n in regex.findall(r"(?m)^\| ([a-z ,]+) \| (\d+) \|$", card)}
    subjects = {name.rpartition("-")[0] for name in found}
    assert stated == {
        "documents": len(found),
        "subjects": len(subjects),
        "documents that answer no query": len(found) - len(queries),
        "queries": len(queries),
        "queries in dev": len(corpus.qrels("dev")),
        "queries in test": len(corpus.qrels("test")),
    }


def test_card_checksums(card):
    stated = {name: digest for digest, name in regex.findall(r"(?m)^([0-9a-f]{64})  (\S+)$", card)}
    assert stated == {
        name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in FILES
    }
