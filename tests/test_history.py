"""Whatever happened to an index, it answers as one that is built afresh from what lives in it.

The vocabulary is small and texts are short, so that equal scores abound and cutoffs cut ties.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import faiss
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import HashEncoder

from vecsearch import BM25, Arm, Document, Index, Lexical, ReciprocalRank, TfIdf
from vecsearch.errors import UnknownDocument

IDS = [*"abcdefghij", "é", "ﬀ", "𝔞"]
QUERIES = ["x", "y z x x", "w x y z", "z nowhere"]
FILTERS = [None, 'n < 3 and not lang = "en"']
KS = [2, 100]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """A dozen vectors are too few for more."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


class Add(NamedTuple):
    documents: list[Document]


class Delete(NamedTuple):
    ids: list[str]


class DeleteWhere(NamedTuple):
    n: int


class Compact(NamedTuple):
    pass


class Block(NamedTuple):
    """What is done between opening a writer and its commit, which `abandoned` blocks never see."""

    operations: list[Add | Delete | DeleteWhere | Compact]
    abandoned: bool


words = st.lists(st.sampled_from("wxyz"), max_size=5).map(" ".join)
texts = st.lists(words, min_size=1, max_size=3).map("\n\n".join)
metas = st.fixed_dictionaries(
    {"n": st.integers(0, 3), "lang": st.sampled_from(["en", "de", ["en", "de"]])}
)
documents = st.builds(Document, st.sampled_from(IDS), texts, st.sampled_from(["", "", "x"]), metas)
operations = st.one_of(
    st.builds(Add, st.lists(documents, min_size=1, max_size=12)),
    st.builds(Add, st.lists(documents, min_size=1, max_size=2)),
    st.builds(Delete, st.lists(st.sampled_from(IDS), max_size=3)),
    st.builds(DeleteWhere, st.integers(0, 3)),
    st.builds(Compact),
)
blocks = st.builds(
    Block, st.lists(operations, min_size=1, max_size=4), st.sampled_from([False] * 5 + [True])
)
histories = st.lists(blocks, min_size=1, max_size=6)


class Abandoned(Exception):
    """Raised in a writer's block, which must leave no trace."""


def perform(index, model, block):
    """Do what a block says to an index, and return what the model is after it."""
    after = dict(model)
    try:
        with index.writer() as writer:
            for operation in block.operations:
                apply(writer, after, operation)
            if block.abandoned:
                raise Abandoned
    except Abandoned:
        return model
    return after


def apply(writer, model, operation):
    match operation:
        case Add(documents):
            assert writer.add(documents) == len(documents)
            for document in documents:
                model.pop(document.id, None)  # so that an update comes last
                model[document.id] = document
        case Delete(ids):
            if set(ids) <= set(model):
                assert writer.delete(ids) == len(set(ids))
                for name in set(ids):
                    del model[name]
            else:
                with pytest.raises(UnknownDocument):
                    writer.delete(ids)
        case DeleteWhere(n):
            doomed = [name for name, document in model.items() if document.meta["n"] == n]
            if model:
                assert writer.delete_where(f"n = {n}") == len(doomed)
            for name in doomed:
                del model[name]
        case Compact():
            writer.compact()


def answers(searcher):
    """Everything that a searcher answers to the queries, scores to the last bit."""
    snapshot, analyzer = searcher.snapshot, searcher.analyzer
    retrievers = {by: searcher.retriever(by) for by in ("bm25", "tfidf", "dense", "hybrid")}
    retrievers["bm25+"] = Lexical(snapshot, analyzer, BM25(k1=0.9, b=0.4, variant="bm25+"))
    plain = Lexical(snapshot, analyzer, TfIdf(sublinear=True, smooth=False, l2=False))
    both = [Arm(plain, 1), Arm(retrievers["dense"], 1)]
    retrievers["rrf"] = ReciprocalRank(snapshot, both, constant=1, depth=3)
    found = {}
    for where in FILTERS:
        for k in KS:
            for by, retriever in retrievers.items():
                found[where, k, by] = searcher.rank_many(QUERIES, k, where, retriever)
    for by in retrievers:
        found["hits", by] = searcher.search_many(QUERIES, 5, by=retrievers[by])
    return found


def fresh(folder, documents, passages):
    index = Index.create(folder, HashEncoder(), "plain", documents=documents, passages=passages)
    return index.searcher()


def check_history(history, passages):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        encoder = HashEncoder()
        index = Index.create(folder / "index", encoder, "plain", passages=passages)
        model: dict[str, Document] = {}
        for number, block in enumerate(history):
            model = perform(index, model, block)
            index = Index.open(folder / "index", encoder)
            searcher = index.searcher()
            assert len(searcher) == len(model)
            found = answers(searcher)
            as_added = list(model.values())
            in_order = sorted(as_added, key=lambda document: document.id)
            assert found == answers(fresh(folder / f"added{number}", as_added, passages))
            assert found == answers(fresh(folder / f"sorted{number}", in_order, passages))
        assert index.verify() == []


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(histories, st.sampled_from([None, 2]))
def test_some_histories(history, passages):
    check_history(history, passages)


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(histories, st.sampled_from([None, 1, 2]))
def test_200_histories(history, passages):
    check_history(history, passages)
