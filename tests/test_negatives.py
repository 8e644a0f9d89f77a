"""Hard negatives, against brute force; a teacher's vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import HashEncoder

from vecsearch.errors import UsageError
from vecsearch.training.base import Example
from vecsearch.training.judgments import judged_examples
from vecsearch.training.negatives import mine
from vecsearch.training.supervision import inverse_cloze, neighbours, title_body
from vecsearch.training.teacher import RememberingTeacher
from vecsearch.types import Document, seen_text

WORDS = ["apple", "pear", "plum", "number", "wing", "drag", "heat", "flow"]
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
corpora = st.lists(st.tuples(st.sampled_from(["", "Fruit", "Wings"]), words), min_size=2).map(
    lambda pairs: [Document(str(i), text, title) for i, (title, text) in enumerate(pairs)]
)


def padded(text):
    return f" {' '.join(text.lower().replace('.', ' ').split())} "


def scored(encoder, query, text, role="query"):
    (one,), (other,) = encoder.encode([query], role), encoder.encode([text], "document")
    return float(one @ other)


@settings(max_examples=40)
@given(
    corpora,
    st.lists(st.tuples(words, st.integers(0, 9)), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.integers(1, 3),
)
def test_negatives_are_never_relevant_nor_near_the_answer(documents, judged, dense, margin, k):
    texts = {str(i): query for i, (query, _) in enumerate(judged)}
    qrels = {str(i): {str(n % len(documents)): 1} for i, (_, n) in enumerate(judged)}
    known = judged_examples(documents, texts, qrels)
    encoder = HashEncoder() if dense else None
    mined = mine(known[:2], documents, encoder, k, margin, known=known)
    pool = {seen_text(each.title, each.text) for each in documents}
    for example in mined.examples:
        relevant = {padded(e.document) for e in known if e.query == example.query}
        assert len(example.negatives) == len(set(example.negatives)) <= k
        assert pool.issuperset(example.negatives)
        for negative in example.negatives:
            assert padded(negative) not in relevant
            assert padded(example.query) not in padded(negative)
            if encoder:
                most = scored(encoder, example.query, example.document) - margin
                assert scored(encoder, example.query, negative) <= most + 1e-6
    assert mined.added == sum(len(each.negatives) for each in mined.examples)
    assert mined == mine(known[:2], documents, encoder, k, margin, known=known)


def test_the_margin_filter_by_brute_force():
    rng = np.random.default_rng(0)
    documents = [Document(str(i), " ".join(rng.choice(WORDS, 5))) for i in range(60)]
    encoder = HashEncoder()
    example = Example("apple wing heat zzz", documents[0].text)
    answer = scored(encoder, example.query, example.document)
    allowed = [
        each.text
        for each in documents
        if padded(each.text) != padded(example.document)
        and scored(encoder, example.query, each.text) <= answer - 0.2
    ]
    mined = mine([example], documents, encoder, k=100, margin=0.2)
    assert set(mined.examples[0].negatives) == set(allowed)
    assert mined.filtered == len(documents) - len(allowed) - 1
    assert mine([example], documents, encoder, k=100, margin=9).examples == [example]


def test_the_best_of_both_rankings_in_turns():
    documents = [Document(str(i), text) for i, text in enumerate(["wing", "heat", "wing drag"])]
    example = Example("wing flow", "x")

    class Backwards(HashEncoder):
        """Finds "heat" first, whatever is asked."""

        def encode(self, texts, role):
            near = {"wing": 0.1, "heat": 0.8, "wing drag": 0.2}
            return np.array([[near.get(text, 1.0)] for text in texts], np.float32)

    assert mine([example], documents).examples[0].negatives == ("wing", "wing drag")
    found = mine([example], documents, Backwards(dim=1), margin=0.0).examples[0].negatives
    assert found == ("wing", "heat", "wing drag")


def test_examples_out_of_the_corpus_do_not_find_their_own_document():
    text = "The wing meets the slipstream. A boundary layer forms at once. The lift then grows."
    documents = [
        Document("1", text, "Wings in a slipstream"),
        Document("2", "The wing meets a slipstream elsewhere, and the lift of layers falls."),
        Document("3", "A wing in the slipstream grows a boundary layer.", "Wings in a slipstream"),
    ]
    examples = [
        *title_body(documents[:1]),
        *inverse_cloze(documents[:1]),
        *neighbours(documents[:1], words=6),
        *neighbours([documents[0], documents[2]]),
    ]
    assert len(examples) == 5
    own = seen_text(documents[0].title, text)
    for example in mine(examples, documents).examples:
        assert example.negatives
        assert own not in example.negatives
    (title,) = title_body(documents[:1])
    assert mine([title], documents).examples[0].negatives == (documents[1].text,)


def test_symmetric_examples_are_relevant_both_ways():
    documents = [Document(str(i), text) for i, text in enumerate(["wing a", "wing b", "wing c"])]
    pair = Example("wing a", "wing b", symmetric=True)
    mined = mine([Example("wing b", "wing zzz")], documents, known=[pair])
    assert mined.examples[0].negatives == ("wing c",)


def test_negatives_that_are_there_stay():
    documents = [Document("1", "wing a"), Document("2", "wing b"), Document("3", " ")]
    mined = mine([Example("the wing", "x", ("wing a",))], documents, HashEncoder(), margin=0)
    assert mined.examples[0].negatives[0] == "wing a"
    assert mine([], documents).examples == []
    assert mine([Example("q", "d")], []).examples == [Example("q", "d")]


@pytest.mark.parametrize(("k", "margin"), [(0, 0.1), (1, -0.1), (1, float("nan"))])
def test_numbers_that_can_not_be(k, margin):
    with pytest.raises(UsageError, match="k of at least 1"):
        mine([], [], None, k, margin)


class Counting(HashEncoder):
    def __init__(self):
        super().__init__()
        self.seen = []

    def encode(self, texts, role):
        self.seen += texts
        return super().encode(texts, role)


def test_a_teacher_encodes_no_text_twice(tmp_path):
    encoder = Counting()
    teacher = RememberingTeacher(encoder, tmp_path / "new" / "teacher.sqlite")
    texts = ["wing", "drag", "wing", "heat"]
    assert np.array_equal(teacher.vectors(texts), HashEncoder().encode(texts, "document"))
    again = RememberingTeacher(encoder, tmp_path / "new" / "teacher.sqlite")
    texts = ["heat", "flow"]
    assert np.array_equal(again.vectors(texts), HashEncoder().encode(texts, "document"))
    assert encoder.seen == ["wing", "drag", "heat", "flow"]
    assert teacher.vectors([]).shape == (0, 16)


def test_what_was_encoded_before_an_interruption_stays(tmp_path):
    class Stopped(Counting):
        def encode(self, texts, role):
            if "stop" in texts:
                raise KeyboardInterrupt
            return super().encode(texts, role)

    texts = [f"wing {i}" for i in range(2048)]
    encoder = Stopped()
    teacher = RememberingTeacher(encoder, tmp_path / "teacher.sqlite")
    with pytest.raises(KeyboardInterrupt):
        teacher.vectors([*texts, "stop"])
    teacher.vectors(texts)
    assert encoder.seen == texts


def test_a_cache_that_is_none(tmp_path):
    path = tmp_path / "cache"
    path.write_text("not a data base, but long enough to be taken for something else" * 20)
    encoder = HashEncoder()
    found = RememberingTeacher(encoder, path).vectors(["a"])
    assert (found == encoder.encode(["a"], "document")).all()
