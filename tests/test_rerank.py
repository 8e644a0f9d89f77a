"""A ranking read again by a model: against sentence-transformers' own scores, and a clock of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch import Document, Index, Reranked, VecsearchError, load_reranker
from vecsearch.cli import output
from vecsearch.errors import EncoderError, UsageError
from vecsearch.retrieve import rerank
from vecsearch.types import ALL

WORDS = ["lamp", "red", "light", "house", "query", "passage"]
DOCUMENTS = [
    Document(f"d{n:02d}", " ".join(WORDS[(n * step) % 6] for step in range(1, 2 + n % 7)), f"t {n}")
    for n in range(40)
]


class Lengths:
    """A re-ranker that prefers short texts; it notes how many it was given at a time."""

    name = "lengths"

    def __init__(self) -> None:
        self.given: list[int] = []

    def score(self, query, texts):
        self.given.append(len(texts))
        return np.array([-len(text) for text in texts], np.float32)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    index = Index.create(tmp_path_factory.mktemp("rerank") / "index", encoder=None)
    with index.writer() as writer:
        writer.add(DOCUMENTS)
    return index.searcher()


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    from tiny_rerankers import make_cross_encoder

    return make_cross_encoder(tmp_path_factory.mktemp("rerank") / "cross")


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    from tiny_rerankers import make_late_interaction

    return make_late_interaction(tmp_path_factory.mktemp("rerank") / "late")


def by_scores(pairs):
    return sorted(pairs, key=lambda pair: (pair[1], pair[0]), reverse=True)


def test_the_best_are_put_in_the_order_of_the_models_scores(searcher):
    bm25 = searcher.rank_many(["red lamp"], 40, by="bm25")[0]
    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), Lengths(), top=5)
    found = searcher.rank_many(["red lamp"], 8, by=retriever)[0]
    texts = {each.id: f"{each.title} {each.text}" for each in DOCUMENTS}
    read = by_scores([(name, float(-len(texts[name]))) for name, _ in bm25[:5]])
    least = read[-1][1]
    rest = [(name, least - place) for place, (name, _) in enumerate(bm25[5:8], start=1)]
    assert found == read + rest
    assert retriever.name == "bm25+lengths"


@given(k=st.integers(1, 50), top=st.integers(1, 50))
@settings(max_examples=30)
def test_a_ranking_is_the_beginning_of_a_longer_one(searcher, k, top):
    retriever = Reranked(searcher.snapshot, searcher.retriever("tfidf"), Lengths(), top=top)
    whole = searcher.rank_many(["light house"], 50, by=retriever)[0]
    assert searcher.rank_many(["light house"], k, by=retriever)[0] == whole[:k]
    assert {name for name, _ in whole} == {
        name for name, _ in searcher.rank_many(["light house"], 50, by="tfidf")[0]
    }
    scores = [score for _, score in whole]
    assert scores == sorted(scores, reverse=True)


def test_no_text_is_begun_when_the_time_is_up(searcher, monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(rerank.time, "monotonic", lambda: next(now))
    lengths = Lengths()
    bm25 = searcher.retriever("bm25")
    # The clock is looked at once at the start and once before each batch but the first.
    retriever = Reranked(searcher.snapshot, bm25, lengths, top=40, seconds=2)
    found = searcher.search("red lamp light house", 40, by=retriever)
    assert lengths.given == [16, 16]
    before = [hit.id for hit in searcher.search("red lamp light house", 40, by=bm25)]
    assert [hit.id for hit in found][32:] == before[32:]


def test_some_texts_are_read_however_short_the_time(searcher):
    lengths = Lengths()
    retriever = Reranked(
        searcher.snapshot, searcher.retriever("bm25"), lengths, top=40, seconds=1e-9
    )
    searcher.search("red lamp light house", by=retriever)
    assert lengths.given == [16]


def test_filters_hold_and_passages_are_what_is_read(tmp_path):
    index = Index.create(tmp_path / "index", encoder=None, passages=4)
    with index.writer() as writer:
        writer.add(Document("long", "one two three four lamp six seven eight", meta={"kept": True}))
        writer.add(Document("short", "lamp", meta={"kept": True}))
        writer.add(Document("out", "lamp lamp", meta={"kept": False}))
    searcher = index.searcher()
    seen = []

    class Noting(Lengths):
        def score(self, query, texts):
            seen.extend(texts)
            return super().score(query, texts)

    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), Noting())
    found = searcher.search("lamp", where="kept = true", by=retriever)
    assert [hit.id for hit in found] == ["short", "long"]
    assert sorted(seen) == ["lamp", "lamp six seven eight"]
    assert searcher.search("nothing of it", by=retriever) == []


def test_an_explanation_reads_nothing_that_the_search_has_read(searcher):
    model = Lengths()
    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), model, top=5)
    first = searcher.explain_many("red lamp", ["d01", "d02"], by=retriever)
    assert sum(model.given) == 5
    hits = searcher.search("red lamp", by=retriever)
    assert sum(model.given) == 10
    told = searcher.explain_many("red lamp", [hit.id for hit in hits], by=retriever)
    assert [each.score for each in told] == [hit.score for hit in hits]
    assert searcher.explain_many("red lamp", ["d01", "d02"], by=retriever) == first
    assert sum(model.given) == 10
    searcher.explain("lamp", hits[0].id, by=retriever)  # another query
    assert sum(model.given) == 15


def test_explanations_sum_to_the_score_and_tell_what_ranked_before(searcher):
    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), Lengths(), top=5)
    found = searcher.search("red lamp", 8, by=retriever)
    before = [hit.id for hit in searcher.search("red lamp", 40, by="bm25")]
    told = searcher.explain_many("red lamp", [hit.id for hit in found], by=retriever)
    for rank, (hit, each) in enumerate(zip(found, told, strict=True), start=1):
        assert (each.rank, each.score) == (rank, hit.score)
        assert sum(part.value for part in each.parts) == pytest.approx(hit.score)
        assert each.parts[1].explanation.rank == before.index(hit.id) + 1
    lowest = found[4]  # of those that were read, alone
    [alone] = searcher.explain_many("red lamp", [lowest.id], by=retriever)
    assert (alone.rank, alone.score) == (5, lowest.score)
    for name in before[:5]:
        assert searcher.explain("red lamp", name, by=retriever).rank is not None
    lacking = next(each.id for each in DOCUMENTS if each.id not in before)
    [each] = searcher.explain_many("red lamp", [lacking], by=retriever)
    assert each.score is None
    assert each.note


@pytest.mark.parametrize("top", [0, -1, True, 1.5, None])
def test_a_top_that_is_no_number_of_documents_is_refused(searcher, top):
    with pytest.raises(UsageError, match="at least 1 document"):
        Reranked(searcher.snapshot, searcher.retriever("bm25"), Lengths(), top=top)


def test_a_time_of_nothing_is_refused(searcher):
    with pytest.raises(UsageError, match="more than 0 seconds"):
        Reranked(searcher.snapshot, searcher.retriever("bm25"), Lengths(), seconds=0.0)


@pytest.mark.parametrize("given", [[1.0], [float("nan")] * 5, [[1.0]] * 5])
def test_scores_that_are_none_are_an_error(searcher, given):
    class Broken(Lengths):
        def score(self, query, texts):
            return np.array(given, np.float32)

    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), Broken(), top=5)
    with pytest.raises(EncoderError, match="lengths"):
        searcher.search("red lamp", by=retriever)


TEXTS = ["red lamp", "", "light house " * 50, "\ud800 lamp", "日本"]


def test_a_cross_encoder_scores_as_sentence_transformers_does(cross):
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(cross), device="cpu", local_files_only=True)
    clean = [text.encode("utf-8", "replace").decode() for text in TEXTS]
    expected = model.predict([("red light", text) for text in clean])
    reranker = load_reranker(cross, "cpu")
    scores = reranker.score("red light", TEXTS)
    assert len(set(scores.tolist())) > 2
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert reranker.score("red light", []).shape == (0,)


def test_late_interaction_adds_up_the_nearest_tokens(late):
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(late), device="cpu", local_files_only=True)
    texts = ["red lamp", "house", "light house of the red lamp"]
    asked = model.encode_query(["red light"])[0].numpy()
    given = [each.numpy() for each in model.encode_document(texts)]
    expected = [(asked @ each.T).max(axis=1).sum() for each in given]
    scores = load_reranker(late, "cpu").score("red light", texts)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_what_is_no_reranker_is_refused(cross, tmp_path):
    from tiny_bert import make_bert
    from tiny_rerankers import make_cross_encoder

    with pytest.raises(EncoderError, match="holds no re-ranker"):
        load_reranker(make_bert(tmp_path / "bi"))
    three = load_reranker(make_cross_encoder(tmp_path / "three", labels=3), "cpu")
    with pytest.raises(EncoderError, match="gives a pair 3 scores"):
        three.score("red", ["lamp"])
    with pytest.raises(EncoderError, match="Did you mean"):
        load_reranker(cross.with_name("cros"))
    with pytest.raises(EncoderError, match="'minilm' is an encoder"):
        load_reranker("minilm")
    with pytest.raises(UsageError, match="is empty"):
        load_reranker("")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["XForSequenceClassification"]}')
    (folder / "modules.json").write_text('[{"type": "mine.Own", "path": ""}]')
    with pytest.raises(EncoderError, match="code of its own"):
        load_reranker(folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "this is no model"),
        ("{}", "this is no model"),
        ('{"architectures": null}', "this is no model"),
        ('{"architectures": []}', "this is no model"),
        ("{", r"config\.json can't be read"),
        ("\xff", r"config\.json can't be read"),
        ("[" * 100_000, r"config\.json can't be read"),
        ("[1]", "holds a list; a model's holds an object"),
        ("null", "holds null; a model's holds an object"),
        ('{"architectures": "BertForSequenceClassification"}', "is a text; it would be a list"),
        ('{"architectures": {"0": "x"}}', "is an object; it would be a list"),
        ('{"architectures": 5}', "is a number; it would be a list"),
        ('{"architectures": [5]}', "names the architecture 5, which is no text"),
        ('{"architectures": [null]}', "names the architecture None, which is no text"),
    ],
)
def test_a_folder_with_an_odd_config_is_told_of_in_a_sentence(tmp_path, config, said):
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="latin-1")
    with pytest.raises(EncoderError, match=said) as caught:
        load_reranker(tmp_path)
    assert str(caught.value).endswith(".")
    assert str(tmp_path) in str(caught.value)


def test_an_odd_kind_of_model_is_told_of_in_a_sentence(tmp_path):
    (tmp_path / "config_sentence_transformers.json").write_text('{"model_type": ["CrossEncoder"]}')
    with pytest.raises(EncoderError, match=r"model_type of .* is a list; it would be a text"):
        load_reranker(tmp_path)


def test_a_model_is_loaded_when_there_is_something_to_read(cross, searcher, monkeypatch):
    from vecsearch.encoders import pretrained

    loaded = []
    load = pretrained.load_model
    monkeypatch.setattr(
        pretrained, "load_model", lambda *given: loaded.append(given) or load(*given)
    )
    reranker = load_reranker(cross, "cpu")
    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), reranker)
    assert searcher.search("unheard", by=retriever) == []
    assert reranker.score("red", []).shape == (0,)
    assert loaded == []
    assert searcher.search("red", by=retriever)
    assert searcher.search("lamp", by=retriever)
    assert len(loaded) == 1


@pytest.mark.parametrize(
    ("drivers", "version", "expected"),
    [
        ((), "2.13.0", False),
        (("nvidia",), "2.13.0+cpu", True),
        (("amd",), "2.13.0", False),
        (("amd",), "2.13.0+cpu", False),
        (("amd",), "2.13.0+rocm6.4", True),
    ],
)
def test_a_device_of_either_maker_is_looked_for(monkeypatch, tmp_path, drivers, version, expected):
    from vecsearch.encoders.bert import processor

    for name in drivers:
        (tmp_path / name).touch()
    monkeypatch.setattr(processor, "_NVIDIA", (tmp_path / "nvidia",))
    monkeypatch.setattr(processor, "_AMD", tmp_path / "amd")
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    assert processor.may_have_cuda() is expected


def test_it_is_told_how_many_were_read(searcher):
    told = []
    retriever = Reranked(
        searcher.snapshot,
        searcher.retriever("bm25"),
        Lengths(),
        top=5,
        on_read=lambda *counts: told.append(counts),
    )
    candidates = len(searcher.search("red lamp", 8, by="bm25"))
    searcher.rank_many(["red lamp", "unheard"], 8, by=retriever)
    assert told == [(5, candidates), (0, 0)]
    searcher.explain_many("red lamp", ["d01"], by=retriever)
    assert len(told) == 2


def test_a_table_has_no_score_for_what_was_not_read(searcher, monkeypatch, capsys):
    hits = searcher.search("red lamp", 2, by="bm25")
    answers = output.answered(searcher, "red lamp", hits, "bm25")
    shown = [answers[0]._replace(read=True), answers[1]._replace(read=False)]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.print_answers(shown, as_json=False)
    told = capsys.readouterr().out
    assert f"{hits[0].score:.4f}" in told
    assert f"{hits[1].score:.4f}" not in told
    assert re.sub(r"\x1b\[[0-9;]*m", "", told).count(" - ") == 1


@pytest.mark.slow
def test_the_command_reranks(cross, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"id": each.id, "text": each.text}) + "\n" for each in DOCUMENTS)
    )

    def run(*words):
        command = [sys.executable, "-m", "vecsearch", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True)

    assert run("index", corpus, tmp_path / "index", "--encoder", "none").returncode == 0
    search = ("search", tmp_path / "index", "red lamp", "--json", "-k", "4")
    ran = run(*search, "--rerank", cross, "--rerank-top", "3", "--explain")
    assert ran.returncode == 0, ran.stderr
    hits = [json.loads(line) for line in ran.stdout.splitlines()]
    first = [json.loads(line)["id"] for line in run(*search).stdout.splitlines()]
    texts = {each.id: each.text for each in DOCUMENTS}
    scores = load_reranker(cross, "cpu").score("red lamp", [texts[name] for name in first[:3]])
    expected = by_scores(list(zip(first, scores.tolist(), strict=False)))
    assert [hit["id"] for hit in hits] == [name for name, _ in expected] + [first[3]]
    np.testing.assert_allclose([hit["score"] for hit in hits[:3]], [s for _, s in expected], 1e-5)
    assert hits[0]["explanation"]["by"] == "bm25+cross"
    assert [hit["read"] for hit in hits] == [True] * 3 + [False]
    assert "The re-ranker read 3 documents; those below keep the order" in ran.stderr
    ran = run("search", tmp_path / "index", "unheard", "--rerank", cross)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    queries = tmp_path / "queries.tsv"
    queries.write_text("q1\tred lamp\nq2\tunheard\n")
    ran = run(
        *("search", tmp_path / "index", "--queries", queries, "-k", "4"),
        *("--rerank", cross, "--rerank-top", "3"),
    )
    assert "read 3 documents for 1 of the 2 queries; those below" in ran.stderr
    ran = run(
        *("search", tmp_path / "index", "--queries", queries, "-k", "4", "--json"),
        *("--rerank", cross, "--rerank-top", "3"),
    )
    assert "read 3 documents for 1 of the 2 queries; those below" in ran.stderr
    again = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(hit["query"], hit["id"], hit["read"]) for hit in again] == [
        ("q1", hit["id"], hit["read"]) for hit in hits
    ]
    for words, said in (
        (("--rerank", tmp_path / "none"), "no re-ranker"),
        (("--rerank-top", "3"), "go with --rerank"),
        (("--rerank", cross, "--vectors", "x.npy"), "doesn't go with --vectors"),
    ):
        ran = run("search", tmp_path / "index", "red", *words)
        assert ran.returncode == (1 if said == "no re-ranker" else 2)
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr


def test_retrieve_pads_as_every_retriever_does(searcher):
    retriever = Reranked(searcher.snapshot, searcher.retriever("bm25"), Lengths(), top=3)
    found = retriever.retrieve(["red", "unheard"], 60, ALL)
    assert found.rows.shape == (2, 60)
    assert (found.rows[1] == -1).all()
    assert np.isneginf(found.scores[1]).all()
    with pytest.raises(VecsearchError):
        retriever.retrieve(["red"], 0, ALL)
