"""Query syntax: what is read, what is refused, and what it finds, against brute force."""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_ranks, bm25, nearest, tfidf
from toy import HashEncoder

from vecsearch import BM25, Clause, Document, Index, Lexical, Query, analyzer
from vecsearch.errors import UsageError
from vecsearch.retrieve import clauses as clauses_room
from vecsearch.retrieve.explanation import Remainder, TermPart
from vecsearch.retrieve.vocabulary import beginning_with, holding, one_edit_from
from vecsearch.types import seen_text

TERMS = analyzer("english").terms
WORDS = [
    "kettle",
    "kettles",
    "kettel",
    "ketle",
    "kettlebell",
    "lamp",
    "lamps",
    "lamb",
    "clamp",
    "wick",
    "wicks",
    "vinegar",
    "the",
    "of",
    "storms",
    "storm",
    "stormy",
    "tar",
    "tart",
    "rat",
    "art",
    "zoo",
    "wi-fi",
]


# What is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text", "clauses"),
    [
        ('"red apple" pie', "red apple pie", [Clause("phrase", "red apple"), Clause("word", "pie", "", 12)]),
        ("+a -b c", "a c", [Clause("word", "a", "+"), Clause("word", "b", "-", 3), Clause("word", "c", "", 6)]),
        ('x -"a +b*"', "x", [Clause("word", "x"), Clause("phrase", "a +b*", "-", 2)]),
        ("  kettl* ketle~", "kettl ketle", [Clause("prefix", "kettl", "", 2), Clause("fuzzy", "ketle", "", 9)]),
        ("+kettl*\t-lam~", "kettl", [Clause("prefix", "kettl", "+"), Clause("fuzzy", "lam", "-", 8)]),
        ('a"b"c', "a b c", [Clause("word", "a"), Clause("phrase", "b", "", 1), Clause("word", "c", "", 4)]),
        ("+C++ well-known", "C++ well-known", [Clause("word", "C++", "+"), Clause("word", "well-known", "", 5)]),
    ],
)  # fmt: skip
def test_what_is_read(source, text, clauses):
    query = Query.parse(source, "q1")
    assert query == Query("q1", text, tuple(clauses))
    assert Query.parse(str(query)).text == text


@pytest.mark.parametrize(
    "source", ["", "  ", "plain  words\tas they are", "C++ (a AND b): well-known, e=mc² – what?"]
)
def test_without_an_operator_a_query_is_its_own_text(source):
    assert Query.parse(source) == Query("", source)


@pytest.mark.parametrize(
    ("source", "place", "right"),
    [
        ('lamp "red apple', 6, "another one behind the words"),
        ('lamp -"red', 7, "another one behind the words"),
        ('5" x', 2, "another one behind the words"),
        ('a ""', 3, "next to each other"),
        ('a +"  "', 4, "next to each other"),
        ("a + b", 3, "+word"),
        ("a -", 3, '-"a phrase"'),
        ("--a", 1, "-word"),
        ("+-a", 1, "+word"),
        ("+*", 1, "+word"),
        ("a * b", 3, "word*"),
        ("~a", 1, "word~"),
        ("a*b", 2, "word*"),
        ("a**", 2, "word*"),
        ('"a b"~', 6, "word~"),
        (" -a -b", 2, "add a word"),
    ],
)
def test_what_can_not_be_read_names_the_character(source, place, right):
    with pytest.raises(UsageError) as caught:
        Query.parse(source)
    assert f"at character {place}" in str(caught.value)
    assert right in str(caught.value)
    assert str(caught.value).endswith(".")
    assert caught.value.exit_code == 2


def test_a_query_is_text():
    with pytest.raises(UsageError, match="text, not int"):
        Query.parse(3)


# What is found --------------------------------------------------------------------------------


class Part(NamedTuple):
    """A clause as the oracle knows it."""

    sign: str
    kind: str
    words: tuple[str, ...]

    def __str__(self):
        body = " ".join(self.words)
        return self.sign + {"word": body, "phrase": f'"{body}"', "prefix": f"{body}*", "fuzzy": f"{body}~"}[self.kind]  # fmt: skip


class Corpus:
    """A searcher, its living documents, and what brute force says of them."""

    def __init__(self, searcher, living):
        self.searcher = searcher
        self.living = living
        self.rows = [(each.id, TERMS(seen_text(each.title, each.text))) for each in living]
        self.vocabulary = sorted({term for _, terms in self.rows for term in terms})

    def alternatives(self, part):
        """The terms that a prefix or a fuzzy word stands for, by looking at each."""
        [word] = part.words
        own = TERMS(word)
        if part.kind == "prefix":
            return [t for t in self.vocabulary if t.startswith(word.lower()) or t in own]
        return [t for t in self.vocabulary if distance(own[0], t) <= 1]

    def holds(self, document, part):
        if part.kind in ("prefix", "fuzzy"):
            held = TERMS(seen_text(document.title, document.text))
            return not set(held).isdisjoint(self.alternatives(part))
        wanted = TERMS(" ".join(part.words))
        fields = (TERMS(document.title), TERMS(document.text))
        return any(
            field[i : i + len(wanted)] == wanted for field in fields for i in range(len(field))
        )

    def passing(self, parts):
        return {
            each.id
            for each in self.living
            if all(
                self.holds(each, part) != (part.sign == "-")
                for part in parts
                if part.sign or part.kind == "phrase"
            )
        }

    def terms(self, parts):
        found = []
        for part in parts:
            if part.sign != "-":
                expands = part.kind in ("prefix", "fuzzy")
                found += self.alternatives(part) if expands else TERMS(" ".join(part.words))
        return found

    def expected(self, parts, scores):
        passing = self.passing(parts)
        return {name: score for name, score in scores.items() if name in passing}


@cache
def distance(one, other):
    """Edits between two words, a swap of neighbours being one, by the plain recurrence."""
    if not one or not other:
        return len(one) + len(other)
    ways = [
        distance(one[1:], other) + 1,
        distance(one, other[1:]) + 1,
        distance(one[1:], other[1:]) + (one[0] != other[0]),
    ]
    if one[:2] == other[:2][::-1] and len(one) > 1 and len(other) > 1:
        ways.append(distance(one[2:], other[2:]) + 1)
    return min(ways)


def some_documents(seed, count):
    chance = random.Random(seed)

    def words(most):
        return " ".join(chance.choices(WORDS, k=chance.randint(0, most)))

    return [Document(f"d{i}", words(12), words(3), {"n": i}) for i in range(count)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Several segments, with documents that were replaced and deleted."""
    living = {each.id: each for each in some_documents(1, 120)}
    folder = tmp_path_factory.mktemp("query") / "index"
    index = Index.create(folder, HashEncoder(), documents=living.values())
    changed = {each.id: each for each in some_documents(2, 120)[::6]}
    gone = [f"d{i}" for i in range(1, 120, 7) if f"d{i}" not in changed]
    with index.writer() as writer:
        writer.update(changed.values())
        writer.delete(gone)
        writer.add(Document("gone", "unlikely words lamplight here", "Kettlebells"))
    with index.writer() as writer:
        writer.add(Document("d500", "a kettledrum and a lamp", "The wick", {"n": 500}))
        writer.delete(["gone"])
    living |= changed | {"d500": index.searcher().get("d500")}
    for name in gone:
        del living[name]
    searcher = index.searcher()
    assert len(searcher.snapshot.parts) > 1
    assert sorted(searcher.snapshot.ids()) == sorted(living)
    return Corpus(searcher, list(living.values()))


LETTERS = st.text("ketlampswirtz", min_size=1, max_size=5)
WORD = st.sampled_from([word for word in WORDS if TERMS(word)])
ONE_TERM = st.one_of(
    st.sampled_from([word for word in WORDS if len(TERMS(word)) == 1]),
    LETTERS.filter(lambda word: len(TERMS(word)) == 1),
)
PHRASE = st.tuples(WORD, st.lists(st.sampled_from(WORDS), max_size=2)).map(
    lambda ws: (ws[0], *ws[1])
)
WANTED, ANY = ["", "+"], ["", "+", "-"]


def plain_clauses(signs):
    sign = st.sampled_from(signs)
    return st.one_of(
        st.builds(Part, sign, st.just("word"), st.tuples(WORD)),
        st.builds(Part, sign, st.just("phrase"), PHRASE),
    )


def clauses(signs):
    expanding = st.builds(
        Part, st.sampled_from(signs), st.sampled_from(["prefix", "fuzzy"]), st.tuples(ONE_TERM)
    )
    return plain_clauses(signs) | expanding


def queries_of(of):
    """Clauses of which not all are exclusions."""
    both = st.tuples(of(WANTED), st.lists(of(ANY), max_size=3))
    return both.flatmap(lambda found: st.permutations([found[0], *found[1]]))


@settings(max_examples=80)
@given(parts=queries_of(clauses), k=st.sampled_from([1, 5, 100]))
def test_words_find_what_brute_force_finds(corpus, parts, k):
    query = Query.parse(" ".join(map(str, parts)))
    terms = corpus.terms(parts)
    scores = bm25(corpus.rows, terms, "lucene", 1.2, 0.75, 0)
    found = corpus.searcher.rank_many([query], k, by="bm25")[0]
    assert_ranks(found, corpus.expected(parts, scores), k)
    scores = tfidf(corpus.rows, terms)
    found = corpus.searcher.rank_many([query], k, by="tfidf")[0]
    assert_ranks(found, corpus.expected(parts, scores), k)


@settings(max_examples=40)
@given(parts=queries_of(clauses), k=st.sampled_from([1, 5, 100]))
def test_dense_ranks_the_clean_text_under_the_mask(corpus, parts, k):
    query = Query.parse(" ".join(map(str, parts)))
    clean = " ".join(" ".join(part.words) for part in parts if part.sign != "-")
    assert query.text == clean or not query.clauses
    encoder = HashEncoder()
    seen = [seen_text(each.title, each.text) for each in corpus.living]
    kept = [i for i, text in enumerate(seen) if text.strip()]
    vectors = encoder.encode([seen[i] for i in kept], "document")
    names = [corpus.living[i].id for i in kept]
    scores = nearest(names, vectors, encoder.encode([clean], "query")[0])
    found = corpus.searcher.rank_many([query], k, by="dense")[0]
    assert_ranks(found, corpus.expected(parts, scores), k, rel=1e-4, abs_=1e-5)


@settings(max_examples=40)
@given(
    parts=queries_of(plain_clauses),
    k=st.sampled_from([1, 5, 100]),
    least=st.sampled_from([0, 20]),
)
def test_hybrid_is_that_of_a_filter_that_lets_the_same_pass(corpus, parts, k, least):
    query = Query.parse(" ".join(map(str, parts)))
    allowed = corpus.passing(parts)
    passing = [each.meta["n"] for each in corpus.living if each.id in allowed]
    where = f"n in ({', '.join(map(str, [*passing, -1]))}) and n >= {least}"
    for by in ("hybrid", "bm25", "dense"):
        found = corpus.searcher.rank_many([query], k, f"n >= {least}", by)
        assert found == corpus.searcher.rank_many([query.text], k, where, by)
        if by != "bm25":  # every document with a vector is near to some degree
            blank = {e.id for e in corpus.living if not seen_text(e.title, e.text).strip()}
            able = [n for n in passing if n >= least and f"d{n}" not in blank]
            assert len(found[0]) == min(k, len(able))


def test_k_come_back_whenever_k_pass(corpus):
    query = Query.parse("+kettle lamp")
    passing = corpus.passing([Part("+", "word", ("kettle",))])
    assert len(passing) > 10
    for by in ("bm25", "tfidf", "dense", "hybrid"):
        found = corpus.searcher.search(query, len(passing) - 3, by=by)
        assert len(found) == len(passing) - 3
        assert {hit.id for hit in found} <= passing


@settings(max_examples=80)
@given(text=st.text(max_size=30) | st.lists(st.sampled_from([*WORDS, "+", "-", "*", "~", '"', " ", "é", "東京都"]), max_size=8).map("".join))  # fmt: skip
def test_any_text_is_read_or_refused(corpus, text):
    try:
        query = Query.parse(text)
        found = corpus.searcher.rank_many([query], 5, by="bm25")
    except UsageError as error:
        place = regex.search("at character ([0-9]+)", str(error))
        if not (place and 1 <= int(place[1]) <= len(text)):
            raise
        return
    if not any(sign in text for sign in '+-*~"'):
        assert query == Query("", text)
    if query == Query("", text):
        for by in ("bm25", "dense", "hybrid"):
            assert corpus.searcher.rank_many([query], 5, by=by) == corpus.searcher.rank_many([text], 5, by=by)  # fmt: skip
    else:
        assert str(query)
        assert found == corpus.searcher.rank_many([Query.parse(str(query))], 5, by="bm25")


def test_queries_of_both_kinds_keep_their_places(corpus):
    queries = [
        "lamp",
        Query.parse("+wick lamp"),
        "",
        Query.parse("lam*"),
        "storm",
        Query("x", "lamp"),
    ]
    together = corpus.searcher.rank_many(queries, 4, by="bm25")
    assert together == [corpus.searcher.rank_many([each], 4, by="bm25")[0] for each in queries]
    assert together[0] == together[5]
    assert together[1] != together[0]
    assert together[2] == []


def test_a_vector_is_compared_under_the_mask(corpus):
    query = Query.parse("+wick lamp")
    vector = HashEncoder().encode(["vinegar"], "query")[0]
    for by in ("dense", "hybrid"):
        found = corpus.searcher.search(query, 100, by=by, vector=vector)
        names = {hit.id for hit in found}
        assert names == corpus.passing([Part("+", "word", ("wick",))])


def test_a_retriever_of_your_own_gets_the_expansion(corpus):
    own = Lexical(corpus.searcher.snapshot, corpus.searcher.analyzer, BM25(k1=0.9, b=0.4))
    part = Part("", "prefix", ("kett",))
    scores = bm25(corpus.rows, corpus.alternatives(part), "lucene", 0.9, 0.4, 0)
    assert_ranks(corpus.searcher.rank_many([Query.parse("kett*")], 9, by=own)[0], scores, 9)


# Words, passages, scripts ---------------------------------------------------------------------


def names(searcher, source, by="bm25"):
    return sorted(hit.id for hit in searcher.search(Query.parse(source), 50, by=by))


def test_phrases_follow_the_rules_of_the_index(tmp_path):
    documents = [
        Document("lord", "The Lords, of the RINGS."),
        Document("apart", "The lord has a ring."),
        Document("split", "the rings of Saturn", "My lord"),
        Document("city", "東京都に住む"),
        Document("pairs", "東京と京都"),
    ]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    assert names(searcher, '"lord of the rings"') == ["apart", "lord"]
    assert names(searcher, '"lord of the rings" -"the, RINGS!"') == []
    assert names(searcher, "+lord rings") == ["apart", "lord", "split"]
    assert names(searcher, '"東京都"') == ["city"]
    assert names(searcher, "+東京都") == ["city"]
    assert names(searcher, "東京 -東京都") == ["pairs"]


def test_signs_are_about_documents_where_passages_are_ranked(tmp_path):
    text = "Kettles boil here, says the first sentence. " * 4 + "The last one is about red tar."
    documents = [
        Document("long", text),
        Document("tar", "Red tar only."),
        Document("pot", "kettle"),
    ]
    index = Index.create(tmp_path / "i", HashEncoder(), documents=documents, passages=10)
    searcher = index.searcher()
    assert len(searcher.snapshot.parts[0].segment.postings.lengths) > 3
    for by in ("bm25", "dense", "hybrid"):
        assert names(searcher, "+kettle tar", by)[0] == "long"
        assert "long" not in names(searcher, '-"red tar" kettle', by)
        assert names(searcher, '+kettle "red tar"', by) == ["long"]
    rows = np.zeros(searcher.snapshot.rows, np.bool_)
    rows[1] = True
    kept = clauses_room.narrowed(searcher.snapshot, searcher.analyzer, Query.parse("+tar"), rows)
    assert np.flatnonzero(kept).tolist() == [1]
    assert searcher.search(Query.parse("+kettle tar"), 1, by="bm25")[0].passage.endswith("red tar.")


def test_prefixes_and_edits_compare_terms_as_they_are_stored(tmp_path):
    documents = [
        Document("one", "connections"),
        Document("two", "Kettles"),
        Document("three", "İzmir ızgara"),
    ]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    assert names(searcher, "KETTLES*") == ["two"]  # a word begins with itself
    assert names(searcher, "connect*") == ["one"]
    assert names(searcher, "connecti*") == []  # the term is connect
    assert names(searcher, "kettels~") == ["two"]
    turkish = Index.create(tmp_path / "t", None, "turkish", documents=documents).searcher()
    assert names(turkish, "İZ*") == ["three"]
    assert names(turkish, "IZG*") == ["three"]


@settings(max_examples=40)
@given(
    batches=st.lists(st.lists(st.text("abcé東🙂", min_size=1, max_size=5), min_size=1, max_size=6), min_size=1, max_size=3),
    gone=st.integers(0, 5),
    word=st.text("abcé東", min_size=1, max_size=4),
)  # fmt: skip
def test_the_vocabulary_is_searched_as_if_each_term_was_looked_at(
    tmp_path_factory, batches, gone, word
):
    plain = analyzer("plain").terms
    index = Index.create(tmp_path_factory.mktemp("v") / "i", None, "plain")
    documents = [Document(f"{b}.{i}", text) for b, batch in enumerate(batches) for i, text in enumerate(batch)]  # fmt: skip
    for b in range(len(batches)):
        with index.writer() as writer:
            writer.add([each for each in documents if each.id.startswith(f"{b}.")])
    with index.writer() as writer:
        writer.delete([each.id for each in documents[:gone]])
    stored = sorted({term for each in documents[gone:] for term in plain(each.text)})
    snapshot = index.searcher().snapshot
    assert list(beginning_with(snapshot, word)) == [t for t in stored if t.startswith(word)]
    assert list(one_edit_from(snapshot, word)) == [t for t in stored if distance(word, t) <= 1]
    assert list(holding(snapshot, word[0])) == [t for t in stored if word[0] in t]


@settings(max_examples=60)
@given(
    texts=st.lists(st.text("猫犬東물ア kz1", max_size=8), min_size=1, max_size=12),
    character=st.sampled_from("猫犬東물ア"),
)
def test_single_characters_find_every_text_that_holds_them(tmp_path_factory, texts, character):
    documents = [Document(str(i), text) for i, text in enumerate(texts)]
    index = Index.create(tmp_path_factory.mktemp("c") / "i", None, documents=documents)
    searcher = index.searcher()

    def found(query):
        return {name for name, _ in searcher.rank_many([query], len(texts), by="bm25")[0]}

    holds = {str(i) for i, text in enumerate(texts) if character in text}
    assert found(character) == holds
    assert found(f"{character} {character}") == holds
    assert found(Query.parse(f"+{character} kkk")) == holds
    assert found(Query.parse(f'kkk "{character}"')) == holds
    assert found(Query.parse(f"k -{character}")) == found("k") - holds
    for name in holds:
        told = searcher.explain(character, name, by="bm25")
        assert sum(part.value for part in told.parts) == pytest.approx(told.score, abs=1e-5)
        assert f"{character} stands for " in told.method


def test_beside_words_a_single_character_is_one(tmp_path):
    documents = [
        Document("person", "이 사람은"),
        Document("water", "물이 좋다"),
        Document("i", "이"),
    ]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    assert names(searcher, "이") == ["i", "person", "water"]
    assert names(searcher, "이 사람") == ["i", "person"]
    assert names(searcher, " ".join("이" * 9)) == names(searcher, "이 zz")  # spaced out throughout
    assert searcher.explain("車", "i").note.startswith("No document holds a term of the query.")


@pytest.mark.parametrize(
    ("source", "place", "reason"),
    [
        ('lamp -"the"', '-"the" at character 6', "Nothing is left"),
        ('"of the"', '"of the" at character 1', "Nothing is left"),
        ("lamp +&", "+& at character 6", "Nothing is left"),
        ("the~", "the~ at character 1", "Nothing is left"),
        ("…* lamp", "…* at character 1", "Nothing is left"),
        ("x wi-fi*", "wi-fi* at character 3", "2 words"),
        ("wi-fi~", "wi-fi~ at character 1", "2 words"),
        ("lamp k*", "k* at character 6", "more than 2 terms"),
        ("lamp~", "lamp~ at character 1", "more than 2 terms"),
    ],
)
def test_what_means_nothing_in_the_index(corpus, monkeypatch, source, place, reason):
    monkeypatch.setattr(clauses_room, "MOST_TERMS", 2)
    searcher = corpus.searcher
    for ask in (
        lambda query: searcher.search(query, by="bm25"),
        lambda query: searcher.search(query, by="dense"),
        lambda query: searcher.explain(query, searcher.search("kettle", 1)[0].id),
        lambda query: searcher.snippets(query, []),
    ):
        with pytest.raises(UsageError) as caught:
            ask(Query.parse(source))
        assert place in str(caught.value)
        assert reason in str(caught.value)


# Explanations and snippets --------------------------------------------------------------------


def test_an_explanation_shows_the_expansion(corpus):
    query = Query.parse("kett* vinegar -lamp")
    hits = corpus.searcher.search(query, 5, by="bm25")
    told = corpus.searcher.explain_many(query, [hit.id for hit in hits], by="bm25")
    terms = corpus.alternatives(Part("", "prefix", ("kett",)))
    for rank, (hit, each) in enumerate(zip(hits, told, strict=True), start=1):
        assert (each.score, each.rank) == (hit.score, rank)
        assert f"kett* stands for {', '.join(terms)}." in each.method
        assert sum(part.value for part in each.parts) == pytest.approx(each.score, abs=1e-5)
        shown = {part.term for part in each.parts if isinstance(part, TermPart)}
        held = set(TERMS(seen_text(hit.document.title, hit.document.text)))
        assert shown == (set(terms) & held) | {"vinegar"}
        [*rest] = (part for part in each.parts if isinstance(part, Remainder))
        lacking = len(set(terms) - held)
        assert [part.text.endswith(f"here: {lacking}") for part in rest] == [True] * bool(lacking)
    hybrid = corpus.searcher.explain(query, hits[0].id, by="hybrid")
    assert "kett* stands for" in hybrid.parts[0].explanation.method


def test_what_keeps_a_document_out_is_named(corpus):
    gone = next(
        iter(corpus.passing([Part("+", "word", ("lamp",)), Part("+", "word", ("kettle",))]))
    )
    for by in ("bm25", "dense", "hybrid"):
        told = corpus.searcher.explain(Query.parse("kettle -lamp"), gone, by=by)
        assert (told.score, told.note) == (None, "The query's -lamp keeps it out.")
    told = corpus.searcher.explain(Query.parse('kettle "zoo zoo zoo zoo"'), gone, by="bm25")
    assert told.note == 'The query\'s "zoo zoo zoo zoo" keeps it out.'
    told = corpus.searcher.explain(Query.parse("+kettle -lamp"), gone, "n = -1", by="bm25")
    assert told.note == "The filter keeps it out."
    told = corpus.searcher.explain(Query.parse("zzzz* unheard"), gone, by="bm25")
    assert told.note.endswith("zzzz* stands for no term of the index.")


def test_many_terms_are_counted(tmp_path):
    documents = [Document(f"n{i}", f"number{i:02}") for i in range(30)]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    told = searcher.explain(Query.parse("number*"), "n7")
    assert "number00, number01" in told.method
    assert "number19 and 10 more." in told.method
    assert [type(part) for part in told.parts] == [TermPart, Remainder]


def test_snippets_show_what_a_prefix_found(tmp_path):
    documents = [Document("d", "Nothing at all. " * 40 + "A kettledrum sounds.")]
    searcher = Index.create(tmp_path / "i", None, documents=documents).searcher()
    query = Query.parse("kettle*")
    [shown] = searcher.snippets(query, searcher.search(query), width=60)
    [(start, end)] = shown.highlights
    assert shown.text[start:end] == "kettledrum"


def test_the_mask_of_an_index_without_documents(tmp_path):
    searcher = Index.create(tmp_path / "i", None).searcher()
    assert searcher.search(Query.parse('+a* "x y" -b~')) == []
