"""The recipe makes a judged corpus of this Python's docstrings that is fair, and the same twice."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from vecsearch import Index, documents, evaluate
from vecsearch.corpus.beir import BeirFolder

RECIPE = Path(__file__).resolve().parent.parent / "corpora" / "pydocs" / "make.py"
SPLITS = ["dev", "test", "train"]


def make(folder: Path, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", RECIPE, folder],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def words(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9_]+', text.lower()))} "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "pydocs"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(folder):
    return BeirFolder(folder)


@pytest.fixture(scope="module")
def found(corpus):
    return {document.id: document for document in documents(corpus)}


@pytest.fixture(scope="module")
def queries(corpus):
    return {query.id: query.text for query in corpus.queries()}


@pytest.mark.slow
def test_it_is_large_and_names_what_every_python_has(found):
    # 3.11 on Linux gives 9,887; a build with fewer modules or stripped sources still gives most.
    assert len(found) >= 5000
    kinds = Counter(document.meta["kind"] for document in found.values())
    assert set(kinds) == {"class", "function", "method", "module", "property"}
    in_python, in_c = found["pathlib.Path.glob"], found["math.gcd"]
    assert in_python.text.startswith("glob(self, pattern")
    assert in_python.meta["line"] > 1
    assert in_c.text.startswith("gcd(*integers)")
    assert "line" not in in_c.meta
    assert {"builtins.str.split", "os.stat", "struct.unpack", "json", "enum.Enum"} <= found.keys()


@pytest.mark.slow
def test_tests_and_generated_texts_are_left_out(found):
    modules = {document.meta["module"] for document in found.values()}
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names
    assert not [name for name in modules if re.search(r"(^|\.)(tests?|idlelib|pydoc_data)\b", name)]


@pytest.mark.slow
def test_every_query_is_judged_once_for_its_own_document(corpus, found, queries):
    assert corpus.splits == SPLITS
    judged = {split: corpus.qrels(split) for split in SPLITS}
    assert sorted(name for qrels in judged.values() for name in qrels) == sorted(queries)
    for qrels in judged.values():
        assert all(grades == {name: 1} and name in found for name, grades in qrels.items())
    shares = {split: len(qrels) / len(queries) for split, qrels in judged.items()}
    assert shares == pytest.approx({"train": 0.6, "dev": 0.2, "test": 0.2}, abs=0.03)
    assert 300 <= len(judged["test"]) <= 1200


@pytest.mark.slow
def test_no_query_stands_in_its_document_or_asks_for_two(found, queries):
    assert max(Counter(map(words, queries.values())).values()) == 1
    for name, text in queries.items():
        document = found[name]
        assert words(text) not in words(f"{document.title} {document.text}")
        assert 4 <= len(text.split()) <= 30


@pytest.mark.slow
def test_known_items_are_found_but_not_all(corpus, found, queries, tmp_path):
    index = Index.create(tmp_path / "index", encoder=None, documents=found.values())
    qrels = corpus.qrels("test")
    searcher = index.searcher()
    scores = {}
    for by in ("tfidf", "bm25"):
        rankings = searcher.rank_many([queries[name] for name in qrels], k=10, by=by)
        run = dict(zip(qrels, map(dict, rankings), strict=True))
        scores[by] = evaluate(run, qrels, ["R@10"]).mean("R@10")
    # .529 and .654 with Python 3.11; chance is 10 of some 10,000.
    assert 0.3 <= scores["tfidf"] <= 0.8
    assert 0.4 <= scores["bm25"] <= 0.9


@pytest.mark.slow
def test_it_is_the_same_in_every_run(folder, tmp_path):
    said = make(tmp_path / "again", PYTHONHASHSEED="7", LC_ALL="C", TERM="xterm")
    assert re.fullmatch(r".*: [\d,]+ documents, [\d,]+ queries \(.*\)\.\n", said)
    files = ["corpus.jsonl", "queries.jsonl", *(f"qrels/{split}.tsv" for split in SPLITS)]
    assert [(folder / name).read_bytes() for name in files] == [
        (tmp_path / "again" / name).read_bytes() for name in files
    ]
    kept = [path for path in (tmp_path / "again").rglob("*") if path.is_file()]
    assert len(kept) == len(files)


@pytest.mark.parametrize("name", ["file", "file/within"])
def test_a_folder_that_cant_be_is_a_sentence_before_the_work(tmp_path, monkeypatch, name):
    (tmp_path / "file").touch()
    work = SimpleNamespace(Documented=object, documented=lambda: pytest.fail("began the work"))
    monkeypatch.setitem(sys.modules, "documented", work)
    monkeypatch.setattr(sys, "argv", [str(RECIPE), str(tmp_path / name)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(RECIPE), run_name="__main__")
    assert re.fullmatch(r"Error: .*/file.*", str(stopped.value.code))  # and so the status is 1
