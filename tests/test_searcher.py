"""A searcher: what it answers by default, what it refuses, and threads that share it."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from toy import HashEncoder

from vecsearch import Document, Index, ReciprocalRank, Reranked, open_corpus
from vecsearch.corpus import documents
from vecsearch.errors import IndexProblem, UnknownName, UsageError
from vecsearch.retrieve.fusion import Arm
from vecsearch.types import ALL, TopK

SAMPLE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("searcher") / "i"
    return Index.create(folder, HashEncoder(), documents=documents(open_corpus(SAMPLE)))


def flat(hits):
    return [(hit.id, hit.score) for hit in hits]


def test_the_default_is_hybrid_where_there_is_an_encoder(index, tmp_path):
    searcher = index.searcher()
    assert searcher.default == "hybrid"
    assert flat(searcher.search("the lamp")) == flat(searcher.search("the lamp", by="hybrid"))
    words = Index.create(tmp_path / "w", None).searcher()
    assert words.default == "bm25"
    assert words.search("the lamp") == []


def test_blank_queries_find_nothing_and_keep_their_place(index):
    searcher = index.searcher()
    blank, lamp, white = searcher.search_many(["", "lamp", " \t\n"], k=3)
    assert blank == white == []
    assert flat(lamp) == flat(searcher.search("lamp", k=3))


def test_many_queries_answer_as_one_by_one(index):
    searcher = index.searcher()
    queries = [f"{word} of the harbour" for word in ("storm", "lamp", "boat", "rope")] * 80
    many = searcher.search_many(queries, k=5)
    assert [flat(hits) for hits in many[:4]] == [flat(searcher.search(q, 5)) for q in queries[:4]]
    assert flat(many[-1]) == flat(many[3])
    assert searcher.rank_many(queries[:4], k=5) == [flat(hits) for hits in many[:4]]


def test_a_composed_retriever_can_be_searched_by(index):
    searcher = index.searcher()
    arms = [Arm(searcher.retriever("bm25"), 1.0), Arm(searcher.retriever("dense"), 1.0)]
    fused = ReciprocalRank(searcher.snapshot, arms)
    assert len(searcher.search("lamp", k=4, by=fused)) == 4


class Flat:
    name = "flat"

    def score(self, query, texts):
        return np.zeros(len(texts), np.float32)


def test_a_retriever_over_another_snapshot_is_refused(tmp_path):
    index = Index.create(tmp_path, HashEncoder(), documents=[Document("old", "an apple")])
    old = index.searcher()
    snapshot, bm25, dense = old.snapshot, old.retriever("bm25"), old.retriever("dense")
    fused = ReciprocalRank(snapshot, [Arm(bm25, 1.0), Arm(dense, 1.0)])
    read = Reranked(snapshot, bm25, Flat())
    with index.writer() as writer:
        writer.delete("old")
        writer.add(Document("new", "a tax form"))
    index.compact()
    searcher = index.searcher()
    for retriever in bm25, dense, old.retriever("hybrid"), fused, read:
        assert old.search("apple", by=retriever)
        uses = [
            partial(searcher.search, "new", by=retriever),
            partial(searcher.like, "new", by=retriever),
            partial(searcher.explain, "new", "new", by=retriever),
            partial(ReciprocalRank, searcher.snapshot, [Arm(retriever, 1.0)]),
            partial(Reranked, searcher.snapshot, retriever, Flat()),
        ]
        for use in uses:
            with pytest.raises(UsageError, match=f"{re.escape(repr(retriever.name))}.*another sta"):
                use()


class Given:
    name = "given"

    def __init__(self, found):
        self.found = found

    def retrieve(self, queries, k, allow):
        return self.found


def given_rows(rows, scores):
    return Given(TopK(np.array(rows), np.array(scores, np.float32)))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (given_rows([[2, 999_999]], [[1, 0.5]]), "the row 999999, where there are"),
        (given_rows([[-2, 2]], [[1, 0.5]]), "the row -2, where"),
        (given_rows([[-1, 2]], [[1, 0.5]]), "a row behind the padding"),
        (given_rows([[1, 2]], [[np.nan, 0.5]]), "the score nan"),
        (given_rows([range(500)], [range(500)]), r"rows of the shape \(1, 500\) for 1 queries"),
        (given_rows([1, 2], [1, 0.5]), r"rows of the shape \(2,\)"),
        (given_rows([[1, 2]], [[1]]), r"rows of the shape \(1, 2\) with scores of \(1, 1\)"),
        (given_rows([[1.5]], [[1]]), "rows that are no array of integer numbers, but float64"),
        (Given(TopK([[1]], [[1.0]])), "rows that are no array of integer numbers, but list"),
        (Given(None), "something of the type NoneType"),
    ],
)
def test_what_a_retriever_of_ones_own_gives_is_looked_at(index, own, said):
    searcher = index.searcher()
    fused = ReciprocalRank(searcher.snapshot, [Arm(own, 1.0), Arm(searcher.retriever("bm25"), 1.0)])
    read = Reranked(searcher.snapshot, own, Flat())
    for by in own, fused, read:
        with pytest.raises(UsageError, match=f"The retriever 'given' gives {said}"):
            searcher.search("lamp", k=2, by=by)
    with pytest.raises(UsageError, match=f"The retriever 'given' gives {said}"):
        searcher.like(next(searcher.documents()).id, k=2, by=own)


def test_a_retriever_of_ones_own_may_find_fewer(index):
    searcher = index.searcher()
    for own in given_rows([[4, 1, -1]], [[1, 0.5, -np.inf]]), given_rows([[4, 1]], [[1, 0.5]]):
        ids = [hit.id for hit in searcher.search("lamp", by=own)]
        assert ids == [searcher.snapshot.id_of(4), searcher.snapshot.id_of(1)]


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(index, k):
    for by in ("bm25", "dense", "hybrid"):
        with pytest.raises(UsageError, match="at least 1"):
            index.searcher().search("lamp", k=k, by=by)


@pytest.mark.parametrize("by", ["bm25", "tfidf", "dense", "hybrid"])
def test_a_mask_has_one_boolean_for_each_row(index, by):
    searcher = index.searcher()
    retriever, rows = searcher.retriever(by), searcher.snapshot.rows
    all_rows = retriever.retrieve(["lamp"], 5, np.ones(rows, np.bool_))
    np.testing.assert_array_equal(all_rows.rows, retriever.retrieve(["lamp"], 5, ALL).rows)
    for wrong in (np.ones(rows - 1, np.bool_), np.ones(rows, np.uint8), [True] * rows, None):
        with pytest.raises(UsageError, match=f"one boolean for each row, here {rows}; it can't"):
            retriever.retrieve(["lamp"], 5, wrong)


def test_unknown_names_and_queries_that_are_not_text(index):
    searcher = index.searcher()
    with pytest.raises(UnknownName, match="Did you mean 'bm25'"):
        searcher.search("lamp", by="bm52")
    with pytest.raises(UsageError, match="text"):
        searcher.search_many(["lamp", None])


def test_a_hit_holds_its_document_and_best_passage(tmp_path):
    text = "The first sentence is about rope. " * 10 + "The last one is about tar."
    index = Index.create(tmp_path / "p", None, documents=[Document("a", text)], passages=20)
    [hit] = index.searcher().search("tar")
    assert hit.document.text == text
    assert "tar" in hit.passage
    assert len(hit.passage) < len(text)


def test_threads_share_a_searcher(index):
    searcher = index.searcher()
    queries = [
        line for line in ["lamp", "storm", "boat", "rope", "kitchen", "clinic", "museum", "weather"]
    ] * 25
    alone = [flat(index.searcher().search(query, k=20, by="hybrid")) for query in queries[:8]]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda query: flat(searcher.search(query, k=20)), queries))
        cosines = list(pool.map(lambda query: flat(searcher.search(query, by="tfidf")), queries))
    assert answers == alone * 25
    assert cosines == cosines[:8] * 25


def test_queries_may_come_from_a_generator(index):
    searcher = index.searcher()
    expected = [flat(searcher.search("lamp", 3)), flat(searcher.search("storm", 3))]
    assert searcher.rank_many((word for word in ("lamp", "storm")), 3) == expected


def test_another_thread_may_not_use_a_writer(tmp_path):
    index = Index.create(tmp_path / "i", None)
    with index.writer() as writer, ThreadPoolExecutor(1) as pool:
        writer.add(Document("a", "lamp"))
        with pytest.raises(IndexProblem, match="thread"):
            pool.submit(writer.add, Document("b", "lamp")).result()
    assert [hit.id for hit in index.searcher().search("lamp")] == ["a"]


def test_an_encoder_may_use_its_array_again(tmp_path):
    class Frugal(HashEncoder):
        room = np.zeros((512, 16), np.float32)

        def encode(self, texts, role):
            self.room[: len(texts)] = super().encode(texts, role)
            return self.room[: len(texts)]

    wanted = [Document(f"d{i}", f"word{i} lamp") for i in range(1100)]
    frugal = Index.create(tmp_path / "f", Frugal(), documents=wanted).searcher()
    lavish = Index.create(tmp_path / "l", HashEncoder(), documents=wanted).searcher()
    assert flat(frugal.search("word7", by="dense")) == flat(lavish.search("word7", by="dense"))


def test_metadata_that_changes_after_it_was_added_is_found_as_it_was(tmp_path):
    meta = {"m": 1, "tags": ["a"]}
    index = Index.create(tmp_path / "i", None)
    with index.writer() as writer:
        writer.add(Document("a", "lamp", meta=meta))
        meta["m"] = 2
        meta["tags"].append("b")
    [hit] = index.searcher().search("lamp", where='m = 1 and not tags = "b"')
    assert hit.document.meta == {"m": 1, "tags": ["a"]}


@pytest.mark.parametrize("name", ["d{}", "d{}é", "{}日本", "😀{}", "{}\n", "\n{}"])
def test_the_ids_of_long_rankings(tmp_path, name):
    index = Index.create(tmp_path / "i", None)
    with index.writer() as writer:
        writer.add(Document(name.format(i), "lamp") for i in range(300))
    snapshot = index.searcher().snapshot
    for count in (0, 1, 31, 32, 64, 65, 300):
        rows = np.random.default_rng(count).permutation(300)[:count]
        assert snapshot.ids_of(rows) == [name.format(row) for row in rows]


@pytest.mark.parametrize("most", [7, 8])
def test_the_ids_of_rows_whether_or_not_they_are_remembered(tmp_path, monkeypatch, most):
    monkeypatch.setattr("vecsearch.store.snapshot._REMEMBERED", most)
    index = Index.create(tmp_path / "i", None)
    for start in (0, 4):
        with index.writer() as writer:
            writer.add(Document(f"d{i}", "lamp") for i in range(start, start + 4))
    snapshot = index.searcher().snapshot
    for rows in ([0, 7], [7, 0], [3, 4, 5], [0], [6, 1, 2, 0], [7, 7]):
        assert snapshot.ids_of(np.array(rows, np.int64)) == [f"d{row}" for row in rows]


def test_an_index_stays_the_same_whatever_the_working_directory_becomes(tmp_path, monkeypatch):
    for name in "here", "there":
        Index.create(tmp_path / name / "index", None, documents=[Document("who", name)])
    monkeypatch.chdir(tmp_path / "here")
    opened, made = Index.open("index"), Index.create("new", None)
    monkeypatch.chdir(tmp_path / "there")
    for index in opened, made:
        with index.writer() as writer:
            writer.add(Document("added", "x"))
    ids = {
        name: [each.id for each in Index.open(tmp_path / name).searcher().documents()]
        for name in ("here/index", "there/index", "here/new")
    }
    assert ids == {"here/index": ["who", "added"], "there/index": ["who"], "here/new": ["added"]}


def test_a_whole_number_names_the_document_whose_id_is_its_text(tmp_path: Path) -> None:
    records = [{"id": number, "text": f"lamp {number}"} for number in (5, 6, 7)]
    index = Index.create(tmp_path / "index", "none", documents=records)
    searcher = index.searcher()
    assert searcher.get(5) == searcher.get("5")
    assert searcher.like(5) == searcher.like("5")
    assert {hit.id for hit in searcher.like(5)} == {"6", "7"}
    assert searcher.explain("lamp", 5) == searcher.explain("lamp", "5")
    assert searcher.explain("", 5).id == "5"
    with index.writer() as writer:
        assert writer.get(5) == searcher.get("5")
        assert writer.delete(5) == 1
        assert writer.delete([6, "6"]) == 1
    assert [each.id for each in index.searcher().documents()] == ["7"]


def test_an_index_and_its_searcher_are_shown_with_folder_and_count(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = Index.create(folder, "none", documents=[{"id": "a", "text": "lamp"}])
    searcher = index.searcher()
    assert repr(index) == f"Index({str(folder)!r}, documents=1)"
    assert repr(searcher) == f"Searcher({str(folder)!r}, documents=1)"
    with index.writer() as writer:
        writer.delete("a")
    assert repr(index) == f"Index({str(folder)!r}, documents=0)"
    assert repr(searcher) == f"Searcher({str(folder)!r}, documents=1)"
    assert repr(Index(tmp_path / "none")) == f"Index({str(tmp_path / 'none')!r})"


def test_an_index_is_opened_where_it_is_sent_to(tmp_path: Path) -> None:
    documents = [Document("a", "red lamp"), Document("b", "blue kettle")]
    for encoder in (None, HashEncoder(), "small"):
        index = Index.create(tmp_path / "i", encoder, documents=documents, overwrite=True)
        for each in (index, pickle.loads(pickle.dumps(index))):
            sent = pickle.loads(pickle.dumps(each))
            assert sent.folder == index.folder
            found = sent.searcher().rank_many(["lamp", "kettle"])
            assert found == index.searcher().rank_many(["lamp", "kettle"])
    with pytest.raises(TypeError, match="Send the Index"):
        pickle.dumps(index.searcher())


def test_whether_a_document_is_there(tmp_path: Path) -> None:
    documents = [Document("7", "red lamp"), Document("gone", "blue kettle")]
    index = Index.create(tmp_path / "i", None, documents=documents)
    with index.writer() as writer:
        writer.delete("gone")
    searcher = index.searcher()
    assert [each in searcher for each in ("7", 7, "gone", "never", 7.0, None, True)] == [
        True, True, False, False, False, False, False,
    ]  # fmt: skip


def test_hits_and_documents_are_members_of_sets(tmp_path: Path) -> None:
    documents = [Document("a", "red lamp", meta={"n": [1]}), Document("b", "lamp")]
    index = Index.create(tmp_path / "i", None, documents=documents)
    hits = index.searcher().search("lamp")
    assert len({*hits, *index.searcher().search("lamp")}) == 2
    assert {hit.document for hit in hits} == set(documents)
    assert Document("b", "lamp", meta={"n": 1}) not in set(documents)
