"""Examples out of qrels, and out of files of pairs and triples."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsearch.errors import CorpusError, UsageError
from vecsearch.training.base import Example
from vecsearch.training.judgments import judged_examples, read_examples
from vecsearch.types import Document

DOCUMENTS = [Document(f"d{i}", f"text {i}", "T" if i % 2 else "") for i in range(6)]
SEEN = {"d0": "text 0", "d1": "T text 1", "d2": "text 2", "d3": "T text 3", "d4": "text 4"}
grades = st.dictionaries(st.sampled_from(sorted(SEEN)), st.integers(-1, 3))
qrels_ = st.dictionaries(st.sampled_from(["q1", "q2", "test-1"]), grades)


@given(qrels_, st.one_of(st.none(), st.integers(1, 3)), st.integers(0, 2))
def test_each_relevant_pair_once_and_no_held_out_judgment(qrels, most, seed):
    queries = {"q1": "first", "q2": "second"}  # the split that is trained on
    made = judged_examples(iter(DOCUMENTS), queries, qrels, most, seed)
    assert made == judged_examples(DOCUMENTS, queries, qrels, most, seed)
    for id, text in queries.items():
        grade_of = {SEEN[d]: grade for d, grade in qrels.get(id, {}).items() if grade > 0}
        taken = [each.document for each in made if each.query == text]
        assert len(taken) == min(len(grade_of), most or len(grade_of)) == len(set(taken))
        left = [grade_of[document] for document in grade_of if document not in taken]
        assert set(taken) <= set(grade_of)
        assert max(left, default=0) <= min(map(grade_of.__getitem__, taken), default=3)
    assert {each.query for each in made} <= set(queries.values())


def test_equal_grades_are_drawn():
    qrels = {"q": dict.fromkeys(SEEN, 1)}
    drawn = {judged_examples(DOCUMENTS, {"q": "?"}, qrels, 1, seed)[0] for seed in range(20)}
    assert len(drawn) > 2


def test_judgments_that_do_not_fit():
    with pytest.raises(UsageError, match=r"lacks 1 of the .*, such as 'gone'"):
        judged_examples(DOCUMENTS, {"q": "?"}, {"q": {"gone": 1, "away": 0}})
    with pytest.raises(UsageError, match="not 0"):
        judged_examples(DOCUMENTS, {}, {}, most=0)
    blank = [Document("d", " ")]
    assert judged_examples(blank, {"q": "?", "r": " "}, {"q": {"d": 1}, "r": {"d": 1}}) == []


TRIPLES = [Example("a?", "A.", ("B.", "C.")), Example("b?", "B.")]


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".jsonl.gz", ".tsv", ".tsv.gz"])
def test_files_of_examples(tmp_path, suffix):
    if ".tsv" in suffix:
        text = "Query\tDocument\tnegative\r\na?\tA.\tB.\tC.\r\n\r\nb?\tB.\n"
    else:
        first = {"query": "a?", "document": "A.", "negatives": ["B.", "C."]}
        second = {"query": "b?", "document": "B."}
        text = f"\ufeff{json.dumps(first)}\n \n{json.dumps(second)}"
    path = tmp_path / f"pairs{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    assert read_examples(path) == TRIPLES


def test_without_a_header_the_first_line_counts(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("query\tof something\n")
    assert read_examples(path) == [Example("query", "of something")]


GOOD = '{"query": "a", "document": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "line", "problem"),
    [
        ("x.jsonl", GOOD + "{", 2, "invalid JSON at column 2"),
        ("x.jsonl", GOOD + "[1]", 2, "must be an object"),
        ("x.jsonl", '{"query": "a"}', 1, "the document is missing or blank"),
        ("x.jsonl", '{"document": "a"}', 1, "the query is missing or blank"),
        ("x.jsonl", '{"query": 7, "document": "b"}', 1, "the query must be a text, not 7"),
        ("x.jsonl", '{"query": null, "document": "b"}', 1, "must be a text, not None"),
        ("x.jsonl", '{"query": "a", "document": "b", "negative": ["c"]}', 1, "no key 'negative'"),
        ("x.jsonl", '{"query": "a", "document": "b", "negatives": "c"}', 1, "a list of texts"),
        ("x.jsonl", '{"query": "a", "document": "b", "negatives": [[]]}', 1, "negative must be"),
        ("x.jsonl", '{"query": "a", "document": "b", "negatives": ["b"]}', 1, "document itself"),
        ("x.jsonl", '{"query": "a", "document": "\\ud800"}', 1, "half a character"),
        ("x.jsonl", '{"query": ' + "9" * 5000 + "}", 1, "can't be read"),
        ("x.jsonl", "[" * 100_000, 1, "can't be read"),
        ("x.jsonl", "\n", None, "holds no example"),
        ("x.tsv", "query\tdocument\n", None, "holds no example"),
        ("x.tsv", "a\tb\nonly a query\n", 2, "the document is missing or blank"),
        ("x.tsv", "a\t \n", 1, "the document is missing or blank"),
        ("x.tsv", "a\tb\tc\t\n", 1, "the negative is missing or blank"),
        ("x.csv", "a,b", None, "named .jsonl or .tsv"),
        ("x.jsonl.gz", "not gzip", None, "gzip data is corrupt"),
    ],
)
def test_files_that_are_no_examples(tmp_path, name, content, line, problem):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=problem) as caught:
        read_examples(path)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_utf8_and_no_file(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"a\tb\nc\t\xff\n")
    with pytest.raises(CorpusError, match="line 2: not UTF-8"):
        read_examples(path)
    with pytest.raises(CorpusError, match="no such file"):
        read_examples(tmp_path / "y.tsv")
