"""Examples out of a corpus alone, and what is held out of training."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsearch.corpus import read_qrels, read_queries
from vecsearch.errors import UnknownName, UsageError
from vecsearch.training.base import Example
from vecsearch.training.held_out import cut_dev, drop_held_out, normalised
from vecsearch.training.supervision import (
    inverse_cloze,
    neighbours,
    supervise,
    title_body,
    two_views,
)
from vecsearch.types import Document

SENTENCES = (
    "The wing meets the slipstream.",
    "A boundary layer forms at once!",
    "Does the lift increase with speed?",
    "Nobody measured the drag of it.",
    "Short one.",
)
bodies = st.lists(st.sampled_from(SENTENCES), max_size=6).map(" ".join)
corpora = st.lists(
    st.tuples(st.sampled_from(["", "  ", "Wings", "Drag", SENTENCES[0]]), bodies), max_size=8
).map(lambda pairs: [Document(str(i), text, title) for i, (title, text) in enumerate(pairs)])


def test_title_asks_for_the_text_alone():
    documents = [Document("a", "about a", "A"), Document("b", "no title"), Document("c", " ", "C")]
    assert list(title_body(documents)) == [Example("A", "about a")]


def test_neighbours_are_passages_that_follow_each_other():
    one = Document("1", "One two three. Four five six. Seven eight nine.", "T")
    found = list(neighbours([one], words=3))
    assert [(each.query, each.document) for each in found] == [
        ("One two three.", "Four five six."),
        ("Four five six.", "Seven eight nine."),
    ]
    assert all(each.symmetric and "T" not in each.query for each in found)


def test_neighbours_of_a_corpus_cut_before():
    cut = [("A", "first"), ("A", "second"), ("B", "third"), ("A", "fourth"), ("", "x"), ("", "y")]
    documents = [Document(str(i), text, title) for i, (title, text) in enumerate(cut)]
    assert list(neighbours(documents)) == [Example("first", "second", symmetric=True)]


def test_a_blank_document_parts_its_neighbours():
    documents = [Document(str(i), text, "A") for i, text in enumerate(["first", " ", "second"])]
    assert list(neighbours(documents)) == []


@given(corpora, st.integers(0, 5))
def test_the_sentence_removed_is_absent(documents, seed):
    texts = [document.text for document in documents]
    for example in inverse_cloze(documents, seed):
        assert example.query in SENTENCES
        assert example.query not in example.document
        assert any(example.query in text for text in texts)
        words = f"{example.document} {example.query}".split()
        assert set(words) <= {w for d in documents for w in f"{d.title} {d.text}".split()}


def test_inverse_cloze_keeps_title_and_the_other_sentences_in_order():
    document = Document("1", " ".join(SENTENCES[:4]), "Wings")
    asked = set()
    for seed in range(20):
        (example,) = inverse_cloze([document], seed)
        rest = [each for each in SENTENCES[:4] if each != example.query]
        assert example.document == " ".join(["Wings", *rest])
        asked.add(example.query)
    assert len(asked) == 4


def test_inverse_cloze_needs_a_sentence_worth_asking():
    alone = Document("1", SENTENCES[0])
    repeated = Document("2", f"{SENTENCES[0]} {SENTENCES[0]}")
    in_title = Document("3", f"{SENTENCES[0]} Short one.", SENTENCES[0])
    short = Document("4", "Short one. Ever so brief.")
    assert list(inverse_cloze([alone, repeated, in_title, short])) == []


def test_two_views_are_of_all_that_is_seen():
    documents = [Document("1", "text", "Title"), Document("2", " ")]
    assert list(two_views(documents)) == [Example("Title text", "Title text", symmetric=True)]


@given(corpora, st.integers(0, 3))
def test_supervision_mixes_the_same_way_for_a_seed(documents, seed):
    expected = [*title_body(documents), *inverse_cloze(documents, seed), *two_views(documents)]
    kinds = ("title_body", "inverse_cloze", "two_views")
    if not expected:
        with pytest.raises(UsageError, match="no example by title_body, inverse_cloze"):
            supervise(documents, kinds, seed)
        return
    made = supervise(iter(documents), kinds, seed)
    assert made == supervise(documents, kinds, seed)
    assert sorted(map(repr, made)) == sorted(map(repr, expected))


def test_another_seed_gives_another_order():
    documents = [Document(str(i), f"text {i}") for i in range(30)]
    assert supervise(documents, seed=0) != supervise(documents, seed=1)


def test_kinds_that_are_none():
    with pytest.raises(UnknownName, match="Did you mean 'two_views'"):
        supervise([], ["two_view"])
    with pytest.raises(UsageError, match="at least one kind"):
        supervise([], [])


# What is held out


def test_normalised():
    assert normalised("  Does COVID-19\tspread, 'Maße'? ") == "does covid 19 spread masse"
    assert normalised(" ?! ") == "?!"
    assert normalised("") == ""


queries = st.sampled_from(["Is it so?", "Why not", "?", "!", "Maße 2", "東京都"])


@st.composite
def disguised(draw):
    """A query in other clothes: case, white space, punctuation, normalisation form."""
    text = draw(queries)
    shift = draw(st.sampled_from([str.upper, str.lower, str.title, str]))
    gap = draw(st.sampled_from([" ", "  ", "\n", ", ", " - "]))
    form = draw(st.sampled_from(["NFC", "NFD", "NFKC"]))
    ends = draw(st.sampled_from(["", " ", "\t"]))
    return ends + unicodedata.normalize(form, gap.join(shift(text).split())) + ends


@given(st.lists(st.tuples(disguised(), disguised(), st.booleans())), st.lists(queries))
def test_no_held_out_query_is_left(pairs, held_out):
    examples = [Example(first, second, symmetric=same) for first, second, same in pairs]
    kept, dropped = drop_held_out(examples, held_out)
    asking = [e.query for e in kept] + [e.document for e in kept if e.symmetric]
    assert {normalised(text) for text in asking}.isdisjoint(map(normalised, held_out))
    assert dropped == len(examples) - len(kept)
    if not held_out:
        assert kept == examples


def test_held_out_queries_are_known_in_any_clothes_and_documents_stay():
    examples = [
        Example("DOES it, work?", "a"),
        Example("Does it work well?", "does it work"),
        Example("b", "does it work", symmetric=True),
    ]
    assert drop_held_out(examples, ["does it work"]) == ([examples[1]], 2)


@given(
    st.dictionaries(st.text("abc", min_size=1), disguised(), min_size=2),
    st.floats(0.01, 0.99),
    st.integers(0, 3),
)
def test_a_dev_split_is_cut_between_texts(texts, share, seed):
    if len({normalised(text) for text in texts.values()}) < 2:
        with pytest.raises(UsageError, match="it takes two"):
            cut_dev(texts, share, seed)
        return
    train, dev = cut_dev(texts, share, seed)
    assert train
    assert dev
    assert sorted([*train, *dev]) == sorted(texts)
    assert {normalised(texts[id]) for id in train}.isdisjoint(normalised(texts[id]) for id in dev)
    backwards = dict(reversed(texts.items()))
    assert set(cut_dev(backwards, share, seed).dev) == set(dev)


def test_a_dev_split_has_the_share_that_was_asked_for():
    texts = {str(i): f"query {i}" for i in range(200)}
    cut = cut_dev(texts, 0.1)
    assert len(cut.dev) == 20
    assert cut.dev == [id for id in texts if id in set(cut.dev)]
    assert cut_dev(texts, 0.1, seed=1).dev != cut.dev


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        cut_dev({"1": "a", "2": "b"}, share)


@pytest.mark.parametrize(("name", "leaking"), [("scifact", 2), ("nfcorpus", 4)])
def test_train_queries_that_are_test_queries_too(
    name: str, leaking: int, shared_data: Callable[[str], Path]
):
    folder = shared_data(name)
    texts = {query.id: query.text for query in read_queries(folder / "queries.jsonl")}
    train, test = (read_qrels(folder / "qrels" / f"{split}.tsv") for split in ("train", "test"))
    examples = [Example(texts[id], "document") for id in train]
    assert drop_held_out(examples, [texts[id] for id in test]).dropped == leaking
