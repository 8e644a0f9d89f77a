"""Vectors of the caller's own, and what is done with stored ones: search, like, reuse, reencode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import HashEncoder, documents_of, fruit, look

from vecsearch import BM25, Document, Index, Lexical, OwnVectors, VecsearchError, corpus
from vecsearch.encoders import load_encoder
from vecsearch.errors import EncoderMismatch, IndexCorrupt, UnknownDocument, UsageError
from vecsearch.searcher import Searcher

DIM = 5


def vectors_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def with_vectors(count: int) -> list[Document]:
    rows = vectors_of(count)
    return [
        Document(each.id, each.text, each.title, each.meta, vector=row)
        for each, row in zip(fruit(range(count)), rows, strict=True)
    ]


@pytest.fixture
def own(tmp_path: Path) -> Index:
    """d0 to d19 with vectors of their own; d4 deleted, d5 replaced by one with another vector."""
    index = Index.create(tmp_path / "own", OwnVectors(DIM), documents=with_vectors(15))
    with index.writer() as writer:
        writer.add(with_vectors(20)[15:])
        writer.delete("d4")
        writer.add(Document("d5", "red apple anew", vector=vectors_of(1, seed=5)[0]))
    return index


def oracle(searcher: Searcher, query: np.ndarray) -> dict[str, float]:
    rows = {each.id: vectors_of(20)[int(each.id[1:])] for each in documents_of(searcher)}
    rows["d5"] = vectors_of(1, seed=5)[0]
    return {name: float(row.astype(np.float64) @ query) for name, row in rows.items()}


def counted(encoder: HashEncoder) -> list[str]:
    """Make an encoder tell which texts it encodes."""
    told: list[str] = []
    encode = encoder.encode
    encoder.encode = lambda texts, role: told.extend(texts) or encode(texts, role)  # type: ignore[method-assign]
    return told


# ---- An index of them


@given(seed=st.integers(0, 1000), k=st.integers(1, 25))
@settings(max_examples=25)
def test_search_by_a_vector_is_brute_force(tmp_path_factory, seed: int, k: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "shared-own"
    if not folder.exists():
        Index.create(folder, OwnVectors(DIM), documents=with_vectors(15))
    searcher = Index.open(folder).searcher()
    query = vectors_of(1, seed)[0]
    scores = vectors_of(15).astype(np.float64) @ query
    expected = [f"d{i}" for i in np.argsort(-scores)][:k]
    hits = searcher.search(vector=query, k=k)
    assert [hit.id for hit in hits] == expected
    assert np.allclose([hit.score for hit in hits], np.sort(scores)[::-1][:k], atol=1e-5)


def test_after_changes_and_with_a_filter(own: Index) -> None:
    searcher = own.searcher()
    query = vectors_of(1, 99)[0]
    expected = oracle(searcher, query)
    assert "d4" not in expected
    found = {hit.id: hit.score for hit in searcher.search(vector=query, k=30)}
    assert found.keys() == expected.keys()
    assert all(abs(found[name] - expected[name]) < 1e-5 for name in expected)
    passing = searcher.search(vector=query, k=30, where="n >= 10")
    assert {hit.id for hit in passing} == {f"d{n}" for n in range(10, 20)}


def test_a_list_and_wider_floats_are_taken(own: Index) -> None:
    query = vectors_of(1, 3)[0]
    searcher = own.searcher()
    expected = [hit.id for hit in searcher.search(vector=query)]
    assert [hit.id for hit in searcher.search(vector=query.astype(np.float64))] == expected
    assert [hit.id for hit in searcher.search(vector=query.tolist())] == expected
    assert [hit.id for hit in searcher.search(vector=query[None])] == expected
    assert [hit.id for hit in searcher.search(vector=[query.tolist()])] == expected
    [hits] = searcher.search_many(["a"], vectors=query)
    assert [hit.id for hit in hits] == expected


def test_words_work_and_are_the_default(own: Index) -> None:
    searcher = own.searcher()
    assert searcher.default == "bm25"
    assert searcher.search("number7")[0].id == "d7"
    assert searcher.search("number7", by="tfidf")[0].id == "d7"
    for by in ("dense", "hybrid"):
        with pytest.raises(UsageError, match="search by a vector, or by words"):
            searcher.search("number7", by=by)


def test_a_text_and_a_vector_are_fused(own: Index) -> None:
    searcher = own.searcher()
    query = vectors_of(1, 8)[0]
    hits = searcher.search("number7 ripe", vector=query, k=20, by="hybrid")
    dense = dict(searcher.rank_many([""], 100, by="dense", vectors=[query])[0])
    words = dict(searcher.rank_many(["number7 ripe"], 100, by="bm25")[0])

    def scaled(scores: dict[str, float], name: str) -> float:
        low, high = min(scores.values()), max(scores.values())
        return (scores[name] - low) / (high - low) if name in scores else 0.0

    for hit in hits:
        expected = (scaled(words, hit.id) + scaled(dense, hit.id)) / 2
        assert hit.score == pytest.approx(expected, abs=1e-5)


def test_many_vectors(own: Index) -> None:
    searcher = own.searcher()
    queries = vectors_of(300, 7)  # more than a block
    many = searcher.rank_many([""] * 300, 3, vectors=queries)
    mixed = searcher.rank_many(["red", ""], 3, vectors=queries[:2])
    assert mixed == many[:2]  # a query's neighbours decide nothing
    for i in (0, 17, 255, 256, 299):
        assert many[i] == [(hit.id, hit.score) for hit in searcher.search(vector=queries[i], k=3)]


def test_the_folder_alone_opens_and_is_checked(own: Index) -> None:
    again = Index.open(own.folder)
    assert again.info()["encoder"] == "own vectors"
    assert again.info()["dim"] == DIM
    assert again.verify() == []
    loaded = load_encoder(own.folder / own.manifest().encoder.folder)  # type: ignore[union-attr]
    assert loaded == OwnVectors(DIM)
    with pytest.raises(EncoderMismatch):
        Index.open(own.folder, HashEncoder(dim=DIM))


@pytest.mark.parametrize(
    ("vector", "wrong"),
    [
        ([1.0, 2.0], "5 numbers, not the shape"),
        ([[1.0] * 5] * 2, "must be one vector, not 2"),
        ([1, 2, 3, 4, float("nan")], "NaN"),
        ([1, 2, 3, 4, float("inf")], "greater"),
        ([1, 2, 3, 4, -3e38], "greater"),
        ([1, 2, 3, 4, 1e300], "greater"),
        ("fives", "must be numbers"),
        (["a"] * 5, "must be numbers"),
        (np.full(5, 1 + 2j), "must be numbers .they are complex"),
        ([1, 2, 3, 4, 5j], "must be numbers .they are complex"),
        (7.0, "5 numbers, not the shape"),
        (None, "has no vector"),
    ],
)
def test_bad_vectors_name_the_document_and_cost_nothing(own: Index, vector, wrong: str) -> None:
    before = own.manifest()
    new = Document("new", "text", vector=vectors_of(1)[0])
    with pytest.raises(UsageError, match=wrong) as caught, own.writer() as writer:
        writer.add([new, Document("odd", "text", vector=vector)])
    assert "odd" in str(caught.value)
    assert own.manifest() == before


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (lambda s: s.search(vector=[1.0]), "must have 5 numbers"),
        (lambda s: s.search(vector=np.ones((2, 5))), "there are 2 for 1"),
        (lambda s: s.search(vector=np.ones((1, 1, 5))), r"not the shape \(1, 1, 5\)"),
        (lambda s: s.search("x", by="bm25", vector=[1.0] * 5), "by dense or hybrid, not by bm25"),
        (lambda s: s.search_many(["a", "b"], vectors=[[1.0] * 5]), "there are 1 for 2"),
        (lambda s: s.search("x", by=Lexical(s.snapshot, s.analyzer, BM25()), vector=[1.0] * 5), "not by bm25"),
        (lambda s: s.get("nobody"), "holds no document 'nobody'"),
        (lambda s: s.like("nobody"), "holds no document 'nobody'"),
        (lambda s: s.get(5), "holds no document '5'"),
        (lambda s: s.get(5.0), "A document's id is text or a whole number, not 5.0"),
        (lambda s: s.like("d1", k=0), "at least 1"),
    ],
)  # fmt: skip
def test_bad_calls_are_sentences(own: Index, call, wrong: str) -> None:
    with pytest.raises(VecsearchError, match=wrong):
        call(own.searcher())


def test_vectors_have_no_place_without_embeddings_and_with_passages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="index without embeddings"):
        Index.create(tmp_path / "a", None, documents=with_vectors(1))
    with pytest.raises(UsageError, match="split into"):
        Index.create(tmp_path / "b", OwnVectors(DIM), documents=with_vectors(9), passages=2)
    words = Index.create(tmp_path / "c", None, documents=fruit([1]))
    with pytest.raises(UsageError, match="no embeddings"):
        words.searcher().search(vector=[1.0])
    for dim in (0, -1, 2.5, True):
        with pytest.raises(UsageError, match="whole number"):
            OwnVectors(dim)  # type: ignore[arg-type]


def test_a_vector_beside_an_encoder_spares_the_encoding(tmp_path: Path) -> None:
    encoder = HashEncoder(dim=DIM)
    told = counted(encoder)
    vector = vectors_of(1)[0]
    index = Index.create(
        tmp_path / "i",
        encoder,
        documents=[Document("a", "one"), Document("b", "two", vector=vector)],
    )
    assert told == ["one"]
    assert np.array_equal(index.searcher().vectors("b"), vector[None])
    assert np.allclose(index.searcher().vectors("a"), encoder.encode(["one"], "document"))


# ---- What is not encoded


@pytest.mark.parametrize("blanks", [1, 40])
def test_blank_documents_are_not_encoded_and_not_found_by_meaning(tmp_path: Path, blanks) -> None:
    encoder = HashEncoder()
    told = counted(encoder)
    texts = ["red apple", "green pear", "blue plum", "old fig", "new quince"]
    documents = [Document(text, text) for text in texts]
    documents += [Document(f"blank{n}", " \n\t") for n in range(blanks)]
    searcher = Index.create(tmp_path / "i", encoder, documents=documents).searcher()
    assert sorted(told) == sorted(texts)
    assert not searcher.vectors("blank0").any()  # type: ignore[union-attr]
    for query in ("red apple", "something else", "apple pear plum"):
        hits = searcher.search(query, k=5, by="dense")
        expected = encoder.encode(texts, "document") @ encoder.encode([query], "query")[0]
        assert expected.min() < 0  # a zero would stand above it
        assert [hit.id for hit in hits] == [texts[i] for i in np.argsort(-expected)]
        assert len(searcher.search(query, k=30, by="hybrid")) == len(texts)
    assert searcher.like("blank0") == []


def test_an_index_of_blank_documents_finds_nothing(tmp_path: Path) -> None:
    index = Index.create(
        tmp_path / "i", HashEncoder(), documents=[Document("a", ""), Document("b", " ")]
    )
    for by in ("dense", "hybrid", "bm25"):
        assert index.searcher().search("red", by=by) == []


@pytest.mark.parametrize("passages", [None, 3])
def test_an_update_with_the_same_text_keeps_its_vectors(tmp_path: Path, passages) -> None:
    encoder = HashEncoder()
    documents = fruit(range(10))
    index = Index.create(tmp_path / "i", encoder, documents=documents, passages=passages)
    before = look(index.searcher())
    told = counted(encoder)
    changed = [Document(each.id, each.text, each.title, {"fresh": True}) for each in documents[:5]]
    with index.writer() as writer:
        writer.update([*changed, Document("d6", "another text")])
        assert writer.get("d6") == Document("d6", "another text")
        assert writer.get("nobody") is None
    assert told == ["another text"]
    after = look(Index.open(index.folder, HashEncoder()).searcher())
    assert after.documents["d1"].meta == {"fresh": True}
    assert after.vectors | {"d6": []} == before.vectors | {"d6": []}


@pytest.mark.parametrize("flushed", [False, True])
def test_an_update_keeps_the_vectors_that_came_earlier_in_its_block(
    tmp_path: Path, flushed: bool
) -> None:
    index = Index.create(tmp_path / "i", OwnVectors(2))

    def vectors(*documents: Document) -> list[list[float]]:
        with index.writer() as writer:
            for each in documents:
                writer.update(each)
                if flushed:
                    writer.get("a")  # which writes what was taken
        return index.searcher().vectors("a").tolist()

    first = Document("a", "T", vector=[1, 0])
    assert vectors(first, Document("a", "T", meta={"x": 1})) == [[1, 0]]
    later = Document("a", "T", vector=[0, 1])
    assert vectors(later, Document("a", "T"), Document("a", "T", meta={"x": 2})) == [[0, 1]]
    other = Document("a", "OTHER", vector=[1, 0])
    with pytest.raises(UsageError, match="has no vector"):
        vectors(other, Document("a", "T"))
    assert index.searcher().get("a").meta == {"x": 2}


def test_an_update_encodes_what_an_earlier_one_of_its_block_changed(tmp_path: Path) -> None:
    encoder = HashEncoder()
    index = Index.create(
        tmp_path / "i", encoder, documents=[Document("a", "T", vector=[1] + [0] * 15)]
    )
    with index.writer() as writer:
        writer.update(Document("a", "other"))
        writer.update(Document("a", "T"))
    assert np.array_equal(index.searcher().vectors("a"), encoder.encode(["T"], "document"))


def test_damaged_vectors_are_not_copied(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "i", HashEncoder(), documents=fruit(range(10)))
    damage(index.folder / "segments/000001/vectors.safetensors")
    old = fruit([3])[0]
    with pytest.raises(IndexCorrupt, match=r"vectors\.safetensors"), index.writer() as writer:
        writer.update(Document(old.id, old.text, old.title, {"n": 0}))


def test_what_is_added_is_as_in_an_index_made_afresh(tmp_path: Path) -> None:
    encoder = HashEncoder(dim=DIM)
    own = Document("a", "red car", vector=vectors_of(1)[0])
    index = Index.create(tmp_path / "i", encoder, documents=[own])
    with index.writer() as writer:
        writer.add(Document("a", "red car"))
    assert np.allclose(index.searcher().vectors("a"), encoder.encode(["red car"], "document"))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


# ---- Reencode


@pytest.mark.parametrize("passages", [None, 4])
def test_reencode_is_an_index_made_afresh(tmp_path: Path, passages) -> None:
    index = Index.create(tmp_path / "i", HashEncoder(), "plain", documents=fruit(range(30)), passages=passages)  # fmt: skip
    with index.writer() as writer:
        writer.delete(["d3", "d4"])
        writer.add(fruit([7], "fresh"))
    beside = index.searcher()
    old = look(beside)
    index.reencode(HashEncoder("other", 8))
    documents = list(index.searcher().documents())
    fresh = Index.create(tmp_path / "j", HashEncoder("other", 8), "plain", documents=documents, passages=passages)  # fmt: skip
    assert look(index.searcher()) == look(fresh.searcher())
    assert look(beside) == old  # a searcher keeps its state
    assert index.verify() == []
    info = index.info()
    assert (info["dim"], info["documents"], info["generation"]) == (8, 28, 3)


def test_reencode_mends_damaged_vectors_but_copies_no_damaged_document(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "i", HashEncoder(), documents=fruit(range(10)))
    before = look(index.searcher())
    damage(index.folder / "segments/000001/vectors.safetensors")
    index.reencode(HashEncoder())
    assert index.verify() == []
    assert look(index.searcher()) == before
    damage(index.folder / "segments/000002/documents.safetensors")
    with pytest.raises(IndexCorrupt, match=r"documents\.safetensors"):
        index.reencode(HashEncoder("other"))


def test_reencode_to_nothing_and_back(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "i", HashEncoder(), documents=fruit(range(5)))
    before = look(index.searcher())
    seen = []
    index.reencode(None, through=lambda found: (seen.append(each) or each for each in found))
    assert len(seen) == 5
    assert index.searcher().default == "bm25"
    assert index.searcher().vectors("d1") is None
    index.reencode(HashEncoder())
    assert look(index.searcher()) == before


def test_reencode_that_fails_changes_nothing(own: Index) -> None:
    before = own.manifest()
    with pytest.raises(UsageError, match="has no vector"):
        own.reencode(OwnVectors(DIM))
    with pytest.raises(VecsearchError, match="no encoder 'nothing'"):
        own.reencode("nothing")
    assert own.manifest() == before
    assert own.verify() == []
    own.reencode(HashEncoder())
    assert own.searcher().default == "hybrid"


# ---- Like, get, documents


def test_like_finds_neighbours_without_itself(own: Index) -> None:
    searcher = own.searcher()
    for by in (None, "dense", "hybrid", "bm25", "tfidf"):
        hits = searcher.like("d7", k=5, by=by)
        assert "d7" not in {hit.id for hit in hits}
        assert len(hits) == 5
    expected = oracle(searcher, vectors_of(20)[7])
    del expected["d7"]
    best = sorted(expected, key=expected.__getitem__, reverse=True)[:5]
    assert [hit.id for hit in searcher.like("d7", k=5, by="dense")] == best
    assert all(hit.document.meta["n"] > 9 for hit in searcher.like("d7", where="n > 9"))


def test_like_loads_no_encoder_and_takes_a_composed_retriever(tmp_path: Path) -> None:
    encoder = HashEncoder()
    index = Index.create(tmp_path / "i", encoder, documents=fruit(range(12)), passages=3)
    told = counted(encoder)
    searcher = index.searcher()
    assert searcher.like("d1")
    assert told == []
    composed = Lexical(searcher.snapshot, searcher.analyzer, BM25(b=0))
    named = searcher.like("d1", by=composed)
    text = searcher.get("d1").text
    expected = [hit.id for hit in searcher.search(text, k=12, by=composed) if hit.id != "d1"]
    assert [hit.id for hit in named] == expected[:10]


def test_get_and_documents(own: Index) -> None:
    searcher = own.searcher()
    assert searcher.get("d7") == fruit([7])[0]
    assert [each.id for each in searcher.documents()] == [
        each.id for each in documents_of(searcher)
    ]
    assert [each.id for each in searcher.documents("n >= 18")] == ["d18", "d19"]
    assert searcher.fields == ("mark", "n", "tags")
    with pytest.raises(UnknownDocument):
        searcher.get("d4")  # deleted


@pytest.mark.parametrize("passages", [None, 2])
def test_documents_of_a_filter_come_once_with_passages(tmp_path: Path, passages) -> None:
    index = Index.create(tmp_path / "i", None, documents=fruit(range(9)), passages=passages)
    found = [each.id for each in index.searcher().documents("n >= 5")]
    assert found == [f"d{n}" for n in range(5, 9)]


# ---- Mappings and frames that bring them


def frames_of(rows: list[dict[str, object]]) -> dict[str, object]:
    pd, pl, pa = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    matrix = np.array(columns["vector"], np.float32)
    arrays = {**columns, "vector": list(matrix)}
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), DIM)
    return {
        "mappings": rows,
        "arrays": [{**row, "vector": vector} for row, vector in zip(rows, matrix, strict=True)],
        "tuples": [{**row, "vector": tuple(row["vector"])} for row in rows],
        "pandas": pd.DataFrame(columns),
        "pandas of arrays": pd.DataFrame(arrays),
        "polars": pl.DataFrame(columns),
        "polars of arrays": pl.DataFrame({**columns, "vector": matrix}),
        "lazy": pl.LazyFrame(columns),
        "arrow": pa.table(columns),
        "arrow, fixed": pa.table({**columns, "vector": fixed}).to_batches()[0],
    }


def test_rows_bring_their_vectors(tmp_path: Path) -> None:
    matrix = vectors_of(6)
    rows = [
        {"id": f"d{i}", "text": f"fruit {i}", "n": i, "vector": vector.tolist()}
        for i, vector in enumerate(matrix)
    ]
    query = vectors_of(1, 9)[0]
    expected = [f"d{i}" for i in np.argsort(-(matrix @ query))]
    for name, frame in frames_of(rows).items():
        index = Index.create(tmp_path / name, OwnVectors(DIM), documents=frame)
        searcher = index.searcher()
        hits = searcher.search(vector=query, k=6)
        assert [hit.id for hit in hits] == expected, name
        assert dict(hits[0].document.meta) == {"n": int(hits[0].id[1:])}, name
        stored = [searcher.vectors(f"d{i}") for i in range(6)]
        assert np.array_equal(np.concatenate(stored), matrix), name


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan")])
def test_a_missing_vector_is_none(tmp_path: Path, missing: object) -> None:
    row = {"id": "a", "text": "x", "vector": missing}
    assert list(corpus.documents_of(row)) == [Document("a", "x")]
    with pytest.raises(UsageError, match="Document 'a' has no vector"):
        Index.create(tmp_path / "i", OwnVectors(2), documents=row)


def test_a_field_of_this_name_that_is_no_list_is_metadata(tmp_path: Path) -> None:
    (word,) = corpus.documents_of({"id": "a", "text": "x", "vector": "pUC19"})
    assert (word.vector, word.meta) == (None, {"vector": "pUC19"})
    chosen = corpus.Fields(text="vector")
    (text,) = corpus.documents_of({"id": "a", "vector": "x", "title": "t"}, chosen)
    assert (text.vector, text.text, text.meta) == (None, "x", {})
    path = tmp_path / "a.jsonl"  # files bring none: `--vectors` does
    path.write_text('{"id": "a", "text": "x", "vector": [1, 2]}\n')
    (line,) = corpus.documents(corpus.open_corpus(path))
    assert (line.vector, line.meta) == (None, {"vector": [1, 2]})


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([1.0], r"must have 2 numbers, not the shape \(1, 1\)"),
        (["a", "b"], "must be numbers"),
        ([{}, 1], "must be numbers"),
        ([1, [2]], "must be numbers"),
        ([10**400, 1], "must be numbers"),
        ([1.0, float("nan")], "must be numbers from"),
        ([1.0, None], "must be numbers from"),
        ([], "must have 2 numbers"),
        (np.array(1.0), "must have 2 numbers"),
        (np.ones((2, 2)), "must be one vector, not 2"),
    ],
)
def test_a_bad_vector_is_told_with_its_document(tmp_path: Path, vector, words) -> None:
    rows = [{"id": "a", "text": "x", "vector": [1, 2]}, {"id": "b", "text": "", "vector": vector}]
    with pytest.raises(UsageError, match=f"^The vector of document 'b' {words}.*[.]$"):
        Index.create(tmp_path / "i", OwnVectors(2), documents=rows)
