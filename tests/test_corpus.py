"""Readers of corpora: each source, each error with its place, round trips, order, flat memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import os
import random
import sys
import threading
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import HashEncoder

from vecsearch.corpus import (
    BeirFolder,
    DocumentFiles,
    Fields,
    JsonLines,
    JsonLinesFolder,
    Record,
    Table,
    documents,
    open_corpus,
    read_qrels,
    read_queries,
)
from vecsearch.corpus.files import strangeness
from vecsearch.corpus.seen import SeenIds, unique
from vecsearch.corpus.table import typed
from vecsearch.errors import CorpusError, UnknownName, UsageError
from vecsearch.index import Index
from vecsearch.types import Document, Query


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def jsonl(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def read(path, fields=Fields()):  # noqa: B008 - a frozen value
    """Read the documents, those of a file without its path and time, which aren't in it."""
    found = list(documents(open_corpus(path, fields)))
    if not isinstance(open_corpus(path, fields), DocumentFiles):
        return found
    return [
        replace(d, meta={k: d.meta[k] for k in d.meta.keys() - {"file", "modified"}}) for d in found
    ]


def outcome(path, fields=Fields()):  # noqa: B008
    """Ids read and (line, problem) of the errors, in order."""
    return [
        (each.line, each.problem) if isinstance(each, CorpusError) else each.document.id
        for each in open_corpus(path, fields).read()
    ]


def only_error(path, *words, fields=Fields()):  # noqa: B008
    """Assert that stopping at the first error gives a sentence with these words; its line."""
    with pytest.raises(CorpusError) as caught:
        read(path, fields)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith((".", '""'))
    for word in words:
        assert word in message
    return caught.value.line


@pytest.fixture
def standard_input(monkeypatch):
    def give(content):
        data = content.encode() if isinstance(content, str) else content
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))

    return give


# Sources


@pytest.mark.parametrize(
    "name",
    ["c.jsonl", "c.ndjson", "c.json", "C.JSONL", "c.jsonl.gz", "c.ndjson.gz", "c.json.gz"],
)
def test_json_lines(tmp_path, name):
    path = put(
        tmp_path,
        name,
        "\ufeff" + jsonl({"_id": "a", "title": "T", "text": "é\0"}) + " \r\n\n"
        '{"id": 7, "contents": ""}\r\n  {"_id":"z","title":null,"text":"no newline"} ',
    )
    assert read(path) == [
        Document("a", "é\0", "T"),
        Document("7", ""),
        Document("z", "no newline"),
    ]
    assert [(r.path, r.line) for r in open_corpus(path).read()] == [
        (str(path), 1),
        (str(path), 4),
        (str(path), 5),
    ]


@pytest.mark.parametrize(
    "array", ['[{"id": 1, "text": "x"}]', ' [\n{"id": 1, "text": "x"}\n]\n', '[{"id": 1,\n']
)
def test_a_json_array_is_told_from_json_lines(tmp_path, array):
    path = put(tmp_path, "c.json", array)
    assert only_error(path, "here a JSON array begins", "makes JSON Lines of an array") == 1


def test_chosen_fields(tmp_path):
    fields = Fields(id="url", title="head", text="body")
    record = {"url": "u", "head": "h", "body": "b", "id": 1, "title": "t", "text": "x"}
    wanted = [Document("u", "b", "h", {"id": 1, "title": "t", "text": "x"})]
    assert read(put(tmp_path, "c.jsonl", jsonl(record)), fields) == wanted
    table = "url,head,body,id,title,text\nu,h,b,1,t,x\n"
    assert read(put(tmp_path, "c.csv", table), fields) == wanted


def test_the_first_default_wins(tmp_path):
    path = put(tmp_path, "c.jsonl", jsonl({"id": 1, "_id": "b", "contents": "c", "text": "t"}))
    assert read(path) == [Document("b", "t", "", {"id": 1, "contents": "c"})]


def test_one_field_may_be_id_and_text(tmp_path):
    fields = Fields(id="word", text="word")
    wanted = [Document("w", "w", "", {"n": 1})]
    assert read(put(tmp_path, "c.jsonl", jsonl({"word": "w", "n": 1})), fields) == wanted
    assert read(put(tmp_path, "c.csv", "word,n\nw,1\n"), fields) == wanted


def test_standard_input(standard_input):
    standard_input(jsonl({"id": "a", "text": "x"}) + "[1]\n")
    corpus = open_corpus("-")
    assert corpus.total_bytes is None
    first, second = corpus.read()
    assert first == Record(Document("a", "x"), "standard input", 1)
    assert str(second).startswith("standard input, line 2: each line must be a JSON object")
    assert not sys.stdin.closed


def test_standard_input_that_cannot_be_peeked_at_stays_open(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "a", "text": "x"}')))
    assert read("-") == [Document("a", "x")]
    assert not sys.stdin.buffer.closed


def test_closed_standard_input_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CorpusError, match="standard input is closed"):
        read("-")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz"])
def test_table(tmp_path, name):
    comma = "\t" if ".tsv" in name else ","
    rows = [
        ["_id", "title", "text", "year", "", "ok"],
        ["01", "T", 'two\nlines, a\ttab and "quotes"', "2020", "dropped", "TRUE"],
        ["2", "", "", "", "", "maybe"],
    ]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=comma).writerows(rows)
    path = put(tmp_path, name, "\ufeff" + out.getvalue() + f"\r\n3{comma}{comma}short\r\n")
    assert read(path) == [
        Document("01", 'two\nlines, a\ttab and "quotes"', "T", {"year": 2020, "ok": "TRUE"}),
        Document("2", "", "", {"year": None, "ok": "maybe"}),
        Document("3", "short", "", {"year": None, "ok": None}),
    ]
    assert [r.line for r in open_corpus(path).read()] == [2, 4, 6]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["99999", "01234"], ["99999", "01234"]),
        (["01234", "", "99999"], ["01234", None, "99999"]),
        (["12", "1e5"], ["12", "1e5"]),
        (["12", "true", "12"], ["12", "true", "12"]),
        (["TRUE", "no"], ["TRUE", "no"]),
        (["1", "", "2.5"], [1, None, 2.5]),
        (["TRUE", "", "false"], [True, None, False]),
        (["1", "2,x,x"], [1]),  # a row that can't be read types nothing
        (["1", '"2'], [1]),
        (["", ""], [None, None]),
    ],
)
def test_a_column_holds_values_of_one_kind(tmp_path, cells, values):
    rows = "".join(f"{i},x,{cell}\n" for i, cell in enumerate(cells))
    path = put(tmp_path, "t.csv", f"id,text,m\n{rows}")
    found = [each.document.meta["m"] for each in Table(path).read() if isinstance(each, Record)]
    assert [(each, type(each)) for each in found] == [(each, type(each)) for each in values]


@pytest.mark.parametrize(
    ("name", "header", "delimiter"),
    [("t.csv", "id;text", "';'"), ("t.csv", "id\ttext", r"'\t'"), ("t.tsv", "id,text", "','")],
)
def test_another_delimiter_is_named(tmp_path, name, header, delimiter):
    path = put(tmp_path, name, f"{header}\n")
    assert only_error(path, f"Is {delimiter} the delimiter?", ".tsv by tabs") == 1
    assert "delimiter" not in outcome(put(tmp_path, name, "ident\n"))[0][1]


def test_a_table_that_can_be_read_only_once_holds_text(tmp_path):
    path = tmp_path / "t.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=["id,text,m\n1,x,2\n2,x,\n"])
    writer.start()
    assert [d.meta["m"] for d in read(path)] == ["2", None]
    writer.join()


def test_a_cell_of_any_size_leaves_the_limit_of_the_process(tmp_path):
    limit = csv.field_size_limit()
    long = "x" * (limit + 1)
    assert read(put(tmp_path, "t.csv", f"id,text\n1,{long}\n"))[0].text == long
    assert csv.field_size_limit() == limit


def test_lines_may_end_in_carriage_returns(tmp_path):
    assert read(put(tmp_path, "t.csv", "id,text\r1,a\r2,b\r")) == [
        Document("1", "a"),
        Document("2", "b"),
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2020", 2020),
        ("-3", -3),
        ("0", 0),
        ("3.5", 3.5),
        ("3.50", 3.5),
        ("1e-05", 1e-05),
        ("1" * 40, int("1" * 40)),
        ("True", True),
        ("fALSE", False),
        ("", None),
    ],
)
def test_cells_that_have_a_type(cell, value):
    assert (typed(cell), type(typed(cell))) == (value, type(value))


@pytest.mark.parametrize(
    "cell",
    ["-", ".5", "5.", "1_0", "٣", "01234", "+5", "1e5", "1e+999", "nan", " 5", "5\n", "9" * 5000],
)
def test_cells_that_stay_text(cell):
    assert typed(cell) == cell


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_as_python_writes_them_are_numbers(number):
    value = typed(repr(number))
    assert (value, type(value)) == (number, type(number))


def test_folder(tmp_path):
    put(tmp_path, "b.txt", "\ufeff# no title\r\n")
    put(tmp_path, "a/z.md", "intro\n\n## The *title* ##\nbody\n")
    put(tmp_path, "a/y é.HTM", "<title>A &amp; B</title><p>one\ntwo<p>three")
    put(tmp_path, "a.html", "<h1>H<b>i</b></h1><style>s</style>x<div>y<br>z</div>")
    put(tmp_path, "folder.txt/in.txt", "")
    put(tmp_path, ".hidden.txt", "no")
    put(tmp_path, ".git/a.txt", "no")
    put(tmp_path, "picture.png", b"\x89PNG\0")
    assert read(tmp_path) == [
        Document("a/y é.HTM", "one two\nthree", "A & B"),
        Document("a/z.md", "intro\n\n", "The *title*"),
        Document("a/z.md#the-title", "body\n", "The *title*"),
        Document("a.html", "x\ny\nz", "Hi"),
        Document("b.txt", "# no title\r\n"),
        Document("folder.txt/in.txt", ""),
    ]
    places = [(r.path, r.line) for r in open_corpus(tmp_path).read()]
    assert places[0] == (str(tmp_path / "a" / "y é.HTM"), None)


def test_a_single_text_file(tmp_path):
    path = put(tmp_path, "deep/one.md", "Title\n===\ntext")
    assert read(path) == [Document("one.md", "text", "Title")]


@pytest.mark.parametrize(
    ("content", "title", "text"),
    [
        ("# C# \n", "C#", ""),
        ("#hash\n#\n####### seven\n", "", "#hash\n#\n####### seven\n"),
        ("---\ntitle: t\n---\n# B\nz", "t › B", "z"),
        ("---\ntitle: B\n---\n\n# B\nz", "B", "z"),
        ("~~~~\n~~~\n# comment\n~~~~\n", "", "~~~~\n~~~\n# comment\n~~~~\n"),
        ("a\nb\n---\n", "", "a\nb\n---\n"),
        ("- item\n---\n", "", "- item\n---\n"),
        ("T \r\n---\r\ny", "T", "y"),
        ("    # code\n", "", "    # code\n"),
    ],
)
def test_markdown_headings(tmp_path, content, title, text):
    assert read(put(tmp_path, "a.md", content)) == [Document("a.md", text, title)]


@pytest.mark.parametrize(
    ("content", "title", "text"),
    [
        ("", "", ""),
        ("plain", "", "plain"),
        ("<body>a<svg><title>no</title></svg></body>", "", "ano"),
        (
            "<body><noscript><style>s</style>n</noscript><template>t</template>x<script>1<2</script>",
            "",
            "x",
        ),
        ("<ul><li>a<b>b</b>c<li>d</ul>e", "", "abc\nd\ne"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "", "1\n2\n3"),
        ("<title> </title><h1>One\n two</h1><h1>Three</h1>", "One two", "Three"),
        ("<p>a&nbsp;&lt;b&gt;<!-- c -->", "", "a <b>"),
    ],
)
def test_html(tmp_path, content, title, text):
    assert read(put(tmp_path, "a.html", content)) == [Document("a.html", text, title)]


META = '<meta charset="{}">'
EQUIV = '<META content="text/html; charset={}" http-equiv=Content-Type>'


@pytest.mark.parametrize(
    ("head", "charset", "text"),
    [
        (META.format("windows-1252"), "cp1252", "“café” €5"),
        (EQUIV.format("iso-8859-1"), "cp1252", "“café” €5"),  # which browsers read as Windows-1252
        ("<meta charset=latin1>", "cp1252", "‘é’"),
        (META.format("ISO-8859-9"), "cp1254", "ışık €"),
        (META.format("windows-874"), "cp874", "แมว"),
        (META.format("gb2312"), "gb18030", "猫 镕"),
        (EQUIV.format("x-sjis"), "cp932", "猫①"),
        (META.format("big5"), "big5", "貓"),
        (META.format("ks_c_5601-1987"), "cp949", "똠"),
        (META.format("koi8-r"), "koi8-r", "кот"),
        (META.format("utf-16"), "utf-8", "é"),
        (META.format("utf-8") + META.format("koi8-r"), "utf-8", "é"),
        ("<!-- <meta charset=koi8-r> --><p title='<meta charset=koi8-r>'>", "utf-8", "é"),
        (" " * 1024 + META.format("koi8-r"), "utf-8", "é"),
        (META.format("of-nobody"), "utf-8", "é"),
        ("", "utf-16", "猫"),  # Python writes a byte order mark
        (META.format("koi8-r"), "utf-8-sig", "é"),
        ("<?xml version='1.0' encoding='koi8-r'?>", "koi8-r", "кот"),
    ],
)
def test_a_page_is_read_in_the_charset_that_it_declares(tmp_path, head, charset, text):
    (tmp_path / "a.html").write_bytes(f"{head}<p>{text}".encode(charset))
    assert read(tmp_path / "a.html") == [Document("a.html", text)]


def test_a_page_that_declares_another_charset_than_its_own_is_believed(tmp_path):
    """As browsers do, even where it is UTF-8."""
    put(tmp_path, "a.html", META.format("koi8-r") + "<p>é")
    assert read(tmp_path / "a.html")[0].text == "é".encode().decode("koi8-r")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (b"<p>\xe9", "not UTF-8"),
        (b"<meta charset=utf-8><p>\xe9", "not UTF-8"),
        (b"<meta charset=utf-7>\n<p>\xe9", "its charset is 'utf-7', which no browser knows"),
        (codecs.BOM_UTF16_LE + bytes([1, 0]) * 100, "binary"),
        (b"<meta charset=latin1>" + b"\0" * 100 + b"\xe9", "binary"),
    ],
)
def test_a_page_whose_charset_cant_be_told(tmp_path, page, problem):
    (tmp_path / "a.html").write_bytes(page)
    [error] = outcome(tmp_path)
    assert problem in error[1]


def test_what_is_wrong_in_a_charset_is_a_question_mark(tmp_path):
    (tmp_path / "a.html").write_bytes(b"<meta charset=sjis><p>a\x81")
    assert read(tmp_path / "a.html")[0].text == "a\ufffd"
    (tmp_path / "a.html").write_bytes(b"<meta charset=latin1><p>a\x81")
    assert read(tmp_path / "a.html")[0].text == "a\x81"


def test_links_to_folders_are_not_followed_and_links_to_files_are(tmp_path):
    put(tmp_path, "c/a.txt", "x")
    (tmp_path / "c/loop").symlink_to(tmp_path / "c", target_is_directory=True)
    (tmp_path / "c/loop.txt").symlink_to(tmp_path / "c", target_is_directory=True)
    (tmp_path / "c/b.txt").symlink_to(tmp_path / "c/a.txt")
    (tmp_path / "root").symlink_to(tmp_path / "c", target_is_directory=True)
    assert [d.id for d in read(tmp_path / "root")] == ["a.txt", "b.txt"]


def test_links_to_nothing_and_to_themselves_are_errors(tmp_path):
    (tmp_path / "a.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "b.txt").symlink_to(tmp_path / "b.txt")
    put(tmp_path, "c.txt", "")
    gone, loop, last = outcome(tmp_path)
    assert gone == loop == (None, "this is a link that leads nowhere.")
    assert last == "c.txt"


def test_what_is_no_file_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    put(tmp_path, "a.txt", "x")
    assert [d.id for d in read(tmp_path)] == ["a.txt"]


def test_a_deep_folder(tmp_path):
    id = "d/" * 1100 + "a.txt"
    top = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=top)
        below = os.open("d", os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = below
    os.close(os.open("a.txt", os.O_CREAT, dir_fd=top))
    os.close(top)
    assert [d.id for d in read(tmp_path)] == [id]
    for _ in range(1099):  # no tool of the standard library removes it
        (tmp_path / "d/d").rename(tmp_path / "rest")
        (tmp_path / "d").rmdir()
        (tmp_path / "rest").rename(tmp_path / "d")


@settings(max_examples=15)
@given(
    names=st.sets(st.from_regex(r"[a-c]{1,2}(/[a-c]{1,2}){0,2}\.txt", fullmatch=True)),
    data=st.data(),
)
def test_the_order_is_the_names_and_not_how_files_came(tmp_path_factory, names, data):
    if not names:
        return
    orders = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("walk")
        for name in data.draw(st.permutations(sorted(names))):
            put(folder, name, name)
        orders.append([d.id for d in read(folder)])
    assert orders[0] == orders[1] == sorted(names, key=lambda name: name.split("/"))
    assert all(d.id == d.text for d in read(folder))


# Folders of JSON Lines


def test_a_folder_of_json_lines(tmp_path):
    put(tmp_path, "part-1.jsonl", jsonl({"id": "b", "contents": "2"}, {"id": "c", "contents": "3"}))
    put(tmp_path, "part-0.json", jsonl({"id": "a", "contents": "1"}))
    put(tmp_path, "part-2/x.jsonl.gz", jsonl({"id": "d", "contents": "4"}))
    put(tmp_path, "part-3.ndjson", jsonl({"id": "e", "contents": "5"}))
    put(tmp_path, ".hidden.jsonl", "no")
    put(tmp_path, "table.csv", "no")
    corpus = open_corpus(tmp_path)
    assert isinstance(corpus, JsonLinesFolder)
    assert [(r.document, r.path, r.line) for r in corpus.read()] == [
        (Document(id, text), str(tmp_path / name), line)
        for id, text, name, line in [
            ("a", "1", "part-0.json", 1),
            ("b", "2", "part-1.jsonl", 1),
            ("c", "3", "part-1.jsonl", 2),
            ("d", "4", "part-2/x.jsonl.gz", 1),
            ("e", "5", "part-3.ndjson", 1),
        ]
    ]


def test_errors_in_a_folder_of_json_lines_name_the_file(tmp_path):
    first = put(tmp_path, "1.jsonl", '{"id": 1, "body": "x"}\noops\n')
    second = put(tmp_path, "2.jsonl", '{"id": 2, "body": "y"}\n\n{"id": 1, "body": "z"}\n')
    (tmp_path / "3.jsonl").symlink_to(tmp_path / "gone")
    put(tmp_path, "4.jsonl", '{"id": 4, "body": ""}')
    one, oops, two, twice, gone, four = open_corpus(tmp_path, Fields(text="body")).read()
    assert [one.document.id, two.document.id, four.document.id] == ["1", "2", "4"]
    assert (oops.path, oops.line) == (str(first), 2)
    assert (twice.path, twice.line) == (str(second), 3)
    assert "the id '1' comes a second time" in twice.problem
    assert str(gone) == f"{tmp_path / '3.jsonl'}: there is no such file."


def test_a_folder_that_is_locked_among_json_lines_is_told(tmp_path, monkeypatch):
    for id in "a", "b/b":
        put(tmp_path, f"{id}.jsonl", jsonl({"id": id, "text": ""}))
    listed = os.listdir

    def refuse(path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    read_first, locked = open_corpus(tmp_path).read()
    assert read_first.document.id == "a"
    assert str(locked) == f"{tmp_path / 'b'}: can't be read: Permission denied."


def test_the_progress_of_a_folder_of_json_lines_is_that_of_its_files(tmp_path):
    lines = [jsonl({"id": f"{i}", "text": f"{pow(3, i, 10**15 + 37)}"}) for i in range(3000)]
    files = [
        put(tmp_path, "a.jsonl", "".join(lines[:1000])),
        put(tmp_path, "b.jsonl.gz", "".join(lines[1000:2000])),
        put(tmp_path, "c.json", "".join(lines[2000:])),
    ]
    sizes = [path.stat().st_size for path in files]
    corpus = open_corpus(tmp_path)
    assert (corpus.total_bytes, corpus.bytes_read) == (sum(sizes), 0)
    for _ in range(2):  # it can be read again, from the start
        read_so_far = [corpus.bytes_read for _ in corpus.read()]
        assert len(read_so_far) == 3000
        assert read_so_far == sorted(read_so_far)
        assert 0 < read_so_far[0] <= sizes[0]
        assert sizes[0] < read_so_far[1000] <= sum(sizes[:2])
        assert sum(sizes[:2]) < read_so_far[2000] <= sum(sizes)
        assert corpus.bytes_read == corpus.total_bytes


def test_an_empty_folder_of_json_lines(tmp_path):
    put(tmp_path, "a.jsonl", "\n")
    assert outcome(tmp_path) == []
    assert only_error(tmp_path, "holds no document") is None


@pytest.mark.parametrize("name", ["part.jsonl", "deep/part.ndjson", "package.json"])
def test_texts_beside_json_lines_are_the_corpus(tmp_path, name):
    put(tmp_path, "notes/a.txt", "x")
    put(tmp_path, name, jsonl({"id": 1, "text": "x"}))
    assert [d.id for d in read(tmp_path)] == ["notes/a.txt"]


# Indexes within folders


@pytest.fixture(params=["manifest.json", "segments/000001/x.txt", "encoder-12/vocab.txt"])
def index_like(request, tmp_path):
    """A folder with all that makes it an index, finished or not, and files that could be read."""
    folder = tmp_path / "corpus" / "notes.index"
    put(folder, "LOCK", "")
    put(folder, request.param, "{}")
    put(folder, "deep/tokenizer.json", "{}")
    put(folder, "deep/more.jsonl", "{}")
    put(folder, "card.md", "x")
    return folder


def test_an_index_within_a_folder_is_not_read(index_like):
    corpus = index_like.parent
    put(corpus, "z.txt", "x")
    assert [d.id for d in read(corpus)] == ["z.txt"]
    (corpus / "z.txt").unlink()
    put(corpus, "a/z.jsonl", jsonl({"id": "1", "text": "x"}))
    assert [d.id for d in read(corpus)] == ["1"]


def test_a_folder_that_is_an_index_is_no_corpus(index_like):
    with pytest.raises(CorpusError, match=r"this is an index, not a corpus") as caught:
        open_corpus(index_like)
    assert caught.value.path == str(index_like)


@pytest.mark.parametrize(
    "names",
    [
        ["LOCK"],
        ["LOCK/a", "manifest.json"],
        ["manifest.json", "segments/a", "encoder-1/a"],
        ["LOCK", "segments"],
        ["LOCK", "encoder-1"],
        ["LOCK", "encoder-/a", "encoder-x/a", "my-encoder-1/a", "encoder-1.old/a"],
    ],
)
def test_what_only_resembles_an_index_is_read(tmp_path, names):
    for name in [*names, "z.txt"]:
        put(tmp_path, f"notes/{name}", "")
    assert [d.id for d in read(tmp_path)] == ["notes/z.txt"]
    assert [d.id for d in read(tmp_path / "notes")] == ["z.txt"]


def test_indexes_of_a_folder_that_they_lie_in_hold_the_documents_alone(tmp_path):
    put(tmp_path, "a.txt", "a kettle")
    put(tmp_path, "b/c.md", "a lamp")
    index = Index.create(
        tmp_path / "notes.index", HashEncoder(), documents=documents(open_corpus(tmp_path))
    )
    assert index.info()["documents"] == 2
    with index.writer() as writer:
        assert writer.add(documents(open_corpus(tmp_path))) == 2
    second = Index.create(
        tmp_path / "b" / "second.index", HashEncoder(), documents=documents(open_corpus(tmp_path))
    )
    assert second.info()["documents"] == 2
    with pytest.raises(CorpusError, match="this is an index"):
        open_corpus(tmp_path / "notes.index")


# BEIR folders, queries, qrels


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_beir_folder(tmp_path, gz):
    put(
        tmp_path, f"corpus.jsonl{gz}", jsonl({"_id": "d", "title": "", "text": "x", "metadata": {}})
    )
    put(tmp_path, f"queries.jsonl{gz}", jsonl({"_id": "q", "text": "why", "metadata": {}}))
    put(tmp_path, "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\td\t2\n")
    put(tmp_path, "qrels/dev.tsv", "q\td\t1\n")
    put(tmp_path, "readme.txt", "not a document")
    corpus = open_corpus(tmp_path)
    assert isinstance(corpus, BeirFolder)
    assert list(documents(corpus)) == [Document("d", "x")]
    assert corpus.queries() == [Query("q", "why")]
    assert corpus.splits == ["dev", "test"]
    assert corpus.qrels("test") == {"q": {"d": 2}}
    with pytest.raises(
        UnknownName, match=r"'tset' of .*\. Did you mean 'test'\? Known: dev, test\."
    ):
        corpus.qrels("tset")
    with pytest.raises(UnknownName):
        corpus.qrels("../qrels/test")


def test_a_judged_collection(shared_data):
    corpus = BeirFolder(shared_data("cranfield"))
    ids = {document.id for document in documents(corpus)}
    assert len(ids) == (shared_data("cranfield") / "corpus.jsonl").read_bytes().count(b"\n")
    assert set(corpus.qrels("test")) <= {query.id for query in corpus.queries()}


@pytest.mark.parametrize("name", ["q.tsv", "q.tsv.gz"])
@pytest.mark.parametrize("header", ["", "query-id\ttext\n", "\ufeff_id\ttext\r\n"])
def test_queries_of_a_table(tmp_path, name, header):
    path = put(tmp_path, name, header + 'q1\t"why" not\r\n\n2\t\n')
    assert read_queries(path) == [Query("q1", '"why" not'), Query("2", "")]


@pytest.mark.parametrize("name", ["q.txt", "q.txt.gz"])
def test_queries_of_a_plain_text(tmp_path, name):
    path = put(tmp_path, name, '\ufeff what\tis "this"? \r\n\n  \nwhat is this?\nwhat is this?')
    assert read_queries(path) == [
        Query("1", 'what\tis "this"?'),
        Query("4", "what is this?"),
        Query("5", "what is this?"),
    ]


def test_queries_of_standard_input(standard_input):
    standard_input(jsonl({"_id": 1, "text": "one"}, {"id": "2", "text": "two"}))
    assert read_queries("-") == [Query("1", "one"), Query("2", "two")]


@pytest.mark.parametrize(
    ("name", "content", "line", "words"),
    [
        ("q.tsv", "1\ta\n1\tb\n", 2, "the query id '1' comes a second time"),
        ("q.tsv", "1\ta\n2 b\n", 2, "two columns; this one has 1."),
        ("q.tsv", "1\ta\tb\n", 1, "two columns; this one has 3."),
        ("q.tsv", "\ta\n", 1, "the first empty"),
        ("q.tsv", b"1\ta\n2\t\xe9\n", 2, "not UTF-8: byte 3 of the line is 0xE9"),
        ("q.tsv", "query-id\ttext\n", None, "holds no query"),
        ("q.jsonl", "\n", None, "holds no query"),
        ("q.txt", "\n \n", None, "holds no query"),
        ("q.txt", b"a\n\nb \xe9\n", 3, "not UTF-8: byte 3 of the line is 0xE9"),
        (
            "q.jsonl",
            jsonl({"_id": "1", "text": "a"}, {"_id": "1", "text": "b"}),
            2,
            "'1' comes a second",
        ),
        (
            "q.jsonl",
            '{"_id": "1"}',
            1,
            "no field 'text' or 'contents' for the text; fields here: '_id'.",
        ),
    ],
)
def test_queries_that_cannot_be_read(tmp_path, name, content, line, words):
    path = put(tmp_path, name, content)
    with pytest.raises(CorpusError) as caught:
        read_queries(path)
    assert (caught.value.line, caught.value.path) == (line, str(path))
    assert words in str(caught.value)


def test_no_queries_and_no_qrels(tmp_path):
    for reader in read_queries, read_qrels:
        with pytest.raises(CorpusError, match=r"none\.tsv: there is no such file\."):
            reader(tmp_path / "none.tsv")


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\nq\td 1\t2\nq\te\t-1\np\td 1\t0\n",
        "q\td 1\t2\nq\te\t-1\n\np\td 1\t0\np\td 1\t0",
    ],
)
def test_qrels_of_beir(tmp_path, content):
    path = put(tmp_path, "test.tsv", content)
    assert read_qrels(path) == {"q": {"d 1": 2, "e": -1}, "p": {"d 1": 0}}


@pytest.mark.parametrize("name", ["qrels.txt", "qrels.txt.gz"])
def test_qrels_of_trec(tmp_path, name):
    path = put(tmp_path, name, "1 0 d1 2\n1\t0\td2\t0\r\n 2  Q0  d1  1 \n")
    assert read_qrels(path) == {"1": {"d1": 2, "d2": 0}, "2": {"d1": 1}}


def test_qrels_of_trec_whose_ids_hold_white_space(tmp_path):
    path = put(tmp_path, "qrels.txt", "q 1\t0\tmy note.md\t2 \nq 0 a\u00a0b 1\n\tq\t0\td\t0\n")
    assert read_qrels(path) == {"q 1": {"my note.md": 2}, "q": {"a\u00a0b": 1, "d": 0}}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("q\td\t1\nq\te\tx\n", 2, "the grade 'x' isn't a whole number"),
        ("q 0 d 1.0\n", 1, "the grade '1.0' isn't a whole number"),
        ("q 0 d ²\n", 1, "isn't a whole number"),
        ("q d 1\n", 1, "this line has 3 columns"),
        (
            "q 0 d 1\nq 0 my d 1\n",
            2,
            "this line has 5 columns; where an id holds spaces, a single tab",
        ),
        ("q 0 d 1\n\nq 0 d 2\n", 3, "has the grade 2 for query 'q' here, and had 1 before"),
        ("query-id\tcorpus-id\tscore\n", None, "holds no judgment"),
        ("", None, "holds no judgment"),
        (b"q 0 \xff 1\n", 1, "not UTF-8: byte 5 of the line is 0xFF"),
    ],
)
def test_qrels_that_cannot_be_read(tmp_path, content, line, words):
    with pytest.raises(CorpusError) as caught:
        read_qrels(put(tmp_path, "qrels", content))
    assert caught.value.line == line
    assert words in str(caught.value)


# Metadata of JSON


@pytest.mark.parametrize(
    ("extra", "meta"),
    [
        (
            {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None},
            {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None},
        ),
        ({"tags": ["a", 1, None, False]}, {"tags": ["a", 1, None, False]}),
        ({"big": 10**30}, {"big": 10**30}),
        (
            {"author": {"name": "x", "born": {"year": 1}}},
            {"author.name": "x", "author.born.year": 1},
        ),
        ({"list": [{"é": [1]}, [2, {}], 3]}, {"list": ['{"é":[1]}', "[2,{}]", 3]}),
        ({"metadata": {"lang": "en", "x": {"y": 1}}}, {"lang": "en", "x.y": 1}),
        ({"metadata": {"lang": "en"}, "lang": "en"}, {"lang": "en"}),
        ({"a": {"b": 1}, "a.b": 1}, {"a.b": 1}),
        ({"metadata": {"text": "m", "_id": 9}}, {"text": "m", "_id": 9}),
        ({"metadata": "text"}, {"metadata": "text"}),
        ({"a": {"metadata": {"b": 1}}}, {"a.metadata.b": 1}),
        ({"metadata": {}, "x": {}, "l": []}, {"l": []}),
    ],
)
def test_metadata(tmp_path, extra, meta):
    for order in extra, dict(reversed(extra.items())):
        (document,) = read(put(tmp_path, "c.jsonl", jsonl({"id": "1", "text": "x", **order})))
        assert document.meta == meta


# What can't be read


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"metadata": {"k": 2}, "k": 5}, "k"),
        ({"metadata": {"k": 1}, "k": True}, "k"),
        ({"a": {"b": 1}, "a.b": 2}, "a.b"),
        ({"metadata": {"a.b": 3}, "a": {"b": 1}}, "a.b"),
        ({"a": {"b": {"c": 1}, "b.c": 2}}, "a.b.c"),
        ({"a": {"b": {"c": 1}}, "a.b": {"c": 2}}, "a.b.c"),
    ],
)
def test_two_values_for_one_field_are_an_error(tmp_path, extra, name):
    for order in extra, dict(reversed(extra.items())):
        path = put(tmp_path, "c.jsonl", jsonl({"id": "1", "text": "x", **order}))
        assert only_error(path, f"the field {name!r} has two values", "rename one") == 1


def test_of_a_name_that_comes_twice_in_an_object_the_last_counts(tmp_path):
    line = '{"id": 1, "id": 2, "text": "x", "m": {"n": 1, "n": 2}}'
    (document,) = read(put(tmp_path, "c.jsonl", line.encode()))
    assert (document.id, document.meta) == ("2", {"m.n": 2})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "1", "text": "x"', "invalid JSON at column 25"),
        ('{"id": "1", "text": "x"} {}', "invalid JSON at column 26: Extra data"),
        ("{'id': 1}", "invalid JSON at column 2"),
        ("nonsense", "invalid JSON at column 1"),
        ('{"id": 1, "text": "x", "n": NaN}', "NaN isn't JSON"),
        ('{"id": 1, "text": "x", "n": [-Infinity]}', "-Infinity isn't JSON"),
        ('{"id": 1, "text": "x", "n": 1e999}', "the number in the field 'n' is too large"),
        (
            '{"id": 1, "text": "x", "n": {"m": [-1e999]}}',
            "the number in the field 'n.m' is too large",
        ),
        ('{"id": 1, "text": "x", "n": ' + "1" * 5000 + "}", "an integer of thousands of digits"),
        ("[" * 100_000, "nested too deeply"),
        (
            '{"id": 1, "text": "x", "n": ' + '{"a":' * 50_000 + "1" + "}" * 50_001,
            "nested too deeply",
        ),
        ('["id"]', "must be a JSON object, such as a document's, and here a JSON array begins"),
        ("17", "must be a JSON object, such as a document's, not 17."),
        ('"text"', "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"text": "x", "n": 1}', "no field '_id' or 'id' for the id; fields here: 'text', 'n'."),
        ('{"id": "", "text": "x"}', "the id, field 'id', is empty"),
        (
            '{"_id": null, "id": 1, "text": "x"}',
            "the id, field '_id', must be a text or integer, not null.",
        ),
        ('{"id": true, "text": "x"}', "must be a text or integer, not true."),
        ('{"id": 1.5, "text": "x"}', "must be a text or integer, not 1.5."),
        ('{"id": 1}', "no field 'text' or 'contents' for the text; fields here: 'id'."),
        ('{"id": 1, "text": null}', "the text, field 'text', is null"),
        ('{"id": 1, "text": ["x"]}', "the text, field 'text', must be a text, not [\"x\"]."),
        ('{"id": 1, "contents": 5}', "the text, field 'contents', must be a text, not 5."),
        ('{"id": 1, "text": "x", "title": 5}', "the title, field 'title', must be a text, not 5."),
        ('{"id": 1, "text": "\\ud800 x"}', "lone surrogate \\ud800"),
        ('{"id": 1, "text": "x", "m": {"\\uDFFF": 1}}', "lone surrogate \\udfff"),
        ('{"id": 1, "text": "raw \0"}', "invalid JSON at column"),
        (b'{"id": 1, "text": "\xe9"}', "not UTF-8: byte 20 of the line is 0xE9; convert"),
        (b'{"id": 1, "text": "\xed\xa0\x80"}', "not UTF-8"),
    ],
)
def test_bad_lines_of_json(tmp_path, line, words):
    data = line if isinstance(line, bytes) else line.encode()
    good = jsonl({"id": "a", "text": "x"}).encode(), jsonl({"id": "b", "text": "x"}).encode()
    path = put(tmp_path, "c.jsonl", good[0] + data + b"\n" + good[1])
    first, (number, problem), last = outcome(path)
    assert (first, number, last) == ("a", 2, "b")
    assert words in problem
    assert len(problem) < 300
    assert only_error(path) == 2


def test_escaped_pairs_are_characters(tmp_path):
    path = put(tmp_path, "c.jsonl", '{"id": 1, "text": "\\ud83d\\ude00 \\\\ud800"}')
    assert read(path) == [Document("1", "😀 \\ud800")]


def test_a_chosen_field_that_is_missing_is_named(tmp_path):
    path = put(tmp_path, "c.jsonl", jsonl({"id": 1, "text": "x"}))
    assert only_error(path, "no field 'url' for the id", fields=Fields(id="url")) == 1
    assert only_error(path, "no field 'body' for the text", fields=Fields(text="body")) == 1
    table = put(tmp_path, "c.csv", "id,text\n1,x\n")
    for fields in Fields(id="url"), Fields(text="body"), Fields(title="head"):
        assert only_error(table, "fields here: 'id', 'text'", fields=fields) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id,text\n1,a,b,c\n2,x\n", [(2, "the row has 4 cells and the header 2"), "2"]),
        ("id,text\n1\n2,x\n", [(2, "no field 'text' for the text"), "2"]),
        ("id,text\n,a\n2,x\n", [(2, "the id, field 'id', is empty"), "2"]),
        ('id,text\n1,"a\nb"x\n2,x\n', [(2, "can't be read"), "2"]),
        ('id,text\n1,x\n2,"a\nb\n', ["1", (3, "a quoted cell of this row is never closed")]),
        ("id,text,id\n1,x,2\n", [(1, "two columns of the header are named 'id'")]),
        (
            "url,text\n1,x\n",
            [(1, "no field '_id' or 'id' for the id; fields here: 'url', 'text'.")],
        ),
        ('"id\n1,x\n', [(1, "never closed")]),
        (
            b'id,text\n1,"\n\xe9"\n2,x\n',
            [(2, "not UTF-8: the column 'text' holds the byte 0xE9"), "2"],
        ),
        (b"id,t\xe9xt\n1,x\n", [(1, "not UTF-8")]),
        ('id,text\n\n1,"a\n\n"\n\n1,b\n', ["1", (7, "the id '1' comes a second time")]),
    ],
)
def test_bad_tables(tmp_path, content, expected):
    path = put(tmp_path, "t.csv", content)
    got = outcome(path)
    assert [each if isinstance(each, str) else each[0] for each in got] == [
        each if isinstance(each, str) else each[0] for each in expected
    ]
    for each, wanted in zip(got, expected, strict=True):
        assert isinstance(each, str) or wanted[1] in each[1]


@pytest.mark.parametrize(
    "name", ["c.txt", "c.md", "c.html", "c.csv", "c.tsv", "c.jsonl", "c.jsonl.gz"]
)
def test_binary_files(tmp_path, name):
    noise = random.Random(0).randbytes(5000)
    assert only_error(put(tmp_path, name, noise), "looks like a binary file") is None
    assert only_error(put(tmp_path, name, b"\x01\x02\x03text"), "looks like a binary file") is None
    if name != "c.html":  # of pages it is read
        wide = put(tmp_path, name, jsonl({"id": "1", "text": "x"}).encode("utf-16"))
        assert only_error(wide, "UTF-16", "convert") is None


@pytest.mark.parametrize("name", ["c.txt", "c.csv", "c.jsonl"])
def test_gzip_data_under_another_name(tmp_path, name):
    assert only_error(put(tmp_path, name, gzip.compress(b"x")), "this is gzip data", ".gz") is None


def test_a_text_with_a_few_nuls_is_text(tmp_path):
    text = "plain \0 text, é" * 20
    assert read(put(tmp_path, "a.txt", text)) == [Document("a.txt", text)]
    cut = "x" * 4095 + "é\0"  # the character lies across the end of what is sniffed at
    assert read(put(tmp_path, "a.txt", cut)) == [Document("a.txt", cut)]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_text_files_that_are_not_utf8(tmp_path, name):
    put(tmp_path, "z.txt", "fine")
    put(tmp_path, name, "one\ntwo caf\xe9\n".encode("latin-1"))
    error, last = outcome(tmp_path)
    assert error[0] == 2
    assert error[1].startswith("not UTF-8: byte 8 of the line is 0xE9")
    assert last == "z.txt"


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.csv.gz"])
def test_broken_gzip(tmp_path, name):
    lines = [["id", "text"], *([str(i), f"{pow(3, i, 10**15 + 37)}"] for i in range(20_000))]
    if name.startswith("c.jsonl"):
        content = jsonl(*({"id": id, "text": text} for id, text in lines))
    else:
        content = "".join(f"{id},{text}\n" for id, text in lines)
    whole = gzip.compress(content.encode())
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) // 2])
    *read_ids, (line, problem) = outcome(path)
    assert problem.startswith("the gzip data breaks off")
    assert line > 100
    assert len(read_ids) in (line - 1, line - 2)  # a table's header is no document
    path.write_bytes(whole[:5000] + bytes(500) + whole[5500:])
    assert "the gzip data is corrupt" in outcome(path)[-1][1]
    path.write_bytes(content.encode())
    assert "the gzip data is corrupt" in only_error_text(path)


def only_error_text(path):
    with pytest.raises(CorpusError) as caught:
        read(path)
    return str(caught.value)


def test_a_name_that_is_not_utf8(tmp_path):
    folder = os.fsencode(tmp_path)
    try:
        with open(folder + b"/caf\xe9.txt", "wb") as file:  # noqa: PTH123
            file.write(b"x")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    put(tmp_path, "z.txt", "")
    error, last = open_corpus(tmp_path).read()
    assert "rename the file" in error.problem
    assert str(error).encode().endswith(b"rename the file.")
    assert "caf\\xe9.txt" in str(error)
    assert last.document.id == "z.txt"


def test_files_that_vanish_or_are_locked_are_told(tmp_path, monkeypatch):
    for name in "a.txt", "b.txt", "c.txt", "d/e.txt":
        put(tmp_path, name, name)
    walk = open_corpus(tmp_path).read()
    assert next(walk).document.id == "a.txt"
    (tmp_path / "b.txt").unlink()
    listed = os.listdir

    def refuse(path):
        if path.name == "d":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    gone, kept, locked = walk
    assert str(gone) == f"{tmp_path / 'b.txt'}: there is no such file."
    assert kept.document.id == "c.txt"
    assert str(locked) == f"{tmp_path / 'd'}: can't be read: Permission denied."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_permissions(tmp_path, name):
    path = put(tmp_path, name, "id,text\n")
    path.chmod(0)
    assert only_error(path, "Permission denied") is None


# What open_corpus refuses


def test_no_such_path(tmp_path):
    for name in "gone", "gone.jsonl", "x" * 5000, "a\0b":
        with pytest.raises(CorpusError) as caught:
            open_corpus(tmp_path / name)
        assert caught.value.line is None


@pytest.mark.parametrize("name", ["a.png", "a", "a.txt.gz", "a.gz", ".jsonl"])
def test_an_unknown_kind_of_file(tmp_path, name):
    path = put(tmp_path, name, "x")
    with pytest.raises(
        UsageError, match=r"\.ndjson.* or \.json\.gz.* \.csv.*\.txt, \.md.*'-' .*standard input\.$"
    ):
        open_corpus(path)


def test_fields_of_texts_are_refused(tmp_path):
    path = put(tmp_path, "a.txt", "x")
    for source in path, tmp_path:
        with pytest.raises(
            UsageError, match=r"no fields to choose from; an id is a path, .* sees of it\.$"
        ):
            open_corpus(source, Fields(text="body"))


def test_a_folder_without_readable_files(tmp_path):
    put(tmp_path, "a.png", "x")
    put(tmp_path, "b.csv", "x")
    words = (
        ".txt, .md, .markdown, .html, .htm, .pdf, .docx, .epub, .eml, .mbox",
        "JSON Lines",
        "corpus.jsonl",
        "its own path",
    )
    assert only_error(tmp_path, *words) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.jsonl", ""),
        ("c.jsonl", "\ufeff"),
        ("c.jsonl.gz", "\n \n"),
        ("c.csv", "id,text\n"),
        ("c.csv", ""),
    ],
)
def test_an_empty_corpus(tmp_path, name, content):
    path = put(tmp_path, name, content)
    assert outcome(path) == []
    assert only_error(path, "holds no document") is None


def test_skipping(tmp_path):
    path = put(tmp_path, "c.jsonl", '{"id": 1, "text": "x"}\noops\n{"id": 1, "text": "y"}\n')
    skipped = []
    assert list(documents(open_corpus(path), skipped.append)) == [Document("1", "x")]
    assert [error.line for error in skipped] == [2, 3]
    path = put(tmp_path, "c.jsonl", "oops\n")
    skipped = []
    with pytest.raises(CorpusError, match="no document that can be read"):
        list(documents(open_corpus(path), skipped.append))
    assert len(skipped) == 1


# Duplicates


@given(st.lists(st.integers(0, 300)), st.integers(1, 8))
def test_seen_ids_are_a_set(numbers, load):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vecsearch.corpus.seen._LOAD", load)
        seen, oracle = SeenIds(), set()
        for number in numbers:
            assert seen.add(str(number)) == (str(number) not in oracle)
            oracle.add(str(number))
            assert len(seen) == len(oracle)


def test_many_seen_ids_take_little_memory():
    tracemalloc.start()
    seen = SeenIds()
    assert all(seen.add(f"doc-{i}") for i in range(50_000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(seen.add(f"doc-{i}") for i in range(0, 50_000, 7))
    assert held < 16 * 50_000


def test_digests_are_found_at_their_places_only(monkeypatch):
    digests = {"a": 0x0102030405060708, "b": 0x090A0B0C0D0E0F10, "c": 0x0D0E0F1001020304}
    monkeypatch.setattr("vecsearch.corpus.seen.hash", lambda id: digests[id[0]], raising=False)
    seen = SeenIds()
    assert [seen.add(id) for id in ("b", "a", "c", "a", "c")] == [True, True, True, False, False]
    monkeypatch.undo()
    ends = digests["b"].to_bytes(8, "little") + digests["a"].to_bytes(8, "little")
    assert ends[4:12] not in (ends[:8], ends[8:])


@given(st.lists(st.integers(0, 20)))
def test_second_places_are_errors(numbers):
    records = [Record(Document(str(n), ""), "c", line) for line, n in enumerate(numbers, 1)]
    first = {}
    for line, n in enumerate(numbers, 1):
        first.setdefault(n, line)
    for n, record, got in zip(numbers, records, unique(iter(records)), strict=True):
        if first[n] == record.line:
            assert got is record
        else:
            assert (got.path, got.line) == ("c", record.line)
            assert repr(str(n)) in got.problem


# Round trips

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.one_of(
    texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
)
names = texts.filter(
    lambda name: name not in {"_id", "id", "title", "text", "contents", "metadata", ""}
)


def corpora(meta):
    document = st.builds(Document, texts.filter(bool), texts, texts, meta)
    return st.lists(document, min_size=1, max_size=5, unique_by=lambda d: d.id)


@settings(max_examples=40)
@given(
    corpora(st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=3)),
    st.booleans(),
)
def test_documents_survive_json_lines(tmp_path_factory, wanted, ascii):
    lines = [
        json.dumps({"_id": d.id, "title": d.title, "text": d.text, **d.meta}, ensure_ascii=ascii)
        for d in wanted
    ]
    path = put(tmp_path_factory.getbasetemp(), "c.jsonl.gz", "\n".join(lines))
    assert read(path) == wanted


def is_plain(cell):
    """Whether a text looks like nothing else, by rules of Python rather than of the reader."""
    if not cell or cell.lower() in ("true", "false"):
        return False
    try:
        return math.isnan(float(cell))
    except ValueError:
        return True


kinds_of_column = [
    texts.filter(is_plain),
    st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
]


@settings(max_examples=40)
@given(data=st.data(), suffix=st.sampled_from(["csv", "tsv"]))
def test_documents_survive_tables(tmp_path_factory, data, suffix):
    columns = data.draw(st.lists(names, max_size=3, unique=True))
    cells = {name: data.draw(st.sampled_from(kinds_of_column)) | st.none() for name in columns}
    wanted = data.draw(corpora(st.fixed_dictionaries(cells)))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t" if suffix == "tsv" else ",", quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "title", "text", *columns])
    for d in wanted:
        writer.writerow([d.id, d.title, d.text, *(d.meta[c] for c in columns)])
    if sys.version_info < (3, 11) and "\0" in out.getvalue():
        return
    if strangeness(out.getvalue().encode()):  # mostly control characters
        return
    path = put(tmp_path_factory.getbasetemp(), f"c.{suffix}", out.getvalue())
    found = read(path)
    assert found == wanted
    kinds = [[{c: type(d.meta[c]) for c in columns} for d in each] for each in (found, wanted)]
    assert kinds[0] == kinds[1]  # 1, 1.0 and True are equal


@settings(max_examples=200)
@given(
    st.binary(max_size=300),
    st.sampled_from(["c.jsonl", "c.jsonl.gz", "c.csv", "c.tsv", "c.md", "c.html"]),
)
def test_any_bytes_give_records_or_errors(tmp_path_factory, data, name):
    path = put(tmp_path_factory.getbasetemp(), name, data)
    for each in open_corpus(path).read():
        assert isinstance(each, Record | CorpusError)
        str(each).encode()
    for raw_reader in read_queries, read_qrels:
        try:
            raw_reader(path)
        except CorpusError as error:
            str(error).encode()


# Streams


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.csv"])
def test_progress(tmp_path, name):
    count = 20_000
    rows = ({"id": str(i), "text": f"{i} {pow(3, i, 10**15 + 37)}"} for i in range(count))
    if name == "c.csv":
        content = "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows)
    else:
        content = jsonl(*rows)
    path = put(tmp_path, name, content)
    corpus = open_corpus(path)
    assert corpus.total_bytes == path.stat().st_size
    assert corpus.bytes_read == 0
    read_so_far = []
    for i, _ in enumerate(corpus.read()):
        if i % 1000 == 0:
            read_so_far.append(corpus.bytes_read)
    assert read_so_far == sorted(read_so_far)
    assert read_so_far[0] < corpus.total_bytes
    assert len(set(read_so_far)) > 2
    assert corpus.bytes_read == corpus.total_bytes
    assert next(corpus.read()).line in (1, 2)  # it can be read again, from the start


def test_the_progress_of_a_folder_is_unknown(tmp_path):
    corpus = open_corpus(put(tmp_path, "a.txt", "x").parent)
    assert isinstance(corpus, DocumentFiles)
    assert (corpus.total_bytes, corpus.bytes_read) == (None, 0)


def test_lines_come_before_the_end_of_a_stream(monkeypatch):
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as source, os.fdopen(theirs, "wb", buffering=0) as sink:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        sink.write(b'{"id": 1, "text": "x"}\n')
        found = []
        stream = JsonLines("-").read()
        reader = threading.Thread(target=lambda: found.append(next(stream)), daemon=True)
        reader.start()
        reader.join(5)
        assert [record.document.id for record in found] == ["1"]
        stream.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.csv"])
def test_memory_stays_flat(tmp_path, name):
    path = tmp_path / name
    text = "word " * 2000
    with (gzip.open if name.endswith(".gz") else open)(path, "wt") as file:
        file.write("id,text\n" if name == "c.csv" else "")
        for i in range(5000):
            file.write(f"{i},{text}\n" if name == "c.csv" else jsonl({"id": i, "text": text}))
    corpus = open_corpus(path)
    assert isinstance(corpus, Table | JsonLines)
    tracemalloc.start()
    count = sum(1 for _ in documents(corpus))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5000
    assert peak < 3_000_000
