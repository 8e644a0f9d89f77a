"""The part of a hit that answers: by terms, by meaning, and what it may cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.toy import HashEncoder
from vecsearch.errors import UnknownName, UsageError
from vecsearch.focus import MOST_ENCODED, WORDS, best_passages, term_weights
from vecsearch.index import Index
from vecsearch.passages import split
from vecsearch.retrieve.dense import Dense
from vecsearch.snippets import LONGEST_PASSAGE
from vecsearch.text import analyzer
from vecsearch.types import Document, Hit, Span

PLAIN = analyzer("plain")
SYNONYMS = {"car": 0, "automobile": 0, "fruit": 1, "apple": 1}


class MeaningEncoder(HashEncoder):
    """Counts words by what they mean; notes what it is asked for."""

    def __init__(self):
        super().__init__(dim=3)
        self.calls = []

    def encode(self, texts, role):
        self.calls.append((role, list(texts)))
        vectors = np.zeros((len(texts), 3), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.lower().replace(".", "").split():
                row[SYNONYMS.get(word, 2)] += 1
            row[2] /= 50
            length = np.linalg.norm(row)
            row /= length or 1
        return vectors


def hit(text, span=None, name="d"):
    return Hit(name, 1.0, Document(name, text), span or Span(0, len(text)))


def sentence(*words, length=WORDS):
    """A passage of its own: as many words as one holds."""
    return " ".join([*words, *["filler"] * (length - len(words))]).capitalize() + "."


def chosen(query, text, encoder=None, weights=None):
    weights = dict.fromkeys(PLAIN.terms(query), 1.0) if weights is None else weights
    load = None if encoder is None else lambda: encoder
    found = best_passages(query, [hit(text)], weights, PLAIN, load)[0]
    return text[found.start : found.end]


@pytest.fixture
def corpus(tmp_path):
    """An index of a paraphrase, of a term in all documents, and of a deleted one."""
    documents = [
        Document("paraphrase", " ".join([sentence("the"), sentence("automobile"), sentence("x")])),
        Document("rare", " ".join([sentence("the", "the", "a"), sentence("zebra")])),
        Document("other", "the a"),
        Document("gone", "zebra zebra"),
    ]
    encoder = MeaningEncoder()
    index = Index.create(tmp_path / "i", encoder, PLAIN, documents=documents)
    with index.writer() as writer:
        writer.delete(["gone"])
    encoder.calls.clear()
    return index.searcher(), encoder


def test_a_rare_term_beats_common_ones(corpus):
    searcher, _ = corpus
    hits = searcher.search("the a zebra", by="bm25")
    shown = searcher.snippets("the a zebra", hits, "bm25")
    assert hits[0].id == "rare"
    assert "Zebra" in shown[0].text


def test_weights_are_idf_over_the_living_rows(corpus):
    searcher, _ = corpus
    found = term_weights(searcher.snapshot, ["the", "zebra", "the", "nowhere"])
    assert found == pytest.approx(
        {"the": math.log(1 + 0.5 / 3.5), "zebra": math.log(1 + 2.5 / 1.5)}
    )


@pytest.mark.parametrize("by", [None, "hybrid", "dense"])
def test_a_paraphrase_is_shown_by_meaning(corpus, by):
    searcher, _ = corpus
    hits = searcher.search("car", by=by)
    shown = searcher.snippets("car", hits, by, width=80)
    assert hits[0].id == "paraphrase"
    assert shown[0].text.startswith("…Automobile filler")
    assert shown[0].highlights == ()


@pytest.mark.parametrize("by", ["bm25", "tfidf"])
def test_bag_of_words_never_loads_the_encoder(corpus, by):
    searcher, encoder = corpus
    hits = searcher.search("the automobile", by=by)
    assert len(searcher.snippets("the automobile", hits, by)) == len(hits) > 1
    by = searcher.retriever(by)
    assert searcher.snippets("the automobile", hits, by)
    assert encoder.calls == []


def test_a_retriever_is_taken_too(corpus):
    searcher, encoder = corpus
    dense = Dense(searcher.snapshot, lambda: encoder)
    hits = searcher.search("car", by=dense)
    assert "Automobile" in searcher.snippets("car", hits, dense)[0].text


def test_bad_input_is_refused(corpus):
    searcher, _ = corpus
    hits = searcher.search("the", by="bm25")
    with pytest.raises(UnknownName, match="bm52"):
        searcher.snippets("the", hits, "bm52")
    with pytest.raises(UsageError, match="not 3"):
        searcher.snippets("the", hits, 3)
    with pytest.raises(UsageError, match="A query is text, not int"):
        searcher.snippets(3, hits)
    with pytest.raises(UsageError, match="at least 1 character, not 0"):
        searcher.snippets("the", hits, width=0)


def test_no_hit_no_work(corpus):
    searcher, encoder = corpus
    assert searcher.snippets("car", []) == []
    assert encoder.calls == []


def test_terms_and_meaning_count_the_same():
    text = " ".join([sentence("q"), sentence("q", "fruit"), sentence("fruit"), sentence("x")])
    assert "Q fruit" in chosen("q apple", text, MeaningEncoder())


def test_equals_go_to_the_earliest():
    parts = [sentence("x"), sentence("q", "1"), sentence("q", "2"), sentence("y")]
    text = " ".join(parts)
    assert chosen("q", text) == parts[1]
    assert chosen("nothing", text) == parts[0]
    same = " ".join([sentence("x"), *[sentence("fruit", "x")] * 3])
    found = best_passages("apple", [hit(same)], {}, PLAIN, MeaningEncoder)[0]
    assert found.start == same.index("Fruit")


def test_all_hits_are_encoded_in_one_bounded_call():
    encoder = MeaningEncoder()
    long = " ".join(sentence(f"w{i}", *["q"] * (i % 2)) for i in range(100))
    hits = [hit(long), hit("short"), hit(long + " end")]
    found = best_passages("q", hits, {"q": 1.0}, PLAIN, lambda: encoder)
    assert [role for role, _ in encoder.calls] == ["query", "document"]
    assert len(encoder.calls[1][1]) == 2 * (MOST_ENCODED // 3)
    assert found[1] == Span(0, 5)
    encoder.calls.clear()
    best_passages("q", [hit(long)] * 50, {"q": 1.0}, PLAIN, lambda: encoder)
    assert len(encoder.calls[1][1]) == 2 * 50


def test_what_is_encoded_holds_the_terms_and_is_spread():
    encoder = MeaningEncoder()
    parts = [sentence(f"w{i}") for i in range(50)]
    parts[20] = sentence("q")
    hits = [hit(" ".join(parts))] * 6
    share = MOST_ENCODED // len(hits)
    best_passages("q", hits, {"q": 1.0}, PLAIN, lambda: encoder)
    seen = [parts.index(text) for text in encoder.calls[1][1][:share]]
    assert seen == sorted(set(seen))
    assert {0, 20, 49} <= set(seen)
    assert np.diff(seen).max() <= 2 * len(parts) / (share - 2)


def test_one_passage_needs_no_encoder():
    def refuse():
        raise AssertionError

    assert chosen("q", "one passage") == "one passage"
    assert best_passages("q", [hit("one passage")], {}, PLAIN, refuse) == [Span(0, 11)]
    assert best_passages("q", [hit(" \n ")], {}, PLAIN, refuse) == [Span(0, 0)]
    long = " ".join([sentence("x"), sentence("y")])
    assert best_passages("  ", [hit(long)], {}, PLAIN, refuse)[0].start == 0


def test_without_an_encoder_for_texts_the_terms_decide():
    def refuse():
        raise UsageError("These vectors are the user's own.")

    class VectorsOnly(MeaningEncoder):
        def encode(self, texts, role):
            refuse()

    text = " ".join([sentence("x"), sentence("q")])
    for load in (refuse, VectorsOnly):
        found = best_passages("q", [hit(text)], {"q": 1.0}, PLAIN, load)[0]
        assert found.start == text.index("Q")


def test_a_giant_row_costs_no_more_than_its_start():
    text = "x " * 10**6 + "q"
    found = best_passages("q", [hit(text)], {"q": 1.0}, PLAIN, MeaningEncoder)[0]
    assert found.end <= LONGEST_PASSAGE
    far = "x " * (3 * LONGEST_PASSAGE) + "q " + "x " * LONGEST_PASSAGE
    found = best_passages("q", [hit(far)], {"q": 1.0}, PLAIN, MeaningEncoder)[0]
    assert "q" in far[found.start : found.end]
    near = "x " * (LONGEST_PASSAGE // 2 - 10) + "q " + text
    found = best_passages("q", [hit(near)], {"q": 1.0}, PLAIN, MeaningEncoder)[0]
    assert "q" in near[found.start : found.end]


WORD = st.sampled_from(["car", "fruit", "the", "x", "end.", "東京都", "\n\n", "e\u0301", "👍🏽"])


@given(
    words=st.lists(WORD, max_size=300),
    query=st.lists(st.sampled_from(["automobile", "fruit", "the", "x", "東京"]), max_size=3),
    data=st.data(),
)
def test_a_passage_of_the_row_and_none_worth_more(words, query, data):
    text = " ".join(words)
    start = data.draw(st.integers(0, len(text)))
    row = Span(start, data.draw(st.integers(start, len(text))))
    asked = " ".join(query)
    weights = {term: 1.0 + len(term) for term in PLAIN.terms(asked)}

    def worth(span):
        inside = PLAIN.terms(text[span.start : span.end])
        return sum(weight for term, weight in weights.items() if term in inside)

    cut = [Span(row.start + a, row.start + b) for a, b in split(text[slice(*row)], WORDS)]
    by_terms = best_passages(asked, [hit(text, row)], weights, PLAIN)[0]
    assert by_terms == max(cut, key=worth)
    encoder = MeaningEncoder()
    by_both = best_passages(asked, [hit(text, row)], weights, PLAIN, lambda: encoder)
    assert by_both[0] in cut
    assert by_both == best_passages(asked, [hit(text, row)], weights, PLAIN, MeaningEncoder)
