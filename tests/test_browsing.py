"""Documents in and out through the command line: get, export, like, reencode, vectors, sync."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import documents_of, fruit

from vecsearch import Document, Index, OwnVectors, documents, open_corpus
from vecsearch.cli import main
from vecsearch.cli.browsing import record_of
from vecsearch.searcher import Searcher


def run(*words: object, stdin: str | None = None) -> tuple[int, str, str]:
    """Run a command in this process, which spares the start of one for each."""
    done = CliRunner().invoke(main, list(map(str, words)), input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def ok(*words: object, stdin: str | None = None) -> str:
    code, out, err = run(*words, stdin=stdin)
    assert code == 0, err
    return out


def fails(code: int, *words: object) -> str:
    found, _, err = run(*words)
    assert found == code, err
    return err


def lines(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def info(index: Path) -> dict:
    return json.loads(ok("info", index, "--json"))


@pytest.fixture
def words(tmp_path: Path) -> Path:
    Index.create(tmp_path / "i", None, documents=fruit(range(12)))
    return tmp_path / "i"


def test_exported_vectors_go_into_a_pipe_and_touch_nothing_beside(tmp_path: Path) -> None:
    given = [Document(f"d{n}", "x", meta={"n": n}, vector=[n, 1, 0]) for n in range(1, 5)]
    folder, pipe, mine = tmp_path / "i", tmp_path / "v.npy", tmp_path / "v.npy.partial"
    Index.create(folder, OwnVectors(3), documents=given)
    os.mkfifo(pipe)
    mine.write_text("mine")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    ok("export", folder, "--vectors", pipe)
    reader.join(30)
    found = np.load(io.BytesIO(read[0]))
    assert np.array_equal(found, [Index.open(folder).searcher().vectors(f"d{n}")[0] for n in range(1, 5)])  # fmt: skip
    assert pipe.is_fifo()
    assert mine.read_text() == "mine"
    assert "can't be written" in fails(1, "export", folder, "--vectors", tmp_path)
    ok("export", folder, "--vectors", tmp_path / "none.npy", "--where", "n > 9")
    assert np.load(tmp_path / "none.npy").shape == (0, 3)
    assert {each.name for each in tmp_path.iterdir()} == {"i", pipe.name, mine.name, "none.npy"}


def test_get(words: Path) -> None:
    out = lines(ok("get", words, "d3", "d2"))
    assert [each["_id"] for each in out] == ["d3", "d2"]
    assert out[1]["title"] == "About plum"
    assert out[1]["metadata"] == {"n": 2, "mark": "old", "tags": ["x", 1.0]}
    assert out[0]["text"] == fruit([3])[0].text
    assert "holds no document 'nobody'" in fails(1, "get", words, "d3", "nobody")
    fails(2, "get", words)


def test_export_indexes_again_to_the_same_answers(words: Path, tmp_path: Path) -> None:
    ok("delete", words, "d4")
    exported = ok("export", words)
    copy = tmp_path / "copy.index"
    ok("index", "-", copy, "--encoder", "none", stdin=exported)
    modes = ("bm25", "tfidf")
    assert look_words(copy, modes) == look_words(words, modes)
    assert ok("export", copy) == exported
    some = lines(ok("export", words, "--where", "n >= 10"))
    assert [each["_id"] for each in some] == ["d10", "d11"]


def look_words(folder: Path, modes: tuple[str, ...]) -> object:
    searcher = Index.open(folder).searcher()
    queries = ("red apple", "number7 ripe", "plum")
    ranked = [searcher.rank_many(queries, 20, by=by) for by in modes]
    return {each.id: each for each in documents_of(searcher)}, ranked


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(["id", "_id", "title", "text", "metadata", "a.b", "vector"])  # fmt: skip


@given(
    st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=3), max_size=4),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
@settings(max_examples=200)
def test_an_exported_line_is_read_as_the_same_document(tmp_path_factory, meta, text, name) -> None:
    document = Document(name, text, text[::2], meta)
    path = tmp_path_factory.getbasetemp() / "line.jsonl"
    path.write_text(json.dumps(record_of(document)) + "\n", encoding="utf-8")
    assert list(documents(open_corpus(path))) == [document]


def test_like(words: Path) -> None:
    out = lines(ok("like", words, "d3", "-k", "4"))
    assert len(out) == 4
    assert "d3" not in {each["id"] for each in out}
    hits = Index.open(words).searcher().like("d3", 4)
    assert [each["id"] for each in out] == [hit.id for hit in hits]
    assert "no embeddings" in fails(2, "like", words, "d3", "--by", "dense")
    assert "no document 'd99'" in fails(1, "like", words, "d99")


def test_vectors_in_and_out_and_searched_by(tmp_path: Path) -> None:
    source = tmp_path / "docs.jsonl"
    source.write_text("".join(f'{{"id": "d{n}", "text": "number{n}"}}\n' for n in range(6)))
    matrix = np.random.default_rng(0).standard_normal((6, 3))
    np.save(tmp_path / "v.npy", matrix)
    np.save(tmp_path / "q.npy", matrix[2].astype(np.float32))
    folder = tmp_path / "i"
    assert "own vectors" in ok("index", source, folder, "--vectors", tmp_path / "v.npy")
    assert info(folder)["dim"] == 3
    best = [f"d{n}" for n in np.argsort(-(matrix @ matrix[2]))]
    found = lines(ok("search", folder, "--vectors", tmp_path / "q.npy"))
    assert [each["id"] for each in found] == best
    both = ("search", folder, "number1", "--vectors", tmp_path / "q.npy", "--by")
    assert {each["id"] for each in lines(ok(*both, "hybrid", "-k", "2"))} == {best[0], "d1"}
    assert [each["id"] for each in lines(ok(*both, "dense"))] == best
    assert "search by a vector" in fails(2, "search", folder, "number1", "--by", "dense")

    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "q1", "text": "x"}\n{"_id": "q2", "text": "y"}\n')
    np.save(tmp_path / "two.npy", matrix[[4, 2]])
    asked = ("search", folder, "--queries", queries, "-k", "6", "--vectors")
    rows = [line.split() for line in ok(*asked, tmp_path / "two.npy").splitlines()]
    assert [row[2] for row in rows if row[0] == "q2"] == best
    assert {row[5] for row in rows} == {"dense"}
    told = lines(ok(*asked, tmp_path / "two.npy", "--json"))
    assert [each["id"] for each in told if each["query"] == "q2"] == best
    assert "Each query wants one vector; there are 6 for 2." in fails(2, *asked, tmp_path / "v.npy")

    exported = ok("export", folder, "--vectors", tmp_path / "out.npy")
    assert np.array_equal(np.load(tmp_path / "out.npy"), matrix.astype(np.float32))
    copy = tmp_path / "copy"
    ok("index", "-", copy, "--vectors", tmp_path / "out.npy", stdin=exported)
    assert ok("search", copy, "--vectors", tmp_path / "q.npy") == ok("search", folder, "--vectors", tmp_path / "q.npy")  # fmt: skip

    before = info(folder)
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": "new", "text": "new"}\n')
    assert "6 vectors for 1 document" in fails(1, "add", folder, more, "--vectors", tmp_path / "v.npy")  # fmt: skip
    more.write_text('{"id": "new", "text": "new", "vector": [1, 2, 3]}\n')
    assert "--vectors FILE.npy, with a row for each" in fails(2, "add", folder, more)
    assert "isn't a whole .npy file" in fails(1, "add", folder, more, "--vectors", source)
    assert "no such file" in fails(1, "add", folder, more, "--vectors", tmp_path / "none.npy")
    fails(2, "add", folder, more, "--vectors", tmp_path / "v.npy", "--on-error", "skip")
    np.save(tmp_path / "nan.npy", np.array([[1, np.nan, 0]]))
    told = fails(1, "add", folder, more, "--vectors", tmp_path / "nan.npy")
    assert "nan.npy: row 1, of document 'new', isn't all numbers from" in told
    np.save(tmp_path / "huge.npy", np.array([[1, 2, 3], [1, -2e15, 0]]))
    both = tmp_path / "both.jsonl"
    both.write_text('{"id": "new", "text": "new"}\n{"id": "newer", "text": "newer"}\n')
    told = fails(1, "add", folder, both, "--vectors", tmp_path / "huge.npy")
    assert "huge.npy: row 2, of document 'newer', isn't all numbers from -1e+15 to 1e+15." in told
    told = fails(1, *asked, tmp_path / "huge.npy")
    assert "huge.npy: row 2 isn't all" in told
    told = fails(1, "search", folder, "--vectors", tmp_path / "nan.npy")
    assert "nan.npy: row 1 isn't all" in told
    np.savez(tmp_path / "many.npz", matrix)
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.full((1, 3), 1 + 2j))
    np.save(tmp_path / "truth.npy", np.full((1, 3), True))
    np.save(tmp_path / "deep.npy", np.zeros((1, 2, 3)))
    for name in ("many.npz", "objects.npy", "complex.npy", "truth.npy", "deep.npy"):
        assert name in fails(1, "add", folder, more, "--vectors", tmp_path / name)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-8])
    assert "cut.npy" in fails(1, "add", folder, more, "--vectors", tmp_path / "cut.npy")
    fails(2, "add", folder, more, "--vectors", tmp_path / "q.npy", "--on-error", "skip")
    assert info(folder) == before
    ok("add", folder, more, "--vectors", tmp_path / "q.npy")
    assert info(folder)["documents"] == 7


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float16])
def test_vectors_of_any_width_are_taken(tmp_path: Path, dtype) -> None:
    source = tmp_path / "docs.jsonl"
    source.write_text("".join(f'{{"id": "d{n}", "text": "number{n}"}}\n' for n in range(3)))
    matrix = np.array([[3, 1, 0], [0, 90, 2], [100, 4, 5]], dtype)
    np.save(tmp_path / "v.npy", matrix)
    np.save(tmp_path / "q.npy", matrix[1])
    ok("index", source, tmp_path / "i", "--vectors", tmp_path / "v.npy")
    found = lines(ok("search", tmp_path / "i", "--vectors", tmp_path / "q.npy"))
    wide = matrix.astype(np.float64)
    expected = wide @ wide[1]
    assert [each["id"] for each in found] == [f"d{n}" for n in np.argsort(-expected)]
    assert [each["score"] for each in found] == sorted(expected, reverse=True)


def test_reencode(words: Path, tmp_path: Path) -> None:
    before = info(words)
    fails(2, "reencode", words)
    assert "no encoder 'minilmm'" in fails(2, "reencode", words, "--encoder", "minilmm")
    assert info(words) == before
    out = ok("reencode", words, "--encoder", "none")
    assert "12 documents, no embeddings" in out
    assert info(words)["generation"] == before["generation"] + 1


def test_records_beside_documents_are_told_of(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    (notes / "more").mkdir(parents=True)
    (notes / "a.txt").write_text("hi")
    for name in ("b.jsonl", "more/c.csv"):
        (notes / name).write_text('{"id": "b", "text": "x"}\n')
    code, out, err = run("index", notes, tmp_path / "i", "--encoder", "none")
    assert (code, "Indexed 1 document." in out) == (0, True)
    assert "files of records in it aren't read: b.jsonl and 1 more." in err
    (notes / "a.txt").unlink()
    (notes / "more" / "c.csv").unlink()
    code, out, err = run("index", notes, tmp_path / "j", "--encoder", "none")
    assert (code, "Indexed 1 document." in out, "aren't read" in err) == (0, True, False)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_links_to_folders_are_told_of_and_links_to_nothing_can_be_skipped(
    tmp_path: Path, name: str
) -> None:
    notes, elsewhere = tmp_path / "notes", tmp_path / "elsewhere"
    for folder in (notes, elsewhere):
        (folder / "more").mkdir(parents=True)
        (folder / name).write_text('{"id": "a", "text": "x"}\n')
    (notes / "more" / "far.d").symlink_to(elsewhere, target_is_directory=True)
    code, out, err = run("index", notes, tmp_path / "i", "--encoder", "none")
    assert (code, "Indexed 1 document." in out) == (0, True)
    assert f"in {notes} isn't read: more/far.d. Give each folder by its own path." in err
    (notes / f"gone{Path(name).suffix}").symlink_to(tmp_path / "nowhere")
    code, out, err = run("index", notes, tmp_path / "j", "--encoder", "none", "--on-error", "skip")
    assert (code, "Indexed 1 document, 1 skipped." in out) == (0, True)
    assert f"Skipped: {notes}/gone" in err


def test_an_id_that_no_run_can_hold_is_told_before_anything_is_ranked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents_ = [
        {"id": "a", "text": "kettle", "kind": "note"},
        {"id": "b\tc.txt", "text": "lamp", "kind": "file"},
    ]
    index = Index.create(tmp_path / "i", None, documents=documents_).folder
    queries = tmp_path / "q.tsv"
    queries.write_text("q1\tkettle\n")
    asked = ("search", index, "--queries", queries)
    assert ok(*asked, "--where", 'kind = "note"').startswith("q1 Q0 a 1 ")
    monkeypatch.delattr(Searcher, "rank_many")
    error = fails(2, *asked)
    assert "The document id 'b\\tc.txt' can't be written in a TREC run" in error
    assert "without tabs, line breaks" in error
    assert "--id-field" in error
    assert "--json" in error


def test_files_with_spaces_in_their_names_go_from_a_run_to_its_measures(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "my note 1.md").write_text("Descale the kettle.")
    (notes / "todo.md").write_text("A kettle, a lamp.")
    ok("index", notes, tmp_path / "i", "--encoder", "none")
    (tmp_path / "q.tsv").write_text("first query\tdescale kettle\nq2\tlamp\n")
    (tmp_path / "qrels.tsv").write_text("first query\tmy note 1.md\t1\nq2\ttodo.md\t1\n")
    (tmp_path / "qrels.trec").write_text("first query\t0\tmy note 1.md\t1\nq2 0 todo.md 1\n")
    out = tmp_path / "r.run"
    asked = ("search", tmp_path / "i", "--queries", tmp_path / "q.tsv")
    code, printed, err = run(*asked, "--run", out)
    assert (code, printed, err.count("In this run tabs stand")) == (0, "", 1)
    assert "trec_eval and others that split lines at any white space don't" in err
    rows = [line.split("\t") for line in out.read_text().splitlines()]
    assert [(row[0], row[2]) for row in rows] == [
        ("first query", "my note 1.md"),
        ("first query", "todo.md"),
        ("q2", "todo.md"),
    ]
    assert ok(*asked) == out.read_text()
    for qrels in ("qrels.tsv", "qrels.trec"):
        found = json.loads(ok("eval", out, tmp_path / qrels, "--json", "--measure", "RR@10"))
        assert found == {"RR@10": 1.0, "queries": 2}
        assert "No difference shown" in ok("compare", out, out, tmp_path / qrels)
    plain = ("--where", 'file like "%todo%"')
    (tmp_path / "q.tsv").write_text("q2\tlamp\n")
    code, printed, err = run(*asked, *plain)
    assert (code, printed.split()[:3], "tabs" in err) == (0, ["q2", "Q0", "todo.md"], False)


def test_words_of_a_command_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    documents_ = [{"id": "é", "text": "a café", "kind": "né"}]
    folder = Index.create(tmp_path / "i", None, documents=documents_).folder
    for asked in (["search", folder, "café"], ["get", folder, "é"], ["like", folder, "é"]):
        words = [os.fsencode(each) for each in (sys.executable, "-m", "vecsearch", *asked)]
        env = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(words, env=env, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        assert "caf" in done.stdout or asked[0] == "like"
    bad = b"caf\xe9"
    for words in (["search"], ["get"], ["like"], ["delete"], ["search", "--where"]):
        command = [sys.executable, "-m", "vecsearch", words[0], folder, *words[1:], bad]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 2
        assert "isn't UTF-8 text: its byte 4 is 0xe9." in " ".join(done.stderr.split())
    assert info(folder)["documents"] == 1


_WHERE_TO = [
    pytest.param(
        ">/dev/full",
        marks=pytest.mark.skipif(
            not Path("/dev/full").is_char_device(), reason="no device that is full"
        ),
    ),
    ">&-",
]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("where_to", _WHERE_TO)
@pytest.mark.parametrize("asked", ["--help", "--version", "search --help", "info", "search"])
def test_output_that_cannot_be_written_is_named(
    words: Path, asked: str, where_to: str, unbuffered: str
) -> None:
    command = [sys.executable, "-m", "vecsearch", *asked.split()]
    command += {"info": [str(words)], "search": [str(words), "apple"]}.get(asked, [])
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join(command)} {where_to}"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Standard output, or a file, can't be written to")
    assert done.stderr.count("\n") == 1


def test_add_sync(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "lamp.txt").write_text("Trim the wick.")
    (notes / "kettle.txt").write_text("Descale the kettle.")
    folder = tmp_path / "i"
    ok("index", notes, folder, "--encoder", "none")
    (notes / "lamp.txt").unlink()
    (notes / "oven.txt").write_text("Heat the oven.")
    out = ok("add", folder, "--sync", notes)
    assert "1 new, 0 changed, 1 gone, 1 as they were" in out
    assert {each["_id"] for each in lines(ok("export", folder))} == {"kettle.txt", "oven.txt"}
    (notes / "bad.txt").write_bytes(b"\xff\xff\xff latin")
    before = info(folder)
    assert "bad.txt" in fails(1, "add", folder, "--sync", notes)
    assert info(folder) == before
    code, out, err = run("add", folder, "--sync", notes, "--on-error", "skip")
    assert (code, "0 gone, 2 as they were" in out, "bad.txt" in err) == (0, True, True)
    fails(2, "add", folder, "--sync", notes, "--vectors", "v.npy")
    lines_file = tmp_path / "a.jsonl"
    lines_file.write_text('{"id": "a", "text": "b"}\n')
    assert "can't be followed" in fails(2, "add", folder, lines_file, "--sync")
