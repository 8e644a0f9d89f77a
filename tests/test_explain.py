"""Explanations: parts sum to the score, ranks are those of a full search, terms by the formulas."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import oracles
import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from toy import HashEncoder, fruit

from vecsearch import (
    ALL,
    BM25,
    Arm,
    ArmPart,
    Dense,
    Document,
    Index,
    Lexical,
    ReciprocalRank,
    Remainder,
    Span,
    TermPart,
    TextPart,
    TfIdf,
    WeightedSum,
    load_encoder,
)
from vecsearch.cli.app import main
from vecsearch.cli.explaining import (
    explanation_json,
    explanation_lines,
    method_lines,
    shared_methods,
)
from vecsearch.cli.output import Answer, print_answers
from vecsearch.encoders.base import TokenVectors
from vecsearch.encoders.words import word_spans
from vecsearch.errors import FilterError, UnknownDocument, UnknownName, UsageError
from vecsearch.retrieve import explanation as explanations
from vecsearch.retrieve import similarity
from vecsearch.snippets import Snippet

VARIANTS = ("lucene", "robertson", "atire", "bm25+", "bm25l")
WEIGHTINGS = [
    *(BM25(1.2, 0.75, variant) for variant in VARIANTS),
    BM25(0.0, 1.0, "bm25l", 0.0),
    *(TfIdf(sublinear, smooth, l2) for sublinear in (0, 1) for smooth in (0, 1) for l2 in (0, 1)),
]
ZH = ["东京都的灯塔", "灯塔守护人 writes 日記", "京都の lamp は明るい。灯塔。", "lamp ランプ 灯"]
WORDS = ["red", "green", "apple", "pear", "ripe", "number7", "old", "new", "lamp", "灯塔", "京都"]


class WordEncoder(HashEncoder):
    """A toy whose vectors are sums over words, and that says so, but for the empty text."""

    def _vector(self, text):
        words = [super(WordEncoder, self)._vector(word) for word in text.split()]
        total = np.sum([np.zeros(self.dim), *words], axis=0)
        return total / max(np.linalg.norm(total), 1e-12)

    def encode_tokens(self, text, role):
        found = list(re.finditer(r"\S+", text))
        if not found:
            return None
        vectors = np.array([self._vector(match[0]) for match in found])
        vectors /= max(np.linalg.norm(vectors.sum(axis=0)), 1e-12)
        spans = [Span(*match.span()) for match in found]
        marks = np.zeros((1, self.dim))
        return TokenVectors((None, *spans), np.concatenate([marks, vectors]).astype(np.float32))


def whole(folder):
    return Index.create(folder, HashEncoder(), documents=fruit(range(40)))


def parted(folder):
    """Passages, several segments, deleted and replaced documents."""
    index = Index.create(folder, WordEncoder(), documents=fruit(range(40)), passages=3)
    with index.writer() as writer:
        writer.add(fruit(range(35, 48), "new"))
        writer.delete(["d0", "d7", "d40"])
    with index.writer() as writer:
        writer.add([*fruit(range(50, 52)), Document("blank", " "), Document("nothing", "")])
    assert len(index.searcher().snapshot.parts) > 1
    return index


def tied(folder):
    twins = [Document(f"t{i}", f"red lamp {'red' * (i % 2)}", meta={"n": i}) for i in range(12)]
    more = [Document(f"z{i}", text, "灯塔" if i else "") for i, text in enumerate(ZH)]
    return Index.create(folder, HashEncoder(), "english", documents=[*twins, *more])


@pytest.fixture(scope="module", params=[whole, parted, tied])
def searcher(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("explain") / "index").searcher()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return parted(tmp_path_factory.mktemp("explain") / "index").searcher()


def retrievers(searcher):
    lexical = [Lexical(searcher.snapshot, searcher.analyzer, each) for each in WEIGHTINGS]
    dense = searcher.retriever("dense")
    two = [Arm(lexical[0], 0.3), Arm(dense, 0.7)]
    shallow = WeightedSum(searcher.snapshot, two, depth=2)
    nested = [Arm(shallow, 1.0), Arm(lexical[-1], 0.0), Arm(lexical[3], 2.0)]
    return [
        *lexical,
        dense,
        searcher.retriever("hybrid"),
        shallow,
        ReciprocalRank(searcher.snapshot, two, depth=5),
        ReciprocalRank(searcher.snapshot, nested, constant=0, depth=3),
    ]


def ids(searcher):
    return [
        part.segment.documents.id(position)
        for part in searcher.snapshot.parts
        for position in np.flatnonzero(part.segment.living()).tolist()
    ]


def check_sum(told):
    """Parts sum to the score, and those of each arm to the arm's."""
    assert (told.score is None) == (told.rank is None) == (told.span is None)
    partly = "The model read only" in told.note or "were looked at" in told.note
    assert (told.score is None) == bool(told.note and not partly)
    if told.score is None:
        assert told.parts == ()
        return
    total = math.fsum(part.value for part in told.parts)
    assert math.isclose(total, told.score, rel_tol=1e-5, abs_tol=1e-5), told
    assert told.parts
    assert told.method
    for part in told.parts:
        if isinstance(part, ArmPart):
            assert part.value == part.weight * part.normalised
            shown = part.explanation
            assert (part.name, part.raw, part.rank) == (shown.by, shown.score, shown.rank)
            check_sum(shown)


def test_parts_sum_to_the_score_and_ranks_are_those_of_a_search(searcher):
    draw = random.Random(3)
    queries = [" ".join(draw.choices(WORDS, k=draw.randint(1, 4))) for _ in range(3)]
    everything = ids(searcher)
    for retriever in retrievers(searcher):
        for query in [*queries, "the", "  ", "zeppelin"]:
            where = draw.choice([None, "n >= 10", "n < 0"])
            hits = searcher.search(query, 10_000, where, retriever)
            expected = {hit.id: (rank, hit.score, hit.span) for rank, hit in enumerate(hits, 1)}
            told = searcher.explain_many(query, everything, where, retriever)
            assert [each.id for each in told] == everything
            for each in told:
                assert each.by == retriever.name
                found = (each.rank, each.score, each.span)
                assert found == expected.get(each.id, (None, None, None))
                check_sum(each)
            # One by one it is the same.
            assert searcher.explain(query, everything[2], where, retriever) == told[2]


def test_a_document_beyond_the_first_look_is_found(plain, monkeypatch):
    expected = [plain.explain("red apple", each) for each in ids(plain)]
    monkeypatch.setattr(explanations, "_DEEP", 2)
    assert [plain.explain("red apple", each) for each in ids(plain)] == expected
    assert max(each.rank or 0 for each in expected) > 40


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=str)
def test_terms_are_weighed_by_the_formula(tmp_path, weighting):
    texts = ["Lamps lamp oil", "oil and fire and oil", "a lamplight of lamps, lamps", "fire", "x"]
    documents = [Document(f"d{i}", text, "Lamp" if i == 1 else "") for i, text in enumerate(texts)]
    index = Index.create(tmp_path / "i", None, "english", documents=documents)
    searcher = index.searcher()
    by = Lexical(searcher.snapshot, searcher.analyzer, weighting)
    rows = [
        (each.id, searcher.analyzer.terms(f"{each.title} {each.text}".strip()))
        for each in documents
    ]
    query = Counter(searcher.analyzer.terms("lamp oil oil zeppelin"))
    for document, (_, terms) in zip(documents[:3], rows, strict=False):
        told = searcher.explain("lamp oil oil zeppelin", document.id, by=by)
        assert told.exact
        parts = {part.term: part for part in told.parts}
        assert parts.keys() == query.keys()
        assert [p.value for p in told.parts] == sorted((p.value for p in told.parts), reverse=True)
        for term, part in parts.items():
            df = sum(term in others for _, others in rows)
            assert (part.tf, part.df, part.rows) == (terms.count(term), df, len(rows))
            assert part.length == len(terms)
            assert part.average_length == sum(len(others) for _, others in rows) / len(rows)
            expected = naive(weighting, part, query[term]) if df else (None, 0.0, 0.0)
            assert (part.idf, part.weight, part.query_weight) == pytest.approx(expected)
            assert part.value == pytest.approx(part.weight * part.query_weight / part.norm)
            if df:
                assert recomputed(weighting.formula, part) == pytest.approx(part.weight, abs=1e-12)
        lengths = [norm(weighting, rows, side) for side in (Counter(terms), query)]
        wanted = lengths[0] * lengths[1] if weighting.cosine else 1.0
        assert all(part.norm == pytest.approx(wanted) for part in told.parts)
    first = {p.term: p.words for p in searcher.explain("lamps oil", "d0", by=by).parts}
    assert first == {"lamp": ("Lamps", "lamp"), "oil": ("oil",)}
    second = {p.term: p.words for p in searcher.explain("lamps", "d1", by=by).parts}
    assert second == {"lamp": ("Lamp",)}  # of the title


def naive(weighting, part, count):
    """idf, weight of a term in the row, and in the query, as the papers say."""
    if isinstance(weighting, BM25):
        relative = 1 - weighting.b + weighting.b * part.length / part.average_length
        idf = oracles._idf(weighting.variant, part.df, part.rows)
        tf = oracles._tf(weighting.variant, part.tf, relative, weighting.k1, weighting.delta)
        return idf, idf * tf, count
    idf, tf = naive_tfidf(weighting, part.rows, part.df, part.tf)
    return idf, idf * tf, idf * naive_tfidf(weighting, part.rows, part.df, count)[1]


def naive_tfidf(weighting, n, df, tf):
    smooth = math.log((1 + n) / (1 + df)) + 1
    damped = 1 + math.log(tf) if tf else 0
    idf = smooth if weighting.smooth else math.log(n / df) + 1
    return idf, damped if weighting.sublinear else tf


def norm(weighting, rows, counts):
    if not weighting.cosine:
        return 1.0
    total = 0.0
    for term, count in counts.items():
        if df := sum(term in others for _, others in rows):
            total += math.prod(naive_tfidf(weighting, len(rows), df, count)) ** 2
    return math.sqrt(total)


def recomputed(formula, part):
    """Evaluate the formula that a person reads, with the numbers that a person reads."""
    body, _, definitions = formula.partition(", where ")
    names = {
        "tf": part.tf,
        "df": part.df,
        "N": part.rows,
        "length": part.length,
        "average_length": part.average_length,
        "ln": math.log,
        "max": max,
    }
    if part.tf == 0 and "ln(tf)" in body:
        return 0.0
    definitions = definitions.replace("average length", "average_length")
    for definition in reversed(re.split(r", (?=\w+ = )", definitions)):
        name, _, value = definition.partition(" = ")
        names[name] = eval(value, {}, names)
    assert names["idf"] == pytest.approx(part.idf)
    try:
        return eval(body, {}, names)
    except ZeroDivisionError:  # tf and k1 are 0
        return 0.0


def test_chinese_terms_are_shown_as_they_stand(tmp_path):
    documents = [Document(f"z{i}", text) for i, text in enumerate(ZH)]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    [part] = searcher.explain("灯塔", "z2").parts
    assert (part.term, part.words, part.tf, part.df) == ("灯塔", ("灯塔",), 1, 3)


def test_words_carry_the_similarity_where_the_encoder_tells(plain):
    told = plain.explain("red apple", "d12", by="dense")
    document = plain.get("d12")
    encoder = WordEncoder()
    query = encoder.encode(["red apple"], "query")[0].astype(float)
    passage = document.text[slice(*told.span)]
    text = f"{document.title} {passage}"
    words = text.split()
    vectors = np.array([encoder._vector(word) for word in words])
    shares = (vectors / np.linalg.norm(vectors.sum(axis=0))) @ query
    *texts, rest = told.parts
    assert told.exact
    assert "around it" in told.method
    assert isinstance(rest, Remainder)
    assert rest.value == pytest.approx(0, abs=1e-6)
    assert sorted(part.value for part in texts) == pytest.approx(sorted(shares), abs=1e-6)
    for part in texts:
        assert isinstance(part, TextPart)
        assert part.text in words
        if part.span is not None:
            assert document.text[slice(*part.span)] == part.text
            assert told.span.start <= part.span.start
    assert [part.text for part in texts if part.span is None] != []  # of the title


def test_what_the_model_never_read_is_told(tmp_path):
    class Short(WordEncoder):
        """It reads five words."""

        def encode(self, texts, role):
            return super().encode([" ".join(text.split()[:5]) for text in texts], role)

        def encode_tokens(self, text, role):
            return super().encode_tokens(" ".join(text.split()[:5]), role)

    documents = [
        Document("long", "old pear and fig or " + "old filler " * 500 + "red apple", "Of"),
        Document("fits", "ripe red apple pie"),
        Document("ends", "one old red apple pie \u200b \n ..."),
        Document("blank", " "),
    ]
    index = Index.create(tmp_path / "i", Short(), documents=documents)
    told = {each.id: index.searcher().explain("red apple", each.id) for each in documents}
    note = (
        "The model read only the first 19 of 5,532 characters; shorter passages (--passages) let "
        "it read all."
    )
    text = f"Of {documents[0].text}"
    assert (text[:19], len(text)) == ("Of old pear and fig", 5532)
    [dense] = [part.explanation for part in told["long"].parts if part.name == "dense"]
    assert dense.note == note
    assert explanation_json(dense)["note"] == note
    assert note in " ".join(" ".join(explanation_lines(told["long"], 50)).split())
    for name in ("fits", "ends"):
        assert all(part.explanation.note == "" for part in told[name].parts)
    # Such as leave out pieces don't say what they read.
    silent = Dense(index.searcher().snapshot, HashEncoder)  # another searcher's of the same state
    assert index.searcher().explain("red apple", "long", by=silent).note == ""


def test_other_encoders_leave_out_piece_by_piece(tmp_path):
    text = "red apple pie. " + "Nothing of the kind here. " * 40 + "Then a red lamp!"
    documents = [Document("short", "red green lamp", "Old"), Document("long", text)]
    searcher = Index.create(tmp_path / "i", HashEncoder(), documents=documents).searcher()
    encoder = HashEncoder()
    query = encoder.encode(["red lamp"], "query")[0].astype(float)

    def score(text):
        return float(encoder.encode([text], "document")[0].astype(float) @ query)

    told = searcher.explain("red lamp", "short", by="dense")
    expected = {
        "Old": "red green lamp",
        "red": "Old green lamp",
        "green": "Old red lamp",
        "lamp": "Old red green",
    }
    *texts, rest = told.parts
    assert not told.exact
    assert told.method.startswith("An approximation")
    full = score("Old red green lamp")
    assert {p.text: p.value for p in texts} == pytest.approx(
        {word: full - score(without) for word, without in expected.items()}, abs=1e-6
    )
    assert {p.text: p.span for p in texts}["green"] == Span(4, 9)
    assert {p.text: p.span for p in texts}["Old"] is None
    assert rest.value == pytest.approx(full - sum(p.value for p in texts), abs=1e-6)
    *texts, rest = searcher.explain("red lamp", "long", by="dense").parts
    assert 10 <= len(texts) <= 30
    assert all(text[slice(*part.span)] == part.text for part in texts)
    assert sum(len(part.text.split()) for part in texts) == len(text.split())


def test_vectors_that_no_text_gave_are_one_remainder(tmp_path):
    class Foreign(HashEncoder):
        def encode(self, texts, role):
            if role == "document":
                raise UsageError("It takes vectors only.")
            return super().encode(texts, role)

    index = Index.create(tmp_path / "i", HashEncoder(), documents=[Document("a", "given")])
    searcher = index.searcher()
    by = Dense(searcher.snapshot, Foreign)
    told = searcher.explain("given", "a", by=by)
    assert told.score == pytest.approx(1)
    assert [type(part) for part in told.parts] == [Remainder]
    assert told.parts[0].value == told.score
    assert "takes no text" in told.method
    assert not told.exact


def test_a_stored_vector_that_the_text_does_not_give_leaves_a_remainder(plain):
    class Token(WordEncoder):
        def encode_tokens(self, text, role):
            return super().encode_tokens(text[:3], role)

    class Piece(WordEncoder):
        def encode(self, texts, role):
            cut = [text[:3] for text in texts] if role == "document" else texts
            return super().encode(cut, role)

        def encode_tokens(self, text, role):
            return None

    expected = plain.explain("red apple", "d12", by="dense")
    assert "is not what the text gives" not in expected.method
    for other in (Token, Piece):
        told = plain.explain("red apple", "d12", by=Dense(plain.snapshot, other))
        check_sum(told)
        assert told.score == expected.score
        assert not told.exact
        assert "is not what the text gives" in told.method
        assert abs(told.parts[-1].value) > 1e-3


def test_a_fusion_shows_how_each_arm_counts(plain):
    told = plain.explain("red apple", "d12", where="n > 4")
    arms = {
        name: plain.rank_many(["red apple"], 100, "n > 4", name)[0] for name in ("bm25", "dense")
    }
    assert told.by == "hybrid"
    assert [part.name for part in told.parts] == ["bm25", "dense"]
    for part in told.parts:
        ranking = arms[part.name]
        assert ranking[part.rank - 1] == ("d12", part.raw)
        assert part.weight == 0.5
        assert part.normalised == pytest.approx(oracles.min_max(ranking)["d12"])


def test_a_document_beyond_the_depth_is_lowered(plain):
    dense, bm25 = plain.retriever("dense"), plain.retriever("bm25")
    by = ReciprocalRank(plain.snapshot, [Arm(bm25, 1.0), Arm(dense, 1.0)], depth=2)
    last, score = plain.rank_many(["red apple"], 100, by=by)[0][-1]
    told = plain.explain("red apple", last, by=by)
    *parts, rest = told.parts
    assert score == told.score < 0
    assert rest.value < 0
    assert "among its best 32" in rest.text
    shares = [part.normalised for part in parts]
    assert shares == [1 / (60 + part.rank) if part.rank else 0 for part in parts]
    assert parts[0].raw is None
    assert parts[0].explanation.note == "It shares no term with the query."


def test_a_fusion_of_best_few_counts_an_arm_that_is_too_deep_as_nothing(plain):
    by = WeightedSum(
        plain.snapshot,
        [Arm(plain.retriever("bm25"), 1.0), Arm(plain.retriever("dense"), 1.0)],
        depth=1,
    )
    top = plain.search("number9", 1, by="bm25")[0].id
    bm25, dense = plain.explain("number9 ripe", top, by=by).parts
    assert (bm25.rank, bm25.normalised) == (1, 1.0)
    assert dense.rank is not None
    assert (dense.rank > 1) == (dense.normalised == 0)


def test_why_a_document_is_not_ranked(plain):
    def note(query, id="d12", where=None, by="bm25"):
        told = plain.explain(query, id, where, by)
        check_sum(told)
        return told.note

    assert note("pear") == "It shares no term with the query."
    assert note("red", where="n > 12") == "The filter keeps it out."
    assert note("the of") == "The query holds no term."
    assert note("zeppelin") == "No document holds a term of the query."
    assert note(" \n") == "The query is blank."
    assert note("red", where="n > 12", by="dense") == "The filter keeps it out."
    assert note("red", where="n > 12", by="hybrid") == "The filter keeps it out."
    words = [Arm(plain.retriever("bm25"), 1.0), Arm(plain.retriever("tfidf"), 1.0)]
    both = note("pear", by=WeightedSum(plain.snapshot, words))
    assert both == (
        "bm25: It shares no term with the query. tfidf: It shares no term with the query."
    )
    for blank in ("blank", "nothing"):
        assert note("red", blank, by="dense") == "The document is blank."
        assert note("red", blank, "n > 12", by="dense") == "The filter keeps it out."
        assert note("red", blank, by="hybrid") == (
            "bm25: It shares no term with the query. dense: The document is blank."
        )


def test_a_document_whose_vector_is_zero_is_not_ranked(tmp_path):
    class Deaf(HashEncoder):
        def encode(self, texts, role):
            return super().encode([text.replace("???", "") for text in texts], role)

    documents = [Document("a", "red lamp"), Document("b", "", "???")]
    searcher = Index.create(tmp_path / "i", Deaf(), documents=documents).searcher()
    told = searcher.explain("red", "b", by="dense")
    check_sum(told)
    assert told.note == "Its vector is zero."


def test_a_query_without_a_vector_ranks_nothing(plain):
    class Deaf(HashEncoder):
        def encode(self, texts, role):
            return super().encode(["" if role == "query" else text for text in texts], role)

    told = plain.explain("red", "d12", by=Dense(plain.snapshot, Deaf))
    assert told.note == "The query has no vector: no token of it is known."


def test_bad_calls_are_sentences(plain):
    class Own:
        name = "own"

        def retrieve(self, queries, k, allow):
            return plain.retriever("bm25").retrieve(queries, k, allow)

    for gone in ("d0", "nowhere", "", "\ud800"):
        with pytest.raises(UnknownDocument, match="holds no document"):
            plain.explain("red", gone)
    for odd in (None, 3.5):
        with pytest.raises(UsageError, match="id is text or a whole number, not"):
            plain.explain("red", odd)
    for by in (Own(), WeightedSum(plain.snapshot, [Arm(Own(), 1.0)])):
        with pytest.raises(UsageError, match=r"retriever 'own' can't explain its scores"):
            plain.explain("red", "d12", by=by)
    with pytest.raises(UnknownName, match="bm25"):
        plain.explain("red", "d12", by="bm52")
    with pytest.raises(UsageError, match="the name of one, not 3"):
        plain.explain("red", "d12", by=3)
    with pytest.raises(UsageError, match="text, not NoneType"):
        plain.explain(None, "d12")
    with pytest.raises(FilterError):
        plain.explain("red", "d12", where="n >")
    assert plain.explain_many("red", []) == []


def test_a_snapshot_locates_the_living(plain):
    snapshot = plain.snapshot
    for name in ids(plain):
        part, position = snapshot.locate(name)
        assert part.segment.documents.id(position) == name
        assert part.segment.living()[position]
    assert [snapshot.locate(name) for name in ("d0", "d40", "nowhere")] == [None, None, None]
    part, _ = snapshot.locate("d36")  # replaced: the later one
    assert plain.get("d36").meta["mark"] == "new"
    assert part is not snapshot.parts[0] or len(snapshot.parts) == 1


def test_deleted_rows_under_the_mask_that_lets_all_pass(plain):
    by = plain.retriever("bm25")
    [told] = by.explain("red", [plain._rows("d12")], ALL)
    found = by.retrieve(["red"], 100, ALL)
    assert told.score in found.scores[0]
    assert told.rank >= plain.explain("red", "d12", by="bm25").rank


def test_pieces_of_a_word_share_its_place():
    text = "Kettles 東京 un-do"
    places = [
        (-7, 0),
        (0, 3),
        (3, 6),
        (6, 7),
        (7, 9),
        (9, 10),
        (11, 13),
        (13, 14),
        (14, 16),
        (0, 0),
    ]
    words = [0, 1, 1, 1, 2, 2, 3, 4, 5, None]
    kettles = Span(0, 7)
    assert word_spans(places, words, text) == (
        None,
        *[kettles] * 3,
        Span(8, 9),  # white space belongs to no token; wide characters stay apart
        Span(9, 10),
        Span(11, 13),
        Span(13, 14),
        Span(14, 16),
        None,
    )


@pytest.mark.parametrize("width", [40, 80])
def test_lines_keep_to_the_width_and_show_every_part(searcher, width):
    for retriever in retrievers(searcher):
        for name in ids(searcher)[-6:]:
            told = searcher.explain("red lamp 灯塔 zeppelin", name, by=retriever)
            lines = explanation_lines(told, width)
            assert max(map(cell_len, lines)) <= width
            assert lines[0].startswith(f"{told.by}: ")
            shown = "\n".join(lines)
            if told.score is None:
                assert "not ranked" in shown
            else:
                assert f"score {told.score:.4f}, rank {told.rank}" in shown
                for part in told.parts:
                    if isinstance(part, TermPart | ArmPart | Remainder):
                        assert f"{part.value:.4f}" in shown
            again = json.loads(json.dumps(explanation_json(told)))
            assert (again["id"], again["rank"], len(again["parts"])) == (
                name,
                told.rank,
                len(told.parts),
            )


def test_what_steers_a_terminal_is_not_printed(tmp_path):
    nasty = "red \x1b[2J\u202elamp " + "x" * 300
    searcher = Index.create(
        tmp_path / "i", HashEncoder(), documents=[Document("a", nasty)]
    ).searcher()
    shown = "\n".join(explanation_lines(searcher.explain("red lamp", "a", by="dense")))
    assert not set(shown) & set("\x1b\u202e")
    assert "..." in shown


def test_many_words_are_counted(tmp_path):
    text = " ".join(f"w{i}" for i in range(30))
    searcher = Index.create(
        tmp_path / "i", WordEncoder(), documents=[Document("a", text)]
    ).searcher()
    told = searcher.explain("w1 w2", "a", by="dense")
    lines = explanation_lines(told)
    rest = "20 others; punctuation, tokens that the encoder adds, and rounding"
    assert any(line.endswith(rest) for line in lines)
    shown = [float(line.split()[0]) for line in lines[1:12]]
    assert sum(shown) == pytest.approx(told.score, abs=1e-3)


LONG = 12_000
"""Words of a long document."""


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Two documents of many words by the shipped bag, whose queries' words stand far apart."""
    draw = random.Random(5)
    folder = tmp_path_factory.mktemp("explain") / "long"
    documents = []
    for name in ("one", "two"):
        words = [f"{draw.choice(WORDS)}{draw.randint(0, 400)}" for _ in range(LONG)]
        words += draw.choices(["Physician", "physicians", "infant", "engine"], k=200)
        draw.shuffle(words)
        documents.append(Document(name, " ".join(words) + " Zeppelin.", "A physician"))
    return Index.create(folder, load_encoder("small"), "english", documents=documents).searcher()


MANY = " ".join(["the doctor and his physicians zeppelin", *(f"red{i}" for i in range(100))])


def bounded(told, text):
    """An explanation says about as much of a long document as of any."""
    check_sum(told)
    named = [part for part in told.parts if isinstance(part, TermPart | TextPart)]
    rests = [part for part in told.parts if isinstance(part, Remainder)]
    assert len(named) <= explanations.MOST_PARTS
    assert len(rests) <= 1
    for part in named:
        if isinstance(part, TextPart) and part.span is not None:
            assert text[slice(*part.span)] == part.text
    for part in told.parts:
        if isinstance(part, ArmPart):
            bounded(part.explanation, text)
    assert len(json.dumps(explanation_json(told))) < 20_000
    assert len(explanation_lines(told)) < 120


@pytest.mark.parametrize("by", ["bm25", "tfidf", "dense", "hybrid"])
@pytest.mark.parametrize("query", ["physician with an infant", MANY], ids=["short", "many"])
def test_a_long_document_has_as_short_an_explanation(long, by, query):
    hits = long.search(query, by=by)
    assert len(hits) == 2
    for rank, hit in enumerate(hits, 1):
        told = long.explain(query, hit.id, by=by)
        assert (told.rank, told.score) == (rank, hit.score)
        assert told.exact
        bounded(told, hit.document.text)


def test_the_terms_that_matter_most_are_named(long):
    told = long.explain(MANY, "one", by="bm25")
    *named, rest = told.parts
    analyzer = long.analyzer
    held = set(analyzer.terms(f"A physician {long.get('one').text}"))
    query = set(analyzer.terms(MANY))
    assert len(named) == explanations.MOST_PARTS
    assert rest.others == len(query) - len(named)
    alone = {}
    for term in query:  # a term is worth what a query of it scores
        found = long.explain(term, "one", by="bm25")
        alone[term] = found.score or 0.0
    assert len(query & held) > len(named)
    least = min(part.value for part in named)
    left = query - {part.term for part in named}
    assert max(alone[term] for term in left) <= least + 1e-6
    assert rest.value == pytest.approx(sum(alone[term] for term in left), abs=1e-4)
    assert f"{rest.others} others" in "\n".join(explanation_lines(told))
    # Though only at the very end of the text, a word is shown as it stands.
    [zeppelin] = long.explain("zeppelin", "one", by="bm25").parts
    assert zeppelin.words == ("Zeppelin",)


def test_the_words_that_matter_most_are_named_once(long):
    encoder = load_encoder("small")
    query = "physician with an infant"
    told = long.explain(query, "one", by="dense")
    *named, rest = told.parts
    document = long.get("one")
    words = Counter(encoder.analyzer.terms(f"A physician {document.text}"))
    vector = encoder.encode([query], "query")[0]
    shares = dict(zip(words, encoder.word_shares(words, vector).tolist(), strict=True))
    best = sorted(shares, key=lambda word: -abs(shares[word]))[: explanations.MOST_PARTS]
    found = {part.text.lower(): part for part in named}
    assert found.keys() == set(best)
    for word, part in found.items():
        assert part.value == pytest.approx(shares[word], abs=1e-9)
        assert part.count == words[word]
    values = [part.value for part in named]
    assert values == sorted(values, reverse=True)
    assert rest.others == len(words) - len(named)
    assert rest.value == pytest.approx(told.score - sum(values))
    # The first place is told: that of the title has no span.
    assert found["physician"].span is None
    at = document.text.lower().split().index("infant")
    assert found["infant"].span.start == len(" ".join(document.text.split()[:at])) + 1
    lines = explanation_lines(told)
    assert any(f"physician (title): {words['physician']} times" in line for line in lines)
    assert any(f"{len(words) - 10:,} others; rounding" in line for line in lines)


@pytest.mark.parametrize(("name", "most"), [("_WORDS_OF", 9000), ("_DISTINCT", 800)])
def test_of_a_longer_text_only_the_beginning_is_looked_at(long, monkeypatch, name, most):
    whole = long.explain("an infant", "one", by="dense")
    monkeypatch.setattr(similarity, name, most)
    told = long.explain("an infant", "one", by="dense")
    assert (told.rank, told.score) == (whole.rank, whole.score)
    assert not told.exact
    bounded(told, long.get("one").text)
    length = len(long.get("one").text) + len("A physician ")
    found = re.fullmatch(
        r"Only the first ([\d,]+) of ([\d,]+) characters were looked at; the difference is in the "
        r"remainder\.",
        told.note,
    )
    seen, all_of = (int(number.replace(",", "")) for number in found.groups())
    assert (seen < 12_000, all_of) == (True, length)
    assert "looked at" in explanation_json(told)["note"]
    # A document that is short enough isn't concerned.
    monkeypatch.undo()
    assert long.explain("an infant", "one", by="dense") == whole


@pytest.mark.parametrize("kind", [HashEncoder, WordEncoder])
def test_a_long_text_by_any_encoder(tmp_path, kind):
    text = " ".join(f"w{i % 700}" for i in range(6000))
    index = Index.create(tmp_path / "i", kind(), documents=[Document("a", text, "Title w1")])
    told = index.searcher().explain("w1 w2", "a", by="dense")
    bounded(told, text)
    assert len(told.parts) > 10
    if kind is WordEncoder:  # place by place, since there a word may count differently at each
        assert told.exact
        assert told.parts[-1].others == 6002 - explanations.MOST_PARTS
    else:
        assert "first 16,384 of" in told.note


def test_a_word_of_millions_of_letters_is_explained(tmp_path):
    text = "x" * 3_000_000 + " lamp"
    documents = [Document("a", text)]
    searcher = Index.create(tmp_path / "i", load_encoder("small"), documents=documents).searcher()
    for by in ("bm25", "dense"):
        told = searcher.explain("x" * 3_000_000, "a", by=by)
        if told.score is not None:
            bounded(told, text)
    told = searcher.explain("lamp", "a", by="bm25")
    assert told.parts[0].words == ()  # too far on to be looked for
    assert told.parts[0].tf == 1
    text = "x" * 100_000 + " lamp"
    index = Index.create(tmp_path / "tokens", WordEncoder(), documents=[Document("a", text)])
    bounded(index.searcher().explain("lamp", "a", by="dense"), text)


def test_the_table_holds_the_block(plain, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    hits = plain.search("red apple", 3)
    told = plain.explain_many("red apple", [hit.id for hit in hits])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    answers = [
        Answer(hit, Snippet(hit.document.title), Snippet(hit.passage), each)
        for hit, each in zip(hits, told, strict=True)
    ]
    print_answers(answers, as_json=False)
    shown = capsys.readouterr().out
    assert all(cell_len(line) <= 80 for line in shown.splitlines())
    # The block isn't folded once more: each line of it stands whole.
    inner = 80 - len("1") - len("0.0000") - 6
    lines = [line.strip() for line in shown.splitlines()]
    methods = shared_methods(told)
    assert methods.keys() == {"hybrid", "bm25", "dense"}
    for each in told:
        assert all(line.strip() in lines for line in explanation_lines(each, inner, methods))
    # What is the same for all hits stands once, after the last.
    prose = " ".join(shown.split())
    for by, method in methods.items():
        assert prose.count(" ".join(method.split())) == 1
        assert prose.index(f"{by}: {method}") > prose.rindex("rank 3")


def test_only_methods_that_all_hits_share_are_told_together(plain):
    told = [plain.explain("red apple", name, by="bm25") for name in ("d12", "d15", "d13")]
    dense = plain.explain("red apple", "d12", by="dense")
    other = dataclasses.replace(dense, method="Another.")
    lexical = {"bm25": told[0].method}
    assert shared_methods([*told, dense, other]) == lexical
    assert shared_methods([*told, dense, dense]) == {**lexical, "dense": dense.method}
    assert shared_methods([]) == {}
    for each in (dense, other):
        assert explanation_lines(each, 80, lexical) == explanation_lines(each)
    # A hit keeps the numbers that are its own.
    alone = " ".join(" ".join(explanation_lines(told[0], 80, lexical)).split())
    whole = " ".join(" ".join(explanation_lines(told[0])).split())
    assert f"{alone} {told[0].method}" == whole
    assert max(map(cell_len, method_lines(lexical, 40))) <= 40


def test_search_explains_in_a_pipe(tmp_path):
    Index.create(tmp_path / "i", None, documents=fruit(range(9)))
    done = subprocess.run(
        [sys.executable, "-m", "vecsearch", "search", tmp_path / "i", "red apple", "--explain"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(hits) > 2
    for hit in hits:
        told = hit["explanation"]
        assert (told["id"], told["rank"], told["score"]) == (hit["id"], hit["rank"], hit["score"])
        assert sum(part["value"] for part in told["parts"]) == pytest.approx(hit["score"])
    refused = CliRunner().invoke(main, ["search", str(tmp_path), "--queries", "q.tsv", "--explain"])
    assert refused.exit_code == 2
    assert "--explain goes with QUERY" in refused.output
